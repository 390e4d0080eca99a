# SPDX-License-Identifier: MIT
"""Every method for every role: a viewer can only look, an unknown role can do nothing."""

import os
import subprocess

from served import Client, Daemon, code_of, grpc, has, main, messages, same, test

# Who may at least. Written by hand from the manual, not taken from the daemon's own table.
ADMIN, MAINTAINER, DEVELOPER, VIEWER = 3, 2, 1, 0
NEEDS = {
    "/joblet.JobService/RunJob": DEVELOPER,
    "/joblet.JobService/GetJobStatus": VIEWER,
    "/joblet.JobService/StopJob": DEVELOPER,
    "/joblet.JobService/CancelJob": DEVELOPER,
    "/joblet.JobService/DeleteJob": DEVELOPER,
    "/joblet.JobService/DeleteAllJobs": DEVELOPER,
    "/joblet.JobService/GetJobLogs": VIEWER,
    "/joblet.JobService/ListJobs": VIEWER,
    "/joblet.JobService/StreamJobMetrics": VIEWER,
    "/joblet.JobService/GetJobMetrics": VIEWER,
    "/joblet.JobService/StreamJobTelematics": VIEWER,
    "/joblet.JobService/GetJobTelematics": VIEWER,
    "/joblet.NetworkService/CreateNetwork": MAINTAINER,
    "/joblet.NetworkService/ListNetworks": VIEWER,
    "/joblet.NetworkService/RemoveNetwork": ADMIN,
    "/joblet.VolumeService/CreateVolume": MAINTAINER,
    "/joblet.VolumeService/ListVolumes": VIEWER,
    "/joblet.VolumeService/RemoveVolume": ADMIN,
    "/joblet.MonitoringService/GetSystemStatus": VIEWER,
    "/joblet.MonitoringService/StreamSystemMetrics": VIEWER,
    "/joblet.RuntimeService/ListRuntimes": VIEWER,
    "/joblet.RuntimeService/GetRuntimeInfo": VIEWER,
    "/joblet.RuntimeService/TestRuntime": DEVELOPER,
    "/joblet.RuntimeService/RemoveRuntime": ADMIN,
    "/joblet.RuntimeService/BuildRuntime": MAINTAINER,
    "/joblet.RuntimeService/ValidateRuntimeYAML": MAINTAINER,
    "/joblet.x.v1.JobExtension/Submit": DEVELOPER,
    "/joblet.x.v1.JobExtension/List": VIEWER,
    "/joblet.x.v1.JobExtension/Signal": DEVELOPER,
    "/joblet.x.v1.JobExtension/Wait": VIEWER,
    "/joblet.x.v1.JobExtension/Who": VIEWER,
}
ROLES = {"admin": ADMIN, "maintainer": MAINTAINER, "developer": DEVELOPER, "viewer": VIEWER}
# What is in the table for its role and has no code yet.
LATER = ("Metrics", "Telematics", "Volume", "Runtime")

daemon = Daemon().start()


def certificate(*units, name="made"):
    """A certificate of the daemon's authority with any units, made by another program."""
    folder = os.path.join(daemon.folder, "made-" + "-".join(units or ("none",)))
    os.makedirs(folder, exist_ok=True)
    subject = "/O=Elsewhere" + "".join(f"/OU={unit}" for unit in units) + f"/CN={name}"
    authority = os.path.join(daemon.conf, "ca")

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, cwd=folder, stderr=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    # One key for all of them: to make one takes as long as all the rest.
    key = os.path.join(daemon.folder, "made.key")
    if not os.path.exists(key):
        openssl("genrsa", "-out", key, "2048")
    openssl("req", "-new", "-key", key, "-out", "req", "-subj", subject)
    # Version 1, without extensions: as the clients of the original have them.
    openssl("x509", "-req", "-in", "req", "-CA", os.path.join(authority, "ca.crt"), "-CAkey",
            os.path.join(authority, "ca.key"), "-set_serial", "77", "-days", "1", "-out", "cert")
    parts = []
    for name in ("cert", key, os.path.join(authority, "ca.crt")):
        with open(os.path.join(folder, name), "rb") as file:
            parts.append(file.read())
    return tuple(parts)


def attempt(client, path):
    """Calls a method with nothing in the request."""
    _, _, client_streams, _ = messages.method(path)
    if client_streams:
        return code_of(client.send, path, [{}])
    return code_of(client.call, path)


@test
def every_method_is_in_the_table_of_this_test():
    same(sorted(messages.paths()), sorted(NEEDS), "methods")


@test
def every_method_asks_every_role():
    for role, level in ROLES.items():
        client = Client(daemon.channel(role))
        for path, needed in NEEDS.items():
            code, text = attempt(client, path)
            if level >= needed:
                if code in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
                    raise AssertionError(f"{role} {path}: {code} {text}")
                method = path.rsplit("/", 1)[1]
                if any(word in method for word in LATER) and "System" not in method:
                    same(code, "UNIMPLEMENTED", path)
            else:
                same(code, "PERMISSION_DENIED", f"{role} {path}")
                has(text, f"role {role} is not allowed to perform operation ")


@test
def an_unknown_role_can_do_nothing():
    for units in ((), ("guest",), ("administrator",), ("Server",), ("admin2", "view")):
        client = Client(daemon.channel(credentials=certificate(*units)))
        for path in NEEDS:
            code, text = attempt(client, path)
            same(code, "PERMISSION_DENIED", f"{units} {path}")
            has(text, "role unknown is not allowed")


