/* SPDX-License-Identifier: MIT */
/* Staging folders of others: those that were moved to their job, and abandoned ones. */
#define JL_MODULE "upload"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "sys/remove.h"
#include "upload/upload-priv.h"

/* What is below a moved one. -ENOENT is not a failure worth a sentence. */
static int open_part(int folder, const char *name, const char *part, int flags,
		     jl_error **err)
{
	_cleanup_close_ int own = -EBADF;
	int fd;

	own = jl__upload_open_beneath(folder, name, O_PATH | O_DIRECTORY, 0);
	fd = own < 0 ? own : jl__upload_open_beneath(own, part, flags, 0);
	if (fd == -ENOENT)
		return jl__fail(err, fd, "nothing was uploaded");
	if (fd < 0)
		return jl__fail_errno(err, fd, "cannot open uploads");
	return fd;
}

int jl__upload_open(int folder, const char *name, jl_error **err)
{
	return open_part(folder, name, JL__UPLOAD_FILES, O_RDONLY | O_DIRECTORY, err);
}

int jl__upload_list(int folder, const char *name, char **ret, size_t *ret_len,
		    jl_error **err)
{
	struct jl__buf buf = JL__BUF_INIT(JL__UPLOAD_LIST_MAX + 1);
	_cleanup_close_ int fd = -EBADF;
	char block[4096];
	ssize_t n;

	fd = open_part(folder, name, JL__UPLOAD_LIST, O_RDONLY, err);
	if (fd < 0)
		return fd;
	do {
		n = read(fd, block, sizeof(block));
		if (n > 0)
			(void)jl__buf_add(&buf, block, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 || buf.failed) {
		int r = n < 0 ? -errno : buf.failed;

		jl__buf_done(&buf);
		return jl__fail_errno(err, r, "cannot read the list of uploads");
	}
	*ret_len = buf.len;
	*ret = jl__buf_steal(&buf);
	return 0;
}

void jl__upload_drop(int folder, const char *name)
{
	_cleanup_close_ int own =
		jl__upload_open_beneath(folder, name, O_RDONLY | O_DIRECTORY, 0);

	if (own >= 0)
		jl__sys_remove_tree(own, JL__UPLOAD_FILES);
}

/* Who fills a folder holds its lock. */
static void remove_abandoned(int staging, const char *name)
{
	_cleanup_close_ int fd =
		jl__upload_open_beneath(staging, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		jl__sys_remove_tree(staging, name);
}

void jl__upload_sweep(int staging)
{
	_cleanup_close_ int fd = openat(staging, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return;
	(void)jl__fd_steal(&fd);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			remove_abandoned(staging, entry->d_name);
	}
	(void)closedir(dir);
}
