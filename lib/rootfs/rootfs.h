/* SPDX-License-Identifier: MIT */
/*
 * What a job sees: the root built from the host's tool folders, and what is added for
 * each job (proc, scratch folders, masks). Produces operations of plan/plan.h; mounts
 * nothing. Reads the host's /usr, /etc and /proc to find out what there is. Used by
 * spawn/.
 */
#ifndef JL_ROOTFS_ROOTFS_H
#define JL_ROOTFS_ROOTFS_H

#include <stdbool.h>
#include <stdint.h>

#include <joblet/error.h>

#include "plan/plan.h"

/* Operations and their texts under construction; becomes a struct jl__tree. */
struct jl__ops {
	struct jl__op *list;
	uint32_t count;
	char *text; /* starts with one NUL, so that offset 0 is the empty string */
	uint32_t text_len;
	int failed; /* 0 or -ENOMEM */
};

void jl__ops_done(struct jl__ops *ops);
/* Appends one operation; texts are copied, NULL is "". Remembers failures in ops. */
struct jl__op *jl__ops_add(struct jl__ops *ops, uint32_t type, const char *path,
			   const char *text);

struct jl__view {
	bool privileged;   /* device nodes can be made; otherwise the host's are shown */
	bool host_network; /* resolv.conf of the host */
	uint32_t uid;	   /* user with an entry of its own in /etc/passwd */
	uint32_t gid;
	const char *hostname;
	/* Host folder with hosts and resolv.conf, which change while the job runs; NULL
	 * without a network of ours. */
	const char *shown;
};

/*
 * The default view as a tree: equal views of an unchanged host give equal bytes. Released
 * with jl__free(). Codes: -ENOMEM, -ENOENT without /usr or the folder that is shown.
 */
int jl__view_compile(const struct jl__view *view, struct jl__tree **ret, jl_error **err);

/* Sizes of scratch folders; 0 is the kernel's default. */
struct jl__scratch {
	bool own_ids; /* the job's ids are nobody's on the host */
	uint64_t tmp_bytes;
	uint64_t work_bytes;
	uint64_t shm_bytes;
	bool work_on_disk;
};

/* What completes the root for one job. Returns 0 or -ENOMEM. */
int jl__view_complete(const struct jl__scratch *scratch, struct jl__ops *ops);

/* Name of an operation for people. */
const char *jl__op_name(uint32_t type);

#endif
