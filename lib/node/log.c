/* SPDX-License-Identifier: MIT */
/* The output of a job: which folder its log lies in. */
#define JL_MODULE "node"

#include <errno.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "logs/logs.h"
#include "node/node.h"

int jl_node_open_log(jl_node *node, const char *id, uint32_t flags, jl_log **ret_log,
		     jl_error **ret_err)
{
	_cleanup_close_ int folder = -EBADF;
	struct jl__row *row = NULL;
	int r = jl__node_enter(node, ret_err);

	if (r == 0)
		r = jl__find(node, id, &row, ret_err);
	if (r < 0)
		return r;
	folder = jl__run_folder(node, row->text[JL__T_ID], row->number[JL__N_RUN], true);
	r = folder < 0 ? jl__fail_errno(ret_err, folder, "cannot open the log of job %s",
					row->text[JL__T_ID])
		       : jl__log_open(folder, flags, ret_log, ret_err);
	jl__row_free(row);
	return r;
}
