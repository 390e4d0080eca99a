/* SPDX-License-Identifier: MIT */
/* A build without the client of servers: jobs are those of this machine. */
#include "remote.h"

#include <errno.h>

static int not_built(struct fault *fault)
{
	return fault_set(fault, -EOPNOTSUPP,
			 "this rnx was built without the client of servers: leave out "
			 "--server, --node and --config, their variables and their file, "
			 "or name a folder of this machine with --state-dir");
}

int remote_open(const struct options *opts, struct backend **ret_backend,
		struct fault *fault)
{
	(void)ret_backend;
	return remote_asked(opts) ? not_built(fault) : 0;
}

int remote_nodes(const struct options *opts, struct node_entries *ret_nodes,
		 struct fault *fault)
{
	(void)opts;
	(void)ret_nodes;
	return not_built(fault);
}

void remote_nodes_done(struct node_entries *nodes)
{
	(void)nodes;
}
