/* SPDX-License-Identifier: MIT */
/* Listening sockets of a server, and who is let in. */
#define JL_MODULE "rpc"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/conn.h"
#include "rpc/tls.h"

/* Taken from one socket in a turn. */
#define ACCEPTS 64

int jl__rpc_server_listen(struct jl__rpc_server *server, int fd, enum jl__rpc_entry entry,
			  jl_error **err)
{
	_cleanup_close_ int own = fd;
	struct jl__rpc_listener *listener;
	struct epoll_event event = { .events = EPOLLIN };
	int flags, type = 0, listens = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens)
		return jl__fail(err, -EINVAL,
				"descriptor %d is no listening stream socket", fd);
	if (entry == JL__RPC_TLS && !server->tls)
		return jl__fail(err, -EINVAL,
				"a TLS socket needs certificates before it is served");
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return jl__fail_errno(err, -errno, "cannot prepare descriptor %d", fd);
	listener = jl__calloc(1, sizeof(*listener));
	if (!listener)
		return jl__oom(err);
	event.data.ptr = listener;
	if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		jl__free(listener);
		return jl__fail_errno(err, -errno, "cannot watch descriptor %d", fd);
	}
	*listener = (struct jl__rpc_listener){ server->listeners, server,
					       jl__fd_steal(&own), entry };
	server->listeners = listener;
	return 0;
}

void jl__rpc_listeners_close(struct jl__rpc_server *server)
{
	/* Events of them may be fetched already: the objects go with the server. */
	for (struct jl__rpc_listener *one = server->listeners; one; one = one->next) {
		(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, one->fd, NULL);
		(void)jl__close(one->fd);
		one->fd = -EBADF;
	}
}

void jl__rpc_listeners_rest(struct jl__rpc_server *server, bool rest)
{
	server->resting = rest;
	for (struct jl__rpc_listener *one = server->listeners; one; one = one->next) {
		struct epoll_event event = { .events = rest ? 0 : EPOLLIN,
					     .data.ptr = one };

		(void)epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, one->fd, &event);
	}
	if (rest)
		jl__rpc_timer_set(&server->timers, &server->rest,
				  jl__rpc_now_usec() + 100000);
}

/* A socket that takes both families shows IPv4 as a part of IPv6. */
static void unmap(struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *v6 = (const void *)addr;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = v6->sin6_port };

	if (addr->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return;
	memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, 4);
	memcpy(addr, &v4, sizeof(v4));
}

/* Of whom connections are counted together. */
static void origin_of(const struct sockaddr *addr, const struct jl__rpc_peer *peer,
		      uint8_t origin[16])
{
	memset(origin, 0, 16);
	if (peer->local) {
		origin[0] = 'l';
		memcpy(origin + 4, &peer->uid, sizeof(peer->uid));
	} else if (addr->sa_family == AF_INET) {
		origin[0] = '4';
		memcpy(origin + 4,
		       &((const struct sockaddr_in *)(const void *)addr)->sin_addr, 4);
	} else if (addr->sa_family == AF_INET6) {
		/* One customer gets a /64: all its addresses are one. */
		origin[0] = '6';
		memcpy(origin + 4,
		       &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr, 8);
	}
}

/*
 * All places are taken: the one that has been there longest without saying who it is
 * gives up its own. Silence from a few addresses would else keep everybody out.
 */
static bool make_room(const struct jl__rpc_server *server)
{
	struct jl__rpc_conn *oldest = NULL;

	for (struct jl__rpc_conn *conn = server->conns; conn; conn = conn->next)
		if (conn->state <= JL__RPC_SNIFFING)
			oldest = conn;
	if (oldest)
		jl__rpc_conn_cut(oldest, "others wait, and it did not say who it is");
	return oldest != NULL;
}

/* NULL, or why not. */
static const char *refusal(const struct jl__rpc_server *server,
			   const struct jl__rpc_peer *peer, const uint8_t origin[16])
{
	uint32_t same = 0;

	for (const struct jl__rpc_conn *conn = server->conns; conn; conn = conn->next)
		same += memcmp(conn->origin, origin, 16) == 0;
	if (same >= server->limits.connections_of_peer &&
	    !(peer->local && peer->uid == 0))
		return "its address has as many connections as one may have";
	if (server->counts.connections >= server->limits.connections &&
	    !make_room(server))
		return "there are as many connections as there may be";
	return NULL;
}

static void let_in(struct jl__rpc_listener *listener, int fd, const struct sockaddr *addr)
{
	struct jl__rpc_server *server = listener->server;
	_cleanup_close_ int own = fd;
	struct jl__rpc_peer peer = { .role = "unknown" };
	uint8_t origin[16];
	const char *why;
	int one = 1;

	if (addr->sa_family == AF_UNIX) {
		if (jl__rpc_identity_of_socket(fd, &peer) < 0)
			return;
	} else {
		jl__rpc_identity_address(addr, &peer);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	origin_of(addr, &peer, origin);
	why = refusal(server, &peer, origin);
	if (why) {
		jl__rpc_server_tell(server, peer.address, why);
		return;
	}
	if (jl__rpc_conn_new(server, jl__fd_steal(&own), listener->entry, &peer, origin) <
	    0)
		jl__rpc_server_tell(server, peer.address, "out of memory");
}

/*
 * No descriptors left: the queue would keep the socket readable for ever. The spare one
 * lets the next in line be refused, then accepting rests for a moment.
 */
static void out_of_descriptors(struct jl__rpc_listener *listener)
{
	struct jl__rpc_server *server = listener->server;

	(void)jl__close(server->spare_fd);
	(void)jl__close(accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC));
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	jl__rpc_server_tell(server, "a new connection", "no descriptors are left");
	jl__rpc_listeners_rest(server, true);
}

void jl__rpc_accept(struct jl__rpc_listener *listener)
{
	for (int i = 0; i < ACCEPTS && listener->fd >= 0; i++) {
		struct sockaddr_storage addr = { 0 };
		socklen_t len = sizeof(addr);
		int fd = accept4(listener->fd, (struct sockaddr *)&addr, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			listener->server->counts.accepted++;
			unmap(&addr);
			let_in(listener, fd, (const struct sockaddr *)&addr);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			out_of_descriptors(listener);
			return;
		}
		/* ECONNABORTED and the like concern one connection only. */
		if (errno == EAGAIN)
			return;
	}
}
