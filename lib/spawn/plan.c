/* SPDX-License-Identifier: MIT */
#define JL_MODULE "plan"

#include "spawn/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "rootfs/rootfs.h"
#include "sandbox/sandbox.h"

#define DEFAULT_HOSTNAME "joblet"
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* For so long a view is taken as unchanged: looking at the host's files costs 20 µs. */
#define VIEW_FRESH_USEC 1000000

/* ---- pieces of the buffer ---- */

static uint32_t put_string(struct jl__buf *buf, const char *text)
{
	uint32_t at = (uint32_t)buf->len;

	(void)jl__buf_add(buf, text, strlen(text) + 1);
	return at;
}

static struct jl__array put_array(struct jl__buf *buf, const void *items, uint32_t count,
				  size_t item)
{
	struct jl__array span = { 0, count };

	(void)jl__buf_align(buf, 8);
	span.offset = (uint32_t)buf->len;
	(void)jl__buf_add(buf, items, count * item);
	return span;
}

/* ---- command and arguments ---- */

static const char *path_of(const jl_job_spec *spec)
{
	for (uint32_t i = 0; i < spec->env_count; i++)
		if (strcmp(spec->env[i].name, "PATH") == 0)
			return spec->env[i].value;
	return DEFAULT_PATH;
}

/* A name is looked up in PATH by the job itself, in its own root; here the candidates. */
static int put_commands(struct jl__buf *buf, const jl_job_spec *spec,
			struct jl__plan *plan)
{
	const char *command = spec->args[0], *path = path_of(spec);
	uint32_t list[256], count = 0;

	if (strchr(command, '/')) {
		list[count++] = put_string(buf, command);
	} else {
		for (;;) {
			size_t len = strcspn(path, ":");

			list[count++] = (uint32_t)buf->len;
			(void)jl__buf_addf(buf, "%.*s%s%s", (int)len, path,
					   len ? "/" : "./", command);
			(void)jl__buf_add(buf, "", 1);
			if (!path[len])
				break;
			path += len + 1;
		}
	}
	plan->commands = put_array(buf, list, count, sizeof(*list));
	return buf->failed;
}

static int put_args(struct jl__buf *buf, const jl_job_spec *spec, struct jl__plan *plan)
{
	_cleanup_free_ uint32_t *list = jl__alloc(spec->arg_count * sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < spec->arg_count; i++)
		list[i] = put_string(buf, spec->args[i]);
	plan->argv = put_array(buf, list, spec->arg_count, sizeof(*list));
	return buf->failed;
}

/* ---- environment ---- */

struct env_list {
	struct jl__buf *buf;
	const jl_job_spec *spec;
	uint32_t *list;
	uint32_t count;
};

static void put_env(struct env_list *env, const char *name, const char *value)
{
	env->list[env->count++] = (uint32_t)env->buf->len;
	(void)jl__buf_addf(env->buf, "%s=%s", name, value);
	(void)jl__buf_add(env->buf, "", 1);
}

static void put_default(struct env_list *env, const char *name, const char *value)
{
	for (uint32_t i = 0; i < env->spec->env_count; i++)
		if (strcmp(env->spec->env[i].name, name) == 0)
			return;
	put_env(env, name, value);
}

static void put_number(struct env_list *env, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	if (value)
		put_env(env, name, text);
}

static int put_environment(struct jl__buf *buf, const jl_job_spec *spec, const char *id,
			   struct jl__plan *plan)
{
	_cleanup_free_ uint32_t *list = jl__alloc((spec->env_count + 24) * sizeof(*list));
	struct env_list env = { .buf = buf, .spec = spec, .list = list };
	const char *user = spec->uid == 0	? "root"
			   : spec->uid == 65534 ? "nobody"
						: "user";

	if (!list)
		return -ENOMEM;
	put_default(&env, "PATH", DEFAULT_PATH);
	put_default(&env, "HOME", "/work");
	put_default(&env, "USER", user);
	put_default(&env, "LOGNAME", user);
	put_default(&env, "SHELL", "/bin/sh");
	put_default(&env, "LANG", "C.UTF-8");
	put_default(&env, "TERM",
		    spec->streams[1] >= 0 && isatty(spec->streams[1]) ? "xterm" : "dumb");
	put_default(&env, "TMPDIR", "/tmp");
	put_env(&env, "JOBLET", "1");
	put_env(&env, "JOB_ID", id);
	if (spec->name)
		put_env(&env, "JOB_NAME", spec->name);
	put_number(&env, "JOB_MAX_CPU",
		   jl_limits_get(spec->limits, JL_LIMIT_CPU_PERCENT));
	put_number(&env, "JOB_MAX_MEMORY",
		   jl_limits_get(spec->limits, JL_LIMIT_MEMORY_BYTES) >> 20);
	put_number(&env, "JOB_MAX_IOBPS",
		   jl_limits_get(spec->limits, JL_LIMIT_IO_WRITE_BPS));
	if (*jl_limits_get_cpus(spec->limits))
		put_env(&env, "JOB_CPU_CORES", jl_limits_get_cpus(spec->limits));
	put_env(&env, "JOB_NETWORK", jl__spec_network_name(spec));
	for (uint32_t i = 0; i < spec->env_count; i++)
		put_env(&env, spec->env[i].name, spec->env[i].value);
	plan->envp = put_array(buf, env.list, env.count, sizeof(*list));
	return buf->failed;
}

