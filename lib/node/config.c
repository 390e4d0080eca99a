/* SPDX-License-Identifier: MIT */
#define JL_MODULE "node"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"

#define MIB (UINT64_C(1) << 20)
#define YEAR_USEC (UINT64_C(366) * 24 * 3600 * 1000000)

static const struct {
	const char *name;
	uint64_t otherwise;
	uint64_t max;
} numbers[JL__NUMBERS] = {
	[JL_NODE_MAX_JOBS] = { "most jobs at once", 100, 1000000 },
	[JL_NODE_MAX_QUEUE] = { "most jobs waiting", 10000, 10000000 },
	[JL_NODE_DEFAULT_CPU_PERCENT] = { "default CPU limit", 0, 1000000 },
	[JL_NODE_DEFAULT_MEMORY_BYTES] = { "default memory limit", 0, UINT64_C(1) << 62 },
	[JL_NODE_DEFAULT_IO_BPS] = { "default I/O limit", 0, UINT64_C(1) << 62 },
	[JL_NODE_DEFAULT_DISK_BYTES] = { "default size of /work", 1024 * MIB,
					 UINT64_C(1) << 62 },
	[JL_NODE_CAP_CPU_PERCENT] = { "highest CPU limit", 0, 1000000 },
	[JL_NODE_CAP_MEMORY_BYTES] = { "highest memory limit", 0, UINT64_C(1) << 62 },
	[JL_NODE_CAP_IO_BPS] = { "highest I/O limit", 0, UINT64_C(1) << 62 },
	[JL_NODE_CAP_DISK_BYTES] = { "largest size of /work", 0, UINT64_C(1) << 62 },
	[JL_NODE_LOG_BYTES] = { "cap of a log", 1024 * MIB, UINT64_C(1) << 62 },
	[JL_NODE_KEEP_JOBS] = { "ended jobs kept", 10000, 10000000 },
	[JL_NODE_KEEP_USEC] = { "time ended jobs are kept", 0, YEAR_USEC * 100 },
	[JL_NODE_UPLOAD_FILE_BYTES] = { "cap of an uploaded file", 50 * MIB,
					UINT64_C(1) << 62 },
	[JL_NODE_UPLOAD_JOB_BYTES] = { "cap of the uploads of a job", 100 * MIB,
				       UINT64_C(1) << 62 },
	[JL_NODE_GRACE_USEC] = { "grace time", 10000000, YEAR_USEC },
	[JL_NODE_MAX_SCHEDULED] = { "most jobs scheduled", 10000, 10000000 },
	[JL_NODE_DEFAULT_TIMEOUT_USEC] = { "default timeout", 0, YEAR_USEC },
};

int jl_node_config_new(jl_node_config **ret_config)
{
	jl_node_config *config = jl__calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	for (int i = 0; i < JL__NUMBERS; i++)
		config->number[i] = numbers[i].otherwise;
	*ret_config = config;
	return 0;
}

void jl__config_done(struct jl_node_config *config)
{
	jl__free(config->network);
	config->network = NULL;
}

void jl_node_config_free(jl_node_config *config)
{
	if (!config)
		return;
	jl__config_done(config);
	jl__free(config);
}

int jl_node_config_set_number(jl_node_config *config, int what, uint64_t value,
			      jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (what < 0 || what >= JL__NUMBERS)
		return jl__fail(ret_err, -EINVAL,
				"%d is not a number of a node in this version", what);
	if (value > numbers[what].max)
		return jl__fail(ret_err, -ERANGE,
				"%" PRIu64 " is out of range for the %s; at most %" PRIu64
				" is taken",
				value, numbers[what].name, numbers[what].max);
	if (what == JL_NODE_DEFAULT_MEMORY_BYTES && value && value < MIB)
		return jl__fail(ret_err, -ERANGE,
				"%" PRIu64
				" bytes are too few for the %s; 1 MiB is the least",
				value, numbers[what].name);
	if (what == JL_NODE_DEFAULT_IO_BPS && value && value < 1024)
		return jl__fail(
			ret_err, -ERANGE,
			"%" PRIu64
			" bytes a second are too few for the %s; 1024 is the least",
			value, numbers[what].name);
	if (what == JL_NODE_DEFAULT_DISK_BYTES && value < 65536)
		return jl__fail(ret_err, -ERANGE,
				"%" PRIu64
				" bytes are too few for the %s; 65536 is the least",
				value, numbers[what].name);
	if (what == JL_NODE_DEFAULT_TIMEOUT_USEC && value && value < 1000)
		return jl__fail(ret_err, -ERANGE,
				"%" PRIu64
				" µs are too few for the %s; 1000 is the least",
				value, numbers[what].name);
	config->number[what] = value;
	return 0;
}

uint64_t jl_node_config_get_number(const jl_node_config *config, int what)
{
	return what < 0 || what >= JL__NUMBERS ? 0 : config->number[what];
}

int jl_node_config_set_network(jl_node_config *config, const char *network,
			       jl_error **ret_err)
{
	char *copy = NULL;

	jl__error_init(ret_err);
	if (network && (!*network || strlen(network) > 32))
		return jl__fail(ret_err, -EINVAL, "\"%.64s\" is not a name of a network",
				network);
	if (network) {
		copy = jl__strdup(network);
		if (!copy)
			return jl__oom(ret_err);
	}
	jl__free(config->network);
	config->network = copy;
	return 0;
}

void jl_node_config_set_host_network(jl_node_config *config, int allow)
{
	config->no_host_network = !allow;
}
