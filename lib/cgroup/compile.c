/* SPDX-License-Identifier: MIT */
#define JL_MODULE "cgroup"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"

#define CPU_PERIOD_USEC 100000
#define CPU_FOLDER "/sys/devices/system/cpu"
/* cpuset 2, cpu 2, memory 3, io 2, pids 1 */
#define WRITES_MAX 10

/* What one call of jl__cg_compile() works with. */
struct compiler {
	const struct jl__cg_tree *tree;
	uint32_t offers;
	struct jl__cg_writes *out;
	uint32_t hierarchy; /* that serves the limit at hand */
	int version;
	int base_fd;
};

/* Takes value and expect, which are fresh memory; NULL expect is filled with the value.
 */
static int push(struct compiler *c, const char *file, char *value, char *expect)
{
	struct jl__cg_write *write = &c->out->list[c->out->count];

	if (value && !expect)
		expect = jl__strdup(value);
	if (!value || !expect) {
		jl__free(value);
		jl__free(expect);
		return -ENOMEM;
	}
	*write = (struct jl__cg_write){ c->hierarchy, file, value, expect };
	c->out->count++;
	return 0;
}

static int push_u64(struct compiler *c, const char *file, uint64_t value)
{
	return push(c, file, jl__format("%" PRIu64, value), NULL);
}

/* Finds who serves the limit, or says what is missing and what to do. */
static int serve(struct compiler *c, uint32_t offer, const char *limit, jl_error **err)
{
	const char *name = jl__cg_offer_name(offer);
	int at = jl__cg_tree_find(c->tree, offer);

	if (at < 0)
		return jl__fail(
			err, -EOPNOTSUPP,
			"%s cannot be applied: the cgroup controller %s is not "
			"available here; enable it in cgroup.subtree_control of the "
			"groups above, or start from a delegated group (systemd-run "
			"--scope -p Delegate=yes)",
			limit, name);
	if (!(c->offers & offer))
		return jl__fail(
			err, -EOPNOTSUPP,
			"%s cannot be applied: groups below cgroup \"%.200s\" cannot "
			"have the controller %s; start from a delegated group "
			"(systemd-run --scope -p Delegate=yes) or set another base",
			limit, c->tree->list[at].path, name);
	c->hierarchy = (uint32_t)at;
	c->version = c->tree->list[at].version;
	c->base_fd = c->tree->list[at].base_fd;
	c->out->offers |= offer;
	return 0;
}

static int read_cpus(int dir, const char *file, struct jl__cpus *ret, char *text,
		     size_t size)
{
	int r = file ? jl__cg_read(dir, file, text, size)
		     : jl__cg_effective(dir, "cpus", text, size);

	return r < 0 ? r : jl__cpus_parse(text, ret, NULL);
}

static int check_cpus(const struct compiler *c, const char *list, jl_error **err)
{
	char text[JL__CG_TEXT_MAX];
	struct jl__cpus want, have;
	int missing = -1;

	/* The list came from our own formatter. */
	if (jl__cpus_parse(list, &want, NULL) < 0)
		return jl__fail(err, -EINVAL, "the list of cores is malformed");
	/* Where the kernel does not say, the write of the list will tell. */
	if (read_cpus(AT_FDCWD, CPU_FOLDER "/online", &have, text, sizeof(text)) == 0)
		missing = jl__cpus_missing(&want, &have);
	if (missing >= 0)
		return jl__fail(err, -EINVAL,
				"core %d does not exist or is offline (online: %.300s)",
				missing, text);
	if (read_cpus(c->base_fd, NULL, &have, text, sizeof(text)) == 0)
		missing = jl__cpus_missing(&want, &have);
	if (missing >= 0)
		return jl__fail(
			err, -EINVAL,
			"core %d is not given to cgroup \"%.200s\" (given: %.300s)",
			missing, c->tree->list[c->hierarchy].path, text);
	return 0;
}

static int add_cpuset(struct compiler *c, const jl_limits *limits, jl_error **err)
{
	char mems[JL__CG_TEXT_MAX];
	int r;

	if (!limits->cpus)
		return 0;
	r = serve(c, JL__CG_CPUSET, "a choice of cores", err);
	if (r == 0)
		r = check_cpus(c, limits->cpus, err);
	if (r < 0)
		return r;
	if (c->version == 1) {
		/* A v1 group without memory nodes cannot be joined: those of its base. */
		r = jl__cg_effective(c->base_fd, "mems", mems, sizeof(mems));
		if (r < 0)
			return jl__fail_errno(
				err, -EOPNOTSUPP,
				"a choice of cores cannot be applied: the memory "
				"nodes of cgroup \"%.200s\" cannot be read",
				c->tree->list[c->hierarchy].path);
		r = push(c, "cpuset.mems", jl__strdup(mems), NULL);
		if (r < 0)
			return r;
	}
	return push(c, "cpuset.cpus", jl__strdup(limits->cpus), NULL);
}

