/* SPDX-License-Identifier: MIT */
#define JL_MODULE "cgroup"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"
#include "sys/sys.h"

#define PREFIX "joblet-"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
/* Each turn lost means that a sweep ran in between; this many in a row means something
 * else. */
#define LOCK_TURNS 100

/*
 * No dot on purpose: what systemd makes ("joblet-daemon.service") ends in one and a
 * suffix and must never be taken for a nest.
 */
static bool is_nest_name(const char *name)
{
	size_t len = strlen(name);

	return len > strlen(PREFIX) && len < sizeof(((struct jl__cg_nest *)0)->name) &&
	       strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
	       strcmp(name, JL__CG_MAIN) != 0 && strspn(name, NAME_CHARS) == len;
}

static int lock(int fd, int how)
{
	int r;

	do
		r = (int)jl__sys_flock(fd, how);
	while (r == -EINTR);
	return r;
}

/* Whether the folder of this name is the one behind fd; a removed one keeps its link
 * count. */
static bool is_same(int base, const char *name, int fd)
{
	struct stat named, held;

	return fstatat(base, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(fd, &held) == 0 && named.st_ino == held.st_ino &&
	       named.st_dev == held.st_dev;
}

/* A fresh folder, locked. A sweep may take it between mkdir and flock: then once more. */
static int make_locked(int base, const char *name)
{
	int r, fd;

	for (int turn = 0; turn < LOCK_TURNS; turn++) {
		r = (int)jl__sys_mkdirat(base, name, 0755);
		if (r < 0)
			return r;
		fd = jl__cg_open_folder(base, name);
		if (fd == -ENOENT)
			continue;
		r = fd < 0 ? fd : lock(fd, LOCK_EX);
		if (r < 0) {
			(void)jl__sys_unlinkat(base, name, AT_REMOVEDIR);
			(void)jl__close(fd);
			return r;
		}
		if (is_same(base, name, fd))
			return fd;
		(void)jl__close(fd);
	}
	return -EBUSY;
}

static void drop(const struct jl__cg_tree *tree, struct jl__cg_nest *nest, uint32_t i)
{
	if (nest->fds[i] < 0)
		return;
	(void)jl__sys_unlinkat(tree->list[i].base_fd, nest->name, AT_REMOVEDIR);
	nest->fds[i] = jl__close(nest->fds[i]);
}

/* One hierarchy of a nest. Failures that only cost offers go to why. */
static int add_hierarchy(const struct jl__cg_tree *tree, uint32_t i, bool may_move,
			 struct jl__cg_nest *nest, struct jl__buf *why)
{
	const struct jl__cg_hierarchy *hierarchy = &tree->list[i];
	int r, fd;

	r = jl__cg_delegate(hierarchy, may_move, why);
	if (r == -ENOMEM)
		return r;
	fd = make_locked(hierarchy->base_fd, nest->name);
	if (fd == -EEXIST || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	if (fd < 0) {
		jl__cg_why(why, "no group can be made in cgroup \"%.200s\" of %.200s: %s",
			   hierarchy->path, hierarchy->mount, jl__errno_text(fd));
		return 0;
	}
	nest->fds[i] = fd;
	if (hierarchy->version == 1 && hierarchy->offers & JL__CG_CPUSET) {
		r = jl__cg_fill_cpuset(hierarchy->base_fd, fd);
		if (r < 0) {
			/* Without cores and nodes nothing can join, whatever else is
			 * here. */
			drop(tree, nest, i);
			jl__cg_why(why,
				   "cpuset of cgroup \"%.200s\" cannot be handed on: %s",
				   hierarchy->path, jl__errno_text(r));
			return 0;
		}
	}
	jl__cg_delegate_inside(hierarchy, fd, why);
	nest->offers |=
		jl__cg_given_below(hierarchy, fd) | jl__cg_swap_offer(hierarchy, fd);
	return 0;
}

int jl__cg_nest_create(const struct jl__cg_tree *tree, const char *id, bool may_move,
		       struct jl__cg_nest *ret, char **why, jl_error **err)
{
	struct jl__buf reasons = JL__BUF_INIT(JL__CG_WHY_MAX);
	struct jl__cg_nest nest = { .count = tree->count };
	int r = 0;

	(void)snprintf(nest.name, sizeof(nest.name), PREFIX "%s", id);
	if (strlen(id) + strlen(PREFIX) >= sizeof(nest.name) || !is_nest_name(nest.name))
		return jl__fail(err, -EINVAL, "bad name for a group of jobs");
	for (uint32_t i = 0; i < JL__CG_MAX; i++)
		nest.fds[i] = -EBADF;
	for (uint32_t i = 0; i < tree->count && r == 0; i++)
		r = add_hierarchy(tree, i, may_move, &nest, &reasons);
	/* A list of reasons that is too long is cut; one that is lost is a lie. */
	if (r == 0 && reasons.failed == -ENOMEM)
		r = -ENOMEM;
	if (r < 0) {
		for (uint32_t i = 0; i < tree->count; i++)
			drop(tree, &nest, i);
		jl__buf_done(&reasons);
		return r == -EEXIST
			       ? jl__fail(err, r, "cgroup \"%s\" exists already",
					  nest.name)
			       : jl__fail_errno(err, r, "cannot create cgroup \"%s\"",
						nest.name);
	}
	*ret = nest;
	*why = jl__buf_steal(&reasons);
	return 0;
}

void jl__cg_nest_close(struct jl__cg_nest *nest)
{
	for (uint32_t i = 0; i < nest->count; i++)
		nest->fds[i] = jl__close(nest->fds[i]);
}

/* Kills what is in one hierarchy of a nest. In a hybrid v2 comes first and leaves
 * nothing. */
static int empty(const struct jl__cg_tree *tree, uint32_t i, const char *name, int fd)
{
	_cleanup_close_ int freezer = -EBADF;
	int at = jl__cg_tree_find(tree, JL__CG_FREEZER);

	if (tree->list[i].version == 2)
		return jl__cg_kill_v2(fd);
	if (at >= 0)
		freezer = jl__cg_open_folder(tree->list[at].base_fd, name);
	return jl__cg_kill_v1(fd, freezer);
}

int jl__cg_nest_remove(const struct jl__cg_tree *tree, const char *name)
{
	int r, result = 0;

	if (!is_nest_name(name))
		return -EINVAL;
	for (uint32_t i = 0; i < tree->count; i++) {
		_cleanup_close_ int fd = -EBADF;

		fd = jl__cg_open_folder(tree->list[i].base_fd, name);
		if (fd == -ENOENT)
			continue;
		r = fd < 0 ? fd : empty(tree, i, name, fd);
		if (r == 0 || r == -ENOENT)
			r = jl__cg_remove_below(tree->list[i].base_fd, name, 0);
		if (r < 0 && result == 0)
			result = r;
	}
	return result;
}

struct sweep {
	const struct jl__cg_tree *tree;
	uint32_t hierarchy;
	int removed;
};

static bool is_elsewhere(const struct sweep *sweep, const char *name)
{
	for (uint32_t i = sweep->hierarchy + 1; i < sweep->tree->count; i++)
		if (jl__cg_exists(sweep->tree->list[i].base_fd, name))
			return true;
	return false;
}

static int sweep_one(int dir, const char *name, void *data)
{
	_cleanup_close_ int fd = -EBADF;
	struct sweep *sweep = data;
	char members[32];

	(void)dir;
	if (!is_nest_name(name))
		return 0;
	dir = sweep->tree->list[sweep->hierarchy].base_fd;
	fd = jl__cg_open_folder(dir, name);
	if (fd < 0 || lock(fd, LOCK_EX | LOCK_NB) < 0 || !is_same(dir, name, fd))
		return 0;
	/* Jobs live one level deeper. Processes right here: a group that is not ours. */
	if (jl__cg_read(fd, "cgroup.procs", members, sizeof(members)) > 0)
		return 0;
	/* The lock is held until the folder is gone, so nobody takes it over meanwhile.
	 */
	(void)empty(sweep->tree, sweep->hierarchy, name, fd);
	if (jl__cg_remove_below(dir, name, 0) == 0 && !is_elsewhere(sweep, name))
		sweep->removed++;
	return 0;
}

int jl__cg_nest_sweep(const struct jl__cg_tree *tree)
{
	struct sweep sweep = { .tree = tree };
	int r;

	for (uint32_t i = 0; i < tree->count; i++) {
		sweep.hierarchy = i;
		r = jl__cg_each_folder(tree->list[i].base_fd, sweep_one, &sweep);
		if (r < 0 && r != -EACCES && r != -EPERM && r != -ENOENT)
			return r;
	}
	return sweep.removed;
}
