#!/usr/bin/env python3
"""Every way in which clients are known to ask for a token, byte for byte, and what must come back.

    scripts/with-dev scripts/token_variants.py

The letters are those by which the wire contract numbers the request variants.
"""

import base64
import json
import re
import sys
import urllib.parse

import wire
from report import Report, need_env

AUTH_URL, OLD_AUTH_URL, API_KEY, API_SECRET = need_env("AUTH_URL", "OLD_AUTH_URL", "API_KEY", "API_SECRET")
ISSUER = wire.Endpoint(AUTH_URL)
OLD_ISSUER = wire.Endpoint(OLD_AUTH_URL)
FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")
BOTH = "grant_type=client_credentials&scope=anonymous"
MEMBERS = ["token_type", "expires_in", "access_token", "scope"]


def basic(key=API_KEY, secret=API_SECRET, after=""):
    return "Basic " + base64.b64encode(f"{key}:{secret}{after}".encode()).decode()


def every_character_encoded(text):
    """As the libraries do that follow RFC 6749 section 2.3.1 to the letter and beyond."""
    return "".join(f"%{byte:02X}" if not chr(byte).isalnum() else chr(byte) for byte in text.encode())


def post(suffix, headers, body="", issuer=ISSUER, length=True, method="POST"):
    body = body.encode() if isinstance(body, str) else body
    sent = [("Host", issuer.authority), *headers]
    if length:
        sent.append(("Content-Length", len(body)))
    return wire.exchange(issuer, wire.request(method, issuer.path + suffix, sent, body), method=method)


AUTH = ("Authorization", basic())
# (name, answer function): each is 200 with a token.
ACCEPTED = [
    ("a: parameters in the query after a slash, scope first, no body",
     lambda: post("/v1/token/?scope=anonymous&grant_type=client_credentials",
                  [("authorization", basic()), FORM, ("Accept", "application/json, text/plain, */*"), ("User-Agent", "axios/0.21.1")])),
    ("b: the form of the tutorial",
     lambda: post("/v1/token", [("accept", "application/json"), ("authorization", basic()), ("cache-control", "no-cache"),
                                ("content-type", "application/x-www-form-urlencoded")], BOTH)),
    ("c: parameters in the query, compression offered",
     lambda: post(f"/v1/token?{BOTH}", [AUTH, FORM, ("Accept-Encoding", "gzip, compress, deflate, br")])),
    ("d: form with Cache-Control", lambda: post("/v1/token", [AUTH, FORM, ("Cache-Control", "no-cache")], BOTH)),
    ("e: form text without a Content-Type", lambda: post("/v1/token", [AUTH, ("Cache-Control", "no-cache")], BOTH)),
    ("f: Content-Length by hand, Content-type in that spelling",
     lambda: post("/v1/token", [AUTH, ("Content-type", FORM[1]), ("Cache-Control", "no-cache"), ("Content-Length", str(len(BOTH)))], BOTH, length=False)),
    ("g: scope before grant_type", lambda: post("/v1/token", [AUTH, FORM], "scope=anonymous&grant_type=client_credentials")),
    ("h: JSON body with redirect_uri and scope roles",
     lambda: post("/v1/token", [AUTH, JSON], json.dumps({"grant_type": "client_credentials", "redirect_uri": "http://localhost:5000", "scope": "roles"}))),
    ("i mended: JSON body, Basic value in base64",
     lambda: post("/v1/token", [AUTH, JSON], json.dumps({"grant_type": "client_credentials", "scope": "anonymous"}))),
    ("j: form", lambda: post("/v1/token", [AUTH, ("Content-Type", FORM[1] + "; charset=utf-8")], BOTH)),
    ("k: key and secret in the body",
     lambda: post("/v1/token", [FORM], f"{BOTH}&client_id={API_KEY}&client_secret={API_SECRET}")),
    ("k: the same with redirect_uri",
     lambda: post("/v1/token", [FORM], f"client_id={API_KEY}&client_secret={API_SECRET}&{BOTH}&redirect_uri=https%3A%2F%2Fexample.com")),
    ("l: parameters in the query, an empty form", lambda: post(f"/v1/token?{BOTH}", [AUTH, FORM], "")),
    ("query without any Content-Length", lambda: post(f"/v1/token?{BOTH}", [AUTH], length=False)),
    ("one parameter in the query, one in the body", lambda: post("/v1/token?scope=anonymous", [AUTH, FORM], "grant_type=client_credentials")),
    ("both places, equal values", lambda: post(f"/v1/token?{BOTH}", [AUTH, FORM], BOTH)),
    ("charset in capitals", lambda: post("/v1/token", [AUTH, ("Content-Type", FORM[1] + ";charset=UTF-8")], BOTH)),
    ("trailing slash", lambda: post("/v1/token/", [AUTH, FORM], BOTH)),
    ("the bare issuer", lambda: post("", [AUTH, FORM], BOTH)),
    ("unknown parameters", lambda: post("/v1/token", [AUTH, FORM], BOTH + "&colour=blue&sub=admin&aud=evil&exp=9999999999")),
    ("percent-encoded credentials", lambda: post("/v1/token", [("Authorization", basic(every_character_encoded(API_KEY), every_character_encoded(API_SECRET))), FORM], BOTH)),
    ("secret with a line feed at its end", lambda: post("/v1/token", [("Authorization", basic(after="\n")), FORM], BOTH)),
    ("secret with a carriage return at its end", lambda: post("/v1/token", [("Authorization", basic(after="\r")), FORM], BOTH)),
    ("scheme basic", lambda: post("/v1/token", [("Authorization", "basic" + basic()[5:]), FORM], BOTH)),
    ("scheme BASIC", lambda: post("/v1/token", [("AUTHORIZATION", "BASIC" + basic()[5:]), FORM], BOTH)),
    ("Basic beside the same client_id", lambda: post("/v1/token", [AUTH, FORM], f"{BOTH}&client_id={API_KEY}")),
    ("scope openid", lambda: post("/v1/token", [AUTH, FORM], "grant_type=client_credentials&scope=openid")),
    ("scope of three words", lambda: post("/v1/token", [AUTH, FORM], "grant_type=client_credentials&scope=anonymous+roles+openid")),
    ("Expect: 100-continue", lambda: post("/v1/token", [AUTH, FORM, ("Expect", "100-continue")], BOTH)),
    ("chunked body", lambda: post("/v1/token", [AUTH, FORM, ("Transfer-Encoding", "chunked")], f"{len(BOTH):x}\r\n{BOTH}\r\n0\r\n\r\n", length=False)),
]

