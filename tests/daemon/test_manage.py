# SPDX-License-Identifier: MIT
"""Looking after a daemon: configuration, certificates, reload, local users, audit, the end."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess

from served import JOBLET, PATIENCE, RNX, Client, Daemon, code_of, has, main, same, test, until


def check(path, *args):
    """(exit code, everything printed) of joblet check."""
    done = subprocess.run([JOBLET, "check", "--config", path, *args], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def doctor(path):
    """(exit code, everything printed) of rnx doctor with a client's configuration."""
    done = subprocess.run([RNX, "--config", path, "doctor"], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def put(path, text):
    """Writes a file for its owner only."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)


def read(path):
    """Text of a file."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def fails_to_start(daemon, part, *args):
    """The daemon ends at once, with one sentence."""
    daemon.start(*args, wait=False)
    daemon.process.wait(PATIENCE)
    text = daemon.process.stderr.read().decode()
    daemon.process.stderr.close()
    same((daemon.process.returncode, text.count("\n")), (1, 1), text)
    has(text, part)


@test
def certificates_are_made_kept_and_never_made_anew_silently():
    daemon = Daemon()
    for name, mode in (("joblet-config.yml", 0o600), ("rnx-config.yml", 0o600),
                       ("ca/ca.key", 0o400), ("ca", 0o700), ("", 0o700)):
        same(os.stat(os.path.join(daemon.conf, name)).st_mode & 0o777, mode, name)
    authority = read(os.path.join(daemon.conf, "ca", "ca.crt"))
    client = read(os.path.join(daemon.conf, "rnx-config.yml"))
    daemon.cert("init", "--address", "joblet.example", "--address", "127.0.0.1")
    same(read(os.path.join(daemon.conf, "ca", "ca.crt")), authority, "the authority stays")
    again = read(os.path.join(daemon.conf, "rnx-config.yml"))
    has(again, "joblet.example:50051")
    lines = set(client.splitlines()) - set(again.splitlines())
    same(lines, {f'    address: "127.0.0.1:{daemon.port}"'}, "certificates that are good stay")
    os.rename(os.path.join(daemon.conf, "ca", "ca.key"), os.path.join(daemon.folder, "away"))
    done = daemon.cert("init", "--address", "127.0.0.1", check=False)
    same(done.returncode, 1)
    has(done.stderr, "--new-authority")
    same(os.path.exists(os.path.join(daemon.conf, "ca", "ca.key")), False, "no new key")
    daemon.cert("init", "--address", "127.0.0.1", "--new-authority")
    same(os.path.exists(os.path.join(daemon.conf, "ca", "ca.crt.old")), True, "the old one is kept")


@test
def what_people_wrote_into_the_configuration_stays():
    daemon = Daemon()
    text = read(daemon.config_file)
    put(daemon.config_file, "# mine\n" + text.replace(
        "\nsecurity:\n", "\nsecurity: # here\n  local:\n    viewer: [nobody] # also mine\n"))
    daemon.cert("server", "--renew")
    after = read(daemon.config_file)
    for part in ("# mine\n", "security: # here\n", "    viewer: [nobody] # also mine\n"):
        has(after, part)
    same(check(daemon.config_file)[0], 0, "still good")
    same(after.count("serverKey:"), 1, "keys")
    put(daemon.config_file, "security: {serverCert: \"\"}\n")
    done = daemon.cert("server", "--renew", "--address", "x", check=False)
    same((done.returncode, read(daemon.config_file)), (1, "security: {serverCert: \"\"}\n"))
    has(done.stderr, "security")


@test
def names_and_addresses_that_mean_something_are_refused():
    daemon = Daemon()
    for args in (("init", "--address", "a,IP:1.2.3.4"), ("init", "--address", ""), ("init",),
                 ("client", "--role", "root"), ("client",),
                 ("client", "--role", "admin", "--name", "../x"),
                 ("client", "--role", "admin", "--days", "0"), ("server",), ("revoke",),
                 ("nothing",), ("init", "--port", "0", "--address", "x")):
        same(daemon.cert(*args, check=False).returncode, 2, args)
    same(daemon.cert("revoke", "nobody", check=False).returncode, 1)


@test
def options_there_are_not_are_named():
    for words, says in (
            (("--bogus",), "unknown option: --bogus, see joblet help"),
            (("-x",), "unknown option: -x, see joblet help"),
            (("-hx",), None),
            (("--config",), "--config: a value is missing, see joblet help"),
            (("check", "-vx"), "unknown option: -x, see joblet check --help"),
            (("check", "-c"), "-c: a value is missing, see joblet check --help"),
            (("cert", "list", "--bogus"), "unknown option: --bogus, see joblet cert --help"),
            (("cert", "client", "--role"), "--role: a value is missing, see joblet cert --help")):
        done = subprocess.run([JOBLET, *words], check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        same((done.returncode, done.stderr), (2, f"joblet: {says}\n") if says else (0, ""), words)


@test
def check_says_what_is_wrong():
    daemon = Daemon()
    code, text = check(daemon.config_file, "--verbose")
    same(code, 0, text)
    has(text, "the certificate of the daemon ends in 36")
    good = read(daemon.config_file)
    put(daemon.config_file, good.replace("  port:", "  prot:"))
    code, text = check(daemon.config_file)
    same(code, 0, text)
    has(text, ": unknown key server.prot is ignored: did you mean port?")
    for old, new, part in (("drainTimeout: 2s", "drainTimeout: soon", "server.drainTimeout"),
                           ("-----BEGIN CERTIFICATE-----", "-----BEGIN NONSENSE-----",
                            "security.serverCert"),
                           ("\nsecurity:\n", "\nsecurity:\n  local: {admin: [no-such-user]}\n",
                            "no-such-user")):
        put(daemon.config_file, good.replace(old, new, 1))
        code, text = check(daemon.config_file)
        same(code, 1, text)
        has(text, part)
    put(daemon.config_file, good)
    os.chmod(daemon.config_file, 0o644)
    has(check(daemon.config_file)[1], "chmod 600")


@test
def the_group_of_jobs_is_a_path_that_is_there():
    daemon = Daemon()
    # A machine with cgroup v2, as far as it is looked at before the first job.
    there = ("mount -t tmpfs none /sys/fs/cgroup && : >/sys/fs/cgroup/cgroup.controllers && "
             'exec "$@"')
    for group, part in (("joblet.slice/jobs", "it is the path of a group below /sys/fs/cgroup"),
                        ("/joblet.slice/jobs", "does not exist: is joblet-jobs.service running?")):
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", there, "sh", JOBLET, "--config", daemon.config_file],
            env=dict(os.environ, JOBLET_JOBS_GROUP=group), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, text=True,
            timeout=PATIENCE)
        same((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        has(done.stderr, part)


@test
def a_start_that_fails_says_why():
    daemon = Daemon()
    other = Daemon().start()
    good = read(daemon.config_file)
    put(daemon.config_file, good.replace(f"port: {daemon.port}", f"port: {other.port}"))
    fails_to_start(daemon, f"cannot listen on 127.0.0.1 port {other.port}")
    put(daemon.config_file, good.replace(daemon.socket, other.socket))
    fails_to_start(daemon, "another joblet serves")
    put(daemon.config_file, good[:good.index("security:")])
    fails_to_start(daemon, "joblet cert init")
    put(daemon.config_file, good.replace("address: 127.0.0.1", "address: 192.0.2.1"))
    fails_to_start(daemon, "192.0.2.1")
    put(daemon.config_file, good.replace("joblet:\n", "joblet:\n  maxCpuLimit: x\n"))
    fails_to_start(daemon, "joblet.maxCpuLimit must be")
    put(daemon.config_file, good + "cgroup: {baseDir: /sys/fs/cgroup/no-such-group}\n")
    fails_to_start(daemon, "cgroup.baseDir /sys/fs/cgroup/no-such-group does not exist")


def handshake(daemon, credentials):
    """Why a connection with these credentials is refused; "" when it is not."""
    files = []
    for number, text in enumerate(credentials):
        files.append(os.path.join(daemon.folder, f"hs{number}"))
        with open(files[-1], "wb") as file:
            file.write(text)
    context = ssl.create_default_context(cafile=files[2])
    context.load_cert_chain(files[0], files[1])
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=PATIENCE) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as sock:
                # With TLS 1.3 the server judges after the client has finished.
                sock.recv(1)
        except ssl.SSLError as error:
            return str(error)
    return ""


@test
def a_reload_takes_up_certificates_and_roles_and_drops_no_stream():
    daemon = Daemon().start()
    admin = Client(daemon.channel())
    uuid = admin.run("sh", "-c", "echo begin; sleep 1000")
    stream = admin.job("GetJobLogs", uuid=uuid)
    same(next(stream).payload, b"begin\n")
    alice = daemon.credentials("viewer", "alice")
    revoked = Client(daemon.channel(credentials=alice))
    same(code_of(revoked.job, "ListJobs")[0], "OK")
    daemon.cert("server", "--renew")
    daemon.cert("revoke", "alice")
    daemon.reload()
    until("the open connection of the revoked one ends",
          lambda: code_of(revoked.job, "ListJobs", timeout=5)[0] == "UNAVAILABLE")
    has(handshake(daemon, alice), "revoked")
    admin.job("StopJob", uuid=uuid, force=True)
    same(list(stream), [], "the stream went on to its end")
    put(daemon.config_file, "server: {port: 0}\n")
    daemon.reload()
    has(daemon.log(), "reload failed, going on as before")
    same(code_of(admin.job, "ListJobs")[0], "OK", "as before")


@test
def a_reload_that_fails_changes_nothing():
    daemon = Daemon(security_local="{admin: [root], viewer: ['@daemon']}").start()
    before = ssl.get_server_certificate(("127.0.0.1", daemon.port))
    ask = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-s", "-m", "10",
           "--unix-socket", daemon.socket, "-w", "%{http_code}", "-o", "/dev/null",
           "http://localhost/v1/jobs"]
    os.chmod(daemon.folder, 0o711)
    daemon.cert("server", "--renew")
    roles = read(daemon.config_file).replace("['@daemon']", "[nobody]")
    # A key that fits nothing; a file that cannot be opened, looked at after the certificates.
    daemon.cert("client", "--role", "viewer", "--name", "other")
    other = daemon.pems(os.path.join(daemon.conf, "rnx-config-other.yml"))[1].decode()
    key = "serverKey: |\n" + "".join(f"    {line}\n" for line in other.splitlines())
    for bad in (re.sub(r"serverKey: \|\n(    .*\n)+", key, roles),
                roles.replace(os.path.join(daemon.folder, "log"), "/proc/none/log")):
        if bad == roles:
            raise AssertionError("the same")
        put(daemon.config_file, bad)
        daemon.reload()
        has(daemon.log(), "reload failed, going on as before")
        same(subprocess.run(ask, check=True, stdout=subprocess.PIPE).stdout, b"403", "as before")
        same(ssl.get_server_certificate(("127.0.0.1", daemon.port)), before, "certificate")
    put(daemon.config_file, roles)
    daemon.reload()
    same(subprocess.run(ask, check=True, stdout=subprocess.PIPE).stdout, b"200", "the new roles")
    if ssl.get_server_certificate(("127.0.0.1", daemon.port)) == before:
        raise AssertionError("the old certificate")


@test
def a_second_signal_does_not_wait():
    daemon = Daemon(server_drainTimeout="600s").start()
    client = Client(daemon.channel())
    uuid = client.run("sleep", "1000")
    call = client.call("/joblet.JobService/GetJobLogs", timeout=600, uuid=uuid)
    daemon.process.send_signal(signal.SIGTERM)
    until("it is going", lambda: "no more calls" in daemon.log())
    same(daemon.stop(), 0)
    same(code_of(lambda: call)[0], "UNAVAILABLE")
    Client(daemon.start().channel()).job("StopJob", uuid=uuid, force=True)


@test
def a_reload_takes_roles_from_who_is_there():
    daemon = Daemon(security_local="{admin: [root]}").start()
    os.chmod(daemon.folder, 0o711)
    same(os.stat(daemon.socket).st_mode & 0o777, 0o600, "for root only")
    put(daemon.config_file, read(daemon.config_file).replace(
        "{admin: [root]}", "{admin: [root], developer: [nobody]}"))
    daemon.reload()
    same(os.stat(daemon.socket).st_mode & 0o777, 0o666, "for whoever has a role")
    code = ("import socket, sys\n"
            "sock = socket.socket(socket.AF_UNIX)\n"
            "sock.connect(sys.argv[1])\n"
            "for line in sys.stdin:\n"
            "    sock.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
            "    print(sock.recv(12)[9:].decode(), flush=True)\n"
            "    sock.recv(4096)\n")
    with subprocess.Popen(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           "/usr/bin/python3", "-c", code, daemon.socket], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        def ask():
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        same(ask(), "200", "with a role")
        put(daemon.config_file, read(daemon.config_file).replace(", developer: [nobody]", ""))
        daemon.reload()
        same(ask(), "", "without one")
        process.stdin.close()
    has(daemon.log(), "it may do nothing any more")


@test
def an_expired_certificate_is_refused_and_announced():
    daemon = Daemon().start()
    authority = os.path.join(daemon.conf, "ca")

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, cwd=daemon.folder,
                       stderr=subprocess.DEVNULL)

    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "old.key", "-out", "old.req",
            "-subj", "/OU=admin/CN=old")
    openssl("x509", "-req", "-in", "old.req", "-CA", os.path.join(authority, "ca.crt"), "-CAkey",
            os.path.join(authority, "ca.key"), "-set_serial", "7", "-days", "-1", "-out", "old.crt")
    parts = []
    for name in ("old.crt", "old.key", os.path.join(authority, "ca.crt")):
        with open(os.path.join(daemon.folder, name), "rb") as file:
            parts.append(file.read())
    has(handshake(daemon, parts), "expired")
    node = "".join(f"    {name}: |\n" + "".join(f"      {line}\n" for line in
                                               part.decode().splitlines())
                   for name, part in zip(("cert", "key", "ca"), parts))
    config = os.path.join(daemon.folder, "old.yml")
    put(config, f"version: \"3.0\"\nnodes:\n  default:\n    address: "
        f"127.0.0.1:{daemon.port}\n{node}")
    code, text = doctor(config)
    same(code, 1, text)
    if not re.search(r"\nmissing  node\.default +certificate ended at 20\S+Z\n +The node ", text):
        raise AssertionError(text)
    done = subprocess.run([RNX, "--config", config, "list"], check=False, stderr=subprocess.PIPE,
                          text=True)
    same(done.returncode, 4, done.stderr)
    has(done.stderr, "expired")
    put(daemon.config_file + ".old", re.sub(
        r"serverCert: \|\n(    .*\n)+", "serverCert: |\n" + "".join(
            f"    {line}\n" for line in parts[0].decode().splitlines()),
        re.sub(r"serverKey: \|\n(    .*\n)+", "serverKey: |\n" + "".join(
            f"    {line}\n" for line in parts[1].decode().splitlines()),
               read(daemon.config_file))))
    code, text = check(daemon.config_file + ".old")
    same(code, 1, text)
    has(text, "the certificate of the daemon ended at")
    daemon.cert("client", "--role", "viewer", "--name", "soon", "--days", "20")
    code, text = doctor(os.path.join(daemon.conf, "rnx-config-soon.yml"))
    same(code, 0, text)
    if not re.search(r"\nlimited  node\.default +certificate until 20\S+Z, \d+ days\n +Have ", text):
        raise AssertionError(text)
    code, text = doctor(os.path.join(daemon.conf, "rnx-config.yml"))
    same((code, len(re.findall(r"\nok +node\.(?:default|viewer) +certificate until ", text))), (0, 2),
         text)
    daemon.cert("server", "--renew", "--days", "5")
    daemon.reload()
    has(daemon.log(), "the certificate of the daemon ends in")
    has(check(daemon.config_file)[1], "renew it with")


