# SPDX-License-Identifier: MIT
"""What the tests of rnx share: running it, and telling the result as TAP."""

import atexit
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

RNX = os.path.join(os.environ.get("JOBLET_BUILD_DIR", "build"), "rnx", "rnx")
TEST_SECONDS = 90
MUST_RUN = os.environ.get("JOBLET_TEST_MUST_RUN", "0") not in ("", "0")

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

tests = []
started = []


def private_network():
    """Jobs of root make networks: here in a namespace that goes with the test."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, clone_newnet = 0x20000, 0x40000000
    ms_rec, ms_private, ms_nosuid = 0x4000, 0x40000, 2
    nets = b"/run/joblet/net"
    if libc.unshare(clone_newns | clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if libc.mount(None, b"/", None, ms_rec | ms_private, None) != 0:
        raise OSError(ctypes.get_errno(), "making mounts private")
    # What is written down about networks belongs to the namespace they are in.
    os.makedirs(nets, mode=0o755, exist_ok=True)
    if libc.mount(b"none", nets, b"tmpfs", ms_nosuid, b"mode=0755") != 0:
        raise OSError(ctypes.get_errno(), "mounting /run/joblet/net")


if ROOT:
    private_network()


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
