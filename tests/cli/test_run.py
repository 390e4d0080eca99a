#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Jobs through the command line: what the first page of the manual promises."""

import os
import pty
import re
import signal
import subprocess
import tempfile
import time

from cli import (MUST_RUN, PATIENCE, ROOT, RNX, Skip, good, main, need, rnx, same, start, test,
                 until)


def limits(*names):
    """Skips where a limit cannot be enforced for this caller."""
    report = rnx("doctor").stdout.decode().splitlines()
    for line in report:
        words = line.split(None, 2)
        if words[1:2] and words[1] in names and words[0] == "missing":
            raise Skip(f"{words[1]} is not there: {words[2]}")


def output(*args, **more):
    """Standard output of a job that ends well."""
    result = rnx("run", *args, **more)
    same((result.returncode, result.stderr), (0, b""), "exit code and stderr")
    return result.stdout.decode()


def bash(script, *flags):
    """Standard output of a bash script as PID 1."""
    need("bash")
    return output(*flags, "bash", "-c", script)


def processes(text):
    """Rows of ps aux without its headline: user, pid, command."""
    rows = [line.split(None, 10) for line in text.splitlines()[1:]]
    return [(row[0], int(row[1]), row[10]) for row in rows]


# ---- processes: what a job sees of them ---------------------------------------------------


@test
def ps_shows_one_process_and_it_is_pid_1_of_root():
    need("ps")
    same(processes(output("ps", "aux")), [("root", 1, "ps aux")])


@test
def children_are_2_3_and_4():
    need("ps")
    # Behind "; :" bash has something left to do and does not become ps itself.
    rows = processes(bash("sleep 30 & sleep 40 & ps aux; :"))
    same([row[1] for row in rows], [1, 2, 3, 4])
    same(rows[3][2], "ps aux")
    same({row[0] for row in rows}, {"root"})


@test
def pids_are_in_a_row_when_bash_becomes_ps():
    need("ps")
    rows = processes(bash("sleep 30 & sleep 40 & ps aux"))
    same([row[1] for row in rows], list(range(1, len(rows) + 1)))
    assert len(rows) in (3, 4), rows


@test
def parents_are_told():
    need("ps")
    rows = bash("sleep 30 & sh -c 'ps -e -o pid=,ppid=; :'; :").split("\n")
    same([row.split() for row in rows if row],
         [["1", "0"], ["2", "1"], ["3", "1"], ["4", "3"]])


@test
def wait_and_exit_codes_of_children():
    same(bash("(exit 3) & a=$!; (exit 4) & b=$!; wait $a; echo $?; wait $b; echo $?"), "3\n4\n")


@test
def job_control_words_work():
    text = bash("sleep 30 & sleep 40 & jobs; kill %1; wait %1; echo $?; kill $!; wait; echo end")
    assert re.search(r"\[1\].*sleep 30", text) and re.search(r"\[2\].*sleep 40", text), text
    same(text.splitlines()[-2:], ["143", "end"])


@test
def background_subshells_are_processes_of_their_own():
    same(bash("wait_for() { until [ -e /tmp/$1 ]; do sleep 0.02; done; }\n"
              "(echo $BASHPID; >/tmp/1; wait_for 2; echo b) & "
              "wait_for 1; (echo a; >/tmp/2); wait; echo c").split(), ["2", "a", "b", "c"])


@test
def traps_work_in_pid_1():
    same(bash("trap 'echo got it' USR1; kill -USR1 $$; echo $$"), "got it\n1\n")
    same(bash("trap 'echo bye' EXIT; echo hello"), "hello\nbye\n")


@test
def a_background_child_ends_with_pid_1():
    same(bash("sleep 1000 & echo started"), "started\n")


@test
def nothing_outside_can_be_signalled():
    host = str(os.getpid())
    same(bash(f"kill -0 {host} 2>/dev/null || echo none"), "none\n")
    same(bash("kill -9 -1 2>/dev/null; echo alone"), "alone\n")


