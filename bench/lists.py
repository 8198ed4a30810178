#!/usr/bin/env python3
"""Measures the portal's list pages on a full store: 10,000 apps and 100,000 subscriptions.

    bench/lists.py [--binary target/release/portcullis] [--apps 10000] [--subscriptions 100000] [--loads 200]

A development server makes its sample data and is stopped; copies of its app, client and subscription are written into its
SQLite file until the numbers are reached; then it is started again and each list is loaded by a signed-in person, one load after
another over one connection, as an operator and as the developer who owns all apps. Printed for each page: median, P95 and
longest time to the last byte in milliseconds, and the size compressed. Exit code 1 when a P95 is above 50 ms or a page is
larger than 100 KB.
"""
import argparse, html, http.cookies, re, sqlite3, statistics, sys, tempfile, time, uuid
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

from portcullis import Server

P95_MS_MAX = 50
BYTES_MAX = 100 * 1024
BUYERS = 1000
PAGES = {
    "OPERATOR": ["/admin/organizations", "/admin/users", "/admin/apps", "/admin/apis", "/admin/audit", "/apps", "/apis", "/subscriptions"],
    "DEVELOPER": ["/", "/apps", "/apps?q=copy+77", "/apis", "/subscriptions", "/organization/members"],
}


class Rows:
    """Copies of the rows of a table, with some columns changed."""

    def __init__(self, database, table, where):
        cursor = database.execute(f"SELECT * FROM {table} WHERE {where} LIMIT 1")
        self.columns = [column[0] for column in cursor.description]
        self.row = cursor.fetchone()
        if self.row is None:
            sys.exit(f"no row of {table} where {where}")
        marks = ",".join("?" * len(self.columns))
        self.insert = f"INSERT INTO {table} VALUES ({marks})"
        self.database = database

    def copy(self, **changed):
        values = [changed.get(column, value) for column, value in zip(self.columns, self.row)]
        self.database.execute(self.insert, values)


def fill(path, env, apps, subscriptions):
    database = sqlite3.connect(path)
    app_id, live = env["APP_ID"], env["SUBSCRIPTION_ID"]
    client = Rows(database, "clients", f"owner_id = '{app_id}'")
    secret = Rows(database, "client_secrets", f"client_id = '{env['API_KEY']}'")
    app = Rows(database, "apps", f"id = '{app_id}'")
    selected = Rows(database, "app_apis", f"app_id = '{app_id}'")
    subscription = Rows(database, "subscriptions", f"id = '{live}'")
    connection = Rows(database, "connections", f"subscription_id = '{live}'")
    buyer = Rows(database, "organizations", f"id = (SELECT organization_id FROM subscriptions WHERE id = '{live}')")
    began = int(time.time() * 1_000_000)
    buyers = [str(uuid.uuid4()) for _ in range(BUYERS)]
    for number, identifier in enumerate(buyers):
        buyer.copy(id=identifier, name=f"Buyer {number}", created_at_us=began + number)
    made = []
    for number in range(apps):
        key, identifier = uuid.uuid4().hex, str(uuid.uuid4())
        client.copy(id=key, id_key=key.encode(), owner_id=identifier)
        secret.copy(id=str(uuid.uuid4()), client_id=key)
        app.copy(id=identifier, name=f"Copy {number}", client_id=key, test_subscription_id=str(uuid.uuid4()), created_at_us=began + number)
        selected.copy(app_id=identifier)
        made.append(identifier)
    for number in range(subscriptions):
        identifier = str(uuid.uuid4())
        # A buyer activates an app once.
        subscription.copy(id=identifier, app_id=made[number % len(made)], organization_id=buyers[(number // len(made)) % BUYERS], created_at_us=began + number)
        connection.copy(id=str(uuid.uuid4()), subscription_id=identifier)
    database.commit()
    database.execute("ANALYZE")
    database.close()


class Person:
    """A browser without the browser."""

    def __init__(self, portal, email, password):
        self.portal = urlsplit(portal)
        self.connection = HTTPConnection(self.portal.hostname, self.portal.port)
        self.cookies = {}
        status, form = self.ask("GET", "/login")
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.decode()))
        fields = {name: html.unescape(value) for name, value in fields.items()}
        status, _ = self.ask("POST", "/login", urlencode({**fields, "email": email, "password": password}))
        if status != 303:
            sys.exit(f"{email} cannot sign in: {status}")

    def ask(self, method, path, body=None, compressed=False):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"{self.portal.scheme}://{self.portal.netloc}"
        if compressed:
            headers["Accept-Encoding"] = "gzip"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer.status, text


def measure(person, path, loads):
    status, text = person.ask("GET", path, compressed=True)
    if status != 200:
        return None
    times = []
    for _ in range(loads):
        began = time.perf_counter()
        person.ask("GET", path)
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return statistics.median(times), times[int(len(times) * 0.95) - 1], times[-1], len(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="target/release/portcullis")
    parser.add_argument("--apps", type=int, default=10_000)
    parser.add_argument("--subscriptions", type=int, default=100_000)
    parser.add_argument("--loads", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(options.binary, folder)
        server.start()
        env = server.env
        server.stop()
        fill(f"{folder}/portcullis.db", env, options.apps, options.subscriptions)
        print(f"{options.apps} apps, {options.subscriptions} subscriptions; ready after {server.start():.2f} s\n")
        missed = False
        try:
            print(f"{'page':44} {'median':>8} {'P95':>8} {'longest':>8} {'bytes':>8}")
            for who, paths in PAGES.items():
                person = Person(env["PORTAL_URL"], env[f"{who}_EMAIL"], env[f"{who}_PASSWORD"])
                for path in paths:
                    name = f"{who.lower()} {path}"
                    found = measure(person, path, options.loads)
                    if found is None:
                        print(f"{name:44} does not answer 200")
                        missed = True
                        continue
                    median, p95, longest, size = found
                    missed |= p95 > P95_MS_MAX or size > BYTES_MAX
                    print(f"{name:44} {median:8.1f} {p95:8.1f} {longest:8.1f} {size:8}")
        finally:
            server.stop()
    return 1 if missed else 0


sys.exit(main())
