/* SPDX-License-Identifier: MIT */
/*
 * Groups on this kernel. Needs root; works below the own group of each hierarchy only and
 * leaves nothing there. The context is a fake: what is tested here is cgroup/ alone.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"
#include "ctx/ctx.h"

static struct jl_ctx fake_ctx;
static struct jl__cg_tree *own;	   /* the caller's own groups */
static struct jl__cg_tree *own_v1; /* the same without v2 */
static jl_error *err;
static jl_limits *limits;
static jl_cgroup *group;
static char prefix[32]; /* of all groups of this run */
static char name[64];

jl_ctx *jl_ctx_ref(jl_ctx *ctx)
{
	return ctx;
}

jl_ctx *jl_ctx_unref(jl_ctx *ctx)
{
	(void)ctx;
	return NULL;
}

int jl__ctx_cgroups(jl_ctx *ctx, const struct jl__cg_tree **ret, jl_error **ret_err)
{
	(void)ret_err;
	*ret = ctx->cgroups;
	return 0;
}

#define ck_ok(call)                                                                    \
	do {                                                                           \
		int r_ = (call);                                                       \
		ck_assert_msg(r_ >= 0, "%s: %d %s", #call, r_, jl_error_message(err)); \
	} while (0)

/* A public call overwrites the slot, so what is in it goes first. */
#define ck_fails(call, code)                                \
	do {                                                \
		jl_error_free(err);                         \
		err = NULL;                                 \
		ck_assert_int_eq(call, code);               \
		ck_assert_int_eq(jl_error_code(err), code); \
	} while (0)

/*
 * The tree with a base of the test's own in each hierarchy, so that a sweep meets nobody
 * else's groups. v1_only: the machine as if it had no v2 hierarchy.
 */
static struct jl__cg_tree *open_private(bool v1_only)
{
	struct jl__buf mounts = JL__BUF_INIT(1 << 20), self = JL__BUF_INIT(1 << 20);
	struct jl__buf changed = JL__BUF_INIT(1 << 20);
	struct jl__cg_source source = { 0 };
	struct jl__cg_tree *tree = NULL;
	struct jl__span rest, line;

	ck_ok(jl__cg_read_all("/proc/self/mountinfo", &mounts));
	ck_ok(jl__cg_read_all("/proc/self/cgroup", &self));
	rest = (struct jl__span){ self.data, self.len };
	while (jl__span_next(&rest, '\n', &line)) {
		if (v1_only && strncmp(line.text, "0::", 3) == 0)
			continue;
		ck_ok(jl__buf_add(&changed, line.text, line.len));
		ck_ok(jl__buf_addf(&changed, "/%s\n", name));
	}
	source.mountinfo = (struct jl__span){ mounts.data, mounts.len };
	source.self = (struct jl__span){ changed.data, changed.len };
	ck_ok(jl__cg_tree_build(&source, NULL, &tree, &err));
	jl__buf_done(&mounts);
	jl__buf_done(&self);
	jl__buf_done(&changed);
	return tree;
}

/* Makes the private bases: in the hierarchies of v1 that only serve without v2, too. */
static void make_bases(const struct jl__cg_tree *tree)
{
	struct jl__buf why = JL__BUF_INIT(JL__CG_WHY_MAX);

	for (uint32_t i = 0; i < tree->count; i++) {
		int r, base, dir = tree->list[i].base_fd;

		/* With other members in the own group fewer limits are tested. */
		(void)jl__cg_delegate(&tree->list[i], false, &why);
		r = mkdirat(dir, name, 0755);
		ck_assert(r == 0 || errno == EEXIST);
		base = jl__cg_open_folder(dir, name);
		if (tree->list[i].version == 1 && tree->list[i].offers & JL__CG_CPUSET)
			ck_ok(jl__cg_fill_cpuset(dir, base));
		(void)close(base);
	}
	jl__buf_done(&why);
}

static struct jl__cg_tree *open_v1_only(void)
{
	struct jl__buf mounts = JL__BUF_INIT(1 << 20), self = JL__BUF_INIT(1 << 20);
	struct jl__cg_source source = { 0 };
	char *line;

	/* The own groups first, to make the bases in them. */
	ck_ok(jl__cg_read_all("/proc/self/mountinfo", &mounts));
	ck_ok(jl__cg_read_all("/proc/self/cgroup", &self));
	line = strstr(self.data, "0::");
	if (line)
		line[1] = 'x';
	source.mountinfo = (struct jl__span){ mounts.data, mounts.len };
	source.self = (struct jl__span){ self.data, self.len };
	ck_ok(jl__cg_tree_build(&source, NULL, &own_v1, &err));
	jl__buf_done(&mounts);
	jl__buf_done(&self);
	make_bases(own_v1);
	return open_private(true);
}

static void set_up(void)
{
	(void)snprintf(name, sizeof(name), "%s-%d", prefix, (int)getpid());
	ck_ok(jl__cg_tree_open(NULL, &own, &err));
	make_bases(own);
	fake_ctx.cgroups = open_private(false);
	ck_ok(jl_limits_new(&limits));
}

static void remove_bases(struct jl__cg_tree **slot)
{
	for (uint32_t i = 0; *slot && i < (*slot)->count; i++)
		(void)jl__cg_remove_below((*slot)->list[i].base_fd, name, 0);
	*slot = jl__cg_tree_free(*slot);
}

static void tear_down(void)
{
	if (group) {
		int r = jl_cgroup_kill(group, NULL);

		r = r < 0 ? r : jl_cgroup_remove(group, NULL);
		ck_assert(r == 0 || r == -ENOENT);
	}
	group = jl_cgroup_unref(group);
	jl_limits_free(limits);
	jl_error_free(err);
	err = NULL;
	fake_ctx.cgroups = jl__cg_tree_free(fake_ctx.cgroups);
	remove_bases(&own_v1);
	remove_bases(&own);
}

static bool offers(uint32_t offer)
{
	return fake_ctx.cgroups->offers & offer;
}

static void make_group(void)
{
	ck_ok(jl_cgroup_create(&fake_ctx, name, &group, &err));
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		for (;;)
			(void)pause();
	return pid;
}

/* 'S' sleeping, 'D' in the v1 freezer, 'Z' dead. */
static char state_of(pid_t pid)
{
	char path[64], text[512];
	char *p;
	int len;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	len = jl__cg_read(AT_FDCWD, path, text, sizeof(text) - 1);
	if (len < 0)
		return '?';
	p = strrchr(text, ')');
	return p && p[1] ? p[2] : '?';
}

static void reap_killed(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}

static bool is_mine(const char *path)
{
	struct jl__buf buf = JL__BUF_INIT(1 << 16);
	bool found;

	ck_ok(jl__cg_read_all("/proc/self/cgroup", &buf));
	found = strstr(buf.data, path) != NULL;
	jl__buf_done(&buf);
	return found;
}

START_TEST(tree_has_every_offer_once)
{
	uint32_t seen = 0;

	ck_assert_uint_gt(fake_ctx.cgroups->count, 0);
	for (uint32_t i = 0; i < fake_ctx.cgroups->count; i++) {
		ck_assert_uint_eq(seen & fake_ctx.cgroups->list[i].offers, 0);
		ck_assert_uint_ne(fake_ctx.cgroups->list[i].offers, 0);
		ck_assert_int_ge(fake_ctx.cgroups->list[i].base_fd, 0);
		seen |= fake_ctx.cgroups->list[i].offers;
	}
	ck_assert_uint_eq(seen, fake_ctx.cgroups->offers);
	if (seen & JL__CG_CORE) {
		ck_assert_int_eq(fake_ctx.cgroups->list[0].version, 2);
		ck_assert_uint_eq(seen & (JL__CG_FREEZER | JL__CG_CPUACCT), 0);
	}
}
END_TEST

START_TEST(every_limit_reads_back)
{
	jl_limits *found = NULL;
	uint64_t io = offers(JL__CG_IO) ? 1 << 20 : 0;

	make_group();
	if (offers(JL__CG_CPU))
		ck_ok(jl_limits_set_cpu_percent(limits, 150, &err));
	if (offers(JL__CG_MEMORY))
		ck_ok(jl_limits_set_memory_bytes(limits, (64 << 20) + 17, &err));
	if (offers(JL__CG_PIDS))
		ck_ok(jl_limits_set_pids(limits, 33, &err));
	if (offers(JL__CG_CPUSET))
		ck_ok(jl_limits_set_cpus(limits, "0", &err));
	ck_ok(jl_limits_set_io_bps(limits, io, io * 2, &err));
	ck_ok(jl_cgroup_apply(group, limits, "/", &err));
	/* Again, higher and lower: the order of v1 memory limits matters. */
	if (offers(JL__CG_MEMORY)) {
		ck_ok(jl_limits_set_memory_bytes(limits, 128 << 20, &err));
		ck_ok(jl_cgroup_apply(group, limits, "/", &err));
		ck_ok(jl_limits_set_memory_bytes(limits, (64 << 20) + 17, &err));
		ck_ok(jl_cgroup_apply(group, limits, "/", &err));
	}
	ck_ok(jl_cgroup_read_limits(group, &found, &err));
	ck_assert_uint_eq(jl_limits_get(found, JL_LIMIT_CPU_PERCENT),
			  offers(JL__CG_CPU) ? 150 : 0);
	ck_assert_uint_eq(jl_limits_get(found, JL_LIMIT_MEMORY_BYTES),
			  offers(JL__CG_MEMORY) ? 64 << 20 : 0);
	ck_assert_uint_eq(jl_limits_get(found, JL_LIMIT_PIDS),
			  offers(JL__CG_PIDS) ? 33 : 0);
	ck_assert_uint_eq(jl_limits_get(found, JL_LIMIT_IO_READ_BPS), io);
	ck_assert_uint_eq(jl_limits_get(found, JL_LIMIT_IO_WRITE_BPS), io * 2);
	ck_assert_str_eq(jl_limits_get_cpus(found), offers(JL__CG_CPUSET) ? "0" : "");
	jl_limits_free(found);
}
END_TEST

START_TEST(what_is_not_named_is_lifted)
{
	jl_limits *found = NULL;
	jl_limits *nothing = NULL;

	make_group();
	ck_ok(jl_limits_new(&nothing));
	if (offers(JL__CG_MEMORY))
		ck_ok(jl_limits_set_memory_bytes(limits, 64 << 20, &err));
	if (offers(JL__CG_PIDS))
		ck_ok(jl_limits_set_pids(limits, 33, &err));
	if (offers(JL__CG_CPU))
		ck_ok(jl_limits_set_cpu_percent(limits, 50, &err));
	if (offers(JL__CG_IO))
		ck_ok(jl_limits_set_io_bps(limits, 1 << 20, 1 << 20, &err));
	if (offers(JL__CG_CPUSET))
		ck_ok(jl_limits_set_cpus(limits, "0", &err));
	ck_ok(jl_cgroup_apply(group, limits, "/", &err));
	ck_ok(jl_cgroup_apply(group, nothing, NULL, &err));
	ck_ok(jl_cgroup_read_limits(group, &found, &err));
	ck_assert(!jl__limits_any(found));
	jl_limits_free(found);
	jl_limits_free(nothing);
}
END_TEST

START_TEST(a_core_that_is_not_there_is_named)
{
	if (!offers(JL__CG_CPUSET))
		return;
	make_group();
	ck_ok(jl_limits_set_cpus(limits, "8190", &err));
	ck_fails(jl_cgroup_apply(group, limits, NULL, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "core 8190 does not exist"));
}
END_TEST

START_TEST(a_member_is_counted_frozen_and_killed)
{
	struct jl_stats stats = { .size = sizeof(stats) };
	pid_t pid = start_child();

	make_group();
	ck_ok(jl_cgroup_add_pid(group, pid, &err));
	ck_ok(jl_cgroup_get_stats(group, &stats, &err));
	ck_assert_uint_ne(stats.cpu_usec, UINT64_MAX);
	if (offers(JL__CG_PIDS))
		ck_assert_uint_eq(stats.pids, 1);
	ck_fails(jl_cgroup_remove(group, &err), -EBUSY);
	jl_error_free(err);
	ck_ok(jl_cgroup_freeze(group, 1, &err));
	/* A frozen process does not even die of a signal. */
	ck_ok(jl_cgroup_freeze(group, 0, &err));
	ck_ok(jl_cgroup_freeze(group, 1, &err));
	ck_ok(jl_cgroup_kill(group, &err));
	ck_assert_int_eq(state_of(pid), 'Z');
	reap_killed(pid);
	jl_error_free(err);
	ck_ok(jl_cgroup_remove(group, &err));
	ck_ok(jl_cgroup_remove(group, &err));
	ck_fails(jl_cgroup_kill(group, &err), -ENOENT);
	ck_fails(jl_cgroup_get_stats(group, &stats, &err), -ENOENT);
	ck_fails(jl_cgroup_freeze(group, 1, &err), -ENOENT);
}
END_TEST

START_TEST(v1_alone_freezes_and_kills)
{
	pid_t pid;

	fake_ctx.cgroups = jl__cg_tree_free(fake_ctx.cgroups);
	fake_ctx.cgroups = open_v1_only();
	if (fake_ctx.cgroups->count == 0)
		return;
	ck_assert(!offers(JL__CG_CORE));
	make_group();
	pid = start_child();
	ck_ok(jl_cgroup_add_pid(group, pid, &err));
	if (offers(JL__CG_FREEZER)) {
		ck_ok(jl_cgroup_freeze(group, 1, &err));
		ck_assert_int_eq(state_of(pid), 'D');
		ck_ok(jl_cgroup_freeze(group, 0, &err));
		ck_assert_int_ne(state_of(pid), 'D');
		ck_ok(jl_cgroup_freeze(group, 1, &err));
	}
	ck_ok(jl_cgroup_kill(group, &err));
	reap_killed(pid);
	ck_ok(jl_cgroup_remove(group, &err));
}
END_TEST

START_TEST(names_are_checked_and_taken_once)
{
	jl_cgroup *other = NULL;

	ck_fails(jl_cgroup_create(&fake_ctx, "../x", &other, &err), -EINVAL);
	ck_fails(jl_cgroup_create(&fake_ctx, "joblet-x", &other, &err), -EINVAL);
	ck_fails(jl_cgroup_create(&fake_ctx, "", &other, &err), -EINVAL);
	ck_fails(jl_cgroup_open(&fake_ctx, name, &other, &err), -ENOENT);
	jl_error_free(err);
	make_group();
	ck_fails(jl_cgroup_create(&fake_ctx, name, &other, &err), -EEXIST);
	jl_error_free(err);
	ck_ok(jl_cgroup_open(&fake_ctx, name, &other, &err));
	(void)jl_cgroup_unref(other);
}
END_TEST

/* A job of a nest: a group in each hierarchy with this process in it. */
static void add_job(const struct jl__cg_nest *nest, pid_t pid)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	for (uint32_t i = 0; i < nest->count; i++) {
		ck_assert_int_ge(nest->fds[i], 0);
		ck_assert_int_eq(mkdirat(nest->fds[i], "job-1", 0755), 0);
		if (fake_ctx.cgroups->list[i].offers & JL__CG_CPUSET &&
		    fake_ctx.cgroups->list[i].version == 1) {
			int job = openat(nest->fds[i], "job-1", O_DIRECTORY | O_CLOEXEC);

			ck_ok(jl__cg_fill_cpuset(nest->fds[i], job));
			(void)close(job);
		}
		ck_ok(jl__cg_write(nest->fds[i], "job-1/cgroup.procs", text));
	}
}