# (name, answer function, status, error)
REFUSED = [
    ("i: Basic value that is not base64", lambda: post("/v1/token", [("Authorization", f"Basic {API_KEY}:{API_SECRET}"), JSON], json.dumps({"grant_type": "client_credentials", "scope": "anonymous"})), 401, "invalid_client"),
    ("no scope", lambda: post("/v1/token", [AUTH, FORM], "grant_type=client_credentials"), 400, "invalid_scope"),
    ("unknown scope", lambda: post("/v1/token", [AUTH, FORM], "grant_type=client_credentials&scope=admin"), 400, "invalid_scope"),
    ("no grant_type", lambda: post("/v1/token", [AUTH, FORM], "scope=anonymous"), 400, "invalid_request"),
    ("another grant", lambda: post("/v1/token", [AUTH, FORM], "grant_type=password&scope=anonymous"), 400, "unsupported_grant_type"),
    ("two places, different values", lambda: post("/v1/token?scope=openid", [AUTH, FORM], BOTH), 400, "invalid_request"),
    ("a parameter twice in the body, equal", lambda: post("/v1/token", [AUTH, FORM], BOTH + "&scope=anonymous"), 400, "invalid_request"),
    ("a secret in the query", lambda: post(f"/v1/token?{BOTH}&client_id={API_KEY}&client_secret={API_SECRET}", [FORM]), 400, "invalid_request"),
    ("Basic beside a client_secret", lambda: post("/v1/token", [AUTH, FORM], f"{BOTH}&client_secret={API_SECRET}"), 400, "invalid_request"),
    ("Basic beside another client_id", lambda: post("/v1/token", [AUTH, FORM], f"{BOTH}&client_id={'B' * 32}"), (400, 401), ("invalid_request", "invalid_client")),
    ("no credentials", lambda: post("/v1/token", [FORM], BOTH), 401, "invalid_client"),
    ("text/plain", lambda: post("/v1/token", [AUTH, ("Content-Type", "text/plain")], BOTH), 415, "invalid_request"),
    ("GET", lambda: post(f"/v1/token?{BOTH}", [AUTH], method="GET"), 405, "invalid_request"),
    ("OPTIONS on the bare issuer", lambda: post("", [AUTH], method="OPTIONS"), 405, "invalid_request"),
    ("a path that is not there", lambda: post("/v1/tokens", [AUTH, FORM], BOTH), 404, "invalid_request"),
]


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def wrong_with_token(answer):
    """The first thing about a success answer that is not as it must be, or None."""
    if answer.status != 200 or not isinstance(answer.json(), dict):
        return f"status {answer}"
    body = json.loads(answer.body, object_pairs_hook=list)
    if [name for name, _ in body] != MEMBERS:
        return f"members {[name for name, _ in body]}"
    values = dict(body)
    if values["token_type"] != "Bearer" or values["expires_in"] != 3600 or values["scope"] != "anonymous":
        return f"values {body[:2]} {body[3]}"
    if not (answer.header("content-type") or "").startswith("application/json"):
        return f"content-type {answer.header('content-type')}"
    if answer.header("cache-control") != "no-store" or answer.header("pragma") != "no-cache":
        return f"cache-control {answer.header('cache-control')}, pragma {answer.header('pragma')}"
    header, payload, signature = values["access_token"].split(".")
    return wrong_with_claims(decoded(header), decoded(payload), signature)