/* ---- limits
 * -----------------------------------------------------------------------------------------
 */

/* The default for processes is left out, not refused, where nothing can enforce it. */
static int wanted_limits(struct jl__link *link, const jl_job_spec *spec, jl_limits **ret,
			 jl_error **err)
{
	*ret = jl__limits_copy(spec->limits);
	if (!*ret)
		return jl__oom(err);
	if (!(link->nest.offers & JL__CG_PIDS) &&
	    jl_limits_get(*ret, JL_LIMIT_PIDS) == JL__PIDS_DEFAULT) {
		jl__log(link->ctx, JL_LOG_WARNING, JL_MODULE,
			"the default limit of %d processes is not applied: the caller has no pids controller (rnx doctor tells why)",
			JL__PIDS_DEFAULT);
		return jl_limits_set_pids(*ret, 0, err);
	}
	return 0;
}

static uint32_t hierarchies_to_join(const struct jl__cg_tree *tree,
				    const struct jl__link *link, uint32_t needed)
{
	/* Beyond what limits need: what tells about memory, I/O and processes at the end.
	 */
	const uint32_t always = JL__CG_CORE | JL__CG_MEMORY | JL__CG_IO | JL__CG_PIDS |
				JL__CG_FREEZER | JL__CG_CPUACCT;
	uint32_t mask = 0;

	for (uint32_t i = 0; i < link->nest.count; i++)
		if (tree->list[i].offers & link->nest.offers & (always | needed))
			mask |= 1U << i;
	return mask;
}

/* Of the files that make statistics, those that still say something about an empty group.
 */
static bool tells_at_end(const char *file)
{
	static const char *const live[] = { "memory.stat", "memory.current",
					    "memory.usage_in_bytes", "pids.current" };

	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
		if (strcmp(file, live[i]) == 0)
			return false;
	return true;
}

static int put_stats(struct jl__buf *buf, const struct jl__cg_tree *tree,
		     struct jl__plan *plan)
{
	struct jl__plan_stat list[32];
	uint32_t count = 0;

	for (uint32_t i = 0; i < tree->count; i++) {
		const char *const *files = jl__cg_stat_files(&tree->list[i]);

		if (!(plan->hierarchies & 1U << i))
			continue;
		for (; *files && count < 32; files++) {
			if (!tells_at_end(*files))
				continue;
			list[count].hierarchy = i;
			list[count++].file = put_string(buf, *files);
		}
	}
	plan->stats = put_array(buf, list, count, sizeof(*list));
	return buf->failed;
}

static int put_limits(struct jl__buf *buf, struct jl__link *link, const jl_job_spec *spec,
		      struct jl__plan *plan, jl_error **err)
{
	_cleanup_free_ struct jl__plan_write *list = NULL;
	struct jl__cg_writes writes = { 0 };
	const struct jl__cg_tree *tree;
	jl_limits *limits = NULL;
	char device[32];
	bool io;
	int r;