START_TEST(compiled_writes_hold_in_a_job_group)
{
	struct jl__cg_writes writes;
	struct jl__cg_nest nest;
	char device[32], text[256], *why = NULL;

	ck_ok(jl__cg_nest_create(fake_ctx.cgroups, name, false, &nest, &why, &err));
	if (nest.offers & JL__CG_CPU)
		ck_ok(jl_limits_set_cpu_percent(limits, 1, &err));
	if (nest.offers & JL__CG_MEMORY)
		ck_ok(jl_limits_set_memory_bytes(limits, 10000001, &err));
	if (nest.offers & JL__CG_PIDS)
		ck_ok(jl_limits_set_pids(limits, 4194304, &err));
	if (nest.offers & JL__CG_CPUSET)
		ck_ok(jl_limits_set_cpus(limits, "0", &err));
	if (nest.offers & JL__CG_IO)
		ck_ok(jl_limits_set_io_bps(limits, 1024, 0, &err));
	ck_ok(jl__cg_device_of("/", device, &err));
	ck_ok(jl__cg_compile(fake_ctx.cgroups, nest.offers, limits, device, &writes,
			     &err));
	for (uint32_t i = 0; i < nest.count; i++)
		ck_assert_int_eq(mkdirat(nest.fds[i], "job-1", 0755), 0);
	for (uint32_t i = 0; i < writes.count; i++) {
		int job = openat(nest.fds[writes.list[i].hierarchy], "job-1",
				 O_DIRECTORY | O_CLOEXEC);

		ck_ok(jl__cg_write(job, writes.list[i].file, writes.list[i].value));
		ck_ok(jl__cg_read(job, writes.list[i].file, text, sizeof(text)));
		ck_assert_str_eq(text, writes.list[i].expect);
		(void)close(job);
	}
	jl__cg_writes_done(&writes);
	jl__free(why);
	ck_assert_int_eq(jl__cg_nest_remove(fake_ctx.cgroups, nest.name), 0);
	jl__cg_nest_close(&nest);
}
END_TEST

