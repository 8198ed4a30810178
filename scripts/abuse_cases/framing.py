"""Bad framing and headers at the gateway: rows 64 to 82. Bad answers of a provider, rows 85 and 86, are in `upstream`."""

from .scene import Case, allowed, closed, gateway_error, refused_and_closed, status

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Smuggled: yes\r\n\r\n"


def cases(scene):
    for group in (both_framings, lengths, chunks, header_syntax, lines, hosts, methods, paths, sizes, expectations, upgrades, forwarding):
        yield from group(scene)


def raw(scene, row, name, fields, body, expect, method="POST", may_arrive=False, line=None, linger=3.0, ends=b"\r\n\r\n"):
    """A case whose header lines are bytes of its own, behind those that make the call right."""
    marker, target = scene.marked()
    start = line(target) if line else f"{method} {target} HTTP/1.1".encode("latin-1")
    head = [start, b"Host: " + scene.gateway.authority.encode(), b"Authorization: Bearer " + scene.token.encode(), b"Subscription-Id: " + scene.subscription_id.encode(), *fields]
    return Case(row, name, b"\r\n".join(head) + ends + body, expect, linger=linger, marker=marker, may_arrive=may_arrive)


def both_framings(scene):
    either = refused_and_closed(400, 501)
    spellings = [b"Transfer-Encoding: chunked", b"transfer-encoding: chunked", b"TRANSFER-ENCODING: CHUNKED", b"Transfer-Encoding:chunked", b"Transfer-Encoding:  chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked ", b"Transfer-Encoding: Chunked"]
    for spelling in spellings:
        yield raw(scene, 64, f"CL.TE {spelling!r}", [b"Content-Length: 6", spelling], b"0\r\n\r\n" + SMUGGLED, either)
        yield raw(scene, 64, f"TE.CL {spelling!r}", [spelling, b"Content-Length: 4"], b"5e\r\n" + SMUGGLED + b"0\r\n\r\n", either)
    for field in (b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
                  b"Transfer-Encoding : chunked", b" Transfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked", b"Transfer-Encoding\r\n: chunked", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: chun\x6bed, chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: ,chunked"):
        yield raw(scene, 64, f"TE.TE {field!r}", [field], b"0\r\n\r\n" + SMUGGLED, either)
    for field in (b"Transfer_Encoding: chunked", b"Content_Length: 99"):
        # A name with an underscore frames nothing here, and must not reach a provider for whom it might.
        yield raw(scene, 64, f"look-alike {field!r}", [field, b"Content-Length: 5"], b"hello", status(200, 201, 400, 404, 405, 415, 422), may_arrive=True, linger=0)


def lengths(scene):
    bad = refused_and_closed(400)
    for value in (b"-1", b"+5", b"0x5", b"", b" ", b"5,5", b"5, 6", b"5 5", b"5;", b"99999999999999999999999", b"18446744073709551616", b"18446744073709551615", b"5.0", b"5e0", b"\x0b5", b"5\x00", b"five", b"\xef\xbc\x95", b"'5'", b"0005x"):
        # The largest 64-bit number is a number; it is then too much.
        expect = status(400, 413) if value.startswith(b"184467440737095516") else bad
        yield raw(scene, 65, f"Content-Length {value!r}", [b"Content-Length: " + value], b"hello", expect)
    for name, fields in [("different", [b"Content-Length: 5", b"Content-Length: 6"]), ("the other order", [b"Content-Length: 6", b"Content-Length: 5"]), ("0 and 5", [b"Content-Length: 0", b"content-length: 5"]), ("empty second", [b"Content-Length: 5", b"Content-Length:"])]:
        yield raw(scene, 65, f"two lengths, {name}", fields, b"hello", bad)
    yield raw(scene, 66, "two equal lengths", [b"Content-Length: 5", b"Content-Length: 5"], b"hello", bad)
    yield raw(scene, 66, "three equal lengths", [b"Content-Length: 5"] * 3, b"hello", bad)


def chunks(scene):
    bad = refused_and_closed(0, 400, 502)
    chunked = [b"Transfer-Encoding: chunked"]
    for name, body in [("overflow", b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"), ("sign", b"+5\r\nhello\r\n0\r\n\r\n"), ("minus", b"-5\r\nhello\r\n0\r\n\r\n"), ("0x", b"0x5\r\nhello\r\n0\r\n\r\n"), ("empty", b"\r\nhello\r\n0\r\n\r\n"), ("underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
                       ("space before", b" 5\r\nhello\r\n0\r\n\r\n"), ("space behind", b"5 \r\nhello\r\n0\r\n\r\n"), ("tab behind", b"5\t\r\nhello\r\n0\r\n\r\n"), ("text", b"five\r\nhello\r\n0\r\n\r\n"), ("semicolon alone", b";\r\nhello\r\n0\r\n\r\n"), ("bare LF", b"5\nhello\r\n0\r\n\r\n"), ("bare LF behind the data", b"5\r\nhello\n0\r\n\r\n"), ("bare CR", b"5\rhello\r\n0\r\n\r\n"),
                       ("LF at the end", b"5\r\nhello\r\n0\n\n"), ("longer than said", b"5\r\nhello!\r\n0\r\n\r\n"), ("shorter than said", b"6\r\nhello\r\n0\r\n\r\n"), ("no end of chunk", b"5\r\nhello0\r\n\r\n"), ("extension of 64 KB", b"5;a=" + b"x" * 65536 + b"\r\nhello\r\n0\r\n\r\n"), ("CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"), ("LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"), ("NUL behind", b"5\0\r\nhello\r\n0\r\n\r\n"), ("400 zeros", b"0" * 400 + b"5\r\nhello\r\n0\r\n\r\n"), ("bad trailer", b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n")]:
        # A body that goes wrong after its call was let through may already be on its way; it must not become whole.
        yield raw(scene, 67, f"chunk: {name}", chunked, body, bad, may_arrive=True)
    # A number that fits is a length, and most of it never comes: refused as too much, or given up on.
    endless = raw(scene, 67, "chunk: the largest size there is", chunked, b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", allowed(status(0, 400, 408, 413, 502, 504), closed), may_arrive=True)
    endless.timeout = 80
    yield endless


def header_syntax(scene):
    bad = refused_and_closed(400)
    for name, field in [("space before the colon", b"X-A : b"), ("tab before the colon", b"X-A\t: b"), ("empty name", b": b"), ("no colon", b"X-A b"), ("folded", b"X-A: b\r\n c"), ("folded by a tab", b"X-A: b\r\n\tc"), ("NUL in the value", b"X-A: b\0c"), ("NUL in the name", b"X\0A: b"), ("CR in the value", b"X-A: b\rc"), ("CR in the name", b"X\rA: b"), ("name with a space", b"X A: b"), ("name with a slash", b"X/A: b"), ("name with brackets", b"X(A): b"), ("name not ASCII", "X-É: b".encode()), ("name with a quote", b'X"A: b'), ("name with @", b"X@A: b"), ("first line folded", b" X-A: b"), ("control character", b"X-A: \x01"), ("DEL", b"X-A: \x7f")]:
        yield raw(scene, 68, f"header: {name}", [field], b"", bad, method="GET")
    for name in (b"Authorization_: Bearer x", b"Request_Id: x", b"X_Forwarded_For: 6.6.6.6", b"Client_Cert: x"):
        yield raw(scene, 68, f"look-alike {name!r}", [name], b"", status(200, 400), method="GET", may_arrive=True, linger=0)


def lines(scene):
    whole = raw(scene, 69, "", [], b"", status(400), method="GET").data
    bad = refused_and_closed(400)
    for name, data in [("all", whole.replace(b"\r\n", b"\n")), ("in the request line", whole.replace(b"\r\n", b"\n", 1)), ("at the end", whole[:-4] + b"\n\n"), ("mixed", whole[:-4] + b"\r\n\n"), ("bare CR", whole.replace(b"\r\n", b"\r")), ("CR CR LF", whole.replace(b"\r\n", b"\r\r\n", 2))]:
        yield Case(69, f"line ends: {name}", data, allowed(status(0, 400), closed), linger=20, timeout=25)
    versions = (b"HTTP/0.9", b"HTTP/1.10", b"HTTP/2.0", b"HTTP/9.9", b"http/1.1", b"HTTP/1.", b"HTTP/1", b"HTTP", b"HTTPS/1.1", b"HTTP/1.1 x", b"HTTP/01.1", b"HTTP/-1.1", b"ICY/1.1", b"HTTP/1,1")
    for version in versions:
        yield raw(scene, 70, f"version {version!r}", [], b"", refused_and_closed(400, 505), line=lambda target, version=version: b"GET " + target.encode() + b" " + version)
    yield raw(scene, 70, "no version", [], b"", refused_and_closed(400, 505), line=lambda target: b"GET " + target.encode())
    yield Case(70, "HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused_and_closed(0, 400, 505), linger=3)
    yield Case(70, "TLS handshake in plain text", bytes.fromhex("16030100c0010000bc0303") + b"\0" * 190, allowed(status(0, 400), closed), linger=20, timeout=25)
    yield Case(70, "noise", bytes(range(256)) * 4, bad, linger=3)
    for character, name in ((b"\0", "NUL"), (b" ", "space"), (b"\t", "tab"), (b"\r", "CR"), (b"\x7f", "DEL"), (b"\x0b", "vertical tab")):
        yield raw(scene, 75, f"{name} in the target", [], b"", bad, line=lambda target, character=character: b"GET " + target.encode() + character + b"x HTTP/1.1")


def hosts(scene):
    bad = refused_and_closed(400)
    call = scene.call

    def case(name, fields, row=71, expect=bad, target=None):
        marker, own = scene.marked()
        return Case(row, name, call(target(own) if target else own, fields, host=False), expect, linger=3, marker=marker)

    authority = scene.gateway.authority
    yield case("no Host", [])
    yield case("two Hosts", [("Host", authority), ("Host", authority)])
    yield case("two Hosts, different", [("Host", authority), ("host", "evil.example")])
    yield case("two Hosts, the other order", [("Host", "evil.example"), ("Host", authority)])
    for value in ("a b", "a/b", "evil.example\\x", "a@b", "user:pass@host", "[::1", "host:port", "host:99999", "a,b", "a?b", "a#b", "<script>", "a\x00b", "é"):
        yield case(f"Host {value!r}", [("Host", value)])
    own = [("Host", authority)]
    for url in ("http://evil.example", "http://169.254.169.254", "https://evil.example:443", f"http://evil@{authority}", "http://[::1]:1"):
        yield case(f"absolute-form to {url}", own, 72, status(400, 404, 421), lambda target, url=url: url + target)
    for url in ("http://other-name.example", "http://169.254.169.254", "https://other-name.example:443", "http://[::1]:1"):
        # Host says the same: a request to this gateway under another name. It is served by its path or refused; either
        # way nothing is fetched from there, and the provider sees its own name in Host, which the recorder checks.
        marker, target = scene.marked()
        data = scene.call(url + target, [("Host", url.split("//")[1])], host=False)
        yield Case(72, f"absolute-form to {url}, Host the same", data, status(200, 400, 404, 421), marker=marker, may_arrive=True)
    for target in ("ftp://evil.example/", "file:///etc/passwd", "gopher://evil.example/", "http:", "http://", "*", "//evil.example/x", "evil.example", "javascript:1"):
        yield case(f"target {target}", own, 72, status(400, 404, 405, 421), lambda _, target=target: target)


def methods(scene):
    answer = status(400, 404, 405, 501)
    for method in ("CONNECT", "TRACE", "TRACK", "G{E}T", "GET,POST", "G ET", "\x00GET", "GET\x0b", "(GET)", "G" * 20000):
        marker, target = scene.marked()
        yield Case(73, f"method {method[:20]!r}", scene.call(target, method=method), status(400, 414, 431, 501) if len(method) > 99 else answer, marker=marker, method=method[:7], may_arrive=method == "TRACK")
    yield Case(73, "CONNECT in authority form", scene.call("evil.example:443", method="CONNECT"), answer)
    yield Case(73, "CONNECT to a metadata address", scene.call("169.254.169.254:80", method="CONNECT"), answer)
    marker, target = scene.marked()
    yield Case(73, "TRACE echoes nothing", scene.call(target, method="TRACE"), allowed(answer, lambda a: "it echoes" if scene.token.encode() in a.body else None), marker=marker)
    for method in ("get", "Get", "FOO", "PURGE"):
        # A method is case-sensitive and may be new. The provider answers it, or the gateway refuses it.
        marker, target = scene.marked()
        yield Case(73, f"method {method}", scene.call(target, method=method), status(200, 400, 404, 405, 501), marker=marker, may_arrive=True)


def paths(scene):
    refused = status(400, 404)
    base = scene.path.rstrip("/")
    for piece in ("..", "%2e%2e", "%2E%2e", ".%2e", "%2e.", ".", "%2e", "..%00", "\\..\\", "%5c..%5c", "..;", "%00", "a%00b", "a\\b", "a%5Cb"):
        marker, _ = scene.marked()
        for target in (f"{base}/{piece}/x?{marker}", f"{base}/{piece}?{marker}", f"{base}/x/{piece}/{piece}/{piece}/{piece}/{piece}/admin?{marker}"):
            # Without a semicolon none of these may be forwarded; with one it is a segment like another.
            yield Case(74, f"path {target.removeprefix(base)}", scene.call(target), refused if piece != "..;" else status(200, 400, 404), marker=marker, may_arrive=piece == "..;")
    for piece in ("%252e%252e", "a%2fb", "a%2Fb", "a;b=c", "//", "a//b", "%c0%ae%c0%ae", "%C0%AF", "%e0%80%af", "%zz", "%", "%u002e", "...", "a%20b", "%ff", "a+b", "~a", "a:b", "a@b", "(a)", "%25"):
        marker, _ = scene.marked()
        # Forwarded byte for byte, or refused. That nothing leaves the base is checked by the recorder.
        yield Case(74, f"path {piece}", scene.call(f"{base}/{piece}?{marker}"), status(200, 400, 404), marker=marker, may_arrive=True)
    for target in ("/", "/..", "/../etc/passwd", "/./x", "//", "/" + "a/" * 3000, "/sample", "/sample/", "/sample/vehicles", "/sample-test", "/SAMPLE/vehicles/v1/vehicles", "/sample%2fvehicles/v1/vehicles", "/sample/vehicles/v1x/vehicles", "/v1/apps", "/metrics", "/healthz"):
        yield Case(74, f"target {target[:40]}", scene.call(target), status(400, 404))


def sizes(scene):
    for size in (9000, 65536):
        marker, target = scene.marked()
        yield Case(76, f"path of {size}", scene.call(target.replace("?", "/" + "a" * size + "?")), refused_and_closed(414), linger=3, marker=marker)
        yield Case(76, f"query of {size}", scene.call(target + "&x=" + "a" * size), refused_and_closed(414), linger=3, marker=marker)
    for name, fields in [("header of 40 KB", [("X-A", "a" * 40000)]), ("header of 256 KB", [("X-A", "a" * 262144)]), ("5,000 headers", [(f"X-{n}", "1") for n in range(5000)]), ("110 headers", [(f"X-{n}", "1") for n in range(110)]), ("16 MB of headers", [(f"X-{n}", "a" * 8000) for n in range(2000)]), ("name of 40 KB", [("X" * 40000, "a")])]:
        marker, target = scene.marked()
        yield Case(77, name, scene.call(target, fields), refused_and_closed(431), linger=3, marker=marker)


def expectations(scene):
    def without_interim(answer):
        return "it asked for the body" if 100 in answer.interim else None

    for name, how, expect in [("no token", {"token": False}, gateway_error((401, "MISSING-AUTHORIZATION"))), ("a bad token", {"token": "x.y.z"}, gateway_error((401, "INVALID-TOKEN"))), ("no Subscription-Id", {"subscription": False}, gateway_error((400, "MISSING-SUBSCRIPTION-ID")))]:
        marker, target = scene.marked()
        yield Case(78, f"100-continue with {name}", scene.call(target, [("Expect", "100-continue"), ("Content-Length", "5")], method="POST", **how), allowed(expect, without_interim), marker=marker)
    for name, fields in [("unknown", [("Expect", "200-ok")]), ("twice", [("Expect", "100-continue"), ("Expect", "100-continue")]), ("empty", [("Expect", "")]), ("list", [("Expect", "100-continue, x")])]:
        marker, target = scene.marked()
        yield Case(79, f"Expect {name}", scene.call(target, fields), status(200, 400, 417), marker=marker, may_arrive=True)


def upgrades(scene):
    for name, fields in [("h2c", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]), ("foo", [("Connection", "Upgrade"), ("Upgrade", "foo")]), ("TLS", [("Connection", "Upgrade"), ("Upgrade", "TLS/1.2")]), ("websocket", [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]), ("without Connection", [("Upgrade", "websocket")])]:
        marker, target = scene.marked()
        yield Case(80, f"Upgrade {name}, a second request behind", scene.call(target, fields) + SMUGGLED, status(200, 400), marker=marker, may_arrive=True)


def forwarding(scene):
    fields = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "gopher"), ("Forwarded", "for=6.6.6.6;host=evil.example"), ("X-Real-IP", "6.6.6.6"), ("X-Original-URL", "/evil.example"), ("X-Rewrite-URL", "/evil.example"), ("X-HTTP-Method-Override", "DELETE"), ("True-Client-IP", "6.6.6.6"), ("X-Client-IP", "6.6.6.6"), ("Remote-User", "evil.example"), ("X-Remote-User", "evil.example"), ("Client-Cert", "evil.example"), ("X-Forwarded-User", "evil.example"), ("Via", "1.1 evil.example")]
    for name, value in fields:
        marker, target = scene.marked()
        yield Case(81, f"{name} without a token", scene.call(target, [(name, value)], token=False), gateway_error((401, "MISSING-AUTHORIZATION")), marker=marker)
        # The recorder fails when one of these values arrives.
        marker, target = scene.marked()
        yield Case(82, f"{name} with a token", scene.call(target, [(name, value)]), status(200), marker=marker, may_arrive=True)
    marker, target = scene.marked()
    yield Case(82, "all of them with a token", scene.call(target, fields), status(200), marker=marker, may_arrive=True)
