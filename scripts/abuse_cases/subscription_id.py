"""Bad Subscription-Id headers at the gateway: rows 51 to 63. Ids of other apps and states are in `registry_acts`."""

import uuid

from .scene import Case, allowed, gateway_error, status

MISSING = gateway_error((400, "MISSING-SUBSCRIPTION-ID"))
MISMATCH = gateway_error((403, "SUBSCRIPTION-MISMATCH"))
EITHER = gateway_error((403, "SUBSCRIPTION-MISMATCH"), (400, "INVALID-REQUEST"))
BAD = gateway_error((400, "INVALID-REQUEST"))


def not_reflected(value):
    """A value that comes back must not be able to become markup."""
    def check(answer):
        risky = value.encode("utf-8", "replace")
        kind = answer.header("content-type") or ""
        return "the value is reflected" if risky in answer.body and "json" not in kind else None
    return check


def cases(scene):
    good = scene.subscription_id

    def case(row, name, expect, values=(), may_arrive=False, fields=(), suffix="", **how):
        marker, target = scene.marked()
        headers = [*(("Subscription-Id", value) for value in values), *fields]
        return Case(row, name, scene.call(target + suffix, headers, subscription=False, **how), expect, marker=marker, may_arrive=may_arrive)

    yield case(51, "missing", MISSING)
    for name, value in (("empty", ""), ("a blank", " "), ("blanks", "      "), ("tabs", "\t\t")):
        yield case(51, name, MISSING, [value])
    for name, value in [("random", str(uuid.uuid4())), ("nil", str(uuid.UUID(int=0))), ("all ones", str(uuid.UUID(int=2**128 - 1))), ("a word", "abc"), ("a number", "1"), ("the API Key", scene.key), ("TEST", "TEST"), ("Test", "Test"), ("tests", "tests"),
                        ("cut", good[:-1]), ("longer", good + "0"), ("in braces", "{" + good + "}"), ("without hyphens", good.replace("-", "")), ("urn", "urn:uuid:" + good), ("null", "null"), ("undefined", "undefined"), ("star", "*"), ("in capitals", good.upper())]:
        # An id is an opaque string, so another spelling of a UUID is another id.
        yield case(52, f"unknown: {name}", MISMATCH, [value])
    for name, values in [("same", [good, good]), ("different", [good, str(uuid.uuid4())]), ("different, the other order", [str(uuid.uuid4()), good]), ("empty second", [good, ""]), ("empty first", ["", good]), ("test second", [good, "test"])]:
        yield case(55, f"twice: {name}", BAD, values)
    yield case(55, "twice, other case of the name", BAD, [good], fields=[("SUBSCRIPTION-ID", good)])
    yield case(55, "twice, mixed case of the name", BAD, [good], fields=[("subscription-Id", str(uuid.uuid4()))])
    for separator in (",", ", ", ";", "; ", " ", "|", "%2C"):
        yield case(56, f"joined by {separator!r}", EITHER, [f"{good}{separator}{uuid.uuid4()}"])
        yield case(56, f"joined by {separator!r} with itself", EITHER, [f"{good}{separator}{good}"])
    for name, value in [("CR", good + "\rX"), ("LF", good + "\nX: y"), ("LF and a header", good + "\nAuthorization: Bearer x"), ("NUL", good + "\0"), ("NUL inside", good[:5] + "\0" + good[5:]), ("DEL", good + "\x7f"), ("vertical tab", good + "\x0b"), ("form feed", good + "\x0c"), ("backspace", good + "\x08"), ("escape", "\x1b[2J" + good)]:
        yield case(57, f"with {name}", status(400), [value])
    for name, value in [("UTF-8", "é" + good), ("Latin-1", b"\xe9" + good.encode()), ("full-width", good.replace("1", "１").replace("a", "ａ").encode()), ("right-to-left mark", "\u200f".encode() + good.encode()), ("zero width", good.encode() + "\u200b".encode()), ("BOM", b"\xef\xbb\xbf" + good.encode()), ("not UTF-8", b"\xff\xfe"), ("no-break space", good.encode() + b"\xa0")]:
        yield case(58, f"{name}", EITHER, [value])
    for size in (300, 4000, 10000):
        yield case(59, f"{size} characters", status(400, 403, 431), ["a" * size])
    for value in ("' OR '1'='1", "'; drop table subscriptions; --", "%", "_", "*", "?", "[a-z]*", "../../etc/passwd", '{"id":"x"}', '["x"]', "{{7*7}}", "${jndi:ldap://127.0.0.1/x}", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$(id)", "`id`", "\\x00", "%00", "%0d%0aX: y"):
        yield case(60, f"injection {value}", allowed(EITHER, not_reflected(value)), [value])
    for name, how in [("query", {"suffix": f"&Subscription-Id={good}"}), ("cookie", {"fields": [("Cookie", f"Subscription-Id={good}")]}), ("X-Subscription-Id", {"fields": [("X-Subscription-Id", good)]}), ("SubscriptionId", {"fields": [("SubscriptionId", good)]}), ("Subscription.Id", {"fields": [("Subscription.Id", good)]})]:
        yield case(61, f"only in {name}", gateway_error((400, "MISSING-SUBSCRIPTION-ID"), (400, "INVALID-REQUEST")), **how)
    for name in ("Subscription_Id", "subscription_id", "SUBSCRIPTION_ID"):
        yield case(61, f"only as {name}", gateway_error((400, "MISSING-SUBSCRIPTION-ID"), (400, "INVALID-REQUEST")), fields=[(name, good)])
        yield case(61, f"{name} beside the right one", status(400), [good], fields=[(name, str(uuid.uuid4()))])
    trailer = b"5\r\nhello\r\n0\r\nSubscription-Id: " + good.encode() + b"\r\n\r\n"
    yield case(62, "in a trailer", MISSING, fields=[("Transfer-Encoding", "chunked"), ("Trailer", "Subscription-Id")], body=trailer, method="POST")
    other = b"5\r\nhello\r\n0\r\nSubscription-Id: evil\r\nAuthorization: Bearer evil\r\n\r\n"
    # The provider's own answer to a POST does not matter here; what reaches it is checked by the recorder.
    yield case(62, "another one in a trailer is not merged", status(200, 201, 400, 404, 405, 415, 422), [good], True, fields=[("Transfer-Encoding", "chunked")], body=other, method="POST")
    for value in ("Subscription-Id", "subscription-id", "SUBSCRIPTION-ID", "close, Subscription-Id", "Subscription-Id, close", "keep-alive,subscription-id", "Authorization", "Request-Id, Subscription-Id"):
        # What arrives without its Subscription-Id is found by the recorder.
        yield case(63, f"Connection: {value}", status(200, 400), [good], True, fields=[("Connection", value)])
