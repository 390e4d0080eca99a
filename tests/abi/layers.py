# SPDX-License-Identifier: MIT
"""Who may include whom: the #include lines of lib/, rnx/ and daemon/ against one table."""

import re

import tap

PUBLIC = "<joblet>"
MECHANISM = {"base", "sys", "ctx", PUBLIC}

# Folder of lib/ -> what it may include besides itself and the system.
LIB = {
    "base": {PUBLIC},
    "sys": {"plan"},
    "plan": set(),
    "cgroup": MECHANISM,
    "sandbox": MECHANISM,
    "rootfs": MECHANISM | {"plan"},
    "ns": MECHANISM,
    "netlink": MECHANISM,
    "nft": MECHANISM,
    "net": MECHANISM | {"netlink", "nft", "plan"},
    "ctx": {"base", "sys", "cgroup", "sandbox", PUBLIC},
    "spawn": {"base", "sys", "ctx", "cgroup", "sandbox", "rootfs", "ns", "net", "plan", PUBLIC},
    "supervisor": {"sys", "plan"},
    "sched": {"base", "sys", PUBLIC},
    "upload": {"base", "sys", PUBLIC},
    "logs": {"base", "sys", "plan", PUBLIC},
    "store": {"base", "sys", PUBLIC},
    "node": {"base", "sys", "ctx", "cgroup", "plan", "spawn", "net", "sched", "upload",
             "logs", "store", PUBLIC},
    # Private archives of the programs, not in libjoblet.
    "config": set(),
    "rpc": {"base", PUBLIC},
}

# Folder of the tree -> what it may include besides itself and the system.
PROGRAMS = {
    "rnx": {PUBLIC, "config", "rpc", "remote"},
    "daemon": {PUBLIC, "config", "rpc"},
    "examples": {PUBLIC},
}

# Third-party header -> the only folders of lib/ that know it.
THIRD_PARTY = {
    "seccomp.h": {"sandbox"},
    "cap-ng.h": {"sandbox"},
    "libmnl/libmnl.h": {"netlink", "nft"},
    "libnftnl/": {"nft"},
    "sqlite3.h": {"store"},
    "yaml.h": {"config"},
    "nghttp2/": {"rpc"},
    "openssl/": {"rpc", "daemon"},
    "protobuf-c/": {"rpc", "daemon", "rnx"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def problems_of(folder, own, allowed):
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h", ".S")):
        where = path.relative_to(tap.SOURCE)
        for number, kind, name in includes(path):
            for prefix, users in THIRD_PARTY.items():
                if kind == "<" and name.startswith(prefix) and own not in users:
                    yield f"{where}:{number}: <{name}> is for {', '.join(sorted(users))} only"
            if kind == "<":
                target = PUBLIC if name.startswith("joblet/") else None
            elif "/" in name:
                target = name.split("/")[0]
            elif own in LIB and not (folder / name).exists():
                continue  # made by the build, in the folder's own build directory
            elif own in LIB:
                yield f'{where}:{number}: write "{own}/{name}"'
                continue
            else:
                target = own
            if target and target != own and target not in allowed:
                yield f"{where}:{number}: {own} must not include {name}"


lib = tap.SOURCE / "lib"
for folder in sorted(p for p in lib.iterdir() if p.is_dir() and any(p.rglob("*.[ch]"))):
    if folder.name in LIB:
        tap.check(f"lib/{folder.name}", problems_of(folder, folder.name, LIB[folder.name]))
    else:
        tap.check(f"lib/{folder.name}", ["not in the table of tests/abi/layers.py"])
for name, allowed in PROGRAMS.items():
    if (tap.SOURCE / name).is_dir():
        tap.check(name, problems_of(tap.SOURCE / name, name, allowed))
tap.done()
