/* SPDX-License-Identifier: MIT */
/*
 * The one connection: a seqpacket socket on which each message is one request or reply,
 * with its descriptors. Nothing here waits for the client: a reply it has no room for is
 * lost with the connection, and the client finds that out as "supervisor gone".
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/signal.h>
#include <linux/stat.h>

/* What the C library calls struct msghdr and friends; the kernel's headers keep them
 * back. */
struct message {
	void *name;
	int name_len;
	struct {
		void *base;
		size_t len;
	} * parts;
	size_t part_count;
	void *control;
	size_t control_len;
	unsigned int flags;
};

struct control {
	size_t len;
	int level;
	int type;
	int fds[JL__HIERARCHIES_MAX + 8];
};

#define SOL_SOCKET_ 1
#define SCM_RIGHTS_ 1
#define MSG_DONTWAIT_ 0x40
#define MSG_NOSIGNAL_ 0x4000
#define MSG_CTRUNC_ 0x8
#define MSG_TRUNC_ 0x20
#define MSG_CMSG_CLOEXEC_ 0x40000000

struct part {
	void *base;
	size_t len;
};

static char inbox[sizeof(struct jl__request) + JL__PLAN_INLINE_MAX + 4096]
	__attribute__((aligned(16)));

/*
 * The descriptor stays open until we are gone ourselves: a client that only stopped
 * talking waits for its end of file, and knows then that nothing of us is left.
 */
void client_gone(void)
{
	if (sv.client < 0)
		return;
	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_DEL, sv.client, NULL);
	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_DEL, sv.caller, NULL);
	sv.client = -1;
	for (uint32_t i = 0; i < sv.jobs_used; i++) {
		struct job *job = &sv.jobs[i];

		if ((job->state == JOB_STARTING || job->state == JOB_RUNNING) &&
		    !(job->flags & JL__PLAN_ORPHAN_KEEP))
			job_kill(job, JL__ENDED_STOPPED);
	}
}

static long send_now(const void *head, size_t head_len, const void *more, size_t len,
		     int fd)
{
	struct part parts[2] = { { (void *)head, head_len }, { (void *)more, len } };
	struct control control = {
		.len = 16 + sizeof(int),
		.level = SOL_SOCKET_,
		.type = SCM_RIGHTS_,
		.fds = { fd },
	};
	struct message message = {
		.parts = (void *)parts,
		.part_count = len ? 2 : 1,
		.control = fd >= 0 ? &control : NULL,
		.control_len = fd >= 0 ? 24 : 0,
	};
	long r;

	do
		r = jl__sys_sendmsg(sv.client, &message, MSG_NOSIGNAL_ | MSG_DONTWAIT_);
	while (r == -EINTR);
	return r;
}

/* Replies the client has no room for: it may be busy while hundreds of jobs end. */
struct waiting {
	struct waiting *next;
	size_t mapped;
	size_t len;
	int fd;
	char bytes[];
};

static struct waiting *first, **last = &first;

static void watch_client(uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data = (uint64_t)WATCH_CLIENT << 32,
	};

	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_MOD, sv.client, &event);
}

static void enqueue(const struct jl__reply *reply, const void *more, size_t len, int fd)
{
	size_t bytes = sizeof(struct waiting) + sizeof(*reply) + len;
	struct waiting *entry = pages_get(bytes);

	if (!entry) {
		client_gone();
		return;
	}
	entry->mapped = bytes;
	entry->len = sizeof(*reply) + len;
	/* The job may end, and its descriptor go, before the reply does. */
	entry->fd = fd < 0 ? -1 : (int)jl__sys_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	__builtin_memcpy(entry->bytes, reply, sizeof(*reply));
	if (len)
		__builtin_memcpy(entry->bytes + sizeof(*reply), more, len);
	*last = entry;
	last = &entry->next;
	watch_client(EPOLLIN | EPOLLOUT);
}

void client_writable(void)
{
	while (first) {
		struct waiting *entry = first;
		long r = send_now(entry->bytes, entry->len, NULL, 0, entry->fd);

		if (r < 0 && r != -EPIPE && r != -ECONNRESET)
			return;
		first = entry->next;
		if (!first)
			last = &first;
		fd_close(&entry->fd);
		pages_put(entry, entry->mapped);
		if (r < 0) {
			client_gone();
			return;
		}
	}
	if (sv.client >= 0)
		watch_client(EPOLLIN);
}

