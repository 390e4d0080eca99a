#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Run joblet as a service of systemd in the virtual machine: the tree is installed into
it, systemd is PID 1, service.sh is what a unit of its own runs. Prints TAP.

    service.py BUILD_DIR
"""

import fcntl
import os
import shutil
import subprocess
import sys

import image
import kernel
import run

SYSTEMD = "/usr/lib/systemd/systemd"
# As units come without others: no logins, no devices, nothing on disk.
UNITS = ["basic.target", "sysinit.target", "network.target", "network-online.target",
         "shutdown.target", "slices.target", "sockets.target", "paths.target",
         "timers.target", "local-fs.target", "swap.target", "umount.target"]
SCRIPT = "/run/vm/service.sh"
JOB = """
cat >/run/vm/service.sh <<'END-OF-SCRIPT'
%s
END-OF-SCRIPT
exec 3>&-
exec /usr/lib/systemd/systemd --unit=service-test.service --log-target=kmsg
"""
ETC = {
    "machine-id": "0123456789abcdef0123456789abcdef\n",
    # What the daemon says is then in the console's log, which is shown on a failure.
    "systemd/system.conf": "[Manager]\nDefaultStandardOutput=kmsg\n",
    "systemd/system/service-test.service":
        "[Unit]\nRequires=basic.target\nAfter=basic.target\n"
        "[Service]\nType=oneshot\nTimeoutStartSec=infinity\n"
        f"ExecStart=/bin/sh {SCRIPT}\nExecStopPost=/bin/busybox poweroff -f\n",
}


def systemd():
    """Where systemd is on this machine, with or without a merged /usr."""
    for path in (SYSTEMD, "/lib/systemd/systemd"):
        if os.path.exists(path):
            return path
    run.skip("systemd is not installed")
    return None


def install(build, folder):
    """The tree as make install would have it, below folder."""
    shutil.rmtree(folder, ignore_errors=True)
    env = dict(os.environ, DESTDIR=folder)
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
                   env=env, check=True, stdout=subprocess.DEVNULL)


def plan_disk(build, folder, kern):
    """What is on the disk."""
    plan = image.Plan()
    plan.add_base()
    plan.add(systemd())
    home = os.path.dirname(os.path.realpath(systemd()))
    plan.add(image.find("systemctl"))
    for name in UNITS:
        plan.add(os.path.join(home, "system", name))
    installed = os.path.join(folder, "installed")
    install(build, installed)
    for at, _, names in os.walk(installed):
        for name in names:
            path = os.path.join(at, name)
            to = path[len(installed):]
            if os.path.islink(path):
                plan.links[to] = os.readlink(path)
            elif "/include/" not in to and "/man/" not in to:
                plan.files[to] = path
    plan.add_libraries()
    plan.add_kernel(kern)
    for name, text in ETC.items():
        plan.texts["/etc/" + name] = text
    plan.texts["/etc/fstab"] = ""
    if not os.path.islink("/lib"):
        plan.links[SYSTEMD] = "/lib/systemd/systemd"
    return plan


class Tap:
    """What the guest prints is TAP already; it only has to come to its end."""

    def __init__(self):
        self.ended = False
        self.failed = False

    def take(self, line):
        """One line of it."""
        self.ended = self.ended or line.startswith("1..")
        self.failed = self.failed or line.startswith("not ok")
        sys.stdout.write(line)
        sys.stdout.flush()


def main():
    """One start of the machine."""
    build = os.path.realpath(sys.argv[1])
    folder = os.path.join(build, "vm-service")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    os.makedirs(folder, exist_ok=True)
    run.check_tools()
    try:
        kern = kernel.get(kernel.cache_folder(folder))
    except kernel.Unavailable as e:
        run.skip(str(e))
    with open(os.path.join(run.HERE, "service.sh"), encoding="utf-8") as f:
        job = JOB % f.read()
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        disk, _ = plan_disk(build, folder, kern).make(folder)
        machine = run.Machine(kern, disk, folder)
        tap = Tap()
        why = machine.run(job, tap.take, float(os.environ.get("JOBLET_VM_TIMEOUT", "900")))
    if why or not tap.ended:
        print(f"Bail out! {why or 'the machine stopped before the end'}")
    if why or not tap.ended or tap.failed:
        for line in machine.console_tail(150):
            print(f"# console: {line}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
