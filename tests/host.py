#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Runs a command of the tests and looks at what it leaves on the machine.

    host.py RESULT COMMAND...

Interfaces, nftables, forwarding, mounts of networks, groups and processes must be
afterwards what they were before. RESULT becomes one test in the form of meson's logs, for
summary.py. The exit status is the command's.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time

PATIENCE_SECONDS = 5
FORWARDING = "/proc/sys/net/ipv4/ip_forward"
NETWORKS = "/run/joblet/net"


def lines(path):
    """The lines of a file; none when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def tables():
    """Tables of rules; what cannot be asked for says so, before as after."""
    if not shutil.which("nft", path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        return {"no nft here"}
    done = subprocess.run(["nft", "list", "tables"], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False,
                          env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin"))
    return set(done.stdout.splitlines())


def mounts():
    """Mount points below the folder of this machine's run-time state."""
    points = (line.split()[4] for line in lines("/proc/self/mountinfo"))
    return {point for point in points if point.startswith("/run/joblet")}


def hierarchies():
    """Folders of the groups that this process is in: jobs of its children go below."""
    found = set()
    for line in lines("/proc/self/cgroup"):
        _, names, path = line.split(":", 2)
        for mount in lines("/proc/self/mountinfo"):
            left, _, right = mount.partition(" - ")
            kind, _, options = right.split()[:3]
            if kind == "cgroup2" if not names else (
                    kind == "cgroup" and set(names.split(",")) <= set(options.split(","))):
                found.add(left.split()[4] + path.rstrip("/"))
    return found


def groups():
    """Groups that the library made there."""
    found = set()
    for folder in hierarchies():
        try:
            found |= {os.path.join(folder, name) for name in os.listdir(folder)
                      if name.startswith(("joblet-", "escape-"))}
        except OSError:
            pass
    return found


def networks():
    """Folders of networks; the lock beside them is nobody's."""
    try:
        return {entry.name for entry in os.scandir(NETWORKS) if entry.is_dir()}
    except OSError:
        return set()


def snapshot():
    """What the machine has, by what it is called in a message."""
    return {
        # Of this namespace; /sys shows that of whoever mounted it.
        "interface": {line.partition(":")[0].strip() for line in lines("/proc/self/net/dev")[2:]},
        "nftables": tables(),
        FORWARDING: set(lines(FORWARDING)),
        "mount": mounts(),
        "network": networks(),
        "group": groups(),
    }


def parents():
    """Every process with its parent and name."""
    found = {}
    for name in os.listdir("/proc"):
        stat = lines(f"/proc/{name}/stat") if name.isdigit() else []
        if stat:
            head, _, rest = stat[0].rpartition(")")
            found[int(name)] = (int(rest.split()[1]), head.partition("(")[2])
    return found


def run(command):
    """The command's exit status. Processes that lost their parents are ours to bury: there are
    tests that wait until they are gone."""
    with subprocess.Popen(command) as child:
        while True:
            pid, status = os.wait()
            if pid == child.pid:
                child.returncode = os.waitstatus_to_exitcode(status)
                return child.returncode


def children():
    """Processes that lost their parents: we are the next one above."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    return {f"{pid} ({comm})" for pid, (parent, comm) in parents().items()
            if parent == os.getpid()}


def others_have_jobs():
    """Somebody else on this machine runs jobs: a new group may be theirs."""
    table = parents()

    def is_ours(pid):
        while pid in table and pid != os.getpid():
            pid = table[pid][0]
        return pid == os.getpid()

    return any(comm == "joblet-sup" and not is_ours(pid)
               for pid, (_, comm) in table.items())


def differences(before):
    """Sentences about what is not as it was."""
    found = []
    after = snapshot()
    for what, old in before.items():
        if what == "group":
            # Groups go only; and the machine may be shared.
            new = set() if others_have_jobs() else after[what] - old
            found += [f"left: {what} {name}" for name in sorted(new)]
            continue
        found += [f"left: {what} {name}" for name in sorted(after[what] - old)]
        found += [f"gone: {what} {name}" for name in sorted(old - after[what])]
    return found + [f"left: process {name}" for name in sorted(children())]


def settle(before):
    """The same, once the kernel had time for what is on its way."""
    end = time.monotonic() + PATIENCE_SECONDS
    found = differences(before)
    while found and time.monotonic() < end:
        time.sleep(0.1)
        found = differences(before)
    return found


def main(result, command):
    """Run, look, write down."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    before = snapshot()
    status = run(command)
    found = settle(before)
    text = f"{'not ' if found else ''}ok 1 the machine is as it was before the tests\n1..1\n"
    with open(result, "w", encoding="utf-8") as file:
        json.dump({"name": "machine unchanged", "result": "FAIL" if found else "OK",
                   "returncode": int(bool(found)),
                   "stdout": text + "".join(f"# {line}\n" for line in found)}, file)
        file.write("\n")
    return status


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
