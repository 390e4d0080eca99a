# SPDX-License-Identifier: MIT
"""The version script, the headers and the built library name the same functions."""

import re
import subprocess

import declarations
import tap

in_headers = {f.name for path in tap.public_headers() for f in declarations.functions(path)}
exported = (tap.SOURCE / "lib" / "libjoblet.map").read_text()
listed = re.findall(r"^\t(jl_\w+);$", exported, re.M)
in_map = set(listed)
symbols = {}
for line in subprocess.run(["nm", "-D", "--defined-only", str(tap.BUILD / "lib" / "libjoblet.so")],
                           check=True, capture_output=True, text=True).stdout.splitlines():
    name, _, version = line.split()[-1].partition("@@")
    symbols[name] = version
nodes = set(re.findall(r"^(JOBLET_\d+\.\d+) \{$", exported, re.M))
in_library = {s for s in symbols if s not in nodes}

tap.check("the headers declare functions", [] if in_headers else ["none found"])
tap.check("every declared function is in the map",
          (f"{n} is missing in lib/libjoblet.map" for n in sorted(in_headers - in_map)))
tap.check("every name of the map is declared",
          (f"{n} is in no header" for n in sorted(in_map - in_headers)))
tap.check("every name of the map is in the library",
          (f"{n} is not exported" for n in sorted(in_map - in_library)))
tap.check("the library exports nothing else",
          (f"{n} is exported" for n in sorted(in_library - in_map)))
tap.check("every exported name has a version",
          (f"{n} has none" for n in sorted(in_library) if symbols[n] not in nodes))
tap.check("the map names each function once, in order",
          [] if listed == sorted(in_map) else ["sort lib/libjoblet.map"])
tap.done()
