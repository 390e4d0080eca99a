/* SPDX-License-Identifier: MIT */
#include "listen.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs.h"
#include "notify.h"

int listen_set_tls(struct serving *s, const struct jl__server_config *config,
		   struct sentence *why)
{
	const struct jl__rpc_tls tls = {
		.cert = config->server_cert,
		.key = config->server_key,
		.ca = config->ca_cert,
		.crl = *config->crl ? config->crl : NULL,
	};
	jl_error *err = NULL;
	int r = certs_check(config, why);

	if (r < 0)
		return r;
	r = jl__rpc_server_set_tls(s->server, &tls, &err);
	return r < 0 ? fail_error(why, r, err, "certificates") : 0;
}

static int serve_socket(struct serving *s, int fd, enum jl__rpc_entry entry,
			struct sentence *why)
{
	jl_error *err = NULL;
	int r = jl__rpc_server_listen(s->server, fd, entry, &err);

	return r < 0 ? fail_error(why, r, err, "cannot listen") : 0;
}

/* Sockets of systemd: what they are tells who may come in through them. */
static int adopt(struct serving *s, int count, struct sentence *why)
{
	for (int fd = 3; fd < 3 + count; fd++) {
		socklen_t len = sizeof(int);
		int domain = 0, r;

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
			return fail(why, -errno, "descriptor %d is no socket", fd);
		if (domain != AF_UNIX && s->local_only)
			return fail(
				why, -EINVAL,
				"a TCP socket was handed over, and only local users are "
				"to be served");
		r = serve_socket(s, fd, domain == AF_UNIX ? JL__RPC_LOCAL : JL__RPC_TLS,
				 why);
		if (r < 0)
			return r;
	}
	journal_log(s->journal, JL_LOG_INFO, "serving %d socket%s handed over", count,
		    count == 1 ? "" : "s");
	return 0;
}

static int open_tcp(struct serving *s, struct sentence *why)
{
	jl_error *err = NULL;
	uint16_t port;
	char what[512];
	int fd, r;

	(void)snprintf(what, sizeof(what), "cannot listen on %.300s port %llu",
		       s->config->address, (unsigned long long)s->config->port);
	r = jl__rpc_listen_tcp(s->config->address, (uint16_t)s->config->port, &fd, &port,
			       &err);
	if (r < 0)
		return fail_error(why, r, err, what);
	r = serve_socket(s, fd, JL__RPC_TLS, why);
	if (r == 0)
		journal_log(s->journal, JL_LOG_INFO, "serving %s port %u",
			    s->config->address, (unsigned int)port);
	return r;
}

/* Folder of the socket: made when it is the usual one. */
static void make_folder(const char *path)
{
	char folder[256];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path || slash - path >= (ptrdiff_t)sizeof(folder))
		return;
	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	(void)mkdir(folder, 0755);
}

static bool only_root(const struct local_roles *roles)
{
	for (size_t i = 0; i < roles->count; i++) {
		if (roles->items[i].group || roles->items[i].id != 0)
			return false;
	}
	return true;
}

/* Whoever gets in is asked for its role; but who has none need not get in. */
static mode_t mode_of(const struct serving *s)
{
	if (*s->config->socket_group)
		return 0660;
	return only_root(&s->local) ? 0600 : 0666;
}

void listen_set_mode(const struct serving *s)
{
	if (*s->socket && chmod(s->socket, mode_of(s)) < 0)
		journal_log(s->journal, JL_LOG_WARNING,
			    "cannot change the mode of %s: %s", s->socket,
			    strerror(errno));
}

static int open_local(struct serving *s, struct sentence *why)
{
	const char *path = s->config->socket, *name = s->config->socket_group;
	const struct group *group = *name ? getgrnam(name) : NULL;
	jl_error *err = NULL;
	char what[512];
	int fd, r;

	if (*name && !group)
		return fail(
			why, -ENOENT,
			"server.socketGroup names the group '%s', and this machine has "
			"no such group",
			name);
	make_folder(path);
	(void)snprintf(what, sizeof(what), "cannot listen on %.400s", path);
	r = jl__rpc_listen_unix(path, mode_of(s), group ? group->gr_gid : (gid_t)-1, &fd,
				&err);
	if (r == -EADDRINUSE) {
		jl_error_free(err);
		return fail(why, r,
			    "another joblet serves %s; server.socket gives this one "
			    "another place",
			    path);
	}
	if (r < 0)
		return fail_error(why, r, err, what);
	r = serve_socket(s, fd, JL__RPC_LOCAL, why);
	if (r == 0) {
		(void)snprintf(s->socket, sizeof(s->socket), "%s", path);
		journal_log(s->journal, JL_LOG_INFO, "serving local users at %s", path);
	}
	return r;
}

int listen_open(struct serving *s, struct sentence *why)
{
	int count = notify_listen_fds(), r = 0;

	if (!s->local_only) {
		r = listen_set_tls(s, s->config, why);
		if (r < 0)
			return r;
	}
	if (count > 0)
		return adopt(s, count, why);
	if (!s->local_only)
		r = open_tcp(s, why);
	if (r == 0 && *s->config->socket)
		r = open_local(s, why);
	else if (r == 0 && s->local_only)
		r = fail(why, -EINVAL,
			 "only local users are to be served, and server.socket is empty");
	return r;
}
