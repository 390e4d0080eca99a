/* SPDX-License-Identifier: MIT */
#define JL_MODULE "cgroup"

#include <joblet/cgroup.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"
#include "ctx/ctx.h"
#include "sys/sys.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define NAME_MAX_LEN 200
/* struct jl_stats began with size and cpu_usec. */
#define STATS_MIN 16
#define STAT_FILE_MAX ((size_t)1 << 16)

static int check_name(const char *name, jl_error **err)
{
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len > NAME_MAX_LEN || name[0] == '.' ||
	    strspn(name, NAME_CHARS) != len)
		return jl__fail(
			err, -EINVAL,
			"a cgroup name has 1 to %d characters of A-Z a-z 0-9 _ . - and "
			"does not start with a dot",
			NAME_MAX_LEN);
	/* A sweep takes unlocked groups of such names away. */
	if (strncmp(name, "joblet-", 7) == 0)
		return jl__fail(
			err, -EINVAL,
			"cgroup names starting with \"joblet-\" belong to the library");
	return 0;
}

static int group_new(jl_ctx *ctx, const char *name, jl_cgroup **ret, jl_error **err)
{
	const struct jl__cg_tree *tree;
	jl_cgroup *group;
	int r;

	r = jl__ctx_cgroups(ctx, &tree, err);
	if (r < 0)
		return r;
	if (tree->count == 0)
		return jl__fail(err, -EOPNOTSUPP,
				"no cgroup hierarchy shows the caller's own group here");
	group = jl__calloc(1, sizeof(*group));
	if (!group)
		return jl__oom(err);
	atomic_init(&group->refs, 1);
	group->ctx = jl_ctx_ref(ctx);
	group->tree = tree;
	for (int i = 0; i < JL__CG_MAX; i++)
		group->fds[i] = -EBADF;
	memcpy(group->name, name, strlen(name) + 1);
	*ret = group;
	return 0;
}

jl_cgroup *jl_cgroup_ref(jl_cgroup *cgroup)
{
	atomic_fetch_add_explicit(&cgroup->refs, 1, memory_order_relaxed);
	return cgroup;
}

