# SPDX-License-Identifier: MIT
"""
The stock Debian kernel for the virtual machine: fetch the package once, unpack it into
a cache folder, pick modules with what they depend on. Nothing is installed and no
root is needed: where this machine's package lists do not know the package, private
lists are made in the cache folder.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile

META_PACKAGE = "linux-image-cloud-amd64"

# What the first stage needs: the disk, the output channel, a network card.
BOOT_MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_net"]

# What the kernel may load by itself while tests run. Folders end with a slash.
GUEST_MODULES = [
    "fs/overlayfs/", "fs/fuse/", "fs/squashfs/", "net/netfilter/",
    "net/bridge/", "net/sched/", "net/ipv4/netfilter/", "net/ipv6/netfilter/", "net/packet/",
    "net/unix/", "net/netlink/", "drivers/net/veth.ko", "drivers/net/dummy.ko",
    "drivers/net/tun.ko", "drivers/net/macvlan.ko", "drivers/block/loop.ko",
]


class Unavailable(Exception):
    """The kernel package cannot be had on this machine."""


def cache_folder(fallback):
    """The folder that keeps fetched things between build folders."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(
        os.environ.get("HOME") or "/nonexistent", ".cache")
    for folder in (os.path.join(base, "joblet"), fallback):
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise Unavailable("no writable cache folder")


def _output(cmd, cwd=None):
    try:
        done = subprocess.run(cmd, cwd=cwd, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=240,
                              env=dict(os.environ, LC_ALL="C"))
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Unavailable(f"{cmd[0]}: {e}") from e
    return done.returncode, done.stdout


def _concrete_package(apt_opts):
    code, text = _output(["apt-cache", *apt_opts, "depends", META_PACKAGE])
    found = re.search(r"Depends: (linux-image-\S+)", text)
    return found.group(1) if code == 0 and found else None


def _fetch(folder):
    """Download the concrete kernel package into folder and return its path."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(tool):
            raise Unavailable(f"{tool} is not installed, so no kernel package")
    opts = []
    name = _concrete_package(opts)
    log = ""
    for attempt in range(2):
        if name:
            code, log = _output(["apt-get", *opts, "download", name], cwd=folder)
            debs = [f for f in os.listdir(folder) if f.endswith(".deb")]
            if code == 0 and debs:
                return os.path.join(folder, debs[0])
        if attempt == 0:
            # No lists, or stale ones: private lists leave the machine's own alone.
            apt = os.path.join(folder, "apt")
            for sub in ("state/lists/partial", "cache/archives/partial"):
                os.makedirs(os.path.join(apt, sub), exist_ok=True)
            opts = ["-o", f"Dir::State={apt}/state", "-o", f"Dir::Cache={apt}/cache",
                    "-o", "Dir::State::status=/var/lib/dpkg/status",
                    "-o", "APT::Sandbox::User="]
            code, log = _output(["apt-get", *opts, "update", "-q"])
            name = _concrete_package(opts)
    last = log.strip().splitlines()[-1:] or ["no answer"]
    raise Unavailable(f"cannot fetch the package of {META_PACKAGE}: {last[0]}")


class Kernel:
    """An unpacked kernel package."""

    def __init__(self, root):
        self.root = root
        names = [n for n in os.listdir(os.path.join(root, "boot"))
                 if n.startswith("vmlinuz-")]
        if len(names) != 1:
            raise Unavailable(f"{root}: {len(names)} kernels instead of one")
        self.image = os.path.join(root, "boot", names[0])
        self.release = names[0][len("vmlinuz-"):]
        libs = [d for d in (os.path.join(root, "lib/modules", self.release),
                            os.path.join(root, "usr/lib/modules", self.release))
                if os.path.isdir(d)]
        if not libs:
            raise Unavailable(f"{root}: no modules of {self.release}")
        self.modules = libs[0]
        self._paths = {}
        self._info = {}
        tree = os.path.join(self.modules, "kernel")
        for folder, _, files in os.walk(tree):
            for f in files:
                if f.endswith(".ko"):
                    path = os.path.relpath(os.path.join(folder, f), tree)
                    self._paths[f[:-3].replace("-", "_")] = path

    def info(self, name):
        """The (dependencies, aliases) of one module, from its .modinfo strings."""
        if name not in self._info:
            with open(self.path(name), "rb") as f:
                data = f.read()
            deps = re.search(rb"\0depends=([^\0]*)\0", data)
            deps = deps.group(1).decode().split(",") if deps else []
            aliases = re.findall(rb"\0alias=([^\0]+)(?=\0)", data)
            self._info[name] = ([d.replace("-", "_") for d in deps if d],
                                [a.decode() for a in aliases])
        return self._info[name]

    def path(self, name):
        """The file of a module on this machine."""
        return os.path.join(self.modules, "kernel", self._paths[name])

    def relative(self, name):
        """The path of a module below /lib/modules/RELEASE."""
        return os.path.join("kernel", self._paths[name])

    def closure(self, names):
        """The modules and all they depend on, dependencies first."""
        order = []

        def visit(name):
            if name in order or name not in self._paths:
                return
            for dep in self.info(name)[0]:
                visit(dep)
            order.append(name)

        for name in names:
            visit(name)
        return order

    def guest_modules(self):
        """The modules the guest's modprobe shall find."""
        names = [n for n, p in self._paths.items()
                 if any(p.startswith(w) if w.endswith("/") else p == w
                        for w in GUEST_MODULES)]
        return self.closure(sorted(names) + BOOT_MODULES)

    def tables(self, names):
        """The text of modules.dep and modules.alias for the given modules."""
        dep, alias = [], []
        for name in names:
            needs = [n for n in self.closure([name]) if n != name]
            needs.reverse()
            dep.append(" ".join([self.relative(name) + ":"] +
                                [self.relative(n) for n in needs]))
            alias += [f"alias {a} {name}" for a in self.info(name)[1]]
        return "\n".join(dep) + "\n", "\n".join(alias) + "\n"


def get(cache):
    """Return the Kernel, from the cache or fetched now. Raises Unavailable."""
    given = os.environ.get("JOBLET_VM_KERNEL_DEB")
    stamp = "kernel"
    if given:
        st = os.stat(given)
        stamp = f"kernel-{os.path.basename(given)}-{int(st.st_mtime)}"
    final = os.path.join(cache, stamp)
    with open(os.path.join(cache, "kernel.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(final):
            work = tempfile.mkdtemp(prefix="fetch-", dir=cache)
            try:
                deb = os.path.abspath(given) if given else _fetch(work)
                tree = os.path.join(work, "tree")
                code, text = _output(["dpkg-deb", "-x", deb, tree])
                if code != 0:
                    raise Unavailable(f"cannot unpack {deb}: {text.strip()}")
                os.rename(tree, final)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return Kernel(final)
