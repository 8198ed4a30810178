#!/usr/bin/env python3
"""Sends mails through a real mail server: what arrives, what is tried again, what is given up, and what a crash leaves.

    scripts/mail_test.py
    scripts/with-postgres scripts/mail_test.py     the same, and two nodes that share one queue

The mail server is scripts/mail_server.py in a process of its own. Every wait is for a condition, with a long limit.
"""

import concurrent.futures
import contextlib
import datetime
import email
import email.policy
import ipaddress
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import dev_server
from management import Management
from report import Report

HERE = pathlib.Path(__file__).resolve().parent
OPERATOR = "operator@portcullis.example"
GONE = "gone@portcullis.example"
USER, PASSWORD = "portcullis", "correct-horse-battery"
LIMIT = 60
MAILS_OF_TWO_NODES = 50


def certificate(folder):
    """A certificate authority, and a certificate of it for localhost. Returns the names of the three files."""
    def name(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    def build(subject, issuer, public, signer, extensions):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, hashes.SHA256())

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = build("test authority", "test authority", authority.public_key(), authority, [(x509.BasicConstraints(ca=True, path_length=None), True)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = build("localhost", "test authority", own.public_key(), authority, [(names, False), (x509.BasicConstraints(ca=False, path_length=None), True)])
    files = [folder / "ca.pem", folder / "cert.pem", folder / "key.pem"]
    files[0].write_bytes(root.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    files[2].write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


def eventually(question, limit=LIMIT):
    """The first answer that is true; None when there was none in time."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.05)
    return None


class MailServer:
    """The mail server, started and ended at will on one port."""

    def __init__(self, folder, files):
        self.folder, self.files = folder, files
        self.port = dev_server.free_port_base() + 7
        self.mails = folder / "mails.jsonl"
        self.hold = folder / "hold"
        self.process = None

    def start(self, tls="starttls", user=USER, password=PASSWORD, refuse=(), delay=0.0):
        self.stop()
        command = [sys.executable, str(HERE / "mail_server.py"), "--port", str(self.port), "--mails", str(self.mails), "--tls", tls,
                   "--certificate", str(self.files[1]), "--key", str(self.files[2]), "--user", user, "--password", password,
                   "--hold", str(self.hold), "--delay", str(delay)]
        for address in refuse:
            command += ["--refuse", address]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise dev_server.StartFailed("the mail server did not start")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def seen(self, kind="mail"):
        if not self.mails.exists():
            return []
        lines = self.mails.read_text(encoding="utf-8").splitlines()
        return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]

    def of(self, job):
        """The mails of this job."""
        return [mail for mail in self.seen() if f"Message-ID: <{job['id']}@" in mail["message"]]

    def settings(self, **more):
        """The environment that makes a node send to this server."""
        settings = {"mode": "smtp", "host": "localhost", "port": self.port, "tls": "starttls", "username": USER, "password": PASSWORD,
                    "from": "Portcullis <no-reply@portcullis.example>", "reply_to": "help@portcullis.example", **more}
        environment = {f"PORTCULLIS_MAIL__{name.upper()}": str(value) for name, value in settings.items()}
        return {**environment, "PORTCULLIS_OUTGOING__EXTRA_ROOTS_FILE": str(self.files[0])}


class Jobs:
    """Mails made owed through the management API, and what became of them."""

    def __init__(self, env):
        self.env = env
        self.client = Management(env)

    def owe(self):
        return self.client.post("/v1/mail/test")

    def get(self, job):
        return self.client.get(f"/v1/jobs/{job['id']}")

    def retry(self, job):
        return self.client.post(f"/v1/jobs/{job['id']}/retry")

    def when(self, job, holds, limit=LIMIT):
        """The job once it is like that, or as it is at the end of the time."""
        return eventually(lambda: (seen := self.get(job)) and holds(seen) and seen, limit) or self.get(job)

    def failed(self, job, attempts=1):
        """The job once this many attempts have failed."""
        return self.when(job, lambda seen: seen["attempts"] >= attempts and seen["state"] in ("owed", "given_up") and seen["last_error"])

    def as_person(self, address):
        """The same, as another operator, whose test mails go to another address."""
        user = self.client.post("/v1/users", {"email": address, "full_name": "Gone", "is_operator": True})
        token = self.client.post("/v1/management_tokens", {"name": "mail test", "user_id": user["id"]})
        return Jobs({**self.env, "MANAGEMENT_TOKEN": token["token"]})


def delivery(report, jobs, server):
    server.start()
    job = jobs.owe()
    done = jobs.when(job, lambda seen: seen["state"] == "done")
    report.check("a mail is done once it was taken", done["state"] == "done", done)
    mails = server.of(job)
    report.check("it arrives once", len(mails) == 1, server.seen())
    mail = mails[0]
    report.check("over TLS, signed in", mail["tls"] and mail["signed_in"], mail)
    report.check("from and to whom it should", (mail["sender"], mail["recipients"]) == ("no-reply@portcullis.example", [OPERATOR]), mail)
    message = email.message_from_string(mail["message"], policy=email.policy.default)
    report.check("nothing in it is malformed", not message.defects, message.defects)
    report.check("the sender has a name", message["From"] == "Portcullis <no-reply@portcullis.example>", message["From"])
    report.check("answers go elsewhere", message["Reply-To"] == "help@portcullis.example", message["Reply-To"])
    report.check("it is marked as automatic", message["Auto-Submitted"] == "auto-generated", message.items())
    report.check("it is dated", abs((datetime.datetime.now(datetime.timezone.utc) - message["Date"].datetime).total_seconds()) < 600, message["Date"])
    report.check("the subject names the installation", message["Subject"] == "Test mail of Portcullis", message["Subject"])
    kinds = [part.get_content_type() for part in message.iter_parts()]
    report.check("it has both bodies, the plain one first", kinds == ["text/plain", "text/html"], kinds)
    for part in message.iter_parts():
        report.check(f"the {part.get_content_type()} says who asked", OPERATOR in part.get_content(), part.get_content())
    attempts = done["attempt_log"]
    report.check("one attempt is written down", [one["result"] for one in attempts] == ["done"], attempts)


def outage(report, jobs, server):
    server.stop()
    job = jobs.owe()
    waiting = jobs.failed(job)
    report.check("a server that is down is tried again later", waiting["state"] == "owed" and waiting["next_attempt_at"], waiting)
    report.check("the job names the server", f"localhost:{server.port}" in waiting["last_error"], waiting)
    server.start()
    done = jobs.when(job, lambda seen: seen["state"] == "done")
    report.check("it is sent by itself once the server is back", done["state"] == "done" and len(server.of(job)) == 1, done)


def refusal(report, jobs, server):
    gone = jobs.as_person(GONE)
    server.start(refuse=[GONE])
    refused, fine = gone.owe(), [jobs.owe() for _ in range(3)]
    given_up = jobs.when(refused, lambda seen: seen["state"] == "given_up")
    report.check("a refused address is given up at once", given_up["state"] == "given_up" and given_up["attempts"] == 1, given_up)
    report.check("its job says why", "550" in given_up["last_error"] and "no such mailbox" in given_up["last_error"], given_up)
    states = [jobs.when(job, lambda seen: seen["state"] == "done")["state"] for job in fine]
    report.check("the others arrive", states == ["done"] * 3, states)
    listed = jobs.client.get("/v1/jobs?state=given_up")["items"]
    report.check("operators see it in the list", [job["id"] for job in listed] == [refused["id"]], listed)
    server.start()
    jobs.retry(refused)
    done = jobs.when(refused, lambda seen: seen["state"] == "done")
    report.check("tried again by hand it arrives", done["state"] == "done" and len(server.of(refused)) == 1, done)


def wrong_password(report, jobs, server):
    server.start(password="another")
    job = jobs.owe()
    failed = jobs.failed(job)
    report.check("a wrong password is tried again later", failed["state"] == "owed", failed)
    report.check("the job says that the sign-in failed", "refuses to let us sign in" in failed["last_error"], failed)
    report.check("and does not say the password", PASSWORD not in json.dumps(failed), "it does")
    server.start()
    jobs.retry(job)
    report.check("with the right one it arrives", jobs.when(job, lambda seen: seen["state"] == "done")["state"] == "done", jobs.get(job))


def no_tls(report, jobs, server):
    signed_in = len(server.seen("sign-in"))
    server.start(tls="none", user="")
    job = jobs.owe()
    failed = jobs.failed(job)
    report.check("a server without TLS gets nothing", failed["state"] == "owed" and not server.of(job), failed)
    report.check("the job says so", "STARTTLS" in failed["last_error"], failed)
    report.check("it never saw the password", len(server.seen("sign-in")) == signed_in, server.seen("sign-in"))
    server.start()
    jobs.retry(job)
    report.check("with TLS it arrives", jobs.when(job, lambda seen: seen["state"] == "done")["state"] == "done", jobs.get(job))


def crash(report, server, node):
    """The process is killed after the mail was owed and before it was taken."""
    server.start()
    jobs = Jobs(node.env)
    server.hold.touch()
    job = jobs.owe()
    held = eventually(lambda: server.hold.with_suffix(".held").exists())
    report.check("the mail is on its way when the process is killed", held and not server.of(job), server.seen())
    node.kill()
    server.hold.unlink()
    server.start()
    node.start()
    jobs = Jobs(node.env)
    done = jobs.when(job, lambda seen: seen["state"] == "done")
    report.check("a killed process sends it after its next start", done["state"] == "done" and len(server.of(job)) == 1, done)
    results = [one["result"] for one in done["attempt_log"]]
    report.check("both attempts are written down", results == ["lost", "done"], results)


@contextlib.contextmanager
def second_node(first, url, settings):
    """`portcullis serve` with the same database and master key."""
    base = dev_server.free_port_base()
    environment = {
        **os.environ, **settings, "PORTCULLIS_STORE__URL": url, "PORTCULLIS_CLUSTER__NODE": "second",
        "PORTCULLIS_KEYS__MASTER_KEY_FILE": str(first.data_dir / "master.key"),
        "PORTCULLIS_TELEMETRY__REQUEST_RECORDS": str(first.data_dir / "second"),
        "PORTCULLIS_LISTENERS__PORTAL": f'["127.0.0.1:{base}"]', "PORTCULLIS_LISTENERS__OPERATIONS": f'["127.0.0.1:{base + 1}"]',
        "PORTCULLIS_LISTENERS__PUBLIC_URL": f"http://localhost:{base}",
    }
    output = first.data_dir / "second.out"
    with open(output, "wb") as file:
        process = subprocess.Popen([dev_server.binary(), "serve", "--roles", "registry"], cwd=first.data_dir, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    try:
        env = {**first.env, "MANAGEMENT_URL": f"http://localhost:{base}"}

        def answers():
            if process.poll() is not None:
                raise dev_server.StartFailed(output.read_text(errors="replace")[-3000:])
            with contextlib.suppress(OSError):
                return Jobs(env).client.get("/v1/me")

        if not eventually(answers):
            raise dev_server.StartFailed("the second node does not answer")
        yield Jobs(env)
    finally:
        process.terminate()
        process.wait()


def two_nodes(report, server, url):
    server.start(delay=0.05)
    settings = server.settings()
    with dev_server.DevServer(extra_env={**settings, "PORTCULLIS_STORE__URL": url}) as node, second_node(node, url, settings) as second:
        def owe(jobs):
            return [jobs.owe() for _ in range(MAILS_OF_TWO_NODES // 2)]

        first = Jobs(node.env)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            owed = [job for made in pool.map(owe, [first, second]) for job in made]
        done = [first.when(job, lambda seen: seen["state"] == "done") for job in owed]
        report.check("two nodes send every mail", all(job["state"] == "done" for job in done), [job for job in done if job["state"] != "done"])
        counts = [len(server.of(job)) for job in owed]
        report.check(f"and none of {len(owed)} twice", counts == [1] * MAILS_OF_TWO_NODES, counts)
        nodes = {one["node"] for job in done for one in job["attempt_log"]}
        report.check("both took part", len(nodes) == 2, nodes)


def main():
    report = Report("mail")
    with tempfile.TemporaryDirectory(prefix="portcullis-mail-") as name:
        folder = pathlib.Path(name)
        server = MailServer(folder, certificate(folder))
        try:
            with dev_server.DevServer(extra_env=server.settings()) as node:
                jobs = Jobs(node.env)
                for scene in (delivery, outage, refusal, wrong_password, no_tls):
                    scene(report, jobs, server)
                crash(report, server, node)
                report.check("the password is not in the log", PASSWORD not in node.output(), "it is")
                report.check("no address is in the log", GONE not in node.output(), "it is")
            url = os.environ.get("TEST_DATABASE_URL")
            if url:
                two_nodes(report, server, url)
            else:
                print("PostgreSQL is not there: two nodes on one queue were not tried")
        finally:
            server.stop()
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
