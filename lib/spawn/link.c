/* SPDX-License-Identifier: MIT */
#define JL_MODULE "supervisor"

#include "spawn/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/place.h"

/* A machine may be busy. */
#define HELLO_WAIT_USEC UINT64_C(30000000)
/* How long processes of a dead supervisor may take to die before we stop looking. */
#define LOST_WAIT_MSEC 10000

static void lock(jl_ctx *ctx)
{
	(void)pthread_mutex_lock(&ctx->lock);
}

static void unlock(jl_ctx *ctx)
{
	(void)pthread_mutex_unlock(&ctx->lock);
}

static uint64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- lists ---- */

void jl__link_add(struct jl__link *link, jl_job *job)
{
	lock(link->ctx);
	job->link = link;
	job->prev = NULL;
	job->next = link->running;
	if (job->next)
		job->next->prev = job;
	link->running = job;
	unlock(link->ctx);
}

static void unlist(struct jl__link *link, jl_job *job)
{
	if (job->prev)
		job->prev->next = job->next;
	else
		link->running = job->next;
	if (job->next)
		job->next->prev = job->prev;
	job->next = job->prev = NULL;
	job->link = NULL;
}

void jl__link_drop(struct jl__link *link, jl_job *job)
{
	lock(link->ctx);
	unlist(link, job);
	unlock(link->ctx);
}

static void job_release(jl_job *job)
{
	(void)jl__close(job->pidfd);
	jl__free(job->failure_text);
	(void)jl_net_unref(job->net);
	jl__free(job->place);
	jl__free(job);
}

/* Ended: on to the list of events, if somebody still holds a handle; otherwise away. */
static void job_ended(struct jl__link *link, jl_job *job)
{
	/* There is one such list, whichever supervisor the job had. */
	struct jl__link *own = link->ctx->link;

	lock(link->ctx);
	unlist(link, job);
	if (job->refs == 0 || job == link->waited_for) {
		bool unwanted = job->refs == 0;

		unlock(link->ctx);
		if (unwanted)
			job_release(job);
		return;
	}
	job->link = own;
	job->event_waiting = true;
	job->prev = own->ended_last;
	if (own->ended_last)
		own->ended_last->next = job;
	else
		own->ended_first = job;
	own->ended_last = job;
	(void)eventfd_write(link->ctx->event_fd, 1);
	unlock(link->ctx);
}

/* Under lock. */
static void forget_event(struct jl__link *link, jl_job *job)
{
	eventfd_t count;

	if (!job->event_waiting)
		return;
	if (job->prev)
		job->prev->next = job->next;
	else
		link->ended_first = job->next;
	if (job->next)
		job->next->prev = job->prev;
	else
		link->ended_last = job->prev;
	job->next = job->prev = NULL;
	job->link = NULL;
	job->event_waiting = false;
	if (!link->ended_first && link->owner == getpid())
		(void)eventfd_read(link->ctx->event_fd, &count);
}

jl_job *jl_job_ref(jl_job *job)
{
	lock(job->ctx);
	job->refs++;
	unlock(job->ctx);
	return job;
}

jl_job *jl_job_unref(jl_job *job)
{
	jl_ctx *ctx;
	bool last, listed;

	if (!job)
		return NULL;
	ctx = job->ctx;
	lock(ctx);
	last = --job->refs == 0;
	if (last && job->event_waiting)
		forget_event(job->link, job);
	listed = job->link != NULL;
	unlock(ctx);
	if (last) {
		if (!listed)
			job_release(job);
		(void)jl_ctx_unref(ctx);
	}
	return NULL;
}

static jl_job *next_ended(struct jl__link *link)
{
	jl_job *job;

	lock(link->ctx);
	job = link->ended_first;
	if (job) {
		job->refs++;
		forget_event(link, job);
	}
	unlock(link->ctx);
	return job;
}

/* Waiting for a job by itself takes its event with it. */
static void take_event(jl_job *job)
{
	lock(job->ctx);
	if (job->event_waiting)
		forget_event(job->link, job);
	unlock(job->ctx);
}

/* ---- messages ---- */

int jl__link_send(struct jl__link *link, const void *head, size_t head_len,
		  const void *body, size_t body_len, const int *fds, uint32_t fd_count)
{
	struct iovec parts[2] = {
		{ .iov_base = (void *)(uintptr_t)head, .iov_len = head_len },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = body_len },
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
	} control = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = body_len ? 2 : 1 };
	ssize_t sent;

	if (fd_count) {
		struct cmsghdr *cmsg;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		cmsg = CMSG_FIRSTHDR(&message);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fd_count);
	}
	do
		sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == EPIPE || errno == ECONNRESET || errno == EBADF ? -ECONNRESET
								       : -errno;
}