static int add_cpu(struct compiler *c, const jl_limits *limits, jl_error **err)
{
	uint64_t quota = (uint64_t)limits->cpu_percent * (CPU_PERIOD_USEC / 100);
	int r;

	if (!limits->cpu_percent)
		return 0;
	r = serve(c, JL__CG_CPU, "a CPU limit", err);
	if (r < 0)
		return r;
	if (c->version == 2)
		return push(c, "cpu.max",
			    jl__format("%" PRIu64 " %d", quota, CPU_PERIOD_USEC), NULL);
	r = push_u64(c, "cpu.cfs_period_us", CPU_PERIOD_USEC);
	return r < 0 ? r : push_u64(c, "cpu.cfs_quota_us", quota);
}

uint64_t jl__cg_page_round(uint64_t bytes)
{
	return bytes & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
}

static int add_memory(struct compiler *c, const jl_limits *limits, jl_error **err)
{
	uint64_t bytes = jl__cg_page_round(limits->memory_bytes);
	int r;

	if (!limits->memory_bytes)
		return 0;
	r = serve(c, JL__CG_MEMORY, "a memory limit", err);
	if (r < 0)
		return r;
	if (c->version == 1) {
		r = push_u64(c, "memory.limit_in_bytes", bytes);
		if (r < 0)
			return r;
		if (c->offers & JL__CG_SWAP)
			return push_u64(c, "memory.memsw.limit_in_bytes", bytes);
		/*
		 * Without swap accounting there is no second limit. A swappiness of 0
		 * keeps the group's own reclaim from swapping, which comes closest.
		 */
		return push_u64(c, "memory.swappiness", 0);
	}
	r = push_u64(c, "memory.max", bytes);
	if (r == 0 && c->offers & JL__CG_SWAP)
		r = push_u64(c, "memory.swap.max", 0);
	return r < 0 ? r : push_u64(c, "memory.oom.group", 1);
}

/* One way of io.max as the kernel prints it. */
static const char *rate(uint64_t bps, char text[24])
{
	if (!bps)
		return "max";
	(void)snprintf(text, 24, "%" PRIu64, bps);
	return text;
}

static int add_io(struct compiler *c, const jl_limits *limits, const char *device,
		  jl_error **err)
{
	char reads[24], writes[24];
	int r = 0;

	if (!limits->read_bps && !limits->write_bps)
		return 0;
	if (!device)
		return jl__fail(err, -EINVAL, "disk limits need a folder on a disk");
	r = serve(c, JL__CG_IO, "a disk limit", err);
	if (r < 0)
		return r;
	if (c->version == 2)
		return push(c, "io.max",
			    jl__format("%s rbps=%s wbps=%s riops=max wiops=max", device,
				       rate(limits->read_bps, reads),
				       rate(limits->write_bps, writes)),
			    NULL);
	if (limits->read_bps)
		r = push(c, "blkio.throttle.read_bps_device",
			 jl__format("%s %" PRIu64, device, limits->read_bps), NULL);
	if (r == 0 && limits->write_bps)
		r = push(c, "blkio.throttle.write_bps_device",
			 jl__format("%s %" PRIu64, device, limits->write_bps), NULL);
	return r;
}

static int add_pids(struct compiler *c, const jl_limits *limits, jl_error **err)
{
	int r;

	if (!limits->pids)
		return 0;
	r = serve(c, JL__CG_PIDS, "a limit on processes", err);
	return r < 0 ? r : push_u64(c, "pids.max", limits->pids);
}

int jl__cg_compile(const struct jl__cg_tree *tree, uint32_t offers,
		   const jl_limits *limits, const char *device, struct jl__cg_writes *ret,
		   jl_error **err)
{
	struct jl__cg_writes writes = { 0 };
	struct compiler c = { .tree = tree, .offers = offers, .out = &writes };
	int r;

	if (!jl__limits_any(limits)) {
		*ret = writes;
		return 0;
	}
	writes.list = jl__calloc(WRITES_MAX, sizeof(*writes.list));
	if (!writes.list)
		return jl__oom(err);
	r = add_cpuset(&c, limits, err);
	if (r == 0)
		r = add_cpu(&c, limits, err);
	if (r == 0)
		r = add_memory(&c, limits, err);
	if (r == 0)
		r = add_io(&c, limits, device, err);
	if (r == 0)
		r = add_pids(&c, limits, err);
	if (r < 0) {
		jl__cg_writes_done(&writes);
		return r == -ENOMEM ? jl__oom(err) : r;
	}
	*ret = writes;
	return 0;
}

void jl__cg_writes_done(struct jl__cg_writes *writes)
{
	for (uint32_t i = 0; i < writes->count; i++) {
		jl__free(writes->list[i].value);
		jl__free(writes->list[i].expect);
	}
	jl__free(writes->list);
	*writes = (struct jl__cg_writes){ 0 };
}
