/* SPDX-License-Identifier: MIT */
/* A connection of the server: from accept to close. */
#include "rpc/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/alloc.h"
#include "rpc/tls.h"

#define FLUSH_USEC 5000000
#define LINGER_USEC 1000000
/* HTTP/1.1 has no PING: what is silent for so long between requests is closed. */
#define IDLE_H1_USEC 60000000

static void fire(struct jl__rpc_timer *timer);

int jl__rpc_conn_new(struct jl__rpc_server *server, int fd, enum jl__rpc_entry entry,
		     const struct jl__rpc_peer *peer, const uint8_t origin[16])
{
	struct jl__rpc_conn *conn = jl__calloc(1, sizeof(*conn));
	SSL *ssl = entry == JL__RPC_TLS ? SSL_new(server->tls) : NULL;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };

	if (!conn || (entry == JL__RPC_TLS && (!ssl || !jl__rpc_io_attach(ssl, fd))) ||
	    jl__rpc_timers_reserve(&server->timers, server->n_timers + 3) < 0 ||
	    epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		struct jl__rpc_io io;

		jl__rpc_io_init(&io, fd, ssl);
		jl__rpc_io_done(&io);
		jl__free(conn);
		return -ENOMEM;
	}
	if (ssl)
		SSL_set_accept_state(ssl);
	server->n_timers++;
	jl__rpc_io_init(&conn->io, fd, ssl);
	conn->server = server;
	conn->state = ssl ? JL__RPC_HANDSHAKING : JL__RPC_SNIFFING;
	conn->events = event.events;
	conn->peer = *peer;
	memcpy(conn->origin, origin, sizeof(conn->origin));
	conn->since_usec = conn->received_usec = conn->idle_usec = jl__rpc_now_usec();
	conn->credit_usec = conn->since_usec;
	conn->credit = 4000;
	conn->expire_usec = UINT64_MAX;
	conn->ready_end = &conn->ready;
	conn->h1.in.max = server->limits.header_bytes;
	conn->timer.fire = fire;
	conn->next = server->conns;
	if (conn->next)
		conn->next->prev = conn;
	server->conns = conn;
	server->counts.connections++;
	jl__rpc_conn_arm(conn);
	return 0;
}

void jl__rpc_conn_free(struct jl__rpc_conn *conn)
{
	struct jl__rpc_server *server = conn->server;

	conn->state = JL__RPC_DEAD;
	/* nghttp2 tells nobody about the streams of a session that is deleted. */
	while (conn->calls)
		jl__rpc_call_close(conn->calls);
	jl__rpc_turn_forget(conn);
	nghttp2_session_del(conn->h2);
	if (conn->identified && server->hooks.forget)
		server->hooks.forget(server->hooks.data, &conn->peer);
	jl__rpc_timer_clear(&server->timers, &conn->timer);
	jl__rpc_io_done(&conn->io);
	jl__rpc_out_done(&conn->out);
	jl__buf_done(&conn->h1.in);
	if (conn->next)
		conn->next->prev = conn->prev;
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	server->counts.connections--;
	server->n_timers--;
	jl__free(conn);
}

static void set_state(struct jl__rpc_conn *conn, enum jl__rpc_state state, uint64_t usec)
{
	conn->state = state;
	conn->close_usec = jl__rpc_now_usec() + usec;
	jl__rpc_conn_arm(conn);
	jl__rpc_conn_dirty(conn);
}

/* Closing with unread bytes would send a reset, which destroys what we said last. */
static void linger(struct jl__rpc_conn *conn)
{
	if (conn->io.ssl && !conn->io.broken && SSL_is_init_finished(conn->io.ssl))
		(void)SSL_shutdown(conn->io.ssl);
	conn->io.broken = true;
	(void)shutdown(conn->io.fd, SHUT_WR);
	set_state(conn, JL__RPC_LINGERING, LINGER_USEC);
}

static void die(struct jl__rpc_conn *conn)
{
	conn->state = JL__RPC_DEAD;
	jl__rpc_conn_dirty(conn);
}

void jl__rpc_conn_drop(struct jl__rpc_conn *conn, const char *reason)
{
	if (conn->state >= JL__RPC_FLUSHING)
		return;
	if (reason)
		jl__rpc_server_tell(conn->server, conn->peer.address, reason);
	if (conn->state != JL__RPC_SERVING) {
		linger(conn);
		return;
	}
	if (conn->h2 && !conn->goaway) {
		conn->goaway = true;
		(void)nghttp2_session_terminate_session(
			conn->h2, reason ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR);
	}
	set_state(conn, JL__RPC_FLUSHING, FLUSH_USEC);
}

void jl__rpc_conn_cut(struct jl__rpc_conn *conn, const char *reason)
{
	jl__rpc_server_tell(conn->server, conn->peer.address, reason);
	die(conn);
}

