/* SPDX-License-Identifier: MIT */
/* Every key of the daemon's configuration, those of the original without a use here
 * included: they are checked, so that a typing error shows, and change nothing. */
#include <stddef.h>

#include "config/server-priv.h"

#define AT(member) offsetof(struct jl__server_config, member)

#define TEXT(path, at)                 \
	{                              \
		path, JL__KEY_TEXT, at \
	}
#define FILE_PATH(path, at)            \
	{                              \
		path, JL__KEY_PATH, at \
	}
#define PEM(path, at)                 \
	{                             \
		path, JL__KEY_PEM, at \
	}
#define BOOL(path, at)                 \
	{                              \
		path, JL__KEY_BOOL, at \
	}
#define NUMBER(path, at, min, max)                 \
	{                                          \
		path, JL__KEY_NUMBER, at, min, max \
	}
#define BYTES(path, at, scale)                       \
	{                                            \
		path, JL__KEY_BYTES, at, 0, 0, scale \
	}
#define SPAN(path, at, min, max)                 \
	{                                        \
		path, JL__KEY_SPAN, at, min, max \
	}
#define TEXTS(path, at)                 \
	{                               \
		path, JL__KEY_TEXTS, at \
	}
#define TREE(path)                                 \
	{                                          \
		path, JL__KEY_TREE, JL__KEY_UNUSED \
	}
#define CHOICE(path, at, words)                          \
	{                                                \
		path, JL__KEY_CHOICE, at, 0, 0, 0, words \
	}

#define NO JL__KEY_UNUSED
#define MIB (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000)
#define YEAR (366 * 86400 * SECOND)
#define CPU_MAX 1000000

