#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mistakes on the command line, help, version: nothing here starts a job."""

import json
import os
import re
import subprocess
import tempfile

from cli import PATIENCE, RNX, ROOT, STATE, good, good_json, main, rnx, same, test

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
    ("--network", "", "none, isolated, bridge, host"),
    ("--network", "a/b", ""),
    ("--network", "x" * 33, ""),
    ("--network", "-x", ""),
    ("--allow-net", "", "10.0.0.0/8"),
    ("--allow-net", "everywhere", ""),
    ("--allow-net", "10.0.0.0/33", ""),
    ("--allow-net", "10.0.0.0/8:0", ""),
    ("--publish", "", "8080:80"),
    ("--publish", "8080", ""),
    ("--publish", "0:80", ""),
    ("--publish", "80:80/icmp", ""),
    ("--max-net-bps", "fast", "bytes per second"),
    ("--max-net-bps", "5", ""),
    ("--disk", "big", "K, M, G or T"),
    ("--retries", "-1", "0 to 100"),
    ("--retries", "101", "0 to 100"),
    ("--priority", "high", "-100 to 100"),
    ("--priority", "101", "-100 to 100"),
    ("--schedule", "", "2h30m"),
    ("--schedule", "soon", ""),
    ("--schedule", "0s", ""),
    ("--schedule", "400d", ""),
    ("--schedule", "2025-13-01T00:00:00", ""),
    ("--every", "", "at least 1s"),
    ("--every", "often", ""),
    ("--every", "0s", ""),
    ("--cron", "", "'0 2 * * *'"),
    ("--cron", "* * * *", ""),
    ("--cron", "61 * * * *", ""),
    ("--cron", "0 0 30 2 *", ""),
    ("--upload", "", "a file"),
    ("--upload", "/no/such/file", ""),
    ("--upload-dir", "", "a folder"),
    ("--upload-dir", "/no/such/folder", ""),
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
            # What is wrong with a file is told of the file.
            named = shown if flag.startswith("--upload") and value else f"{flag}={shown[:50]}"
            assert named in text, f"{form}: {text}"
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
                 "--seccomp", "--schedule", "--every", "--cron", "--allow-net", "--publish"):
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
    for words, topic in ((("run", "-x"), " run"), (("list", "--zzzz"), " list"), (("-x",), ""),
                         (("status", "-1"), " status"), (("network", "list", "-x"), " network")):
        same(one_line(rnx(*words)),
             f"rnx: unknown flag: {words[-1]}, see rnx help{topic}\n")
    assert "--runtime: this version" in one_line(rnx("run", "--runtime=x", "true"))
    assert "did you mean --max-memory?" in one_line(rnx("run", "-max-memory=64", "true"))


@test
def a_volume_is_not_taken_for_the_version():
    for args in (("-v", "/tmp:/data", "ls"), ("-v/tmp:/data", "ls")):
        assert "--volume: this version does not have it yet" in one_line(rnx("run", *args))


@test
def a_missing_command_is_told():
    for args in (("run",), ("job", "run"), ("run", "--max-cpu=1"), ("run", "--"), ("job",), (),
                 ("network",)):
        assert "must specify a command" in one_line(rnx(*args)), args


@test
def missing_and_superfluous_words_are_told():
    for command in ("status", "log", "stop", "cancel", "delete", "wait"):
        text = one_line(rnx(command))
        same(text, f"rnx: {command}: something is missing: rnx {command} ID\n")
        same(one_line(rnx("job", command, "1", "2")), f"rnx: {command}: too much: '2'\n")
    for command in ("list", "delete-all", "doctor", "version", "nodes", "config-help"):
        same(one_line(rnx(command, "x")), f"rnx: {command} takes no arguments: 'x'\n")
    same(one_line(rnx("network", "list", "x")), "rnx: network list takes no arguments: 'x'\n")
    same(one_line(rnx("network", "remove")),
         "rnx: network remove: something is missing: rnx network remove NAME\n")
    for args in (("n",), ("n", "10.1.0.0/24", "--cidr=10.1.0.0/24")):
        assert "needs one subnet" in one_line(rnx("network", "create", *args)), args
    for name in ("none", "isolated", "bridge", "host"):
        same(one_line(rnx("network", "create", name, "10.1.0.0/24")),
             f"rnx: network '{name}' is there by itself, choose another name\n")


