/* SPDX-License-Identifier: MIT */
/*
 * From a plan to a cloned child: check the plan, take a kit, apply and read back the
 * limits, clone. The child goes on by itself (child.c); the supervisor never waits for
 * it.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/signal.h>

#define INIT_ARGS 3 /* room in front of argv for our own program's */

/* ---- checking ---- */

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
	if (plan->wire.count &&
	    (!sv.privileged || !jl__array_fits(plan->wire, 1, size) ||
	     jl__wire_check((const struct jl__wire *)((const char *)plan +
						      plan->wire.offset),
			    plan->wire.count) < 0))
		return __LINE__;
	tree = (const struct jl__tree *)((const char *)plan + plan->tree.offset);
	if (plan->tree.count < sizeof(*tree) || plan->tree.count > TREE_BYTES_MAX ||
	    tree->size != plan->tree.count || !tree->count ||
	    tree->count > (tree->size - sizeof(*tree)) / sizeof(tree->ops[0]) ||
	    tree->ops[0].type != JL__OP_ROOT)
		return __LINE__;
	return 0;
}

/* ---- argument tables ---- */

/* Kept from start to start; children have copies of their own. */
static char **table;
static size_t table_bytes;

static char **pointers(char **at, const struct jl__plan *plan, struct jl__array array)
{
	const uint32_t *list = (const uint32_t *)((const char *)plan + array.offset);

	for (uint32_t i = 0; i < array.count; i++)
		*at++ = (char *)plan + list[i];
	*at++ = NULL;
	return at;
}

static int make_tables(struct launch *launch, struct jl__failure *failure)
{
	const struct jl__plan *plan = launch->plan;
	size_t bytes = ((size_t)plan->argv.count + plan->envp.count + 2 + INIT_ARGS) *
		       sizeof(char *);

	if (bytes > table_bytes) {
		if (table)
			pages_put(table, table_bytes);
		table_bytes = (bytes + 4095) & ~(size_t)4095;
		table = pages_get(table_bytes);
	}
	if (!table) {
		table_bytes = 0;
		return failed(failure, JL__STEP_RESOURCES, 0, -ENOMEM);
	}
	launch->argv = table + INIT_ARGS;
	launch->envp = pointers(launch->argv, plan, plan->argv);
	pointers(launch->envp, plan, plan->envp);
	return 0;
}

/* ---- limits ---- */

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

/* ---- starting ---- */

/*
 * A child with memory of its own, and not one that borrows ours until it executes: when
 * the kernel runs out of memory in a cgroup, it kills everybody who shares the victim's
 * memory. We are small, so the copy is cheap.
 */
static int clone_child(struct job *job, struct launch *launch,
		       struct jl__failure *failure)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS,
		.pidfd = (uintptr_t)&job->pidfd,
		.exit_signal = SIGCHLD,
	};
	int pipe[2];
	long r;

	/* Not to be waited at: an event may be about who had the job's place before. */
	r = jl__sys_pipe2(pipe, O_CLOEXEC | O_NONBLOCK);
	if (r < 0)
		return failed(failure, JL__STEP_RESOURCES, 1, r);
	job->status = pipe[0];
	launch->status = pipe[1];
	for (uint32_t i = 0; i < sv.hierarchies; i++)
		if (launch->plan->hierarchies & 1u << i && sv.list[i].version == 2) {
			args.flags |= CLONE_INTO_CGROUP;
			args.cgroup = (uint64_t)job->kit.groups[i];
		}
	launch->kit = job->kit;
	r = jl__sys_clone3_call(&args, sizeof(args), child_main, launch);
	(void)jl__sys_close(pipe[1]);
	if (r < 0)
		return failed(failure, JL__STEP_CLONE, 0, r);
	job->pid = (int)r;
	return 0;
}

/* Kept apart from the plan, which goes away before the end. */
static int remember_wire(struct job *job, const struct jl__plan *plan,
			 struct jl__failure *failure)
{
	if (!plan->wire.count)
		return 0;
	job->wire = pages_get_own(plan->wire.count);
	if (!job->wire)
		return failed(failure, JL__STEP_RESOURCES, 0, -ENOMEM);
	__builtin_memcpy(job->wire, (const char *)plan + plan->wire.offset,
			 plan->wire.count);
	return 0;
}

static int start(struct job *job, struct launch *launch, struct jl__failure *failure)
{
	const struct jl__plan *plan = launch->plan;
	int template_nr;

	if (make_tables(launch, failure) < 0)
		return failure->code;
	template_nr = template_get(
		(const struct jl__tree *)((const char *)plan + plan->tree.offset),
		failure);
	if (template_nr < 0)
		return template_nr;
	if (kit_take(&job->kit, template_nr, !!(plan->flags & JL__PLAN_HOST_NETWORK),
		     plan->hierarchies, job->wire, failure) < 0 ||
	    apply_limits(job, plan, failure) < 0)
		return failure->code;
	if (plan->flags & JL__PLAN_WORK_ON_DISK) {
		job->kit.has_work = 1;
		launch->work = work_make(&job->kit, plan);
		if (launch->work < 0)
			return failed(failure, JL__STEP_WORK, 0, launch->work);
	}
	if (plan->flags & JL__PLAN_DURABLE &&
	    (log_open(job, plan, launch->streams, failure) < 0 ||
	     record_begin(job, failure) < 0))
		return failure->code;
	return clone_child(job, launch, failure);
}

