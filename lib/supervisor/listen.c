/* SPDX-License-Identifier: MIT */
/*
 * Who wants to know about a job: the client that gave it to us, and whoever adopts it
 * later through our socket, which lies in a folder of the caller's. When we leave, the
 * name goes first and the socket is closed last: whoever finds no socket, or is hung up
 * on without an answer, knows that nothing will be started here any more and that every
 * result is in its job's folder.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#define MAX_INTERESTS (2 * MAX_JOBS)
#define SOL_SOCKET_ 1
#define SO_PEERCRED_ 17
#define SOCK_CLOEXEC_ 02000000
#define SOCK_NONBLOCK_ 04000

struct interest {
	uint32_t client;
	uint32_t number; /* the client's, for this job */
	uint32_t next;	 /* in the job's list, or the free ones; 0: none */
};

static struct interest *interests; /* number 0 is nobody's */
static uint32_t used = 1, free_list;

int interest_add(struct job *job, uint32_t client, uint32_t number)
{
	uint32_t i = free_list;

	if (!interests)
		interests = pages_get_own(sizeof(*interests) * MAX_INTERESTS);
	if (!interests)
		return -ENOMEM;
	if (i)
		free_list = interests[i].next;
	else if (used < MAX_INTERESTS)
		i = used++;
	else
		return -EAGAIN;
	interests[i] = (struct interest){ client, number, job->interests };
	job->interests = i;
	return 0;
}

static void release(uint32_t *slot)
{
	uint32_t i = *slot;

	*slot = interests[i].next;
	interests[i].next = free_list;
	free_list = i;
}

void interests_end(struct job *job)
{
	while (job->interests)
		release(&job->interests);
}

void interests_drop(uint32_t client)
{
	for (uint32_t i = 0; i < sv.jobs_used; i++) {
		uint32_t *slot = &sv.jobs[i].interests;

		if (sv.jobs[i].state == JOB_FREE)
			continue;
		while (*slot)
			if (interests[*slot].client == client)
				release(slot);
			else
				slot = &interests[*slot].next;
	}
}

static int is_interested(const struct job *job, uint32_t client)
{
	for (uint32_t i = job->interests; i; i = interests[i].next)
		if (interests[i].client == client)
			return 1;
	return 0;
}

struct job *interest_find(uint32_t client, uint32_t number)
{
	for (uint32_t n = 0; n < sv.jobs_used; n++)
		for (uint32_t i = sv.jobs[n].state == JOB_FREE ? 0 : sv.jobs[n].interests;
		     i; i = interests[i].next)
			if (interests[i].client == client &&
			    interests[i].number == number)
				return &sv.jobs[n];
	return NULL;
}

void job_tell(const struct job *job, struct jl__reply *reply, const void *more,
	      size_t len, int fd)
{
	uint32_t next;

	for (uint32_t i = job->interests; i; i = next) {
		/* A client that is gone takes its own entries out, and no others. */
		next = interests[i].next;
		reply->job = interests[i].number;
		client_send(interests[i].client, reply, more, len, fd);
	}
}

/* ---- the socket ---- */

void listen_open(const struct jl__request_listen *request, const int *fds)
{
	struct epoll_event event = { EPOLLIN, (uint64_t)WATCH_LISTEN << 32 };

	sv.listen = fds[0];
	sv.listen_folder = fds[1];
	__builtin_memcpy(sv.listen_name, request->name, sizeof(sv.listen_name) - 1);
	(void)jl__sys_fcntl(sv.listen, F_SETFL, O_RDWR | O_NONBLOCK);
	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_ADD, sv.listen, &event);
}

/*
 * The folder keeps others out; this holds should somebody have opened it. In a user
 * namespace everybody else looks like nobody, the host's root included.
 */
static int is_ours(int fd)
{
	struct {
		int pid;
		uint32_t uid, gid;
	} peer;
	int len = sizeof(peer);

	return jl__sys_getsockopt(fd, SOL_SOCKET_, SO_PEERCRED_, &peer, &len) == 0 &&
	       peer.uid == (uint32_t)jl__sys_geteuid();
}

void listen_readable(void)
{
	int fd = (int)jl__sys_accept4(sv.listen, NULL, NULL,
				      SOCK_CLOEXEC_ | SOCK_NONBLOCK_);

	if (fd < 0)
		return;
	if (is_ours(fd))
		client_add(fd, 0);
	else
		(void)jl__sys_close(fd);
}

void listen_close(void)
{
	if (sv.listen < 0)
		return;
	(void)jl__sys_unlinkat(sv.listen_folder, sv.listen_name, 0);
	fd_close(&sv.listen_folder);
}

/* ---- adoption ---- */

static struct job *find_key(const char *key)
{
	for (uint32_t i = 0; i < sv.jobs_used; i++)
		if (sv.jobs[i].state != JOB_FREE && sv.jobs[i].key[0] &&
		    text_equal(sv.jobs[i].key, key))
			return &sv.jobs[i];
	return NULL;
}

void adopt(uint32_t client, struct jl__request_adopt *request)
{
	struct jl__reply reply = { .type = JL__REPLY_UNKNOWN, .job = request->head.job };
	struct job *job;

	request->id[JL__ID_SIZE - 1] = '\0';
	job = find_key(request->id);
	if (!job)
		reply.code = -ENOENT;
	else if (is_interested(job, client))
		reply.code = -EEXIST; /* one entry each: see job_tell() */
	else
		reply.code = interest_add(job, client, request->head.job);
	if (reply.code < 0)
		client_send(client, &reply, NULL, 0, -1);
	else if (job->state != JOB_STARTING)
		job_introduce(job, client, request->head.job);
	/* One that is just starting has its answer when it has started, or not. */
}
