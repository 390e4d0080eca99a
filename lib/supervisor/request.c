/* SPDX-License-Identifier: MIT */
/*
 * What clients ask for. The first one, which started us, may do everything; whoever came
 * through our socket may adopt jobs and act on those it has adopted.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/signal.h>

/* A plan that does not fit into a message comes as a memfd nobody can change any more. */
static const struct jl__plan *map_plan(int fd, uint64_t size)
{
	long seals = jl__sys_fcntl(fd, F_GET_SEALS, 0), addr;

	if (seals < 0 ||
	    (seals & (F_SEAL_WRITE | F_SEAL_SHRINK)) != (F_SEAL_WRITE | F_SEAL_SHRINK))
		return NULL;
	if (size > JL__PLAN_MAX || jl__sys_lseek(fd, 0, 2 /* SEEK_END */) != (long)size)
		return NULL;
	addr = jl__sys_mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	return addr < 0 && addr > -4096 ? NULL : (const struct jl__plan *)addr;
}

/* Descriptors that stay with the job are taken out of the list. */
static void spawn(struct jl__request *request, size_t len, int *fds, uint32_t count)
{
	const struct jl__plan *plan = (const struct jl__plan *)(request + 1);
	struct jl__reply reply = { .type = JL__REPLY_FAILED, .job = request->job };
	int inside = len == sizeof(*request) + request->number;
	uint32_t own = inside ? 3 : 4;

	if (count >= own && !inside)
		plan = map_plan(fds[3], request->number);
	if (count < own || !plan) {
		failed(&reply.failure, JL__STEP_PLAN, __LINE__, -EINVAL);
		client_send(0, &reply, NULL, 0, -1);
		return;
	}
	launch_job(request, plan, (uint32_t)request->number, fds, fds + own, count - own);
	if (!inside)
		pages_put((void *)plan, request->number);
}

static void stop(struct job *job, uint64_t grace_usec)
{
	uint64_t now = clock_usec(1 /* CLOCK_MONOTONIC */) + grace_usec;

	if (!job->ended)
		job->ended = JL__ENDED_STOPPED;
	job->stopping = 1;
	/* A grace time does not prolong the job's own time. */
	if (!job->deadline_usec || now < job->deadline_usec)
		jobs_deadline_set(job, now);
	(void)job_signal(job, SIGTERM);
}

static void command(uint32_t client, const struct jl__request *request)
{
	struct job *job = interest_find(client, request->job);

	if (!job || (job->state != JOB_STARTING && job->state != JOB_RUNNING))
		return;
	switch (request->type) {
	case JL__REQUEST_SIGNAL:
		if (request->number >= 1 && request->number <= 64)
			(void)job_signal(job, (int)request->number);
		break;
	case JL__REQUEST_STOP:
		stop(job, request->number);
		break;
	case JL__REQUEST_KILL:
		job_kill(job, JL__ENDED_STOPPED);
		break;
	default:
		break;
	}
}

/* 0 when this is not one of those that only the first client may send. */
static int first_request(char *bytes, size_t len, int *fds, uint32_t *count)
{
	struct jl__request *request = (struct jl__request *)bytes;
	struct jl__reply reply = { .type = JL__REPLY_READY };

	if (request->type == JL__REQUEST_HELLO && len == sizeof(struct jl__hello) &&
	    sv.own_ns <= 0) {
		reply.code =
			supervisor_hello((const struct jl__hello *)bytes, fds, *count);
		*count = 0;
		client_send(0, &reply, NULL, 0, -1);
	} else if (request->type == JL__REQUEST_SPAWN && len >= sizeof(*request) &&
		   sv.own_ns > 0) {
		spawn(request, len, fds, *count);
	} else if (request->type == JL__REQUEST_WORK && *count == 1 && sv.work < 0 &&
		   len > sizeof(struct jl__request_work) && !bytes[len - 1]) {
		const struct jl__request_work *work =
			(const struct jl__request_work *)bytes;

		/* When it fails, jobs that need it fail, and say so. */
		(void)work_accept(fds[0], work->name, work->path);
		*count = 0;
	} else if (request->type == JL__REQUEST_LISTEN && *count == 2 && sv.listen < 0 &&
		   sv.own_ns > 0 && len == sizeof(struct jl__request_listen)) {
		listen_open((const struct jl__request_listen *)bytes, fds);
		*count = 0;
	} else if (request->type == JL__REQUEST_SPARE && len > sizeof(*request) &&
		   *count == 0 && sv.own_ns > 0 && sv.privileged &&
		   jl__wire_check((const struct jl__wire *)(request + 1),
				  (uint32_t)(len - sizeof(*request))) == 0) {
		stock_spare((const struct jl__wire *)(request + 1), request->number);
	} else {
		return 0;
	}
	return 1;
}

void request_handle(uint32_t client, char *bytes, size_t len, int *fds, uint32_t *count)
{
	const struct jl__request *request = (const struct jl__request *)bytes;

	if (client == 0 && first_request(bytes, len, fds, count))
		return;
	if (len == sizeof(struct jl__request_adopt) &&
	    request->type == JL__REQUEST_ADOPT && client != 0)
		adopt(client, (struct jl__request_adopt *)bytes);
	else if (len == sizeof(*request))
		command(client, request);
}
