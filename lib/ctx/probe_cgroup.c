/* SPDX-License-Identifier: MIT */
/* Control groups as the probe tells about them: looked at, never created. */
#define JL_MODULE "probe"
#include "ctx/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup.h"
#include "ctx/ctx.h"
#include "sys/sys.h"

#ifndef __NR_faccessat2
#define __NR_faccessat2 439
#endif

#define ELSEWHERE                                                                            \
	"Use a group of your own: systemd-run --user --scope -p Delegate=yes COMMAND, or a " \
	"container with a writable /sys/fs/cgroup."

static int may_write(int dir, const char *path)
{
	return (int)jl__sys6(__NR_faccessat2, dir, (long)path, W_OK, AT_EACCESS, 0, 0);
}

static bool is_root_group(const struct jl__cg_hierarchy *tree)
{
	return strcmp(tree->path, "/") == 0 || !tree->path[0];
}

/* Whether a process other than the caller is in the base group itself. */
static bool has_others(const struct jl__cg_hierarchy *hierarchy)
{
	_cleanup_close_ int fd = (int)jl__sys_openat(hierarchy->base_fd, "cgroup.procs",
						     O_RDONLY | O_CLOEXEC, 0);
	char text[64], own[24];
	long len;

	if (fd < 0)
		return false;
	len = jl__sys_read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return false;
	text[len] = 0;
	(void)snprintf(own, sizeof(own), "%ld\n", jl__sys_getpid());
	return strcmp(text, own) != 0;
}

/* Why groups cannot be made with this controller here; NULL when they can. */
static const char *obstacle(const struct jl__cg_hierarchy *hierarchy)
{
	if (hierarchy->version == 1 && may_write(hierarchy->base_fd, ".") < 0)
		return "This limit cannot be asked for: the controller sits on cgroup v1, where "
		       "the caller may not create groups. Run as root, or boot with "
		       "systemd.unified_cgroup_hierarchy=1.";
	if (hierarchy->version == 1)
		return NULL;
	if (may_write(hierarchy->base_fd, ".") < 0)
		return "This limit cannot be asked for: the caller may not create groups "
		       "here. " ELSEWHERE;
	if (may_write(hierarchy->base_fd, "cgroup.procs") < 0)
		return "This limit cannot be asked for: the caller may not put processes into "
		       "groups here. " ELSEWHERE;
	if (!is_root_group(hierarchy) && has_others(hierarchy))
		return "This limit cannot be asked for: other processes are in the same group, "
		       "which forbids limits below it. " ELSEWHERE;
	return NULL;
}

static int add_controller(jl_probe *probe, const struct jl__cg_tree *tree,
			  const char *name, uint32_t offer)
{
	int at = jl__cg_tree_find(tree, offer);
	const struct jl__cg_hierarchy *hierarchy;
	const char *meaning;

	if (at < 0)
		return jl__probe_add(
			probe, name, JL_PROBE_MISSING,
			"This limit cannot be asked for: no hierarchy offers the "
			"controller to this group. The group above must enable it "
			"(cgroup.subtree_control; for systemd: Delegate=yes), or "
			"the kernel is built without it.",
			"no controller");
	hierarchy = &tree->list[at];
	meaning = obstacle(hierarchy);
	return jl__probe_add(probe, name, meaning ? JL_PROBE_MISSING : JL_PROBE_OK,
			     meaning, "v%d at %s%s", hierarchy->version, hierarchy->mount,
			     is_root_group(hierarchy) ? "" : hierarchy->path);
}

