/* SPDX-License-Identifier: MIT */
/*
 * A new scenario is a function that does what a caller would do, in the order a caller
 * would do it, and a line in the table at the end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "oom.h"

static int use_limits(jl_error **err)
{
	jl_limits *limits = NULL;
	int r = jl_limits_new(&limits);

	if (r == 0)
		r = jl_limits_set_cpu_percent(limits, 150, err);
	if (r == 0)
		r = jl_limits_set_memory_bytes(limits, UINT64_C(1) << 26, err);
	if (r == 0)
		r = jl_limits_set_pids(limits, 64, err);
	if (r == 0)
		r = jl_limits_set_io_bps(limits, 1 << 20, 1 << 20, err);
	if (r == 0)
		r = jl_limits_set_cpus(limits, "0,2-3,0", err);
	if (r == 0)
		r = jl_limits_set_cpus(limits, "1", err);
	jl_limits_free(limits);
	return r;
}

static int refuse_limits(jl_error **err)
{
	jl_limits *limits = NULL;
	int r = jl_limits_new(&limits);

	if (r == 0)
		r = jl_limits_set_memory_bytes(limits, 1, err);
	/* A refused value is what this scenario is about; only -ENOMEM goes further. */
	REQUIRE(r == -ERANGE || r == -ENOMEM);
	if (r == -ERANGE) {
		jl_error_free(*err);
		*err = NULL;
		r = 0;
	}
	jl_limits_free(limits);
	return r;
}

static int open_context(jl_error **err)
{
	jl_ctx *ctx = NULL;
	int r = jl_ctx_new(0, &ctx, err);

	if (r == 0)
		r = jl_ctx_set_cgroup_base(ctx, "/joblet.slice", err);
	if (r == 0)
		r = jl_ctx_set_cgroup_base(ctx, NULL, err);
	if (r == 0)
		r = jl_ctx_set_state_dir(ctx, "/var/lib/joblet", err);
	jl_ctx_unref(ctx);
	return r;
}

static int probe(jl_error **err)
{
	jl_probe *report = NULL;
	jl_ctx *ctx = NULL;
	int r = jl_ctx_new(0, &ctx, err);

	if (r == 0)
		r = jl_ctx_probe(ctx, &report, err);
	if (r == 0)
		REQUIRE(jl_probe_count(report) > 0);
	jl_probe_free(report);
	jl_ctx_unref(ctx);
	return r;
}

static int use_schedule(jl_error **err)
{
	jl_sched *sched = NULL;
	jl_rule *rule = NULL;
	uint64_t at = 0;
	int r = jl_time_parse("2025-07-18T20:02:48", 0, &at, err);

	if (r == 0)
		r = jl_rule_parse("TZ=Europe/Berlin 0 2 * * *", &rule, err);
	if (r == 0)
		r = jl_rule_next(rule, at, &at);
	if (r == 0)
		r = jl_sched_new(&sched, err);
	for (uint64_t key = 0; r == 0 && key < 100; key++)
		r = jl_sched_add(sched, key, at - key);
	if (r == 0)
		REQUIRE(jl_sched_count(sched) == 100 &&
			jl_sched_next_usec(sched) == at - 99);
	jl_sched_free(sched);
	jl_rule_free(rule);
	return r;
}

static int open_missing_cgroup(jl_error **err)
{
	jl_cgroup *cgroup = NULL;
	jl_ctx *ctx = NULL;
	int r = jl_ctx_new(0, &ctx, err);

	if (r == 0)
		r = jl_cgroup_open(ctx, "test-nobody-made-this", &cgroup, err);
	REQUIRE(r == -ENOENT || r == -ENOMEM);
	if (r == -ENOENT) {
		jl_error_free(*err);
		*err = NULL;
		r = 0;
	}
	jl_ctx_unref(ctx);
	return r;
}

