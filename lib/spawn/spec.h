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
	int seccomp;
	bool init;
	int orphan;
	struct jl__spec_rlimit rlimits[RLIM_NLIMITS];
	uint32_t rlimit_count;
};

#endif
