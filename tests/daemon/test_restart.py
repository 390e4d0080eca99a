# SPDX-License-Identifier: MIT
"""The daemon killed with -9 under load: jobs go on, nothing starts twice, ids continue."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import grpc

from served import PATIENCE, RNX, Client, Daemon, Skip, code_of, main, same, test, until

ROUNDS = int(os.environ.get("JOBLET_TEST_KILLS", "3"))


def restart(daemon):
    """Kills it, and starts another one on the same state."""
    daemon.stop(signal.SIGKILL)
    daemon.start()


def cpu_seconds(pid):
    """CPU time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def blocked(pid, number):
    """Whether a process lets a signal wait."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        mask = next(int(line.split()[1], 16) for line in file if line.startswith("SigBlk"))
    return bool(mask >> (number - 1) & 1)


@test
def jobs_output_and_numbers_survive():
    daemon = Daemon().start()
    client = Client(daemon.channel())
    uuid = client.run("sh", "-c", "i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.05; "
                      "done; exit 7")
    number = client.job("GetJobStatus", uuid=uuid).details.number
    for _ in range(ROUNDS):
        time.sleep(0.3)
        restart(daemon)
        client = Client(daemon.channel())
        later = client.run("true")
        number += 1
        same(client.job("GetJobStatus", uuid=later).details.number, number, "numbers go on")
    end = client.wait(uuid)
    same((end.status, end.exit_code), ("FAILED", 7))
    same(client.output(uuid), "".join(f"{i}\n" for i in range(60)).encode())


@contextlib.contextmanager
def on_small_disk():
    """A daemon, not started yet, whose state folder has room for 4 MiB."""
    if os.geteuid() != 0:
        raise Skip("needs root, to mount a small disk")
    daemon = Daemon()
    os.makedirs(daemon.state, mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "none", daemon.state],
                   check=True)
    try:
        yield daemon
    finally:
        subprocess.run(["umount", "-l", daemon.state], check=True)


FILLS_IT = "yes | head -c 8000000; exit 3"


@test
def a_full_disk_is_said_once_and_got_over():
    with on_small_disk() as daemon:
        client = Client(daemon.start().channel())
        uuid = client.run("sh", "-c", FILLS_IT)
        until("the disk is full", lambda: "no space left for the store" in daemon.log())
        before, start = cpu_seconds(daemon.process.pid), time.monotonic()
        time.sleep(1.5)  # how much of it the daemon spends, not what is waited for
        used = cpu_seconds(daemon.process.pid) - before
        assert used < (time.monotonic() - start) / 2, f"{used} s of CPU time to wait"
        same(daemon.log().count("no space left for the store"), 1)
        # Room, and the end of the job is taken up without anybody asking for it.
        subprocess.run(["mount", "-o", "remount,size=40m", daemon.state], check=True)
        end = client.wait(uuid)
        same((end.status, end.exit_code), ("FAILED", 3))
        same(client.wait(client.run("true")).status, "COMPLETED")
        same(daemon.stop(), 0)


@test
def who_waits_for_an_end_that_cannot_be_noted_can_leave():
    with on_small_disk() as daemon:
        daemon.start()
        with subprocess.Popen(
                [RNX, "--config", os.path.join(daemon.conf, "rnx-config.yml"), "run", "sh", "-c",
                 FILLS_IT], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as rnx:
            until("the disk is full", lambda: "no space left for the store" in daemon.log())
            until("nobody but us would take a signal",
                  lambda: not blocked(rnx.pid, signal.SIGTERM))
            rnx.terminate()
            text = rnx.stderr.read().decode()
        same(rnx.returncode, 128 + signal.SIGTERM)
        assert "left before it was told how the job ended" in text, text
        same(daemon.stop(), 0)


@test
def a_follower_goes_on_where_it_was():
    daemon = Daemon().start()
    uuid = Client(daemon.channel()).run(
        "sh", "-c", "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); sleep 0.02; done")
    got = []
    place = [0]
    done = threading.Event()

    def follow():
        while not done.is_set():
            channel = daemon.channel()
            try:
                for chunk in Client(channel).job("GetJobLogs", uuid=uuid, timeout=60,
                                                 options={"offset": place[0]}):
                    same(chunk.offset, place[0], "no gap and nothing twice")
                    got.append(chunk.payload)
                    place[0] = chunk.next_offset
                done.set()
            except grpc.RpcError:
                time.sleep(0.05)

    thread = threading.Thread(target=follow)
    thread.start()
    for _ in range(ROUNDS):
        time.sleep(0.4)
        restart(daemon)
    thread.join(PATIENCE)
    done.set()
    same(b"".join(got), "".join(f"line {i}\n" for i in range(100)).encode())


@test
def an_attached_command_stays_with_its_job():
    daemon = Daemon().start()
    with subprocess.Popen(
            [RNX, "--config", os.path.join(daemon.conf, "rnx-config.yml"), "run", "sh", "-c",
             "i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.02; done; exit 7"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as rnx:
        same(rnx.stdout.readline(), b"0\n")
        for _ in range(ROUNDS):
            restart(daemon)
            time.sleep(0.2)
        rest = rnx.stdout.read()
    same(rest, "".join(f"{i}\n" for i in range(1, 60)).encode())
    same(rnx.returncode, 7)


@test
def what_was_accepted_runs_exactly_once():
    daemon = Daemon(joblet_maxConcurrentJobs=8).start()
    daemon.credentials("admin")
    accepted = []
    stop = threading.Event()

    def submit(worker):
        count = 0
        while not stop.is_set():
            channel = daemon.channel()
            client = Client(channel)
            try:
                while not stop.is_set():
                    name = f"w{worker}n{count}"
                    count += 1
                    uuid = client.run("sh", "-c", f"echo {name}; sleep 0.05", name=name)
                    accepted.append((uuid, name))
            except grpc.RpcError:
                time.sleep(0.05)

    threads = [threading.Thread(target=submit, args=(worker,)) for worker in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(ROUNDS):
        wanted = len(accepted) + 5
        until("some have been accepted", lambda wanted=wanted: len(accepted) >= wanted)
        restart(daemon)
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    client = Client(daemon.channel())
    until("all jobs have ended", lambda: not [
        job for job in client.job("ListJobs").jobs
        if job.status in ("RUNNING", "PENDING", "INITIALIZING")])
    jobs = client.job("ListJobs").jobs
    names = [job.name for job in jobs]
    same(len(names), len(set(names)), "nothing is there twice")
    states = {job.uuid: job.status for job in jobs}
    for uuid, name in accepted:
        same(states.get(uuid), "COMPLETED", f"{name}, which was accepted")
        same(client.output(uuid), f"{name}\n".encode(), "it ran once")
    numbers = sorted(client.job("GetJobStatus", uuid=uuid).details.number for uuid, _ in accepted)
    same(len(numbers), len(set(numbers)), "every job has a number of its own")


@test
def schedules_survive_and_what_is_overdue_runs():
    daemon = Daemon().start()
    client = Client(daemon.channel())
    soon = client.job("RunJob", command="echo", args=["ran"], schedule="2s").job_uuid
    late = client.job("RunJob", command="true", schedule="1h").job_uuid
    daemon.stop(signal.SIGKILL)
    time.sleep(2.2)
    daemon.start()
    client = Client(daemon.channel())
    same(client.wait(soon).status, "COMPLETED")
    same(client.output(soon), b"ran\n")
    same(client.job("GetJobStatus", uuid=late).status, "SCHEDULED")
    same(code_of(client.job, "CancelJob", uuid=late)[0], "OK")


main()
