# SPDX-License-Identifier: MIT
"""What the tests of rnx share: running it, and telling the result as TAP."""

import os
import shutil
import signal
import subprocess
import sys
import traceback

RNX = os.path.join(os.environ.get("JOBLET_BUILD_DIR", "build"), "rnx", "rnx")
TEST_SECONDS = 90
MUST_RUN = os.environ.get("JOBLET_TEST_MUST_RUN", "0") not in ("", "0")

if not os.access(RNX, os.X_OK):
    print(f"Bail out! {RNX} is not built")
    sys.exit(1)

tests = []
started = []


class Skip(Exception):
    """Raised by a test that cannot run here."""


def test(function):
    """Marks a test; its name is the behaviour it looks at."""
    tests.append(function)
    return function


def rnx(*args, stdin=b"", timeout=60, **more):
    """Runs rnx to its end; output and error are bytes."""
    if isinstance(stdin, bytes):
        more["input"] = stdin
    else:
        more["stdin"] = stdin
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([RNX, *args], timeout=timeout, check=False, **more)


def start(*args, **more):
    """Starts rnx in a session of its own; it ends with the test that started it."""
    process = subprocess.Popen([RNX, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True, **more)
    started.append(process)
    return process


def alarm(_signal, _frame):
    """A test that hangs is a test that fails."""
    raise TimeoutError("the test took too long")


def same(got, wanted, what="result"):
    """Fails with both values."""
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


def need(*programs):
    """Skips where a program is not installed."""
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def main():
    """Runs what was marked."""
    signal.signal(signal.SIGALRM, alarm)
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, function in enumerate(tests, 1):
        name = function.__name__
        signal.alarm(TEST_SECONDS)
        try:
            function()
        except Skip as skip:
            print(f"ok {number} {name} # SKIP {skip}", flush=True)
            failed += MUST_RUN
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} {name}")
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            sys.stdout.flush()
        else:
            print(f"ok {number} {name}", flush=True)
        finally:
            signal.alarm(0)
            for process in started:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            started.clear()
    sys.exit(1 if failed else 0)
