/* SPDX-License-Identifier: MIT */
/*
 * Sockets of supervisors, in a folder of the context: made and bound here, in the
 * caller's view of the file system, and handed to the supervisor, which accepts on them.
 * A socket that refuses belonged to a supervisor that died; the next one clears it away.
 * Between bind and listen a socket refuses too, so both happen under a lock.
 */
#define JL_MODULE "supervisor"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/durable.h"
#include "spawn/link.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define PREFIX "joblet-"

int jl__ctx_set_sockets(jl_ctx *ctx, const char *folder, jl_error **err)
{
	char *copy;

	if (ctx->link && ctx->link->fd >= 0)
		return jl__fail(
			err, -EBUSY,
			"the folder for sockets cannot change after the first job");
	copy = jl__strdup(folder);
	if (!copy)
		return jl__oom(err);
	jl__free(ctx->sockets);
	ctx->sockets = copy;
	return 0;
}

/* By a descriptor of its folder: paths of sockets are short, those of folders are not. */
static int short_path(struct sockaddr_un *address, int folder, const char *name)
{
	int len;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	len = snprintf(address->sun_path, sizeof(address->sun_path),
		       "/proc/self/fd/%d/%s", folder, name);
	return len > 0 && (size_t)len < sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

/* A connected socket, or -errno; -ECONNREFUSED and -ENOENT: nobody is there. */
static int connect_to(int folder, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	struct sockaddr_un address;
	int r = short_path(&address, folder, name);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		if (errno != EINTR)
			return -errno;
	return jl__fd_steal(&fd);
}

/* Under the folder's lock. */
static void sweep(int folder)
{
	int copy = openat(folder, ".", FOLDER_FLAGS);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		(void)jl__close(copy);
		return;
	}
	while ((entry = readdir(dir))) {
		int fd;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		fd = connect_to(folder, entry->d_name);
		if (fd == -ECONNREFUSED)
			(void)unlinkat(folder, entry->d_name, 0);
		(void)jl__close(fd);
	}
	(void)closedir(dir);
}

static int open_socket(int folder, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	struct sockaddr_un address;
	int r = short_path(&address, folder, name);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (flock(folder, LOCK_EX) < 0)
		return -errno;
	sweep(folder);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	else if (listen(fd, SOMAXCONN) < 0)
		r = -errno;
	(void)flock(folder, LOCK_UN);
	return r < 0 ? r : jl__fd_steal(&fd);
}

int jl__link_listen(struct jl__link *link, jl_error **err)
{
	struct jl__request_listen request = { .head = { .type = JL__REQUEST_LISTEN } };
	_cleanup_close_ int folder = -EBADF, fd = -EBADF;
	const char *path = link->ctx->sockets;
	int fds[2], r;

	jl__free(link->socket);
	link->socket = NULL;
	if (!path)
		return 0;
	folder = open(path, FOLDER_FLAGS);
	if (folder < 0)
		return jl__fail_errno(err, -errno, "cannot open folder %s", path);
	(void)snprintf(request.name, sizeof(request.name), "%s", link->nest.name);
	fd = open_socket(folder, request.name);
	if (fd < 0)
		return jl__fail_errno(err, fd, "cannot make a socket in folder %s", path);
	link->socket = jl__format("%s/%s", path, request.name);
	fds[0] = fd;
	fds[1] = folder;
	r = link->socket ? jl__link_send(link, &request, sizeof(request), NULL, 0, fds, 2)
			 : -ENOMEM;
	if (r == 0)
		return 0;
	(void)unlinkat(folder, request.name, 0);
	return r == -ENOMEM ? jl__oom(err)
			    : jl__fail_errno(err, r, "cannot talk to the supervisor");
}

int jl__socket_connect(const char *path)
{
	_cleanup_close_ int folder = -EBADF;
	_cleanup_free_ char *copy = jl__strdup(path);
	char *name = copy ? strrchr(copy, '/') : NULL;

	if (!copy)
		return -ENOMEM;
	if (!name || name == copy || !name[1])
		return -EINVAL;
	*name++ = '\0';
	folder = open(copy, FOLDER_FLAGS);
	return folder < 0 ? -errno : connect_to(folder, name);
}

bool jl__supervisor_alive(const char *socket)
{
	int fd = jl__socket_connect(socket);

	(void)jl__close(fd);
	return fd >= 0 || (fd != -ENOENT && fd != -ECONNREFUSED && fd != -ENOTDIR);
}
