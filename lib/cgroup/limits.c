/* SPDX-License-Identifier: MIT */
#define JL_MODULE "cgroup"

#include <errno.h>
#include <inttypes.h>

#include <joblet/limits.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"

#define CPU_PERCENT_MAX 1000000u
#define MEMORY_MIN (UINT64_C(1) << 20)
#define MEMORY_MAX (UINT64_C(1) << 62)
#define PIDS_MAX UINT64_C(4194304)
#define IO_BPS_MIN UINT64_C(1024)

int jl_limits_new(jl_limits **ret_limits)
{
	jl_limits *limits = jl__calloc(1, sizeof(*limits));

	if (!limits)
		return -ENOMEM;
	*ret_limits = limits;
	return 0;
}

void jl_limits_free(jl_limits *limits)
{
	if (!limits)
		return;
	jl__free(limits->cpus);
	jl__free(limits);
}

int jl_limits_set_cpu_percent(jl_limits *limits, uint32_t percent, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (percent > CPU_PERCENT_MAX)
		return jl__fail(ret_err, -ERANGE,
				"a CPU limit of %" PRIu32 " percent is above %u percent",
				percent, CPU_PERCENT_MAX);
	limits->cpu_percent = percent;
	return 0;
}

int jl_limits_set_memory_bytes(jl_limits *limits, uint64_t bytes, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (bytes && bytes < MEMORY_MIN)
		return jl__fail(ret_err, -ERANGE,
				"a memory limit of %" PRIu64 " bytes is below 1 MiB",
				bytes);
	if (bytes > MEMORY_MAX)
		return jl__fail(ret_err, -ERANGE,
				"a memory limit of %" PRIu64 " bytes is above 2^62",
				bytes);
	limits->memory_bytes = bytes;
	return 0;
}

int jl_limits_set_pids(jl_limits *limits, uint64_t pids, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (pids > PIDS_MAX)
		return jl__fail(ret_err, -ERANGE,
				"a limit of %" PRIu64 " processes is above %" PRIu64,
				pids, PIDS_MAX);
	limits->pids = pids;
	return 0;
}

static int check_bps(const char *way, uint64_t bps, jl_error **err)
{
	/* The kernel keeps the all-ones value for "no limit". */
	if (bps == UINT64_MAX)
		return jl__fail(err, -ERANGE, "the %s limit is too high; 0 means none",
				way);
	if (bps && bps < IO_BPS_MIN)
		return jl__fail(err, -ERANGE,
				"a %s limit of %" PRIu64
				" bytes per second is below %" PRIu64,
				way, bps, IO_BPS_MIN);
	return 0;
}

int jl_limits_set_io_bps(jl_limits *limits, uint64_t read_bps, uint64_t write_bps,
			 jl_error **ret_err)
{
	int r;

	jl__error_init(ret_err);
	r = check_bps("disk read", read_bps, ret_err);
	if (r == 0)
		r = check_bps("disk write", write_bps, ret_err);
	if (r < 0)
		return r;
	limits->read_bps = read_bps;
	limits->write_bps = write_bps;
	return 0;
}

int jl_limits_set_cpus(jl_limits *limits, const char *cpus, jl_error **ret_err)
{
	struct jl__cpus set;
	char *text = NULL;
	size_t at = 0;
	int r;

	jl__error_init(ret_err);
	r = jl__cpus_parse(cpus ? cpus : "", &set, &at);
	if (r == -ERANGE)
		return jl__fail(ret_err, r, "\"%.64s\" names a core above %d", cpus,
				JL__CPUS_MAX - 1);
	if (r < 0)
		return jl__fail(ret_err, r,
				"\"%.64s\" is not a list of cores: malformed at byte "
				"%zu, expected a form like \"0-1,4\"",
				cpus, at + 1);
	if (cpus && *cpus) {
		text = jl__cpus_format(&set);
		if (!text)
			return jl__oom(ret_err);
	}
	jl__free(limits->cpus);
	limits->cpus = text;
	return 0;
}

uint64_t jl_limits_get(const jl_limits *limits, int what)
{
	switch (what) {
	case JL_LIMIT_CPU_PERCENT:
		return limits->cpu_percent;
	case JL_LIMIT_MEMORY_BYTES:
		return limits->memory_bytes;
	case JL_LIMIT_PIDS:
		return limits->pids;
	case JL_LIMIT_IO_READ_BPS:
		return limits->read_bps;
	case JL_LIMIT_IO_WRITE_BPS:
		return limits->write_bps;
	default:
		return JL_UNLIMITED;
	}
}

const char *jl_limits_get_cpus(const jl_limits *limits)
{
	return limits->cpus ? limits->cpus : "";
}

jl_limits *jl__limits_copy(const jl_limits *limits)
{
	jl_limits *copy = jl__memdup(limits, sizeof(*limits));

	if (!copy || !limits->cpus)
		return copy;
	copy->cpus = jl__strdup(limits->cpus);
	if (copy->cpus)
		return copy;
	jl__free(copy);
	return NULL;
}

bool jl__limits_any(const jl_limits *limits)
{
	return limits->cpu_percent || limits->memory_bytes || limits->pids ||
	       limits->read_bps || limits->write_bps || limits->cpus;
}