@test
def signals_start_as_by_default():
    text = output("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    same(re.findall(r"Sig(\w+):\s+(\w+)", text), [("Blk", "0" * 16), ("Ign", "0" * 16)])


@test
def no_descriptor_of_the_caller_is_left():
    with open("/etc/hostname", "rb") as file:
        same(output("ls", "/proc/self/fd", pass_fds=(file.fileno(),)).split(),
             ["0", "1", "2", "3"])


@test
def init_is_pid_1_and_the_command_is_2():
    same(bash("echo $$ $PPID", "--init"), "2 1\n")
    result = rnx("run", "--init", "bash", "-c", "kill -9 $$")
    same(result.returncode, 137)


# ---- exit codes ---------------------------------------------------------------------------


@test
def the_exit_code_is_the_job_s():
    for code in (0, 1, 2, 42, 126, 127, 255):
        result = rnx("run", "sh", "-c", f"exit {code}")
        same((result.returncode, result.stdout, result.stderr), (code, b"", b""))


@test
def job_run_is_the_same():
    result = rnx("job", "run", "sh", "-c", "echo out; echo err >&2; exit 7")
    same((result.returncode, result.stdout, result.stderr), (7, b"out\n", b"err\n"))


@test
def a_command_that_is_not_there_is_127():
    for name in ("no-such-program", "/no/such/program", "./nothing"):
        result = rnx("run", name)
        same(result.returncode, 127, name)
        text = result.stderr.decode()
        assert text.startswith("rnx: ") and name in text, text


@test
def an_image_is_not_a_command():
    result = rnx("run", "postgres:14")
    same(result.returncode, 127)
    assert b"there are no images" in result.stderr, result.stderr


@test
def what_a_command_not_found_may_have_meant_is_told():
    for name, hint in (("./build.sh", "none of your folders"),
                       ("/home/me/prog", "--upload"),
                       ("ls -la", "separate words"),
                       ("FOO=1", "use -e FOO=1"),
                       ("FOO=/a make", "use -e FOO=/a")):
        result = rnx("run", name)
        same(result.returncode, 127, name)
        lines = result.stderr.decode().splitlines()
        same(len(lines), 2, f"{name}: {lines}")
        assert hint in lines[1], lines
    same(rnx("run", "no-such-program").stderr.count(b"\n"), 1)


@test
def a_command_that_cannot_be_executed_is_126():
    for name in ("/etc/passwd", "/usr"):
        result = rnx("run", name)
        same(result.returncode, 126, f"{name}: {result.stderr!r}")
        assert name in result.stderr.decode(), result.stderr


@test
def a_missing_working_directory_is_1_and_named():
    result = rnx("run", "--work-dir=/no/such/folder", "true")
    same(result.returncode, 1)
    assert b"/no/such/folder" in result.stderr, result.stderr


# ---- streams ------------------------------------------------------------------------------


@test
def stdin_passes_through():
    data = os.urandom(1 << 20)
    result = rnx("run", "cat", stdin=data)
    same((result.returncode, result.stderr), (0, b""))
    assert result.stdout == data, f"{len(result.stdout)} bytes"


@test
def an_output_that_is_full_is_said_once():
    with open("/dev/full", "wb") as full:
        result = rnx("run", "sh", "-c", "seq 200000; echo done >&2", stdout=full)
    same((result.returncode, sorted(result.stderr.splitlines())),
         (1, [b"done", b"rnx: cannot write to standard output: No space left on device"]))


@test
def an_interactive_job_says_that_it_runs_here():
    server = dict(os.environ, JOBLET_SERVER="192.0.2.7:50051")
    del server["JOBLET_STATE_DIR"]
    told = (b"rnx: --interactive: the job runs on this machine, not on the server that is "
            b"configured\n")
    for words, says in (((), told), (("-q",), b"")):
        result = rnx(*words, "run", "-i", "--network=none", "true", env=server)
        same((result.returncode, result.stderr), (0, says), words)


@test
def closed_streams_stay_closed():
    result = subprocess.run(["sh", "-c", f"'{RNX}' run sh -c 'read x; echo $?' <&-"],
                            capture_output=True, timeout=PATIENCE, check=False)
    assert result.stdout.strip() not in (b"", b"0"), result
    # The log takes what standard output does not.
    result = subprocess.run(["sh", "-c", f"'{RNX}' run sh -c 'echo x || exit 9' >&-"],
                            capture_output=True, timeout=PATIENCE, check=False)
    same((result.returncode, result.stdout), (1, b""))
    same(result.stderr, b"rnx: cannot write to standard output: Bad file descriptor\n")
    result = subprocess.run(["sh", "-c", f"'{RNX}' run -i sh -c 'echo x || exit 9' >&-"],
                            capture_output=True, timeout=PATIENCE, check=False)
    same((result.returncode, result.stdout), (9, b""))


@test
def stdin_is_for_the_first_attempt():
    result = rnx("run", "--retries=1", "sh", "-c", "cat; exit 1", stdin=b"once\n")
    same((result.returncode, result.stdout), (1, b"once\n"))
    assert b"a retry has none" in result.stderr, result.stderr
    same(rnx("run", "--retries=1", "-q", "cat", stdin=b"once\n").stderr, b"")


@test
def a_folder_as_stdin_is_refused():
    fd = os.open("/", os.O_RDONLY)
    try:
        result = rnx("run", "true", stdin=fd)
    finally:
        os.close(fd)
    same(result.returncode, 1)
    assert b"standard input" in result.stderr, result.stderr


@test
def a_reader_that_goes_away_ends_the_job():
    for command in (("yes",), ("sh", "-c", "yes; exit $?"), ("sh", "-c", "trap '' PIPE; yes")):
        job = start("run", *command)
        same(job.stdout.readline(), b"y\n")
        job.stdout.close()
        job.stdout = None
        job.communicate(timeout=PATIENCE)
        same(job.returncode, 141, command)
        same(good("list", "--status=RUNNING"), "No jobs found\n")
    # With its own streams PID 1 is spared the signal and gets the error of its write.
    job = start("run", "-i", "yes")
    same(job.stdout.readline(), b"y\n")
    job.stdout.close()
    job.stdout = None
    job.communicate(timeout=PATIENCE)
    same(job.returncode, 1)


@test
def a_slow_reader_of_one_stream_does_not_hold_up_the_other_or_signals():
    job = start("run", "sh", "-c",
                "(i=0; while :; do head -c 100000 /dev/zero; i=$((i+1)); "
                "[ $i != 5 ] || echo more >&2; sleep 0.02; done) & "
                "trap 'echo end >&2; exit 5' TERM; echo ready >&2; wait")
    same({job.stderr.readline() for _ in range(2)}, {b"ready\n", b"more\n"})
    job.send_signal(signal.SIGTERM)
    same(job.stderr.readline(), b"end\n")
    out, _ = job.communicate(timeout=PATIENCE)
    same(job.returncode, 5)
    assert len(out) >= 500000 and set(out) == {0}, len(out)


@test
def streams_keep_their_order_when_they_are_one():
    script = "i=0; while [ $i -lt 200 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
    result = rnx("run", "sh", "-c", script, stderr=subprocess.STDOUT)
    same(result.returncode, 0)
    lines = result.stdout.decode().splitlines()
    same(len(lines), 400)
    same([line for line in lines if line.startswith("out")], [f"out {i}" for i in range(200)])
    same([line for line in lines if line.startswith("err")], [f"err {i}" for i in range(200)])


@test
def much_output_is_passed_on_byte_by_byte():
    script = "head -c 50000000 /dev/zero | tr '\\0' x; echo end >&2"
    result = rnx("run", "sh", "-c", script)
    same((result.returncode, result.stderr, len(result.stdout)), (0, b"end\n", 50000000))
    assert result.stdout == b"x" * 50000000


@test
def a_terminal_gets_what_the_job_says_and_no_more():
    ours, theirs = pty.openpty()
    try:
        result = rnx("run", "-q", "sh", "-c", "echo hello; echo bye >&2", stderr=theirs)
        text = os.read(ours, 1000)
    finally:
        os.close(ours)
        os.close(theirs)
    same((result.returncode, result.stdout, text), (0, b"hello\n", b"bye\r\n"))


# ---- flags --------------------------------------------------------------------------------


@test
def what_stands_behind_the_command_is_its_own():
    same(output("echo", "-h", "--max-cpu=x", "--", "-v"), "-h --max-cpu=x -- -v\n")
    same(output("--", "echo", "-h"), "-h\n")
    same(output("printf", "%s|", "", "a b", ""), "|a b||")


@test
def the_environment_is_clean_and_ours_is_added():
    env = dict(os.environ, JOBLET_TEST_SECRET_OF_CALLER="1")
    text = output("-e", "A=x=y", "--env", "B=", "-s", "C=z", "env", env=env)
    lines = text.splitlines()
    assert "A=x=y" in lines and "B=" in lines and "C=z" in lines, text
    assert "JOBLET_TEST_SECRET_OF_CALLER" not in text
    names = {line.split("=")[0] for line in lines}
    for name in ("PATH", "HOME", "USER", "LANG", "JOB_ID"):
        assert name in names, f"{name} in {names}"


@test
def a_risky_name_is_warned_about():
    result = rnx("run", "--env", "PATH=/usr/bin:/bin", "true")
    same(result.returncode, 0)
    assert result.stderr.startswith(b"rnx: --env=PATH: ") and result.stderr.count(b"\n") == 1
    result = rnx("run", "-q", "--env", "LC_ALL=C", "true")
    same(result.stderr, b"")


@test
def surroundings_are_as_asked():
    same(output("--hostname=box", "cat", "/proc/sys/kernel/hostname"), "box\n")
    same(output("--work-dir=/tmp", "pwd"), "/tmp\n")
    same(output("pwd"), "/work\n")
    same(output("--name=my-job", "sh", "-c", "echo $JOB_NAME"), "my-job\n")


@test
def users_inside():
    same(output("id", "-u"), "0\n")
    if not ROOT:
        raise Skip("other users need root")
    same(output("--user=nobody", "sh", "-c", "id -u; id -g"), "65534\n65534\n")
    same(output("--user=12:34", "sh", "-c", "id -u; id -g"), "12\n34\n")


@test
def network_none_is_loopback_only():
    rows = output("--network=none", "cat", "/proc/net/dev").splitlines()[2:]
    same([row.split(":")[0].strip() for row in rows], ["lo"])


@test
def explain_starts_nothing_and_masks_secrets():
    text = output("--explain", "-s", "KEY=hunter2", "-e", "OPEN=seen", "--work-dir=/tmp", "false")
    assert "hunter2" not in text and "***" in text and "seen" in text, text
    assert "false" in text, text


@test
def time_limit():
    began = time.monotonic()
    result = rnx("--timeout=500ms", "run", "sleep", "1000")
    same((result.returncode, result.stderr),
         (137, b"rnx: job stopped after its time limit of 500ms\n"))
    assert time.monotonic() - began > 0.4


@test
def memory_limit():
    limits("cgroup.memory")
    result = rnx("run", "--max-memory=64", "tail", "/dev/zero")
    same(result.returncode, 137, result.stderr)
    text = result.stderr.decode()
    assert re.fullmatch(r"rnx: job ran out of memory: limit 64 MiB \(peak .*\)\n", text), text


@test
def limits_before_and_behind_the_verb():
    limits("cgroup.cpuset", "cgroup.cpu", "cgroup.pids")
    same(output("--cpu-cores=0", "nproc"), "1\n")
    result = rnx("--cpu-cores", "0", "--max-cpu", "50", "run", "--max-pids", "50", "nproc")
    same((result.returncode, result.stdout, result.stderr), (0, b"1\n", b""))


@test
def forks_beyond_the_limit_fail():
    limits("cgroup.pids")
    text = bash("sh -c 'i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i+1)); done' 2>/dev/null; "
                "set -- /proc/[0-9]*; echo $#", "--max-pids=20")
    assert 15 <= int(text) <= 20, text


# ---- signals ------------------------------------------------------------------------------


def ready(job):
    """Waits for the first line of a job."""
    line = job.stdout.readline()
    if line != b"ready\n":
        raise AssertionError(f"{line!r} instead of ready: {job.communicate(timeout=PATIENCE)}")


def sleeper(**more):
    """A job that has become a sleep: the shell before it handles some signals, and as PID 1
    cannot end itself by one."""
    mark = f"6{os.getpid()}"
    job = start("run", "sh", "-c", f"echo ready; exec sleep {mark}", **more)
    ready(job)
    until("it sleeps", lambda: running(mark))
    return job


def waits(process, number):
    """Whether a signal has been sent to a process, which has not taken it."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        pending = re.search(r"ShdPnd:\t(\w+)", file.read()).group(1)
    return int(pending, 16) >> (number - 1) & 1


@test
def signals_reach_a_job_that_handles_them():
    need("bash")
    for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"):
        job = start("run", "bash", "-c",
                    f"trap 'echo got; exit 33' {name}; echo ready; while :; do sleep 0.05; done")
        ready(job)
        job.send_signal(getattr(signal, f"SIG{name}"))
        out, err = job.communicate(timeout=PATIENCE)
        same((job.returncode, out, err), (33, b"got\n", b""), name)


@test
def signals_end_a_job_that_does_not():
    for name in ("INT", "TERM", "HUP", "QUIT", "USR1"):
        number = getattr(signal, f"SIG{name}")
        job = sleeper()
        job.send_signal(number)
        out, err = job.communicate(timeout=PATIENCE)
        same((job.returncode, out, err), (128 + number, b"", b""), name)


@test
def the_third_interrupt_kills():
    job = start("run", "sh", "-c", "trap '' INT; echo ready; exec sleep 1000")
    ready(job)
    for _ in range(2):
        job.send_signal(signal.SIGINT)
        # Signals of one number that wait at the same time are one.
        until("it has taken the signal", lambda: not waits(job, signal.SIGINT))
        time.sleep(0.3)
        same(job.poll(), None, "still running")
    job.send_signal(signal.SIGINT)
    _, err = job.communicate(timeout=PATIENCE)
    same((job.returncode, err), (137, b"rnx: job killed\n"))


@test
def an_ignored_hangup_stays_ignored():
    job = sleeper(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    job.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    same(job.poll(), None, "still running")
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=PATIENCE)
    same(job.returncode, 143)


@test
def a_job_goes_on_when_rnx_is_killed():
    job = start("run", "--name=survivor", "sh", "-c", "echo ready; read x; sleep 0.5; echo done")
    ready(job)
    job.kill()
    job.wait(timeout=PATIENCE)
    job.stdout.close()
    job.stderr.close()
    row = [row for row in good("list", "--name=survivor").splitlines()[1:]][0].split()
    same(good("log", row[0]), "ready\ndone\n")
    same(good("wait", row[0]).splitlines()[1:], ["Status: COMPLETED", "Exit Code: 0"])


@test
def an_interactive_job_is_killed_with_rnx():
    mark = f"6{os.getpid()}"
    job = start("run", "-i", "sh", "-c", f"echo ready; exec sleep {mark}")
    ready(job)
    job.kill()
    job.wait(timeout=PATIENCE)
    until("it is gone", lambda: not running(mark))
    job.stdout.close()
    job.stderr.close()


def running(mark):
    """Command lines on this machine with such a sleep."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", mark.encode()]:
            found.append(words)
    return found


@test
def a_supervisor_that_cannot_set_up_says_why():
    need("unshare")
    with tempfile.TemporaryDirectory(prefix="rnx-test-") as folder:
        environment = dict(os.environ, JOBLET_STATE_DIR=folder, XDG_RUNTIME_DIR=folder, RNX=RNX)
        for flags in ("-i", ""):
            # A limit of this user namespace alone; the supervisor wants one more.
            done = subprocess.run(
                ["unshare", "-Urm", "sh", "-c",
                 "echo 0 >/proc/sys/user/max_mnt_namespaces && "
                 f"\"$RNX\" run {flags} true; echo $?"],
                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, check=False, text=True, timeout=PATIENCE)
            if done.returncode or "max_mnt_namespaces" in done.stderr:
                raise Skip("no user namespace with a limit of its own here")
            same(done.stdout, "1\n")
            same(done.stderr, "rnx: the supervisor cannot set up its namespaces (rnx doctor tells "
                              "what is missing): No space left on device\n")


if rnx("doctor").returncode != 0 and not MUST_RUN:
    print("1..0 # SKIP no job can be run here: see rnx doctor")
else:
    main()
