#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Run the system and escape tests of a built tree in a small virtual machine: a stock
Debian kernel, pure cgroup v2, software emulation. Prints TAP.

    run.py BUILD_DIR [--program FILE]...     the test suite
    run.py BUILD_DIR --run 'COMMAND'         one command, its output, its exit status
    run.py BUILD_DIR --shell                 a shell on the machine's console

Environment:
    JOBLET_TEST_MUST_RUN=1     what cannot run has failed
    JOBLET_VM_CGROUP=MODE      root: tests start in the root cgroup, delegated: in a
                               cgroup below it; user: the same, owned by the ordinary
                               user "tester" who runs them; both (default): all tests
                               in root mode, then the smoke tests in delegated mode
    JOBLET_VM_TESTS=REGEX      the programs whose name matches, "all" for all of them;
                               without it those of BY_DEFAULT
    JOBLET_VM_TIMEOUT=SECONDS  for each start of the machine (default 1500)
    JOBLET_VM_KERNEL_DEB=FILE  this kernel package instead of a fetched one
"""

import argparse
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import image
import kernel
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
QEMU = "qemu-system-x86_64"
SUITES = {"system", "escape"}
# What another kernel and pure cgroup v2 make a difference for. The rest of the suites, and
# these at full size, is for JOBLET_VM_TESTS=all: everything takes ten times as long here.
BY_DEFAULT = [
    "vm_kernel",
    "rnx_run",
    "system/cgroup_live",
    "system/job_basic",
    "system/limits",
    "system/unprivileged",
    "system/net_job",
    "system/net_attack",
    "system/net_flows",
    "system/node",
    "system/node_crash",
    "escape-attacks",
    "escape-pid1",
]
# How much of what is done again and again, unless the caller says it.
SIZES = {
    "JOBLET_DRILL": "4",
    "JOBLET_ESCAPE_QUICK": "1",
    "JOBLET_TEST_DRILLS": "0",
    "JOBLET_TEST_KILL_STRIDE": "40",
    "JOBLET_TEST_ISOLATED": "8",
    "JOBLET_TEST_NET_CHAOS": "8",
    "JOBLET_TEST_NET_KILLS": "1",
}
# Programs that run again in delegated mode.
SMOKE = re.compile(os.environ.get("JOBLET_VM_SMOKE", r"^vm_kernel$|^rnx_run$|smoke"))
# How much longer things take here than on the host.
SLOWNESS = 10


def cpio(entries):
    """A newc archive of (name, mode, data) triples."""
    out = bytearray()
    for ino, (name, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")], 1):
        raw = name.encode() + b"\0"
        head = [ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0]
        out += b"070701" + b"".join(b"%08X" % n for n in head) + raw
        out += bytes(-len(out) % 4)
        out += data
        out += bytes(-len(out) % 4)
    return bytes(out)


def initramfs(kern, job):
    """The first stage: busybox, the modules of the disk, init.sh and the job."""
    def read(path):
        with open(path, "rb") as f:
            return f.read()

    entries = [(d, 0o040755, b"") for d in ("bin", "dev", "proc", "modules", "root")]
    entries.append(("bin/busybox", 0o100755, read(image.find("busybox"))))
    order = kern.closure(kernel.BOOT_MODULES)
    for name in order:
        entries.append((f"modules/{name}.ko", 0o100644, read(kern.path(name))))
    text = "".join(f"{name}.ko\n" for name in order)
    entries.append(("modules/order", 0o100644, text.encode()))
    entries.append(("init", 0o100755, read(os.path.join(HERE, "init.sh"))))
    entries.append(("job", 0o100644, job.encode()))
    return cpio(entries)


class Test:
    """One test program, as the build describes it."""

    def __init__(self, name, cmd, protocol="tap", env=None, workdir=None, timeout=30):
        self.name = name
        self.cmd = cmd
        self.protocol = protocol
        self.env = env or {}
        self.workdir = workdir
        self.timeout = timeout


class Tree:
    """What the build folder says about itself."""

    def __init__(self, build):
        self.build = os.path.realpath(build)
        self.targets = self._introspect("targets")
        self.source = os.path.dirname(os.path.dirname(HERE))

    def _introspect(self, what):
        path = os.path.join(self.build, "meson-info", f"intro-{what}.json")
        try:
            with open(path, encoding="utf-8") as f:
                return json.load(f)
        except OSError:
            return []

    def outputs(self):
        """Executables and shared libraries of the project, tests apart."""
        found = []
        for t in self.targets:
            if t["type"] in ("executable", "shared library", "shared module"):
                found += [f for f in t["filename"]
                          if not f.startswith(os.path.join(self.build, "tests"))]
        return [f for f in found if os.path.isfile(f)]

    def tests(self):
        """The tests of the suites that run in the machine, and files they need."""
        by_id = {t["id"]: t["filename"] for t in self.targets}
        tests, files = [], []
        for t in self._introspect("tests"):
            suites = {s.rpartition(":")[2] for s in t["suite"]}
            if not suites & SUITES:
                continue
            cmd = list(t["cmd"])
            if re.fullmatch(r"python3?(\.\d+)?", os.path.basename(cmd[0])):
                cmd[0] = image.PYTHON
            # meson runs tests from the top of the build folder unless told otherwise.
            workdir = t.get("workdir") or self.build
            words = [os.path.join(workdir, w) for w in
                     cmd + [str(v) for v in t.get("env", {}).values()] if w]
            files += [w for w in words if os.path.isfile(w)]
            for dep in t.get("depends", []):
                files += [f for f in by_id.get(dep, []) if os.path.isfile(f)]
            suite = sorted(suites & SUITES)[0]
            name = t["name"].replace(" ", "_")
            if not name.startswith(suite):
                name = f"{suite}/{name}"
            tests.append(Test(name, cmd, t.get("protocol", "exitcode"),
                              t.get("env"), workdir, t.get("timeout") or 30))
        return tests, files


def job_text(tests, mode, must_run):
    """The shell text that runs the tests in the guest."""
    lines = [
        "echo '@@vm: note Linux '$(uname -r)', up '$(cut -d' ' -f1 /proc/uptime)' s' >&3",
    ]
    enter = []
    if mode in ("delegated", "user"):
        # As under a service manager: controllers are enabled above, the test sits in
        # a cgroup of its own with nobody else in it.
        lines += [
            "cg=/sys/fs/cgroup",
            "for c in $(cat $cg/cgroup.controllers); do",
            "  echo +$c >$cg/cgroup.subtree_control",
            "done",
            "mkdir $cg/deleg",
            "for c in $(cat $cg/deleg/cgroup.controllers); do",
            "  echo +$c >$cg/deleg/cgroup.subtree_control",
            "done",
        ]
        # Last before the program: timeout and the like would be company.
        enter = ["/bin/sh", "-c",
                 'mkdir "$0" && echo 0 >"$0/cgroup.procs" && exec "$@"']
    if mode == "user":
        own = " ".join(f'"$0/cgroup.{f}"' for f in ("procs", "threads", "subtree_control"))
        enter[2] = enter[2].replace(
            'exec "$@"', f'chown tester "$0" {own} && exec setpriv --reuid=1000 '
            '--regid=1000 --clear-groups --reset-env "$@"')
        lines.append("mkdir -p /run/user/1000; chown tester /run/user/1000")
    common = {
        "JOBLET_VM_TIME": str(int(time.time())),
        "JOBLET_TEST_VM": "1", "JOBLET_VM_CGROUP": mode,
        "CK_TIMEOUT_MULTIPLIER": str(SLOWNESS), "CK_DEFAULT_TIMEOUT": "10",
    }
    common.update({k: os.environ.get(k, v) for k, v in SIZES.items()})
    if mode == "user":
        common["XDG_RUNTIME_DIR"] = "/run/user/1000"
    if must_run:
        common["JOBLET_TEST_MUST_RUN"] = "1"
    for n, t in enumerate(tests, 1):
        env = {k: v for k, v in t.env.items() if k not in ("PATH", "HOME")}
        env.update(common)
        # Time for the program to end by itself and say what happened.
        limit = min(max(t.timeout, 30) * SLOWNESS, 600)
        cd = f"cd {shlex.quote(t.workdir)} && " if t.workdir else "cd / && "
        into = [f"/sys/fs/cgroup/deleg/t{n}"] if enter else []
        words = enter + into + ["/usr/bin/env"]
        words += [f"{k}={v}" for k, v in sorted(env.items())] + t.cmd
        # Full paths: the guest's first shell prefers its own versions of programs.
        lines += [
            f"echo {shlex.quote(f'{tap.MARK} begin {t.protocol} {t.name}')} >&3",
            f"( {cd}exec /usr/bin/timeout -k 10 {limit} {shlex.join(words)} ) "
            "</dev/null >&3 3>&- 2>/run/vm/err",
            f"echo \"{tap.MARK} end $?\" >&3",
            f"tail -n 200 /run/vm/err | sed 's/^/{tap.MARK} err /' >&3",
        ]
    lines.append(f"echo '{tap.MARK} done' >&3")
    return "\n".join(lines) + "\n"


class Machine:
    """One start of the virtual machine."""

    def __init__(self, kern, disk, folder):
        self.kern = kern
        self.disk = disk
        self.folder = folder
        self.console = os.path.join(folder, "console.log")
        self.pid = None

    def command(self, initrd, interactive):
        """The command line of the emulator."""
        append = ("console=ttyS0 root=/dev/vda rw quiet loglevel=1 panic=-1 "
                  "cgroup_no_v1=all mitigations=off nokaslr tsc=reliable "
                  "softlockup_panic=1 "
                  "random.trust_cpu=on rdinit=/init")
        # With a host thread per processor the machine locked up once in twenty starts,
        # and the tests, one at a time, are no faster for it.
        cmd = [QEMU, "-accel", "tcg,thread=single", "-cpu", "max,la57=off", "-smp", "2",
               "-m", "1536", "-nodefaults", "-no-user-config", "-no-reboot",
               "-display", "none", "-rtc", "base=utc",
               "-kernel", self.kern.image, "-initrd", initrd, "-append", append,
               "-drive", f"file={self.disk},if=none,id=root,format=raw,"
                         "cache=unsafe,snapshot=on",
               "-device", "virtio-blk-pci,drive=root",
               "-device", "virtio-serial-pci",
               # For a host network that is more than a loopback; it leads nowhere.
               "-netdev", "user,id=net,restrict=on",
               "-device", "virtio-net-pci,netdev=net,romfile="]
        if interactive:
            cmd += ["-chardev", "stdio,id=con,signal=off", "-chardev", "null,id=out"]
        else:
            # Not stdio: at the end of our input it would hang up on the guest.
            cmd += ["-chardev", f"file,id=con,path={self.console}",
                    "-chardev", "file,id=out,path=/dev/stdout"]
        return cmd + ["-serial", "chardev:con",
                      "-device", "virtserialport,chardev=out,name=joblet"]

    def run(self, job, take_line, limit=1500, interactive=False):
        """Start, hand over the guest's lines, return None or why it went wrong."""
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".cpio") as f:
            f.write(initramfs(self.kern, job))
            f.flush()
            with open(self.console, "wb"):
                pass
            # Changes of the disk go to a file that disappears with the emulator.
            env = dict(os.environ, TMPDIR=self.folder)
            cmd = self.command(f.name, interactive)
            if interactive:
                return subprocess.run(cmd, env=env, check=False).returncode or None
            with subprocess.Popen(cmd, env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
                self.pid = p.pid
                return self._watch(p, take_line, limit)

    def processor_seconds(self):
        """What the emulator has used so far; on a busy host it says more than the clock."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _watch(p, take_line, limit):
        timed_out = []

        def stop():
            timed_out.append(True)
            p.kill()

        def on_signal(number, _frame):
            p.kill()
            sys.exit(128 + number)

        errors = []
        reader = threading.Thread(target=lambda: errors.append(p.stderr.read()))
        timer = threading.Timer(limit, stop)
        old = {s: signal.signal(s, on_signal) for s in (signal.SIGTERM, signal.SIGINT)}
        reader.start()
        timer.start()
        try:
            for raw in p.stdout:
                take_line(raw.decode("utf-8", "replace"))
            p.wait()
        finally:
            timer.cancel()
            p.kill()
            reader.join()
            for s, handler in old.items():
                signal.signal(s, handler)
        if timed_out:
            return f"no end after {limit} s"
        if p.returncode != 0:
            text = errors[0].decode("utf-8", "replace").strip().splitlines()[-1:]
            return f"the emulator failed ({p.returncode}): {' '.join(text)}"
        return None

    def locked_up(self):
        """Whether the kernel found a processor that makes no progress."""
        return any("soft lockup" in line for line in self.console_tail(10000))

    def console_tail(self, count=60):
        """The last things the kernel said."""
        with open(self.console, encoding="utf-8", errors="replace") as f:
            return [line.rstrip() for line in f.readlines()[-count:]]


def skip(reason):
    """End: this cannot run here."""
    if os.environ.get("JOBLET_TEST_MUST_RUN") == "1":
        print(f"1..1\nnot ok 1 - vm must run: {reason}")
        sys.exit(1)
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def check_tools():
    """Whatever is missing, this cannot run."""
    for tool, package in ((QEMU, ""), ("busybox", "busybox-static"),
                          ("mke2fs", "e2fsprogs"), ("debugfs", "e2fsprogs")):
        if not (image.find(tool) or shutil.which(tool)):
            extra = f" (package {package})" if package else ""
            skip(f"{tool} is not installed{extra}")


def prepare(build, programs):
    """Check the tools, get the kernel, make the disk."""
    tree = Tree(build)
    check_tools()
    folder = os.path.join(tree.build, "vm")
    os.makedirs(folder, exist_ok=True)
    try:
        kern = kernel.get(kernel.cache_folder(folder))
    except kernel.Unavailable as e:
        skip(str(e))
    tests, files = tree.tests()
    for path in reversed(programs):
        name = os.path.basename(path)
        name = name[len("test_"):] if name.startswith("test_") else name
        tests.insert(0, Test(name, [os.path.realpath(path)], timeout=30))
        files.append(os.path.realpath(path))
    for path in tree.outputs():
        if os.path.basename(path) == "rnx":
            # Alone in its cgroup, as a service is: limits must be possible there.
            tests.insert(len(programs), Test("rnx_run", [
                path, "run", "--max-memory=64M", "--max-cpu=50", "--max-pids=9",
                "sh", "-c", "test $$ = 1"], protocol="exitcode"))
    plan = image.Plan()
    plan.add_base()
    for path in tree.outputs() + files:
        plan.add(path)
    for sub in image.SOURCE_FOLDERS:
        plan.add_tree(os.path.join(tree.source, sub), image.SOURCE_SKIP)
    plan.add_libraries()
    plan.add_kernel(kern)
    return folder, kern, plan, tests


def attempt(machine, merge, job, limit):
    """Start the machine once; return None or why it did not reach the end."""
    merge.finished = False
    why = machine.run(job, merge.line, limit)
    return why or (None if merge.finished else "the machine stopped before the end")


def run_suite(machine, tests, limit):
    """All tests in root mode, the smoke tests in delegated mode."""
    must_run = os.environ.get("JOBLET_TEST_MUST_RUN") == "1"
    which = os.environ.get("JOBLET_VM_CGROUP", "both")
    only = os.environ.get("JOBLET_VM_TESTS")
    if only is None:
        missing = set(BY_DEFAULT) - {t.name for t in tests}
        if missing:
            raise LookupError(f"no such tests: {', '.join(sorted(missing))}")
        tests = [t for t in tests if t.name in BY_DEFAULT]
    elif only != "all":
        tests = [t for t in tests if re.search(only, t.name)]
    rounds = []
    if which in ("root", "both"):
        rounds.append(("root", tests))
    if which in ("delegated", "user"):
        rounds.append((which, tests))
    if which == "both" and only in (None, "all"):
        rounds.append(("delegated", [t for t in tests if SMOKE.search(t.name)]))
    merge = tap.Merge(must_run=must_run, used=machine.processor_seconds)
    for mode, chosen in rounds:
        start = time.monotonic()
        for t in chosen:
            t.name = t.name.partition("@")[0] + (f"@{mode}" if mode != "root" else "")
        why = attempt(machine, merge, job_text(chosen, mode, must_run), limit)
        if why and machine.locked_up() and merge.name:
            # Seen with the emulator on a busy host. A kernel that really hangs there
            # does so again.
            names = [t.name for t in chosen]
            rest = chosen[names.index(merge.name):]
            merge.note("the machine locked up; once more from here")
            why = attempt(machine, merge, job_text(rest, mode, must_run), limit)
        if why:
            merge.broke_off(why)
            for line in machine.console_tail():
                merge.note(f"console: {line}")
        else:
            merge.note(f"{mode} mode: {len(chosen)} programs in "
                       f"{time.monotonic() - start:.1f} s")
    return merge.plan()


def run_command(machine, text, limit):
    """One command; its exit status is ours."""
    status = []

    def take(line):
        # The mark may follow output that has no newline.
        before, mark, after = line.partition(tap.MARK + " ")
        if after.startswith("end "):
            status.append(int(after[4:]))
        sys.stdout.write(before if mark else line)
        sys.stdout.flush()

    mode = os.environ.get("JOBLET_VM_CGROUP", "root")
    test = Test("run", ["/bin/sh", "-c", f"{{ {text}\n}} 2>&1"], timeout=limit)
    job = job_text([test], mode, False)
    why = machine.run(job, take, limit)
    if why or not status:
        print(f"vm: {why or 'the machine stopped early'}", file=sys.stderr)
        for line in machine.console_tail():
            print(f"console: {line}", file=sys.stderr)
        return 125
    return status[0]


def main():
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--program", action="append", default=[],
                        help="a test program that runs before the others")
    parser.add_argument("--run", metavar="COMMAND", help="run one shell command")
    parser.add_argument("--shell", action="store_true", help="a shell on the console")
    parser.add_argument("--list", action="store_true", help="name the programs")
    args = parser.parse_args()
    limit = float(os.environ.get("JOBLET_VM_TIMEOUT", "1500"))
    os.environ["PATH"] += ":/usr/sbin:/sbin"

    folder, kern, plan, tests = prepare(args.build, args.program)
    if args.list:
        print("\n".join(t.name for t in tests))
        return 0
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        start = time.monotonic()
        disk, fresh = plan.make(folder)
        if fresh and not (args.run or args.shell):
            size = os.stat(disk).st_blocks * 512 >> 20
            print(f"# disk: {len(plan.files)} files, {size} MiB, made in "
                  f"{time.monotonic() - start:.1f} s", flush=True)
        machine = Machine(kern, disk, folder)
        if args.shell:
            job = "setsid cttyhack sh -l </dev/ttyS0 >/dev/ttyS0 2>&1\n"
            return machine.run("bb=/bin/busybox; $bb " + job, None, interactive=True)
        if args.run:
            return run_command(machine, args.run, limit)
        return run_suite(machine, tests, limit)


if __name__ == "__main__":
    sys.exit(main())
