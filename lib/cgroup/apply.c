/* SPDX-License-Identifier: MIT */
#define JL_MODULE "cgroup"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"

/* Above this a memory limit is the kernel's way to say that there is none. */
#define MEMORY_NONE (UINT64_C(1) << 62)
#define IO_TEXT_MAX (1 << 14)

static int fail_write(const jl_cgroup *group, int code, const char *file,
		      const char *value, jl_error **err)
{
	return jl__fail_errno(err, code, "cannot set %s of cgroup \"%s\" to \"%.200s\"",
			      file, group->name, value);
}

static int set(const jl_cgroup *group, uint32_t at, const char *file, const char *value,
	       jl_error **err)
{
	int r = jl__cg_write(group->fds[at], file, value);

	return r < 0 ? fail_write(group, r, file, value, err) : 0;
}

static int lift_memory(const jl_cgroup *group, uint32_t at, bool named, jl_error **err)
{
	bool swap = group->offers & JL__CG_SWAP;
	int r = 0;

	if (group->tree->list[at].version == 1) {
		/* v1 keeps limit <= memsw at each write, so the outer one goes up first.
		 */
		if (swap)
			r = set(group, at, "memory.memsw.limit_in_bytes", "-1", err);
		return r < 0 || named
			       ? r
			       : set(group, at, "memory.limit_in_bytes", "-1", err);
	}
	if (named)
		return 0;
	r = set(group, at, "memory.max", "max", err);
	if (r == 0 && swap)
		r = set(group, at, "memory.swap.max", "max", err);
	return r < 0 ? r : set(group, at, "memory.oom.group", "0", err);
}

static int lift_io_file(const jl_cgroup *group, uint32_t at, const char *file,
			const char *nothing, jl_error **err)
{
	char text[IO_TEXT_MAX], value[128];
	struct jl__span rest, line, device;
	int r = jl__cg_read(group->fds[at], file, text, sizeof(text));

	if (r < 0)
		return jl__fail_errno(err, r, "cannot read %s of cgroup \"%s\"", file,
				      group->name);
	rest = (struct jl__span){ text, (size_t)r };
	r = 0;
	while (r == 0 && jl__span_next(&rest, '\n', &line)) {
		if (!jl__span_next(&line, ' ', &device) || device.len > 32)
			continue;
		(void)snprintf(value, sizeof(value), "%.*s %s", (int)device.len,
			       device.text, nothing);
		r = set(group, at, file, value, err);
	}
	return r;
}

/* On every device: the one named now may not be the one of last time. */
static int lift_io(const jl_cgroup *group, uint32_t at, jl_error **err)
{
	int r;

	if (group->tree->list[at].version == 2)
		return lift_io_file(group, at, "io.max",
				    "rbps=max wbps=max riops=max wiops=max", err);
	r = lift_io_file(group, at, "blkio.throttle.read_bps_device", "0", err);
	return r < 0 ? r
		     : lift_io_file(group, at, "blkio.throttle.write_bps_device", "0",
				    err);
}

static int lift_cpus(const jl_cgroup *group, uint32_t at, jl_error **err)
{
	const struct jl__cg_hierarchy *hierarchy = &group->tree->list[at];
	int r;

	if (hierarchy->version == 2)
		return set(group, at, "cpuset.cpus", "\n", err);
	r = jl__cg_fill_cpuset(hierarchy->base_fd, group->fds[at]);
	return r < 0 ? fail_write(group, r, "cpuset.cpus", "those of the base", err) : 0;
}

static int lift_one(const jl_cgroup *group, uint32_t at, uint32_t offer, bool named,
		    jl_error **err)
{
	switch (offer) {
	case JL__CG_MEMORY:
		return lift_memory(group, at, named, err);
	case JL__CG_IO:
		return lift_io(group, at, err);
	case JL__CG_CPU:
		if (named)
			return 0;
		return group->tree->list[at].version == 2
			       ? set(group, at, "cpu.max", "max", err)
			       : set(group, at, "cpu.cfs_quota_us", "-1", err);
	case JL__CG_PIDS:
		return named ? 0 : set(group, at, "pids.max", "max", err);
	case JL__CG_CPUSET:
		return named ? 0 : lift_cpus(group, at, err);
	default:
		return 0;
	}
}

