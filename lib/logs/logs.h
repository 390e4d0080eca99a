/* SPDX-License-Identifier: MIT */
/*
 * Readers of a durable job's output, on the folder of the job (spawn/durable.h says what
 * is in it, plan/plan.h how it looks). Implements jl_log_ of <joblet/node.h> but for
 * jl_node_open_log(), which belongs to node/. A reader is a position in the log and
 * nothing else: memory does not grow with the log, with how far behind a reader is, or
 * with how many there are.
 */
#ifndef JL_LOGS_LOGS_H
#define JL_LOGS_LOGS_H

#include <joblet/node.h>

/*
 * A reader of the log in a folder, which stays the caller's; flags are JL_LOG_ flags. The
 * files need not be there yet: with JL_LOG_FOLLOW they are waited for. The log is over
 * when the folder has a `result`, or an empty file `ended` (for jobs that end without a
 * result: canceled, lost), or when it is deleted; a following reader then reads to the
 * last byte and ends. Codes: -EINVAL, -EMFILE, -ENOSPC (too many watches), -EIO, -ENOMEM.
 */
int jl__log_open(int folder, uint32_t flags, jl_log **ret, jl_error **err);
/*
 * A following reader of a job that may be started again, or has not been yet: folder is
 * that of the job, in which each try has a folder with its number, and run is the try to
 * begin with (0: none so far). When the folder of the next try appears, the reader reads
 * to the end of this one and goes on there; it ends with a file `ended` (run 0: in the
 * job's own folder), a result alone is not the end.
 */
int jl__log_open_run(int folder, uint64_t run, uint32_t flags, jl_log **ret,
		     jl_error **err);

#endif