static int use_cgroup(jl_error **err)
{
	struct jl_stats stats = { .size = sizeof(stats) };
	jl_limits *limits = NULL, *read = NULL;
	jl_cgroup *cgroup = NULL;
	jl_ctx *ctx = NULL;
	char name[32];
	int r = jl_ctx_new(0, &ctx, err);

	(void)snprintf(name, sizeof(name), "oom-%d", (int)getpid());
	if (r == 0)
		r = jl_limits_new(&limits);
	if (r == 0)
		r = jl_limits_set_pids(limits, 64, err);
	if (r == 0)
		r = jl_cgroup_create(ctx, name, &cgroup, err);
	if (r == 0)
		r = jl_cgroup_apply(cgroup, limits, NULL, err);
	if (r == 0)
		r = jl_cgroup_read_limits(cgroup, &read, err);
	if (r == 0)
		r = jl_cgroup_get_stats(cgroup, &stats, err);
	if (r == 0)
		r = jl_cgroup_kill(cgroup, err);
	/* Cleaning up has to work when memory is short. */
	if (cgroup)
		REQUIRE(jl_cgroup_remove(cgroup, NULL) == 0);
	jl_cgroup_unref(cgroup);
	jl_limits_free(limits);
	jl_limits_free(read);
	jl_ctx_unref(ctx);
	return r;
}

/* Every setter of a description once, and once more where that replaces a value. */
static int fill_spec(jl_job_spec *spec, jl_error **err)
{
	int r = jl_job_spec_add_arg(spec, "true", err);

	for (int i = 0; r == 0 && i < 20; i++)
		r = jl_job_spec_add_arg(spec, "argument", err);
	for (int i = 0; r == 0 && i < 20; i++)
		r = jl_job_spec_set_env(spec, (char[]){ 'V', (char)('A' + i), 0 }, "x",
					err);
	if (r == 0)
		r = jl_job_spec_set_env(spec, "VA", "another value", err);
	if (r == 0)
		r = jl_job_spec_set_secret_env(spec, "TOKEN", "secret", err);
	for (int i = 0; r == 0 && i < 2; i++)
		r = jl_job_spec_set_name(spec, "oom", err);
	for (int i = 0; r == 0 && i < 2; i++)
		r = jl_job_spec_set_hostname(spec, "inside", err);
	for (int i = 0; r == 0 && i < 2; i++)
		r = jl_job_spec_set_work_dir(spec, "/tmp", err);
	if (r == 0)
		r = jl_job_spec_set_user(spec, 0, 0, err);
	if (r == 0)
		r = jl_job_spec_set_stdio(spec, 1, 2, err);
	if (r == 0)
		r = jl_job_spec_set_timeout(spec, UINT64_C(60000000), err);
	if (r == 0)
		r = jl_job_spec_set_tmpfs_bytes(spec, "/tmp", 1 << 20, err);
	if (r == 0)
		r = jl_job_spec_set_network(spec, JL_NETWORK_NONE, err);
	if (r == 0)
		r = jl_job_spec_set_seccomp(spec, JL_SECCOMP_STRICT, err);
	if (r == 0)
		r = jl_job_spec_set_init(spec, 1, err);
	if (r == 0)
		r = jl_job_spec_set_rlimit(spec, RLIMIT_CORE, 0, 0, err);
	if (r == 0)
		r = jl_job_spec_set_orphan(spec, JL_ORPHAN_KILL, err);
	return r;
}

static int describe(jl_error **err)
{
	jl_job_spec *spec = NULL;
	int r = jl_job_spec_new(&spec);

	if (r == 0)
		r = fill_spec(spec, err);
	if (r == 0)
		r = jl_job_spec_check(spec, err);
	jl_job_spec_free(spec);
	return r;
}

/* One network after the other: each replaces the name of the one before. */
static int describe_network(jl_error **err)
{
	static const char *const names[] = { "bridge", "mine", "yours", "isolated",
					     "mine" };
	jl_job_spec *spec = NULL;
	int r = jl_job_spec_new(&spec);

	if (r == 0)
		r = jl_job_spec_add_arg(spec, "true", err);
	for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		r = jl_job_spec_set_network_name(spec, names[i], err);
	for (int i = 0; r == 0 && i < 20; i++)
		r = jl_job_spec_add_allow_net(spec, "10.0.0.0/8:80-90", err);
	for (int i = 0; r == 0 && i < 9; i++)
		r = jl_job_spec_add_publish(
			spec, (char[]){ '8', (char)('1' + i), ':', '8', '0', 0 }, err);
	if (r == 0)
		r = jl_job_spec_set_net_bps(spec, 1 << 20, err);
	if (r == 0)
		r = jl_job_spec_check(spec, err);
	jl_job_spec_free(spec);
	return r;
}

