/* SPDX-License-Identifier: MIT */
#ifndef JL_NODE_SUBMISSION_H
#define JL_NODE_SUBMISSION_H

#include "node/node.h"
#include "node/uuid.h"
#include "upload/upload.h"

struct jl_submission {
	jl_node *node;
	char id[JL__UUID_MAX];
	jl_job_spec *spec;
	struct jl__upload *upload; /* NULL: nothing so far */
	char *recurrence;
	char *owner;
	uint64_t due;
	uint64_t disk;
	uint32_t retries;
	int priority;
	bool attached;
	bool used;
};

#endif