void client_send(const struct jl__reply *reply, const void *more, size_t len, int fd)
{
	long r = -EAGAIN;

	if (sv.client < 0)
		return;
	if (!first)
		r = send_now(reply, sizeof(*reply), more, len, fd);
	if (r == -EPIPE || r == -ECONNRESET)
		client_gone();
	else if (r < 0)
		enqueue(reply, more, len,
			fd); /* no room, or the kernel is short of memory */
}

/* Length of the message, or -errno; its descriptors are ours from here on. */
static long receive(int *fds, uint32_t *ret_count)
{
	struct part part = { inbox, sizeof(inbox) };
	struct control control = { 0 };
	struct message message = {
		.parts = (void *)&part,
		.part_count = 1,
		.control = &control,
		.control_len = sizeof(control),
	};
	uint32_t count = 0;
	long got = jl__sys_recvmsg(sv.client, &message, MSG_CMSG_CLOEXEC_);

	if (got > 0 && message.control_len >= 16 && control.type == SCM_RIGHTS_ &&
	    control.level == SOL_SOCKET_)
		count = (uint32_t)((control.len - 16) / sizeof(int));
	for (uint32_t i = 0; i < count; i++)
		fds[i] = control.fds[i];
	*ret_count = count;
	if (got > 0 && message.flags & (MSG_TRUNC_ | MSG_CTRUNC_))
		return -EPROTO;
	return got;
}

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

static void close_all(const int *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		(void)jl__sys_close(fds[i]);
}

static void spawn(struct jl__request *request, size_t len, int *fds, uint32_t count)
{
	const struct jl__plan *plan = (const struct jl__plan *)(request + 1);
	struct jl__reply reply = { .type = JL__REPLY_FAILED, .job = request->job };

	if (count == 3 && len == sizeof(*request) + request->number) {
		launch_job(request, plan, (uint32_t)request->number, fds);
	} else {
		plan = count == 4 ? map_plan(fds[3], request->number) : NULL;
		if (plan) {
			launch_job(request, plan, (uint32_t)request->number, fds);
			pages_put((void *)plan, request->number);
		} else {
			failed(&reply.failure, JL__STEP_PLAN, __LINE__, -EINVAL);
			client_send(&reply, NULL, 0, -1);
		}
	}
	close_all(fds, count);
}

static void command(const struct jl__request *request)
{
	uint64_t now;

	for (uint32_t i = 0; i < sv.jobs_used; i++) {
		struct job *job = &sv.jobs[i];

		if (job->id != request->job ||
		    (job->state != JOB_STARTING && job->state != JOB_RUNNING))
			continue;
		switch (request->type) {
		case JL__REQUEST_SIGNAL:
			if (request->number >= 1 && request->number <= 64)
				(void)job_signal(job, (int)request->number);
			break;
		case JL__REQUEST_STOP:
			if (!job->ended)
				job->ended = JL__ENDED_STOPPED;
			job->stopping = 1;
			now = clock_usec(1 /* CLOCK_MONOTONIC */) + request->number;
			/* A grace time does not prolong the job's own time. */
			if (!job->deadline_usec || now < job->deadline_usec)
				jobs_deadline_set(job, now);
			(void)job_signal(job, SIGTERM);
			break;
		case JL__REQUEST_KILL:
			job_kill(job, JL__ENDED_STOPPED);
			break;
		default:
			break;
		}
		return;
	}
}

void client_readable(void)
{
	struct jl__request *request = (struct jl__request *)inbox;
	int fds[JL__HIERARCHIES_MAX + 8];
	uint32_t count;
	long got = receive(fds, &count);

	if (got == -EINTR || got == -EAGAIN)
		return;
	if (got < (long)sizeof(uint32_t)) {
		close_all(fds, count);
		client_gone();
		return;
	}
	if (request->type == JL__REQUEST_HELLO && got == sizeof(struct jl__hello) &&
	    sv.own_ns <= 0) {
		struct jl__reply reply = { .type = JL__REPLY_READY };

		reply.code =
			supervisor_hello((const struct jl__hello *)inbox, fds, count);
		client_send(&reply, NULL, 0, -1);
	} else if (request->type == JL__REQUEST_SPAWN && got >= (long)sizeof(*request) &&
		   sv.own_ns > 0) {
		spawn(request, (size_t)got, fds, count);
	} else if (request->type == JL__REQUEST_WORK && count == 1 && sv.work < 0 &&
		   got > (long)sizeof(struct jl__request_work) && !inbox[got - 1]) {
		const struct jl__request_work *work =
			(const struct jl__request_work *)inbox;

		/* When it fails, jobs that need it fail, and say so. */
		(void)work_accept(fds[0], work->name, work->path);
	} else {
		close_all(fds, count);
		if (got == sizeof(*request))
			command(request);
	}
}