bool jl__rpc_conn_spend(struct jl__rpc_conn *conn, unsigned cost)
{
	uint64_t now = conn->received_usec;

	/* 200 a second; what is transferred counts too, see the callers of credit. */
	conn->credit += (now - conn->credit_usec) / 5000;
	conn->credit_usec += (now - conn->credit_usec) / 5000 * 5000;
	if (conn->credit > 10000)
		conn->credit = 10000;
	if (conn->credit < cost) {
		jl__rpc_conn_drop(conn,
				  "it floods the server with frames that do nothing");
		return false;
	}
	conn->credit -= cost;
	return true;
}

void jl__rpc_conn_drain(struct jl__rpc_conn *conn)
{
	if (conn->state < JL__RPC_SERVING) {
		jl__rpc_conn_drop(conn, NULL);
	} else if (conn->state == JL__RPC_SERVING && conn->h2 && !conn->goaway) {
		if (!conn->server->final) {
			(void)nghttp2_submit_shutdown_notice(conn->h2);
		} else {
			conn->goaway = true;
			(void)nghttp2_submit_goaway(
				conn->h2, NGHTTP2_FLAG_NONE,
				nghttp2_session_get_last_proc_stream_id(conn->h2),
				NGHTTP2_NO_ERROR, NULL, 0);
		}
	}
	if (!conn->n_calls && (conn->server->final || conn->is_h1))
		jl__rpc_conn_drop(conn, NULL);
	jl__rpc_conn_dirty(conn);
}

void jl__rpc_conn_rested(struct jl__rpc_conn *conn)
{
	conn->idle_usec = jl__rpc_now_usec();
	if (conn->server->final && !conn->n_calls)
		jl__rpc_conn_drop(conn, NULL);
}

/* ---- time ---- */

static uint64_t serving_until(const struct jl__rpc_conn *conn)
{
	const struct jl__rpc_limits *limits = &conn->server->limits;
	uint64_t next = conn->expire_usec, at;

	if (conn->h2) {
		at = conn->ping_usec ? conn->ping_usec + limits->keepalive_timeout_usec
				     : conn->received_usec + limits->keepalive_usec;
		next = at < next ? at : next;
	}
	if (conn->header_usec) {
		at = conn->header_usec + limits->handshake_usec;
		next = at < next ? at : next;
	}
	if (!conn->n_calls && (limits->idle_usec || conn->is_h1)) {
		at = conn->idle_usec +
		     (limits->idle_usec ? limits->idle_usec : IDLE_H1_USEC);
		next = at < next ? at : next;
	}
	return next;
}

void jl__rpc_conn_arm(struct jl__rpc_conn *conn)
{
	uint64_t at;

	/* Its time is over: set again, the timer would fire without end. */
	if (conn->state == JL__RPC_DEAD) {
		jl__rpc_timer_clear(&conn->server->timers, &conn->timer);
		return;
	}
	if (conn->state <= JL__RPC_SNIFFING)
		at = conn->since_usec + conn->server->limits.handshake_usec;
	else if (conn->state == JL__RPC_SERVING)
		at = serving_until(conn);
	else
		at = conn->close_usec;
	/* Activity moves the end further away: the timer finds that out when it fires. */
	if (conn->timer.place && conn->timer.at_usec <= at)
		return;
	if (at == UINT64_MAX)
		jl__rpc_timer_clear(&conn->server->timers, &conn->timer);
	else
		jl__rpc_timer_set(&conn->server->timers, &conn->timer, at);
}

static void serving_late(struct jl__rpc_conn *conn, uint64_t now)
{
	const struct jl__rpc_limits *limits = &conn->server->limits;

	if (now >= conn->expire_usec)
		jl__rpc_conn_drop(conn, "its certificate has ended");
	else if (conn->header_usec && now >= conn->header_usec + limits->handshake_usec)
		jl__rpc_conn_drop(conn, "it does not finish its request");
	else if (conn->h2 && conn->ping_usec &&
		 now >= conn->ping_usec + limits->keepalive_timeout_usec)
		jl__rpc_conn_drop(conn, "it does not answer any more");
	else if (!conn->n_calls && (limits->idle_usec || conn->is_h1) &&
		 now >= conn->idle_usec +
				 (limits->idle_usec ? limits->idle_usec : IDLE_H1_USEC))
		jl__rpc_conn_drop(conn, NULL);
	else if (conn->h2 && !conn->ping_usec &&
		 now >= conn->received_usec + limits->keepalive_usec) {
		(void)nghttp2_submit_ping(conn->h2, NGHTTP2_FLAG_NONE, NULL);
		conn->ping_usec = now;
		jl__rpc_conn_dirty(conn);
	}
}

