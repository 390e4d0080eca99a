# SPDX-License-Identifier: MIT
"""Clients nobody here wrote, against a joblet: grpc-js, grpcio, openssl, curl."""

import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
# pylint: disable=wrong-import-position
import grpc
from served import (BUILD, PATIENCE, RNX, SOURCE, Client, Daemon, Skip, code_of, has, main,
                    messages, same, test, until)

MODULES = os.path.join(BUILD, "interop", "node_modules")
JOB = "/joblet.JobService/"
NETWORK = "/joblet.NetworkService/"
LATER = ("StreamJobMetrics", "GetJobMetrics", "StreamJobTelematics", "GetJobTelematics")

daemon = Daemon().start()


def files_of(role, name=None):
    """Paths of certificate, key and authority of a client."""
    found = []
    for kind, text in zip(("crt", "key", "ca"), daemon.credentials(role, name)):
        found.append(os.path.join(daemon.folder, f"{name or role}.{kind}"))
        with open(found[-1], "wb") as file:
            file.write(text)
    return found


def patient_channel():
    """A connection that asks for signs of life, as the SDKs do."""
    cert, key, authority = daemon.credentials("admin")
    channel = grpc.secure_channel(
        f"127.0.0.1:{daemon.port}", grpc.ssl_channel_credentials(authority, key, cert),
        options=[("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 500),
                 ("grpc.keepalive_timeout_ms", 5000),
                 ("grpc.keepalive_permit_without_calls", 1),
                 ("grpc.http2.max_pings_without_data", 0),
                 ("grpc.http2.min_time_between_pings_ms", 500),
                 ("grpc.http2.min_ping_interval_without_data_ms", 500)])
    daemon.channels.append(channel)
    return channel


client = Client(patient_channel())


@test
def grpc_js_finds_what_it_expects():
    node = shutil.which("node") or shutil.which("nodejs")
    if not node:
        raise Skip("there is no node: install nodejs")
    if not os.path.isdir(os.path.join(MODULES, "@grpc", "grpc-js")):
        raise Skip("@grpc/grpc-js is not in the build folder: ./dev test puts it there")
    done = subprocess.run(
        [node, os.path.join(SOURCE, "tests", "interop", "client.js"), str(daemon.port),
         os.path.abspath(os.path.join(SOURCE, "proto")), *files_of("admin")],
        env={**os.environ, "NODE_PATH": os.path.abspath(MODULES)}, timeout=2 * PATIENCE, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # Its results belong to this one.
    for line in done.stdout.splitlines():
        print("#   " + line, flush=True)
    same(done.returncode, 0, "grpc-js")
    has(done.stdout, "\n1..25\n")


@test
def grpcio_leads_a_job_through_its_life():
    reply = client.job("RunJob", command="sh", args=["-c", "echo \"$A\"; wc -c <data; exit 3"],
                       environment={"A": "café"}, secret_environment={"S": "hidden"},
                       uploads=[{"path": "data", "content": bytes(3 << 20)}])
    same(client.output(reply.job_uuid).decode(), f"café\n{3 << 20}\n")
    job = client.job("GetJobStatus", uuid=reply.job_uuid)
    same((job.status, job.exit_code, dict(job.secret_environment)), ("FAILED", 3, {"S": "***"}))
    if reply.job_uuid not in [one.uuid for one in client.job("ListJobs").jobs]:
        raise AssertionError("it is not in the list")
    same(client.job("DeleteJob", uuid=reply.job_uuid).success, True)
    code, text = code_of(client.job, "GetJobStatus", uuid=reply.job_uuid)
    same(code, "NOT_FOUND")
    has(text, reply.job_uuid)
    uuid = client.run("sleep", "1000")
    same(client.job("StopJob", uuid=uuid).status, "STOPPED")
    uuid = client.job("RunJob", command="true", schedule="1h").job_uuid
    same(client.job("CancelJob", uuid=uuid).status, "CANCELED")
    if client.job("DeleteAllJobs").deleted_count < 2:
        raise AssertionError("not all are deleted")
    for method in LATER:
        same(code_of(client.job, method, job_uuid=uuid)[0], "UNIMPLEMENTED", method)


@test
def grpcio_leads_a_network_through_its_life():
    reply = client.call(NETWORK + "CreateNetwork", name="lab", cidr="10.92.0.0/24")
    same((reply.name, reply.cidr, bool(reply.bridge)), ("lab", "10.92.0.0/24", True))
    same(code_of(client.call, NETWORK + "CreateNetwork", name="lab", cidr="10.92.0.0/24")[0],
         "ALREADY_EXISTS")
    uuid = client.run("sleep", "1000", network="lab")
    found = [one for one in client.call(NETWORK + "ListNetworks").networks if one.name == "lab"]
    same([(one.cidr, one.job_count) for one in found], [("10.92.0.0/24", 1)])
    reply = client.call(NETWORK + "RemoveNetwork", name="lab")
    same(reply.success, False, reply.message)
    client.job("StopJob", uuid=uuid, force=True)
    until("the network is free", lambda: client.call(NETWORK + "RemoveNetwork",
                                                     name="lab").success)


@test
def every_method_of_both_services_was_called_here():
    with open(os.path.abspath(__file__), encoding="utf-8") as file:
        text = file.read()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "client.js"),
              encoding="utf-8") as file:
        script = file.read()
    for path in messages.paths():
        service, method = path.split("/")[1:]
        if service in ("joblet.JobService", "joblet.NetworkService"):
            if method not in ("RunJob", "GetJobLogs"):  # by helpers
                has(text, f'"{method}"')
            has(script, method)