static int explain(jl_error **err)
{
	jl_job_spec *spec = NULL;
	jl_ctx *ctx = NULL;
	char *text = NULL;
	int r = jl_ctx_new(0, &ctx, err);

	if (r == 0)
		r = jl_job_spec_new(&spec);
	if (r == 0)
		r = fill_spec(spec, err);
	if (r == 0)
		r = jl_job_spec_explain(ctx, spec, &text, err);
	if (r == 0)
		REQUIRE(text[0] != '\0');
	jl_free(text);
	jl_job_spec_free(spec);
	jl_ctx_unref(ctx);
	return r;
}

static int take_events(jl_ctx *ctx, jl_error **err)
{
	jl_event *event = NULL;
	int r;

	while ((r = jl_ctx_next_event(ctx, &event, err)) == 1)
		jl_event_free(event);
	return r;
}

static int run_job(jl_error **err)
{
	struct jl_result result = { .size = sizeof(result) };
	jl_job_spec *spec = NULL;
	jl_ctx *ctx = NULL;
	jl_job *job = NULL;
	int r = jl_ctx_new(0, &ctx, err);

	if (r == 0)
		r = jl_job_spec_new(&spec);
	if (r == 0)
		r = fill_spec(spec, err);
	if (r == 0)
		r = jl_job_spawn(ctx, spec, &job, err);
	if (r == 0)
		r = jl_job_wait(job, JL_FOREVER, err);
	if (r == 0)
		r = jl_job_get_result(job, &result, err);
	if (r == 0)
		r = take_events(ctx, err);
	if (r == 0)
		REQUIRE(result.reason == JL_REASON_EXITED && result.exit_code == 0);
	jl_job_unref(job);
	jl_job_spec_free(spec);
	jl_ctx_unref(ctx);
	return r;
}

static char state[] = "/dev/shm/joblet-oom-XXXXXX";

static void remove_state(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", state);
	if (system(command) != 0)
		(void)fprintf(stderr, "%s stays\n", state);
}

/* One for all rounds, in memory: hundreds of them wait for the disk. */
static const char *state_folder(void)
{
	static bool made;

	if (!made) {
		REQUIRE(mkdtemp(state) != NULL);
		REQUIRE(atexit(remove_state) == 0);
		made = true;
	}
	return state;
}

static int open_node(jl_ctx *ctx, jl_node **node, jl_error **err)
{
	jl_node_config *config = NULL;
	int r = jl_node_config_new(&config);

	if (r == 0)
		r = jl_node_config_set_network(config, "none", err);
	/* Without memory nobody can note that a job did not start: until this process ends
	 * it counts as one that is being started, and would take a slot. */
	if (r == 0)
		r = jl_node_config_set_number(config, JL_NODE_MAX_JOBS, 0, err);
	if (r == 0)
		r = jl_node_open(ctx, config, node, err);
	jl_node_config_free(config);
	return r;
}

/* For tomorrow, so that no supervisor is needed. */
static int submit(jl_node *node, jl_job_info **info, jl_error **err)
{
	jl_submission *sub = NULL;
	int r = jl_submission_new(node, &sub, err);

	if (r == 0)
		r = fill_spec(jl_submission_spec(sub), err);
	if (r == 0)
		r = jl_submission_set_owner(sub, "somebody", err);
	if (r == 0)
		r = jl_submission_set_recurrence(sub, "every 1d", err);
	if (r == 0)
		r = jl_node_submit(node, sub, info, err);
	jl_submission_free(sub);
	return r;
}

