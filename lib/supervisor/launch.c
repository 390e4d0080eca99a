/* SPDX-License-Identifier: MIT */
/*
 * From a plan to a cloned child: check the plan, take a kit, apply and read back the
 * limits, clone. The child goes on by itself (child.c); the supervisor never waits for
 * it.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/signal.h>

#define LAUNCH_ROOM 65536u /* of a record that is kept for the next start */
#define INIT_ARGS 3	   /* room in front of argv for our own program's */

/* ---- checking
 * ---------------------------------------------------------------------------- */

static int string_fits(const struct jl__plan *plan, uint32_t offset)
{
	const char *text = (const char *)plan;

	if (offset < sizeof(*plan) || offset >= plan->size)
		return 0;
	while (offset < plan->size)
		if (!text[offset++])
			return 1;
	return 0;
}

static int strings_fit(const struct jl__plan *plan, struct jl__array span)
{
	const uint32_t *list = (const uint32_t *)((const char *)plan + span.offset);

	for (uint32_t i = 0; i < span.count; i++)
		if (!string_fits(plan, list[i]))
			return 0;
	return 1;
}

/* Plans come from our own library; this keeps a broken one from reading outside of
 * itself. */
static int plan_check(const struct jl__plan *plan, uint32_t size)
{
	const struct jl__tree *tree;

	if (size < sizeof(*plan) || plan->magic != JL__PLAN_MAGIC || plan->size != size)
		return __LINE__;
	if (!jl__array_fits(plan->argv, 4, size) ||
	    !jl__array_fits(plan->envp, 4, size) ||
	    !jl__array_fits(plan->commands, 4, size) ||
	    !jl__array_fits(plan->tree, 1, size) ||
	    !jl__array_fits(plan->ops, sizeof(struct jl__op), size) ||
	    !jl__array_fits(plan->writes, sizeof(struct jl__plan_write), size) ||
	    !jl__array_fits(plan->stats, sizeof(struct jl__plan_stat), size) ||
	    !jl__array_fits(plan->rlimits, sizeof(struct jl__plan_rlimit), size) ||
	    !jl__array_fits(plan->filter, sizeof(struct sock_filter), size))
		return __LINE__;
	if (!plan->argv.count || !plan->commands.count || plan->filter.count > 4096 ||
	    plan->hierarchies >> sv.hierarchies)
		return __LINE__;
	if (!string_fits(plan, plan->hostname) || !string_fits(plan, plan->work_dir) ||
	    !strings_fit(plan, plan->argv) || !strings_fit(plan, plan->envp) ||
	    !strings_fit(plan, plan->commands))
		return __LINE__;
	tree = (const struct jl__tree *)((const char *)plan + plan->tree.offset);
	if (plan->tree.count < sizeof(*tree) || tree->size != plan->tree.count ||
	    !tree->count ||
	    tree->count > (tree->size - sizeof(*tree)) / sizeof(tree->ops[0]) ||
	    tree->ops[0].type != JL__OP_ROOT)
		return __LINE__;
	return 0;
}

/* ---- the launch record
 * --------------------------------------------------------------------- */

static struct launch *launch_new(size_t room)
{
	struct launch *launch = sv.spare;

	if (launch && room <= LAUNCH_ROOM) {
		sv.spare = launch->next;
	} else {
		size_t bytes =
			sizeof(*launch) + (room > LAUNCH_ROOM ? room : LAUNCH_ROOM);

		launch = pages_get(bytes);
		if (!launch)
			return NULL;
		launch->mapped = bytes;
	}
	launch->streams[0] = launch->streams[1] = launch->streams[2] = -1;
	launch->status = launch->work = -1;
	launch->plan_mapped = 0;
	return launch;
}

/* The child has become its command, or is gone: nobody reads the record any more. */
void launch_free(struct launch *launch)
{
	int count = 0;

	for (int i = 0; i < 3; i++)
		fd_close(&launch->streams[i]);
	fd_close(&launch->work);
	if (launch->plan_mapped)
		pages_put((void *)launch->plan, launch->plan_mapped);
	for (struct launch *l = sv.spare; l; l = l->next)
		count++;
	if (launch->mapped > sizeof(*launch) + LAUNCH_ROOM || count >= 4) {
		pages_put(launch, launch->mapped);
		return;
	}
	launch->next = sv.spare;
	sv.spare = launch;
}

