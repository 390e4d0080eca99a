/* SPDX-License-Identifier: MIT */
#define JL_MODULE "rpc"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/conn.h"
#include "rpc/tls.h"

static void or_default(void *slot, uint64_t standard, size_t size)
{
	if (size == sizeof(uint32_t) && *(uint32_t *)slot == 0)
		*(uint32_t *)slot = (uint32_t)standard;
	if (size == sizeof(uint64_t) && *(uint64_t *)slot == 0)
		*(uint64_t *)slot = standard;
}

#define OR_DEFAULT(limits, field, standard) \
	or_default(&(limits)->field, standard, sizeof((limits)->field))

static void set_limits(struct jl__rpc_limits *limits)
{
	OR_DEFAULT(limits, connections, 512);
	OR_DEFAULT(limits, connections_of_peer, 128);
	OR_DEFAULT(limits, streams, 128);
	OR_DEFAULT(limits, header_bytes, 16384);
	OR_DEFAULT(limits, reply_max, (4 << 20) - 1024);
	OR_DEFAULT(limits, upload_budget, 512 << 20);
	OR_DEFAULT(limits, handshake_usec, 10000000);
	OR_DEFAULT(limits, stall_usec, 30000000);
	OR_DEFAULT(limits, keepalive_usec, 30000000);
	OR_DEFAULT(limits, keepalive_timeout_usec, 20000000);
}

static int by_path(const void *a, const void *b)
{
	const struct jl__rpc_method *const *one = a, *const *other = b;

	return strcmp((*one)->path, (*other)->path);
}

static int sort_methods(struct jl__rpc_server *server, jl_error **err)
{
	const struct jl__rpc_method *method;
	size_t count = 0;

	for (method = server->methods; method->path; method++) {
		if (method->path[0] != '/')
			return jl__fail(err, -EINVAL,
					"the path \"%s\" begins without a /",
					method->path);
		if (method->handler && !method->handler->request &&
		    method->kind != JL__RPC_UPLOAD)
			return jl__fail(err, -EINVAL, "%s has no request function",
					method->path);
		if (method->handler && method->kind == JL__RPC_UPLOAD &&
		    (!method->handler->part || !method->handler->parts_end))
			return jl__fail(err, -EINVAL,
					"%s has no part or parts_end function",
					method->path);
		count++;
	}
	server->sorted = jl__calloc(count + 1, sizeof(server->sorted[0]));
	if (!server->sorted)
		return jl__oom(err);
	for (method = server->methods; method->path; method++)
		if (method->kind != JL__RPC_GET)
			server->sorted[server->n_sorted++] = method;
	qsort(server->sorted, server->n_sorted, sizeof(server->sorted[0]), by_path);
	for (size_t i = 1; i < server->n_sorted; i++)
		if (by_path(&server->sorted[i - 1], &server->sorted[i]) == 0)
			return jl__fail(err, -EINVAL, "%s is there twice",
					server->sorted[i]->path);
	return 0;
}

