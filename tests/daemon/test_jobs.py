# SPDX-License-Identifier: MIT
"""The services, as clients of other makes call them: jobs, output, lists, errors, plain HTTP."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
from uuid import uuid4

from served import (PATIENCE, Client, Daemon, code_of, has, main, messages, same, test,
                    until)

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

# Less than a new configuration has: what is too large need not take long.
daemon = Daemon(joblet_uploadLimit=12, joblet_uploadFileLimit=6).start()
client = Client(daemon.channel())


def refused(wanted, part, *args, **fields):
    """RunJob is refused with a status and a sentence."""
    code, text = code_of(client.run, *args, **fields)
    same(code, wanted, f"{args} {fields}: {text}")
    has(text, part)


def curl(path, *args, output=True, which=None):
    """Body of a GET, with the admin's certificate."""
    which = which or daemon
    files = []
    for number, text in enumerate(which.credentials("admin")):
        files.append(os.path.join(which.folder, f"curl{number}"))
        if not os.path.exists(files[-1]):
            with open(files[-1], "wb") as file:
                file.write(text)
    command = ["curl", "-sN", "-m", str(PATIENCE), "--cert", files[0], "--key", files[1],
               "--cacert", files[2], *args, f"https://127.0.0.1:{which.port}{path}"]
    if not output:
        return subprocess.Popen(command, stdout=subprocess.PIPE)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


@test
def a_job_runs_and_all_of_it_is_told():
    reply = client.job("RunJob", command="sh", args=["-c", "echo out; echo err >&2; exit 3"],
                       max_cpu=150, max_memory=64, cpu_cores="0", environment={"A": "1"},
                       secret_environment={"TOKEN": "hidden"}, work_dir="/tmp", name="first")
    has("INITIALIZING RUNNING FAILED", reply.status)
    end = client.wait(reply.job_uuid)
    same((end.status, end.exit_code, end.details.reason), ("FAILED", 3, "exited"))
    job = client.job("GetJobStatus", uuid=reply.job_uuid)
    same((job.command, list(job.args)), ("sh", ["-c", "echo out; echo err >&2; exit 3"]))
    same((job.max_cpu, job.max_memory, job.cpu_cores, job.work_dir), (150, 64, "0", "/tmp"))
    same((dict(job.environment), dict(job.secret_environment)), ({"A": "1"}, {"TOKEN": "***"}))
    for text in (job.start_time, job.end_time):
        if not TIME.match(text):
            raise AssertionError(text)
    same(job.details.owner, "admin-test", "owner")
    same((job.name, job.details.name), ("first", "first"))
    # Two pipes: each is in order, and how they lie to each other is not told.
    same(sorted(client.output(reply.job_uuid).split()), [b"err", b"out"])


@test
def every_form_of_an_id_finds_the_job():
    uuid = client.run("true")
    number = str(client.wait(uuid).details.number)
    for name in (uuid, number, uuid[:13], uuid.upper()):
        same(client.job("GetJobStatus", uuid=name).uuid, uuid, name)
    for name in ("99999999", "00000000-0000-4000-8000-000000000000"):
        for method in ("GetJobStatus", "StopJob", "CancelJob", "DeleteJob", "GetJobLogs"):
            same(code_of(client.job, method, uuid=name)[0], "NOT_FOUND", method)
    for method in ("GetJobStatus", "StopJob", "CancelJob", "DeleteJob", "GetJobLogs"):
        same(code_of(client.job, method, uuid="")[0], "INVALID_ARGUMENT", method)