@test
def grpcio_cancels_is_late_and_stalls():
    uuid = client.run("sh", "-c", "head -c 50000000 /dev/zero; sleep 1000")
    small = client.run("sh", "-c", "echo line; sleep 1000")
    same(code_of(client.job, "GetJobLogs", timeout=0.3, uuid=small)[0], "DEADLINE_EXCEEDED")
    for _ in range(300):
        stream = client.job("GetJobLogs", timeout=PATIENCE, uuid=small)
        next(stream)
        stream.cancel()
    same([job.uuid for job in client.job("ListJobs").jobs if job.uuid == uuid], [uuid])
    stalled = [client.job("GetJobLogs", timeout=PATIENCE, uuid=uuid) for _ in range(10)]
    for stream in stalled:
        next(stream)
    # Pings with readers that do not read, and pings without a call.
    time.sleep(1.2)
    client.job("ListJobs")
    for stream in stalled:
        stream.cancel()
    time.sleep(1.2)
    for one in (uuid, small):
        client.job("StopJob", uuid=one, force=True)
    code, text = code_of(client.run, "true",
                         uploads=[{"path": "large", "content": bytes(60 << 20)}])
    same(code, "RESOURCE_EXHAUSTED", text)
    if "flood" in daemon.log():
        raise AssertionError(daemon.log())


# ---- refused handshakes ----


