#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mistakes on the command line, help, version: nothing here starts a job."""

import os
import subprocess

from cli import RNX, main, rnx, same, test

BAD_VALUES = [
    # flag, value, what the line must hold besides both
    ("--max-cpu", "abc", "0 to 10000"),
    ("--max-cpu", "", "0 to 10000"),
    ("--max-cpu", "10001", "0 to 10000"),
    ("--max-cpu", "99999999999999999999", "0 to 10000"),
    ("--max-memory", "64X", "K, M, G or T"),
    ("--max-memory", "", "K, M, G or T"),
    ("--max-memory", "1K", ""),
    ("--max-memory", "99999999T", "is too large"),
    ("--max-iobps", "fast", "bytes per second"),
    ("--max-iobps", "5", ""),
    ("--max-pids", "many", "4194304"),
    ("--max-pids", "4194305", "4194304"),
    ("--cpu-cores", "", "0-1,4-5"),
    ("--cpu-cores", "0-", ""),
    ("--cpu-cores", "3-1", ""),
    ("--cpu-cores", "a", ""),
    ("--cpu-cores", "99999", ""),
    ("--cpu-cores", "0," * 2000 + "x", ""),
    ("--timeout", "30", "the unit is missing, for instance 30s"),
    ("--timeout", "soon", "30m"),
    ("--timeout", "400d", "366 days"),
    ("--timeout", "", "366 days"),
    ("--work-dir", "relative", ""),
    ("--work-dir", "", "absolute"),
    ("--work-dir", "/" + "x" * 5000, ""),
    ("--hostname", "-x", ""),
    ("--hostname", "a b", ""),
    ("--hostname", "", ""),
    ("--hostname", "x" * 65, ""),
    ("--name", "-x", ""),
    ("--name", "a/b", ""),
    ("--name", "", ""),
    ("--name", "x" * 64, ""),
    ("--user", "bob", "65534"),
    ("--user", "65535", "65534"),
    ("--user", "0:", "65534"),
    ("--network", "bridge", "none or host"),
    ("--network", "isolated", "none or host"),
    ("--network", "", "none or host"),
    ("--seccomp", "max", "off, default or strict"),
    ("--env", "NOVALUE", "NAME=VALUE"),
    ("--env", "", "NAME=VALUE"),
    ("--env", "1A=x", ""),
    ("--env", "JOB_ID=x", ""),
    ("--env", "JOBLET=x", ""),
    ("--env", "A B=x", ""),
    ("--env", "A=" + "x" * 40000, ""),
    ("--init", "maybe", "true or false"),
]


def one_line(result):
    """The only line on stderr of a usage error."""
    same(result.returncode, 2, "exit code")
    same(result.stdout, b"", "stdout")
    text = result.stderr.decode()
    assert text.endswith("\n") and text.count("\n") == 1, f"not one line: {text!r}"
    assert text.startswith("rnx: "), text
    assert len(text) < 1200, f"{len(text)} bytes"
    return text


@test
def bad_values_are_named_with_their_flag():
    for flag, value, hint in BAD_VALUES:
        # A switch takes its value only behind the sign.
        forms = [(f"{flag}={value}",)]
        if flag != "--init":
            forms.append((flag, value))
        for form in forms:
            text = one_line(rnx("run", *form, "true"))
            shown = value.split("=")[0] if flag == "--env" else value
            assert f"{flag}={shown[:50]}" in text, f"{form}: {text}"
            assert hint in text, f"{form}: {text}"


@test
def bad_values_before_the_verb_are_the_same():
    for flag, value, _ in BAD_VALUES[:20]:
        same(one_line(rnx(f"{flag}={value}", "run", "true")),
             one_line(rnx("run", f"{flag}={value}", "true")))


@test
def values_that_are_not_utf8_are_named():
    for flag in ("--max-cpu", "--max-memory", "--max-iobps", "--max-pids", "--cpu-cores",
                 "--timeout", "--work-dir", "--hostname", "--name", "--user", "--network",
                 "--seccomp"):
        value = b"/\xff\xfe" if flag == "--work-dir" else b"\xff\xfe"
        text = one_line(rnx("run", flag.encode() + b"=" + value, "true"))
        assert flag in text and "\\xff\\xfe" in text, text
    text = one_line(rnx("run", b"--env=A=\xff", "true"))
    assert "--env=A: " in text, text


@test
def a_secret_is_not_shown_in_errors():
    for arg in ("--secret-env=hunter2", "--secret-env=1X=hunter2", "--secret-enf=A=hunter2"):
        text = one_line(rnx("run", arg, "true"))
        assert "hunter2" not in text, text


@test
def a_flag_without_a_value_is_told():
    text = one_line(rnx("run", "--max-cpu"))
    assert "--max-cpu: a value is missing; it must be" in text, text