START_TEST(a_nest_is_removed_with_its_jobs)
{
	struct jl__cg_nest nest;
	char *why = NULL;
	pid_t pid;

	if (_i == 1) {
		fake_ctx.cgroups = jl__cg_tree_free(fake_ctx.cgroups);
		fake_ctx.cgroups = open_v1_only();
	}
	if (fake_ctx.cgroups->count == 0)
		return;
	ck_ok(jl__cg_nest_create(fake_ctx.cgroups, name, false, &nest, &why, &err));
	ck_assert_msg(!why, "%s", why);
	pid = start_child();
	add_job(&nest, pid);
	ck_assert_int_eq(jl__cg_nest_remove(fake_ctx.cgroups, nest.name), 0);
	reap_killed(pid);
	for (uint32_t i = 0; i < nest.count; i++)
		ck_assert(!jl__cg_exists(fake_ctx.cgroups->list[i].base_fd, nest.name));
	jl__cg_nest_close(&nest);
}
END_TEST

START_TEST(a_sweep_takes_what_nobody_holds)
{
	struct jl__cg_nest held, left;
	char *why = NULL, other[80];
	pid_t pid = start_child();

	ck_ok(jl__cg_nest_create(fake_ctx.cgroups, name, false, &held, &why, &err));
	(void)snprintf(other, sizeof(other), "%s-left", name);
	ck_ok(jl__cg_nest_create(fake_ctx.cgroups, other, false, &left, &why, &err));
	add_job(&left, pid);
	jl__cg_nest_close(&left);
	ck_assert_int_ge(jl__cg_nest_sweep(fake_ctx.cgroups), 1);
	reap_killed(pid);
	for (uint32_t i = 0; i < held.count; i++) {
		int base = fake_ctx.cgroups->list[i].base_fd;

		ck_assert(jl__cg_exists(base, held.name));
		ck_assert(!jl__cg_exists(base, left.name));
	}
	jl__cg_nest_close(&held);
	ck_assert_int_ge(jl__cg_nest_sweep(fake_ctx.cgroups), 1);
	for (uint32_t i = 0; i < held.count; i++)
		ck_assert(!jl__cg_exists(fake_ctx.cgroups->list[i].base_fd, held.name));
}
END_TEST

