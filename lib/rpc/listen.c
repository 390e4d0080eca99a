/* SPDX-License-Identifier: MIT */
/* Making listening sockets. */
#define JL_MODULE "rpc"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "rpc/rpc.h"

static void addrinfo_free(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

static int listen_on(const struct addrinfo *one, int *ret_fd)
{
	_cleanup_close_ int fd =
		socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (one->ai_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    bind(fd, one->ai_addr, one->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	*ret_fd = jl__fd_steal(&fd);
	return 0;
}

static uint16_t port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr = { 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(fd, &addr.any, &len) < 0)
		return 0;
	return ntohs(addr.any.sa_family == AF_INET6 ? addr.v6.sin6_port
						    : addr.v4.sin_port);
}

int jl__rpc_listen_tcp(const char *address, uint16_t port, int *ret_fd,
		       uint16_t *ret_port, jl_error **err)
{
	_cleanup_(addrinfo_free) struct addrinfo *list = NULL;
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	char host[256], service[8];
	size_t len = strlen(address);
	int r;

	if (len >= 2 && address[0] == '[' && address[len - 1] == ']')
		(void)snprintf(host, sizeof(host), "%.*s", (int)len - 2, address + 1);
	else
		(void)snprintf(host, sizeof(host), "%s", address);
	(void)snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0)
		return jl__fail(
			err, -EINVAL,
			"cannot listen on \"%s\": %s; use an address of this machine",
			address, gai_strerror(r));
	r = listen_on(list, ret_fd);
	if (r == -EADDRINUSE)
		return jl__fail(err, r,
				"port %u of %s is taken: another daemon may be running",
				port, address);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot listen on %s port %u", address,
				      port);
	if (ret_port)
		*ret_port = port_of(*ret_fd);
	return 0;
}

/* A socket that is left over from before: nobody answers. */
static int remove_stale(const struct sockaddr_un *addr, jl_error **err)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return jl__fail_errno(err, -errno, "cannot make a socket");
	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0
				       : jl__fail_errno(err, -errno, "cannot look at %s",
							addr->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return jl__fail(err, -EEXIST,
				"%s is there and is no socket: remove it by hand",
				addr->sun_path);
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
	    errno == EAGAIN)
		return jl__fail(err, -EADDRINUSE, "another daemon listens on %s",
				addr->sun_path);
	/* A socket of another kind, or of somebody who keeps us out: not ours to remove.
	 */
	if (errno != ECONNREFUSED && errno != ENOENT)
		return jl__fail_errno(
			err, -errno,
			"cannot tell whether %s is in use: remove it by hand",
			addr->sun_path);
	if (unlink(addr->sun_path) < 0 && errno != ENOENT)
		return jl__fail_errno(err, -errno, "cannot remove the old socket %s",
				      addr->sun_path);
	return 0;
}

int jl__rpc_listen_unix(const char *path, mode_t mode, gid_t gid, int *ret_fd,
			jl_error **err)
{
	_cleanup_close_ int fd = -EBADF;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r;

	if (strlen(path) >= sizeof(addr.sun_path))
		return jl__fail(err, -ENAMETOOLONG,
				"the path of the socket \"%s\" is longer than %zu bytes",
				path, sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	r = remove_stale(&addr, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return jl__fail_errno(err, -errno, "cannot make a socket");
	/* Linux takes the mode of the new socket from the descriptor's own. */
	if (fchmod(fd, mode & 07777) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return jl__fail_errno(err, -errno, "cannot make the socket %s",
				      addr.sun_path);
	/* Nobody can connect before listen(). */
	if ((gid != (gid_t)-1 && lchown(path, (uid_t)-1, gid) < 0) ||
	    chmod(path, mode & 07777) < 0 || listen(fd, SOMAXCONN) < 0) {
		r = jl__fail_errno(err, -errno, "cannot open the socket %s",
				   addr.sun_path);
		(void)unlink(path);
		return r;
	}
	*ret_fd = jl__fd_steal(&fd);
	return 0;
}
