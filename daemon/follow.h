/* SPDX-License-Identifier: MIT */
/*
 * A job's output on its way to one reader, whatever the form: the node's reader, watched
 * by the loop only while there is nothing to read. Nothing of the log is held in memory.
 */
#ifndef DAEMON_FOLLOW_H
#define DAEMON_FOLLOW_H

#include "serving.h"

struct follow {
	struct watch watch;
	struct serving *s;
	struct jl__rpc_call *call;
	jl_log *log;
};

/* Begins; -errno with err of the library. */
int follow_open(struct follow *follow, struct jl__rpc_call *call, const char *id,
		uint32_t flags, jl_error **err);
void follow_close(struct follow *follow);
/*
 * As jl_log_read(); after -EAGAIN the call is woken when there is more. A failure is told
 * to the log.
 */
int64_t follow_read(struct follow *follow, void *data, size_t size);

#endif
