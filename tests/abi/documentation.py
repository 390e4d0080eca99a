# SPDX-License-Identifier: MIT
"""Every public function is documented, and every example in the documentation compiles."""

import re
import subprocess
import textwrap

import declarations
import tap

PREAMBLE = """
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <joblet/joblet.h>
"""

# Names an excerpt may use without declaring them.
CONTEXT = """
extern jl_ctx *ctx;
extern jl_job *job;
extern jl_job_spec *spec;
extern jl_limits *limits;
extern jl_node *node;
extern jl_cgroup *cgroup;
extern jl_error *err;
extern int r;
"""

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Werror", "-Wno-unused", "-Wno-unused-result",
         "-Wno-uninitialized", "-fsyntax-only"]


def undocumented(function):
    where = f"{function.header}:{function.line}: {function.name}()"
    if not function.comment:
        yield f"{where} has no comment"
        return
    if not re.search(r"@since \d+\.\d+", function.comment):
        yield f"{where} has no @since"
    if function.result != "void" and "@return" not in function.comment:
        yield f"{where} has no @return"
    documented = re.findall(r"@param(?:\[out\])? (\w+)", function.comment)
    if documented != function.params:
        yield f"{where} takes {function.params} and documents {documented}"


def header_examples(path):
    for number, comment in enumerate(declarations.comments(path), 1):
        for code in re.findall(r"@code\n(.*?)@endcode", comment, re.S):
            yield f"{path.name}, comment {number}", re.sub(r"^ \* ?", "", code, flags=re.M)


def page_examples(path):
    text = path.read_text()
    for match in re.finditer(r"^```c\n(.*?)^```$", text, re.S | re.M):
        line = text.count("\n", 0, match.start()) + 1
        yield f"{path.relative_to(tap.SOURCE)}:{line}", match.group(1)


def as_program(code):
    code = textwrap.dedent(code)
    if re.search(r"\bmain\s*\(", code):
        return code
    if re.search(r"^\{", code, re.M):
        return PREAMBLE + CONTEXT + code
    hoisted = "".join(re.findall(r"^#include .*\n", code, re.M))
    body = re.sub(r"^#include .*\n", "", code, flags=re.M)
    return (PREAMBLE + hoisted + CONTEXT +
            "int example(void);\nint example(void)\n{\n" + body + "\nreturn 0;\n}\n")


def compile_example(code):
    run = subprocess.run(
        [*tap.compiler(), "-x", "c", *FLAGS, f"-I{tap.SOURCE / 'include'}", "-"],
        input=as_program(code), capture_output=True, text=True)
    return [run.stderr] if run.returncode else []


for path in tap.public_headers():
    found = list(declarations.functions(path))
    tap.check(f"{path.name} is documented", (p for f in found for p in undocumented(f)))

for path in tap.public_headers():
    for name, code in header_examples(path):
        tap.check(f"the example in {name} compiles", compile_example(code))
pages = [tap.SOURCE / "README.md", *sorted((tap.SOURCE / "doc").rglob("*.md"))]
for path in (p for p in pages if p.exists()):
    for name, code in page_examples(path):
        tap.check(f"the example at {name} compiles", compile_example(code))
tap.done()
