#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Networks on the command line, in a network namespace of the test's own."""

import shutil

from cli import MUST_RUN, ROOT, failed, good, good_json, main, rnx, same, start, submit, test, until


def table():
    """Rows of network list, each as its cells."""
    return [line.split(None, 3) for line in good("network", "list").splitlines()]


def names():
    """Names of the networks in their order."""
    return [network["name"] for network in good_json("network", "list")["networks"]]


def clear():
    """No job runs, no network of ours is left."""
    for row in good_json("list", "--status=RUNNING,PENDING,INITIALIZING"):
        good("stop", row["uuid"], "--force")
    for network in good_json("network", "list")["networks"]:
        if not network["builtin"]:
            good("network", "remove", network["name"])


def ready(number):
    """Waits until a job has said so."""
    until("it is ready", lambda: "ready" in good("log", number, "--no-follow"))


@test
def the_networks_there_are_by_themselves():
    clear()
    same(good("network", "list"),
         "NAME      CIDR           BRIDGE   JOBS\n"
         "none      N/A            N/A      0 (built-in)\n"
         "isolated  N/A            N/A      0 (built-in)\n"
         "bridge    172.20.0.0/16  joblet0  0 (built-in)\n")


@test
def a_network_is_made_used_and_removed():
    clear()
    same(good("network", "create", "backend", "--cidr=10.77.0.0/24"),
         "Network created successfully:\nName: backend\nCIDR: 10.77.0.0/24\n"
         "Bridge: joblet-backend\n\nUse it: rnx run --network=backend COMMAND\n")
    same(table()[-1], ["backend", "10.77.0.0/24", "joblet-backend", "0"])
    number = submit("--network=backend", "--name=api", "sh", "-c", "echo ready; exec sleep 1000")
    same(table()[-1][3], "1")
    status = good_json("status", number)
    same((status["network"], status["address"]), ("backend", "10.77.0.2"))
    assert "\nNetwork Configuration:\n  Network: backend\n  Address: 10.77.0.2\n" in good(
        "status", number)
    text = failed(1, "network", "remove", "backend")
    assert text.startswith("Failed to remove network: ") and "1 job" in text, text
    good("stop", "--force", number)
    same(good("network", "remove", "backend"), "Network 'backend' removed successfully\n")
    same(names(), ["none", "isolated", "bridge"])


@test
def a_network_as_json():
    clear()
    made = {"name": "n1", "cidr": "10.78.0.0/29", "bridge": "joblet-n1", "builtin": False,
            "job_count": 0}
    same(good_json("network", "create", "n1", "10.78.0.0/29"), made)
    networks = good_json("network", "list")["networks"]
    same(networks[-1], made)
    same([network["builtin"] for network in networks], [True, True, True, False])
    same(good_json("network", "remove", "n1"), {"success": True, "name": "n1"})


@test
def jobs_of_a_network_find_each_other_by_name():
    if not shutil.which("bash"):
        return
    clear()
    good("network", "create", "pair", "--cidr=10.79.0.0/24")
    server = submit("--network=pair", "--name=api", "python3", "-c",
                    "import socket; s = socket.create_server(('', 8080)); print('ready', "
                    "flush=True); c, _ = s.accept(); c.sendall(b'hello from api\\n'); c.close()")
    ready(server)
    result = rnx("run", "--network=pair", "bash", "-c", "exec 3<>/dev/tcp/api/8080; cat <&3")
    same((result.returncode, result.stdout), (0, b"hello from api\n"), result.stderr)
    same(rnx("wait", server).returncode, 0)


@test
def jobs_are_on_the_bridge_unless_told_otherwise():
    clear()
    job = start("run", "sh", "-c", "echo $JOB_NETWORK; exec sleep 1000")
    same(job.stdout.readline(), b"bridge\n")
    same([row[3] for row in table() if row[0] == "bridge"], ["1 (built-in)"])
    job.kill()
    for network in ("none", "isolated", "host", "bridge"):
        same(good("run", f"--network={network}", "sh", "-c", "echo $JOB_NETWORK"), f"{network}\n")
    same(good("run", "-i", "sh", "-c", "echo $JOB_NETWORK"), "bridge\n")


@test
def what_cannot_be_a_network_is_told():
    clear()
    good("network", "create", "there", "10.80.0.0/24")
    for name, cidr, code in (("there", "10.81.0.0/24", 1), ("other", "10.80.0.0/25", 1),
                             ("other", "10.80.0.1/24", 2), ("other", "10.80.0.0/31", 2),
                             ("other", "127.0.0.0/8", 2), ("other", "224.0.0.0/8", 2),
                             ("other", "fd00::/64", 2), ("other", "x", 2), ("a/b", "10.81.0.0/24", 2),
                             ("x" * 33, "10.81.0.0/24", 2), ("-x", "10.81.0.0/24", None)):
        if code is None:
            same(rnx("network", "create", name, cidr).returncode, 2)
            continue
        text = failed(code, "network", "create", name, cidr)
        assert len(text) > 20, text
    same(names(), ["none", "isolated", "bridge", "there"])
    assert "nowhere" in failed(3, "network", "remove", "nowhere")
    failed(2, "network", "remove", "bridge")
    result = rnx("run", "--network=nowhere", "true")
    same((result.returncode, result.stdout), (1, b""))
    assert b"nowhere" in result.stderr, result.stderr


if not ROOT:
    print("1..0 # SKIP networks need root")
elif rnx("doctor").returncode != 0 and not MUST_RUN:
    print("1..0 # SKIP no job can be run here: see rnx doctor")
else:
    main()