/* Every nest must be whole while it is held, however many sweeps run. */
static int hammer(int number, int turns)
{
	char id[128], *why;
	struct jl__cg_nest nest;
	struct jl__cg_tree *tree = NULL;
	int bad = 0;

	tree = open_private(false);
	for (int turn = 0; turn < turns; turn++) {
		(void)snprintf(id, sizeof(id), "h%d-%d-%d", (int)getpid(), number, turn);
		why = NULL;
		if (jl__cg_nest_create(tree, id, false, &nest, &why, NULL) < 0)
			return 1;
		bad += why != NULL;
		for (uint32_t i = 0; i < nest.count; i++)
			bad += nest.fds[i] < 0 ||
			       !jl__cg_exists(nest.fds[i], "cgroup.procs");
		jl__free(why);
		/* Half are left to the sweeps. */
		if (turn % 2)
			bad += jl__cg_nest_remove(tree, nest.name) < 0;
		jl__cg_nest_close(&nest);
	}
	(void)jl__cg_tree_free(tree);
	return bad;
}

START_TEST(sweeps_never_take_a_nest_that_is_being_made)
{
	pid_t makers[2], sweepers[2];
	int status;

	for (int i = 0; i < 2; i++) {
		makers[i] = fork();
		if (makers[i] == 0)
			_exit(hammer(i, 400) ? 1 : 0);
		sweepers[i] = fork();
		if (sweepers[i] == 0)
			for (;;)
				(void)jl__cg_nest_sweep(fake_ctx.cgroups);
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(waitpid(makers[i], &status, 0), makers[i]);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(kill(sweepers[i], SIGKILL), 0);
		ck_assert_int_eq(waitpid(sweepers[i], &status, 0), sweepers[i]);
	}
	ck_assert_int_ge(jl__cg_nest_sweep(fake_ctx.cgroups), 0);
}
END_TEST