def s_client(*args):
    """What openssl s_client says about a connection."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-CAfile",
         files_of("admin")[2], "-ign_eof", *args], input=b"", timeout=PATIENCE, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode("latin1")


def sign(name, subject, days, authority=None):
    """A certificate made by another program; an authority of its own without one."""
    def path(ending):
        return os.path.join(daemon.folder, f"{name}.{ending}")

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
           path("key"), "-subj", subject)
    if not authority:
        openssl("req", "-x509", *new, "-days", str(days), "-out", path("crt"))
    else:
        openssl("req", *new, "-out", path("req"))
        openssl("x509", "-req", "-in", path("req"), "-CA", authority[0], "-CAkey", authority[1],
                "-set_serial", "7", "-days", str(days), "-out", path("crt"))
    return path("crt"), path("key")


def refused(words, *args):
    """The handshake fails with these words."""
    said = s_client(*args)
    if words not in said:
        raise AssertionError(f"{args}: {said[-600:]}")


@test
def openssl_is_refused_for_each_reason():
    ours = tuple(os.path.join(daemon.conf, "ca", f"ca.{kind}") for kind in ("crt", "key"))
    admin = files_of("admin")
    good = ("-cert", admin[0], "-key", admin[1])
    h2 = ("-alpn", "h2")
    foreign = sign("foreign", "/OU=admin/CN=x", 3, sign("elsewhere", "/CN=elsewhere", 3))
    expired = sign("expired", "/OU=admin/CN=x", -1, ours)
    refused("certificate required", *h2)
    refused("unknown ca", *h2, "-cert", foreign[0], "-key", foreign[1])
    refused("certificate expired", *h2, "-cert", expired[0], "-key", expired[1])
    refused("protocol version", *h2, *good, "-tls1_2")
    refused("no application protocol", "-alpn", "spdy/3", *good)
    lost = files_of("admin", "lost")
    daemon.cert("revoke", "lost")
    daemon.reload()
    refused("certificate revoked", *h2, "-cert", lost[0], "-key", lost[1])
    # And the good one is not: it is asked for HTTP/1.1 through the same program.
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-CAfile", admin[2],
         "-quiet", "-verify_return_error", "-alpn", "http/1.1", *good],
        input=b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", timeout=PATIENCE,
        check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    has(done.stdout.decode("latin1"), "200 OK")


@test
def nobody_gets_a_ticket_for_the_next_time():
    cert, key, authority = files_of("admin")
    kept = os.path.join(daemon.folder, "session")
    with subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port}", "-CAfile", authority,
             "-alpn", "http/1.1", "-cert", cert, "-key", key, "-sess_out", kept],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        # Tickets come in front of the first words of the server.
        process.stdin.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        process.stdin.flush()
        said = process.stdout.read().decode("latin1")
    has(said, "200 OK")
    same("New Session Ticket" in said, False, "a ticket came")
    same(os.path.exists(kept), False, "a session could be kept")


@test
def of_a_variable_given_twice_the_last_one_counts():
    # What maps are on the wire: entries, of which protobuf-c merges none.
    def entry(value):
        return b"\x72\x06\x0a\x01A\x12\x01" + value

    raw = daemon.channel().unary_unary("/joblet.JobService/RunJob")
    reply = messages.of("joblet.RunJobResponse").FromString(
        raw(b"\x12\x04true" + entry(b"1") + entry(b"2") + b"\x72\x03\x0a\x01B", timeout=PATIENCE))
    job = client.job("GetJobStatus", uuid=reply.job_uuid)
    same(dict(job.environment), {"A": "2", "B": ""})


@test
def rnx_answers_pings_while_nobody_reads_what_it_prints():
    if not os.path.exists(RNX):
        raise Skip("this build has no rnx")
    strict = Daemon(grpc_keepAliveTime="200ms", grpc_keepAliveTimeout="3s").start()
    admin = Client(strict.channel())
    uuid = admin.run("sh", "-c", "head -c 30000000 /dev/zero; echo end")
    admin.wait(uuid)
    # This one answers only while it calls.
    admin.channel.close()
    with subprocess.Popen(
            [RNX, "--config", os.path.join(strict.conf, "rnx-config.yml"), "log", uuid],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.read(1)
        # Longer than the daemon waits for an answer, with a full pipe.
        time.sleep(4)
        same(len(process.stdout.read()), 30000003)
        same((process.wait(PATIENCE), process.stderr.read()), (0, b""))
    # It would have come back by itself, and nobody would have seen it.
    if "does not answer" in strict.log():
        raise AssertionError(strict.log())


@test
def plaintext_gets_no_answer():
    for words in (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                  b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"):
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as plain:
            plain.sendall(words)
            said = b""
            while True:
                try:
                    part = plain.recv(4096)
                except ConnectionResetError:
                    break
                if not part:
                    break
                said += part
        # At most the alert of TLS: five bytes of head, two of content.
        if b"HTTP" in said or len(said) > 7:
            raise AssertionError(said)
    insecure = grpc.insecure_channel(f"127.0.0.1:{daemon.port}",
                                     options=[("grpc.use_local_subchannel_pool", 1)])
    same(code_of(Client(insecure).job, "ListJobs", timeout=PATIENCE)[0], "UNAVAILABLE")
    insecure.close()


@test
def curl_reads_events_over_both_protocols():
    uuid = client.run("sh", "-c", "echo one; echo two")
    client.wait(uuid)
    cert, key, authority = files_of("viewer")
    for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
        done = subprocess.run(
            ["curl", "-sSN", option, "-m", str(PATIENCE), "--cacert", authority, "--cert", cert, "--key",
             key, "-H", "Last-Event-ID: 4", "-w", "%{http_version} %{content_type}",
             f"https://127.0.0.1:{daemon.port}/v1/jobs/{uuid}/log"],
            check=True, stdout=subprocess.PIPE, text=True)
        has(done.stdout, "id: 8\ndata: two\n\n")
        has(done.stdout, "event: end\n")
        has(done.stdout, f"{version} text/event-stream")
        same("one" in done.stdout, False, "what was there before")


main()
