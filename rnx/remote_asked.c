/* SPDX-License-Identifier: MIT */
/* Whether a server is asked for: by flags, by variables, by a configuration file. */
#include <stdlib.h>

#include "config/client.h"
#include "remote.h"

static bool has_variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

bool remote_configured(const struct options *opts)
{
	char *path;

	if (jl__client_config_find(opts->config, &path) < 0)
		return false;
	free(path);
	return true;
}

bool remote_asked(const struct options *opts)
{
	return opts->server || opts->node || opts->config ||
	       has_variable("JOBLET_SERVER") || has_variable("JOBLET_NODE") ||
	       remote_configured(opts);
}
