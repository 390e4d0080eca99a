/* SPDX-License-Identifier: MIT */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>

#include "output.h"

const char *state_dir_of(const struct options *opts)
{
	const char *dir = opts->state_dir ? opts->state_dir : getenv("JOBLET_STATE_DIR");

	return dir && *dir ? dir : NULL;
}

/* Two variables that ask for different nodes: the folder wins, which is not to be
 * guessed. */
static void tell_unheard(const struct options *opts)
{
	static const char *const names[] = { "JOBLET_SERVER", "JOBLET_NODE", "RNX_CONFIG",
					     "RNX_CONFIG_PATH" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value && !opts->quiet && !opts->state_dir) {
			say("JOBLET_STATE_DIR is set, so %s does not count; unset one of "
			    "them",
			    names[i]);
			return;
		}
	}
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
	} else {
		tell_unheard(opts);
	}
	return embedded_open(opts, ret_backend, fault);
}