const struct jl__key jl__server_keys[] = {
	TEXT("version", NO),

	TEXT("server.address", AT(address)),
	NUMBER("server.port", AT(port), 1, 65535),
	CHOICE("server.mode", NO, "server"),
	TEXT("server.nodeId", AT(node_id)),
	SPAN("server.timeout", NO, 0, 0),
	CHOICE("server.minTlsVersion", NO, "1.3"),
	FILE_PATH("server.socket", AT(socket)),
	TEXT("server.socketGroup", AT(socket_group)),
	NUMBER("server.maxConnections", AT(max_connections), 1, 100000),
	NUMBER("server.maxConnectionsPerPeer", AT(max_peer_connections), 1, 100000),
	SPAN("server.drainTimeout", AT(drain_usec), 0, 3600 * SECOND),

	NUMBER("joblet.defaultCpuLimit", AT(default_cpu), 0, CPU_MAX),
	BYTES("joblet.defaultMemoryLimit", AT(default_memory), MIB),
	BYTES("joblet.defaultIoLimit", AT(default_io), 1),
	BYTES("joblet.defaultDiskLimit", AT(default_disk), MIB),
	NUMBER("joblet.minCpuLimit", AT(min_cpu), 0, CPU_MAX),
	NUMBER("joblet.maxCpuLimit", AT(max_cpu), 0, CPU_MAX),
	BYTES("joblet.minMemoryLimit", AT(min_memory), MIB),
	BYTES("joblet.maxMemoryLimit", AT(max_memory), MIB),
	BYTES("joblet.minIoLimit", AT(min_io), 1),
	BYTES("joblet.maxIoLimit", AT(max_io), 1),
	BYTES("joblet.maxDiskLimit", AT(max_disk), MIB),
	NUMBER("joblet.maxConcurrentJobs", AT(max_jobs), 0, 100000),
	NUMBER("joblet.maxQueuedJobs", AT(max_queue), 0, 1000000),
	NUMBER("joblet.maxScheduledJobs", AT(max_scheduled), 0, 1000000),
	SPAN("joblet.jobTimeout", AT(timeout_usec), 0, YEAR),
	SPAN("joblet.stopTimeout", AT(grace_usec), 0, 3600 * SECOND),
	SPAN("joblet.cleanupTimeout", NO, 0, 0),
	BOOL("joblet.validateCommands", NO),
	TEXTS("joblet.allowedCommands", NO),
	NUMBER("joblet.keepJobs", AT(keep_jobs), 0, 10000000),
	SPAN("joblet.keepFor", AT(keep_usec), 0, 100 * YEAR),
	BYTES("joblet.logLimit", AT(log_bytes), MIB),
	BYTES("joblet.uploadFileLimit", AT(upload_file_bytes), MIB),
	BYTES("joblet.uploadLimit", AT(upload_job_bytes), MIB),
	FILE_PATH("joblet.stateDir", AT(state_dir)),
	TREE("joblet.isolation"),

	FILE_PATH("cgroup.baseDir", AT(cgroup_base)),
	FILE_PATH("cgroup.namespaceMount", NO),
	TEXTS("cgroup.enableControllers", NO),
	SPAN("cgroup.cleanupTimeout", NO, 0, 0),

	FILE_PATH("filesystem.baseDir", NO),
	FILE_PATH("filesystem.tmpDir", NO),
	FILE_PATH("filesystem.workspaceDir", NO),
	TEXTS("filesystem.allowedMounts", NO),
	BOOL("filesystem.blockDevices", NO),

	BYTES("grpc.maxRecvMsgSize", AT(max_message_bytes), 1),
	BYTES("grpc.maxSendMsgSize", NO, 1),
	BYTES("grpc.maxHeaderListSize", AT(max_header_bytes), 1),
	NUMBER("grpc.maxConcurrentStreams", AT(max_streams), 1, 1000),
	BYTES("grpc.uploadBudget", AT(upload_budget_bytes), 1),
	SPAN("grpc.keepAliveTime", AT(ping_usec), 0, 86400 * SECOND),
	SPAN("grpc.keepAliveTimeout", AT(ping_timeout_usec), 0, 86400 * SECOND),
	SPAN("grpc.connectionTimeout", AT(handshake_usec), SECOND, 600 * SECOND),
	SPAN("grpc.maxConnectionIdle", AT(idle_usec), 0, 86400 * SECOND),
	SPAN("grpc.maxConnectionAge", NO, 0, 0),
	SPAN("grpc.maxConnectionAgeGrace", NO, 0, 0),
	BOOL("grpc.strictErrors", AT(strict_errors)),

	CHOICE("logging.level", AT(log_level), "debug|info|warn|warning|error"),
	CHOICE("logging.format", AT(log_format), "text|json"),
	TEXT("logging.output", AT(log_output)),

	BOOL("network.enabled", AT(network_enabled)),
	TEXT("network.defaultNetwork", AT(default_network)),
	BOOL("network.allowCustomNetworks", AT(allow_custom_networks)),
	BOOL("network.allowHost", AT(allow_host)),
	NUMBER("network.maxCustomNetworks", AT(max_networks), 0, 100000),
	FILE_PATH("network.stateDir", NO),
	FILE_PATH("network.storage.path", NO),
	TREE("network.networks"),
	TREE("network.dns"),
	TREE("network.trafficControl"),

	TREE("buffers"),
	FILE_PATH("volumes.basePath", NO),
	BYTES("volumes.defaultDiskQuotaBytes", NO, 1),
	BOOL("monitoring.enabled", NO),
	SPAN("monitoring.systemInterval", NO, 0, 0),
	SPAN("monitoring.processInterval", NO, 0, 0),
	BOOL("monitoring.cloudDetection", NO),
	FILE_PATH("runtime.basePath", NO),
	TEXTS("runtime.commonPaths", NO),
	BOOL("gpu.enabled", NO),
	TEXTS("gpu.cudaPaths", NO),
	CHOICE("gpu.allocationStrategy", NO, "first-fit|pack|spread|best-fit"),
	TREE("ipc"),
	TREE("persist"),
	TREE("state"),

	PEM("security.serverCert", AT(server_cert)),
	PEM("security.serverKey", AT(server_key)),
	PEM("security.caCert", AT(ca_cert)),
	PEM("security.revoked", AT(crl)),
	BOOL("security.audit.enabled", AT(audit)),
	FILE_PATH("security.audit.logFile", AT(audit_file)),
	CHOICE("security.defaultRole", NO, "none"),
	TEXTS("security.local.admin", AT(local[0])),
	TEXTS("security.local.maintainer", AT(local[1])),
	TEXTS("security.local.developer", AT(local[2])),
	TEXTS("security.local.viewer", AT(local[3])),
};

const size_t jl__server_key_count = sizeof(jl__server_keys) / sizeof(*jl__server_keys);
