"""The management API, as far as the tests use it. One place that knows its paths."""

import http.client
import json
import ssl
import time
import urllib.parse


class Refused(Exception):
    """An answer other than 2xx."""

    def __init__(self, method, path, status, body):
        super().__init__(f"{method} {path}: {status} {body[:400]!r}")
        self.status = status
        self.body = body


class Management:
    """One connection, kept open. Not for several threads."""

    def __init__(self, env, timeout=10.0):
        parts = urllib.parse.urlsplit(env["MANAGEMENT_URL"])
        self.prefix = parts.path.rstrip("/")
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=env.get("CA_CERT"))
            self.connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        else:
            self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        self.headers = {"Authorization": f"Bearer {env['MANAGEMENT_TOKEN']}", "Accept": "application/json"}

    def request(self, method, path, body=None):
        """(status, headers, body as JSON or None). A busy server is asked again for a while.

        Raises `Refused` for anything but 2xx, `OSError` or `http.client.HTTPException` when the connection breaks.
        """
        headers = dict(self.headers)
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        for _ in range(50):
            self.connection.request(method, self.prefix + path, data, headers)
            answer = self.connection.getresponse()
            raw = answer.read()
            if answer.status not in (429, 503):
                break
            time.sleep(0.1)
        if not 200 <= answer.status < 300:
            raise Refused(method, path, answer.status, raw)
        return answer.status, answer.headers, json.loads(raw) if raw else None

    def get(self, path):
        return self.request("GET", path)[2]

    def post(self, path, body=None):
        return self.request("POST", path, body)[2]

    def close(self):
        self.connection.close()