static int watch(struct jl__rpc_server *server, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_descriptors(struct jl__rpc_server *server)
{
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	server->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Given up for a moment when descriptors run out, see accept.c. */
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (server->epoll_fd < 0 || server->timer_fd < 0 || server->event_fd < 0 ||
	    server->spare_fd < 0)
		return -errno;
	/* Told from connections and listeners by their addresses. */
	if (watch(server, server->timer_fd, &server->timer_fd) < 0 ||
	    watch(server, server->event_fd, &server->event_fd) < 0)
		return -errno;
	return 0;
}

static void rested(struct jl__rpc_timer *timer)
{
	jl__rpc_listeners_rest(jl__rpc_container(timer, struct jl__rpc_server, rest),
			       false);
}

/* First a while for the notice to arrive, then the final word, then the end. */
static void drain_goes_on(struct jl__rpc_timer *timer)
{
	struct jl__rpc_server *server =
		jl__rpc_container(timer, struct jl__rpc_server, drain);
	struct jl__rpc_conn *conn;
	bool over = server->final;

	server->final = true;
	for (conn = server->conns; conn; conn = conn->next) {
		if (over) {
			struct jl__rpc_call *call;

			for (call = conn->calls; call; call = call->next)
				jl__rpc_call_abort(call, JL__RPC_UNAVAILABLE,
						   "the server is shutting down");
			jl__rpc_conn_drop(conn, NULL);
		} else {
			jl__rpc_conn_drain(conn);
		}
		jl__rpc_conn_dirty(conn);
	}
	if (!over)
		jl__rpc_timer_set(&server->timers, &server->drain, server->drain_usec);
}

int jl__rpc_server_new(const struct jl__rpc_method *methods,
		       const struct jl__rpc_limits *limits,
		       const struct jl__rpc_hooks *hooks,
		       struct jl__rpc_server **ret_server, jl_error **err)
{
	struct jl__rpc_server *server = jl__calloc(1, sizeof(*server));
	int r;

	if (!server)
		return jl__oom(err);
	server->epoll_fd = server->timer_fd = server->event_fd = server->spare_fd =
		-EBADF;
	server->methods = methods;
	server->dirty_end = &server->dirty;
	server->ready_end = &server->ready;
	server->armed_usec = UINT64_MAX;
	server->rest.fire = rested;
	server->drain.fire = drain_goes_on;
	if (limits)
		server->limits = *limits;
	if (hooks)
		server->hooks = *hooks;
	set_limits(&server->limits);
	r = sort_methods(server, err);
	if (r == 0) {
		r = open_descriptors(server);
		if (r < 0)
			(void)jl__fail_errno(err, r, "cannot make an event loop");
	}
	if (r == 0 && (jl__rpc_timers_reserve(&server->timers, 64) < 0 ||
		       jl__rpc_h2_callbacks(server) < 0))
		r = jl__oom(err);
	if (r < 0) {
		jl__rpc_server_free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

void jl__rpc_server_free(struct jl__rpc_server *server)
{
	if (!server)
		return;
	server->processing = true; /* nobody needs to be woken any more */
	server->granting = true;   /* and what waits for room does not begin now */
	jl__rpc_listeners_close(server);
	while (server->listeners) {
		struct jl__rpc_listener *first = server->listeners;

		server->listeners = first->next;
		jl__free(first);
	}
	while (server->conns)
		jl__rpc_conn_free(server->conns);
	nghttp2_session_callbacks_del(server->callbacks);
	nghttp2_option_del(server->option);
	SSL_CTX_free(server->tls);
	jl__rpc_timers_done(&server->timers);
	(void)jl__close(server->epoll_fd);
	(void)jl__close(server->timer_fd);
	(void)jl__close(server->event_fd);
	(void)jl__close(server->spare_fd);
	jl__free(server->sorted);
	jl__free(server);
}

int jl__rpc_server_set_tls(struct jl__rpc_server *server, const struct jl__rpc_tls *tls,
			   jl_error **err)
{
	SSL_CTX *ctx;
	int r = jl__rpc_tls_server(tls, &ctx, err);

	if (r < 0)
		return r;
	SSL_CTX_free(server->tls);
	server->tls = ctx;
	for (struct jl__rpc_conn *conn = server->conns; conn; conn = conn->next) {
		X509 *cert =
			conn->io.ssl ? SSL_get0_peer_certificate(conn->io.ssl) : NULL;

		if (cert && jl__rpc_tls_revoked(ctx, cert))
			jl__rpc_conn_drop(conn, "its certificate has been revoked");
	}
	return 0;
}

void jl__rpc_server_identify(struct jl__rpc_server *server)
{
	const struct jl__rpc_hooks *hooks = &server->hooks;

	for (struct jl__rpc_conn *conn = server->conns; conn; conn = conn->next) {
		if (!conn->identified || !hooks->identify)
			continue;
		if (hooks->forget)
			hooks->forget(hooks->data, &conn->peer);
		conn->peer.roles = 0;
		hooks->identify(hooks->data, &conn->peer);
		if (!conn->peer.roles)
			jl__rpc_conn_drop(conn, "it may do nothing any more");
	}
}

void jl__rpc_server_kick(struct jl__rpc_server *server)
{
	uint64_t one = 1;

	if (server->processing || server->kicked)
		return;
	server->kicked = true;
	if (write(server->event_fd, &one, sizeof(one)) < 0)
		return; /* full: it is readable already */
}

void jl__rpc_conn_dirty(struct jl__rpc_conn *conn)
{
	struct jl__rpc_server *server = conn->server;

	if (!conn->dirty) {
		conn->dirty = true;
		conn->next_dirty = NULL;
		*server->dirty_end = conn;
		server->dirty_end = &conn->next_dirty;
	}
	jl__rpc_server_kick(server);
}

void jl__rpc_server_tell(struct jl__rpc_server *server, const char *address,
			 const char *reason)
{
	uint64_t now = jl__rpc_now_usec();

	server->counts.dropped++;
	/* Whoever can make us drop connections could fill the log with it. */
	if (now - server->told_usec >= 1000000) {
		server->told_usec = now;
		server->told = 0;
	}
	if (server->hooks.dropped && server->told++ < 50)
		server->hooks.dropped(server->hooks.data, address, reason);
}

static void arm(struct jl__rpc_server *server)
{
	uint64_t next = jl__rpc_timers_next(&server->timers);
	struct itimerspec when = { 0 };

	if (next == server->armed_usec)
		return;
	server->armed_usec = next;
	if (next != UINT64_MAX) {
		/* All zero would mean "never". */
		when.it_value.tv_sec = (time_t)(next / 1000000);
		when.it_value.tv_nsec = (long)(next % 1000000 * 1000) + 1;
	}
	(void)timerfd_settime(server->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void settle_dirty(struct jl__rpc_server *server)
{
	/* What becomes dirty meanwhile waits for the next turn. */
	struct jl__rpc_conn *conn = server->dirty;

	server->dirty = NULL;
	server->dirty_end = &server->dirty;
	while (conn) {
		struct jl__rpc_conn *next = conn->next_dirty;

		conn->dirty = false;
		jl__rpc_conn_settle(conn);
		conn = next;
	}
}

static void dispatch(struct jl__rpc_server *server, const struct epoll_event *event)
{
	uint64_t count;
	void *what = event->data.ptr;

	if (what == &server->timer_fd) {
		server->armed_usec = 0;
		if (read(server->timer_fd, &count, sizeof(count)) < 0)
			return; /* moved meanwhile */
	} else if (what == &server->event_fd) {
		server->kicked = false;
		if (read(server->event_fd, &count, sizeof(count)) < 0)
			return;
	} else {
		for (struct jl__rpc_listener *one = server->listeners; one;
		     one = one->next) {
			if (one == what) {
				jl__rpc_accept(one);
				return;
			}
		}
		jl__rpc_conn_event(what, event->events);
	}
}

int jl__rpc_server_process(struct jl__rpc_server *server)
{
	struct epoll_event events[64];
	struct jl__rpc_timer *timer;
	uint64_t now;
	int n, r = 0;

	do
		n = epoll_wait(server->epoll_fd, events, 64, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		r = -errno;
	server->processing = true;
	for (int i = 0; i < n; i++)
		dispatch(server, &events[i]);
	now = jl__rpc_now_usec();
	while ((timer = jl__rpc_timers_take(&server->timers, now)))
		timer->fire(timer);
	jl__rpc_turn_run(server);
	settle_dirty(server);
	server->processing = false;
	if (server->dirty || (server->ready && server->eager))
		jl__rpc_server_kick(server);
	arm(server);
	return r;
}

int jl__rpc_server_fd(const struct jl__rpc_server *server)
{
	return server->epoll_fd;
}

void jl__rpc_server_drain(struct jl__rpc_server *server, uint64_t grace_usec)
{
	uint64_t now = jl__rpc_now_usec(), end = jl__rpc_after(now, grace_usec);

	/* Asked again, it may become earlier and not later. */
	if (server->draining && end >= server->drain_usec)
		return;
	server->drain_usec = end;
	if (!server->draining) {
		server->draining = true;
		jl__rpc_listeners_close(server);
		for (struct jl__rpc_conn *conn = server->conns; conn; conn = conn->next)
			jl__rpc_conn_drain(conn);
	}
	/* About a round trip for the notice, then the final word. */
	if (!server->final)
		end = now + (grace_usec < 400000 ? grace_usec / 2 : 200000);
	jl__rpc_timer_set(&server->timers, &server->drain, end);
	jl__rpc_server_kick(server);
}

bool jl__rpc_server_drained(const struct jl__rpc_server *server)
{
	return server->draining && !server->conns;
}

void jl__rpc_server_counts(const struct jl__rpc_server *server,
			   struct jl__rpc_counts *ret_counts)
{
	*ret_counts = server->counts;
}
