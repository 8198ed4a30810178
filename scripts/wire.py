"""Bytes out, an HTTP answer in. No client library stands between, so a request can be as wrong as a test wants it."""

import dataclasses
import json
import os
import select
import socket
import ssl
import time
import urllib.parse

MAX_ANSWER = 4 * 1024 * 1024


@dataclasses.dataclass
class Answer:
    """One answer. `status` is 0 when the connection ended without one; `hung` when it neither answered nor ended."""

    status: int = 0
    headers: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    closed: bool = False
    hung: bool = False
    seconds: float = 0.0
    interim: list = dataclasses.field(default_factory=list)

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def json(self):
        """The body as JSON, or None when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def member(self, name):
        value = self.json()
        return value.get(name) if isinstance(value, dict) else None

    def __str__(self):
        state = "hung" if self.hung else "closed" if self.closed else "open"
        return f"{self.status} {self.body[:160]!r} ({state}, {self.seconds:.2f} s)"


class Endpoint:
    """Where to send: taken apart from a URL once."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        self.authority = parts.netloc
        self.path = parts.path or "/"
        self._context = None
        if self.tls:
            self._context = ssl.create_default_context(cafile=os.environ.get("CA_CERT"))

    def connect(self, timeout=10.0):
        connection = socket.create_connection((self.host, self.port), timeout=timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context:
            connection = self._context.wrap_socket(connection, server_hostname=self.host)
        return connection


def request(method, target, headers, body=b""):
    """A request as bytes. `headers` are (name, value) pairs, sent in this order and spelling, text as Latin-1."""
    if isinstance(target, str):
        target = target.encode("latin-1")
    head = method.encode("latin-1") + b" " + target + b" HTTP/1.1\r\n"
    for name, value in headers:
        name = name if isinstance(name, bytes) else name.encode("latin-1")
        value = value if isinstance(value, bytes) else str(value).encode("latin-1")
        head += name + b": " + value + b"\r\n"
    return head + b"\r\n" + body


def exchange(endpoint, data, timeout=10.0, method="GET", slow=None, linger=0.0):
    """Sends the bytes on a new connection and reads one answer.

    `slow` sends one byte each so many seconds. `linger` is how long the other side gets to end the connection after its
    answer before `closed` is taken to be false.
    """
    began = time.monotonic()
    answer = Answer()
    try:
        connection = endpoint.connect(timeout)
    except OSError:
        answer.closed = True
        return answer
    try:
        with connection:
            begun = None
            try:
                if slow is None:
                    _send(connection, data, began + timeout)
                else:
                    begun = _drip(connection, data, slow, began + timeout)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                # It refused before all was sent; the answer may still be there to read.
                pass
            reader = Reader(connection, begun)
            answer = reader.answer(method, began + timeout)
            answer.closed = reader.ended or reader.ends_within(linger)
    except (OSError, ssl.SSLError):
        answer.closed = True
    answer.seconds = time.monotonic() - began
    return answer


def _send(connection, data, deadline):
    """Sends until all is sent or an answer arrives. Pushing on would make the system throw that answer away."""
    if isinstance(connection, ssl.SSLSocket):
        connection.sendall(data)
        return
    view = memoryview(data)
    while len(view) and time.monotonic() < deadline:
        readable, writable, _ = select.select([connection], [connection], [], 0.5)
        if readable:
            return
        if writable:
            view = view[connection.send(view[:65536]):]


def _drip(connection, data, pause, deadline):
    """A byte, a pause, a byte. Stops when an answer begins, and returns what arrived of it; None when nothing did."""
    for index in range(len(data)):
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        connection.sendall(data[index:index + 1])
        connection.settimeout(pause)
        try:
            return connection.recv(65536)
        except TimeoutError:
            if time.monotonic() > deadline:
                return None
    return None


class Reader:
    """Reads answers from a connection, one after the other."""

    def __init__(self, connection, begun=None):
        self.connection = connection
        self.buffer = begun or b""
        self.ended = begun == b""

    def answer(self, method, deadline):
        """The next final answer; interim ones are kept beside it."""
        interim = []
        while True:
            answer = self._one(method, deadline)
            if 100 <= answer.status < 200 and answer.status != 101:
                interim.append(answer.status)
                continue
            answer.interim = interim
            return answer

    def _one(self, method, deadline):
        answer = Answer()
        head = self._until(b"\r\n\r\n", deadline)
        if head is None:
            answer.closed, answer.hung = self.ended, not self.ended
            answer.body = self.buffer
            return answer
        lines = head.decode("latin-1").split("\r\n")
        parts = lines[0].split(" ", 2)
        answer.status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        for line in lines[1:]:
            name, _, value = line.partition(":")
            answer.headers.append((name.strip(), value.strip()))
        answer.body = self._body(answer, method, deadline)
        return answer

    def _body(self, answer, method, deadline):
        if method == "HEAD" or answer.status in (204, 304) or 100 <= answer.status < 200:
            return b""
        if "chunked" in (answer.header("transfer-encoding") or "").lower():
            return self._chunks(deadline)
        length = answer.header("content-length")
        if length is not None and length.isdigit():
            return self._exactly(int(length), deadline)
        while not self.ended and time.monotonic() < deadline:
            self._fill(deadline)
        return self.buffer

    def _chunks(self, deadline):
        body = b""
        while True:
            line = self._until(b"\r\n", deadline)
            if line is None:
                return body
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while True:
                    trailer = self._until(b"\r\n", deadline)
                    if not trailer:
                        return body
            body += self._exactly(size, deadline)
            self._exactly(2, deadline)

    def _exactly(self, count, deadline):
        while len(self.buffer) < count and self._fill(deadline):
            pass
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _until(self, mark, deadline):
        while mark not in self.buffer:
            if not self._fill(deadline) or len(self.buffer) > MAX_ANSWER:
                return None
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if self.ended or left <= 0:
            return False
        self.connection.settimeout(left)
        try:
            data = self.connection.recv(65536)
        except TimeoutError:
            return False
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def ends_within(self, seconds):
        """Whether the other side ends the connection within so many seconds. What still arrives is thrown away."""
        deadline = time.monotonic() + seconds
        while not self.ended and time.monotonic() < deadline:
            self._fill(deadline)
        return self.ended
