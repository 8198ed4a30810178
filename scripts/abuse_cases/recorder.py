"""A provider that keeps every byte it receives, and answers badly when the path asks for it."""

import base64
import json
import re
import socket
import threading
import time

HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"trailer", b"upgrade", b"http2-settings"}
# Values that the cases put into fields which the gateway owns.
POISON = (b"6.6.6.6", b"evil.example", b"gopher", b"/smuggled", b"X-Smuggled")
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

ORDINARY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}"
# By the last segment of the path: what is answered instead, and whether the connection then ends.
BAD_ANSWERS = {
    "reset": (None, True),
    "garbage": (b"\x00\x01garbage\r\n\r\n", True),
    "no-status": (b"Content-Type: text/plain\r\n\r\nhello", True),
    "text-status": (b"HTTP/1.1 OK\r\n\r\n", True),
    "version": (b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    "old-version": (b"hello, this is HTTP/0.9", True),
    "both-framings": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", True),
    "two-lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", True),
    "bad-length": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", True),
    "unknown-coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello", True),
    "nul-header": (b"HTTP/1.1 200 OK\r\nX-A: \x00\r\nContent-Length: 0\r\n\r\n", True),
    "space-header": (b"HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 0\r\n\r\n", True),
    "long-status": (b"HTTP/1.1 200 " + b"O" * 1000000 + b"\r\nContent-Length: 0\r\n\r\n", True),
    "many-headers": (b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(20000)) + b"Content-Length: 0\r\n\r\n", True),
    "switching": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", True),
    "many-interim": (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + ORDINARY, True),
    "head-cut": (b"HTTP/1.1 200 OK\r\nContent-Le", True),
    # These go wrong when the head was already passed on: the caller's connection has to be cut.
    "body-cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", True),
    "bad-chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", True),
    "chunk-cut": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello", True),
    # Whole answers with fields that are not the provider's to set.
    "cookies": (b"HTTP/1.1 200 OK\r\nSet-Cookie: session=evil; Domain=localhost\r\nAlt-Svc: h2=\":1\"\r\nClear-Site-Data: \"*\"\r\nRequest-Id: evil\r\nError-Source: gateway\r\nConnection: X-Secret\r\nX-Secret: evil\r\nKeep-Alive: timeout=999\r\nX-Kept: yes\r\nContent-Length: 2\r\n\r\n{}", False),
    "error": (b"HTTP/1.1 418 Teapot\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nshort", False),
}