@test
def what_is_wrong_has_a_status_and_a_sentence():
    refused("INVALID_ARGUMENT", "command is empty", "")
    refused("INVALID_ARGUMENT", "negative", "true", max_cpu=-1)
    refused("INVALID_ARGUMENT", "negative", "true", max_memory=-5)
    refused("INVALID_ARGUMENT", "0-", "true", cpu_cores="0-")
    refused("INVALID_ARGUMENT", "JOB_ID", "true", environment={"JOB_ID": "1"})
    refused("INVALID_ARGUMENT", "\"a b\" is not a job name", "true", name="a b")
    refused("INVALID_ARGUMENT", "\"a/b\"", "true", network="a/b")
    refused("INVALID_ARGUMENT", "A B", "true", environment={"A B": "1"})
    refused("INVALID_ARGUMENT", "\"relative\" is not an absolute path", "true", work_dir="relative")
    refused("INVALID_ARGUMENT", "yesterday-ish", "true", schedule="yesterday-ish")
    refused("INVALID_ARGUMENT", "", "true", schedule="2999-01-01T00:00:00Z")
    refused("INVALID_ARGUMENT", "given twice", "true", max_memory=5,
            options={"memory_bytes": 1 << 30})
    refused("INVALID_ARGUMENT", "seccomp", "true", options={"seccomp": "much"})
    refused("INVALID_ARGUMENT", "no name", "true", volumes=[""])
    refused("NOT_FOUND", "volume not found: data", "true", volumes=["data"])
    refused("NOT_FOUND", "runtime not found: python", "true", runtime="python")
    refused("NOT_FOUND", "nosuch", "true", network="nosuch")
    refused("NOT_FOUND", "no-such-program", "no-such-program")
    refused("FAILED_PRECONDITION", "GPU", "true", gpu_count=1)


@test
def stopping_canceling_and_deleting_follow_the_state():
    uuid = client.run("sleep", "1000")
    code, text = code_of(client.job, "DeleteJob", uuid=uuid)
    same(code, "FAILED_PRECONDITION", text)
    code, text = code_of(client.job, "CancelJob", uuid=uuid)
    same(code, "FAILED_PRECONDITION", text)
    has(text, "RUNNING")
    reply = client.job("StopJob", uuid=uuid)
    same((reply.uuid, reply.status), (uuid, "STOPPED"))
    if not TIME.match(reply.end_time):
        raise AssertionError(reply)
    same(code_of(client.job, "StopJob", uuid=uuid)[0], "FAILED_PRECONDITION", "stop twice")
    reply = client.job("DeleteJob", uuid=uuid)
    same((reply.uuid, reply.success), (uuid, True))
    same(code_of(client.job, "GetJobStatus", uuid=uuid)[0], "NOT_FOUND", "after deleting")

    uuid = client.job("RunJob", command="true", schedule="1h").job_uuid
    job = client.job("GetJobStatus", uuid=uuid)
    same(job.status, "SCHEDULED")
    if not TIME.match(job.scheduled_time):
        raise AssertionError(job)
    same(client.job("CancelJob", uuid=uuid).status, "CANCELED")
    same(client.output(uuid), b"", "output of a canceled job, to its end")


@test
def a_stop_is_answered_with_the_end_even_when_the_job_resists():
    uuid = client.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    for chunk in client.job("GetJobLogs", uuid=uuid):
        if b"ready" in chunk.payload:
            break
    reply = client.job("StopJob", uuid=uuid, grace_usec=300000)
    same(reply.status, "STOPPED")


@test
def schedules_come_in_every_form_clients_send():
    soon = time.time() + 3600
    for text in (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon)),
                 time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(soon)), str(int(soon)),
                 str(int(soon * 1000)), "+1h", "60min"):
        uuid = client.run("true", schedule=text)
        due = client.job("GetJobStatus", uuid=uuid).details.due_usec / 1e6
        if abs(due - soon) > 30:
            raise AssertionError(f"{text}: {due - soon}")
        client.job("CancelJob", uuid=uuid)
    uuid = client.run("true", schedule=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(soon - 9999)))
    same(client.wait(uuid).status, "COMPLETED", "a time that has passed means at once")


