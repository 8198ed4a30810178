"""The OAuth and JWT libraries of Python against the server that the environment names. Prints a line for each check."""

import os
import uuid

import jwt
import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError

AUTH_URL = os.environ["AUTH_URL"]
API_KEY = os.environ["API_KEY"]
API_SECRET = os.environ["API_SECRET"]
API_CALL_URL = os.environ["API_CALL_URL"]
SUBSCRIPTION_ID = os.environ["SUBSCRIPTION_ID"]
AUDIENCE = "api_providers"


def passed(name):
    print(f"ok {name}", flush=True)


def altered(token):
    """The token with another signature of the same length, so that nothing but the signature is wrong."""
    header, payload, signature = token.split(".")
    middle = len(signature) // 2
    other = "B" if signature[middle] == "A" else "A"
    return ".".join((header, payload, signature[:middle] + other + signature[middle + 1:]))


def refuses(kind, act):
    try:
        act()
    except kind as error:
        return error
    raise AssertionError("was not refused")


def with_authlib(metadata):
    endpoint = metadata["token_endpoint"]
    for method in ("client_secret_basic", "client_secret_post"):
        with OAuth2Session(API_KEY, API_SECRET, scope="anonymous", token_endpoint_auth_method=method) as session:
            token = session.fetch_token(endpoint, grant_type="client_credentials")
        assert token["token_type"] == "Bearer" and token["expires_in"] == 3600 and token["scope"] == "anonymous", token
        passed(f"Authlib: {method}")
    with OAuth2Session(API_KEY, API_SECRET + "x", scope="anonymous") as session:
        error = refuses(AuthlibBaseError, lambda: session.fetch_token(endpoint, grant_type="client_credentials"))
    assert error.error == "invalid_client", error
    passed("Authlib: a wrong secret is invalid_client")
    return token["access_token"]


def verify_with_authlib(token):
    keys = JsonWebKey.import_key_set(requests.get(f"{AUTH_URL}/v1/keys", timeout=10).json())
    decoder = JsonWebToken(["RS256"])
    expected = {"iss": {"value": AUTH_URL}, "aud": {"value": AUDIENCE}, "sub": {"value": API_KEY}}
    decoder.decode(token, keys, claims_options=expected).validate()
    refuses(JoseError, lambda: decoder.decode(altered(token), keys))
    passed("Authlib: the token verifies with the published keys, an altered one does not")


def verify_with_pyjwt(token, metadata):
    keys = jwt.PyJWKClient(metadata["jwks_uri"])

    def decode(text, audience=AUDIENCE):
        key = keys.get_signing_key_from_jwt(text)
        required = ["jti", "iat", "exp", "iss", "aud", "sub"]
        return jwt.decode(text, key, ["RS256"], audience=audience, issuer=AUTH_URL, options={"require": required})

    claims = decode(token)
    assert claims["cid"] == claims["sub"] == API_KEY and claims["scp"] == ["anonymous"], claims
    assert claims["exp"] - claims["iat"] == 3600, claims
    passed("PyJWT: the token verifies with PyJWKClient")
    refuses(jwt.InvalidSignatureError, lambda: decode(altered(token)))
    refuses(jwt.InvalidAudienceError, lambda: decode(token, "another-audience"))
    passed("PyJWT: an altered token and another audience are refused")


def call(token):
    authorized = {"Authorization": f"Bearer {token}", "Subscription-Id": SUBSCRIPTION_ID}
    answer = requests.get(API_CALL_URL, headers=authorized, timeout=30)
    assert answer.status_code == 200 and answer.json() is not None, answer.text
    passed("requests: an authorized call answers 200 with JSON")
    for name, change, status, code in (
        ("without Subscription-Id", {"Subscription-Id": None}, 400, "MISSING-SUBSCRIPTION-ID"),
        ("for an unknown customer", {"Subscription-Id": str(uuid.uuid4())}, 403, "SUBSCRIPTION-MISMATCH"),
        ("with an altered token", {"Authorization": f"Bearer {altered(token)}"}, 401, "INVALID-TOKEN"),
        ("without a token", {"Authorization": None}, 401, "MISSING-AUTHORIZATION"),
    ):
        answer = requests.get(API_CALL_URL, headers={**authorized, **change}, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (name, answer.status_code, answer.text)
        passed(f"requests: a call {name} is {code}")


def main():
    metadata = requests.get(f"{AUTH_URL}/.well-known/openid-configuration", timeout=10).json()
    assert metadata["issuer"] == AUTH_URL, metadata
    token = with_authlib(metadata)
    verify_with_authlib(token)
    verify_with_pyjwt(token, metadata)
    call(token)


main()
