# SPDX-License-Identifier: MIT
"""TAP for the checks of this folder, and the two questions they all ask: where and with what."""

import os
import pathlib
import shlex
import sys

SOURCE = pathlib.Path(os.environ["JOBLET_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["JOBLET_BUILD_DIR"])
MUST_RUN = os.environ.get("JOBLET_TEST_MUST_RUN", "0") not in ("", "0")

_results = []


def compiler():
    """Command of the C compiler the build uses."""
    return shlex.split(os.environ["JOBLET_CC"])


def public_headers():
    return sorted((SOURCE / "include" / "joblet").glob("*.h"))


def check(name, problems):
    """One result; problems is a list of sentences, empty when all is well."""
    problems = list(problems)
    _results.append(not problems)
    print(f"{'not ok' if problems else 'ok'} {len(_results)} - {name}")
    for problem in problems:
        for line in str(problem).splitlines():
            print(f"# {line}")
    sys.stdout.flush()


def note(text):
    print(f"# {text}")


def skip(name, reason):
    if MUST_RUN:
        check(name, [f"could not run: {reason}"])
        return
    _results.append(True)
    print(f"ok {len(_results)} - {name} # SKIP {reason}")


def done():
    print(f"1..{len(_results)}")
    sys.exit(0 if all(_results) else 1)
