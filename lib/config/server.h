/* SPDX-License-Identifier: MIT */
/*
 * Configuration of the daemon: what /opt/joblet/config/joblet-config.yml and its keys
 * mean, with defaults, environment and bounds. Reads files; starts nothing.
 */
#ifndef JL_CONFIG_SERVER_H
#define JL_CONFIG_SERVER_H

#include "config/keys.h"

/* A network that is there from the start. */
struct jl__config_net {
	char *name, *cidr;
	struct jl__config_net *next;
};

struct jl__server_config {
	char *path; /* file it came from; NULL: built-in values only */
	unsigned int mode;
	struct jl__texts warnings, unused;

	/* server */
	char *address, *node_id, *socket, *socket_group;
	uint64_t port, max_connections, max_peer_connections, drain_usec;
	/* joblet; limits of jobs 0 = none */
	char *state_dir;
	uint64_t default_cpu, default_memory, default_io, default_disk;
	uint64_t min_cpu, min_memory, min_io;
	uint64_t max_cpu, max_memory, max_io, max_disk;
	uint64_t max_jobs, max_queue, max_scheduled, timeout_usec, grace_usec;
	uint64_t keep_jobs, keep_usec, log_bytes, upload_file_bytes, upload_job_bytes;
	/* cgroup */
	char *cgroup_base; /* "" = the daemon's own */
	/* network */
	bool network_enabled, allow_custom_networks, allow_host;
	char *default_network;
	uint64_t max_networks;
	struct jl__config_net *networks;
	/* grpc */
	bool strict_errors;
	uint64_t max_message_bytes, max_header_bytes, max_streams, upload_budget_bytes;
	uint64_t ping_usec, ping_timeout_usec, handshake_usec, idle_usec;
	/* logging */
	char *log_level, *log_format, *log_output;
	/* security */
	char *server_cert, *server_key, *ca_cert, *crl, *audit_file;
	bool audit;
	struct jl__texts
		local[4]; /* users and @groups: admin, maintainer, developer, viewer */
};

/* Place of jl__server_config_find() when there is no file anywhere. */
#define JL__SERVER_CONFIG_BUILTIN ""

/*
 * The file that would be read: path when given, $JOBLET_CONFIG_PATH, or the first that is
 * there of /opt/joblet/config, ./config, . and /etc/joblet. Returns it, allocated, or ""
 * for none; NULL when memory is short.
 */
char *jl__server_config_find(const char *path);

/*
 * Reads it (NULL or "": built-in values), then the environment. Returns 0 or a negative
 * errno with a sentence. *ret is released with jl__server_config_free().
 */
int jl__server_config_load(const char *path, struct jl__server_config **ret,
			   char error[JL__CONFIG_ERROR_MAX]);
/* The same for text, without the environment. */
int jl__server_config_parse(const char *name, const char *text, size_t len,
			    struct jl__server_config **ret,
			    char error[JL__CONFIG_ERROR_MAX]);
void jl__server_config_free(struct jl__server_config *config);

#endif