/* Lifts what the writes do not name, and what stands in their way. */
static int lift(const jl_cgroup *group, uint32_t named, jl_error **err)
{
	int r, at;

	for (uint32_t offer = JL__CG_CPU; offer <= JL__CG_PIDS; offer <<= 1) {
		at = jl__cg_tree_find(group->tree, offer);
		if (at < 0 || group->fds[at] < 0 || !(group->offers & offer))
			continue;
		r = lift_one(group, (uint32_t)at, offer, named & offer, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_one(const jl_cgroup *group, const struct jl__cg_write *write,
		     jl_error **err)
{
	char text[JL__CG_TEXT_MAX];
	int r, dir = group->fds[write->hierarchy];

	r = jl__cg_write(dir, write->file, write->value);
	if (r < 0)
		return fail_write(group, r, write->file, write->value, err);
	if (!write->expect)
		return 0;
	r = jl__cg_read(dir, write->file, text, sizeof(text));
	if (r < 0)
		return jl__fail_errno(err, r, "cannot read %s of cgroup \"%s\" back",
				      write->file, group->name);
	if (strcmp(text, write->expect) != 0)
		return jl__fail(
			err, -EIO,
			"%s of cgroup \"%s\" reads back \"%.200s\" instead of \"%.200s\"",
			write->file, group->name, text, write->expect);
	return 0;
}

int jl_cgroup_apply(jl_cgroup *cgroup, const jl_limits *limits, const char *device,
		    jl_error **ret_err)
{
	struct jl__cg_writes writes;
	char disk[32];
	bool io = limits->read_bps || limits->write_bps;
	int r;

	jl__error_init(ret_err);
	if (io && !device)
		return jl__fail(ret_err, -EINVAL,
				"disk limits need a path on the disk that is meant");
	if (io) {
		r = jl__cg_device_of(device, disk, ret_err);
		if (r < 0)
			return r;
	}
	r = jl__cg_compile(cgroup->tree, cgroup->offers, limits, io ? disk : NULL,
			   &writes, ret_err);
	if (r < 0)
		return r;
	r = lift(cgroup, writes.offers, ret_err);
	for (uint32_t i = 0; i < writes.count && r == 0; i++)
		r = write_one(cgroup, &writes.list[i], ret_err);
	jl__cg_writes_done(&writes);
	return r;
}

/* Descriptor of the group in the hierarchy of an offer, and that one's version. */
static int served(const jl_cgroup *group, uint32_t offer, int *ret_version)
{
	int at = jl__cg_tree_find(group->tree, offer);

	if (at < 0)
		return -EBADF;
	*ret_version = group->tree->list[at].version;
	return group->fds[at];
}

static void read_cpu(const jl_cgroup *group, jl_limits *limits)
{
	uint64_t quota = 0, period = 0, percent;
	struct jl__span rest, first;
	char text[64];
	int version, dir = served(group, JL__CG_CPU, &version);

	if (dir < 0)
		return;
	if (version == 1) {
		/* No limit is -1, which is not a number here. */
		(void)jl__cg_read_u64(dir, "cpu.cfs_quota_us", &quota);
		(void)jl__cg_read_u64(dir, "cpu.cfs_period_us", &period);
	} else if (jl__cg_read(dir, "cpu.max", text, sizeof(text)) > 0) {
		rest = (struct jl__span){ text, strlen(text) };
		if (!jl__span_next(&rest, ' ', &first) || !jl__span_u64(first, &quota) ||
		    !jl__span_u64(rest, &period))
			return;
	}
	if (!quota || !period || quota > UINT64_MAX / 100)
		return;
	/* Upwards: a limit below one percent must not look like none. */
	percent = quota * 100 / period + (quota * 100 % period != 0);
	limits->cpu_percent = percent > UINT32_MAX ? UINT32_MAX : (uint32_t)percent;
}

static void read_memory(const jl_cgroup *group, jl_limits *limits)
{
	uint64_t bytes = 0;
	int version, dir = served(group, JL__CG_MEMORY, &version);

	if (dir < 0)
		return;
	(void)jl__cg_read_u64(dir, version == 1 ? "memory.limit_in_bytes" : "memory.max",
			      &bytes);
	if (bytes <= MEMORY_NONE)
		limits->memory_bytes = bytes;
}

static void lowest(uint64_t *slot, uint64_t value)
{
	if (*slot == 0 || value < *slot)
		*slot = value;
}

/* "8:0 rbps=1 wbps=max ..." for key "rbps", "8:0 1" for key "". */
static void read_io_file(int dir, const char *file, const char *key, uint64_t *slot)
{
	char text[IO_TEXT_MAX];
	struct jl__span rest, line, part, name;
	int len = jl__cg_read(dir, file, text, sizeof(text));
	uint64_t value;

	rest = (struct jl__span){ text, len > 0 ? (size_t)len : 0 };
	while (jl__span_next(&rest, '\n', &line)) {
		if (!jl__span_next(&line, ' ', &part))
			continue;
		while (jl__span_next(&line, ' ', &part)) {
			if (*key && (!jl__span_next(&part, '=', &name) ||
				     !jl__span_is(name, key)))
				continue;
			if (jl__span_u64(part, &value))
				lowest(slot, value);
		}
	}
}

static void read_io(const jl_cgroup *group, jl_limits *limits)
{
	int version, dir = served(group, JL__CG_IO, &version);

	if (dir < 0)
		return;
	if (version == 2) {
		read_io_file(dir, "io.max", "rbps", &limits->read_bps);
		read_io_file(dir, "io.max", "wbps", &limits->write_bps);
	} else {
		read_io_file(dir, "blkio.throttle.read_bps_device", "",
			     &limits->read_bps);
		read_io_file(dir, "blkio.throttle.write_bps_device", "",
			     &limits->write_bps);
	}
}

static int read_cpus(const jl_cgroup *group, jl_limits *limits)
{
	char text[JL__CG_TEXT_MAX], base[JL__CG_TEXT_MAX];
	struct jl__cpus set;
	int version, at, dir = served(group, JL__CG_CPUSET, &version);

	if (dir < 0 || jl__cg_read(dir, "cpuset.cpus", text, sizeof(text)) <= 0)
		return 0;
	/* A v1 group always has a list; that of its base is no choice of anybody. */
	at = jl__cg_tree_find(group->tree, JL__CG_CPUSET);
	if (version == 1 &&
	    jl__cg_effective(group->tree->list[at].base_fd, "cpus", base, sizeof(base)) >
		    0 &&
	    strcmp(text, base) == 0)
		return 0;
	if (jl__cpus_parse(text, &set, NULL) < 0)
		return 0;
	limits->cpus = jl__cpus_format(&set);
	return limits->cpus ? 0 : -ENOMEM;
}

int jl_cgroup_read_limits(jl_cgroup *cgroup, jl_limits **ret_limits, jl_error **ret_err)
{
	jl_limits *limits = NULL;
	bool there = false;
	int version, dir;

	jl__error_init(ret_err);
	for (uint32_t i = 0; i < cgroup->tree->count; i++)
		there = there || (cgroup->fds[i] >= 0 &&
				  jl__cg_exists(cgroup->fds[i], "cgroup.procs"));
	if (!there)
		return jl__fail(ret_err, -ENOENT, "cgroup \"%s\" is gone", cgroup->name);
	if (jl_limits_new(&limits) < 0)
		return jl__oom(ret_err);
	read_cpu(cgroup, limits);
	read_memory(cgroup, limits);
	read_io(cgroup, limits);
	dir = served(cgroup, JL__CG_PIDS, &version);
	if (dir >= 0)
		(void)jl__cg_read_u64(dir, "pids.max", &limits->pids);
	if (read_cpus(cgroup, limits) < 0) {
		jl_limits_free(limits);
		return jl__oom(ret_err);
	}
	*ret_limits = limits;
	return 0;
}
