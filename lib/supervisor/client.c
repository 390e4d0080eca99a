/* SPDX-License-Identifier: MIT */
/*
 * Connections: seqpacket sockets on which each message is one request or reply, with its
 * descriptors. Number 0 is the client that started us and gives us jobs; the others came
 * through our socket (listen.c) and may adopt them. Nothing here waits for a client: what
 * it has no room for is kept until it has.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>

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

/* Replies a client has no room for: it may be busy while hundreds of jobs end. */
struct waiting {
	struct waiting *next;
	size_t mapped;
	size_t len;
	int fd;
	char bytes[];
};

static struct client {
	int fd; /* 0: free; ours start at 3 */
	struct waiting *first, *last;
} clients[MAX_CLIENTS];

static int waits_for_us; /* descriptor of the first client, when it has gone; or 0 */
static char inbox[sizeof(struct jl__request) + JL__PLAN_INLINE_MAX + 4096]
	__attribute__((aligned(16)));

/* ---- coming and going ---- */

static void watch_client(uint32_t number, int op, uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data = (uint64_t)WATCH_CLIENT << 32 | number,
	};

	(void)jl__sys_epoll_ctl(sv.epoll, op, clients[number].fd, &event);
}

/* The first place is the first client's, also when that has gone. */
void client_add(int fd, int is_first)
{
	uint32_t number = is_first ? 0 : 1;

	while (number < MAX_CLIENTS && clients[number].fd)
		number++;
	if (number == MAX_CLIENTS) {
		(void)jl__sys_close(fd);
		return;
	}
	clients[number] = (struct client){ .fd = fd };
	sv.connected++;
	watch_client(number, EPOLL_CTL_ADD, EPOLLIN);
}

static void forget_first(struct client *client)
{
	struct waiting *entry = client->first;

	client->first = entry->next;
	fd_close(&entry->fd);
	pages_put(entry, entry->mapped);
}

static void end_orphans(void)
{
	for (uint32_t i = 0; i < sv.jobs_used; i++) {
		struct job *job = &sv.jobs[i];

		if ((job->state == JOB_STARTING || job->state == JOB_RUNNING) &&
		    !(job->flags & JL__PLAN_ORPHAN_KEEP))
			job_kill(job, JL__ENDED_STOPPED);
	}
}

void client_gone(uint32_t number)
{
	struct client *client = &clients[number];
	int fd = client->fd;

	if (!fd)
		return;
	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_DEL, fd, NULL);
	while (client->first)
		forget_first(client);
	if (number)
		(void)jl__sys_close(fd);
	client->fd = 0;
	sv.connected--;
	interests_drop(number);
	if (number)
		return;
	waits_for_us = fd;
	/*
	 * Its descriptor stays open until we are gone ourselves: a client that only
	 * stopped talking waits for its end of file, and knows then that nothing of us is
	 * left.
	 */
	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_DEL, sv.caller, NULL);
	sv.client = -1;
	end_orphans();
}

/* ---- replies ---- */

static long send_now(int to, const void *head, size_t head_len, const void *more,
		     size_t len, int fd)
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
		r = jl__sys_sendmsg(to, &message, MSG_NOSIGNAL_ | MSG_DONTWAIT_);
	while (r == -EINTR);
	return r;
}

static void enqueue(uint32_t number, const struct jl__reply *reply, const void *more,
		    size_t len, int fd)
{
	struct client *client = &clients[number];
	size_t bytes = sizeof(struct waiting) + sizeof(*reply) + len;
	struct waiting *entry = pages_get_own(bytes);

	if (!entry) {
		client_gone(number);
		return;
	}
	entry->mapped = bytes;
	entry->len = sizeof(*reply) + len;
	/* The job may end, and its descriptor go, before the reply does. */
	entry->fd = fd < 0 ? -1 : (int)jl__sys_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	__builtin_memcpy(entry->bytes, reply, sizeof(*reply));
	if (len)
		__builtin_memcpy(entry->bytes + sizeof(*reply), more, len);
	if (client->first)
		client->last->next = entry;
	else
		client->first = entry;
	client->last = entry;
	watch_client(number, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void client_writable(uint32_t number)
{
	struct client *client = &clients[number];

	while (client->first) {
		struct waiting *entry = client->first;
		long r = send_now(client->fd, entry->bytes, entry->len, NULL, 0,
				  entry->fd);

		if (r == -EPIPE || r == -ECONNRESET) {
			client_gone(number);
			return;
		}
		if (r < 0)
			return;
		forget_first(client);
	}
	watch_client(number, EPOLL_CTL_MOD, EPOLLIN);
}

void client_send(uint32_t number, const struct jl__reply *reply, const void *more,
		 size_t len, int fd)
{
	const struct client *client = &clients[number];
	long r = -EAGAIN;

	if (!client->fd)
		return;
	if (!client->first)
		r = send_now(client->fd, reply, sizeof(*reply), more, len, fd);
	if (r == -EPIPE || r == -ECONNRESET)
		client_gone(number);
	else if (r < 0)
		/* No room, or the kernel is short of memory. */
		enqueue(number, reply, more, len, fd);
}

void client_release(void)
{
	const struct jl__reply reply = { .type = JL__REPLY_STAYS };

	/* Else we are about to end, which it will see. */
	if (!waits_for_us || (!sv.connected && !sv.running))
		return;
	for (uint32_t i = 0; i < sv.jobs_used; i++)
		if (sv.jobs[i].state != JOB_FREE &&
		    !(sv.jobs[i].flags & JL__PLAN_ORPHAN_KEEP))
			return;
	/* One that does not read has no room: it waits as long as it likes. */
	if (send_now(waits_for_us, &reply, sizeof(reply), NULL, 0, -1) != -EAGAIN)
		waits_for_us = 0;
}

/* ---- requests ---- */

/* Length of the message, or -errno; its descriptors are ours from here on. */
static long receive(int from, int *fds, uint32_t *ret_count)
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
	long got = jl__sys_recvmsg(from, &message, MSG_CMSG_CLOEXEC_ | MSG_DONTWAIT_);

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

static void client_readable(uint32_t number)
{
	int fds[JL__HIERARCHIES_MAX + 8];
	uint32_t count;
	long got = receive(clients[number].fd, fds, &count);

	if (got == -EINTR || got == -EAGAIN)
		return;
	if (got < (long)sizeof(uint32_t))
		client_gone(number);
	else
		request_handle(number, inbox, (size_t)got, fds, &count);
	for (uint32_t i = 0; i < count; i++)
		(void)jl__sys_close(fds[i]);
}

void client_event(uint32_t number, uint32_t events)
{
	if (clients[number].fd && events & EPOLLOUT)
		client_writable(number);
	if (clients[number].fd && events & ~(uint32_t)EPOLLOUT)
		client_readable(number);
}
