/* SPDX-License-Identifier: MIT */
/*
 * The folder of the state folder in which /work of jobs with I/O limits lies:
 * work/joblet-<id>, one per supervisor, locked by whoever holds a descriptor of it. An
 * unlocked one belongs to a supervisor that died, and goes.
 */
#define JL_MODULE "work"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/link.h"
#include "sys/remove.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Only when it is there, unless it is to be made: looking must not create it. */
static int open_work_root(const struct jl__link *link, bool make, jl_error **err)
{
	_cleanup_free_ char *state = NULL, *path = NULL;
	int fd, r;

	r = make ? jl__ctx_state_dir(link->ctx, &state, err)
		 : jl__ctx_state_path(link->ctx, &state, err);
	if (r < 0)
		return r;
	path = jl__format("%s/work", state);
	if (!path)
		return jl__oom(err);
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return jl__fail_errno(err, -errno, "cannot make folder %s", path);
	fd = open(path, FOLDER_FLAGS);
	return fd < 0 ? jl__fail_errno(err, -errno, "cannot open folder %s", path) : fd;
}

/* Made and locked; whoever sweeps in between has removed it again. */
static int make_locked(int root, const char *name)
{
	for (int i = 0; i < 100; i++) {
		int fd;

		if (mkdirat(root, name, 0700) < 0)
			return -errno;
		fd = openat(root, name, FOLDER_FLAGS);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		    faccessat(root, name, F_OK, 0) == 0)
			return fd;
		(void)jl__close(fd);
		(void)unlinkat(root, name, AT_REMOVEDIR);
	}
	return -EAGAIN;
}

int jl__link_work(struct jl__link *link, jl_error **err)
{
	struct jl__request_work request = { .head = { .type = JL__REQUEST_WORK } };
	_cleanup_close_ int root = -EBADF, fd = -EBADF;
	_cleanup_free_ char *state = NULL, *path = NULL;
	int r;

	if (link->work_path)
		return 0;
	root = open_work_root(link, true, err);
	if (root < 0)
		return root;
	r = jl__ctx_state_dir(link->ctx, &state, err);
	if (r < 0)
		return r;
	(void)snprintf(request.name, sizeof(request.name), "%s", link->nest.name);
	fd = make_locked(root, request.name);
	if (fd < 0)
		return jl__fail_errno(err, fd, "cannot make folder %s/work/%s", state,
				      request.name);
	path = jl__format("%s/work/%s", state, request.name);
	if (!path)
		return jl__oom(err);
	r = jl__link_send(link, &request, sizeof(request), path, strlen(path) + 1, &fd,
			  1);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot talk to the supervisor");
	link->work_path = jl__steal(path);
	return 0;
}

void jl__link_sweep_work(struct jl__link *link)
{
	_cleanup_close_ int root = open_work_root(link, false, NULL);
	struct dirent *entry;
	DIR *folder;
	int copy;

	copy = root < 0 ? -1 : openat(root, ".", FOLDER_FLAGS);
	folder = copy < 0 ? NULL : fdopendir(copy);
	if (!folder) {
		(void)jl__close(copy);
		return;
	}
	while ((entry = readdir(folder))) {
		_cleanup_close_ int fd = -EBADF;

		if (strncmp(entry->d_name, "joblet-", 7) != 0)
			continue;
		fd = openat(root, entry->d_name, FOLDER_FLAGS);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			jl__sys_remove_tree(root, entry->d_name);
	}
	(void)closedir(folder);
}
