# SPDX-License-Identifier: MIT
"""The supervisor needs nothing: no loader, no C library, no writable code."""

import re
import subprocess

import tap

FOLDER = tap.BUILD / "lib" / "supervisor"
PROGRAM = FOLDER / "joblet-supervisor"


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True,
                          text=True).stdout


def symbols(path, *options):
    return {line.split()[-1] for line in run("nm", *options, path).splitlines()
            if re.search(r"\s[A-Za-z]\s", line) or line.strip().startswith("U ")}


segments = [line.split() for line in run("readelf", "-lW", PROGRAM).splitlines()
            if re.match(r"\s+[A-Z_]+\s+0x", line)]
flags = {}
for s in segments:
    # Type Offset VirtAddr PhysAddr FileSiz MemSiz Flg… Align: the flags may hold spaces.
    flags.setdefault(s[0], []).append("".join(s[6:-1]))

tap.check("is an executable without a loader",
          (f"has {t}" for t in ("INTERP", "DYNAMIC", "TLS") if t in flags))
tap.check("has no segment both writable and executable",
          (f"{t} {f}" for t, fs in flags.items() for f in fs if "W" in f and "E" in f))
tap.check("says that its stack is not executable",
          [] if flags.get("GNU_STACK") and "E" not in flags["GNU_STACK"][0] else ["no GNU_STACK"])
tap.check("has no undefined symbol", sorted(symbols(PROGRAM, "-u")) if "no symbols" not in
          subprocess.run(["nm", str(PROGRAM)], capture_output=True, text=True).stderr else [])

objects = sorted((FOLDER / "joblet-supervisor.p").glob("*.o"))
defined, wanted = set(), {}
for path in objects:
    defined |= symbols(path, "--defined-only", "--extern-only")
    for name in symbols(path, "-u"):
        wanted.setdefault(name, path.name)
tap.check("is built from objects", [] if objects else [f"none in {FOLDER}"])
tap.check("its objects want only each other",
          (f"{path} wants {name}" for name, path in sorted(wanted.items())
           if name not in defined and name != "_GLOBAL_OFFSET_TABLE_"))
tap.check("is small", [] if PROGRAM.stat().st_size < 256 * 1024 else
          [f"{PROGRAM.stat().st_size} bytes; it is mapped once per context"])

library = (tap.BUILD / "lib" / "libjoblet.so").read_bytes()
tap.check("is embedded into the library as built",
          [] if PROGRAM.read_bytes() in library else ["the bytes differ"])
tap.done()