@test
def unknown_flags_are_named():
    assert "unknown flag: --max-cpus, did you mean --max-cpu" in one_line(
        rnx("run", "--max-cpus=1", "true"))
    assert "unknown flag: -x" in one_line(rnx("run", "-x", "true"))
    assert "--upload: this version" in one_line(rnx("run", "--upload=x", "true"))
    assert "did you mean --max-memory?" in one_line(rnx("run", "-max-memory=64", "true"))


@test
def a_volume_is_not_taken_for_the_version():
    for args in (("-v", "/tmp:/data", "ls"), ("-v/tmp:/data", "ls")):
        assert "--volume: this version does not have it yet" in one_line(rnx("run", *args))


@test
def a_missing_command_is_told():
    for args in (("run",), ("job", "run"), ("run", "--max-cpu=1"), ("run", "--"), ("job",), ()):
        assert "must specify a command" in one_line(rnx(*args)), args


@test
def an_empty_command_is_told():
    assert one_line(rnx("run", "")).startswith("rnx: the command is empty; ")


@test
def unknown_commands_are_told_what_there_is():
    text = one_line(rnx("rnu", "ls"))
    assert "'rnu', did you mean run?" in text, text
    text = one_line(rnx("status", "1"))
    assert "run, job run, doctor, help and version" in text, text
    text = one_line(rnx("ps", "aux"))
    assert text.endswith("; to run it as a job: rnx run ps\n"), text
    text = one_line(rnx("jobs"))
    assert "did you mean job run?" in text, text
    assert "as a job" not in one_line(rnx("job", "list"))
    one_line(rnx("help", "nonsense"))
    one_line(rnx("\n"))


@test
def flags_of_run_are_refused_elsewhere():
    text = one_line(rnx("--max-cpu=5", "doctor"))
    assert "--max-cpu: is a flag of run, not of doctor" in text, text
    one_line(rnx("version", "--init"))
    one_line(rnx("doctor", "more"))


@test
def help_is_on_stdout():
    for args, holds in (
        (("--help",), "Usage: rnx"), (("-h",), "Usage: rnx"), (("help",), "Usage: rnx"),
        (("run", "--help"), "--max-memory=SIZE"), (("run", "-h"), "--max-memory=SIZE"),
        (("--help", "run"), "--max-memory=SIZE"), (("help", "run"), "--max-memory=SIZE"),
        (("help", "job", "run"), "--max-memory=SIZE"), (("job", "--help"), "--max-memory=SIZE"),
        (("job", "run", "-h"), "--max-memory=SIZE"), (("help", "job"), "--max-memory=SIZE"),
        (("doctor", "-h"), "Usage: rnx doctor"),
    ):
        result = rnx(*args)
        same(result.returncode, 0, f"{args}")
        same(result.stderr, b"", f"{args}")
        assert holds in result.stdout.decode(), f"{args}: {result.stdout.decode()}"
        for line in result.stdout.decode().splitlines():
            assert len(line) <= 90, line


@test
def every_flag_of_the_help_is_in_the_manual_page():
    page = os.path.join(os.environ["JOBLET_SOURCE_DIR"], "doc", "man", "rnx.1")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    for word in rnx("help", "run").stdout.decode().split():
        if word.startswith("--") and len(word) > 2 and word[2].isalpha():
            name = word[2:].split("=")[0]
            if name == "flag":
                continue
            assert f"Fl Fl {name}" in text, name


@test
def version_has_two_lines():
    for args in (("version",), ("--version",), ("-v",), ("run", "--version")):
        lines = rnx(*args).stdout.decode().splitlines()
        same([line.split()[0] for line in lines], ["rnx", "libjoblet"], f"{args}")


@test
def a_full_stdout_is_an_error():
    with open("/dev/full", "wb") as full:
        result = rnx("help", "run", stdout=full)
    same(result.returncode, 1)
    assert b"cannot write to standard output" in result.stderr, result.stderr


@test
def a_closed_stdout_is_an_error():
    result = subprocess.run(["sh", "-c", f"'{RNX}' version >&-"], stderr=subprocess.PIPE,
                            timeout=60, check=False)
    same(result.returncode, 1)
    assert b"cannot write to standard output" in result.stderr, result.stderr


@test
def doctor_has_a_line_for_everything():
    result = rnx("doctor")
    assert result.returncode in (0, 1), result.returncode
    lines = result.stdout.decode().splitlines()
    same(lines[0].split(), ["STATUS", "NAME", "VALUE"])
    names = set()
    last = ""
    for line in lines[1:]:
        if line.startswith(" "):
            assert last in ("limited", "missing"), f"meaning without a lack: {line}"
            continue
        last, name, value = line.split(None, 2)
        assert last in ("ok", "limited", "missing"), line
        assert name not in names and value, line
        names.add(name)
    for name in ("kernel", "privilege", "ns.user", "ns.pid", "ns.net", "idmap.tmpfs",
                 "seccomp.filter", "cgroup.memory", "cgroup.io", "jobs"):
        assert name in names, name
    jobs = [line for line in lines if line.split()[1:2] == ["jobs"]]
    same(result.returncode, 1 if jobs[0].startswith("missing") else 0)


main()