static void fire(struct jl__rpc_timer *timer)
{
	struct jl__rpc_conn *conn = jl__rpc_container(timer, struct jl__rpc_conn, timer);
	uint64_t now = jl__rpc_now_usec();

	if (conn->state <= JL__RPC_SNIFFING) {
		if (now >= conn->since_usec + conn->server->limits.handshake_usec)
			jl__rpc_conn_drop(conn,
					  conn->io.ssl
						  ? "it does not finish its TLS handshake"
						  : "it does not say anything");
	} else if (conn->state == JL__RPC_SERVING) {
		serving_late(conn, now);
	} else if (now >= conn->close_usec) {
		die(conn);
	}
	jl__rpc_conn_arm(conn);
}

/* ---- beginning ---- */

static void serve(struct jl__rpc_conn *conn, bool h2)
{
	struct jl__rpc_server *server = conn->server;

	if (server->hooks.identify)
		server->hooks.identify(server->hooks.data, &conn->peer);
	conn->identified = true;
	conn->state = JL__RPC_SERVING;
	conn->is_h1 = !h2;
	if (h2 && jl__rpc_h2_start(conn) < 0) {
		jl__rpc_server_tell(server, conn->peer.address, "out of memory");
		die(conn);
		return;
	}
	jl__rpc_timer_clear(&server->timers, &conn->timer);
	if (server->draining)
		jl__rpc_conn_drain(conn);
	jl__rpc_conn_arm(conn);
	jl__rpc_conn_dirty(conn);
}

static void proven(struct jl__rpc_conn *conn)
{
	const unsigned char *name = NULL;
	unsigned len = 0;
	X509 *cert = SSL_get0_peer_certificate(conn->io.ssl);
	int64_t left;

	/* Asked for and verified by OpenSSL; without one there is no handshake. */
	if (!cert || SSL_get_verify_result(conn->io.ssl) != X509_V_OK) {
		jl__rpc_conn_drop(conn, "it has no certificate");
		return;
	}
	/* Begun with certificates that have been replaced meanwhile. */
	if (SSL_get_SSL_CTX(conn->io.ssl) != conn->server->tls &&
	    !jl__rpc_tls_accepts(conn->server->tls, conn->io.ssl)) {
		jl__rpc_conn_drop(conn, "its certificate is not accepted any more");
		return;
	}
	jl__rpc_identity_of_cert(cert, &conn->peer);
	left = conn->peer.not_after_usec - (int64_t)time(NULL) * 1000000;
	conn->expire_usec =
		left <= 0 ? 0 : jl__rpc_after(jl__rpc_now_usec(), (uint64_t)left);
	SSL_get0_alpn_selected(conn->io.ssl, &name, &len);
	serve(conn, len == 2 && memcmp(name, "h2", 2) == 0);
}

static void handshake(struct jl__rpc_conn *conn)
{
	int r = jl__rpc_io_handshake(&conn->io);
	char why[256];

	if (r == -EAGAIN) {
		jl__rpc_conn_dirty(conn);
		return;
	}
	if (r < 0) {
		jl__rpc_tls_explain(conn->io.ssl, r, conn->io.code, why);
		jl__rpc_conn_drop(conn, why);
		return;
	}
	proven(conn);
}

static int feed_protocol(struct jl__rpc_conn *conn, const uint8_t *data, size_t len)
{
	if (conn->state != JL__RPC_SERVING)
		return 0;
	return conn->h2 ? jl__rpc_h2_feed(conn, data, len)
			: jl__rpc_h1_feed(conn, data, len);
}

/* Clear text: HTTP/2 begins with "PRI", which no request of HTTP/1.1 does. */
static int sniff(struct jl__rpc_conn *conn, const uint8_t *data, size_t len)
{
	size_t more = 3 - conn->n_first;
	uint8_t first[3];
	int r;

	more = more < len ? more : len;
	memcpy(conn->first + conn->n_first, data, more);
	conn->n_first += more;
	if (memcmp(conn->first, "PRI", conn->n_first) == 0 && conn->n_first < 3)
		return 0;
	serve(conn, memcmp(conn->first, "PRI", conn->n_first) == 0);
	memcpy(first, conn->first, sizeof(first));
	r = feed_protocol(conn, first, conn->n_first);
	return r < 0 ? r : feed_protocol(conn, data + more, len - more);
}

/* ---- bytes ---- */

static int feed(struct jl__rpc_conn *conn, const uint8_t *data, size_t len)
{
	conn->credit += len / 1024;
	return conn->state == JL__RPC_SNIFFING ? sniff(conn, data, len)
					       : feed_protocol(conn, data, len);
}

