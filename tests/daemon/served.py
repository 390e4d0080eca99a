# SPDX-License-Identifier: MIT
"""What the tests of the daemon share: one to talk to, gRPC messages without generated code, TAP."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

# Beside this folder.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
# pylint: disable-next=wrong-import-position,unused-import
from script import MUST_RUN, PATIENCE, Skip, private_network, run, same, test, until

if os.geteuid() == 0:
    private_network()

BUILD = os.environ.get("JOBLET_BUILD_DIR", "build")
SOURCE = os.environ.get("JOBLET_SOURCE_DIR", ".")
JOBLET = os.path.join(BUILD, "daemon", "joblet")
RNX = os.path.join(BUILD, "rnx", "rnx")

# grpcio tells of refused handshakes on stderr, which some tests are about.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

# The distribution's interpreter has the distribution's grpcio; another one may stand in front.
try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ImportError:
    if sys.executable != "/usr/bin/python3" and os.access("/usr/bin/python3", os.X_OK):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    print("1..0 # SKIP python3-grpcio and python3-protobuf are not installed")
    sys.exit(1 if MUST_RUN else 0)

cleanups = []


def has(text, part):
    """Fails when a text lacks a part."""
    if part not in text:
        raise AssertionError(f"{part!r} is not in {text!r}")


# ---- messages ----


class Messages:
    """Message classes by full name, from the project's own .proto files."""

    def __init__(self):
        folder = tempfile.mkdtemp(prefix="joblet-proto-")
        try:
            path = os.path.join(folder, "all")
            subprocess.run(
                ["protoc-c", "--proto_path=" + os.path.join(SOURCE, "proto"), "--include_imports",
                 "--descriptor_set_out=" + path, "joblet.proto", "joblet_ext.proto"],
                check=True, stdout=subprocess.DEVNULL)
            with open(path, "rb") as file:
                files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
        finally:
            shutil.rmtree(folder)
        self.pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self.pool.Add(file)
        self.factory = message_factory.MessageFactory(self.pool)
        self.services = {f"{file.package}.{service.name}": service
                         for file in files.file for service in file.service}

    def of(self, name):
        """Class of a message by its full name."""
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name.lstrip(".")))

    def method(self, path):
        """(request class, reply class, client streams, server streams) of "/service/method"."""
        _, service, name = path.split("/")
        for method in self.services[service].method:
            if method.name == name:
                return (self.of(method.input_type), self.of(method.output_type),
                        method.client_streaming, method.server_streaming)
        raise KeyError(path)

    def paths(self):
        """Every method there is."""
        return [f"/{service}/{method.name}" for service, description in self.services.items()
                for method in description.method]


messages = Messages()


# ---- a daemon ----


