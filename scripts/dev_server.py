"""Starts and ends `portcullis dev` for a test. What the test then does with it is not here."""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PORTS = 5
# More than the server gives itself, so that its own complaint comes first.
START_SECONDS = 90


class StartFailed(Exception):
    """The server ended, or did not answer in time. The message carries what it printed."""


def binary():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return os.environ.get("PORTCULLIS_BIN", str(target / "debug" / "portcullis"))


def read_env(path):
    """The NAME=value lines of a dev.env file. Values may stand in quotes, as a shell would take them."""
    values = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        name, found, value = line.partition("=")
        if not found or line.lstrip().startswith("#"):
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[name.strip()] = value
    return values


def is_free(port):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            # A machine without IPv6 has nothing that could hold the port there.
            if family == socket.AF_INET6 and not isinstance(error, PermissionError) and error.errno in (97, 99):
                continue
            return False
    return True


def free_port_base():
    """A base whose five ports are free, below the range the system hands out to clients."""
    for _ in range(200):
        base = random.SystemRandom().randrange(12000, 19990, 10)
        if all(is_free(base + offset) for offset in range(PORTS)):
            return base
    raise StartFailed("no five free ports in a row")


class DevServer:
    """A `portcullis dev` with a data folder of its own, ended by its process id.

    `env` holds dev.env once `start` has returned. A folder that was not given is made, and deleted on `close`; KEEP_DATA in
    the environment keeps it.
    """

    def __init__(self, data_dir=None, port_base=None, tls=False, extra_env=None):
        self._owned = None if data_dir else tempfile.mkdtemp(prefix="portcullis-test-")
        self.data_dir = pathlib.Path(data_dir or self._owned) / ("" if data_dir else "data")
        self.port_base = port_base or free_port_base()
        self.tls = tls
        self.extra_env = extra_env or {}
        self.process = None
        self.env = {}
        self.output_path = self.data_dir.parent / f"{self.data_dir.name}.out"
        self.start_seconds = 0.0

    def start(self, wait=True):
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        # After a kill the old file is still there and would be taken for a sign of life.
        (self.data_dir / "dev.env").unlink(missing_ok=True)
        command = [binary(), "dev", "--data-dir", str(self.data_dir), "--port-base", str(self.port_base)]
        if self.tls:
            command.append("--tls")
        with open(self.output_path, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, **self.extra_env}, start_new_session=True,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        began = time.monotonic()
        path = self.data_dir / "dev.env"
        while not path.exists():
            if self.process.poll() is not None:
                raise StartFailed(f"exit code {self.process.returncode}\n{self.output()[-3000:]}")
            if time.monotonic() - began > START_SECONDS:
                raise StartFailed(f"no {path} after {START_SECONDS} s, {self.threads()}\n{self.output()[-3000:]}")
            time.sleep(0.01)
        self.start_seconds = time.monotonic() - began
        # The file appears whole (it is renamed into place) or grows until MANAGEMENT_TOKEN is there.
        while "MANAGEMENT_TOKEN" not in (env := read_env(path)):
            if time.monotonic() - began > START_SECONDS:
                raise StartFailed(f"{path} has no MANAGEMENT_TOKEN")
            time.sleep(0.01)
        self.env = env

    def output(self):
        """What the server printed, in all its starts so far."""
        return self.output_path.read_text(errors="replace") if self.output_path.exists() else ""

    def threads(self):
        """What each thread of the process waits in, for a start that hangs."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        try:
            states = [((task / "comm").read_text().strip(), (task / "syscall").read_text().split(" ")[0]) for task in tasks.iterdir()]
        except OSError as error:
            return f"threads unknown: {error}"
        return "threads and the system calls they are in: " + ", ".join(f"{name} {call}" for name, call in states)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """Ends it as a power switch would, as far as a process can see."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=40):
        """Asks it to end. Returns the exit code; one that does not end in time is killed and reported as None."""
        if not self.alive():
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def close(self):
        self.stop()
        if self._owned and not os.environ.get("KEEP_DATA"):
            shutil.rmtree(self._owned, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()
