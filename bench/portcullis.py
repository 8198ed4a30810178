#!/usr/bin/env python3
"""Measures a built portcullis beside its rivals, in one run.

    bench/portcullis.py gateway [--binary target/dist/portcullis] [-- arguments of bench.py gateway]
    bench/portcullis.py token   [--binary target/dist/portcullis] [-- arguments of bench.py token]
    bench/portcullis.py start   [--binary target/dist/portcullis]     start-up time, memory, binary size

A development server is started in a folder of its own, with one gateway core, sample data and, for the gateway, an API whose target is
the upstream every gateway is measured against, 256 customers that activated one of eight apps, and 256 tokens. Everything goes
through the management API and the token endpoint, as a user would. Calls are authorized in full: token, app, customer,
subscription, connection, environment; with the platform's token to the provider, request records and usage.
"""
import argparse, base64, json, os, signal, socket, subprocess, sys, tempfile, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


def free_base():
    for base in range(21000, 29000, 10):
        try:
            for port in range(base, base + 5):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    sys.exit("no five free ports in a row")


class Server:
    def __init__(self, binary, folder):
        self.binary, self.folder, self.base, self.process, self.env = binary, folder, free_base(), None, {}

    def start(self):
        begun = time.monotonic()
        # one core of the gateway and one of everything else, as the rivals have one
        environment = {**os.environ, "PORTCULLIS_GATEWAY__WORKERS": "1", "PORTCULLIS_TELEMETRY__LOG": "warn"}
        self.process = subprocess.Popen([self.binary, "dev", "--data-dir", self.folder, "--port-base", str(self.base)],
                                        env=environment, stdout=subprocess.DEVNULL)
        path = os.path.join(self.folder, "dev.env")
        while not os.path.exists(path):
            if self.process.poll() is not None:
                sys.exit(f"portcullis ended with status {self.process.returncode}")
            time.sleep(0.002)
        took = time.monotonic() - begun
        with open(path) as f:
            self.env = dict(line.rstrip("\n").split("=", 1) for line in f)
        return took

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def manage(self, method, path, body=None):
        request = urllib.request.Request(self.env["MANAGEMENT_URL"] + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Bearer " + self.env["MANAGEMENT_TOKEN"])
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def token(self, key, secret):
        request = urllib.request.Request(self.env["AUTH_URL"] + "/v1/token", data=b"grant_type=client_credentials&scope=anonymous")
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["access_token"]

    def memory_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


LINES, APPS = 256, 8


def customers(server, folder, upstream_port):
    """An API in front of the upstream, eight apps that selected it, customers that activated them; tokens of the apps.

    The load script takes token k - 1 and subscription k * 7919 (modulo the length of each file) in turn, so line i of the tokens and
    the line of the subscriptions that goes with it belong to one app. Eight apps with 32 live tokens each: a core keeps the
    signatures of at most 64 tokens for one client.
    """
    app_of = lambda line: (line + 1) % LINES // (LINES // APPS)
    provider = server.manage("GET", f"/v1/apis/{server.env['API_ID']}")["organization_id"]
    api = server.manage("POST", "/v1/apis", {"organization_id": provider, "name": "Bench", "visibility": "public"})["id"]
    server.manage("POST", f"/v1/apis/{api}/instances", {
        "environment": "production", "namespace": "sample", "base_path": "/bench/v1", "version": "1.0.0",
        "target_url": f"http://127.0.0.1:{upstream_port}", "base_path_upstream": "strip"})
    owner = server.manage("GET", f"/v1/apps/{server.env['APP_ID']}")["organization_id"]
    apps = [server.manage("POST", "/v1/apps", {"organization_id": owner, "name": f"Bench {n}", "apis": [api]}) for n in range(APPS)]
    subscriptions = [""] * LINES
    for k in range(1, LINES + 1):
        buyer = server.manage("POST", "/v1/organizations", {"name": f"Customer {k}"})["id"]
        app = apps[app_of((k - 1) % LINES)]["id"]
        subscriptions[k * 7919 % LINES] = server.manage("POST", f"/v1/apps/{app}/subscriptions", {"organization_id": buyer})["id"]
    tokens = [server.token(apps[app_of(line)]["api_key"], apps[app_of(line)]["api_secret"]) for line in range(LINES)]
    files = []
    for name, lines in (("tokens.txt", tokens), ("subscriptions.txt", subscriptions)):
        files.append(os.path.join(folder, name))
        with open(files[-1], "w") as f:
            f.writelines(line + "\n" for line in lines)
    return files


def bench(arguments):
    sys.exit(subprocess.run([sys.executable, os.path.join(HERE, "bench.py")] + arguments).returncode)


def gateway(server, folder, rest):
    server.start()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    papers, subscriptions = customers(server, folder, port)
    url = server.env["API_URL"].replace("localhost", "127.0.0.1") + "/sample/bench/v1"
    bench(["gateway", "--upstream-port", str(port), "--sut",
           f"name=portcullis,url={url},pid={server.process.pid},tokens={papers},subs={subscriptions}"] + rest)


def token(server, folder, rest):
    server.start()
    url = server.env["AUTH_URL"].replace("localhost", "127.0.0.1") + "/v1/token"
    bench(["token", "--sut", f"name=portcullis,url={url},pid={server.process.pid},client={server.env['API_KEY']},"
           f"secret={server.env['API_SECRET']},scope=anonymous"] + rest)


def start(server, folder, rest):
    cold = server.start()
    time.sleep(2)
    idle = server.memory_kib()
    server.stop()
    warm = []
    for _ in range(5):
        warm.append(server.start())
        server.stop()
    print(f"binary {os.path.getsize(server.binary) / 2**20:.1f} MiB; first start {cold * 1000:.0f} ms (two RSA keys for each purpose and the "
          f"sample data are made); later starts {sorted(warm)[2] * 1000:.0f} ms (median of 5); resident memory idle {idle / 1024:.1f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["gateway", "token", "start"])
    parser.add_argument("--binary", default=os.path.join(HERE, "..", "target", "dist", "portcullis"))
    own, rest = parser.parse_known_args()
    rest = [argument for argument in rest if argument != "--"]
    if not os.path.exists(own.binary):
        sys.exit(f"{own.binary} is not there; build it with: cargo build --profile dist -p portcullis-server")
    with tempfile.TemporaryDirectory(prefix="portcullis-bench.") as folder:
        server = Server(os.path.abspath(own.binary), os.path.join(folder, "data"))
        try:
            {"gateway": gateway, "token": token, "start": start}[own.what](server, folder, rest)
        finally:
            if server.process and server.process.poll() is None:
                server.stop()


if __name__ == "__main__":
    main()