jl_cgroup *jl_cgroup_unref(jl_cgroup *cgroup)
{
	if (!cgroup ||
	    atomic_fetch_sub_explicit(&cgroup->refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	for (int i = 0; i < JL__CG_MAX; i++)
		(void)jl__close(cgroup->fds[i]);
	jl_ctx_unref(cgroup->ctx);
	jl__free(cgroup);
	return NULL;
}

static void learn_offers(jl_cgroup *group, uint32_t i)
{
	const struct jl__cg_hierarchy *hierarchy = &group->tree->list[i];

	group->offers |= jl__cg_given_below(hierarchy, hierarchy->base_fd) |
			 jl__cg_swap_offer(hierarchy, group->fds[i]);
}

static int make_one(jl_cgroup *group, uint32_t i, struct jl__buf *why)
{
	const struct jl__cg_hierarchy *hierarchy = &group->tree->list[i];
	int r;

	r = jl__cg_delegate(hierarchy, false, why);
	if (r < 0)
		return r;
	r = (int)jl__sys_mkdirat(hierarchy->base_fd, group->name, 0755);
	if (r < 0)
		return r == -EROFS ? -EACCES : r;
	group->fds[i] = r = jl__cg_open_folder(hierarchy->base_fd, group->name);
	if (r >= 0 && hierarchy->version == 1 && hierarchy->offers & JL__CG_CPUSET)
		r = jl__cg_fill_cpuset(hierarchy->base_fd, group->fds[i]);
	if (r < 0) {
		(void)jl__sys_unlinkat(hierarchy->base_fd, group->name, AT_REMOVEDIR);
		group->fds[i] = jl__close(group->fds[i]);
		return r;
	}
	learn_offers(group, i);
	return 0;
}

/* Makes the group wherever the caller may. Refusals count when nowhere is left. */
static int make_all(jl_cgroup *group, struct jl__buf *why)
{
	int r, refused = -EOPNOTSUPP;
	bool made = false;

	for (uint32_t i = 0; i < group->tree->count; i++) {
		r = make_one(group, i, why);
		if (r == -EACCES || r == -EPERM)
			refused = r;
		else if (r < 0)
			return r;
		else
			made = true;
	}
	return made ? 0 : refused;
}

int jl_cgroup_create(jl_ctx *ctx, const char *name, jl_cgroup **ret_cgroup,
		     jl_error **ret_err)
{
	struct jl__buf why = JL__BUF_INIT(JL__CG_WHY_MAX);
	jl_cgroup *group = NULL;
	int r;

	jl__error_init(ret_err);
	r = check_name(name, ret_err);
	if (r == 0)
		r = group_new(ctx, name, &group, ret_err);
	if (r < 0)
		return r;
	r = make_all(group, &why);
	if (r == 0) {
		jl__buf_done(&why);
		*ret_cgroup = group;
		return 0;
	}
	for (uint32_t i = 0; i < group->tree->count; i++)
		if (group->fds[i] >= 0)
			(void)jl__sys_unlinkat(group->tree->list[i].base_fd, name,
					       AT_REMOVEDIR);
	(void)jl_cgroup_unref(group);
	if (r == -EEXIST)
		r = jl__fail(ret_err, r, "cgroup \"%s\" exists already", name);
	else if (why.len)
		r = jl__fail(ret_err, r, "cannot create cgroup \"%s\": %s", name,
			     why.data);
	else
		r = jl__fail_errno(ret_err, r, "cannot create cgroup \"%s\"", name);
	jl__buf_done(&why);
	return r;
}

int jl_cgroup_open(jl_ctx *ctx, const char *name, jl_cgroup **ret_cgroup,
		   jl_error **ret_err)
{
	int r;

	jl__error_init(ret_err);
	r = check_name(name, ret_err);
	return r < 0 ? r : jl__cgroup_open_below(ctx, name, ret_cgroup, ret_err);
}

int jl__cgroup_open_below(jl_ctx *ctx, const char *name, jl_cgroup **ret_cgroup,
			  jl_error **ret_err)
{
	jl_cgroup *group = NULL;
	int r, fd, found = 0;

	r = group_new(ctx, name, &group, ret_err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < group->tree->count && r == 0; i++) {
		fd = jl__cg_open_folder(group->tree->list[i].base_fd, name);
		if (fd == -ENOENT)
			continue;
		if (fd < 0) {
			r = fd;
			break;
		}
		group->fds[i] = fd;
		learn_offers(group, i);
		found++;
	}
	if (r == 0 && found) {
		*ret_cgroup = group;
		return 0;
	}
	(void)jl_cgroup_unref(group);
	if (r == 0)
		return jl__fail(ret_err, -ENOENT, "there is no cgroup \"%s\"", name);
	return jl__fail_errno(ret_err, r, "cannot open cgroup \"%s\"", name);
}

/* 0, or -ENOENT with a sentence when the group is in no hierarchy any more. */
static int check_there(const jl_cgroup *group, jl_error **err)
{
	for (uint32_t i = 0; i < group->tree->count; i++)
		if (group->fds[i] >= 0 && jl__cg_exists(group->fds[i], "cgroup.procs"))
			return 0;
	return jl__fail(err, -ENOENT, "cgroup \"%s\" is gone", group->name);
}

int jl_cgroup_add_pid(jl_cgroup *cgroup, pid_t pid, jl_error **ret_err)
{
	char text[16];
	int r;

	jl__error_init(ret_err);
	if (pid < 0)
		return jl__fail(ret_err, -EINVAL, "a process number cannot be negative");
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	for (uint32_t i = 0; i < cgroup->tree->count; i++) {
		if (cgroup->fds[i] < 0)
			continue;
		r = jl__cg_write(cgroup->fds[i], "cgroup.procs", text);
		if (r < 0)
			return jl__fail_errno(
				ret_err, r,
				"cannot move process %d into cgroup \"%s\" of %.200s",
				(int)pid, cgroup->name, cgroup->tree->list[i].mount);
	}
	return 0;
}

static void read_stats(int dir, const char *const *files, struct jl_stats *stats)
{
	static const size_t room = 1 << 14;
	char text[1 << 14];
	int len;

	for (; *files; files++) {
		len = jl__cg_read(dir, *files, text, room);
		if (len >= 0)
			jl__cg_stats_add(stats, *files, text, (size_t)len);
	}
}

int jl_cgroup_get_stats(jl_cgroup *cgroup, struct jl_stats *stats, jl_error **ret_err)
{
	struct jl_stats found = { .size = sizeof(found) };
	uint64_t size = stats->size;
	size_t shared = size < sizeof(found) ? (size_t)size : sizeof(found);
	int r;

	jl__error_init(ret_err);
	if (size < STATS_MIN)
		return jl__fail(ret_err, -EINVAL,
				"the size of the statistics is not set");
	r = check_there(cgroup, ret_err);
	if (r < 0)
		return r;
	jl__cg_stats_clear(&found);
	for (uint32_t i = 0; i < cgroup->tree->count; i++)
		if (cgroup->fds[i] >= 0)
			read_stats(cgroup->fds[i],
				   jl__cg_stat_files(&cgroup->tree->list[i]), &found);
	/* A caller built against a later header gets zeros for what we do not know. */
	if (size > sizeof(found))
		memset((char *)stats + sizeof(found), 0, (size_t)size - sizeof(found));
	memcpy(stats, &found, shared);
	stats->size = size;
	return 0;
}

static int fd_of(const jl_cgroup *group, uint32_t offer)
{
	int at = jl__cg_tree_find(group->tree, offer);

	return at < 0 ? -EBADF : group->fds[at];
}

int jl_cgroup_freeze(jl_cgroup *cgroup, int frozen, jl_error **ret_err)
{
	int core = fd_of(cgroup, JL__CG_CORE), freezer = fd_of(cgroup, JL__CG_FREEZER);
	int r;

	jl__error_init(ret_err);
	if (frozen != 0 && frozen != 1)
		return jl__fail(ret_err, -EINVAL, "frozen is 0 or 1");
	r = check_there(cgroup, ret_err);
	if (r < 0)
		return r;
	if (core >= 0) {
		r = jl__cg_write(core, "cgroup.freeze", frozen ? "1" : "0");
		if (r == 0)
			r = jl__cg_wait_event(core, frozen ? "frozen 1" : "frozen 0");
	} else if (freezer >= 0) {
		r = jl__cg_freeze_v1(freezer, frozen == 1);
	} else {
		return jl__fail(ret_err, -EOPNOTSUPP,
				"cgroup \"%s\" has neither cgroup v2 nor a v1 freezer",
				cgroup->name);
	}
	if (r < 0)
		return jl__fail_errno(ret_err, r, "cannot %s cgroup \"%s\"",
				      frozen ? "freeze" : "thaw", cgroup->name);
	return 0;
}

int jl_cgroup_kill(jl_cgroup *cgroup, jl_error **ret_err)
{
	int freezer = fd_of(cgroup, JL__CG_FREEZER);
	int r;

	jl__error_init(ret_err);
	r = check_there(cgroup, ret_err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < cgroup->tree->count && r == 0; i++) {
		if (cgroup->fds[i] < 0)
			continue;
		/* After v2 there is nothing left in v1, unless it was put there by hand.
		 */
		r = cgroup->tree->list[i].version == 2
			    ? jl__cg_kill_v2(cgroup->fds[i])
			    : jl__cg_kill_v1(cgroup->fds[i], freezer);
	}
	if (r == -EBUSY)
		return jl__fail(ret_err, r, "processes of cgroup \"%s\" do not end",
				cgroup->name);
	if (r < 0)
		return jl__fail_errno(ret_err, r, "cannot kill cgroup \"%s\"",
				      cgroup->name);
	return 0;
}

int jl_cgroup_remove(jl_cgroup *cgroup, jl_error **ret_err)
{
	int r;

	jl__error_init(ret_err);
	for (uint32_t i = 0; i < cgroup->tree->count; i++) {
		if (cgroup->fds[i] < 0)
			continue;
		r = (int)jl__sys_unlinkat(cgroup->tree->list[i].base_fd, cgroup->name,
					  AT_REMOVEDIR);
		if (r == -EBUSY || r == -ENOTEMPTY)
			return jl__fail(
				ret_err, -EBUSY,
				"cgroup \"%s\" still has processes or groups in it",
				cgroup->name);
		if (r < 0 && r != -ENOENT)
			return jl__fail_errno(ret_err, r, "cannot remove cgroup \"%s\"",
					      cgroup->name);
	}
	return 0;
}