@test
def local_users_come_in_by_who_they_are():
    daemon = Daemon(security_local="{admin: [root], viewer: [nobody, '@daemon']}").start()

    def ask(*prefix):
        done = subprocess.run(
            [*prefix, "curl", "-s", "-m", "10", "--unix-socket", daemon.socket, "-w",
             "\n%{http_code}", "http://localhost/v1/jobs"], check=False, stdout=subprocess.PIPE)
        return done.stdout.decode().rpartition("\n")[2]

    os.chmod(daemon.folder, 0o711)
    same(ask(), "200", "root")
    same(ask("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"), "200", "nobody")
    same(ask("setpriv", "--reuid=2", "--regid=1", "--clear-groups"), "200", "by its group")
    same(ask("setpriv", "--reuid=2", "--regid=2", "--groups=1"), "200", "by another group")
    same(ask("setpriv", "--reuid=2", "--regid=2", "--clear-groups"), "403", "somebody else")


@test
def a_daemon_for_local_users_needs_no_certificates():
    daemon = Daemon()
    put(daemon.config_file, read(daemon.config_file).split("security:")[0])
    daemon.start("--local-only", wait=False)
    until("the socket", lambda: os.path.exists(daemon.socket))
    done = subprocess.run(["curl", "-s", "--unix-socket", daemon.socket,
                           "http://localhost/healthz"], check=True, stdout=subprocess.PIPE)
    same(json.loads(done.stdout), {"status": "ok"})
    same(os.stat(daemon.socket).st_mode & 0o777, 0o600, "for root only")
    with socket.socket() as sock:
        sock.settimeout(2)
        if sock.connect_ex(("127.0.0.1", daemon.port)) == 0:
            raise AssertionError("it listens for others as well")
    same(daemon.stop(), 0)