static char **pointers(char **at, const struct jl__plan *plan, struct jl__array span)
{
	const uint32_t *list = (const uint32_t *)((const char *)plan + span.offset);

	for (uint32_t i = 0; i < span.count; i++)
		*at++ = (char *)plan + list[i];
	*at++ = NULL;
	return at;
}

static struct launch *launch_make(const struct jl__plan *plan, size_t plan_mapped)
{
	size_t table = ((size_t)plan->argv.count + plan->envp.count + 2 + INIT_ARGS) *
		       sizeof(char *);
	size_t copied = plan_mapped ? 0 : (plan->size + 15u) & ~15u;
	struct launch *launch = launch_new(copied + table);
	char **at;

	if (!launch)
		return NULL;
	launch->plan = plan;
	launch->plan_mapped = plan_mapped;
	if (copied) {
		__builtin_memcpy(launch->data, plan, plan->size);
		launch->plan = (const struct jl__plan *)launch->data;
	}
	launch->argv = (char **)(launch->data + copied) + INIT_ARGS;
	at = pointers(launch->argv, launch->plan, plan->argv);
	launch->envp = at;
	pointers(at, launch->plan, plan->envp);
	return launch;
}

/* ---- limits
 * ---------------------------------------------------------------------------------- */

static int apply_write(const struct job *job, const struct jl__plan *plan,
		       const struct jl__plan_write *w, uint32_t index,
		       struct jl__failure *failure)
{
	const char *base = (const char *)plan, *want = base + w->expect;
	char is[256];
	int group, fd;
	long r;

	if (w->hierarchy >= sv.hierarchies || !string_fits(plan, w->file) ||
	    !string_fits(plan, w->value) || (w->expect && !string_fits(plan, w->expect)))
		return failed(failure, JL__STEP_PLAN, __LINE__, -EINVAL);
	group = job->kit.groups[w->hierarchy];
	fd = (int)jl__sys_openat(group, base + w->file, O_RDWR | O_CLOEXEC | O_NOFOLLOW,
				 0);
	if (fd < 0)
		return failed(failure, JL__STEP_LIMIT, index, fd);
	r = jl__sys_write(fd, base + w->value, text_len(base + w->value));
	if (r < 0) {
		(void)jl__sys_close(fd);
		return failed(failure, JL__STEP_LIMIT, index, r);
	}
	r = w->expect ? jl__sys_pread(fd, is, sizeof(is) - 1, 0) : 0;
	(void)jl__sys_close(fd);
	if (r < 0)
		return failed(failure, JL__STEP_READBACK, index, r);
	if (!w->expect)
		return 0;
	while (r > 0 && is[r - 1] == '\n')
		r--;
	is[r] = '\0';
	return text_equal(is, want) ? 0 : failed(failure, JL__STEP_READBACK, index, -EIO);
}

static int apply_limits(const struct job *job, const struct jl__plan *plan,
			struct jl__failure *failure)
{
	const struct jl__plan_write *list =
		(const struct jl__plan_write *)((const char *)plan + plan->writes.offset);

	for (uint32_t i = 0; i < plan->writes.count; i++)
		if (apply_write(job, plan, &list[i], i, failure) < 0)
			return failure->code;
	return 0;
}

/* What is to be read at the end, kept apart from the plan, which goes away before. */
static void remember_stats(struct job *job, const struct jl__plan *plan)
{
	const struct jl__plan_stat *list =
		(const struct jl__plan_stat *)((const char *)plan + plan->stats.offset);
	char *p = job->stat_names;

	job->stat_count = 0;
	for (uint32_t i = 0; i < plan->stats.count && i < sizeof(job->stat_hierarchy);
	     i++) {
		const char *file;

		if (!string_fits(plan, list[i].file) ||
		    list[i].hierarchy >= sv.hierarchies)
			continue;
		file = (const char *)plan + list[i].file;
		if (p + text_len(file) + 1 > job->stat_names + sizeof(job->stat_names))
			break;
		p = put_text(p, file) + 1;
		job->stat_hierarchy[job->stat_count++] = (uint8_t)list[i].hierarchy;
	}
}

/* ---- starting
 * ----------------------------------------------------------------------------------- */