	r = jl__ctx_cgroups(link->ctx, &tree, err);
	if (r < 0)
		return r;
	r = wanted_limits(link, spec, &limits, err);
	io = r == 0 && (jl_limits_get(limits, JL_LIMIT_IO_READ_BPS) ||
			jl_limits_get(limits, JL_LIMIT_IO_WRITE_BPS));
	if (io) {
		plan->flags |= JL__PLAN_WORK_ON_DISK;
		r = jl__link_work(link, err);
		if (r == 0)
			r = jl__cg_device_of(link->work_path, device, err);
	}
	if (r == 0)
		r = jl__cg_compile(tree, link->nest.offers, limits, io ? device : NULL,
				   &writes, err);
	jl_limits_free(limits);
	if (r < 0) {
		if (r == -EOPNOTSUPP && link->nest_why)
			/* The first reason is enough; one per hierarchy would be a page.
			 */
			return jl__fail(err, r, "%s (%.*s)",
					err && *err ? jl_error_message(*err) : "",
					(int)strcspn(link->nest_why, ";"),
					link->nest_why);
		return r;
	}
	list = jl__alloc(writes.count * sizeof(*list));
	for (uint32_t i = 0; list && i < writes.count; i++) {
		list[i].hierarchy = writes.list[i].hierarchy;
		list[i].file = put_string(buf, writes.list[i].file);
		list[i].value = put_string(buf, writes.list[i].value);
		list[i].expect = writes.list[i].expect
					 ? put_string(buf, writes.list[i].expect)
					 : 0;
	}
	plan->hierarchies = hierarchies_to_join(tree, link, writes.offers);
	if (list)
		plan->writes = put_array(buf, list, writes.count, sizeof(*list));
	jl__cg_writes_done(&writes);
	if (!list || put_stats(buf, tree, plan) < 0)
		return jl__oom(err);
	return 0;
}

static int put_rlimits(struct jl__buf *buf, const struct jl__link *link,
		       const jl_job_spec *spec, struct jl__plan *plan)
{
	struct jl__plan_rlimit list[RLIM_NLIMITS + 2] = {
		/* 0 would still hand the memory to a core handler of the host; 1 does
		   not. */
		{ .resource = RLIMIT_CORE, .soft = 1, .hard = 1 },
		{ .resource = RLIMIT_NOFILE },
	};
	struct rlimit files, core;
	uint32_t count = 2;

	/* Who has 0 and no privileges cannot have more. */
	if (!link->privileged && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0)
		list[0].soft = list[0].hard = 0;
	/* The supervisor has raised its own; jobs get what the caller has. */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		files.rlim_cur = files.rlim_max = 1024;
	list[1].soft = files.rlim_cur;
	list[1].hard = files.rlim_max;
	for (uint32_t i = 0; i < spec->rlimit_count; i++) {
		uint32_t at = 0;

		while (at < count && (int)list[at].resource != spec->rlimits[i].resource)
			at++;
		if (at == count)
			list[count++].resource = (uint32_t)spec->rlimits[i].resource;
		list[at].soft = spec->rlimits[i].soft;
		list[at].hard = spec->rlimits[i].hard;
	}
	plan->rlimits = put_array(buf, list, count, sizeof(*list));
	return buf->failed;
}

/* ---- root and sandbox ---- */

static uint64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The view of the last job is kept: most callers run many jobs of one kind. */
static int get_view(struct jl__link *link, const jl_job_spec *spec, const char *shown,
		    jl_error **err)
{
	struct jl__view view = {
		.privileged = link->privileged,
		.host_network = spec->network == JL_NETWORK_HOST,
		.uid = spec->uid,
		.gid = spec->gid,
		.hostname = spec->hostname ? spec->hostname : DEFAULT_HOSTNAME,
		.shown = shown,
	};
	_cleanup_free_ char *key = NULL;
	uint64_t now = now_usec();
	struct jl__tree *tree;
	int r;

	key = jl__format("%d %" PRIu32 " %" PRIu32 " %s %s", view.host_network, view.uid,
			 view.gid, view.hostname, shown ? shown : "");
	if (!key)
		return jl__oom(err);
	if (link->view_key && strcmp(link->view_key, key) == 0 &&
	    now - link->view_usec < VIEW_FRESH_USEC)
		return 0;
	r = jl__view_compile(&view, &tree, err);
	if (r < 0)
		return r;
	jl__free(link->view);
	jl__free(link->view_key);
	link->view = tree;
	link->view_key = jl__steal(key);
	link->view_usec = now;
	return 0;
}

/* The same holds for what completes it. */
static int get_completion(struct jl__link *link, const jl_job_spec *spec,
			  bool work_on_disk, jl_error **err)
{
	struct jl__scratch scratch = { 0 };

	scratch.own_ids = link->privileged;
	scratch.tmp_bytes = spec->tmp_bytes;
	scratch.work_bytes = spec->work_bytes;
	scratch.shm_bytes = spec->shm_bytes;
	scratch.work_on_disk = work_on_disk;
	if (link->ops.count && memcmp(&scratch, &link->scratch, sizeof(scratch)) == 0)
		return 0;
	jl__ops_done(&link->ops);
	if (jl__view_complete(&scratch, &link->ops) < 0) {
		jl__ops_done(&link->ops);
		return jl__oom(err);
	}
	link->scratch = scratch;
	return 0;
}

