"""Prints a line for each check, and the counts at the end."""

import os
import sys
import threading


class Report:
    """Counts checks. Passed ones are printed only when `verbose`; failed ones always, with what was seen instead."""

    def __init__(self, title, verbose=None):
        self.title = title
        self.verbose = bool(os.environ.get("VERBOSE")) if verbose is None else verbose
        self.passed = 0
        self.failed = []
        self._lock = threading.Lock()

    def check(self, name, holds, seen=""):
        with self._lock:
            if holds:
                self.passed += 1
                if self.verbose:
                    print(f"pass  {name}", flush=True)
            else:
                self.failed.append(name)
                print(f"FAIL  {name}: {str(seen)[:600]}", flush=True)
        return holds

    def end(self):
        """The exit code: 0 when nothing failed and something was checked."""
        print(f"{self.title}: {self.passed} checks held, {len(self.failed)} did not", flush=True)
        return 0 if self.passed and not self.failed else 1


def need_env(*names):
    """The values of dev.env that a script needs, or an end with the way to get them."""
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        print(f"not in the environment: {', '.join(missing)}. Run it as: scripts/with-dev {sys.argv[0]}", file=sys.stderr)
        sys.exit(2)
    return [os.environ[name] for name in names]