/* Groups themselves: ending, stopping and counting what is in them. */
static int add_core(jl_probe *probe, const struct jl__cg_tree *tree)
{
	int at = jl__cg_tree_find(tree, JL__CG_CORE);
	const struct jl__cg_hierarchy *hierarchy;

	if (at < 0) {
		at = jl__cg_tree_find(tree, JL__CG_FREEZER);
		return jl__probe_add(
			probe, "cgroup.core",
			at < 0 ? JL_PROBE_MISSING : JL_PROBE_LIMITED,
			at < 0 ? "Jobs cannot be frozen and their CPU time is not known. Mount "
				 "cgroup2."
			       : "Jobs are ended and frozen through the v1 freezer, which takes "
				 "longer. Mount cgroup2.",
			"no v2 hierarchy");
	}
	hierarchy = &tree->list[at];
	if (may_write(hierarchy->base_fd, ".") < 0)
		return jl__probe_add(
			probe, "cgroup.core", JL_PROBE_LIMITED,
			"Jobs have no group of their own and cannot be frozen. " ELSEWHERE,
			"v2 at %s%s, not writable", hierarchy->mount,
			is_root_group(hierarchy) ? "" : hierarchy->path);
	/* The root group of the machine never has the file, groups below it do. */
	if (!is_root_group(hierarchy) &&
	    jl__sys6(__NR_faccessat2, hierarchy->base_fd, (long)"cgroup.kill", F_OK, 0, 0,
		     0) == -ENOENT)
		return jl__probe_add(
			probe, "cgroup.core", JL_PROBE_LIMITED,
			"Jobs are ended by freezing and signalling each process, "
			"which takes longer. Linux 5.14 has cgroup.kill.",
			"v2 at %s%s, without kill", hierarchy->mount,
			is_root_group(hierarchy) ? "" : hierarchy->path);
	return jl__probe_add(probe, "cgroup.core", JL_PROBE_OK, NULL, "v2 at %s%s",
			     hierarchy->mount,
			     is_root_group(hierarchy) ? "" : hierarchy->path);
}

static int add_swap(jl_probe *probe, const struct jl__cg_tree *tree)
{
	int at = jl__cg_tree_find(tree, JL__CG_MEMORY);
	const struct jl__cg_hierarchy *hierarchy;
	char swaps[256] = "";
	const char *file;
	long r;
	int fd;

	fd = (int)jl__sys_openat(AT_FDCWD, "/proc/swaps", O_RDONLY | O_CLOEXEC, 0);
	r = fd < 0 ? fd : jl__sys_read(fd, swaps, sizeof(swaps) - 1);
	(void)jl__close(fd);
	/* A headline and nothing behind it. */
	if (r > 0 && strchr(swaps, '\n') == swaps + strlen(swaps) - 1)
		return jl__probe_add(probe, "cgroup.swap", JL_PROBE_OK, NULL,
				     "not needed: this machine has no swap");
	if (at < 0)
		return jl__probe_add(probe, "cgroup.swap", JL_PROBE_MISSING,
				     "See cgroup.memory.", "no controller");
	hierarchy = &tree->list[at];
	file = hierarchy->version == 2 ? "memory.swap.max"
				       : "memory.memsw.limit_in_bytes";
	if (hierarchy->version == 2 && is_root_group(hierarchy))
		return jl__probe_add(probe, "cgroup.swap", JL_PROBE_OK, NULL,
				     "seen when the first job starts");
	r = jl__sys6(__NR_faccessat2, hierarchy->base_fd, (long)file, F_OK, 0, 0, 0);
	return jl__probe_add(
		probe, "cgroup.swap", r < 0 ? JL_PROBE_LIMITED : JL_PROBE_OK,
		r < 0 ? "A memory limit holds for memory only; beyond it a job fills "
			"the machine's swap. Boot with swapaccount=1."
		      : NULL,
		"%s%s", r < 0 ? "no " : "", file);
}

int jl__probe_cgroups(jl_probe *probe, jl_ctx *ctx)
{
	static const struct {
		const char *name;
		uint32_t offer;
	} controllers[] = {
		{ "cgroup.cpu", JL__CG_CPU },	    { "cgroup.cpuset", JL__CG_CPUSET },
		{ "cgroup.memory", JL__CG_MEMORY }, { "cgroup.io", JL__CG_IO },
		{ "cgroup.pids", JL__CG_PIDS },
	};
	const struct jl__cg_tree *tree = NULL;
	jl_error *err = NULL;
	int r = jl__ctx_cgroups(ctx, &tree, &err);

	if (r < 0) {
		if (r != -ENOMEM)
			r = jl__probe_add(probe, "cgroup.core", JL_PROBE_MISSING,
					  "No limit can be asked for.", "%s",
					  jl_error_message(err));
		jl_error_free(err);
		return r;
	}
	if (add_core(probe, tree) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
		if (add_controller(probe, tree, controllers[i].name,
				   controllers[i].offer) < 0)
			return -ENOMEM;
	}
	return add_swap(probe, tree);
}
