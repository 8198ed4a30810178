"""Requests spoilt at random, from one seed: the same seed gives the same bytes. The table of known bad ones is beside it."""

import asyncio
import random
import time

CANARY_EVERY = 1000
CONNECTIONS = 64
HANG_SECONDS = 5.0
# An incomplete request rightly gets no answer. After this long the connection is half-closed, so that it must end.
PATIENCE_SECONDS = 0.1
# 501 and 505 are the refusals of what HTTP itself leaves unimplemented.
NOT_A_FAULT = {501, 505}


class Mutator:
    """Spoils good and bad requests: flips bits, cuts, splices and repeats."""

    def __init__(self, seeds, seed):
        self.seeds = seeds
        self.random = random.Random(seed)

    def next(self):
        data = bytearray(self.random.choice(self.seeds))
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            data = self.random.choice((self._flip, self._replace, self._cut, self._splice, self._repeat, self._insert, self._drop))(data)
        return bytes(data)

    def _place(self, data):
        return self.random.randrange(len(data) or 1)

    def _flip(self, data):
        if data:
            data[self._place(data)] ^= 1 << self.random.randrange(8)
        return data

    def _replace(self, data):
        if data:
            data[self._place(data)] = self.random.choice(b"\0\t\n\r :;,%=&._-/\\09afAZ\x7f\x80\xff")
        return data

    def _cut(self, data):
        return data[: self._place(data)]

    def _splice(self, data):
        other = self.random.choice(self.seeds)
        return data[: self._place(data)] + bytearray(other[self._place(other):])

    def _repeat(self, data):
        start = self._place(data)
        piece = data[start:start + self.random.choice((1, 2, 8, 40, 200))]
        return data[:start] + piece * self.random.choice((2, 3, 50)) + data[start:]

    def _insert(self, data):
        place = self._place(data)
        pieces = (b"\r\n", b"\n", b"\r", b"\0", b": ", b"\r\n ", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1", b"0\r\n\r\n", b"%00", b"../", b"\xff\xfe", b"a" * 9000)
        return data[:place] + self.random.choice(pieces) + data[place:]

    def _drop(self, data):
        lines = data.split(b"\r\n")
        if len(lines) > 1:
            del lines[self.random.randrange(len(lines))]
        return bytearray(b"\r\n".join(lines))


class Run:
    """One run of so many requests against one door."""

    def __init__(self, endpoint, mutator, canary, pid):
        self.endpoint = endpoint
        self.mutator = mutator
        self.canary = canary
        self.pid = pid
        self.statuses = {}
        self.faults = []
        self.left = 0
        self.sent = 0

    async def go(self, count):
        self.left = count
        await asyncio.gather(*(self._worker() for _ in range(min(CONNECTIONS, count))))

    async def _worker(self):
        streams = None
        while self.left > 0:
            self.left -= 1
            self.sent += 1
            if self.sent % CANARY_EVERY == 0:
                await self._sing()
            data = self.mutator.next()
            try:
                streams = streams or await self._connect()
                streams = await self._one(streams, data)
            except OSError:
                # Refused or reset while the request was still being written: as good as an answer.
                self.statuses["reset"] = self.statuses.get("reset", 0) + 1
                streams = None

    async def _connect(self):
        for attempt in range(3):
            try:
                return await asyncio.wait_for(asyncio.open_connection(self.endpoint.host, self.endpoint.port, ssl=self.endpoint._context), HANG_SECONDS)
            except (OSError, TimeoutError):
                if attempt == 2:
                    self.faults.append("no connection")
                    raise OSError("no connection") from None
                await asyncio.sleep(0.2)

    async def _one(self, streams, data):
        """Sends one request. Returns the connection while it can be used again."""
        reader, writer = streams
        writer.write(data)
        await writer.drain()
        answer = await self._read(reader, PATIENCE_SECONDS)
        if answer is None:
            if writer.can_write_eof():
                writer.write_eof()
                answer = await self._read(reader, HANG_SECONDS)
                if answer is None:
                    self.faults.append(f"hang: {data[:300]!r}")
            writer.transport.abort()
            self._count(answer, data)
            return None
        self._count(answer, data)
        # More than one answer may be on its way for what was spoilt, so only a lone whole one leaves the connection usable.
        if answer and b"\r\n\r\n" in answer and b"connection: close" not in answer.lower() and self.mutator.random.random() < 0.5:
            return streams
        writer.transport.abort()
        return None

    async def _read(self, reader, seconds):
        """What arrives, b"" when the other side ended the connection, None when nothing happens in time."""
        try:
            return await asyncio.wait_for(reader.read(65536), seconds)
        except TimeoutError:
            return None
        except (ConnectionError, OSError):
            return b""

    def _count(self, answer, data):
        start = answer.find(b"HTTP/1.") if answer else -1
        status = int(answer[start + 9:start + 12]) if start >= 0 and answer[start + 9:start + 12].isdigit() else "closed" if answer is not None else "hung"
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if isinstance(status, int) and status >= 500 and status not in NOT_A_FAULT:
            self.faults.append(f"{status}: {data[:400]!r} -> {answer[:200]!r}")

    async def _sing(self):
        """A right request among the wrong ones. It must be answered rightly, and soon."""
        began = time.monotonic()
        try:
            reader, writer = await self._connect()
            writer.write(self.canary)
            answer = await asyncio.wait_for(reader.read(65536), HANG_SECONDS)
            writer.transport.abort()
        except (OSError, TimeoutError):
            answer = b""
        if not answer.startswith(b"HTTP/1.1 200"):
            self.faults.append(f"canary: {answer[:200]!r} after {time.monotonic() - began:.1f} s")


def resident_kb(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0


def run(scene, title, door, seeds, canary, count, seed, pid):
    """Runs `count` spoilt requests against one door and reports."""
    report = scene.report
    endpoint = scene.auth if door == "auth" else scene.gateway
    warm = Run(endpoint, Mutator(seeds, seed + 1), canary, pid)
    asyncio.run(warm.go(min(500, count)))
    before, began = resident_kb(pid), time.monotonic()
    main = Run(endpoint, Mutator(seeds, seed), canary, pid)
    asyncio.run(main.go(count))
    seconds, after = time.monotonic() - began, resident_kb(pid)
    grown = (after - before) // 1024
    counts = ", ".join(f"{name}: {number}" for name, number in sorted(main.statuses.items(), key=lambda item: -item[1]))
    print(f"{title}: {count} spoilt requests in {seconds:.0f} s (seed {seed}); {counts}; memory {before // 1024} -> {after // 1024} MB", flush=True)
    faults = warm.faults + main.faults
    report.check(f"{title}: no fault of the server, no hang, every canary answered", not faults, f"{len(faults)}: {faults[:3]}")
    report.check(f"{title}: memory grew by 16 MB at most", not pid or (after and grown <= 16), f"{grown} MB")
