/* SPDX-License-Identifier: MIT */
/*
 * The description of a job behind jl_job_spec: everything checked and copied, nothing
 * resolved yet. Private to spawn/.
 */
#ifndef JL_SPAWN_SPEC_H
#define JL_SPAWN_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include <joblet/job.h>

#include "net/net.h"

struct jl__env {
	char *name;
	char *value;
	bool secret;
};

struct jl__spec_rlimit {
	int resource;
	uint64_t soft;
	uint64_t hard;
};

/* Default of jl_limits_set_pids() for jobs; not applied where there is no pids
 * controller. */
#define JL__PIDS_DEFAULT 4096

/* Beside the JL_NETWORK_ values: one that was made with jl_net_create(). */
#define JL__NETWORK_NAMED (-1)

struct jl_job_spec {
	char **args;
	uint32_t arg_count;
	size_t arg_bytes;
	struct jl__env *env;
	uint32_t env_count;
	size_t env_bytes;
	char *name;
	char *hostname;
	char *work_dir;
	uint32_t uid;
	uint32_t gid;
	int streams[3]; /* owned; -EBADF for /dev/null */
	jl_limits *limits;
	uint64_t timeout_usec;
	uint64_t tmp_bytes;
	uint64_t work_bytes;
	uint64_t shm_bytes;
	int network;
	bool network_set;   /* asked for, not the default */
	char *network_name; /* JL__NETWORK_NAMED only */
	struct jl__net_allow *allow;
	uint32_t allow_count;
	struct jl__net_publish *publish;
	uint32_t publish_count;
	uint64_t net_bps;
	int seccomp;
	bool init;
	int orphan;
	struct jl__spec_rlimit rlimits[RLIM_NLIMITS];
	uint32_t rlimit_count;
};

/* Room for one more element of a list; grows by doubling. 0 or -ENOMEM. */
int jl__spec_room(void **list, uint32_t count, size_t item);
/* As jl_job_spec_set_network_name() takes it. Static or the description's own. */
const char *jl__spec_network_name(const jl_job_spec *spec);
/* Whether its jobs are on a bridge, with an address. */
bool jl__spec_is_networked(const jl_job_spec *spec);
/* What the options of networks need; part of jl_job_spec_check(). */
int jl__spec_check_network(const jl_job_spec *spec, jl_error **err);
void jl__spec_network_done(jl_job_spec *spec);

#endif
