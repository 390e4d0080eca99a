# SPDX-License-Identifier: MIT
"""Every public header compiles alone, in C99, C11, C17 and C++11, without a warning."""

import subprocess

import tap

WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-pedantic-errors", "-Werror", "-Wundef",
            "-Wstrict-prototypes", "-Wshadow"]


def compile_alone(language, standard, header):
    flags = [f for f in WARNINGS if language == "c" or f != "-Wstrict-prototypes"]
    run = subprocess.run(
        [*tap.compiler(), "-x", language, f"-std={standard}", *flags, "-fsyntax-only",
         f"-I{tap.SOURCE / 'include'}", "-"],
        input=f"#include <joblet/{header}>\n#include <joblet/{header}>\nextern int unused_;\n",
        capture_output=True, text=True)
    return run.stderr if run.returncode else ""


def has_cxx():
    return subprocess.run([*tap.compiler(), "-x", "c++", "-fsyntax-only", "-"], input="",
                          capture_output=True, text=True).returncode == 0


for language, standard in (("c", "c99"), ("c", "c11"), ("c", "c17"), ("c++", "c++11")):
    if language == "c++" and not has_cxx():
        tap.skip("headers in c++11", "no C++ compiler")
        continue
    for path in tap.public_headers():
        problem = compile_alone(language, standard, path.name)
        tap.check(f"{path.name} in {standard}", [problem] if problem else [])

umbrella = (tap.SOURCE / "include" / "joblet" / "joblet.h").read_text()
tap.check("joblet.h includes every header",
          (f"{p.name} is missing" for p in tap.public_headers()
           if p.name != "joblet.h" and f"<joblet/{p.name}>" not in umbrella))
tap.done()