/* Read under lock by jl_job_kill() on other threads. */
static void set_state(jl_job *job, enum jl__job_state state)
{
	lock(job->link->ctx);
	job->state = state;
	unlock(job->link->ctx);
}

static jl_job *find(const struct jl__link *link, uint32_t number)
{
	jl_job *job = link->running;

	while (job && job->number != number)
		job = job->next;
	return job;
}

static void handle(struct jl__link *link, const struct jl__reply *reply, size_t len,
		   int fd)
{
	jl_job *job = find(link, reply->job);

	if (reply->type == JL__REPLY_READY)
		link->ready = reply->code < 0 ? reply->code : 1;
	if (!job) {
		(void)jl__close(fd);
		return;
	}
	switch (reply->type) {
	case JL__REPLY_STARTED:
		job->pidfd = fd;
		job->group = reply->group;
		if (link->ctx->link != link)
			/* Of a supervisor we did not start we know what it tells. */
			link->nest.offers = reply->flags;
		job->result.start_usec = reply->start_usec;
		set_state(job, JL__JOB_RUNNING);
		return;
	case JL__REPLY_FAILED:
		job->failure = reply->failure;
		if (len > sizeof(*reply))
			job->failure_text = jl__strndup((const char *)(reply + 1),
							len - sizeof(*reply));
		jl__place_over(job);
		set_state(job, JL__JOB_FAILED);
		jl__link_drop(link, job);
		break;
	case JL__REPLY_ENDED:
		jl__job_set_result(job, reply, (const char *)(reply + 1),
				   len - sizeof(*reply));
		jl__place_over(job);
		set_state(job, JL__JOB_ENDED);
		job_ended(link, job);
		break;
	case JL__REPLY_UNKNOWN:
		job->failure = (struct jl__failure){ .code = reply->code };
		set_state(job, JL__JOB_FAILED);
		jl__link_drop(link, job);
		break;
	default:
		break;
	}
	(void)jl__close(fd);
}

/* Reads on after hanging up. True when the supervisor says that it stays for others; at
 * the end of file the descriptor is forgotten. */
static bool says_it_stays(struct pollfd *ready)
{
	struct jl__reply reply;
	/* What is longer is cut off, and what is attached is dropped. */
	ssize_t got = recv(ready->fd, &reply, sizeof(reply), MSG_DONTWAIT);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		ready->fd = -1;
	return got == (ssize_t)sizeof(reply) && reply.type == JL__REPLY_STAYS;
}

/*
 * Waits until the supervisor has ended, or has nothing of ours any more. It is nobody's
 * child, unless the caller is where orphans go (a subreaper, PID 1 of a container): then
 * we reap what the caller never made.
 */
static void supervisor_gone(struct jl__link *link)
{
	struct pollfd ready[2] = { { .fd = link->pidfd, .events = POLLIN },
				   { .fd = link->fd, .events = POLLIN } };
	siginfo_t info;
	int r;

	/* Another context's: it has hung up, and that is all we can know. */
	if (link->pidfd < 0)
		return;
	do
		r = poll(ready, 2, LOST_WAIT_MSEC);
	while ((r < 0 && errno == EINTR) ||
	       (r > 0 && !ready[0].revents && !says_it_stays(&ready[1])));
	(void)waitid(P_PIDFD, (id_t)link->pidfd, &info, WEXITED | WNOHANG | __WALL);
	link->pidfd = jl__close(link->pidfd);
}

/* The supervisor is gone, and the kernel has killed its jobs; see them off and clean up.
 */