static bool may_read(const struct jl__rpc_conn *conn)
{
	/* The next requests of HTTP/1.1 wait in the socket. */
	return conn->state != JL__RPC_FLUSHING && conn->state != JL__RPC_DEAD &&
	       !(conn->h1.call && conn->h1.in.len > 0);
}

/* What still comes after the last word; TLS may be broken by now. */
static void discard(struct jl__rpc_conn *conn)
{
	struct jl__rpc_server *server = conn->server;
	ssize_t n;

	for (int i = 0; i < 16; i++) {
		n = recv(conn->io.fd, server->buffer, sizeof(server->buffer), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			die(conn);
			return;
		}
	}
}

static void receive(struct jl__rpc_conn *conn)
{
	struct jl__rpc_server *server = conn->server;
	size_t total = 0;
	ssize_t n = 0;
	bool gone = false;

	conn->more = false;
	if (conn->state == JL__RPC_LINGERING) {
		discard(conn);
		return;
	}
	while (total < JL__RPC_TURN_BYTES && may_read(conn)) {
		n = jl__rpc_io_read(&conn->io, server->buffer, sizeof(server->buffer));
		if (n <= 0) {
			gone = n != -EAGAIN;
			break;
		}
		total += (size_t)n;
		conn->received_usec = jl__rpc_now_usec();
		conn->ping_usec = 0;
		if (feed(conn, server->buffer, (size_t)n) < 0) {
			jl__rpc_conn_drop(conn, "it does not speak HTTP");
			break;
		}
	}
	jl__rpc_conn_dirty(conn);
	if (gone)
		die(conn);
}

void jl__rpc_conn_event(struct jl__rpc_conn *conn, uint32_t events)
{
	if (conn->state == JL__RPC_HANDSHAKING)
		handshake(conn);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) || conn->io.read_waits)
		receive(conn);
	if (events & (EPOLLHUP | EPOLLERR) && !may_read(conn))
		die(conn);
	jl__rpc_conn_dirty(conn);
}

/* 0 when everything is out, 1 when the socket is full, 2 when others have their turn. */
static int transmit(struct jl__rpc_conn *conn)
{
	size_t total = 0, sent;
	int r;

	for (;;) {
		r = conn->h2	  ? jl__rpc_h2_fill(conn)
		    : conn->is_h1 ? jl__rpc_h1_fill(conn)
				  : 0;
		if (r < 0 || jl__rpc_out_left(&conn->out) == 0)
			return r;
		r = jl__rpc_out_send(&conn->out, &conn->io, &sent);
		conn->credit += sent / 1024;
		total += sent;
		if (r == -EAGAIN)
			return 1;
		if (r < 0)
			return r;
		if (total >= JL__RPC_TURN_BYTES)
			return 2;
	}
}

static void set_events(struct jl__rpc_conn *conn, bool full)
{
	struct epoll_event event = { .data.ptr = conn };

	if (may_read(conn) && !conn->more)
		event.events |= EPOLLIN;
	if ((full && !conn->io.write_waits) || conn->io.read_waits)
		event.events |= EPOLLOUT;
	if (event.events == conn->events)
		return;
	conn->events = event.events;
	(void)epoll_ctl(conn->server->epoll_fd, EPOLL_CTL_MOD, conn->io.fd, &event);
}

void jl__rpc_conn_settle(struct jl__rpc_conn *conn)
{
	int r = 0;

	if (conn->more && conn->state != JL__RPC_DEAD)
		receive(conn);
	if (conn->state == JL__RPC_SERVING || conn->state == JL__RPC_FLUSHING) {
		r = transmit(conn);
		if (r < 0)
			die(conn);
		else if (r == 0 && (conn->state == JL__RPC_FLUSHING ||
				    (conn->h2 && !nghttp2_session_want_read(conn->h2) &&
				     !nghttp2_session_want_write(conn->h2))))
			linger(conn);
		/*
		 * No event tells of what OpenSSL holds already: from the end of the
		 * handshake, or while it was not asked.
		 */
		if (may_read(conn) && jl__rpc_io_pending(&conn->io))
			conn->more = true;
		if (r == 2 || conn->more)
			jl__rpc_conn_dirty(conn);
		if (r == 0 && !conn->n_calls)
			jl__rpc_out_done(&conn->out);
	}
	if (conn->state == JL__RPC_DEAD) {
		/* In the queue again only because of what was just found out. */
		struct jl__rpc_conn **link = &conn->server->dirty;

		while (conn->dirty && *link && *link != conn)
			link = &(*link)->next_dirty;
		if (conn->dirty && *link) {
			*link = conn->next_dirty;
			if (!*link)
				conn->server->dirty_end = link;
		}
		jl__rpc_conn_free(conn);
		return;
	}
	set_events(conn, r == 1);
	jl__rpc_conn_arm(conn);
}
