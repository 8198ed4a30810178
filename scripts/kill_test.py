#!/usr/bin/env python3
"""Kills the server in the middle of writes, again and again, and looks for anything acknowledged that is gone.

    scripts/kill_test.py --cycles 25
    scripts/kill_test.py --cycles 1000 --seed 7

Sixteen writers create apps, create and expire secrets, activate apps and end subscriptions, and log every 2xx with its id to a
file outside the data folder. After a random 0 to 300 ms the process gets SIGKILL. A copy of the database is checked by
another SQLite than the server's, the server starts again, and every acknowledged thing is read back.
"""

import argparse
import concurrent.futures
import http.client
import json
import pathlib
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time

import dev_server
from management import Management, Refused

WRITERS = 16
KILL_MS = 300
# In each cycle everything acknowledged in it is read back, and so many of the things acknowledged before.
SAMPLE = 100
READY_P99_MS = 500


class Log:
    """What was acknowledged, in memory and, line by line, in a file outside the data folder."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.facts = {}
        self.fresh = []
        self.acknowledged = 0

    def acknowledge(self, kind, identifier, state, **details):
        """A 2xx: from now on the thing must be there, in this state or one that a later act gave it."""
        with self.lock:
            key = (kind, identifier)
            self.facts[key] = {**self.facts.get(key, {}), "state": state, **details}
            self.fresh.append(key)
            self.acknowledged += 1
            print(json.dumps([kind, identifier, state]), file=self.file, flush=True)

    def attempt(self, kind, identifier, state):
        """An act that is about to be asked for. If its answer never comes, either state is right."""
        with self.lock:
            self.facts[kind, identifier]["maybe"] = state

    def take_fresh(self):
        with self.lock:
            fresh, self.fresh = self.fresh, []
            return fresh


class Writer(threading.Thread):
    """Acts until the connection breaks under it."""

    def __init__(self, number, env, log, seed):
        super().__init__(daemon=True)
        self.env = env
        self.log = log
        self.random = random.Random(f"{seed}/{number}")
        self.error = None

    def run(self):
        try:
            client = Management(self.env, timeout=10)
            while True:
                self.one_round(client)
        except (OSError, http.client.HTTPException):
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, the run reports it.
            self.error = error

    def one_round(self, client):
        """An app, a second secret that may be ended, an activation that may be ended."""
        name = f"kill-{self.random.getrandbits(48):012x}"
        app = client.post("/v1/apps", {"name": name, "organization_id": self.env["OWNER_ID"], "apis": [self.env["API_ID"]]})
        self.log.acknowledge("app", app["id"], "enabled", name=name)
        secret = client.post(f"/v1/apps/{app['id']}/secrets")
        self.log.acknowledge("secret", secret["id"], "live", app=app["id"])
        if self.random.random() < 0.7:
            self.log.attempt("secret", secret["id"], "expired")
            client.post(f"/v1/apps/{app['id']}/secrets/{secret['id']}/expire", {})
            self.log.acknowledge("secret", secret["id"], "expired")
        subscription = client.post(f"/v1/apps/{app['id']}/subscriptions", {"organization_id": self.env["BUYER_ID"]})
        self.log.acknowledge("subscription", subscription["id"], "active")
        if self.random.random() < 0.7:
            self.log.attempt("subscription", subscription["id"], "ended")
            client.post(f"/v1/subscriptions/{subscription['id']}/end")
            self.log.acknowledge("subscription", subscription["id"], "ended")


def seen_state(client, kind, identifier, fact):
    """The state in which the server has a thing, or None when it does not have it."""
    try:
        if kind == "app":
            app = client.get(f"/v1/apps/{identifier}")
            return app["state"] if app["name"] == fact["name"] and app["apis"] else f"half an app: {app}"
        if kind == "secret":
            secrets = client.get(f"/v1/apps/{fact['app']}/secrets")["items"]
            secret = next((one for one in secrets if one["id"] == identifier), None)
            return None if secret is None else "expired" if secret["expires_at"] else "live"
        subscription = client.get(f"/v1/subscriptions/{identifier}")
        if not subscription["connections"]:
            return "half a subscription: it has no connection"
        return "active" if subscription["state"] == "active" else "ended"
    except Refused as refusal:
        if refusal.status == 404:
            return None
        raise


def read_back(env, log, keys):
    """What is lost or in a wrong state among these."""
    def part(some):
        client = Management(env)
        wrong = []
        for kind, identifier in some:
            fact = log.facts[kind, identifier]
            state = seen_state(client, kind, identifier, fact)
            if state not in (fact["state"], fact.get("maybe")):
                wrong.append(f"{kind} {identifier}: acknowledged {fact['state']}, found {state}")
            elif state == fact.get("maybe"):
                fact["state"] = state
        client.close()
        return wrong

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [one for wrong in pool.map(part, [keys[start::4] for start in range(4)]) for one in wrong]


def damage(data_dir):
    """What another SQLite finds wrong with a copy of the databases as the kill left them."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(data_dir.rglob("*")):
            if not path.is_file() or not path.read_bytes()[:16].startswith(b"SQLite format 3"):
                continue
            for suffix in ("", "-wal"):
                beside = path.with_name(path.name + suffix)
                if beside.exists():
                    shutil.copy(beside, pathlib.Path(folder) / beside.name)
            database = sqlite3.connect(pathlib.Path(folder) / path.name)
            with database:
                answer = database.execute("pragma integrity_check").fetchall()
                orphans = database.execute("pragma foreign_key_check").fetchall()
            database.close()
            if answer != [("ok",)] or orphans:
                found.append(f"{path.name}: {answer[:3]} {orphans[:3]}")
    return found


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def cycle(server, log, chance, seed, number):
    """One kill. Returns what went wrong and how long the server then took to be ready, in milliseconds."""
    writers = [Writer(f"{number}.{index}", server.env, log, seed) for index in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(chance.uniform(0, KILL_MS) / 1000)
    server.kill()
    for writer in writers:
        writer.join(15)
    wrong = [f"writer: {writer.error!r}" for writer in writers if writer.error] + [f"damaged: {one}" for one in damage(server.data_dir)]
    began = time.monotonic()
    server.start()
    ready_ms = (time.monotonic() - began) * 1000
    server.env.update(parties(server.env))
    fresh = list(dict.fromkeys(log.take_fresh()))
    older = list(log.facts)
    keys = fresh + chance.sample(older, min(SAMPLE, len(older)))
    return wrong + [f"lost: {one}" for one in read_back(server.env, log, list(dict.fromkeys(keys)))], ready_ms


def parties(env):
    """The organizations that own the sample app and have activated it: the writers act for them."""
    client = Management(env)
    try:
        owner = client.get(f"/v1/apps/{env['APP_ID']}")["organization_id"]
        buyer = client.get(f"/v1/subscriptions/{env['SUBSCRIPTION_ID']}")["organization_id"]
        return {"OWNER_ID": owner, "BUYER_ID": buyer}
    finally:
        client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=25)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--strict-ready", action="store_true", help=f"fail when the 99th percentile of ready-again is over {READY_P99_MS} ms (a release build keeps it)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}, {options.cycles} cycles, {WRITERS} writers")
    chance, wrong, ready = random.Random(seed), [], []
    with tempfile.TemporaryDirectory(prefix="portcullis-kill-") as outside, dev_server.DevServer() as server:
        log = Log(pathlib.Path(outside) / "acknowledged.jsonl")
        server.env.update(parties(server.env))
        for number in range(options.cycles):
            found, ready_ms = cycle(server, log, chance, seed, number)
            ready.append(ready_ms)
            for one in found[:20]:
                print(f"cycle {number}: {one}", flush=True)
            wrong += found
            if (number + 1) % 25 == 0:
                print(f"{number + 1} cycles, {log.acknowledged} acknowledged, {len(wrong)} wrong", flush=True)
        final = read_back(server.env, log, list(log.facts))
        for one in final[:20]:
            print(f"at the end: lost: {one}")
        wrong += final
    kinds = ", ".join(f"{sum(1 for kind, _ in log.facts if kind == one)} {one}s" for one in ("app", "secret", "subscription"))
    print(f"{options.cycles} kills, {log.acknowledged} acknowledged acts ({kinds}), {len(wrong)} wrong; "
          f"ready again p50 {percentile(ready, 0.5):.0f} ms, p99 {percentile(ready, 0.99):.0f} ms, max {max(ready):.0f} ms")
    if options.strict_ready and percentile(ready, 0.99) > READY_P99_MS:
        wrong.append("slow")
    # A run in which hardly anything was written would show nothing.
    return 1 if wrong or log.acknowledged < options.cycles else 0


if __name__ == "__main__":
    sys.exit(main())
