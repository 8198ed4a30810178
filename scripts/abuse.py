#!/usr/bin/env python3
"""Bad input against a running development server, over raw sockets.

    scripts/with-dev scripts/abuse.py                          the table, every row in several variants
    scripts/with-dev scripts/abuse.py --only framing           one group: token, jwt, subscription, framing, upstream, acts
    scripts/with-dev scripts/abuse.py --mutate 3000 --seed 7   the table, then so many spoilt requests at each door

The calls go to a provider that this program is itself, registered through the management API, so that whatever gets past
the gateway is seen. VERBOSE=1 prints every case.
"""

import argparse
import os
import random
import sys
import time

from abuse_cases import framing, jwt_forgery, mutator, registry_acts, subscription_id, token_endpoint, upstream
from abuse_cases.recorder import Recorder
from abuse_cases.scene import Scene
from report import Report, need_env

NEEDED = ("AUTH_URL", "API_URL", "API_CALL_URL", "API_KEY", "API_SECRET", "SUBSCRIPTION_ID", "TEST_SUBSCRIPTION_ID", "MANAGEMENT_URL", "MANAGEMENT_TOKEN", "APP_ID")
GROUPS = ("token", "jwt", "subscription", "framing", "upstream", "acts")


def run_table(scene, groups):
    if "token" in groups:
        token_endpoint.identical_refusals(scene)
        scene.run(token_endpoint.cases(scene))
        token_endpoint.guessing(scene)
    if "jwt" in groups:
        scene.run(jwt_forgery.cases(scene))
        jwt_forgery.nothing_was_fetched(scene)
    if "subscription" in groups:
        scene.run(subscription_id.cases(scene))
    if "framing" in groups:
        scene.run(framing.cases(scene))
    if "upstream" in groups:
        scene.run(upstream.cases(scene))
        upstream.nothing_is_mixed_up(scene)
    if "acts" in groups:
        registry_acts.check(scene)


def run_mutations(scene, count, seed):
    pid = int(os.environ.get("DEV_PID", 0))
    scene.recorder.poison = ()
    # A fresh token: the old one may near its end in a long run.
    scene.token = scene.new_token()
    short = [case.data for case in token_endpoint.cases(scene) if len(case.data) < 4000 and case.slow is None]
    random.Random(seed).shuffle(short)
    good = [scene.token_request()] * 40
    mutator.run(scene, "token endpoint", "auth", good + short[:160], scene.token_request(), count, seed, pid)
    _, target = scene.marked()
    canary = scene.call(target)
    bad = [case.data for group in (framing, subscription_id) for case in group.cases(scene) if len(case.data) < 4000]
    random.Random(seed).shuffle(bad)
    posts = [scene.call(target, [("Content-Length", 5)], b"hello", "POST"), scene.call(target, [("Transfer-Encoding", "chunked")], b"5\r\nhello\r\n0\r\n\r\n", "POST")]
    mutator.run(scene, "gateway", "gateway", [canary] * 20 + posts * 10 + bad[:160], canary, count, seed, pid)


def check_recorder(scene, recorder):
    """Nothing that arrived at the provider came under another identity or in another form than it should."""
    arrived = recorder.count()
    scene.report.check("calls arrived at the provider at all", arrived > 0, arrived)
    scene.report.check(f"each of {arrived} requests that arrived is clean", not recorder.wrong, f"{len(recorder.wrong)}: {recorder.wrong[:3]}")
    scene.report.check("every call carried one and the same Client ID", len(recorder.client_ids) == 1, recorder.client_ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=GROUPS, action="append", help="only this group; may be repeated")
    parser.add_argument("--no-table", action="store_true", help="only what --mutate asks for")
    parser.add_argument("--mutate", type=int, default=0, metavar="N", help="spoilt requests at each door")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    need_env(*NEEDED)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    began = time.monotonic()
    report = Report("bad input")
    env = dict(os.environ)
    token = Scene(env, report).token
    recorder = Recorder([], token)
    call_path, subscription = registry_acts.register_recorder(env, recorder)
    recorder.subscription_ids.add(subscription.encode())
    scene = Scene(env, report, recorder, call_path, subscription)
    # Every token of the app, not only the first, must stay inside the gateway.
    recorder.app_token = scene.token.rsplit(".", 1)[1].encode()
    if not options.no_table:
        run_table(scene, options.only or GROUPS)
    if options.mutate:
        run_mutations(scene, options.mutate, seed)
    check_recorder(scene, recorder)
    print(f"seed {seed}, {time.monotonic() - began:.0f} s")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
