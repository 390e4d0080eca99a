/* SPDX-License-Identifier: MIT */
/*
 * What the node adds to a description, and what it does not let through. Asked for and
 * above a cap is an error; a default that cannot be applied here is a warning that stays
 * with the job.
 */
#define JL_MODULE "node"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup.h"
#include "node/node.h"
#include "spawn/blob.h"

static const struct limit {
	const char *what;
	const char *unit;
	const char *key; /* of the daemon's configuration file */
	int limit;	 /* JL_LIMIT_ */
	int otherwise;	 /* JL_NODE_ */
	int cap;
	uint32_t controller;
} limits[] = {
	{ "CPU limit", "%", "joblet.maxCpuLimit", JL_LIMIT_CPU_PERCENT,
	  JL_NODE_DEFAULT_CPU_PERCENT, JL_NODE_CAP_CPU_PERCENT, JL__CG_CPU },
	{ "memory limit", " bytes", "joblet.maxMemoryLimit", JL_LIMIT_MEMORY_BYTES,
	  JL_NODE_DEFAULT_MEMORY_BYTES, JL_NODE_CAP_MEMORY_BYTES, JL__CG_MEMORY },
	{ "I/O limit", " bytes a second", "joblet.maxIoLimit", JL_LIMIT_IO_WRITE_BPS,
	  JL_NODE_DEFAULT_IO_BPS, JL_NODE_CAP_IO_BPS, JL__CG_IO },
};

static int set_limit(jl_limits *to, int limit, uint64_t value, jl_error **err)
{
	switch (limit) {
	case JL_LIMIT_CPU_PERCENT:
		return jl_limits_set_cpu_percent(to, (uint32_t)value, err);
	case JL_LIMIT_MEMORY_BYTES:
		return jl_limits_set_memory_bytes(to, value, err);
	default:
		return jl_limits_set_io_bps(to, value, value, err);
	}
}

static int above_cap(const struct limit *limit, uint64_t value, uint64_t cap,
		     jl_error **err)
{
	return jl__fail(err, -ERANGE,
			"a %s of %" PRIu64 "%s is above the %" PRIu64
			"%s this node allows; ask for less, or raise %s",
			limit->what, value, limit->unit, cap, limit->unit, limit->key);
}

/* Whether the supervisor has to be asked what can be enforced here. */
static bool any_limit(const jl_node *node)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (node->config.number[limits[i].otherwise] ||
		    node->config.number[limits[i].cap])
			return true;
	return false;
}

static int one_limit(jl_node *node, const struct limit *limit, jl_limits *asked,
		     uint32_t offers, struct jl__buf *warning, jl_error **err)
{
	uint64_t value = jl_limits_get(asked, limit->limit);
	uint64_t cap = node->config.number[limit->cap];
	uint64_t otherwise = node->config.number[limit->otherwise];

	if (limit->limit == JL_LIMIT_IO_WRITE_BPS &&
	    jl_limits_get(asked, JL_LIMIT_IO_READ_BPS) > value)
		value = jl_limits_get(asked, JL_LIMIT_IO_READ_BPS);
	if (value && cap && value > cap)
		return above_cap(limit, value, cap, err);
	if (value)
		return 0;
	/* Without a default the cap is one: nobody may have more. */
	if (!otherwise || (cap && otherwise > cap))
		otherwise = cap;
	if (!otherwise)
		return 0;
	if (offers & limit->controller)
		return set_limit(asked, limit->limit, otherwise, err);
	if (cap)
		return jl__fail(
			err, -EOPNOTSUPP,
			"this node caps the %s (%s), and cannot enforce it here; rnx doctor tells why",
			limit->what, limit->key);
	(void)jl__buf_addf(
		warning,
		"%sthe default %s of %" PRIu64
		"%s is not applied: it cannot be enforced here%s",
		warning->len ? "; " : "", limit->what, otherwise, limit->unit,
		limit->controller == JL__CG_IO ? ", or not with a size of /work" : "");
	return 0;
}

/* /work of jobs with an I/O limit lies on the disk, where nothing limits its size. */
static int disk(jl_node *node, jl_job_spec *spec, uint64_t *bytes,
		struct jl__buf *warning, jl_error **err)
{
	const jl_limits *asked = jl_job_spec_limits(spec);
	uint64_t cap = node->config.number[JL_NODE_CAP_DISK_BYTES];
	bool on_disk = jl_limits_get(asked, JL_LIMIT_IO_READ_BPS) ||
		       jl_limits_get(asked, JL_LIMIT_IO_WRITE_BPS);

	if (*bytes && cap && *bytes > cap)
		return jl__fail(
			err, -ERANGE,
			"%" PRIu64 " bytes for /work are above the %" PRIu64
			" this node allows; ask for less, or raise joblet.maxDiskLimit",
			*bytes, cap);
	if (on_disk && (*bytes || cap))
		return jl__fail(
			err, -EOPNOTSUPP,
			"/work of a job with an I/O limit lies on the disk, and its size cannot be limited there; leave out one of the two%s",
			*bytes ? "" : " (joblet.maxDiskLimit caps the size)");
	if (on_disk) {
		(void)jl__buf_addf(
			warning,
			"%s/work lies on the disk for the sake of the I/O limit; its size is not limited",
			warning->len ? "; " : "");
		return 0;
	}
	if (!*bytes)
		*bytes = node->config.number[JL_NODE_DEFAULT_DISK_BYTES];
	if (cap && *bytes > cap)
		*bytes = cap;
	return jl_job_spec_set_tmpfs_bytes(spec, "/work", *bytes, err);
}

static int network(jl_node *node, jl_job_spec *spec, jl_error **err)
{
	const char *asked = jl__spec_network(spec);

	if (asked && strcmp(asked, "host") == 0 && node->config.no_host_network)
		return jl__fail(
			err, -EPERM,
			"the network of the host is not allowed on this node; use another, or set network.allowHost");
	if (asked)
		return 0;
	if (node->config.network)
		return jl_job_spec_set_network_name(spec, node->config.network, err);
	return jl_job_spec_set_network_name(
		spec, jl__ctx_privileged() ? "bridge" : "none", err);
}

int jl__defaults(jl_node *node, jl_job_spec *spec, uint64_t *disk_bytes,
		 char **ret_warning, jl_error **err)
{
	_cleanup_(jl__buf_done) struct jl__buf warning = JL__BUF_INIT(2048);
	uint32_t offers = 0;
	int r = network(node, spec, err);

	if (r == 0 && any_limit(node))
		r = jl__ctx_offers(node->own, &offers, err);
	/* A size was asked for, which only /work in memory can have. */
	if (*disk_bytes && !node->config.number[JL_NODE_CAP_IO_BPS] &&
	    node->config.number[JL_NODE_DEFAULT_IO_BPS])
		offers &= ~(uint32_t)JL__CG_IO;
	for (size_t i = 0; r == 0 && i < sizeof(limits) / sizeof(limits[0]); i++)
		r = one_limit(node, &limits[i], jl_job_spec_limits(spec), offers,
			      &warning, err);
	if (r == 0)
		r = disk(node, spec, disk_bytes, &warning, err);
	if (r == 0 && !jl__spec_timeout_usec(spec))
		r = jl_job_spec_set_timeout(
			spec, node->config.number[JL_NODE_DEFAULT_TIMEOUT_USEC], err);
	if (r < 0)
		return r;
	if (warning.failed)
		return jl__oom(err);
	*ret_warning = jl__buf_steal(&warning);
	return 0;
}
