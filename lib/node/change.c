/* SPDX-License-Identifier: MIT */
/* One decision about one job, which is one transaction of the store. */
#define JL_MODULE "node"

#include <errno.h>

#include "node/node.h"

int jl__row_change(jl_node *node, uint64_t number, bool durable, jl__change change,
		   const void *data, struct jl__row **ret, jl_error **err)
{
	struct jl__row *row = NULL;
	int r = jl__store_begin(node->store, durable, err);

	if (r == 0) {
		r = jl__store_get(node->store, number, &row, err);
		if (r == 0)
			r = change(node, row, data, err);
		else if (r == -ENOENT)
			r = 0;
	}
	if (r == 1) {
		r = jl__store_commit(node->store, err);
		r = r < 0 ? r : 1;
	}
	jl__store_rollback(node->store);
	if (r == 1)
		jl__uploads_drop(node, row);
	if (r == 1 && ret)
		*ret = row;
	else
		jl__row_free(row);
	return r;
}
