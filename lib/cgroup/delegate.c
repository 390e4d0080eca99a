/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"
#include "sys/sys.h"

#define REMEDY                                                                       \
	"start from a delegated group (systemd-run --scope -p Delegate=yes) or set " \
	"another base"

/*
 * Domain controllers first: next to member processes the kernel refuses those, but takes
 * cpu, cpuset and pids and turns the groups below into ones no process can enter.
 */
static const struct {
	uint32_t offer;
	const char *name, *enable;
} order[] = {
	{ JL__CG_MEMORY, "memory", "+memory" }, { JL__CG_IO, "io", "+io" },
	{ JL__CG_PIDS, "pids", "+pids" },	{ JL__CG_CPU, "cpu", "+cpu" },
	{ JL__CG_CPUSET, "cpuset", "+cpuset" },
};

#define N_ORDER (sizeof(order) / sizeof(order[0]))

void jl__cg_why(struct jl__buf *why, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (why->len)
		(void)jl__buf_add_str(why, "; ");
	(void)jl__buf_add_str(why, text);
}

int jl__cg_effective(int dir, const char *what, char *text, size_t size)
{
	/* v1; v2; v1 before it had effective values. */
	static const char *const around[][2] = {
		{ "cpuset.effective_", "" },
		{ "cpuset.", ".effective" },
		{ "cpuset.", "" },
	};
	char file[64];
	int r = -ENOENT;

	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]) && r <= 0; i++) {
		(void)snprintf(file, sizeof(file), "%s%s%s", around[i][0], what,
			       around[i][1]);
		r = jl__cg_read(dir, file, text, size);
	}
	return r == 0 ? -ENODATA : r;
}

int jl__cg_fill_cpuset(int base, int dir)
{
	static const char *const files[][2] = { { "mems", "cpuset.mems" },
						{ "cpus", "cpuset.cpus" } };
	char text[JL__CG_TEXT_MAX];
	int r;

	for (int i = 0; i < 2; i++) {
		r = jl__cg_effective(base, files[i][0], text, sizeof(text));
		if (r >= 0)
			r = jl__cg_write(dir, files[i][1], text);
		if (r < 0)
			return r;
	}
	return 0;
}

uint32_t jl__cg_given_below(const struct jl__cg_hierarchy *hierarchy, int dir)
{
	char text[JL__CG_TEXT_MAX];
	struct jl__span rest, name;
	uint32_t given = JL__CG_CORE;
	int len;

	if (hierarchy->version == 1)
		return hierarchy->offers;
	len = jl__cg_read(dir, "cgroup.subtree_control", text, sizeof(text));
	rest = (struct jl__span){ text, len > 0 ? (size_t)len : 0 };
	while (jl__span_next(&rest, ' ', &name))
		given |= jl__cg_offer_v2(name);
	return given & hierarchy->offers;
}

uint32_t jl__cg_swap_offer(const struct jl__cg_hierarchy *hierarchy, int dir)
{
	const char *file = hierarchy->version == 2 ? "memory.swap.max"
						   : "memory.memsw.limit_in_bytes";

	if (!(hierarchy->offers & JL__CG_MEMORY) || !jl__cg_exists(dir, file))
		return 0;
	return JL__CG_SWAP;
}

static int open_write(int dir, const char *file)
{
	_cleanup_close_ int fd = -EBADF;

	fd = (int)jl__sys_openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	return fd < 0 ? fd : 0;
}

/* The root group is the one that may have both processes and groups with controllers. */
static bool has_members(int base, char *text, size_t size)
{
	return jl__cg_exists(base, "cgroup.type") &&
	       jl__cg_read(base, "cgroup.procs", text, size) > 0;
}

/* Puts the calling process into a leaf of its own, when nobody else is in the base. */
static int move_self(int base, const char *members)
{
	char self[16];
	int r;

	(void)snprintf(self, sizeof(self), "%ld", jl__sys_getpid());
	if (strcmp(members, self) != 0)
		return -EBUSY;
	r = (int)jl__sys_mkdirat(base, JL__CG_MAIN, 0755);
	if (r < 0 && r != -EEXIST)
		return r;
	return jl__cg_write(base, JL__CG_MAIN "/cgroup.procs", "0");
}

static int busy(const struct jl__cg_hierarchy *hierarchy, struct jl__buf *why)
{
	jl__cg_why(
		why,
		"cgroup \"%.200s\" holds other processes, so cgroup v2 refuses controllers "
		"below it; " REMEDY,
		hierarchy->path);
	return why->failed == -ENOMEM ? -ENOMEM : -EBUSY;
}

static int enable(const struct jl__cg_hierarchy *hierarchy, uint32_t missing,
		  struct jl__buf *why)
{
	int r;

	for (size_t i = 0; i < N_ORDER; i++) {
		if (!(missing & order[i].offer))
			continue;
		r = jl__cg_write(hierarchy->base_fd, "cgroup.subtree_control",
				 order[i].enable);
		if (r == -EBUSY)
			return busy(hierarchy, why);
		if (r < 0)
			jl__cg_why(
				why,
				"cgroup \"%.200s\" cannot hand on the controller %s: %s",
				hierarchy->path, order[i].name, jl__errno_text(r));
	}
	return 0;
}

int jl__cg_delegate(const struct jl__cg_hierarchy *hierarchy, bool may_move,
		    struct jl__buf *why)
{
	char members[JL__CG_TEXT_MAX];
	int base = hierarchy->base_fd;
	uint32_t missing;
	int r;

	if (hierarchy->version == 1)
		return 0;
	missing = hierarchy->offers & ~jl__cg_given_below(hierarchy, base);
	if (!missing)
		return 0;
	r = open_write(base, "cgroup.subtree_control");
	if (r < 0) {
		jl__cg_why(
			why,
			"cgroup \"%.200s\" is not the caller's to divide (%s); " REMEDY,
			hierarchy->path, jl__errno_text(r));
		return why->failed == -ENOMEM ? -ENOMEM : 0;
	}
	if (has_members(base, members, sizeof(members))) {
		r = may_move ? move_self(base, members) : -EBUSY;
		if (r < 0)
			return busy(hierarchy, why);
	}
	r = enable(hierarchy, missing, why);
	return r == 0 && why->failed == -ENOMEM ? -ENOMEM : r;
}

void jl__cg_delegate_inside(const struct jl__cg_hierarchy *hierarchy, int dir,
			    struct jl__buf *why)
{
	char text[JL__CG_TEXT_MAX] = "";
	int r;

	if (hierarchy->version == 1)
		return;
	(void)jl__cg_read(dir, "cgroup.controllers", text, sizeof(text));
	for (size_t i = 0; i < N_ORDER; i++) {
		/* What did not arrive here was already told of the base. */
		if (!(hierarchy->offers & order[i].offer) ||
		    !jl__cg_has_word(text, order[i].name))
			continue;
		r = jl__cg_write(dir, "cgroup.subtree_control", order[i].enable);
		if (r < 0)
			jl__cg_why(why,
				   "groups of jobs cannot have the controller %s: %s",
				   order[i].name, jl__errno_text(r));
	}
}