@test
def flags_that_exclude_each_other_are_told():
    for args in (("run", "--schedule=1h", "--every=1h"), ("run", "--every=1h", "--cron=@daily"),
                 ("run", "-i", "-d"), ("run", "-i", "--json"), ("run", "-i", "--schedule=1h"),
                 ("run", "-i", "--upload=/etc/hostname"), ("run", "-d", "--rm"),
                 ("run", "-d", "--follow"), ("run", "-d", "--wait"), ("run", "--rm", "--json"),
                 ("run", "--rm", "--schedule=1h")):
        assert " exclude each other: " in one_line(rnx(*args, "true")), args
    for args in (("stop", "1", "--force", "--timeout=1s"), ("log", "1", "-f", "--no-follow"),
                 ("log", "1", "--since=1h", "--tail=1")):
        assert " exclude each other" in one_line(rnx(*args)), args


@test
def flags_may_stand_behind_the_words_of_other_commands():
    same(one_line(rnx("log", "1", "--tail=x")), one_line(rnx("log", "--tail=x", "1")))
    same(one_line(rnx("status", "--", "1", "--json")), "rnx: status: too much: '--json'\n")


@test
def an_empty_command_is_told():
    assert one_line(rnx("run", "")).startswith("rnx: the command is empty; ")


@test
def unknown_commands_are_told_what_was_meant():
    same(one_line(rnx("rnu", "ls")), "rnx: unknown command 'rnu', did you mean run? See rnx help\n")
    same(one_line(rnx("logs", "1")), "rnx: unknown command 'logs', did you mean log? See rnx help\n")
    same(one_line(rnx("job", "lst")),
         "rnx: unknown command 'job lst', did you mean job list? See rnx help\n")
    same(one_line(rnx("network", "rm", "x")), "rnx: unknown command 'network rm', see rnx help\n")
    same(one_line(rnx("ps", "aux")),
         "rnx: unknown command 'ps', see rnx help; to run it as a job: rnx run ps\n")
    assert "did you mean job?" in one_line(rnx("jobs"))
    # What is none of a job has no place behind "job".
    assert "'job doctor'" in one_line(rnx("job", "doctor"))
    one_line(rnx("help", "nonsense"))
    one_line(rnx("\n"))


@test
def flags_of_run_are_refused_elsewhere():
    text = one_line(rnx("--max-cpu=5", "doctor"))
    assert "--max-cpu: is a flag of run, not of doctor" in text, text
    one_line(rnx("version", "--init"))
    assert "--tail: is a flag of log, not of list" in one_line(rnx("list", "--tail=1"))
    assert "--cidr: is a flag of network create, not of run" in one_line(
        rnx("run", "--cidr=10.0.0.0/8", "true"))


@test
def help_is_on_stdout():
    for args, holds in (
        (("--help",), "Usage: rnx"), (("-h",), "Usage: rnx"), (("help",), "Usage: rnx"),
        (("run", "--help"), "--max-memory=SIZE"), (("run", "-h"), "--max-memory=SIZE"),
        (("--help", "run"), "--max-memory=SIZE"), (("help", "run"), "--max-memory=SIZE"),
        (("help", "job", "run"), "--max-memory=SIZE"), (("job", "--help"), "--max-memory=SIZE"),
        (("job", "run", "-h"), "--max-memory=SIZE"), (("help", "job"), "--max-memory=SIZE"),
        (("doctor", "-h"), "Usage: rnx doctor"), (("list", "-h"), "--status=STATE"),
        (("job", "log", "-h"), "--tail=N"), (("log", "1", "-h"), "--tail=N"),
        (("network", "create", "-h"), "--cidr=CIDR"), (("help", "network", "remove"), "NAME"),
        (("help", "stop"), "grace time between"), (("--help", "wait"), "wait no longer"),
    ):
        result = rnx(*args)
        same(result.returncode, 0, f"{args}")
        same(result.stderr, b"", f"{args}")
        assert holds in result.stdout.decode(), f"{args}: {result.stdout.decode()}"
        for line in result.stdout.decode().splitlines():
            assert len(line) <= 90, line