START_TEST(a_member_of_a_leaf_is_where_it_should_be)
{
	make_group();
	ck_ok(jl_cgroup_add_pid(group, 0, &err));
	ck_assert(is_mine(name));
	/* Back, or the group could not be removed: the fixture's end is in this process.
	 */
	for (uint32_t i = 0; i < own->count; i++)
		ck_ok(jl__cg_write(own->list[i].base_fd, "cgroup.procs", "0"));
	ck_assert(!is_mine(name));
	ck_ok(jl_cgroup_remove(group, &err));
}
END_TEST

/* Only where v2 has controllers: elsewhere nothing stands in the way of a member. */
START_TEST(a_lone_member_of_the_base_moves_when_it_may)
{
	const struct jl__cg_hierarchy *v2 = &fake_ctx.cgroups->list[0];
	struct jl__cg_nest nest;
	char *why = NULL;
	pid_t pid = 0;

	if (v2->version != 2 || v2->offers == JL__CG_CORE)
		return;
	ck_ok(jl__cg_write(v2->base_fd, "cgroup.procs", "0"));
	if (_i == 0)
		pid = start_child();
	ck_ok(jl__cg_nest_create(fake_ctx.cgroups, name, true, &nest, &why, &err));
	if (_i == 0) {
		ck_assert_ptr_nonnull(strstr(why, "holds other processes"));
		ck_assert_uint_eq(nest.offers & v2->offers, JL__CG_CORE);
		ck_assert(!is_mine("joblet-main"));
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		reap_killed(pid);
	} else {
		ck_assert_msg(!why, "%s", why);
		ck_assert_uint_eq(nest.offers & v2->offers, v2->offers);
		ck_assert(is_mine("joblet-main"));
	}
	ck_assert_int_eq(jl__cg_nest_remove(fake_ctx.cgroups, nest.name), 0);
	jl__cg_nest_close(&nest);
	jl__free(why);
	ck_ok(jl__cg_write(own->list[0].base_fd, "cgroup.procs", "0"));
}
END_TEST