static int look_at(jl_node *node, const char *id, jl_error **err)
{
	jl_job_list *list = NULL;
	jl_job_info *info = NULL;
	jl_log *log = NULL;
	int r = jl_node_get(node, id, &info, err);

	if (r == 0)
		r = jl_node_list(node, 0, NULL, 0, 1, &list,
				 err); /* rounds that failed left more */
	if (r == 0)
		r = jl_node_open_log(node, id, JL_LOG_FOLLOW, &log, err);
	if (r == 0)
		r = jl_node_process(node, err);
	jl_log_close(log);
	jl_job_list_free(list);
	jl_job_info_free(info);
	return r;
}

/* A job that was accepted is there although its description could not be handed out. */
static int use_node(jl_error **err)
{
	jl_job_info *info = NULL;
	jl_node *node = NULL;
	jl_ctx *ctx = NULL;
	const char *id;
	int r = jl_ctx_new(0, &ctx, err);

	if (r == 0)
		r = jl_ctx_set_state_dir(ctx, state_folder(), err);
	if (r == 0)
		r = open_node(ctx, &node, err);
	if (r == 0)
		r = submit(node, &info, err);
	id = info ? jl_job_info_get_id(info) : "";
	if (r == 0)
		r = look_at(node, id, err);
	if (r == 0)
		r = jl_node_cancel(node, id, err);
	if (r == 0)
		r = jl_node_delete(node, id, err);
	jl_job_info_free(info);
	(void)jl_node_unref(node);
	(void)jl_ctx_unref(ctx);
	return r;
}

static int read_log(jl_node *node, const char *id, jl_error **err)
{
	char text[4096];
	jl_log *log = NULL;
	int64_t got = 1;
	int r = jl_node_open_log(node, id, JL_LOG_TIMESTAMPS | JL_LOG_PIECES, &log, err);

	if (r == 0)
		r = jl_log_seek_tail(log, 1, err);
	while (r == 0 && got > 0) {
		got = jl_log_read(log, text, sizeof(text), err);
		if (got < 0)
			r = (int)got;
	}
	jl_log_close(log);
	return r;
}

/* What was started goes on to its end whatever becomes of this process. */
static int keep_job(jl_error **err)
{
	jl_job_info *info = NULL;
	jl_submission *sub = NULL;
	jl_node *node = NULL;
	jl_ctx *ctx = NULL;
	int r = jl_ctx_new(0, &ctx, err);

	if (r == 0)
		r = jl_ctx_set_state_dir(ctx, state_folder(), err);
	if (r == 0)
		r = open_node(ctx, &node, err);
	if (r == 0)
		r = jl_submission_new(node, &sub, err);
	if (r == 0)
		r = jl_job_spec_add_arg(jl_submission_spec(sub), "env", err);
	if (r == 0)
		r = jl_submission_add_file(sub, "folder/file", 0644, 4, err);
	if (r == 0)
		r = jl_submission_write(sub, "text", 4, err);
	if (r == 0)
		r = jl_node_submit(node, sub, &info, err);
	if (r == 0)
		r = jl_node_wait(node, jl_job_info_get_id(info), JL_FOREVER, err);
	if (r == 0)
		r = read_log(node, jl_job_info_get_id(info), err);
	if (r == 0)
		r = jl_node_delete(node, jl_job_info_get_id(info), err);
	jl_submission_free(sub);
	jl_job_info_free(info);
	(void)jl_node_unref(node);
	(void)jl_ctx_unref(ctx);
	return r;
}

const struct scenario scenarios[] = {
	{ "limits", use_limits },
	{ "a refused limit", refuse_limits },
	{ "a context", open_context },
	{ "the probe", probe },
	{ "a cgroup that is not there", open_missing_cgroup },
	{ "a cgroup from start to end", use_cgroup, .needs_root = true },
	{ "a description", describe },
	{ "times, a rule and a queue", use_schedule },
	{ "the network of a description", describe_network },
	{ "a node", use_node, .may_pass = true },
	{ "a job that is kept, and its log", keep_job, .needs_root = true, .may_pass = true,
	  .every = 23 },
	{ "the explanation of a job", explain, .may_pass = true },
	{ "a job from start to end", run_job, .needs_root = true, .may_pass = true },
	{ .name = NULL },
};