@test
def every_change_is_in_the_audit():
    daemon = Daemon().start()
    client = Client(daemon.channel())
    uuid = client.run("echo", "secret-argument", environment={"A": "secret-value"})
    client.wait(uuid)
    code_of(client.run, "")
    code_of(client.job, "StopJob", uuid=uuid)
    client.job("DeleteJob", uuid=uuid)
    client.job("ListJobs")
    lines = [json.loads(line) for line in daemon.audit()]
    same([(line["call"].rsplit("/", 1)[1], line["result"]) for line in lines],
         [("RunJob", "OK"), ("RunJob", "INVALID_ARGUMENT"), ("StopJob", "FAILED_PRECONDITION"),
          ("DeleteJob", "OK")])
    first = lines[0]
    same((first["user"], first["role"], first["target"], first["detail"]),
         ("admin-test", "admin", uuid, "echo"))
    has(first["peer"], "127.0.0.1:")
    text = "\n".join(daemon.audit())
    if "secret" in text:
        raise AssertionError("a secret is in the audit")
    same(os.stat(os.path.join(daemon.state, "audit.log")).st_mode & 0o777, 0o600)
    os.rename(os.path.join(daemon.state, "audit.log"), os.path.join(daemon.state, "audit.old"))
    daemon.reload()
    client.run("true")
    same(len(daemon.audit()), 1, "a new file after a reload")