def commands():
    """Words of every command there is, as in the general help."""
    lines = rnx("help").stdout.decode().split("Commands:")[1].split("Flags of")[0].splitlines()
    found = []
    for line in lines:
        words = line[:33].split()
        if words:
            found.append(words[:2] if words[0] == "network" else words[:1])
    return found


@test
def every_command_and_flag_is_in_the_manual_page():
    page = os.path.join(os.environ["JOBLET_SOURCE_DIR"], "doc", "man", "rnx.1")
    with open(page, encoding="utf-8") as file:
        text = file.read()
    assert len(commands()) > 15, commands()
    for command in commands():
        assert re.search(r"\bCm (\w+ \| )*" + " ".join(command), text) or \
            re.search(r"\bCm .*\b" + command[0], text), command
        for word in rnx("help", *command).stdout.decode().split():
            if word.startswith("--") and len(word) > 2 and word[2].isalpha():
                name = word[2:].split("=")[0].rstrip(".,;:")
                assert name in ("flag",) or f"Fl Fl {name}" in text, f"{command}: {name}"


@test
def every_command_has_help_that_says_how():
    for command in commands():
        text = rnx("help", *command).stdout.decode()
        assert text.startswith(f"Usage: rnx {' '.join(command)}"), command
        same(rnx(*command, "--help").stdout.decode(), text, command)


@test
def config_help_needs_nothing():
    text = good("config-help", env={"PATH": "/usr/bin:/bin"})
    assert "version: \"3.0\"" in text and "~/.rnx/rnx-config.yml" in text, text


@test
def version_has_two_lines():
    for args in (("version",), ("--version",), ("-v",), ("run", "--version")):
        lines = rnx(*args).stdout.decode().splitlines()
        same([line.split()[0] for line in lines], ["rnx", "libjoblet"], f"{args}")


@test
def version_as_json():
    version = good_json("version")
    same(sorted(version), ["rnx"])
    same(sorted(version["rnx"]), ["libjoblet", "version"])


@test
def help_for_networks_has_all_of_its_commands():
    text = good("help", "network")
    for name in ("create NAME --cidr=CIDR", "list", "remove NAME"):
        assert f"network {name} " in text, text
    assert "--max-cpu" not in text and " log " not in text, text
    same(good("network", "--help"), text)


@test
def a_variable_that_does_not_count_is_named():
    both = dict(os.environ, RNX_CONFIG="/there/is/none")
    result = rnx("list", env=both)
    same((result.returncode, result.stderr),
         (0, b"rnx: JOBLET_STATE_DIR is set, so RNX_CONFIG does not count; unset one of them\n"))
    same(rnx("-q", "list", env=both).stderr, b"")
    same(rnx("--state-dir", STATE, "list", env=both).stderr, b"", "a flag beats both")


@test
def a_state_folder_that_is_not_ours_is_told_why():
    def refused(place):
        result = rnx("--state-dir", place, "list")
        same(result.returncode, 4)
        return result.stderr.decode()

    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "state")
        with open(place, "w", encoding="ascii"):
            pass
        same(refused(place), f"rnx: {place} is not a folder; choose another place\n")
        os.unlink(place)
        os.mkdir(place)
        os.chmod(place, 0o777)
        same(refused(place),
             f"rnx: others may write to folder {place}: chmod go-w it, or choose another\n")
        if ROOT:
            os.chmod(place, 0o700)
            os.chown(place, 12345, 12345)
            same(refused(place),
                 f"rnx: folder {place} belongs to user 12345, and this is user 0; choose "
                 "another\n")


@test
def a_full_stdout_is_an_error():
    for words in (("help", "run"), ("completion", "bash")):
        with open("/dev/full", "wb") as full:
            result = rnx(*words, stdout=full)
        same(result.returncode, 1, words)
        assert b"cannot write to standard output" in result.stderr, result.stderr


@test
def a_closed_stdout_is_an_error():
    result = subprocess.run(["sh", "-c", f"'{RNX}' version >&-"], stderr=subprocess.PIPE,
                            timeout=PATIENCE, check=False)
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
    told = json.loads(rnx("--json", "doctor").stdout)
    same([line["name"] for line in told], [line.split()[1] for line in lines[1:]
                                          if not line.startswith(" ")])
    jobs = [line for line in lines if line.split()[1:2] == ["jobs"]]
    same(result.returncode, 1 if jobs[0].startswith("missing") else 0)


main()
