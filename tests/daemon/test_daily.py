# SPDX-License-Identifier: MIT
"""A day with rnx, as daily.txt writes it down: on this machine alone, and on a remote node.

The same commands run against a node in the process of rnx and against a daemon over mutual
TLS, and both have to print what the transcript says, exit codes included. With --print the
transcript comes back with what was really printed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

from served import PATIENCE, RNX, SOURCE, Daemon, Skip, cleanups, main, test

TRANSCRIPT = os.path.join(SOURCE, "tests", "daemon", "daily.txt")

# What differs from run to run; "..." stands for any rest of a line.
PLACES = {
    "UUID": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "TIME": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    "LOCAL": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [A-Z0-9+-]+)?",
    "SPAN": r"\d+(?:\.\d+)?[smhd](?:\d+[smhd])?",
    "SIZE": r"\d+(?:\.\d+)? (?:bytes|[KMGT]iB)",
    "N": r"\d+",
    "WHO": r"\S+",
    "STATE": r"RUNNING|COMPLETED|FAILED",
    "VERSION": r"\d+\.\d+\.\d+\S*",
}


class Step:
    """A command, and what it is to print."""

    def __init__(self, line, text):
        self.line = line
        self.command = text
        self.wanted = []
        self.only = None  # where it is run, when not everywhere

    def expected(self, where):
        """Lines to be printed there; [N] at the end for an exit code."""
        lines = []
        for line in self.wanted:
            only = re.match(r"(embedded|remote): ", line)
            if not only:
                lines.append(line)
            elif only.group(1) == where:
                lines.append(line[only.end():])
        return lines


def read_steps():
    """The transcript as steps; what stands before the first command is prose."""
    steps = []
    with open(TRANSCRIPT, encoding="utf-8") as file:
        for number, line in enumerate(file.read().splitlines(), 1):
            start = re.match(r"(?:(embedded|remote))?\$ ", line)
            if line.startswith("#"):
                continue
            if start:
                steps.append(Step(number, line[start.end():]))
                steps[-1].only = start.group(1)
            elif steps and line.startswith("> ") and not steps[-1].wanted:
                steps[-1].command += "\n" + line[2:]
            elif steps:
                steps[-1].wanted.append(line)
    for step in steps:
        # A blank line between commands is for the reader.
        while step.wanted and not step.wanted[-1]:
            step.wanted.pop()
    return steps


def pattern(line):
    """A line of the transcript as a regular expression."""
    parts = re.split(r"(<(?:" + "|".join(PLACES) + r")>|\.\.\.)", line)
    return "".join(".*" if part == "..." else f"(?:{PLACES[part[1:-1]]})" if part.startswith("<")
                   and part[1:-1] in PLACES else re.escape(part) for part in parts)


def make_folder():
    """What the user of the transcript has."""
    folder = tempfile.mkdtemp(prefix="joblet-daily-")
    cleanups.append(lambda: shutil.rmtree(folder, ignore_errors=True))
    files = {
        "script.py": "import sys\nprint('hello from', sys.argv[1:])\n",
        "data.csv": "a,b\n1,2\n3,4\n",
        "project/build.sh": "#!/bin/sh\necho building in $PWD\ncat src/part.txt\n",
        "project/src/part.txt": "a part\n",
        "server.py": "import http.server\n"
                     "class Handler(http.server.BaseHTTPRequestHandler):\n"
                     "    def do_GET(self):\n"
                     "        self.send_response(200)\n"
                     "        self.end_headers()\n"
                     "        self.wfile.write(b'hello from the api\\n')\n"
                     "    def log_message(self, *args):\n"
                     "        pass\n"
                     "server = http.server.HTTPServer(('', 8080), Handler)\n"
                     "print('ready', flush=True)\n"
                     "server.serve_forever()\n",
    }
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755 if name.endswith(".sh") else 0o644)
    os.mkdir(os.path.join(folder, "project", "empty"))
    for name, size in (("medium.bin", 3 << 20), ("large.bin", 51 << 20)):
        with open(os.path.join(folder, name), "wb") as file:
            file.truncate(size)
    return folder


def run_steps(where, environment):
    """Runs the transcript; returns what differs, a text for each step, and all that was seen."""
    folder = make_folder()
    path = os.path.dirname(os.path.abspath(RNX)) + ":" + os.environ["PATH"]
    environment = {"PATH": path, "HOME": folder, "LC_ALL": "C.UTF-8", "TZ": "UTC", **environment}
    differences, seen = [], []
    for step in read_steps():
        if step.only not in (None, where):
            continue
        done = subprocess.run(["sh", "-c", step.command], cwd=folder, env=environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, timeout=PATIENCE)
        got = done.stdout.decode().splitlines()
        if done.returncode:
            got.append(f"[{done.returncode}]")
        seen.append("\n".join(["$ " + step.command.replace("\n", "\n> "), *got]))
        wanted = step.expected(where)
        if len(got) != len(wanted) or not all(
                re.fullmatch(pattern(want), have) for want, have in zip(wanted, got)):
            differences.append(f"daily.txt:{step.line}: $ {step.command}\n  wanted " +
                               "\n  wanted ".join(wanted) + "\n  got    " +
                               "\n  got    ".join(got))
    return differences, seen


def embedded():
    """Without any daemon, on a state folder of its own."""
    folder = tempfile.mkdtemp(prefix="joblet-daily-state-")
    cleanups.append(lambda: shutil.rmtree(folder, ignore_errors=True))
    return run_steps("embedded", {"JOBLET_STATE_DIR": folder})


def remote():
    """With the configuration joblet cert init has written for rnx."""
    daemon = Daemon(network_defaultNetwork="bridge", joblet_uploadLimit=100).start()
    result = run_steps("remote", {"RNX_CONFIG": os.path.join(daemon.conf, "rnx-config.yml")})
    return result


def as_written(run):
    """Runs it one way or the other and fails with all that differs."""
    if os.cpu_count() < 2:
        raise Skip("the transcript is of a machine with two cores")
    differences, _ = run()
    if differences:
        raise AssertionError("\n".join(["not as written", *differences]))


@test
def on_this_machine_alone():
    as_written(embedded)


@test
def on_a_remote_node():
    as_written(remote)


if sys.argv[1:] == ["--print"]:
    for run in (embedded, remote):
        print(f"==== {run.__name__}\n" + "\n".join(run()[1]))
    for cleanup in reversed(cleanups):
        cleanup()
else:
    main()