@test
def a_stop_lets_calls_end_and_jobs_go_on():
    daemon = Daemon(server_drainTimeout="600s").start()
    client = Client(daemon.channel())
    short = client.run("sh", "-c", "echo begin; sleep 1; echo over")
    long = client.run("sleep", "1000")
    stream = client.job("GetJobLogs", uuid=short)
    begin = next(stream).payload
    daemon.process.send_signal(signal.SIGTERM)
    same(begin + b"".join(chunk.payload for chunk in stream), b"begin\nover\n",
         "a stream ends by itself")
    # At once: nothing is under way.
    same(daemon.process.wait(PATIENCE), 0)
    daemon.process.stderr.close()
    daemon.start()
    client = Client(daemon.channel())
    same(client.job("GetJobStatus", uuid=long).status, "RUNNING", "the job went on")
    same(client.job("StopJob", uuid=long, force=True).status, "STOPPED")
    same(daemon.stop(), 0)


@test
def a_daemon_takes_over_what_rnx_alone_has_scheduled():
    daemon = Daemon()
    env = {**os.environ, "JOBLET_STATE_DIR": daemon.state}
    done = subprocess.run([RNX, "run", "--json", "--schedule=1s", "echo", "on time"], env=env,
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    has(done.stderr, "nobody is there to start it when its time comes: start a daemon that has "
        f"joblet.stateDir: {daemon.state} in its configuration")
    uuid = json.loads(done.stdout)["job_uuid"]
    client = Client(daemon.start().channel())
    same(client.wait(uuid).status, "COMPLETED")
    same(client.output(uuid), b"on time\n")


@test
def a_service_manager_is_told():
    daemon = Daemon()
    path = os.path.join(daemon.folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.settimeout(PATIENCE)
        os.environ.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="200000")
        try:
            daemon.start()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        seen = []

        def next_with(part):
            while True:
                seen.append(sock.recv(4096).decode())
                if part in seen[-1]:
                    return

        next_with("READY=1")
        next_with("WATCHDOG=1")
        daemon.process.send_signal(signal.SIGHUP)
        next_with("RELOADING=1\nMONOTONIC_USEC=")
        next_with("READY=1")
        daemon.process.send_signal(signal.SIGTERM)
        next_with("STOPPING=1")
    same(daemon.process.wait(PATIENCE), 0)
    daemon.process.stderr.close()


main()