def wrong_with_claims(header, claims, signature):
    expected = {"iss": AUTH_URL, "aud": "api_providers", "cid": API_KEY, "sub": API_KEY, "scp": ["anonymous"]}
    if header.get("alg") != "RS256" or header.get("typ", "JWT") != "JWT" or not re.fullmatch(r"[\w-]{43}", header.get("kid", "")):
        return f"header {header}"
    if any(claims.get(name) != value for name, value in expected.items()):
        return f"claims {claims}"
    if not re.fullmatch(r"AT\.[\w-]{43}", claims.get("jti", "")):
        return f"jti {claims.get('jti')}"
    if type(claims["iat"]) is not int or claims["exp"] - claims["iat"] != 3600:
        return f"iat {claims['iat']}, exp {claims['exp']}"
    return None if len(signature) == 342 else f"signature of {len(signature)} characters"


def refusal_holds(answer, status, error):
    statuses = status if isinstance(status, tuple) else (status,)
    errors = error if isinstance(error, tuple) else (error,)
    described = isinstance(answer.member("error_description"), str)
    named = answer.status != 401 or (answer.header("www-authenticate") or "").startswith("Basic")
    allowed = answer.status != 405 or "POST" in (answer.header("allow") or "")
    secret_kept = API_SECRET.encode() not in answer.body
    return answer.status in statuses and answer.member("error") in errors and described and named and allowed and secret_kept


def old_issuer(report):
    answer = post("/v1/token", [AUTH, FORM], BOTH, issuer=OLD_ISSUER)
    wrong = wrong_with_token(answer)
    report.check("deprecated issuer: a token of the current issuer", wrong is None, wrong)
    report.check("deprecated issuer: Deprecation", re.fullmatch(r"@\d+", answer.header("deprecation") or ""), answer.headers)
    report.check("deprecated issuer: Sunset", (answer.header("sunset") or "").endswith("GMT"), answer.headers)
    link = answer.header("link") or ""
    report.check("deprecated issuer: Link to its successor", AUTH_URL in link and 'rel="successor-version"' in link, link)


def metadata(report):
    for name in ("openid-configuration", "oauth-authorization-server"):
        answer = post(f"/.well-known/{name}", [], method="GET", length=False)
        document = answer.json() or {}
        report.check(f"{name}: issuer", document.get("issuer") == AUTH_URL, answer)
        report.check(f"{name}: keys", document.get("jwks_uri") == AUTH_URL + "/v1/keys", document)
        needed = ["token_endpoint", "authorization_endpoint", "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"]
        report.check(f"{name}: what discovery clients demand", all(document.get(member) for member in needed), document)
    asked = urllib.parse.urlsplit(document.get("authorization_endpoint", AUTH_URL))
    target = wire.Endpoint(document.get("authorization_endpoint", AUTH_URL))
    answer = wire.exchange(target, wire.request("GET", asked.path + "?response_type=code&client_id=x", [("Host", target.authority)]))
    report.check("authorization endpoint: 400 and which flow to use",
                 answer.status == 400 and answer.member("error") == "unsupported_response_type" and "client_credentials" in (answer.member("error_description") or ""), answer)
    keys = post("/v1/keys", [], method="GET", length=False)
    published = (keys.json() or {}).get("keys", [])
    members = {"kty", "use", "kid", "alg", "n", "e"}
    report.check("keys: two or more, with the members verifiers need", len(published) >= 2 and all(members <= set(key) for key in published), keys)
    report.check("keys: nothing private", not any({"d", "p", "q", "dp", "dq", "qi"} & set(key) for key in published), keys)
    report.check("keys: cacheable", "max-age=3600" in (keys.header("cache-control") or "") and keys.header("etag"), keys.headers)


def main():
    report = Report("token request variants")
    for name, answer in ACCEPTED:
        wrong = wrong_with_token(answer())
        report.check(name, wrong is None, wrong)
    for name, answer, status, error in REFUSED:
        seen = answer()
        report.check(f"refused: {name}", refusal_holds(seen, status, error), f"{seen} {seen.headers}")
    explained = REFUSED[0][1]().member("error_description") or ""
    report.check("refused: i says that base64 is missing", "base64" in explained.lower(), explained)
    old_issuer(report)
    metadata(report)
    return report.end()


sys.exit(main())
