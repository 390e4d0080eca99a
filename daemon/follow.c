/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

static void ready(struct watch *watch, uint32_t events)
{
	struct follow *follow =
		(struct follow *)(void *)((char *)watch - offsetof(struct follow, watch));

	(void)events;
	/* One shot: the peer may have no room for long, and then this is not asked. */
	jl__rpc_call_wake(follow->call);
}

int follow_open(struct follow *follow, struct jl__rpc_call *call, const char *id,
		uint32_t flags, jl_error **err)
{
	struct serving *s = serving_of(call);
	int r;

	*follow = (struct follow){ .watch = { .ready = ready, .fd = -1 },
				   .s = s,
				   .call = call };
	r = jl_node_open_log(s->node, id, flags, &follow->log, err);
	if (r < 0)
		return r;
	r = loop_watch(s->loop, &follow->watch, jl_log_get_fd(follow->log),
		       EPOLLIN | EPOLLONESHOT);
	/* A reader without a descriptor to wait for is one that never waits. */
	if (r == -EPERM || r == -EBADF)
		r = 0;
	if (r < 0) {
		jl_log_close(follow->log);
		follow->log = NULL;
	}
	return r;
}

void follow_close(struct follow *follow)
{
	if (!follow->log)
		return;
	loop_unwatch(follow->s->loop, &follow->watch);
	jl_log_close(follow->log);
	follow->log = NULL;
}

int64_t follow_read(struct follow *follow, void *data, size_t size)
{
	jl_error *err = NULL;
	int64_t n = jl_log_read(follow->log, data, size, &err);

	if (n == -EAGAIN && follow->watch.fd >= 0)
		(void)loop_rearm(follow->s->loop, &follow->watch, EPOLLIN | EPOLLONESHOT);
	else if (n < 0 && n != -EAGAIN)
		journal_log(follow->s->journal, JL_LOG_ERROR, "cannot read a log: %s",
			    jl_error_message(err));
	jl_error_free(err);
	return n;
}
