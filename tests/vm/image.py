# SPDX-License-Identifier: MIT
"""
The disk of the virtual machine, made from this machine's own files: the programs the
tests use with their libraries, the built tree at its own path, a few files of /etc.
The layout (merged /usr or not) is the host's. The image is rebuilt when one of the
files that went into it has changed. Nothing is mounted and no root is needed.
"""

import hashlib
import os
import shutil
import stat
import subprocess

DISK_SIZE = "3G"

PROGRAMS = """
sh bash dash env true false echo printf cat head tail tac sort uniq wc cut tr tee sed grep
awk mawk find xargs ls cp mv rm ln mkdir rmdir mknod mkfifo mktemp touch chmod chown chgrp
stat readlink realpath basename dirname sleep timeout dd seq yes date uname hostname id
whoami groups nproc nice sync df du test expr od sha256sum md5sum base64 truncate
mkfs.ext4 mke2fs ps pgrep pkill kill free uptime top sysctl vmstat mount umount mountpoint
findmnt losetup unshare nsenter setpriv prlimit taskset setsid flock lsblk dmesg getopt
chroot su sudo runuser passwd ip bridge nft ss ping tc capsh getpcaps strace stress-ng tar
gzip diff cmp which tty stty script ionice chrt ldd getent nc curl getconf locale
""".split()

# Loaded by name when they are needed: ldd does not know of them.
LIBRARIES = ["libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libsqlite3.so.0"]

PYTHON = "/usr/bin/python3"
PYTHON_SKIP = {"test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo",
               "pydoc_data", "distutils", "dist-packages", "venv"}

# Of the tree: what tests read. Corpora and benchmarks stay out.
SOURCE_FOLDERS = ["tests", "examples"]
SOURCE_SKIP = {"fuzz", "bench", "vm", "__pycache__", ".git"}

ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n"
              "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
              "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
              "tester:x:1000:1000:tester:/home/tester:/bin/sh\n",
    "group": "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\ntester:x:1000:\n",
    "subuid": "tester:100000:65536\n",
    "subgid": "tester:100000:65536\n",
    "hosts": "127.0.0.1 localhost\n127.0.1.1 vm\n::1 localhost\n",
    "hostname": "vm\n",
    "resolv.conf": "",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "fstab": "/dev/vda / ext4 rw 0 1\n",
    "os-release": 'ID=joblet-vm\nPRETTY_NAME="joblet test machine"\n',
}
ETC_FROM_HOST = ["ld.so.cache", "ld.so.conf", "localtime", "protocols", "services", "login.defs"]

FOLDERS = ["dev", "proc", "sys", "tmp", "run", "root", "home/tester", "var/tmp", "var/lib",
           "var/log", "etc", "opt", "mnt", "srv", "usr/local/bin", "usr/libexec"]
MODES = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700}