def free_port():
    """A port nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Daemon:
    """A joblet with a state, certificates and sockets of its own."""

    def __init__(self, **config):
        self.folder = tempfile.mkdtemp(prefix="joblet-test-")
        cleanups.append(self.close)
        self.conf = os.path.join(self.folder, "conf")
        self.state = os.path.join(self.folder, "state")
        self.socket = os.path.join(self.folder, "joblet.sock")
        self.port = free_port()
        self.process = None
        self.channels = []
        self.cert("init", "--address", "127.0.0.1", "--port", str(self.port))
        self.config_file = os.path.join(self.conf, "joblet-config.yml")
        self.configure(**config)

    def cert(self, *args, check=True):
        """Runs joblet cert on this daemon's folder."""
        done = subprocess.run([JOBLET, "cert", *args, "--dir", self.conf], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if check and done.returncode:
            raise AssertionError(f"joblet cert {args}: {done.stderr}")
        return done

    def configure(self, **config):
        """Writes the keys that matter; section_key=value adds to them."""
        with open(self.config_file, encoding="utf-8") as file:
            text = file.read()
        security = text[text.index("\nsecurity:"):]
        sections = {
            "server": {"address": "127.0.0.1", "port": self.port, "socket": self.socket,
                       "drainTimeout": "2s"},
            "joblet": {"stateDir": self.state, "maxConcurrentJobs": 50, "defaultCpuLimit": 0,
                       "defaultMemoryLimit": 0},
            "network": {"defaultNetwork": "none"},
            "logging": {"level": "debug", "output": os.path.join(self.folder, "log")},
        }
        for name, value in config.items():
            section, key = name.split("_", 1)
            sections.setdefault(section, {})[key] = value
        extra = sections.pop("security", {})
        lines = ["version: \"3.0\""]
        for section, keys in sections.items():
            lines.append(f"{section}:")
            lines += [f"  {key}: {value}" for key, value in keys.items()]
        security = security.rstrip("\n") + "\n" + "".join(
            f"  {key}: {value}\n" for key, value in extra.items())
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + security)

    def start(self, *args, wait=True):
        """Starts it and waits until it answers."""
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("JOBLET_CONFIG")}
        self.process = subprocess.Popen(
            [JOBLET, "--config", self.config_file, *args], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if wait:
            until("the daemon listens", self.is_up)
        return self

    def is_up(self):
        """Whether it listens; raises when it has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.process.stderr.read().decode()}\n"
                                 f"{self.log()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def stop(self, number=signal.SIGTERM, seconds=PATIENCE):
        """Stops it; returns the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        self.process.stderr.close()
        return status

    def reload(self):
        """SIGHUP, and waits until the log tells of it."""
        before = self.log().count("reload")
        self.process.send_signal(signal.SIGHUP)
        until("reload", lambda: self.log().count("reload") > before)

    def log(self):
        """What it has logged."""
        try:
            with open(os.path.join(self.folder, "log"), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def audit(self):
        """Lines of the audit, as text."""
        with open(os.path.join(self.state, "audit.log"), encoding="utf-8") as file:
            return file.read().splitlines()

    def credentials(self, role, name=None):
        """(certificate, key, authority) of a client with this role, made when needed."""
        name = name or f"{role}-test"
        path = os.path.join(self.conf, f"rnx-config-{name}.yml")
        if not os.path.exists(path):
            self.cert("client", "--role", role, "--name", name)
        return self.pems(path)

    def pems(self, path, node="default"):
        """PEM texts of a node in a client's configuration."""
        found = {}
        key = None
        inside = False
        with open(path, encoding="utf-8") as file:
            for line in file.read().splitlines():
                if line.startswith("  ") and not line.startswith("   "):
                    inside = line.strip() == f'"{node}":'
                elif inside and line.startswith("    ") and not line.startswith("     "):
                    key = line.strip().split(":")[0]
                    found[key] = ""
                elif inside and key and line.startswith("      "):
                    found[key] += line.strip() + "\n"
        return found["cert"].encode(), found["key"].encode(), found["ca"].encode()

    def channel(self, role="admin", credentials=None):
        """An open channel by mutual TLS."""
        cert, key, authority = credentials or self.credentials(role)
        channel = grpc.secure_channel(
            f"127.0.0.1:{self.port}",
            grpc.ssl_channel_credentials(authority, key, cert),
            options=[("grpc.use_local_subchannel_pool", 1)])
        self.channels.append(channel)
        return channel

    def close(self):
        """Ends it and everything of it."""
        for channel in self.channels:
            channel.close()
        if self.process and self.process.poll() is None:
            try:
                self.channels = []
                Client(self.channel()).end_all()
            except Exception:  # pylint: disable=broad-except
                pass
            for channel in self.channels:
                channel.close()
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Client:
    """Calls by path, messages by keyword."""

    def __init__(self, channel):
        self.channel = channel

    def call(self, path, timeout=PATIENCE, **fields):
        """A call with one request; replies come as one message, or as an iterator."""
        request, reply, client_streams, server_streams = messages.method(path)
        if client_streams:
            raise ValueError(path)
        kind = self.channel.unary_stream if server_streams else self.channel.unary_unary
        call = kind(path, request_serializer=request.SerializeToString,
                    response_deserializer=reply.FromString)
        return call(request(**fields), timeout=timeout)

    def send(self, path, parts, timeout=PATIENCE):
        """A call with a stream of requests; parts are keyword dictionaries."""
        request, reply, _, _ = messages.method(path)
        call = self.channel.stream_unary(path, request_serializer=request.SerializeToString,
                                         response_deserializer=reply.FromString)
        return call((request(**part) for part in parts), timeout=timeout)

    def job(self, method, timeout=PATIENCE, **fields):
        """A call of joblet.JobService."""
        return self.call("/joblet.JobService/" + method, timeout, **fields)

    def run(self, *words, **fields):
        """Starts a job; returns its UUID."""
        return self.job("RunJob", command=words[0], args=words[1:], **fields).job_uuid

    def wait(self, uuid, timeout=PATIENCE):
        """Waits until a job has ended."""
        return self.call("/joblet.x.v1.JobExtension/Wait", timeout, uuid=uuid)

    def output(self, uuid, timeout=PATIENCE, **fields):
        """All output of a job, to its end."""
        return b"".join(chunk.payload
                        for chunk in self.job("GetJobLogs", timeout, uuid=uuid, **fields))

    def end_all(self):
        """Stops every job, and forgets it."""
        for job in self.job("ListJobs").jobs:
            if job.status in ("RUNNING", "INITIALIZING", "SCHEDULED", "PENDING"):
                try:
                    self.job("StopJob", uuid=job.uuid, force=True)
                except grpc.RpcError:
                    pass


def code_of(function, *args, **fields):
    """Name of the status a call ends with, and its text; iterators are read to their end."""
    try:
        result = function(*args, **fields)
        if hasattr(result, "__next__"):
            for _ in result:
                pass
        return "OK", ""
    except grpc.RpcError as error:
        return error.code().name, error.details()


def main():
    """Runs what was marked, or what the command line names of it."""
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(1 if MUST_RUN else 0)
    failed = run()
    if failed and os.environ.get("JOBLET_TEST_LOG"):
        for cleanup in cleanups:
            print(cleanup.__self__.log(), file=sys.stderr)
    for cleanup in reversed(cleanups):
        cleanup()
    sys.exit(1 if failed else 0)
