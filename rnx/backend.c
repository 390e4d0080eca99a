/* SPDX-License-Identifier: MIT */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>

const char *state_dir_of(const struct options *opts)
{
	const char *dir = opts->state_dir ? opts->state_dir : getenv("JOBLET_STATE_DIR");

	return dir && *dir ? dir : NULL;
}

int backend_open(const struct options *opts, struct backend **ret_backend,
		 struct fault *fault)
{
	bool asked = opts->server || opts->node || opts->config;
	int r;

	if (opts->state_dir && asked)
		return fault_set(fault, -EINVAL,
				 "--state-dir is a folder of this machine, without a "
				 "daemon: --server, --node and --config exclude it");
	/* A flag beats a variable. */
	if (asked || !state_dir_of(opts)) {
		r = remote_open(opts, ret_backend, fault);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return embedded_open(opts, ret_backend, fault);
}