static int clone_child(struct job *job, struct jl__failure *failure)
{
	struct launch *launch = job->launch;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS |
			 CLONE_NEWIPC | CLONE_NEWUTS,
		.pidfd = (uintptr_t)&job->pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)launch->stack,
		.stack_size = sizeof(launch->stack),
	};
	int pipe[2];
	long r;

	r = jl__sys_pipe2(pipe, O_CLOEXEC);
	if (r < 0)
		return failed(failure, JL__STEP_RESOURCES, 1, r);
	job->status = pipe[0];
	launch->status = pipe[1];
	for (uint32_t i = 0; i < sv.hierarchies; i++)
		if (launch->plan->hierarchies & 1u << i && sv.list[i].version == 2) {
			args.flags |= CLONE_INTO_CGROUP;
			args.cgroup = (uint64_t)job->kit.groups[i];
		}
	r = jl__sys_clone3_call(&args, sizeof(args), child_main, launch);
	/* The child has a descriptor of its own under this number, which it reads from
	 * here. */
	(void)jl__sys_close(pipe[1]);
	if (r < 0)
		return failed(failure, JL__STEP_CLONE, 0, r);
	job->pid = (int)r;
	return 0;
}

static int prepare(struct job *job, const struct jl__plan *plan, size_t plan_mapped,
		   struct jl__failure *failure)
{
	int template_nr;

	job->launch = launch_make(plan, plan_mapped);
	if (!job->launch)
		return failed(failure, JL__STEP_RESOURCES, 0, -ENOMEM);
	plan = job->launch->plan;
	template_nr = template_get(
		(const struct jl__tree *)((const char *)plan + plan->tree.offset),
		failure);
	if (template_nr < 0)
		return template_nr;
	if (kit_take(&job->kit, template_nr, !!(plan->flags & JL__PLAN_HOST_NETWORK),
		     plan->hierarchies, failure) < 0)
		return failure->code;
	job->launch->kit = &job->kit;
	if (apply_limits(job, plan, failure) < 0)
		return failure->code;
	if (plan->flags & JL__PLAN_WORK_ON_DISK) {
		job->launch->work = work_make(&job->kit, plan);
		if (job->launch->work < 0)
			return failed(failure, JL__STEP_WORK, 0, job->launch->work);
	}
	return 0;
}

static void refuse(const struct jl__request *request, struct job *job, const int *streams)
{
	struct jl__reply reply = { .type = JL__REPLY_FAILED, .job = request->job };

	reply.failure = job->failure;
	if (job->launch) {
		launch_free(job->launch);
	} else {
		for (int i = 0; i < 3; i++)
			(void)jl__sys_close(streams[i]);
	}
	fd_close(&job->status);
	if (job->flags & JL__PLAN_WORK_ON_DISK)
		work_remove(&job->kit);
	kit_discard(&job->kit);
	job->state = JOB_FREE;
	client_send(&reply, NULL, 0, -1);
}

void launch_job(const struct jl__request *request, const struct jl__plan *plan,
		size_t plan_mapped, const int *streams)
{
	struct job *job = job_new();
	struct job none = { .state = JOB_FREE, .status = -1 };
	int line;

	if (!job) {
		kit_init(&none.kit);
		failed(&none.failure, JL__STEP_RESOURCES, 2, -EAGAIN);
		refuse(request, &none, streams);
		return;
	}
	job->id = request->job;
	line = plan_check(plan, (uint32_t)request->number);
	if (line) {
		failed(&job->failure, JL__STEP_PLAN, (uint32_t)line, -EINVAL);
		refuse(request, job, streams);
		return;
	}
	if (prepare(job, plan, plan_mapped, &job->failure) < 0)
		goto fail;
	job->flags = plan->flags;
	job->timeout_usec = plan->timeout_usec;
	remember_stats(job, plan);
	for (int i = 0; i < 3; i++)
		job->launch->streams[i] = streams[i];
	if (clone_child(job, &job->failure) < 0)
		goto fail_streams;
	job->state = JOB_STARTING;
	sv.running++;
	sv.starting++;
	sv.starts++;
	job_watch(job, WATCH_PID, job->pidfd, 1 /* EPOLLIN */);
	job_watch(job, WATCH_STATUS, job->status, 1);
	if (job->kit.oom >= 0)
		job_watch(job, WATCH_OOM, job->kit.oom, 1);
	return;
fail:
	job->flags = plan->flags;
	if (job->launch)
		for (int i = 0; i < 3; i++)
			job->launch->streams[i] = streams[i];
fail_streams:
	refuse(request, job, streams);
}
