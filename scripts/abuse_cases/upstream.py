"""A provider that answers badly: rows 85 and 86. The bad answers themselves are in `recorder`."""

import concurrent.futures

import wire
from .recorder import BAD_ANSWERS
from .scene import Case, allowed, closed, gateway_error, status

# Right before the head is done: the gateway still has the word.
WHOLE = {"cookies", "error"}
CUT_LATER = {"body-cut", "bad-chunk", "chunk-cut"}
UNREACHABLE = gateway_error((502, "TARGET-SYSTEM-UNREACHABLE"))


def cases(scene):
    for name in BAD_ANSWERS:
        if name in WHOLE:
            continue
        marker, target = scene.marked(f"/{name}")
        expect = UNREACHABLE
        if name in CUT_LATER:
            # The head may have gone out already; then the body must not look whole.
            expect = allowed(lambda a: None if a.status in (200, 502) else f"status {a.status}", lambda a: None if a.status == 502 else closed(a))
        if name == "many-interim":
            expect = status(200, 502)
        yield Case(85, f"provider: {name}", scene.call(target), expect, linger=3, marker=marker, may_arrive=True, timeout=70)
        marker, target = scene.marked()
        yield Case(85, f"the call after {name} is right", scene.call(target), status(200), marker=marker, may_arrive=True)
    marker, target = scene.marked("/endless-headers")
    yield Case(85, "provider: endless headers", scene.call(target), UNREACHABLE, marker=marker, may_arrive=True, timeout=70)
    marker, target = scene.marked("/hang")
    yield Case(85, "provider: hangs", scene.call(target), gateway_error((504, "TARGET-SYSTEM-TIMED-OUT")), marker=marker, may_arrive=True, timeout=80)
    marker, target = scene.marked("/cookies")
    yield Case(86, "fields that are not the provider's", scene.call(target), _filtered, marker=marker, may_arrive=True)
    marker, target = scene.marked("/error")
    yield Case(86, "the provider's own error is passed on", scene.call(target), _own_error, marker=marker, may_arrive=True)


def _filtered(answer):
    if answer.status != 200 or answer.header("x-kept") != "yes":
        return f"status {answer.status}, X-Kept {answer.header('x-kept')}"
    for name in ("set-cookie", "alt-svc", "clear-site-data", "x-secret", "keep-alive", "error-source"):
        if answer.header(name) is not None:
            return f"{name} came through"
    return "Request-Id of the provider" if answer.header("request-id") == "evil" else None


def _own_error(answer):
    if answer.status != 418 or answer.body != b"short":
        return f"changed to {answer.status}"
    return None if answer.header("error-source") == "api" else f"Error-Source {answer.header('error-source')}"


def nothing_is_mixed_up(scene):
    """Calls after bad answers, side by side: each gets its own answer."""
    def ask(_):
        _, target = scene.marked()
        return wire.exchange(scene.gateway, scene.call(target)).body
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        bodies = set(pool.map(ask, range(100)))
    scene.report.check(" 85 a hundred calls after bad answers are right", bodies == {b'{"ok":true}'}, bodies)