@test
def uploads_arrive_with_their_modes():
    big = os.urandom(5 << 20)
    uuid = client.run(
        "sh", "-c", "./bin/run && sha256sum big && ls -ld empty | cut -c1-10 && cat a/b/c",
        uploads=[{"path": "bin/run", "content": b"#!/bin/sh\necho ran\n", "mode": 0o755 | 1 << 27},
                 {"path": "big", "content": big},
                 {"path": "empty", "is_directory": True, "mode": 0o700 | 1 << 31},
                 {"path": "a/b/c", "content": b"deep\n", "mode": 0}])
    text = client.output(uuid).decode()
    same(client.wait(uuid).exit_code, 0, text)
    has(text, "ran\n")
    has(text, "drwx------")
    has(text, "deep")
    job = client.job("GetJobStatus", uuid=uuid)
    has(" ".join(job.uploads), "a/b/c")


@test
def bad_uploads_are_refused_before_anything_runs():
    for path in ("/etc/passwd", "../x", "a/../../x", "", "a//b", "x\0y"):
        code, text = code_of(client.run, "true", uploads=[{"path": path, "content": b"x"}])
        same(code, "INVALID_ARGUMENT", f"{path!r}: {text}")
    code, text = code_of(client.run, "true",
                         uploads=[{"path": "big", "content": bytes((6 << 20) + 1)}])
    same(code, "RESOURCE_EXHAUSTED", text)
    half = bytes(5 << 20)
    code, text = code_of(client.run, "true",
                         uploads=[{"path": str(n), "content": half} for n in range(3)])
    same(code, "RESOURCE_EXHAUSTED", text)


@test
def a_stream_of_parts_is_a_job_too():
    path = "/joblet.x.v1.JobExtension/Submit"
    _, _, _, _ = parts = None, None, None, None
    run = run_message(command="sh", args=["-c", "cat one two; readlink link"])
    parts = [{"run": run}, {"file": {"path": "one"}}, {"content": b"hel"}, {"content": b"lo "},
             {"file": {"path": "two"}}, {"content": b"there\n"},
             {"file": {"path": "link", "link_target": "one"}}]
    reply = client.send(path, parts)
    same(client.output(reply.job_uuid), b"hello there\none\n")
    for wrong, part in (([], "describes the job"), ([{"content": b"x"}], "first part"),
                        ([{"run": run}, {"run": run}], "twice"),
                        ([{"run": run}, {"file": {"path": "../x"}}], ""),
                        ([{"run": b"\xff\xff\xff"}], "decoded")):
        code, text = code_of(client.send, path, wrong)
        same(code, "INVALID_ARGUMENT", f"{wrong}: {text}")
        has(text, part)
    reply = client.send(path, [{"run": run_message(command="no-such-program")}])
    same((reply.status, reply.failure_errno, reply.failure_module), ("FAILED", 2, "command"))


def run_message(**fields):
    """An encoded RunJobRequest."""
    from served import messages  # pylint: disable=import-outside-toplevel
    return messages.of("joblet.RunJobRequest")(**fields).SerializeToString()


@test
def what_is_not_text_is_refused_and_never_sent():
    import grpc  # pylint: disable=import-outside-toplevel
    # A bytes field in the place of the text: what a client of another make could send.
    raw = daemon.channel().unary_unary("/joblet.JobService/RunJob")
    for body in (b"\x12\x02\xff\xfe", b"\x12\x04true\x1a\x01\xff",
                 b"\x12\x04true\x72\x06\x0a\x01A\x12\x01\xff"):
        try:
            raw(body, timeout=PATIENCE)
            raise AssertionError(f"{body!r} was taken")
        except grpc.RpcError as error:
            same(error.code().name, "INVALID_ARGUMENT", body)
    for body in (b"\x12\x80", b"\x0b", b"\x12\x05ab"):
        try:
            raw(body, timeout=PATIENCE)
            raise AssertionError(f"{body!r} was taken")
        except grpc.RpcError as error:
            same(error.code().name, "INVALID_ARGUMENT", body)
    client.job("ListJobs")