@test
def the_certificate_of_the_daemon_is_no_clients():
    with open(daemon.config_file, encoding="utf-8") as file:
        text = file.read()
    found = []
    for key in ("serverCert", "serverKey", "caCert"):
        lines = text[text.index(f"  {key}: |\n"):].splitlines()[1:]
        pem = []
        for line in lines:
            if not line.startswith("    "):
                break
            pem.append(line.strip())
        found.append("\n".join(pem).encode() + b"\n")
    client = Client(daemon.channel(credentials=tuple(found)))
    code, _ = code_of(client.job, "ListJobs")
    if code == "OK":
        raise AssertionError("the daemon's own certificate may list jobs")


@test
def roles_count_over_all_units_and_in_any_case():
    for units, role in ((("eng", "VIEWER"), "viewer"), (("Reader",), "viewer"),
                        (("x", "Developer", "admin"), "developer"), (("ADMIN",), "admin")):
        client = Client(daemon.channel(credentials=certificate(*units)))
        reply = client.call("/joblet.x.v1.JobExtension/Who")
        same((reply.role, reply.name), (role, "made"), units)


@test
def local_users_are_asked_as_well():
    other = Daemon(security_local="{admin: [root], viewer: [nobody]}").start()
    os.chmod(other.folder, 0o711)
    for user, level in ((0, ADMIN), (65534, VIEWER), (4711, None)):
        channel = grpc.insecure_channel(f"unix:{other.socket}",
                                        options=[("grpc.use_local_subchannel_pool", 1),
                                                 ("grpc.default_authority", "localhost")])
        # The kernel says who it was that connected.
        os.setegid(user)
        os.seteuid(user)
        try:
            grpc.channel_ready_future(channel).result(20)
        finally:
            os.seteuid(0)
            os.setegid(0)
        for path, needed in NEEDS.items():
            code, text = attempt(Client(channel), path)
            same(code == "PERMISSION_DENIED", level is None or level < needed,
                 f"user {user} {path}: {code} {text}")
        channel.close()


def curl(credentials, path, *args):
    """(HTTP status, body) of a request."""
    files = []
    for number, text in enumerate(credentials):
        files.append(os.path.join(daemon.folder, f"curl{number}"))
        with open(files[-1], "wb") as file:
            file.write(text)
    done = subprocess.run(
        ["curl", "-s", "-m", "10", "-o", "-", "-w", "\n%{http_code}", "--cert", files[0], "--key",
         files[1], "--cacert", files[2], *args, f"https://127.0.0.1:{daemon.port}{path}"],
        check=False, stdout=subprocess.PIPE)
    body, _, status = done.stdout.decode().rpartition("\n")
    return int(status), body


@test
def plain_http_asks_for_the_role_as_well():
    uuid = Client(daemon.channel()).run("echo", "hello")
    viewer, guest = daemon.credentials("viewer"), certificate("guest")
    for version in ("--http1.1", "--http2"):
        # All routes there are: tests/unit/test_daemon_roles.c knows of no other.
        for path in ("/healthz", "/v1/jobs", f"/v1/jobs/{uuid}", f"/v1/jobs/{uuid}/log"):
            same(curl(viewer, path, version)[0], 200, f"viewer {version} {path}")
            status, body = curl(guest, path, version)
            same(status, 403, f"guest {version} {path}")
            if "hello" in body or uuid in body:
                raise AssertionError(body)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, _ = curl(daemon.credentials("admin"), f"/v1/jobs/{uuid}", version, "-X", method)
            if status < 400:
                raise AssertionError(f"{method} {version}: {status}")
    same(Client(daemon.channel()).job("GetJobStatus", uuid=uuid).uuid, uuid, "the job is there")


@test
def what_was_refused_is_in_the_audit():
    lines = [line for line in daemon.audit() if '"result":"PERMISSION_DENIED"' in line]
    calls = [line for line in lines if '"role":"viewer"' in line and '/RunJob"' in line]
    if not calls or '"user":"viewer-test"' not in calls[0]:
        raise AssertionError(f"no line for the viewer's RunJob among {len(lines)}")


@test
def the_network_of_the_host_is_for_admins_where_it_is_allowed():
    other = Daemon(network_allowHost="true").start()
    code, text = code_of(Client(daemon.channel()).run, "true", network="host")
    same(code, "FAILED_PRECONDITION", text)
    has(text, "network.allowHost")
    for role in ("developer", "maintainer"):
        code, text = code_of(Client(other.channel(role)).run, "true", network="host")
        same(code, "PERMISSION_DENIED", role)
    uuid = Client(other.channel()).run("true", network="host")
    same(Client(other.channel()).wait(uuid).status, "COMPLETED", "job on the host's network")


@test
def no_seccomp_is_for_admins():
    client = Client(daemon.channel("developer"))
    code, _ = code_of(client.run, "true", options={"seccomp": "off"})
    same(code, "PERMISSION_DENIED", "developer")
    same(code_of(client.run, "true", options={"seccomp": "strict"})[0], "OK", "strict")
    same(code_of(Client(daemon.channel()).run, "true", options={"seccomp": "off"})[0], "OK",
         "admin")


main()
