#!/usr/bin/env python3
"""Runs the commands that the documentation shows, against a development server made for it.

    scripts/documented_curl.py [FILE...]        default: README.md, CONTRIBUTING.md and docs/*.md

A ```bash block is run when an HTML comment stands on the line before it:

    <!-- test: "token_type":"Bearer" -->        exit code 0, and this text in what it prints
    <!-- test: exit 4 MISSING -->               this exit code, and this text
    <!-- test: nothing -->                      exit code 0
    <!-- not tested: takes ten minutes -->      not run, and why

The blocks of one file run in one shell, in order, so that a variable set by the first is there for the second. The shell
stands in a folder where `.portcullis` is the data folder of the server, with the binary in PATH. A bash block with neither
comment fails: a command that nobody runs is wrong before long.
"""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import dev_server
from report import Report

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?:^<!-- (?P<kind>test|not tested): (?P<want>.+?) -->\n)?^```(?:bash|sh|shell)\n(?P<code>.*?)^```$", re.M | re.S)


@dataclasses.dataclass
class Block:
    """One block to run: where it stands, what it says, and what it must print."""

    place: str
    code: str
    want: str
    exit_code: int = 0


def blocks(path, report):
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("code"))
        place = f"{name}:{line}"
        if found["kind"] is None:
            report.check(f"{place} says whether it is tested", False, "no comment before the block")
        elif found["kind"] == "test":
            expected = re.fullmatch(r"(?:exit (\d+) ?)?(.*)", found["want"])
            want = "" if expected[2] == "nothing" else expected[2]
            yield Block(place, found["code"], want, int(expected[1] or 0))
        else:
            print(f"not run: {place}: {found['want']}")


def run(blocks_of_file, folder, report):
    """Runs the blocks of one file in one shell. Each block's output and exit code go to files of its own."""
    script = "".join(
        f"{{\n{block.code}\n}} >{folder}/{number}.out 2>&1 </dev/null\necho $? >{folder}/{number}.code\n"
        for number, block in enumerate(blocks_of_file)
    )
    environment = {**os.environ, "PATH": f"{pathlib.Path(dev_server.binary()).parent}:{os.environ['PATH']}"}
    result = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    for number, block in enumerate(blocks_of_file):
        code = folder / f"{number}.code"
        if not code.exists():
            report.check(block.place, False, f"the shell did not get to it: {result.stderr}")
            continue
        output, ended = (folder / f"{number}.out").read_text(errors="replace"), int(code.read_text())
        report.check(block.place, ended == block.exit_code and block.want in output, f"exit code {ended}, printed {output!r}, expected {block.want!r}")


def pasted_block(server, report):
    """What the server prints at its start is made to be pasted: each curl in it has to work as it stands."""
    lines = server.output().splitlines()
    commands, current = [], ""
    for line in lines:
        text = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
        if current or re.match(r"(\w+=)?\$?\(?curl\b|TOKEN=|source |\. |export ", text):
            current += text.removesuffix("\\") + " "
            if not text.endswith("\\"):
                commands.append(current.strip())
                current = ""
    report.check("the start block shows two curl commands", sum("curl" in command for command in commands) >= 2, server.output()[-1500:])
    if not commands:
        return
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(server.data_dir, pathlib.Path(folder) / ".portcullis")
        result = subprocess.run(["bash", "-euc", "\n".join(commands)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    holds = result.returncode == 0 and "vehicle" in result.stdout.lower()
    report.check("the start block works when it is pasted", holds, f"exit code {result.returncode}: {commands}: {result.stdout[-600:]} {result.stderr[-600:]}")


def tutorial_requests(server, report):
    """The two requests of the client credentials tutorial, with the credentials of this server and in a shell's spelling."""
    script = r"""
set -euo pipefail
basic=$(printf '%s:%s' "$API_KEY" "$API_SECRET" | base64 | tr -d '\n')
curl --silent --show-error --fail --request POST \
  --url "$AUTH_URL/v1/token" \
  --header 'accept: application/json' \
  --header "authorization: Basic $basic" \
  --header 'cache-control: no-cache' \
  --header 'content-type: application/x-www-form-urlencoded' \
  --data 'grant_type=client_credentials&scope=anonymous' >token.json
token=$(sed -E 's/.*"access_token":"([^"]+)".*/\1/' token.json)
curl --silent --show-error --fail -X GET "$API_CALL_URL" \
  -H "authorization: Bearer $token" \
  -H "Subscription-Id: $SUBSCRIPTION_ID" >answer.json
# The same with a body, as the stub of the tutorial has POST.
curl --silent --show-error -X POST "$API_CALL_URL" -o created.json -w '%{http_code}' \
  -H "authorization: Bearer $token" \
  -H "Subscription-Id: $SUBSCRIPTION_ID" \
  -H 'content-type: application/json' --data '{}' >created.status
"""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        result = subprocess.run(["bash", "-c", script], cwd=folder, env={**os.environ, **server.env}, capture_output=True, text=True, timeout=60, check=False)
        report.check("the tutorial's two requests work", result.returncode == 0, f"exit code {result.returncode}: {result.stderr}")
        token = (folder / "token.json").read_text() if (folder / "token.json").exists() else ""
        order = [token.find(f'"{name}"') for name in ("token_type", "expires_in", "access_token", "scope")]
        report.check("the token answer has its members in the tutorial's order", order == sorted(order) and order[0] >= 0, token[:60])
        created = (folder / "created.status").read_text() if (folder / "created.status").exists() else "none"
        # An empty object is no vehicle: the provider says so itself, which shows that a POST gets there.
        report.check("a POST with a body reaches the provider", created in ("200", "201", "400", "422"), created)


def main():
    report = Report("documented commands", verbose=True)
    paths = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    with dev_server.DevServer() as server:
        tutorial_requests(server, report)
        pasted_block(server, report)
        for path in paths:
            found = list(blocks(path, report)) if path.exists() else []
            if found:
                with tempfile.TemporaryDirectory() as folder:
                    os.symlink(server.data_dir, pathlib.Path(folder) / ".portcullis")
                    run(found, pathlib.Path(folder), report)
        report.check("the server is still there", server.alive(), server.output()[-1000:])
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