/* Nothing came of it: no trace stays, and the client is told why. */
static void refuse(const struct jl__request *request, struct job *job)
{
	struct jl__reply reply = { .type = JL__REPLY_FAILED, .job = request->job };

	fd_close(&job->status);
	log_discard(job);
	(void)work_remove(&job->kit, 1);
	/* It may have failed before it took what was made for it. */
	if (job->wire)
		(void)stock_take_wired(&job->kit, job->wire, &reply.failure);
	job_leave_network(job);
	kit_discard(&job->kit);
	reply.failure = job->failure;
	record_result(job, &reply, NULL, 0);
	interests_end(job);
	fd_close(&job->folder);
	job->state = JOB_FREE;
	client_send(0, &reply, NULL, 0, -1);
}

static void watch_start(struct job *job)
{
	job->state = JOB_STARTING;
	sv.running++;
	sv.starting++;
	sv.starts++;
	job_watch(job, WATCH_PID, job->pidfd, EPOLLIN);
	job_watch(job, WATCH_STATUS, job->status, EPOLLIN);
	if (job->log)
		log_watch(job);
	if (job->kit.oom >= 0)
		job_watch(job, WATCH_OOM, job->kit.oom, EPOLLIN);
}

/* Where the output goes, and what else the plan's flags say has come along. */
static int take_descriptors(struct job *job, struct launch *launch, const int *streams,
			    int *others, uint32_t count, struct jl__failure *failure)
{
	const struct jl__plan *plan = launch->plan;
	uint32_t at = 0, want = !!(plan->flags & JL__PLAN_DURABLE) +
				!!(plan->flags & JL__PLAN_UPLOADS);

	if (count != want)
		return failed(failure, JL__STEP_PLAN, __LINE__, -EPROTO);

	for (int i = 0; i < 3; i++)
		launch->streams[i] = streams[i];
	if (plan->flags & JL__PLAN_DURABLE) {
		job->folder = others[at];
		others[at++] = -1;
		put_text(job->key, (const char *)plan + plan->key);
		launch->streams[1] = launch->streams[2] = -1;
	}
	if (plan->flags & JL__PLAN_UPLOADS)
		launch->uploads = others[at++];
	return 0;
}

static int first_interest(struct job *job, uint32_t number, struct jl__failure *failure)
{
	int r = interest_add(job, 0, number);

	return r < 0 ? failed(failure, JL__STEP_RESOURCES, 0, r) : 0;
}

static void start_or_refuse(const struct jl__request *request, struct job *job,
			    const struct jl__plan *plan, const int *streams, int *others,
			    uint32_t other_count)
{
	struct launch launch = { .plan = plan, .work = -1, .uploads = -1 };

	job->flags = plan->flags;
	job->timeout_usec = plan->timeout_usec;
	launch.start = &sv.shared->starts[job - sv.jobs];
	*launch.start = (struct start){ 0 };
	remember_stats(job, plan);
	if (remember_wire(job, plan, &job->failure) < 0 ||
	    take_descriptors(job, &launch, streams, others, other_count, &job->failure) <
		    0 ||
	    first_interest(job, request->job, &job->failure) < 0 ||
	    start(job, &launch, &job->failure) < 0) {
		refuse(request, job);
	} else {
		kit_close(&job->kit);
		watch_start(job);
	}
	fd_close(&launch.work);
	/* The pipes' write ends: the job has its own by now. */
	for (int i = 1; i < 3; i++)
		if (plan->flags & JL__PLAN_DURABLE)
			fd_close(&launch.streams[i]);
}

void launch_job(const struct jl__request *request, const struct jl__plan *plan,
		uint32_t size, const int *streams, int *others, uint32_t other_count)
{
	struct job none = { .state = JOB_FREE, .status = -1, .folder = -1 }, *job;
	int line = plan_check(plan, size);

	kit_init(&none.kit);
	if (line) {
		failed(&none.failure, JL__STEP_PLAN, (uint32_t)line, -EINVAL);
		refuse(request, &none);
		return;
	}
	job = job_new();
	if (job) {
		start_or_refuse(request, job, plan, streams, others, other_count);
	} else {
		/* Its place in a network is ours to give back all the same. */
		(void)remember_wire(&none, plan, &none.failure);
		failed(&none.failure, JL__STEP_RESOURCES, 2, -EAGAIN);
		refuse(request, &none);
	}
}
