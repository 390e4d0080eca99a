/* SPDX-License-Identifier: MIT */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int file_write(int dir_fd, const char *path, const char *name, mode_t mode,
	       const char *text, struct sentence *why)
{
	char beside[280];
	int fd, r;

	(void)snprintf(beside, sizeof(beside), ".%s.new", name);
	/* What a killed program left behind. */
	(void)unlinkat(dir_fd, beside, 0);
	fd = openat(dir_fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return fail(why, -errno, "cannot write %s/%s: %s", path, name,
			    strerror(errno));
	r = write_all(fd, text, strlen(text));
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dir_fd, beside, dir_fd, name) < 0)
		r = -errno;
	if (r == 0 && fsync(dir_fd) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir_fd, beside, 0);
		return fail(why, r, "cannot write %s/%s: %s", path, name, strerror(-r));
	}
	return 0;
}

static int read_all(int fd, char **ret)
{
	char *text = malloc(FILE_TEXT_MAX + 1);
	size_t len = 0;
	int r = 0;

	if (!text)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, text + len, FILE_TEXT_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len > FILE_TEXT_MAX) {
			r = -EFBIG;
			break;
		}
	}
	if (r == 0 && memchr(text, 0, len))
		r = -EINVAL;
	if (r < 0) {
		explicit_bzero(text, FILE_TEXT_MAX + 1);
		free(text);
		return r;
	}
	text[len] = 0;
	*ret = text;
	return 0;
}

int file_read(int dir_fd, const char *path, const char *name, char **ret,
	      struct sentence *why)
{
	struct stat st;
	int fd, r;

	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return fail(why, -errno, "cannot read %s/%s: %s", path, name,
			    strerror(errno));
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		r = -EINVAL;
	else
		r = read_all(fd, ret);
	(void)close(fd);
	if (r < 0)
		return fail(why, r, "cannot read %s/%s: %s", path, name,
			    r == -EINVAL ? "not a text file" : strerror(-r));
	return 0;
}

void file_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static int make_parents(const char *path)
{
	char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1; *p && r == 0; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			r = -errno;
		*p = '/';
	}
	free(copy);
	return r;
}

int folder_open(const char *path, mode_t mode, int *ret_fd, struct sentence *why)
{
	int r = *path ? make_parents(path) : -ENOENT, fd;

	if (r == 0 && mkdir(path, mode) < 0 && errno != EEXIST)
		r = -errno;
	if (r < 0)
		return fail(why, r, "cannot make the folder %s: %s", path, strerror(-r));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(why, -errno, "cannot open the folder %s: %s", path,
			    strerror(errno));
	*ret_fd = fd;
	return 0;
}
