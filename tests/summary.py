#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the results of test runs (logs of meson, as JSON), shows failures, ends with one line."""

import json
import os
import re
import sys

RESULT = re.compile(r"^(not )?ok\b[^#]*(?:#\s*(\w+))?", re.I)
PLAN_SKIP = re.compile(r"^1\.\.0\b.*#\s*skip", re.I)
MUST_RUN = os.environ.get("JOBLET_TEST_MUST_RUN", "0") not in ("", "0")


def count(test):
    """Passed, failed and skipped results of one test program."""
    passed = failed = skipped = 0
    for line in (test.get("stdout") or "").splitlines():
        match = RESULT.match(line)
        if PLAN_SKIP.match(line):
            skipped += 1
        elif not match:
            continue
        elif (match.group(2) or "").lower().startswith("skip"):
            skipped += 1
        elif match.group(1) and (match.group(2) or "").lower() != "todo":
            failed += 1
        else:
            passed += 1
    if passed + failed + skipped == 0:
        # Not TAP: one result for the whole program.
        passed = int(test["result"] in ("OK", "EXPECTEDFAIL"))
        skipped = int(test["result"] == "SKIP")
    if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and failed == 0:
        failed = 1
    return passed, failed, skipped


def show(test):
    print(f"\n==== {test['name']}: {test['result']}, exit status {test.get('returncode')}")
    for stream in ("stdout", "stderr"):
        for line in (test.get(stream) or "").splitlines():
            if not line.startswith("ok ") or "SKIP" in line:
                print(line)


def read(path):
    """The results in a log of meson; a log that is not there is a failed run."""
    try:
        with open(path, encoding="utf-8") as log:
            return [json.loads(line) for line in log]
    except FileNotFoundError:
        return [{"name": os.path.basename(path), "result": "no log", "stdout": ""}]


def main(paths):
    """Count all of them together."""
    tests = [test for path in paths for test in read(path)]
    passed = failed = skipped = 0
    for test in tests:
        p, f, s = count(test)
        passed, failed, skipped = passed + p, failed + f, skipped + s
        if f or (s and MUST_RUN):
            show(test)
    if MUST_RUN:
        failed, skipped = failed + skipped, 0
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