START_TEST(root_folder_is_on_a_whole_disk_and_proc_is_not)
{
	char device[32] = "", path[64];

	ck_fails(jl__cg_device_of("/proc", device, &err), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "proc"));
	ck_fails(jl__cg_device_of("/nowhere", device, &err), -ENOENT);
	if (jl__cg_device_of("/", device, NULL) < 0)
		return;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%s/partition", device);
	ck_assert_int_ne(access(path, F_OK), 0);
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%s", device);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* Why this machine cannot run the tests; NULL when it can. */
static const char *reason_to_skip(void)
{
	struct jl__cg_tree *tree = NULL;
	const char *reason = NULL;
	char trial[64];

	if (geteuid() != 0)
		return "needs root";
	if (jl__cg_tree_open(NULL, &tree, NULL) < 0 || tree->count == 0)
		reason = "no cgroups here";
	(void)snprintf(trial, sizeof(trial), "jltest-%d", (int)getpid());
	for (uint32_t i = 0; tree && i < tree->count; i++) {
		if (mkdirat(tree->list[i].base_fd, trial, 0755) < 0)
			reason = "the own cgroup cannot be written to";
		(void)unlinkat(tree->list[i].base_fd, trial, AT_REMOVEDIR);
	}
	(void)jl__cg_tree_free(tree);
	return reason;
}