@test
def the_older_service_says_which_one_to_use():
    import grpc  # pylint: disable=import-outside-toplevel
    for path, part in (("/joblet.JobletService/RunJob", "use joblet.JobService"),
                       ("/joblet.JobService/RunWorkflow", "no workflows"),
                       ("/joblet.Nothing/Here", "")):
        try:
            daemon.channel().unary_unary(path)(b"\x0a\x02sh\x12\x02rm", timeout=PATIENCE)
            raise AssertionError(path)
        except grpc.RpcError as error:
            same(error.code().name, "UNIMPLEMENTED", path)
            has(error.details(), part)


@test
def output_is_followed_to_the_last_byte_by_many():
    uuid = client.run("sh", "-c", "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); "
                      "[ $((i % 50)) = 0 ] && sleep 0.1; done; printf end")
    wanted = "".join(f"line {i}\n" for i in range(200)).encode() + b"end"
    results = []

    def follow():
        results.append(Client(daemon.channel()).output(uuid))

    threads = [threading.Thread(target=follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(results, [wanted] * 8)
    same(client.output(uuid), wanted, "once more, after the end")


@test
def options_choose_a_part_of_the_output():
    uuid = client.run("sh", "-c", "n=0; trap 'n=$((n+1))' USR1; echo a; "
                      "while [ $n -lt 1 ]; do sleep 0.02; done; echo b >&2; "
                      "while [ $n -lt 2 ]; do sleep 0.02; done; echo c")
    # Each piece is in the log before the next one is written: streams are read one by one.
    for size in (2, 4):
        until("it has written", lambda size=size: client.job(
            "GetJobStatus", uuid=uuid).details.log_bytes == size)
        time.sleep(0.05)
        client.call("/joblet.x.v1.JobExtension/Signal", uuid=uuid, signal=signal.SIGUSR1)
    client.wait(uuid)
    same(client.output(uuid, options={"stdout_only": True}), b"a\nc\n", "stdout")
    same(client.output(uuid, options={"stderr_only": True}), b"b\n", "stderr")
    same(client.output(uuid, options={"has_tail": True, "tail_lines": 1}), b"c\n", "tail")
    same(client.output(uuid, options={"offset": 4}), b"c\n", "offset")
    chunks = list(client.job("GetJobLogs", uuid=uuid, options={"offset": 2}))
    same((chunks[0].offset, chunks[-1].next_offset), (2, 6), "places")
    same(list(client.job("GetJobLogs", uuid=uuid))[0].offset, 0, "no places unless asked")
    chunks = list(client.job("GetJobLogs", uuid=uuid, options={"pieces": True}))
    same([(chunk.payload, chunk.stream) for chunk in chunks],
         [(b"a\n", 1), (b"b\n", 2), (b"c\n", 1)], "pieces")
    same(chunks[2].time_usec - chunks[0].time_usec >= 100000, True, "times of pieces")


@test
def binary_output_of_megabytes_is_the_same():
    uuid = client.run("sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' '\\377'; printf '\\0'")
    got = client.output(uuid)
    same((len(got), got[:3], got[-1:]), (20000001, b"\xff\xff\xff", b"\0"))
    uuid = client.run("printf", "%b", "\\377 name")
    client.wait(uuid)
    client.job("ListJobs")


@test
def a_wait_ends_with_the_job_and_with_the_deadline():
    uuid = client.run("sleep", "0.3")
    same(client.wait(uuid).status, "COMPLETED")
    uuid = client.run("sleep", "1000")
    code, _ = code_of(client.wait, uuid, timeout=0.3)
    same(code, "DEADLINE_EXCEEDED")
    client.call("/joblet.x.v1.JobExtension/Signal", uuid=uuid, signal=9)
    end = client.wait(uuid)
    same((end.status, end.exit_code, end.details.signal), ("FAILED", 137, 9))
    code, _ = code_of(client.call, "/joblet.x.v1.JobExtension/Signal", uuid=uuid, signal=9)
    same(code, "FAILED_PRECONDITION")
    code, _ = code_of(client.call, "/joblet.x.v1.JobExtension/Signal", uuid=uuid, signal=99)
    same(code, "INVALID_ARGUMENT")


@test
def the_extended_list_has_filters_and_pages():
    path = "/joblet.x.v1.JobExtension/List"
    for number in range(5):
        client.wait(client.run("false", name=f"listed-{number}"))
    first = client.call(path, states=["FAILED"], limit=2)
    same(len(first.jobs), 2)
    same(first.jobs[0].details.name, "listed-4", "newest first")
    everything = []
    page = ""
    while True:
        reply = client.call(path, page=page)
        everything += [job.uuid for job in reply.jobs]
        page = reply.next_page
        if not page:
            break
    same(everything, [job.uuid for job in client.job("ListJobs").jobs], "all pages")
    below = str(first.jobs[0].details.number)
    same([job.uuid for job in client.call(path, page=below, limit=2).jobs],
         everything[everything.index(first.jobs[0].uuid) + 1:][:2], "a limit behind a page")
    same([job.uuid for job in client.call(path, name="listed-2").jobs],
         [job.uuid for job in client.job("ListJobs").jobs if job.name == "listed-2"])
    same(code_of(client.call, path, states=["ODD"])[0], "INVALID_ARGUMENT")
    same(code_of(client.call, path, page="x")[0], "INVALID_ARGUMENT")


@test
def the_machine_is_told_of():
    status = client.call("/joblet.MonitoringService/GetSystemStatus")
    same((status.available, status.server_version.component), (True, "joblet"))
    same(status.host.hostname, os.uname().nodename)
    same(status.cpu.cores, os.cpu_count())
    with open("/proc/meminfo", encoding="ascii") as file:
        total = int(file.readline().split()[1]) * 1024
    same(status.memory.total_bytes, total)


@test
def networks_are_listed_and_refused():
    reply = client.call("/joblet.NetworkService/ListNetworks")
    names = [network.name for network in reply.networks]
    same(names[:3], ["none", "isolated", "bridge"])
    same([network.builtin for network in reply.networks[:3]], [True] * 3)
    for name, cidr in (("", "10.9.0.0/24"), ("bridge", "10.9.0.0/24"), ("ok", "10.9.0.0/33"),
                       ("ok", ""), ("a b", "10.9.0.0/24")):
        code, text = code_of(client.call, "/joblet.NetworkService/CreateNetwork", name=name,
                             cidr=cidr)
        if code not in ("INVALID_ARGUMENT", "ALREADY_EXISTS"):
            raise AssertionError(f"{name!r} {cidr!r}: {code} {text}")
    reply = client.call("/joblet.NetworkService/RemoveNetwork", name="nosuch")
    same(reply.success, False)
    has(reply.message, "nosuch")
    code, _ = code_of(client.call, "/joblet.NetworkService/RemoveNetwork", name="nosuch",
                      strict=True)
    same(code, "NOT_FOUND")


@test
def jobs_are_json_for_whoever_asks_by_http():
    uuid = client.run("sh", "-c", "echo '\"<&>\"'", secret_environment={"S": "hidden"})
    client.wait(uuid)
    for version in ("--http1.1", "--http2"):
        job = json.loads(curl(f"/v1/jobs/{uuid}", version))
        same((job["uuid"], job["status"], job["exitCode"]), (uuid, "COMPLETED", 0))
        same(job["secretEnvironment"], {"S": "***"})
        jobs = json.loads(curl("/v1/jobs", version))
        same(jobs[0]["uuid"], uuid)
        same(json.loads(curl("/healthz", version)), {"status": "ok"})
    has(curl("/v1/jobs/99999999").decode(), "error")


def events(text):
    """[(id, data)] of a stream, and the data of its end."""
    found, end = [], None
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if fields.get("event") == "end":
            end = json.loads(fields["data"])
        elif "id" in fields:
            found.append((int(fields["id"]), fields.get("data", "")))
    return found, end


@test
def output_comes_as_events_and_goes_on_by_id():
    uuid = client.run("sh", "-c", "echo one; printf 'two\\r\\nthree\\rfour\\n\\n'; sleep 0.3; "
                      "printf 'caf\\303\\251 \\377 last'; exit 4")
    for version in ("--http1.1", "--http2"):
        found, end = events(curl(f"/v1/jobs/{uuid}/log", version))
        same([data for _, data in found],
             ["one", "two", "three", "four", "", "caf\u00e9 \ufffd last"], version)
        same(end, {"status": "FAILED", "exit_code": 4})
        same([place for place, _ in found], [4, 9, 15, 20, 21, 33])
        for place, _ in found[:-1]:
            rest, _ = events(curl(f"/v1/jobs/{uuid}/log", version, "-H",
                                  f"Last-Event-ID: {place}"))
            same(rest, [event for event in found if event[0] > place], f"from {place}")
        status = curl(f"/v1/jobs/{uuid}/log", version, "-H", "Last-Event-ID: 33", "-o",
                      "/dev/null", "-w", "%{http_code}")
        same(status, b"204", "at the end")


@test
def events_come_as_they_happen():
    # By then the reader waits.
    uuid = client.run("sh", "-c", "sleep 1; echo now; sleep 1; echo again; sleep 1000")
    process = curl(f"/v1/jobs/{uuid}/log", output=False)
    text = b""
    while b"again" not in text:
        text += process.stdout.read1(4096)
    client.job("StopJob", uuid=uuid, force=True)
    text += process.stdout.read()
    process.wait()
    _, end = events(text)
    same(end["status"], "STOPPED")


@test
def events_come_while_somebody_waits_for_them_and_silence_gives_a_sign():
    other = Daemon(grpc_keepAliveTime="500ms", grpc_keepAliveTimeout="20s").start()
    admin = Client(other.channel())
    for version in ("--http1.1", "--http2"):
        uuid = admin.run("sh", "-c", "sleep 3; echo later; sleep 1000")
        begin = time.monotonic()
        process = curl(f"/v1/jobs/{uuid}/log", version, output=False, which=other)
        text = b""
        while b"later" not in text:
            piece = process.stdout.read1(4096)
            if not piece:
                raise AssertionError(text)
            text += piece
        head, _, _ = text.partition(b"id:")
        # Comments, which clients pass over: two in a second.
        most = 2 * (time.monotonic() - begin) + 1
        if b"retry: 2000\n\n" + b":\n\n" * 2 not in head or head.count(b":\n\n") > most:
            raise AssertionError(text)
        admin.job("StopJob", uuid=uuid, force=True)
        process.stdout.read()
        process.wait()


@test
def a_line_that_just_does_not_fill_the_buffer_holds_nobody_up():
    for size in (8128, 8129, 8150, 8191, 8192, 8193):
        uuid = client.run("sh", "-c", f"head -c {size} /dev/zero | tr '\\0' x; sleep 1000")
        until("it has written", lambda uuid=uuid, size=size: client.job(
            "GetJobStatus", uuid=uuid).details.log_bytes == size)
        process = curl(f"/v1/jobs/{uuid}/log", output=False)
        has(process.stdout.readline().decode(), "retry")
        client.job("StopJob", uuid=uuid, force=True)
        found, end = events(process.stdout.read())
        process.wait()
        same(("".join(data for _, data in found), end["status"]), ("x" * size, "STOPPED"), size)


@test
def readers_that_never_read_hold_nobody_up():
    uuid = client.run("sh", "-c", "head -c 100000000 /dev/zero; echo done; sleep 1000")
    stalled = [Client(daemon.channel()).job("GetJobLogs", uuid=uuid, timeout=1000)
               for _ in range(10)]
    for stream in stalled:
        next(stream)
    until("the log is written", lambda: client.job(
        "GetJobStatus", uuid=uuid).details.log_bytes > 100000000)
    client.job("ListJobs")
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        resident = int(re.search(r"VmRSS:\s*(\d+)", file.read()).group(1)) * 1024
    if resident > 200 << 20:
        raise AssertionError(f"{resident} bytes resident")
    for stream in stalled:
        stream.cancel()
    client.job("StopJob", uuid=uuid, force=True)


def multiply(state, count):
    """Makes the newest job of a state folder many: rows as they would be, without folders."""
    with sqlite3.connect(os.path.join(state, "node.db")) as store:
        store.execute("PRAGMA synchronous = OFF")
        columns = [row[1] for row in store.execute("PRAGMA table_info(jobs)")
                   if row[1] not in ("number", "id")]
        number, = store.execute("SELECT max(number) FROM jobs").fetchone()
        names = ", ".join(columns)
        store.executemany(
            f"INSERT INTO jobs (number, id, {names}) SELECT ?, ?, {names} FROM jobs "
            f"WHERE number = {number}",
            ((number + extra, str(uuid4())) for extra in range(1, count)))
        store.executemany("INSERT INTO details SELECT ?, spec, uploads FROM details "
                          f"WHERE number = {number}",
                          ((number + extra,) for extra in range(1, count)))
    store.close()


def answered_until(answer, asks):
    """How many small calls are answered before a large one is."""
    count = 0
    while not answer.done():
        asks.call("/joblet.x.v1.JobExtension/Who")
        count += 1
    return count


@test
def lists_of_thousands_with_much_in_each_are_what_clients_take():
    count, most = 5000, 4 << 20
    other = Daemon().start()
    first = Client(other.channel())
    environment = {f"VARIABLE_{n}": "v" * 500 for n in range(8)}
    one = first.run("true", *["argument" * 20 for _ in range(8)], environment=environment,
                    secret_environment={"TOKEN": "s" * 900}, name="the-same")
    first.wait(one)
    same(other.stop(), 0)
    multiply(other.state, count)
    again = Client(other.start().channel())
    jobs = again.job("ListJobs")
    same(len(jobs.jobs), count, "jobs in the list")
    if not 1 << 20 < jobs.ByteSize() < most:
        raise AssertionError(f"{jobs.ByteSize()} bytes")
    same((jobs.jobs[-1].uuid, jobs.jobs[0].name), (one, "the-same"), "newest first")
    page = again.call("/joblet.x.v1.JobExtension/List")
    if page.ByteSize() > most:
        raise AssertionError(f"a page of {page.ByteSize()} bytes")
    same([job.uuid for job in page.jobs], [job.uuid for job in jobs.jobs[:len(page.jobs)]])
    full = again.job("GetJobStatus", uuid=jobs.jobs[0].uuid)
    same((dict(full.environment), full.secret_environment["TOKEN"]), (environment, "***"))
    done = subprocess.run(["curl", "-s", "-w", "%{http_code}", "--unix-socket", other.socket,
                           "http://localhost/v1/jobs"], check=True, stdout=subprocess.PIPE)
    array = json.loads(done.stdout[:-3])
    same([job["uuid"] for job in array], [job.uuid for job in jobs.jobs[:len(array)]])
    same((done.stdout[-3:], len(array)), (b"200", 1000), "as JSON")
    # Step by step: whoever asked for it and left gets no more than what was begun.
    code_of(again.job, "DeleteAllJobs", timeout=0.02)
    left = len(again.job("ListJobs").jobs)
    if not left:
        raise AssertionError("all of them are gone at once")
    path = "/joblet.JobService/DeleteAllJobs"
    request, reply, _, _ = messages.method(path)
    rest = again.channel.unary_unary(path, request.SerializeToString, reply.FromString)
    answer = rest.future(request(), timeout=PATIENCE)
    same(answered_until(answer, again) >= 4, True, "others are answered meanwhile")
    same(answer.result().deleted_count, left, "the rest")
    same(len(again.job("ListJobs").jobs), 0, "jobs left")


@test
def thousands_of_files_hold_nobody_up_and_end_with_their_caller():
    count = 20000
    request, reply, _, _ = messages.method("/joblet.JobService/RunJob")
    many = request(command="sh", args=["-c", "ls | wc -l"])
    for number in range(count):
        many.uploads.add(path=str(number))
    run = client.channel.unary_unary("/joblet.JobService/RunJob", lambda bytes_: bytes_,
                                     reply.FromString)
    before = len(client.job("ListJobs").jobs)
    # Overdue in the middle of it: nothing is begun, and nothing is left.
    same(code_of(run, many.SerializeToString(), timeout=0.1)[0], "DEADLINE_EXCEEDED")
    staging = os.path.join(daemon.state, "staging")
    until("what came is removed", lambda: not os.listdir(staging))
    same(len(client.job("ListJobs").jobs), before, "jobs")
    answer = run.future(many.SerializeToString(), timeout=PATIENCE)
    same(answered_until(answer, client) >= 10, True, "others are answered meanwhile")
    same(client.output(answer.result().job_uuid), f"{count}\n".encode(), "files")


@test
def of_a_job_with_much_of_everything_the_status_can_be_seen():
    # As much as a description takes of each.
    uuid = client.run("true", *["x" * 99999] * 20, schedule="1h", environment={
        f"V{n}": "v" * 32000 for n in range(60)}, uploads=[
            {"path": f"{n:0200}"} for n in range(10000)])
    status = client.job("GetJobStatus", uuid=uuid)
    if not 2 << 20 < status.ByteSize() < 4 << 20:
        raise AssertionError(f"{status.ByteSize()} bytes")
    same(len(status.environment), 60, "variables")
    number = len(status.uploads) - 1
    same(status.uploads[-1], f"... and {10000 - number} more")
    if number < 1000:
        raise AssertionError(f"{number} uploads")
    done = subprocess.run(
        ["curl", "-s", "-w", "%{http_code}", "--unix-socket", daemon.socket,
         f"http://localhost/v1/jobs/{uuid}"], check=True, stdout=subprocess.PIPE)
    body = json.loads(done.stdout[:-3])
    same((done.stdout[-3:], body["uploads"][-1]), (b"200", status.uploads[-1]))
    client.job("CancelJob", uuid=uuid)
    client.job("DeleteJob", uuid=uuid)


@test
def a_list_of_long_commands_as_json_is_cut_and_whole():
    other = Daemon().start()
    # A control character becomes six.
    uuid = Client(other.channel()).run("sh", "-c", "\x01" * 4000)
    same(other.stop(), 0)
    multiply(other.state, 500)
    other.start()
    done = subprocess.run(["curl", "-s", "-w", "%{http_code}", "--unix-socket", other.socket,
                           "http://localhost/v1/jobs"], check=True, stdout=subprocess.PIPE)
    array = json.loads(done.stdout[:-3])
    same(done.stdout[-3:], b"200")
    if not 100 < len(array) < 200 or len(done.stdout) > 4 << 20 or not uuid:
        raise AssertionError(f"{len(array)} jobs in {len(done.stdout)} bytes")


@test
def a_part_of_a_stream_is_one_thing():
    run = messages.of("joblet.RunJobRequest")(command="true").SerializeToString()
    part = messages.of("joblet.x.v1.SubmitPart")
    file = part(file={"path": "a"}).SerializeToString()
    call = client.channel.stream_unary("/joblet.x.v1.JobExtension/Submit", lambda bytes_: bytes_,
                                       lambda bytes_: bytes_)
    code, text = code_of(call, iter([part(run=run).SerializeToString(), file + file]),
                         timeout=PATIENCE)
    same(code, "INVALID_ARGUMENT", text)
    has(text, "more than one thing")


@test
def requests_are_as_large_as_they_need_to_be():
    code, text = code_of(client.job, "GetJobStatus", uuid="x" * 100000)
    same(code, "RESOURCE_EXHAUSTED", text)
    has(text, "65536 are accepted")


@test
def deleting_all_leaves_what_runs():
    uuid = client.run("sleep", "1000")
    reply = client.job("DeleteAllJobs")
    same((reply.success, reply.skipped_count >= 1), (True, True))
    if reply.deleted_count < 10:
        raise AssertionError(reply)
    same([job.uuid for job in client.job("ListJobs").jobs], [uuid])
    client.job("StopJob", uuid=uuid, force=True)


main()
