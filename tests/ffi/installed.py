# SPDX-License-Identifier: MIT
"""Uses an installed copy the way a stranger would: pkg-config for C, ctypes for Python."""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["JOBLET_SOURCE_DIR"])
BUILD = pathlib.Path(os.environ["JOBLET_BUILD_DIR"])
CC = shlex.split(os.environ["JOBLET_CC"])
MESON = ["meson"]
HELLO = "hello from a job\nexited with 0\n"

results = []


def check(name, run, *wanted):
    """One result: the command passes and prints one of the wanted texts."""
    good = run.returncode == 0 and (not wanted or run.stdout in wanted)
    results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}")
    if not good:
        for line in f"{run.args}\nexit status {run.returncode}\n{run.stdout}{run.stderr}".splitlines():
            print(f"# {line}")
    sys.stdout.flush()
    return good


def call(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)


def skip_all(reason):
    if os.environ.get("JOBLET_TEST_MUST_RUN", "0") not in ("", "0"):
        print(f"not ok 1 - could not run: {reason}\n1..1")
        sys.exit(1)
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def below(root, pattern):
    """The one file of this name below a folder."""
    return next(iter(sorted(root.rglob(pattern))))


def main(folder):
    prefix = folder / "root"
    if not check("meson installs", call(*MESON, "install", "--no-rebuild", "-C", BUILD,
                                        env={**os.environ, "DESTDIR": str(prefix)})):
        return
    library = below(prefix, "libjoblet.so.0").parent
    pc = below(prefix, "joblet.pc")
    text = pc.read_text()
    check("the pkg-config file wants nothing else", call("sh", "-c", f"! grep -q ^Requires {pc}"))
    # What DESTDIR put in front of the prefix has to be in front of it here too.
    installed = re.search(r"^prefix=(.*)$", text, re.M).group(1)
    pc_env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_LIBDIR": str(pc.parent)}
    pkg_config = ["pkg-config", f"--define-variable=prefix={prefix}{installed}"]
    flags = call(*pkg_config, "--cflags", "--libs", "joblet", env=pc_env)
    if not check("pkg-config knows the flags", flags):
        return
    env = {**os.environ, "LD_LIBRARY_PATH": str(library)}
    for name, wanted in (
            ("quickstart", [HELLO]),
            ("eventloop", ["second job: exited with 4\nfirst job: exited with 3\n"])):
        program = folder / name
        if check(f"{name}.c compiles outside the tree",
                 call(*CC, "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror",
                      SOURCE / "examples" / f"{name}.c", "-o", program,
                      *shlex.split(flags.stdout), cwd=folder)):
            check(f"{name} runs", call(program, env=env, cwd=folder), *wanted)
    check("the Python quick start runs",
          call(sys.executable, "-I", SOURCE / "examples" / "python" / "quickstart.py",
               env={**env, "JOBLET_LIBRARY": str(library / "libjoblet.so.0")}, cwd=folder),
          "hello from a job\nexited with 0\n")


if os.geteuid() != 0:
    skip_all("needs root")
with tempfile.TemporaryDirectory() as name:
    main(pathlib.Path(name))
print(f"1..{len(results)}")
sys.exit(0 if all(results) else 1)