static int remove_leftover(int dir, const char *leftover, void *data)
{
	int fd;

	(void)data;
	if (strncmp(leftover, prefix, strlen(prefix)) != 0)
		return 0;
	fd = jl__cg_open_folder(dir, leftover);
	if (fd >= 0)
		(void)jl__cg_kill_v1(fd, -EBADF);
	(void)close(fd);
	(void)jl__cg_remove_below(dir, leftover, 0);
	return 0;
}

/* A test that failed did not come to its own end. */
static void remove_leftovers(void)
{
	struct jl__cg_tree *tree = NULL;

	if (jl__cg_tree_open(NULL, &tree, NULL) < 0)
		return;
	for (uint32_t i = 0; i < tree->count; i++)
		(void)jl__cg_each_folder(tree->list[i].base_fd, remove_leftover, NULL);
	(void)jl__cg_tree_free(tree);
}

int main(void)
{
	const char *must = getenv("JOBLET_TEST_MUST_RUN");
	const char *reason = reason_to_skip();
	TCase *tcase = tcase_create("live");
	Suite *suite = suite_create("cgroup_live");
	SRunner *runner;
	int failed;

	if (reason && !(must && strcmp(must, "1") == 0)) {
		printf("1..0 # SKIP %s\n", reason);
		return EXIT_SUCCESS;
	}
	(void)snprintf(prefix, sizeof(prefix), "jltest-%d", (int)getpid());
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, tree_has_every_offer_once);
	tcase_add_test(tcase, every_limit_reads_back);
	tcase_add_test(tcase, what_is_not_named_is_lifted);
	tcase_add_test(tcase, a_core_that_is_not_there_is_named);
	tcase_add_test(tcase, a_member_is_counted_frozen_and_killed);
	tcase_add_test(tcase, v1_alone_freezes_and_kills);
	tcase_add_test(tcase, names_are_checked_and_taken_once);
	tcase_add_test(tcase, compiled_writes_hold_in_a_job_group);
	tcase_add_loop_test(tcase, a_nest_is_removed_with_its_jobs, 0, 2);
	tcase_add_test(tcase, a_sweep_takes_what_nobody_holds);
	tcase_add_test(tcase, sweeps_never_take_a_nest_that_is_being_made);
	tcase_add_test(tcase, a_member_of_a_leaf_is_where_it_should_be);
	tcase_add_loop_test(tcase, a_lone_member_of_the_base_moves_when_it_may, 0, 2);
	tcase_add_test(tcase, root_folder_is_on_a_whole_disk_and_proc_is_not);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	remove_leftovers();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
