# SPDX-License-Identifier: MIT
"""What scripts share that test programs from outside: a network of their own, marking tests,
telling the results as TAP."""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import time
import traceback

# Nobody waits that long but for something that hangs, however slow the machine.
PATIENCE = 120
TEST_SECONDS = 300
MUST_RUN = os.environ.get("JOBLET_TEST_MUST_RUN", "0") not in ("", "0")

tests = []


class Skip(Exception):
    """Raised by a test that cannot run here."""


def test(function):
    """Marks a test; its name is the behaviour it looks at."""
    tests.append(function)
    return function


def same(got, wanted, what="result"):
    """Fails with both values."""
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


def until(what, check, seconds=PATIENCE):
    """Looks again and again until a check gives something true."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        # SIOCSIFFLAGS: loopback is up and running.
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))


def alarm(_signal, _frame):
    """A test that hangs is a test that fails."""
    raise TimeoutError("the test took too long")


def run(after=lambda: None):
    """Runs what was marked, or what the command line names of it, and after() behind each.
    Returns how many have failed."""
    signal.signal(signal.SIGALRM, alarm)
    if sys.argv[1:]:
        tests[:] = [function for function in tests if function.__name__ in sys.argv[1:]]
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
            after()
    return failed
