/* SPDX-License-Identifier: MIT */
/* The folder of all networks in the run-time folder, and its lock. */
#define JL_MODULE "net"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net-priv.h"

int jl__net_root(const jl_ctx *ctx, int *ret_fd, char **ret_path, jl_error **err)
{
	_cleanup_free_ char *run = NULL, *path = NULL;
	int fd, r;

	r = jl__ctx_runtime_dir(ctx, &run, err);
	if (r < 0)
		return r;
	path = jl__format("%s/net", run);
	if (!path)
		return jl__oom(err);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return jl__fail_errno(err, -errno, "cannot make %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return jl__fail_errno(err, -errno, "cannot open %s", path);
	*ret_fd = fd;
	*ret_path = jl__steal(path);
	return 0;
}

int jl__net_lock(int root, jl_error **err)
{
	_cleanup_close_ int fd =
		openat(root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return jl__fail_errno(err, -errno, "cannot open the lock of networks");
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return jl__fail_errno(err, -errno, "cannot lock networks");
	return jl__fd_steal(&fd);
}

void jl__net_names_free(char **names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		jl__free(names[i]);
	jl__free(names);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(char ***names, uint32_t *count, const char *name)
{
	char **more;

	/* Powers of two, from 8. */
	if (*count == 0 || (*count >= 8 && (*count & (*count - 1)) == 0)) {
		more = jl__resize(*names, (*count ? *count * 2 : 8) * sizeof(char *));
		if (!more)
			return -ENOMEM;
		*names = more;
	}
	(*names)[*count] = jl__strdup(name);
	if (!(*names)[*count])
		return -ENOMEM;
	(*count)++;
	return 0;
}

int jl__net_names(int root, char ***ret, uint32_t *ret_count, jl_error **err)
{
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char **names = NULL;
	uint32_t count = 0;

	if (!dir) {
		r = -errno;
		(void)jl__close(fd);
		return jl__fail_errno(err, r, "cannot list networks");
	}
	while (r == 0 && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, "lock") != 0 &&
		    jl__net_check_name(entry->d_name, NULL) == 0)
			r = add_name(&names, &count, entry->d_name);
	(void)closedir(dir);
	if (r < 0) {
		jl__net_names_free(names, count);
		return jl__oom(err);
	}
	if (count)
		qsort(names, count, sizeof(*names), by_text);
	*ret = names;
	*ret_count = count;
	return 0;
}
