# SPDX-License-Identifier: MIT
"""What the tests of rnx share: running it, and telling the result as TAP."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile

# Beside this folder.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
# pylint: disable-next=wrong-import-position,unused-import
from script import MUST_RUN, PATIENCE, Skip, private_network, run, same, test, until

RNX = os.path.join(os.environ.get("JOBLET_BUILD_DIR", "build"), "rnx", "rnx")

if not os.access(RNX, os.X_OK):
    print(f"Bail out! {RNX} is not built")
    sys.exit(1)

ROOT = os.geteuid() == 0
# Jobs of the tests are kept in a folder of their own, and no configuration of this user
# sends them elsewhere.
STATE = tempfile.mkdtemp(prefix="rnx-test-")
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
os.environ["JOBLET_STATE_DIR"] = STATE
for _name in ("JOBLET_SERVER", "JOBLET_NODE", "RNX_CONFIG", "RNX_CONFIG_PATH", "NO_COLOR"):
    os.environ.pop(_name, None)

started = []

if ROOT:
    private_network()


def rnx(*args, stdin=b"", timeout=PATIENCE, **more):
    """Runs rnx to its end; output and error are bytes."""
    if isinstance(stdin, bytes):
        more["input"] = stdin
    else:
        more["stdin"] = stdin
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([RNX, *args], timeout=timeout, check=False, **more)


def good(*args, **more):
    """Standard output of an rnx that ends well and has nothing to say on stderr."""
    result = rnx(*args, **more)
    same((result.returncode, result.stderr), (0, b""), f"exit code and stderr of {args}")
    return result.stdout.decode()


def good_json(*args, **more):
    """The same, as the object it prints."""
    return json.loads(good("--json", *args, **more))


def failed(code, *args, **more):
    """The one line on stderr of an rnx that fails with this code."""
    result = rnx(*args, **more)
    same((result.returncode, result.stdout), (code, b""), f"exit code and stdout of {args}")
    text = result.stderr.decode()
    assert text.startswith("rnx: ") and text.endswith("\n"), text
    same(text.count("\n"), 1, f"lines of {text!r}")
    return text[len("rnx: "):-1]


def submit(*args):
    """Starts a job and returns its number as text."""
    return str(good_json("run", *args)["number"])


def start(*args, **more):
    """Starts rnx in a session of its own; it ends with the test that started it."""
    process = subprocess.Popen([RNX, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, start_new_session=True, **more)
    started.append(process)
    return process


def need(*programs):
    """Skips where a program is not installed."""
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def end_started():
    """What a test has started ends with it."""
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    started.clear()


def main():
    """Runs what was marked."""
    sys.exit(1 if run(end_started) else 0)
