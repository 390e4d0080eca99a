/* SPDX-License-Identifier: MIT */
#define JL_MODULE "spawn"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <joblet/job.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "base/parse.h"
#include "spawn/durable.h"
#include "spawn/link.h"
#include "spawn/place.h"
#include "spawn/plan.h"
#include "sys/sys.h"

/* ---- starting ---- */

static int make_id(char id[JL__ID_SIZE])
{
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	bytes[0] = jl__id_first(bytes[0]);
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* Does not fit into a message: goes as memory that cannot change any more. */
static int plan_memory(const struct jl__buf *plan)
{
	_cleanup_close_ int fd = -EBADF;
	size_t at = 0;

	fd = (int)jl__sys_memfd_create("joblet-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	while (at < plan->len) {
		ssize_t put = write(fd, plan->data + at, plan->len - at);

		if (put < 0 && errno != EINTR)
			return -errno;
		at += put > 0 ? (size_t)put : 0;
	}
	if (fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return jl__fd_steal(&fd);
}

static int send_plan(struct jl__link *link, const jl_job *job, const jl_job_spec *spec,
		     const struct jl__durable *durable, const struct jl__buf *plan)
{
	struct jl__request request = {
		.type = JL__REQUEST_SPAWN,
		.job = job->number,
		.number = plan->len,
	};
	_cleanup_close_ int memory = -EBADF;
	bool inside = plan->len <= JL__PLAN_INLINE_MAX;
	uint32_t count = 3;
	int fds[6];

	for (int i = 0; i < 3; i++)
		fds[i] = spec->streams[i] >= 0 ? spec->streams[i] : link->devnull;
	if (!inside) {
		memory = plan_memory(plan);
		if (memory < 0)
			return memory;
		fds[count++] = memory;
	}
	if (durable)
		fds[count++] = durable->folder;
	if (durable && durable->uploads >= 0)
		fds[count++] = durable->uploads;
	return jl__link_send(link, &request, sizeof(request), plan->data,
			     inside ? plan->len : 0, fds, count);
}

jl_job *jl__job_new(jl_ctx *ctx, struct jl__link *link, bool keep)
{
	jl_job *job = jl__calloc(1, sizeof(*job));

	if (!job || make_id(job->id) < 0) {
		jl__free(job);
		return NULL;
	}
	job->refs = 1;
	job->ctx = jl_ctx_ref(ctx);
	job->pidfd = -EBADF;
	job->number = ++link->next_number;
	job->keep = keep;
	job->state = JL__JOB_STARTING;
	return job;
}

/* With a place in its network, when it has one. */
static int compile(struct jl__link *link, jl_job *job, const jl_job_spec *spec,
		   const struct jl__durable *durable, struct jl__buf *plan,
		   bool *ret_kept, jl_error **err)
{
	jl_net *net;
	int r;

	r = jl__place_network(link, spec, &net, ret_kept, err);
	if (r < 0)
		return r;
	r = jl__plan_compile(link, spec, job->id, net ? jl__net_shown(net) : NULL, plan,
			     err);
	if (r == 0 && durable)
		r = jl__plan_set_durable(plan, durable, err);
	return r < 0 || !net ? r : jl__place_take(link, job, spec, plan, err);
}

static int start(struct jl__link *link, jl_job *job, const jl_job_spec *spec,
		 const struct jl__durable *durable, jl_error **err)
{
	_cleanup_(jl__buf_done) struct jl__buf plan = JL__BUF_SECRET(JL__PLAN_MAX);
	bool kept;
	int r;

	r = compile(link, job, spec, durable, &plan, &kept, err);
	if (r == -ENOENT && kept) {
		/* Removed since it was opened; somebody may have made it anew. */
		jl__place_forget(link);
		jl__buf_done(&plan);
		plan = (struct jl__buf)JL__BUF_SECRET(JL__PLAN_MAX);
		jl__error_clear(err);
		r = compile(link, job, spec, durable, &plan, &kept, err);
	}
	if (r < 0)
		return r;
	r = jl__link_ready(link, err);
	if (r < 0) {
		jl__place_over(job);
		return r;
	}
	jl__link_add(link, job);
	r = send_plan(link, job, spec, durable, &plan);
	if (r == -ECONNRESET) {
		(void)jl__link_receive(link, 0); /* notices, and sees everybody off */
	} else if (r < 0) {
		jl__link_drop(link, job);
		jl__place_over(job);
	}
	if (r < 0)
		return jl__fail_errno(err, r, "cannot send the job to the supervisor");
	while (job->state == JL__JOB_STARTING)
		(void)jl__link_receive(link, -1);
	if (job->state != JL__JOB_FAILED) {
		jl__place_ahead(link, spec);
		return 0;
	}
	/* Look again at the host's files before the next start. */
	if (job->failure.code == -ESTALE)
		link->view_usec = 0;
	return jl__plan_fail((const struct jl__plan *)plan.data, &job->failure,
			     job->failure_text, err);
}

/* What can be told without a supervisor is told before one is started. */
static int connect_for(jl_ctx *ctx, const jl_job_spec *spec, struct jl__link **ret,
		       jl_error **ret_err)
{
	int r;

	jl__error_init(ret_err);
	r = jl_job_spec_check(spec, ret_err);
	return r < 0 ? r : jl__link_get(ctx, ret, ret_err);
}

int jl__job_start(jl_ctx *ctx, const jl_job_spec *spec, const struct jl__durable *durable,
		  jl_job **ret_job, jl_error **ret_err)
{
	struct jl__link *link;
	jl_job *job;
	int r;

	r = connect_for(ctx, spec, &link, ret_err);
	if (r < 0)
		return r;
	job = jl__job_new(ctx, link, durable || spec->orphan == JL_ORPHAN_KEEP);
	if (!job)
		return jl__oom(ret_err);
	if (durable)
		(void)snprintf(job->id, sizeof(job->id), "%s", durable->id);
	r = start(link, job, spec, durable, ret_err);
	if (r < 0) {
		(void)jl_job_unref(job);
		/* What the sentence says is what is returned, also where it was
		 * corrected. */
		return ret_err && *ret_err ? jl_error_code(*ret_err) : r;
	}
	*ret_job = job;
	return 0;
}

int jl_job_spawn(jl_ctx *ctx, const jl_job_spec *spec, jl_job **ret_job,
		 jl_error **ret_err)
{
	return jl__job_start(ctx, spec, NULL, ret_job, ret_err);
}

int jl_job_spec_explain(jl_ctx *ctx, const jl_job_spec *spec, char **ret_text,
			jl_error **ret_err)
{
	_cleanup_(jl__buf_done) struct jl__buf plan = JL__BUF_SECRET(JL__PLAN_MAX);
	struct jl__buf text = JL__BUF_INIT(4U << 20);
	_cleanup_free_ char *shown = NULL;
	struct jl__link *link;
	int r;

	r = connect_for(ctx, spec, &link, ret_err);
	if (r < 0)
		return r;
	r = jl__place_look(link, spec, &shown, ret_err);
	if (r == 0)
		r = jl__plan_compile(link, spec, "(chosen at the start)", shown, &plan,
				     ret_err);
	if (r < 0)
		return r;
	r = jl__plan_print((const struct jl__plan *)plan.data, spec, &text);
	if (r < 0) {
		jl__buf_done(&text);
		return r == -ENOMEM ? jl__oom(ret_err)
				    : jl__fail(ret_err, r,
					       "the description is too long to print");
	}
	*ret_text = jl__buf_steal(&text);
	return 0;
}

/* ---- looking ---- */

const char *jl_job_get_id(const jl_job *job)
{
	return job->id;
}

int jl_job_get_pidfd(const jl_job *job)
{
	return job->pidfd;
}

pid_t jl_job_get_pid(const jl_job *job)
{
	char path[64], text[512], *line;
	_cleanup_close_ int fd = -EBADF;
	uint32_t pid;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", job->pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		return -ESRCH;
	text[len] = '\0';
	line = strstr(text, "\nPid:\t");
	if (!line)
		return -ESRCH;
	line += strlen("\nPid:\t");
	line[strcspn(line, "\n")] = '\0';
	/* -1 once it has ended: not a number of this form. */
	return jl__parse_u32(line, 1, INT32_MAX, &pid) < 0 ? -ESRCH : (pid_t)pid;
}

/* ---- acting
 * ---------------------------------------------------------------------------------------
 */

static int ended(const jl_job *job, jl_error **err)
{
	return jl__fail(err, -ESRCH, "job %s has ended", job->id);
}

static int request(jl_job *job, uint32_t type, uint64_t number, jl_error **err)
{
	struct jl__request message = { .type = type,
				       .job = job->number,
				       .number = number };
	int r = -ESRCH;

	(void)pthread_mutex_lock(&job->ctx->lock);
	if (job->link && jl__link_owned(job->link, err) < 0)
		r = -EPERM;
	else if (job->state == JL__JOB_RUNNING && job->link && job->link->fd >= 0)
		r = jl__link_send(job->link, &message, sizeof(message), NULL, 0, NULL, 0);
	(void)pthread_mutex_unlock(&job->ctx->lock);
	if (r == -EPERM)
		return r;
	if (r == -ESRCH || r == -ECONNRESET)
		return ended(job, err);
	return r < 0 ? jl__fail_errno(err, r, "cannot talk to the supervisor of job %s",
				      job->id)
		     : 0;
}

int jl_job_signal(jl_job *job, int signal, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (signal < 1 || signal > 64)
		return jl__fail(ret_err, -EINVAL, "%d is not a signal; 1 to 64 are",
				signal);
	return request(job, JL__REQUEST_SIGNAL, (uint64_t)signal, ret_err);
}

int jl_job_stop(jl_job *job, uint64_t grace_usec, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (grace_usec == 0)
		return request(job, JL__REQUEST_KILL, 0, ret_err);
	/* Longer than any machine stays up; and it keeps the sum with the clock in range.
	 */
	if (grace_usec > UINT64_C(1) << 53)
		grace_usec = UINT64_C(1) << 53;
	return request(job, JL__REQUEST_STOP, grace_usec, ret_err);
}

int jl_job_kill(jl_job *job, jl_error **ret_err)
{
	jl__error_init(ret_err);
	return request(job, JL__REQUEST_KILL, 0, ret_err);
}
