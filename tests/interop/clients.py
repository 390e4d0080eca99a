# SPDX-License-Identifier: MIT
"""Debian's python3-grpcio, openssl and curl against the test server of tests/rpc.

Speaks TAP: clients that nobody here wrote see what they expect.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

ECHO = os.path.realpath(sys.argv[1])
MUST_RUN = os.environ.get("JOBLET_TEST_MUST_RUN", "0") not in ("", "0")
# Seconds that only a failure takes, however busy the machine.
PATIENCE = 120

try:
    import grpc
except ImportError:
    # The distribution's package belongs to the distribution's Python.
    system = "/usr/bin/python3"
    if not os.environ.get("INTEROP_AGAIN") and os.access(system, os.X_OK):
        os.environ["INTEROP_AGAIN"] = "1"
        os.execv(system, [system, *sys.argv])
    if MUST_RUN:
        print("1..1\nnot ok 1 - this python3 has no grpc: install python3-grpcio")
        sys.exit(1)
    print("1..0 # SKIP this python3 has no grpc (python3-grpcio)")
    sys.exit(0)

CODE = grpc.StatusCode
results = []


def check(name, good, detail=""):
    results.append(bool(good))
    print(f"{'ok' if good else 'not ok'} {len(results)} - {name}", flush=True)
    if not good:
        print(f"# {detail}")


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def make_certificates(folder):
    def sign(name, subject, ca="ca", extra=()):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", f"{name}.key", "-subj", subject, "-out",
                f"{name}.csr", cwd=folder)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey",
                f"{ca}.key", "-CAcreateserial", "-out", f"{name}.crt", *extra, cwd=folder)

    for ca in ("ca", "foreign-ca"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", f"{ca}.key", "-subj", f"/CN={ca}", "-days", "30",
                "-out", f"{ca}.crt", cwd=folder)
    (folder / "names").write_text("subjectAltName=DNS:joblet,DNS:localhost,IP:127.0.0.1\n")
    sign("server", "/CN=server", extra=("-days", "30", "-extfile", "names"))
    for role in ("admin", "viewer", "nobody"):
        sign(role, f"/OU={role}/CN={role}", extra=("-days", "30"))
    sign("foreign", "/OU=admin/CN=foreign", ca="foreign-ca", extra=("-days", "30"))
    sign("expired", "/OU=admin/CN=expired", extra=("-days", "-1"))


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def message(data):
    """A test.Bytes."""
    return b"\x0a" + varint(len(data)) + data


def count(number=0, size=0, pause_ms=0, code=0, text=b""):
    """A test.Count."""
    out = b""
    for field, value in ((8, number), (16, size), (24, pause_ms), (32, code)):
        if value:
            out += bytes([field]) + varint(value)
    return out + (b"\x2a" + varint(len(text)) + text if text else b"")


def same(data):
    return data


def fails(call, code, text=None):
    try:
        call()
    except grpc.RpcError as error:
        good = error.code() == code and (text is None or error.details() == text)
        return good, f"{error.code()} {error.details()}"
    return False, "it succeeded"


class Client:
    def __init__(self, folder, port, who):
        def read(name):
            return (folder / name).read_bytes()

        self.channel = grpc.secure_channel(
            f"localhost:{port}",
            grpc.ssl_channel_credentials(read("ca.crt"), read(f"{who}.key"),
                                         read(f"{who}.crt")),
            options=[("grpc.max_send_message_length", 200 << 20),
                     ("grpc.keepalive_time_ms", 1000),
                     ("grpc.keepalive_timeout_ms", 5000),
                     ("grpc.keepalive_permit_without_calls", 1),
                     ("grpc.http2.max_pings_without_data", 0)])

    def unary(self, name, data=b"", **options):
        method = self.channel.unary_unary(f"/test.Echo/{name}", same, same)
        return method(data, timeout=options.pop("timeout", PATIENCE), **options)

    def stream(self, name, data, **options):
        return self.channel.unary_stream(f"/test.Echo/{name}", same, same)(data, **options)

    def upload(self, parts):
        return self.channel.stream_unary("/test.Echo/Upload", same, same)(parts, timeout=PATIENCE)


def test_calls(admin, viewer, nobody):
    check("a call", admin.unary("Unary", message(b"hi")) == message(b"hi"))
    check("an empty message", admin.unary("Unary") == b"")
    text = "no € and\nno 100% %41"
    check("text of a status", *fails(lambda: admin.unary("Fail", count(code=5,
          text=text.encode())), CODE.NOT_FOUND, text.replace("\n", " ")))
    for name, code in (("NotYet", CODE.UNIMPLEMENTED), ("Gone", CODE.UNIMPLEMENTED)):
        check(name, *fails(lambda name=name: admin.unary(name), code))
    check("a deadline", *fails(lambda: admin.unary("Never", timeout=0.3),
                               CODE.DEADLINE_EXCEEDED))
    check("gzip", *fails(lambda: admin.unary("Unary", message(b"x" * 5000),
          compression=grpc.Compression.Gzip), CODE.UNIMPLEMENTED))
    large = admin.unary("Large", message(b"x" * (30 << 20)))
    check("30 MiB in one message", large == message(str(30 << 20).encode()))
    check("5 MiB where 4 are taken", *fails(lambda: admin.unary("Unary",
          message(b"x" * (5 << 20))), CODE.RESOURCE_EXHAUSTED))
    check("an answer above 4 MiB", *fails(lambda: admin.unary("Sized", count(size=5 << 20)),
                                          CODE.RESOURCE_EXHAUSTED))
    check("a viewer may look", viewer.unary("Unary") == b"")
    check("a viewer's large upload is refused", *fails(lambda: viewer.unary("Write",
          message(b"x" * (20 << 20))), CODE.PERMISSION_DENIED,
          "role viewer is not allowed to perform operation write"))
    check("and its connection goes on", viewer.unary("Unary") == b"")
    check("an unknown role may nothing", *fails(lambda: nobody.unary("Unary"),
                                                CODE.PERMISSION_DENIED))


def test_streams(admin, viewer):
    got = list(viewer.stream("Stream", count(500, 1000)))
    check("a stream is complete", len(got) == 500)
    check("its status comes behind it", *fails(lambda: list(viewer.stream("Stream",
          count(3, 10, code=9, text=b"enough"))), CODE.FAILED_PRECONDITION, "enough"))
    check("an upload", admin.upload(iter([message(b"y" * 500000)] * 20)) ==
          message(b"10000000"))
    check("an upload held back", admin.upload(iter([message(b"pause")] * 5)) ==
          message(b"25"))
    check("an upload refused half way", *fails(lambda: admin.upload(
        message(b"stop" if i == 3 else b"y" * 500000) for i in range(100)),
        CODE.FAILED_PRECONDITION, "this is enough"))
    for _ in range(300):
        call = viewer.stream("Stream", count(0, 100))
        next(call)
        call.cancel()
    check("300 cancels on a connection", viewer.unary("Unary") == b"")
    stalled = [viewer.stream("Stream", count(0, 60000)) for _ in range(10)]
    for call in stalled:
        next(call)
    time.sleep(2.5)
    check("stalled readers and keepalive pings", viewer.unary("Unary") == b"")
    for call in stalled:
        call.cancel()
    for _ in range(50 * PATIENCE):
        counts = admin.unary("Counts").decode("latin1")
        if "calls=1 " in counts:
            break
        time.sleep(0.02)
    check("nothing is left of them", "calls=1 " in counts and "dropped=0 " in counts, counts)


def test_handshakes(folder, port):
    def s_client(*args):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", "ca.crt",
             "-alpn", "h2", "-ign_eof", *args], cwd=folder, input=b"", timeout=PATIENCE,
            capture_output=True, check=False)
        return (done.stdout + done.stderr).decode("latin1")

    def who(name):
        return ("-cert", f"{name}.crt", "-key", f"{name}.key")

    for name, args, words in (
            ("no certificate", (), "certificate required"),
            ("a foreign CA", who("foreign"), "unknown ca"),
            ("an expired certificate", who("expired"), "certificate expired"),
            ("TLS 1.2", ("-tls1_2", *who("admin")), "protocol version"),
            ("another protocol", ("-alpn", "spdy/3", *who("admin")),
             "no application protocol")):
        said = s_client(*args)
        check(f"refused: {name}", words in said, said[-400:])


def test_curl(folder, port):
    def curl(*args, who="viewer"):
        done = subprocess.run(
            ["curl", "-sS", "--cacert", "ca.crt", "--cert", f"{who}.crt", "--key",
             f"{who}.key", "--max-time", str(PATIENCE), "-w", "%{http_code} %{http_version}", *args],
            cwd=folder, timeout=PATIENCE, capture_output=True, check=False)
        return (done.stdout + done.stderr).decode()

    base = f"https://localhost:{port}"
    for option, version in (("--http1.1", "1.1"), ("--http2", "2")):
        said = curl(option, f"{base}/v1/jobs/3/log", "-H", "Last-Event-ID: 1")
        check(f"events over HTTP/{version}", said ==
              "id: 2\ndata: line 2\n\nid: 3\ndata: line 3\n\n" + f"200 {version}", said)
        said = curl(option, f"{base}/v1/write")
        check(f"a viewer may not, over HTTP/{version}", said.endswith(f"403 {version}"), said)
        said = curl(option, f"{base}/healthz", who="nobody")
        check(f"unknown roles, over HTTP/{version}", said.endswith(f"403 {version}"), said)
        said = curl(option, "-d", "x", f"{base}/healthz")
        status = "405" if version == "1.1" else "415"
        check(f"POST over HTTP/{version}", said.endswith(f"{status} {version}"), said)
        said = curl(option, f"{base}/v1/jobs/3/log?broken")
        check(f"a broken body over HTTP/{version} is noticed", "curl: (" in said, said)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_certificates(folder)
        server = subprocess.Popen([ECHO, "--tls", "server.crt", "server.key", "ca.crt"],
                                  cwd=folder, stdout=subprocess.PIPE)
        try:
            port = int(server.stdout.readline().split()[1])
            admin, viewer, nobody = (Client(folder, port, who)
                                     for who in ("admin", "viewer", "nobody"))
            test_calls(admin, viewer, nobody)
            test_streams(admin, viewer)
            test_handshakes(folder, port)
            test_curl(folder, port)
            running = viewer.stream("Stream", count(0, 10, pause_ms=20))
            next(running)
            server.terminate()
            check("SIGTERM ends streams with UNAVAILABLE",
                  *fails(lambda: list(running), CODE.UNAVAILABLE))
            check("and the server", server.wait(PATIENCE) == 0, server.returncode)
        finally:
            server.kill()
            server.wait()
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