static int put_root(struct jl__buf *buf, struct jl__link *link, const jl_job_spec *spec,
		    const char *shown, struct jl__plan *plan, jl_error **err)
{
	struct jl__op *ops;
	uint32_t text;
	int r;

	r = get_view(link, spec, shown, err);
	if (r == 0)
		r = get_completion(link, spec, plan->flags & JL__PLAN_WORK_ON_DISK, err);
	if (r < 0)
		return r;
	plan->tree = put_array(buf, link->view, link->view->size, 1);
	text = (uint32_t)buf->len;
	(void)jl__buf_add(buf, link->ops.text, link->ops.text_len);
	plan->ops =
		put_array(buf, link->ops.list, link->ops.count, sizeof(*link->ops.list));
	if (buf->failed)
		return buf->failed == -ENOMEM ? jl__oom(err) : buf->failed;
	ops = (struct jl__op *)(buf->data + plan->ops.offset);
	for (uint32_t i = 0; i < link->ops.count; i++) {
		ops[i].path += text;
		ops[i].text += text;
	}
	return 0;
}

static int put_filter(struct jl__buf *buf, const jl_job_spec *spec, struct jl__plan *plan,
		      jl_error **err)
{
	struct jl__filter filter = { 0 };
	int r = jl__filter_compile(spec->seccomp, &filter, err);

	if (r < 0)
		return r;
	plan->filter = put_array(buf, filter.insns, filter.count, sizeof(*filter.insns));
	jl__free(filter.insns);
	return 0;
}

int jl__plan_compile(struct jl__link *link, const jl_job_spec *spec, const char *id,
		     const char *shown, struct jl__buf *buf, jl_error **err)
{
	struct jl__plan plan = {
		.magic = JL__PLAN_MAGIC,
		.uid = spec->uid,
		.gid = spec->gid,
		.timeout_usec = spec->timeout_usec,
		.caps = spec->uid == 0 ? jl__caps_job_root() : 0,
	};
	int r;

	r = jl_job_spec_check(spec, err);
	if (r < 0)
		return r;
	if (!link->privileged && (spec->uid || spec->gid))
		return jl__fail(
			err, -EPERM,
			"user %" PRIu32 ":%" PRIu32
			" needs ids of its own, which only root can give; leave the user out",
			spec->uid, spec->gid);
	if (spec->network == JL_NETWORK_HOST)
		plan.flags |= JL__PLAN_HOST_NETWORK;
	if (spec->init)
		plan.flags |= JL__PLAN_INIT;
	if (spec->orphan == JL_ORPHAN_KEEP)
		plan.flags |= JL__PLAN_ORPHAN_KEEP;
	(void)jl__buf_add(buf, &plan, sizeof(plan));
	plan.hostname =
		put_string(buf, spec->hostname ? spec->hostname : DEFAULT_HOSTNAME);
	plan.work_dir = put_string(buf, spec->work_dir ? spec->work_dir : "/work");
	if (put_args(buf, spec, &plan) < 0 || put_commands(buf, spec, &plan) < 0 ||
	    put_environment(buf, spec, id, &plan) < 0 ||
	    put_rlimits(buf, link, spec, &plan) < 0)
		goto full;
	r = put_limits(buf, link, spec, &plan, err);
	if (r == 0)
		r = put_root(buf, link, spec, shown, &plan, err);
	if (r == 0)
		r = put_filter(buf, spec, &plan, err);
	if (r == -E2BIG && buf->failed)
		goto full;
	if (r < 0)
		return r;
	/* Whatever comes last, a string does not end with the buffer. */
	if (jl__buf_align(buf, 8) < 0 || jl__buf_add(buf, "\0\0\0\0\0\0\0", 8) < 0)
		goto full;
	plan.size = (uint32_t)buf->len;
	memcpy(buf->data, &plan, sizeof(plan));
	return 0;
full:
	if (buf->failed == -E2BIG)
		return jl__fail(err, -E2BIG,
				"arguments and environment are too large together");
	return jl__oom(err);
}

int jl__plan_add_wire(struct jl__buf *buf, const struct jl__wire *wire, jl_error **err)
{
	struct jl__plan plan;

	memcpy(&plan, buf->data, sizeof(plan));
	plan.wire = put_array(buf, wire, wire->size, 1);
	if (jl__buf_align(buf, 8) < 0)
		return buf->failed == -E2BIG
			       ? jl__fail(err, -E2BIG,
					  "arguments and environment are too large together")
			       : jl__oom(err);
	plan.size = (uint32_t)buf->len;
	memcpy(buf->data, &plan, sizeof(plan));
	return 0;
}