static void lost(struct jl__link *link)
{
	struct jl__reply reply = { .type = JL__REPLY_ENDED };
	struct timespec now;
	const struct jl__cg_tree *tree;
	uint32_t count = 0;

	lock(link->ctx);
	/* A child of the caller may hold it open, which would keep it in the set. */
	(void)epoll_ctl(link->ctx->epoll_fd, EPOLL_CTL_DEL, link->fd, NULL);
	link->fd = jl__close(link->fd);
	unlock(link->ctx);
	supervisor_gone(link);
	while (link->running) {
		jl_job *job = link->running;
		struct pollfd gone = { .fd = job->pidfd, .events = POLLIN };

		if (job->pidfd >= 0)
			(void)poll(&gone, 1, LOST_WAIT_MSEC);
		(void)clock_gettime(CLOCK_REALTIME, &now);
		reply.end_usec =
			(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
		reply.start_usec = job->result.start_usec;
		reply.wall_usec = 0;
		if (reply.start_usec && reply.end_usec > reply.start_usec)
			reply.wall_usec = reply.end_usec - reply.start_usec;
		reply.code = SIGKILL;
		reply.signal = 1;
		jl__job_set_result(job, &reply, NULL, 0);
		jl__place_over(job);
		job->result.reason = JL_REASON_LOST;
		job->failure =
			(struct jl__failure){ JL__STEP_RESOURCES, 3, -ECONNRESET, 0 };
		set_state(job, job->state == JL__JOB_STARTING ? JL__JOB_FAILED
							      : JL__JOB_ENDED);
		count++;
		job_ended(link, job);
	}
	if (jl__ctx_cgroups(link->ctx, &tree, NULL) == 0) {
		/* Somebody else's may be about to clean up itself. */
		if (link->ctx->link != link)
			(void)jl__cg_nest_sweep(tree);
		else if (link->nest.name[0])
			(void)jl__cg_nest_remove(tree, link->nest.name);
	}
	jl__place_lost(link);
	jl__link_sweep_work(link);
	jl__free(link->work_path);
	link->work_path = NULL;
	if (count)
		jl__log(link->ctx, JL_LOG_WARNING, JL_MODULE,
			"the supervisor died; %u jobs were killed with it", count);
}

static int receive_one(struct jl__link *link, bool wait)
{
	struct iovec part = { .iov_base = link->inbox, .iov_len = JL__REPLY_MAX };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cmsg;
	ssize_t got;
	int fd = -EBADF;

	do
		got = recvmsg(link->fd, &message,
			      MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (got < (ssize_t)sizeof(struct jl__reply))
		return -ECONNRESET;
	cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	handle(link, link->inbox, (size_t)got, fd);
	return 1;
}

int jl__link_receive(struct jl__link *link, int wait_msec)
{
	struct pollfd ready = { .fd = link->fd, .events = POLLIN };
	int r;

	if (link->fd < 0)
		return -ECONNRESET;
	if (link->owner != getpid())
		return -EPERM;
	if (wait_msec < 0) {
		/* The usual case, and the one that is measured: one call, one message. */
		r = receive_one(link, true);
	} else {
		if (wait_msec && poll(&ready, 1, wait_msec) < 0 && errno != EINTR)
			return -errno;
		do
			r = receive_one(link, false);
		while (r > 0);
	}
	if (r < 0)
		lost(link);
	return r;
}

int jl__link_ready(struct jl__link *link, jl_error **err)
{
	uint64_t until = now_usec() + HELLO_WAIT_USEC;
	int r = 0;

	while (!link->ready && r >= 0 && now_usec() < until)
		r = jl__link_receive(link, 1000);
	if (link->ready == 1)
		return 0;
	if (r >= 0)
		lost(link);
	if (link->ready < 0)
		return jl__fail_errno(
			err, link->ready,
			"the supervisor cannot set up its namespaces (rnx doctor tells what is missing)");
	return jl__fail(err, -ECONNRESET, "the supervisor ended before it was ready");
}

static int pump(struct jl__link *link, jl_error **err)
{
	int r = jl__link_owned(link, err);

	if (r < 0)
		return r;
	/* A lost supervisor shows up as jobs that ended with that reason. */
	for (struct jl__link *at = link; at; at = at->adopted)
		if (at->fd >= 0)
			(void)jl__link_receive(at, 0);
	jl__links_tidy(link);
	return 0;
}

/*
 * Unless jobs were told to go on: waits until the supervisor has killed them, removed all
 * of their traces and its own, and is gone.
 */
static void see_off(struct jl__link *link)
{
	for (const jl_job *job = link->running; job; job = job->next)
		if (job->keep)
			return;
	if (link->fd >= 0 && link->owner == getpid() && shutdown(link->fd, SHUT_WR) == 0)
		supervisor_gone(link);
}

static void link_free(struct jl__link *link)
{
	(void)jl__close(link->pidfd);
	(void)jl__close(link->fd);
	(void)jl__close(link->devnull);
	/* No handles are left, or the context would be there still. */
	while (link->running) {
		jl_job *job = link->running;

		unlist(link, job);
		job_release(job);
	}
	jl__place_forget(link);
	jl__free(link->nest_why);
	jl__free(link->work_path);
	jl__free(link->socket);
	jl__free(link->view);
	jl__free(link->view_key);
	jl__ops_done(&link->ops);
	jl__free(link->inbox);
	jl__free(link);
}

static void link_close(struct jl__link *link)
{
	see_off(link);
	while (link->adopted) {
		struct jl__link *next = link->adopted;

		link->adopted = next->adopted;
		link_free(next);
	}
	link_free(link);
}

void jl__links_tidy(struct jl__link *own)
{
	struct jl__link **slot = &own->adopted;

	while (*slot) {
		struct jl__link *link = *slot;

		if (link->running) {
			slot = &link->adopted;
			continue;
		}
		*slot = link->adopted;
		if (link->fd >= 0)
			(void)epoll_ctl(link->ctx->epoll_fd, EPOLL_CTL_DEL, link->fd,
					NULL);
		link_free(link);
	}
}

const struct jl__link_ops jl__link_ops = {
	.pump = pump,
	.close = link_close,
	.next_ended = next_ended,
};

/* The socket, the descriptors to poll and the jobs are shared with a child after fork. */
int jl__link_owned(const struct jl__link *link, jl_error **err)
{
	if (link->owner == getpid())
		return 0;
	return jl__fail(err, -EPERM,
			"the context belongs to process %d; a child of it opens its own",
			(int)link->owner);
}

static struct jl__link *link_new(jl_ctx *ctx)
{
	struct jl__link *link = jl__calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->ctx = ctx;
	link->owner = getpid();
	link->fd = link->pidfd = link->devnull = -EBADF;
	link->inbox = jl__alloc(JL__REPLY_MAX);
	if (!link->inbox) {
		jl__free(link);
		return NULL;
	}
	return link;
}

int jl__link_make(jl_ctx *ctx, struct jl__link **ret, jl_error **err)
{
	if (!ctx->link) {
		ctx->link = link_new(ctx);
		if (!ctx->link)
			return jl__oom(err);
		ctx->link_ops = &jl__link_ops;
	}
	*ret = ctx->link;
	return 0;
}

int jl__link_connect(struct jl__link *own, int fd, const char *socket,
		     struct jl__link **ret, jl_error **err)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct jl__link *link = link_new(own->ctx);

	if (!link) {
		(void)jl__close(fd);
		return jl__oom(err);
	}
	link->fd = fd;
	link->socket = jl__strdup(socket);
	if (!link->socket) {
		link_free(link);
		return jl__oom(err);
	}
	if (epoll_ctl(own->ctx->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int code = -errno;

		link_free(link);
		return jl__fail_errno(err, code, "cannot watch a supervisor");
	}
	link->adopted = own->adopted;
	own->adopted = link;
	*ret = link;
	return 0;
}

int jl__link_get(jl_ctx *ctx, struct jl__link **ret, jl_error **err)
{
	struct jl__link *link = NULL;
	int r;

	r = jl__link_make(ctx, &link, err);
	if (r < 0)
		return r;
	if (link->fd >= 0) {
		r = jl__link_owned(link, err);
		if (r < 0)
			return r;
	}
	if (link->fd < 0) {
		r = jl__link_start(link, err);
		if (r < 0)
			return r;
	}
	*ret = link;
	return 0;
}

/* ---- waiting ---- */

int jl_job_wait(jl_job *job, uint64_t timeout_usec, jl_error **ret_err)
{
	uint64_t start = now_usec(), passed = 0;
	struct jl__link *link;
	int r;

	jl__error_init(ret_err);
	while (job->state != JL__JOB_ENDED) {
		uint64_t left = timeout_usec - passed;
		int msec = -1;

		if (timeout_usec != JL_FOREVER)
			msec = left / 1000 > 3600000 ? 3600000
						     : (int)((left + 999) / 1000);
		link = job->link;
		r = jl__link_owned(link, ret_err);
		if (r < 0)
			return r;
		link->waited_for = job;
		(void)jl__link_receive(link, msec);
		link->waited_for = NULL;
		if (job->state == JL__JOB_ENDED)
			break;
		passed = now_usec() - start;
		if (timeout_usec != JL_FOREVER && passed >= timeout_usec)
			return jl__fail(ret_err, -ETIMEDOUT, "job %s is still running",
					job->id);
	}
	take_event(job);
	if (job->ctx->link->owner == getpid())
		jl__links_tidy(job->ctx->link);
	return 0;
}
