/* SPDX-License-Identifier: MIT */
/* The output of a job: which folder its log lies in. */
#define JL_MODULE "node"

#include <errno.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "logs/logs.h"
#include "node/node.h"

/* Its output may go on in another folder. One that runs and has no retries ends with its
 * result, whoever sees it first. */
static bool may_run_again(const struct jl__row *row)
{
	int state = (int)row->number[JL__N_STATE];

	if (jl_state_is_final(state))
		return false;
	return state != JL_STATE_RUNNING ||
	       row->number[JL__N_ATTEMPT] <= row->number[JL__N_RETRIES];
}

int jl_node_open_log(jl_node *node, const char *id, uint32_t flags, jl_log **ret_log,
		     jl_error **ret_err)
{
	_cleanup_close_ int folder = -EBADF;
	struct jl__row *row = NULL;
	uint64_t run;
	bool more;
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl__find(node, id, &row, ret_err);
	if (r < 0)
		return r;
	run = jl__row_run(row);
	more = flags & JL_LOG_FOLLOW && may_run_again(row);
	folder = more || run == 0 ? jl__job_folder(node, row->text[JL__T_ID], true)
				  : jl__run_folder(node, row->text[JL__T_ID], run, true);
	if (folder >= 0 && more && run)
		(void)jl__close(jl__run_folder(node, row->text[JL__T_ID], run, true));
	r = folder < 0 ? jl__fail_errno(ret_err, folder, "cannot open the log of job %s",
					row->text[JL__T_ID])
	    : more     ? jl__log_open_run(folder, run, flags, ret_log, ret_err)
		       : jl__log_open(folder, flags, ret_log, ret_err);
	jl__row_free(row);
	return r;
}