def find(name):
    """The path of a program, looked up where root would."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
    return shutil.which(name, path=path)


def is_elf(path):
    """Whether a file is an ELF file."""
    try:
        with open(path, "rb") as f:
            return f.read(4) == b"\x7fELF"
    except OSError:
        return False


class Plan:
    """What goes into the image: path in the guest -> file, link or text."""

    def __init__(self):
        self.files = {}
        self.links = {}
        self.texts = {}
        self.uids = {"home/tester": 1000}
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            if os.path.islink("/" + name):
                self.links["/" + name] = os.readlink("/" + name)

    def add(self, path, to=None):
        """A file of the host, at its own path, with the links that lead to it."""
        for _ in range(16):
            # Through links of folders (/bin) at once, through links of files singly.
            real = os.path.join(os.path.realpath(os.path.dirname(path)),
                                os.path.basename(path))
            at = to or real
            if os.path.islink(real) and not to:
                self.links[at] = os.readlink(real)
                path = os.path.join(os.path.dirname(real), os.readlink(real))
                continue
            if os.path.isfile(real):
                self.files[at] = os.path.realpath(real)
            return

    def add_tree(self, root, skip=()):
        """A folder of the host, at its own path."""
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(d for d in folders if d not in skip)
            for name in sorted(names):
                self.add(os.path.join(folder, name))

    def add_libraries(self):
        """The shared libraries of everything that is in the plan."""
        todo = sorted(set(p for p in self.files.values() if is_elf(p)))
        if not todo:
            return
        env = dict(os.environ, LC_ALL="C")
        env.pop("LD_LIBRARY_PATH", None)
        env.pop("LD_PRELOAD", None)
        text = subprocess.run(["ldd", *todo], stdout=subprocess.PIPE, env=env, text=True,
                              stderr=subprocess.DEVNULL, check=False).stdout
        for line in text.splitlines():
            words = line.split()
            if "=>" in words and len(words) > words.index("=>") + 1:
                lib = words[words.index("=>") + 1]
            else:
                lib = words[0] if words else ""
            if lib.startswith("/") and not lib.endswith(":"):
                self.add(lib)

    def add_base(self):
        """Programs, libraries, /etc."""
        for name in PROGRAMS:
            path = find(name)
            if path:
                self.add(path)
        folders = [os.path.dirname(os.path.realpath(p)) for p in
                   ("/lib64/ld-linux-x86-64.so.2",) if os.path.exists(p)]
        for lib in LIBRARIES:
            for folder in folders:
                if os.path.exists(os.path.join(folder, lib)):
                    self.add(os.path.join(folder, lib))
        if os.path.exists(PYTHON):
            self.add(PYTHON)
            name = os.path.basename(os.path.realpath(PYTHON))
            lib = os.path.join("/usr/lib", name)
            if os.path.isdir(lib):
                self.add_tree(lib, PYTHON_SKIP |
                              {d for d in os.listdir(lib) if d.startswith("config-")})
        for name in ETC_FROM_HOST:
            if os.path.exists("/etc/" + name):
                self.files["/etc/" + name] = os.path.realpath("/etc/" + name)
        for name, text in ETC.items():
            self.texts["/etc/" + name] = text
        self.links["/etc/mtab"] = "/proc/self/mounts"

    def add_kernel(self, kernel):
        """The modules the kernel may load while tests run, and who loads them."""
        busybox = find("busybox")
        self.add(busybox)
        self.links["/usr/sbin/modprobe"] = os.path.realpath(busybox)
        lib = f"/usr/lib/modules/{kernel.release}"
        if not os.path.islink("/lib"):
            lib = f"/lib/modules/{kernel.release}"
        names = kernel.guest_modules()
        for name in names:
            self.files[os.path.join(lib, kernel.relative(name))] = kernel.path(name)
        dep, alias = kernel.tables(names)
        self.texts[lib + "/modules.dep"] = dep
        self.texts[lib + "/modules.alias"] = alias

    def stamp(self):
        """A digest that changes when the image has to be made again."""
        h = hashlib.sha256(DISK_SIZE.encode())
        with open(__file__, "rb") as f:
            h.update(f.read())
        for at, path in sorted(self.files.items()):
            st = os.stat(path)
            h.update(f"{at}\0{path}\0{st.st_size}\0{st.st_mtime_ns}\0".encode())
        for table in (self.links, self.texts, self.uids):
            for at, text in sorted(table.items()):
                h.update(f"{at}\0{text}\0".encode())
        return h.hexdigest()

    def _stage(self, root):
        def place(at):
            dst = root + at
            os.makedirs(os.path.dirname(dst), exist_ok=True)
            return dst

        for at in FOLDERS:
            os.makedirs(os.path.join(root, at), exist_ok=True)
        for at, target in sorted(self.links.items()):
            if os.path.isabs(at) and at.count("/") == 1:
                os.makedirs(os.path.join(root, target.lstrip("/")), exist_ok=True)
                os.symlink(target, root + at)
        for at, target in sorted(self.links.items()):
            if not os.path.lexists(root + at):
                os.symlink(target, place(at))
        for at, path in sorted(self.files.items()):
            dst = place(at)
            shutil.copyfile(path, dst)
            st = os.stat(path)
            os.chmod(dst, stat.S_IMODE(st.st_mode) & 0o6777)
            # With the time kept, Python's compiled files stay valid.
            os.utime(dst, ns=(st.st_atime_ns, st.st_mtime_ns))
        for at, text in sorted(self.texts.items()):
            with open(place(at), "w", encoding="utf-8") as f:
                f.write(text)
        for at, mode in MODES.items():
            os.chmod(os.path.join(root, at), mode)

    def _owners(self, root, image):
        """Give all files to root: mke2fs keeps the numbers it finds."""
        lines = []
        if os.geteuid() != 0:
            for folder, folders, names in os.walk(root):
                for name in folders + names:
                    at = os.path.relpath(os.path.join(folder, name), root)
                    lines += [f"sif \"/{at}\" uid 0", f"sif \"/{at}\" gid 0"]
        for at, uid in self.uids.items():
            lines += [f"sif \"/{at}\" uid {uid}", f"sif \"/{at}\" gid {uid}"]
        subprocess.run([find("debugfs"), "-w", "-f", "/dev/stdin", image], check=True,
                       input="\n".join(lines) + "\n", text=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make(self, folder):
        """Return (path of the image, whether it was made now)."""
        image = os.path.join(folder, "disk.ext4")
        stamp_file = os.path.join(folder, "disk.stamp")
        stamp = self.stamp()
        try:
            with open(stamp_file, encoding="ascii") as f:
                if f.read() == stamp and os.path.exists(image):
                    return image, False
        except OSError:
            pass
        root = os.path.join(folder, "root")
        for old in (stamp_file, image):
            if os.path.exists(old):
                os.unlink(old)
        shutil.rmtree(root, ignore_errors=True)
        self._stage(root)
        done = subprocess.run([find("mke2fs"), "-q", "-F", "-t", "ext4", "-m", "0",
                               "-L", "root", "-d", root,
                               "-E", "lazy_itable_init=1,lazy_journal_init=1,"
                               "root_owner=0:0,nodiscard", image, DISK_SIZE],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"mke2fs: {done.stdout.strip()}")
        self._owners(root, image)
        shutil.rmtree(root, ignore_errors=True)
        with open(stamp_file, "w", encoding="ascii") as f:
            f.write(stamp)
        return image, True
