"""Bad input at the token endpoint: rows 1 to 24. Row 25, secrets of apps that are gone, is in `registry_acts`."""

import base64
import concurrent.futures
import json

import wire
from .scene import (CLIENT, FORM, GRANT, REQUEST, Case, allowed, b64, closed, refused_and_closed, status, token_error, within)

PARSED = ((400, "invalid_request"), (401, "invalid_client"))
TOO_BIG = allowed(status(413), lambda answer: None if answer.member("error") == "invalid_request" else "not invalid_request")


def cases(scene):
    for group in (credentials, parameters, bodies, limits, framing, slow):
        for case in group(scene):
            case.door, case.method = "auth", "HEAD" if case.name.startswith("HEAD") else case.method
            yield case


def credentials(scene):
    def basic(value, name, row, expect=CLIENT):
        value = value if isinstance(value, bytes) else value.encode("latin-1")
        return Case(row, name, scene.token_request([("Authorization", value)], authorization=False), expect)

    def encoded(text):
        return b"Basic " + base64.b64encode(text if isinstance(text, bytes) else text.encode())

    key, secret = scene.key, scene.secret
    yield Case(1, "no Authorization", scene.token_request(authorization=False), CLIENT)
    for value, name in [
        ("Basic", "Basic alone"), ("Basic ", "Basic and a space"), ("Basic !!!!", "not base64"), ("Basic =", "only padding"),
        (f"Basic {key}:{secret}", "not encoded"), (encoded(key + secret), "no colon"), (encoded(b"\xff\xfe:\xff"), "not UTF-8"),
        (encoded(":"), "only a colon"), (encoded(":" + secret), "empty key"), (encoded(key + ":"), "empty secret"),
        (encoded(f"{key}:{secret}") + b" x", "text behind"), (b"Basic" + encoded(f"{key}:{secret}")[6:] + b"!", "glued and spoilt"),
        ("Bearer " + scene.token, "a token instead"), (f'Digest username="{key}"', "Digest"), ("Negotiate abc", "Negotiate"),
    ]:
        yield basic(value, f"Basic: {name}", 2)
    yield basic(encoded(f"{key}:{secret[:-1]}x"), "wrong secret", 3)
    yield basic(encoded(f"{'Z' * 32}:{secret}"), "unknown key", 3)
    yield basic(encoded(f"{key.swapcase()}:{secret}"), "key in the other case", 3)
    for name, altered in [
        ("cut by one", secret[:-1]), ("cut in half", secret[: len(secret) // 2]), ("longer by one", secret + "x"), ("longer by 100", secret + "x" * 100),
        ("in the other case", secret.swapcase()), ("NUL behind", secret + "\0"), ("space behind", secret + " "), ("space before", " " + secret),
        ("tab behind", secret + "\t"), ("line feed inside", secret[:9] + "\n" + secret[9:]), ("two line feeds behind", secret + "\n\n"),
        ("prefix cut off", secret.removeprefix("pcs_")), ("twice", secret + secret),
    ]:
        yield basic(encoded(f"{key}:{altered}"), f"secret {name}", 4)
    good, bad = scene.basic, encoded(f"{key}:wrong")
    for name, pair in [("equal", (good, good)), ("good first", (good, bad)), ("bad first", (bad, good)), ("Bearer beside", (good, b"Bearer x"))]:
        fields = [("Authorization", value) for value in pair]
        yield Case(5, f"two Authorization headers, {name}", scene.token_request(fields, authorization=False), allowed(status(400), _not_a_token))
    for scheme in (b"basic", b"BASIC", b"bAsIc"):
        yield basic(scheme + scene.basic[5:], f"scheme {scheme.decode()}", 6, status(200))
    for name, extra in [("client_secret", f"&client_secret={secret}"), ("both", f"&client_id={key}&client_secret={secret}"), ("wrong client_secret", "&client_secret=x"),
                        ("another client_id", f"&client_id={'B' * 32}")]:
        yield Case(7, f"Basic beside {name} in the body", scene.token_request(body=GRANT + extra.encode()), token_error(*PARSED))
    # A parameter without a value is one that was left out (RFC 6749 section 3.1).
    yield Case(7, "Basic beside an empty client_secret", scene.token_request(body=GRANT + b"&client_secret="), status(200))
    for name, query in [("with the key", f"client_id={key}&client_secret={secret}"), ("alone", f"client_secret={secret}"), ("encoded name", f"client%5Fsecret={secret}&client_id={key}")]:
        for authorization in (True, False):
            target = f"{scene.auth.path}/v1/token?{GRANT.decode()}&{query}"
            beside = "beside Basic" if authorization else "without Basic"
            yield Case(8, f"secret in the query {name}, {beside}", scene.token_request(target=target, body=b"", authorization=authorization), token_error(*PARSED))
    assertion = f"{b64({'alg': 'none'})}.{b64({'iss': key, 'sub': key, 'aud': scene.issuer, 'exp': 9999999999})}."
    kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    for name, extra in [("", ""), (" and client_id", f"&client_id={key}")]:
        body = GRANT + f"&client_assertion_type={kind}&client_assertion={assertion}{extra}".encode()
        yield Case(24, f"unsigned client_assertion{name}", scene.token_request(body=body, authorization=False), token_error(*PARSED))


def parameters(scene):
    for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND"):
        def expect(answer, method=method):
            if answer.status not in ((405, 501) if method in ("TRACE", "PROPFIND") else (405,)):
                return f"status {answer.status}"
            if answer.status == 405 and "POST" not in (answer.header("allow") or ""):
                return "no Allow: POST"
            return "it echoes the credentials" if scene.basic in answer.body else None
        yield Case(9, f"{method} instead of POST", scene.token_request(method=method), expect, method=method)
    for name, body in [("empty body", b""), ("no grant_type", b"scope=anonymous"), ("empty grant_type", b"grant_type=&scope=anonymous"), ("only separators", b"&&&=&")]:
        # An empty value is absent (RFC 6749 section 3.1), and answers may say either.
        yield Case(10, name, scene.token_request(body=body), token_error((400, "invalid_request"), (400, "unsupported_grant_type")))
    for grant in ("password", "refresh_token", "authorization_code", "implicit", "CLIENT_CREDENTIALS", "Client_Credentials", "+client_credentials", "client_credentials+",
                  "client_credentials%00", "client_credentials%0a", "client-credentials", "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer", "x" * 500):
        body = f"grant_type={grant}&scope=anonymous&username=a&password=b".encode()
        yield Case(11, f"grant {grant[:40]}", scene.token_request(body=body), token_error((400, "unsupported_grant_type"), (400, "invalid_request")))
    for name, extra in [("scope, equal", b"&scope=anonymous"), ("scope, other", b"&scope=openid"), ("grant_type", b"&grant_type=client_credentials"), ("grant_type, other", b"&grant_type=password"),
                        ("scope, encoded name", b"&%73cope=anonymous")]:
        yield Case(12, f"twice: {name}", scene.token_request(body=GRANT + extra), REQUEST)
    for name, scope in [("admin", "admin"), ("anonymous and admin", "anonymous+admin"), ("quote", "%22"), ("backslash", "anonymous%5C"), ("NUL", "anonymous%00"), ("line feed", "anonymous%0a"),
                        ("5 KB", "a" * 5000), ("star", "*"), ("other case", "ANONYMOUS"), ("comma", "anonymous,openid"), ("é", "%C3%A9"), ("tab", "anonymous%09openid")]:
        yield Case(13, f"scope {name}", scene.token_request(body=f"grant_type=client_credentials&scope={scope}".encode()), token_error((400, "invalid_scope"), (400, "invalid_request")))
    claims = b"&sub=admin&iss=https%3A%2F%2Fevil.example&aud=evil&exp=9999999999&cid=other&scp=admin&gen=99"
    yield Case(18, "claims in the body are ignored", scene.token_request(body=GRANT + claims), lambda answer: _own_claims(scene, answer))
    for name, fields in [("X-Forwarded-Host", [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")]), ("Forwarded", [("Forwarded", "host=evil.example;proto=https")]),
                         ("X-Original-URL", [("X-Original-URL", "/oauth2/evil/v1/token")])]:
        yield Case(17, f"{name}: evil", scene.token_request(fields), lambda answer: _own_claims(scene, answer))
    for host in ("evil.example", "evil.example:80", "localhost.evil.example"):
        data = wire.request("POST", scene.auth.path + "/v1/token", [("Host", host), ("Authorization", scene.basic), ("Content-Type", FORM), ("Content-Length", len(GRANT))], GRANT)
        yield Case(17, f"Host: {host}", data, lambda answer: None if answer.status in (400, 421) else _own_claims(scene, answer))


def bodies(scene):
    unsupported = token_error((415, "invalid_request"), (400, "invalid_request"))
    multipart = b'--x\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nclient_credentials\r\n--x--\r\n'
    for kind, body in [("multipart/form-data; boundary=x", multipart), ("application/xml", b"<grant_type>client_credentials</grant_type>"), ("text/plain", GRANT), ("text/html", GRANT),
                       ("application/octet-stream", GRANT), ("image/png", GRANT), ("application/x-www-form-urlencodedx", GRANT)]:
        yield Case(14, f"body of type {kind}", scene.token_request(body=body, content_type=kind), unsupported)
    for name, body in [("not JSON", b"{"), ("array", b"[]"), ("number", b"5"), ("null", b"null"), ("text", b'"grant_type"'), ("value a number", b'{"grant_type":5,"scope":"anonymous"}'),
                       ("value an array", b'{"grant_type":["client_credentials"],"scope":"anonymous"}'), ("member twice", b'{"grant_type":"client_credentials","scope":"anonymous","scope":"openid"}'),
                       ("member twice, equal", b'{"grant_type":"client_credentials","scope":"anonymous","scope":"anonymous"}'), ("BOM", b"\xef\xbb\xbf{}"), ("not UTF-8", b'{"grant_type":"\xff"}'),
                       ("5,000 deep", b"[" * 5000), ("object 5,000 deep", b'{"a":' * 3000), ("huge number", b'{"grant_type":1e999}')]:
        yield Case(14, f"JSON body: {name}", scene.token_request(body=body, content_type="application/json"), token_error((400, "invalid_request"), (400, "unsupported_grant_type"), (413, "invalid_request")))
    json_secret = json.dumps({"grant_type": "client_credentials", "scope": "anonymous", "client_secret": scene.secret}).encode()
    yield Case(7, "Basic beside client_secret in JSON", scene.token_request(body=json_secret, content_type="application/json"), token_error(*PARSED))
    lenient = allowed(status(200, 400, 413), within(1.0))
    for name, extra in [("%zz", b"&x=%zz"), ("% at the end", b"&x=%"), ("overlong UTF-8", b"&x=%c0%af"), ("not UTF-8", b"&x=%ff%fe"), ("raw bytes", b"&x=\xff\x00\x01"),
                        ("1,000 parameters", b"".join(b"&p%d=1" % n for n in range(1000))), ("10,000 parameters", b"".join(b"&p%d=1" % n for n in range(10000))),
                        ("names that collide", b"".join(b"&%s=1" % (b"Aa" * n + b"BB" * (9 - n)) for n in range(10)) * 30), ("10,000 ampersands", b"&" * 10000), ("10,000 equals signs", b"=" * 10000)]:
        yield Case(16, f"form: {name}", scene.token_request(body=GRANT + extra), lenient)
    for name, body in [("%zz", b"grant_type=%zz&scope=anonymous"), ("overlong", b"grant_type=client%c0%afcredentials&scope=anonymous"), ("not UTF-8", b"grant_type=%ff&scope=anonymous")]:
        yield Case(16, f"grant_type {name}", scene.token_request(body=body), token_error((400, "invalid_request"), (400, "unsupported_grant_type")))


def limits(scene):
    for size in (17 * 1024, 1024 * 1024, 16 * 1024 * 1024):
        body = GRANT + b"&x=" + b"a" * size
        yield Case(15, f"body of {size >> 10} KB", scene.token_request(body=body), TOO_BIG)
    declared = scene.token_request([("Content-Length", 1 << 40)], body=b"", length=False)
    yield Case(15, "body of 1 TB announced, none sent", declared, TOO_BIG)
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    yield Case(15, "chunked body of 4 MB", scene.token_request([("Transfer-Encoding", "chunked")], body=chunk * 64 + b"0\r\n\r\n", length=False), TOO_BIG)
    too_large = refused_and_closed(431)
    yield Case(19, "header of 64 KB", scene.token_request([("X-Long", "a" * 65536)]), too_large, linger=3)
    yield Case(19, "20,000 headers", scene.token_request([(f"X-{n}", "1") for n in range(20000)]), too_large, linger=3)
    yield Case(19, "101 headers and more", scene.token_request([(f"X-{n}", "1") for n in range(110)]), too_large, linger=3)
    yield Case(19, "URI of 64 KB", scene.token_request(target=scene.auth.path + "/v1/token?x=" + "a" * 65536), refused_and_closed(414), linger=3)


def framing(scene):
    bad = refused_and_closed(400)
    either = refused_and_closed(400, 501)
    base = f"POST {scene.auth.path}/v1/token HTTP/1.1\r\nHost: {scene.auth.authority}\r\nAuthorization: {scene.basic.decode()}\r\nContent-Type: {FORM}\r\n".encode()
    length = b"%d" % len(GRANT)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GRANT), GRANT)
    for name, fields, body in [
        ("both framings", b"Content-Length: " + length + b"\r\nTransfer-Encoding: chunked\r\n", chunked), ("both framings, the other order", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunked),
        ("two lengths", b"Content-Length: " + length + b"\r\nContent-Length: 5\r\n", GRANT), ("two equal lengths", (b"Content-Length: " + length + b"\r\n") * 2, GRANT),
        ("length list", b"Content-Length: %s, %s\r\n" % (length, length), GRANT), ("length -1", b"Content-Length: -1\r\n", GRANT), ("length +45", b"Content-Length: +%s\r\n" % length, GRANT),
        ("length 0x2d", b"Content-Length: 0x2d\r\n", GRANT), ("empty length", b"Content-Length: \r\n", GRANT), ("length overflow", b"Content-Length: 99999999999999999999999\r\n", GRANT),
        ("length 45a", b"Content-Length: 45a\r\n", GRANT), ("length 4 5", b"Content-Length: 4 5\r\n", GRANT), ("length 45.0", b"Content-Length: 45.0\r\n", GRANT),
    ]:
        yield Case(20, name, base + fields + b"\r\n" + body, bad, linger=3)
    for name, fields in [("gzip", b"Transfer-Encoding: gzip\r\n"), ("identity", b"Transfer-Encoding: identity\r\n"), ("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n"), ("chunked, gzip", b"Transfer-Encoding: chunked, gzip\r\n"),
                         ("twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), ("chunked, chunked", b"Transfer-Encoding: chunked, chunked\r\n"), ("xchunked", b"Transfer-Encoding: xchunked\r\n"), ("empty", b"Transfer-Encoding: \r\n")]:
        yield Case(21, f"Transfer-Encoding {name}", base + fields + b"\r\n" + chunked, either, linger=3)
    yield Case(21, "Transfer-Encoding in HTTP/1.0", base.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + chunked, either, linger=3)


def slow(scene):
    whole = scene.token_request()
    ends = allowed(status(0, 408), closed, within(17))
    yield Case(22, "half a head", whole[:60], ends, timeout=25, linger=20)
    yield Case(22, "half a request line", b"POST /oauth2", ends, timeout=25, linger=20)
    yield Case(22, "a head, a byte each half second", whole, ends, timeout=25, slow=0.5, linger=20)
    # A body makes no progress for 30 s at most.
    yield Case(22, "half a body", whole[:-10], allowed(status(0, 408), closed, within(35)), timeout=45, linger=40)


def _not_a_token(answer):
    return "it answers with a token" if answer.member("access_token") else None


def _own_claims(scene, answer):
    token = answer.member("access_token")
    if answer.status != 200 or not token:
        return f"status {answer.status}"
    from .scene import unb64
    claims = json.loads(unb64(token.split(".")[1]))
    expected = {"iss": scene.issuer, "aud": "api_providers", "sub": scene.key, "cid": scene.key, "scp": ["anonymous"]}
    different = {name: claims.get(name) for name, value in expected.items() if claims.get(name) != value}
    return f"claims {different}" if different else None


def identical_refusals(scene):
    """Row 3: whether the key or the secret was wrong cannot be told from the answer."""
    def ask(pair):
        value = "Basic " + base64.b64encode(pair.encode()).decode()
        answer = wire.exchange(scene.auth, scene.token_request([("Authorization", value)], authorization=False))
        varying = ("date", "request-id", "content-length")
        return answer.status, sorted((k.lower(), v) for k, v in answer.headers if k.lower() not in varying), answer.body
    known, unknown = ask(f"{scene.key}:wrong"), ask(f"{'Q' * 32}:wrong")
    scene.report.check("  3 wrong secret and unknown key get the same answer", known == unknown, f"{known} and {unknown}")


def guessing(scene):
    """Row 23: two hundred wrong secrets at once. The owner is served all the while."""
    wrong = "Basic " + base64.b64encode(f"{scene.key}:guess".encode()).decode()
    data = scene.token_request([("Authorization", wrong)], authorization=False)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        guesses = [pool.submit(wire.exchange, scene.auth, data, 20.0) for _ in range(200)]
        owner = [wire.exchange(scene.auth, scene.token_request(), 20.0).status for _ in range(20)]
        answers = [guess.result() for guess in guesses]
    statuses = {answer.status for answer in answers}
    scene.report.check(" 23 200 wrong secrets at once: 401 or 429", statuses <= {401, 429}, statuses)
    told = all((answer.header("retry-after") or "").isdigit() for answer in answers if answer.status == 429)
    scene.report.check(" 23 each 429 says when to come back", told, [a.headers for a in answers if a.status == 429][:1])
    scene.report.check(" 23 the owner is served meanwhile", set(owner) == {200}, owner)