class Recorder:
    """Listens on loopback. `requests` holds (head, body) of each request, in order of arrival."""

    def __init__(self, subscription_ids, app_token):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests = []
        self.subscription_ids = {value.encode() for value in subscription_ids}
        self.app_token = app_token.encode()
        self._lock = threading.Lock()
        self._seen = set()
        self.wrong = []
        self.client_ids = set()
        self.base = b"/"
        # Emptied for spoilt requests: a spoilt name is a field like any other, and its value goes through.
        self.poison = POISON
        threading.Thread(target=self._accept, daemon=True).start()

    def saw(self, marker):
        """Whether a request with this marker in its target arrived. Bytes on their way get a moment."""
        time.sleep(0.02)
        with self._lock:
            return marker.encode() in self._seen

    def count(self):
        with self._lock:
            return len(self.requests)

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        buffer = b""
        connection.settimeout(120)
        try:
            with connection:
                while True:
                    while b"\r\n\r\n" not in buffer:
                        data = connection.recv(65536)
                        if not data:
                            return
                        buffer += data
                    head, _, buffer = buffer.partition(b"\r\n\r\n")
                    self._record(head)
                    body, buffer = self._body(connection, head, buffer)
                    if body is None or not self._answer(connection, head):
                        return
        except OSError:
            return

    def _answer(self, connection, head):
        path = head.split(b" ", 2)[1].split(b"?")[0].decode("latin-1")
        name = path.rsplit("/", 1)[-1]
        if name == "hang":
            time.sleep(100)
            return False
        if name == "endless-headers":
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for number in range(2_000_000):
                connection.sendall(b"X-%d: 1\r\n" % number)
            return False
        answer, ends = BAD_ANSWERS.get(name, (ORDINARY, False))
        if answer is None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        connection.sendall(answer)
        return not ends

    def _body(self, connection, head, buffer):
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
        if re.search(rb"\r\ntransfer-encoding:", head, re.I):
            return self._chunks(connection, head, buffer)
        wanted = int(length.group(1)) if length else 0
        while len(buffer) < wanted:
            data = connection.recv(65536)
            if not data:
                return None, b""
            buffer += data
        return buffer[:wanted], buffer[wanted:]

    def _chunks(self, connection, head, buffer):
        body = b""
        while True:
            while b"\r\n" not in buffer:
                buffer += _more(connection)
            line, _, buffer = buffer.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            while len(buffer) < size + 2:
                buffer += _more(connection)
            body, rest = body + buffer[:size], buffer[size:]
            if size == 0:
                if not rest.startswith(b"\r\n"):
                    self._complain("a trailer was forwarded", head)
                return body, rest.partition(b"\r\n")[2]
            buffer = rest.removeprefix(b"\r\n")

    # What is wrong with a request that arrived

    def _complain(self, what, head):
        shown = re.sub(rb"Bearer \S+", b"Bearer ...", head)[:1000]
        with self._lock:
            self.wrong.append(f"{what}: {shown!r}")

    def _record(self, head):
        with self._lock:
            self.requests.append(head)
            self._seen.update(re.findall(rb"case=\d+\.", head.split(b"\r\n", 1)[0]))
        for wrong in self._hygiene(head):
            self._complain(wrong, head)

    def _hygiene(self, head):
        line, *fields = head.split(b"\r\n")
        if len(line.split(b" ")) != 3 or not line.endswith(b" HTTP/1.1"):
            yield "request line"
        path = line.split(b" ")[1].split(b"?")[0] if line.count(b" ") else b""
        plain = re.sub(rb"%2e", b".", path, flags=re.I)
        if not path.startswith(self.base) or path[len(self.base):][:1] not in (b"", b"/") or {b".", b".."} & set(plain.split(b"/")):
            yield "path outside the base"
        names = [field.partition(b":")[0] for field in fields]
        values = {}
        for field in fields:
            name, _, value = field.partition(b":")
            values.setdefault(name.lower(), []).append(value.strip())
            if not TOKEN.fullmatch(name) or b"\r" in value or b"\n" in value or b"\0" in value:
                yield f"malformed field {field[:60]!r}"
        lowered = [name.lower() for name in names]
        for name in (b"host", b"authorization", b"subscription-id", b"request-id"):
            if lowered.count(name) != 1:
                yield f"{name.decode()} {lowered.count(name)} times"
        if values.get(b"host", [b""])[0] != f"127.0.0.1:{self.port}".encode():
            yield "Host is not the target's"
        yield from self._identity(values)
        for name in lowered:
            if name in HOP_BY_HOP and not (name == b"connection" and values[name] == [b"keep-alive"]):
                yield f"hop-by-hop field {name.decode()}"
            if b"_" in name:
                yield f"underscore in {name.decode()}"
        if lowered.count(b"content-length") + lowered.count(b"transfer-encoding") > 1:
            yield "framed twice"
        for poison in self.poison:
            if poison in head:
                yield f"{poison.decode()} was forwarded"

    def _identity(self, values):
        authorization = values.get(b"authorization", [b""])[0]
        if self.app_token in authorization:
            yield "the app's own token"
        try:
            payload = authorization.removeprefix(b"Bearer ").split(b".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        except (IndexError, ValueError):
            yield "Authorization is not a platform token"
            return
        if claims.get("token_use") != "outbound" or not claims.get("sub"):
            yield f"claims {claims}"
        with self._lock:
            self.client_ids.add(claims.get("sub"))
        for value in values.get(b"subscription-id", []):
            if value not in self.subscription_ids:
                yield f"foreign Subscription-Id {value!r}"


def _more(connection):
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("ended in the middle of a body")
    return data
