"""Bad tokens at the gateway: rows 26 to 50.

None of these is signed by a key of the server, so a token with a wrong claim is refused for its signature first. Claims
under a good signature are the matter of the tests beside the verifier, which have keys of their own.
"""

import base64
import hashlib
import hmac
import json
import random
import socket
import threading

import wire
from .scene import Case, allowed, b64, gateway_error, status, unb64

INVALID = gateway_error((401, "INVALID-TOKEN"))
# Which of the codes it is depends on what the verifier looks at first.
REFUSED = gateway_error(*((401, code) for code in ("INVALID-TOKEN", "TOKEN-ISSUER-MISMATCH", "TOKEN-AUDIENCE-MISMATCH", "TOKEN-EXPIRED")))
DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


class Forger:
    """A good token taken apart, the published key it verifies with, and a key of the attacker."""

    def __init__(self, scene):
        from cryptography.hazmat.primitives.asymmetric import rsa
        self.token = scene.token
        self.header_text, self.payload_text, self.signature_text = self.token.split(".")
        self.header = json.loads(unb64(self.header_text))
        self.payload = json.loads(unb64(self.payload_text))
        self.signature = unb64(self.signature_text)
        answer = wire.exchange(scene.auth, wire.request("GET", scene.auth.path + "/v1/keys", [("Host", scene.auth.authority)]))
        self.jwk = next(key for key in answer.json()["keys"] if key["kid"] == self.header["kid"])
        self.n = int.from_bytes(unb64(self.jwk["n"]), "big")
        self.public = rsa.RSAPublicNumbers(int.from_bytes(unb64(self.jwk["e"]), "big"), self.n).public_key()
        self.attacker = rsa.generate_private_key(65537, 2048)

    def public_key_encodings(self):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        pem = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        pkcs1 = self.public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        return {
            "PEM": pem, "PEM without its last line end": pem.rstrip(b"\n"), "DER": self.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "PKCS#1 PEM": pkcs1, "PKCS#1 DER": self.public.public_bytes(Encoding.DER, PublicFormat.PKCS1), "modulus": unb64(self.jwk["n"]),
            "modulus as text": self.jwk["n"].encode(), "JWK": json.dumps(self.jwk, separators=(",", ":")).encode(),
        }

    def attacker_jwk(self):
        numbers = self.attacker.public_key().public_numbers()
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.header["kid"], "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB"}

    def sign(self, header, payload=None):
        """Signed by the attacker's key, whatever the header says."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        text = f"{header if isinstance(header, str) else b64(header)}.{self.payload_text if payload is None else payload if isinstance(payload, str) else b64(payload)}"
        return f"{text}.{b64(self.attacker.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def with_header(self, **changes):
        return {name: value for name, value in {**self.header, **changes}.items() if value is not ...}

    def with_payload(self, **changes):
        return {name: value for name, value in {**self.payload, **changes}.items() if value is not ...}

    def spliced(self, header=None, payload=None, signature=None):
        """The good token with parts replaced; a part that is not given stays."""
        parts = (self.header_text if header is None else header if isinstance(header, str) else b64(header),
                 self.payload_text if payload is None else payload if isinstance(payload, str) else b64(payload),
                 self.signature_text if signature is None else signature if isinstance(signature, str) else b64(signature))
        return ".".join(parts)


def cases(scene):
    forger = Forger(scene)
    for group in (algorithms, keys, key_ids, claims, headers, signatures, shapes):
        for row, name, token in group(forger):
            marker, target = scene.marked()
            yield Case(row, name, scene.call(target, token=token), REFUSED, marker=marker)
    yield from places(scene)


def algorithms(forger):
    for alg in ("none", "None", "NONE", "nOnE", "none ", "", ..., 256, None, True, ["RS256"], {"alg": "RS256"}, "rs256", "RS256 ", "RS256\0"):
        header = forger.with_header(alg=alg)
        name = "absent" if alg is ... else json.dumps(alg)
        for kind, signature in (("no signature", ""), ("the old signature", None), ("another signature", b"\1" * 256)):
            yield 26, f"alg {name}, {kind}", forger.spliced(header, signature=signature)
    encodings = {**forger.public_key_encodings(), "empty": b"", "key id": forger.header["kid"].encode()}
    for alg, digest in DIGESTS.items():
        for name, key in encodings.items():
            text = f"{b64(forger.with_header(alg=alg))}.{forger.payload_text}"
            yield 27, f"{alg} keyed with the public key as {name}", f"{text}.{b64(hmac.new(key, text.encode(), digest).digest())}"
    for alg in ("PS256", "PS512", "ES256", "ES384", "RS384", "RS512", "RS1", "EdDSA", "RSA-OAEP", "dir"):
        yield 28, f"label {alg} over the old signature", forger.spliced(forger.with_header(alg=alg))


def keys(forger):
    yield 29, "signed by another key under the good kid", forger.sign(forger.header)
    yield 29, "unknown kid", forger.sign(forger.with_header(kid="A" * 43))
    yield 29, "no kid", forger.sign(forger.with_header(kid=...))
    for number in range(60):
        yield 29, f"a fresh kid, {number}", forger.sign(forger.with_header(kid=b64(number.to_bytes(32, "big"))))
    beacon = Beacon.shared()
    for name, changes in [("jwk", {"jwk": forger.attacker_jwk()}), ("jku", {"jku": f"{beacon.url}/keys"}), ("x5u", {"x5u": f"{beacon.url}/certificate"}), ("x5c", {"x5c": [base64.b64encode(b"0" * 300).decode()]}),
                          ("jwk and unknown kid", {"jwk": forger.attacker_jwk(), "kid": "x"}), ("jku and no kid", {"jku": f"{beacon.url}/keys", "kid": ...}), ("all four", {"jwk": forger.attacker_jwk(), "jku": beacon.url, "x5u": beacon.url, "x5c": []})]:
        yield 30, f"{name} of the attacker", forger.sign(forger.with_header(**changes))


def key_ids(forger):
    for kid in ("../../../../dev/null", "/etc/passwd", "' OR '1'='1", "x; sleep 10", "`id`", "$(id)", "http://127.0.0.1:1/k", "\0", forger.header["kid"] + "\0", forger.header["kid"] + " ", forger.header["kid"].lower(),
                "a" * 5000, "", 1, -1, 1.5, [forger.header["kid"]], {"kid": forger.header["kid"]}, None, True):
        for kind, token in (("attacker's signature", forger.sign(forger.with_header(kid=kid))), ("old signature", forger.spliced(forger.with_header(kid=kid)))):
            yield 31, f"kid {json.dumps(kid)[:40]}, {kind}", token


def claims(forger):
    for name, changes in [
        *((f"exp {json.dumps(value) if value is not ... else 'absent'}", {"exp": value}) for value in (1, 0, -1, "9999999999", None, {}, [], ..., True, 9e18)),
        *((f"nbf {json.dumps(value)}", {"nbf": value}) for value in (9999999999, "0", None, {})),
        *((f"iss {json.dumps(value) if value is not ... else 'absent'}", {"iss": value}) for value in ("https://evil.example", "", ..., [forger.payload["iss"]], forger.payload["iss"].upper(), forger.payload["iss"] + "/", None)),
        *((f"aud {json.dumps(value) if value is not ... else 'absent'}", {"aud": value}) for value in ("evil", "", ..., [], ["api_providers"], "API_PROVIDERS", None)),
        *((f"sub {json.dumps(value) if value is not ... else 'absent'}", {"sub": value}) for value in (..., "", 5, "admin", "B" * 32, None)),
        *((f"cid {json.dumps(value) if value is not ... else 'absent'}", {"cid": value}) for value in (..., "", 5, "B" * 32)),
        ("gen raised", {"gen": 99}), ("scp admin", {"scp": ["admin"]}),
    ]:
        row = 32 if name.startswith("exp") else 33 if name.startswith("nbf") else 34 if name[:3] in ("iss", "aud") else 35
        yield row, f"{name}, attacker's signature", forger.sign(forger.header, forger.with_payload(**changes))
        yield 36, f"{name}, under the old signature", forger.spliced(payload=forger.with_payload(**changes))
    text = json.dumps(forger.payload, separators=(",", ":"))
    yield 32, "exp 1e999", forger.sign(forger.header, b64(text.replace(f'"exp":{forger.payload["exp"]}', '"exp":1e999')))
    yield 36, "the same claims in another order", forger.spliced(payload=dict(reversed(forger.payload.items())))
    yield 36, "the same claims with a space", forger.spliced(payload=b64(text.replace(":", ": ", 1)))
    header = json.dumps(forger.header, separators=(",", ":"))
    for member, value in (("alg", '"none"'), ("kid", '"x"'), ("typ", '"x"')):
        yield 37, f"{member} twice in the header", forger.spliced(b64(header[:-1] + f',"{member}":{value}}}'))
        yield 37, f"{member} twice in the header, attacker's signature", forger.sign(b64(header[:-1] + f',"{member}":{value}}}'))
    for member, value in (("sub", '"admin"'), ("exp", "9999999999"), ("cid", '"x"')):
        yield 37, f"{member} twice in the payload", forger.spliced(payload=b64(text[:-1] + f',"{member}":{value}}}'))


def headers(forger):
    for name, changes in [("crit unknown", {"crit": ["x"], "x": 1}), ("crit empty", {"crit": []}), ("crit exp", {"crit": ["exp"], "exp": 1}), ("b64 false", {"b64": False}), ("b64 false in crit", {"b64": False, "crit": ["b64"]}),
                          ("zip", {"zip": "DEF"}), ("enc", {"enc": "A128GCM"})]:
        yield 38, f"{name}, attacker's signature", forger.sign(forger.with_header(**changes))
        yield 38, f"{name}, old signature", forger.spliced(forger.with_header(**changes))
    for typ in ("id_token+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "JWE", 5, None, ["JWT"], ""):
        yield 39, f"typ {json.dumps(typ)}, attacker's signature", forger.sign(forger.with_header(typ=typ))
        yield 39, f"typ {json.dumps(typ)}, old signature", forger.spliced(forger.with_header(typ=typ))


def signatures(forger):
    raw = forger.signature
    number = int.from_bytes(raw, "big")
    whole = [("a byte more", raw + b"\0"), ("a byte less", raw[:-1]), ("a leading zero", b"\0" + raw), ("0", b"\0" * 256), ("1", b"\0" * 255 + b"\1"), ("n - 1", (forger.n - 1).to_bytes(256, "big")), ("n", forger.n.to_bytes(256, "big")),
             ("s + n", (number + forger.n).to_bytes(257, "big")), ("n - s", (forger.n - number).to_bytes(256, "big")), ("reversed", raw[::-1]), ("empty", b""), ("twice", raw + raw), ("one byte", b"\0"), ("10 KB", b"\1" * 10000)]
    for name, signature in whole:
        yield 40, f"signature {name}", forger.spliced(signature=signature)
    source = random.Random(40)
    for _ in range(24):
        bit = source.randrange(len(raw) * 8)
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        yield 50, f"the accepted token with bit {bit} of its signature flipped", forger.spliced(signature=bytes(flipped))
    for _ in range(24):
        place = source.randrange(len(forger.token))
        other = "A" if forger.token[place] != "A" else "B"
        altered = forger.token[:place] + other + forger.token[place + 1:]
        # The last character carries two bits that a lax decoder drops; a strict one refuses it all the same.
        yield 50, f"the accepted token with character {place} changed", altered
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(forger.signature_text[-1])
    yield 41, "non-canonical last character", forger.token[:-1] + alphabet[last ^ 1]
    yield 41, "padding behind", forger.token + "=="
    yield 41, "padding inside", f"{forger.header_text}=.{forger.payload_text}.{forger.signature_text}"
    yield 41, "the other alphabet", forger.spliced(signature=forger.signature_text.replace("-", "+").replace("_", "/") if set("-_") & set(forger.signature_text) else forger.signature_text + "+")
    yield 41, "a space inside", forger.token[:50] + " " + forger.token[50:]
    yield 41, "a tab inside", forger.token[:50] + "\t" + forger.token[50:]
    yield 41, "a percent sign", forger.token.replace(".", "%2E", 1)


def shapes(forger):
    h, p, s = forger.header_text, forger.payload_text, forger.signature_text
    for name, token in [("one segment", h), ("two segments", f"{h}.{p}"), ("four segments", f"{forger.token}.{s}"), ("five segments", f"{forger.token}.{s}.{s}"), ("empty header", f".{p}.{s}"), ("empty payload", f"{h}..{s}"), ("empty signature", f"{h}.{p}."),
                        ("dots", ".."), ("swapped", f"{p}.{h}.{s}"), ("signature first", f"{s}.{h}.{p}"), ("dot before", "." + forger.token), ("dot behind", forger.token + "."), ("twice", f"{forger.token},{forger.token}"), ("in quotes", f'"{forger.token}"'),
                        ("JSON serialisation", json.dumps({"protected": h, "payload": p, "signature": s})), ("one letter", "x"), ("null", "null"), ("undefined", "undefined"), ("the API Key", forger.payload["cid"])]:
        yield 42, name, token
    for name, header in [("an array", b"[]"), ("a number", b"5"), ("null", b"null"), ("empty", b"{}"), ("BOM", b"\xef\xbb\xbf" + unb64(h)), ("not UTF-8", b'{"alg":"\xff"}'), ("5,000 deep", b'{"alg":' + b"[" * 3000), ("cut", unb64(h)[:-1]), ("text behind", unb64(h) + b"x"), ("NUL behind", unb64(h) + b"\0")]:
        yield 43, f"header {name}", forger.spliced(b64(header))
        yield 43, f"payload {name}", forger.spliced(payload=b64(header))


def places(scene):
    """Rows 44 to 48: the token is missing, doubled, too long or somewhere else."""
    def case(row, name, expect, may_arrive=False, suffix="", **how):
        marker, target = scene.marked()
        return Case(row, name, scene.call(target + suffix, **how), expect, marker=marker, may_arrive=may_arrive)

    missing = gateway_error((401, "MISSING-AUTHORIZATION"))
    bare = allowed(missing, lambda answer: "it names an error" if "error=" in (answer.header("www-authenticate") or "") else None)
    token = scene.token
    yield case(44, "a token of 60 KB", status(401, 431), token="a" * 20000 + "." + "b" * 20000 + "." + "c" * 20000)
    yield case(44, "a token of 20 KB", status(401, 431), token=token + "a" * 20000)
    yield case(45, "no Authorization", bare, token=False)
    twice = [("Authorization", f"Bearer {token}")]
    bad = gateway_error((400, "INVALID-REQUEST"))
    yield case(46, "two equal Authorization headers", bad, headers=twice)
    yield case(46, "two Authorization headers, Basic beside", bad, headers=[("Authorization", "Basic eDp5")])
    yield case(46, "two Authorization headers, a bad token beside", bad, headers=[("authorization", "Bearer x")])
    neither = gateway_error((401, "MISSING-AUTHORIZATION"), (401, "INVALID-TOKEN"), (400, "INVALID-REQUEST"))
    yield case(47, "token in the query", missing, token=False, suffix=f"&access_token={token}")
    for name, value in [("Cookie", f"access_token={token}"), ("Proxy-Authorization", f"Bearer {token}"), ("X-Authorization", f"Bearer {token}"), ("Sec-WebSocket-Protocol", f"bearer, {token}"), ("X-Access-Token", token), ("Authorization_", f"Bearer {token}")]:
        yield case(47, f"token in {name}", neither, token=False, headers=[(name, value)])
    body = f"access_token={token}".encode()
    yield case(47, "token in a form", missing, token=False, method="POST", headers=[("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", len(body))], body=body)
    for name, value in [("Basic", "Basic eDp5"), ("Token", f"Token {token}"), ("no scheme", token), ("Bearer alone", "Bearer"), ("Bearer and a space", "Bearer "), ("two spaces and nothing", "Bearer  "), ("glued", f"Bearer{token}"), ("Bearer Bearer", f"Bearer Bearer {token}"), ("DPoP", f"DPoP {token}")]:
        yield case(47, f"Authorization: {name}", neither, token=False, headers=[("Authorization", value)])
    for scheme in ("bearer", "BEARER", "bEaReR"):
        yield case(48, f"scheme {scheme}", status(200), may_arrive=True, token=False, headers=[("Authorization", f"{scheme} {token}")])


class Beacon:
    """Counts connections: a key that a token names must never be fetched."""

    _shared = None

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        threading.Thread(target=self._count, daemon=True).start()

    @classmethod
    def shared(cls):
        cls._shared = cls._shared or cls()
        return cls._shared

    def _count(self):
        while True:
            connection, _ = self._listener.accept()
            self.connections += 1
            connection.close()


def nothing_was_fetched(scene):
    beacon = Beacon.shared()
    scene.report.check(" 30 no connection was made to what a token names", beacon.connections == 0, f"{beacon.connections} connections")
