"""What a case needs to know about the server under test, and how a case is run. The cases are in the modules beside it."""

import base64
import concurrent.futures
import dataclasses
import itertools
import json
import time
import typing

import wire

FORM = "application/x-www-form-urlencoded"
GRANT = b"grant_type=client_credentials&scope=anonymous"


@dataclasses.dataclass
class Case:
    """One bad request and what must come back.

    `expect` returns None when the answer is right, otherwise what is wrong with it. `marker` stands in the target of the
    request; unless `may_arrive` is set, no request with it may have reached the provider.
    """

    row: int
    name: str
    data: bytes
    expect: typing.Callable
    door: str = "gateway"
    method: str = "GET"
    timeout: float = 12.0
    linger: float = 0.0
    slow: float | None = None
    marker: str = ""
    may_arrive: bool = False


class Scene:
    """The server under test: where it listens, one app that may call, and a provider that keeps what it receives."""

    def __init__(self, env, report, recorder=None, call_path=None, subscription_id=None):
        self.auth = wire.Endpoint(env["AUTH_URL"])
        self.gateway = wire.Endpoint(env["API_URL"])
        self.issuer = env["AUTH_URL"]
        self.key = env["API_KEY"]
        self.secret = env["API_SECRET"]
        self.subscription_id = subscription_id or env["SUBSCRIPTION_ID"]
        self.path = call_path or wire.Endpoint(env["API_CALL_URL"]).path
        self.report = report
        self.recorder = recorder
        self.env = env
        self.basic = b"Basic " + base64.b64encode(f"{self.key}:{self.secret}".encode())
        self._markers = itertools.count(1)
        self.token = self.new_token()

    # Building requests

    def token_request(self, headers=(), body=GRANT, target=None, method="POST", authorization=True, content_type=FORM, length=True):
        """A token request that is right but for what the arguments change."""
        fields = [("Host", self.auth.authority)]
        if authorization:
            fields.append(("Authorization", self.basic))
        if content_type:
            fields.append(("Content-Type", content_type))
        fields += headers
        if length:
            fields.append(("Content-Length", len(body)))
        return wire.request(method, target or self.auth.path + "/v1/token", fields, body)

    def marked(self, suffix=""):
        """A marker of its own and a target with it."""
        marker = f"case={next(self._markers)}."
        return marker, f"{self.path}{suffix}?{marker}"

    def call(self, target, headers=(), body=b"", method="GET", token=True, subscription=True, host=True):
        """A gateway call that is right but for what the arguments change."""
        fields = [("Host", self.gateway.authority)] if host else []
        if token:
            fields.append(("Authorization", f"Bearer {self.token if token is True else token}"))
        if subscription:
            fields.append(("Subscription-Id", self.subscription_id))
        return wire.request(method, target, [*fields, *headers], body)

    def new_token(self):
        for _ in range(20):
            answer = wire.exchange(self.auth, self.token_request())
            if answer.status == 200:
                return answer.json()["access_token"]
            time.sleep(0.25)
        raise RuntimeError(f"the owner gets no token: {answer}")

    # Running

    def run(self, cases, workers=8):
        """Runs the cases side by side and reports each."""
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            list(pool.map(self.run_one, cases))

    def run_one(self, case):
        endpoint = self.auth if case.door == "auth" else self.gateway
        for _ in range(6):
            answer = wire.exchange(endpoint, case.data, case.timeout, case.method, case.slow, case.linger)
            # Failed authentications are throttled. A case that meets the throttle waits as it is told to.
            if answer.status != 429 or not (answer.header("retry-after") or "").isdigit():
                break
            time.sleep(min(int(answer.header("retry-after")), 3))
        wrong = case.expect(answer)
        if wrong is None and case.marker and not case.may_arrive and self.recorder and self.recorder.saw(case.marker):
            wrong = "it reached the provider"
        self.report.check(f"{case.row:>3} {case.name}", wrong is None, f"{wrong}; got {answer}")
        return answer


# What an answer must be like

def allowed(*checks):
    """The first complaint of several checks."""
    return lambda answer: next((wrong for check in checks if (wrong := check(answer))), None)


def status(*statuses):
    """One of these statuses. 0 stands for a connection that was closed without an answer."""
    def check(answer):
        if answer.hung:
            return "it hung"
        return None if answer.status in statuses else f"status {answer.status}, expected {statuses}"
    return check


def closed(answer):
    return None if answer.closed else "the connection was left open"


def within(seconds):
    return lambda answer: None if answer.seconds <= seconds else f"took {answer.seconds:.2f} s, at most {seconds} allowed"


def token_error(*pairs):
    """JSON as of RFC 6749 section 5.2, with one of these (status, error) pairs."""
    def check(answer):
        if answer.hung:
            return "it hung"
        if (answer.status, answer.member("error")) not in pairs:
            return f"status {answer.status}, error {answer.member('error')!r}, expected {pairs}"
        if answer.status == 401 and not (answer.header("www-authenticate") or "").startswith("Basic"):
            return "no WWW-Authenticate: Basic"
        return None
    return check


CLIENT = token_error((401, "invalid_client"))
REQUEST = token_error((400, "invalid_request"))


def gateway_error(*pairs):
    """JSON with string code and message, number status and a requestId, and one of these (status, code) pairs."""
    def check(answer):
        if answer.hung:
            return "it hung"
        body = answer.json()
        if not isinstance(body, dict) or (answer.status, body.get("code")) not in pairs:
            return f"status {answer.status}, expected {pairs}"
        if not isinstance(body.get("message"), str) or body.get("status") != answer.status or not body.get("requestId"):
            return "code, message, status or requestId is missing"
        if answer.status == 401 and "Bearer" not in (answer.header("www-authenticate") or ""):
            return "no WWW-Authenticate: Bearer"
        return None
    return check


def bad_request(answer):
    """400, with or without a body: a head that the parser rejects may be answered bare."""
    return status(400)(answer)


def refused_and_closed(*statuses):
    return allowed(status(*statuses), closed)


def b64(data):
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode() if not isinstance(data, str) else data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
