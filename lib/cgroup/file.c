/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cgroup/cgroup-priv.h"
#include "sys/sys.h"

/* Layout of getdents64(2), which has no header. */
struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* A group that was removed while a descriptor is open says ENODEV; for us it is gone. */
static int gone(long code)
{
	return code == -ENODEV ? -ENOENT : (int)code;
}

static long read_some(int fd, char *text, size_t size)
{
	long n;

	do
		n = jl__sys_read(fd, text, size);
	while (n == -EINTR);
	return n;
}

int jl__cg_read(int dir, const char *file, char *text, size_t size)
{
	_cleanup_close_ int fd = -EBADF;
	size_t len = 0;
	long n;

	fd = (int)jl__sys_openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0)
		return gone(fd);
	do {
		n = read_some(fd, text + len, size - 1 - len);
		if (n < 0)
			return gone(n);
		len += (size_t)n;
	} while (n > 0 && len < size - 1);
	if (n > 0)
		/* Half a number is worse than none. */
		while (len > 0 && text[len - 1] != '\n')
			len--;
	if (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return (int)len;
}

int jl__cg_read_all(const char *path, struct jl__buf *buf)
{
	_cleanup_close_ int fd = -EBADF;
	char part[4096];
	long n;

	fd = (int)jl__sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	for (;;) {
		n = read_some(fd, part, sizeof(part));
		if (n <= 0)
			break;
		if (jl__buf_add(buf, part, (size_t)n) < 0)
			break;
	}
	return n < 0 ? (int)n : buf->failed;
}

int jl__cg_write(int dir, const char *file, const char *value)
{
	_cleanup_close_ int fd = -EBADF;
	size_t len = strlen(value);
	long n;

	/* O_TRUNC means nothing to cgroupfs and makes the folders of tests honest. */
	fd = (int)jl__sys_openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_TRUNC,
				 0);
	if (fd < 0)
		return gone(fd);
	/* cgroupfs parses each write by itself, so there is no writing of the rest. */
	do
		n = jl__sys_write(fd, value, len);
	while (n == -EINTR);
	if (n < 0)
		return gone(n);
	return (size_t)n == len ? 0 : -EIO;
}

bool jl__cg_exists(int dir, const char *file)
{
	_cleanup_close_ int fd = -EBADF;

	fd = (int)jl__sys_openat(dir, file, O_PATH | O_CLOEXEC | O_NOFOLLOW, 0);
	return fd >= 0;
}

int jl__cg_read_u64(int dir, const char *file, uint64_t *ret)
{
	char text[32];
	int r = jl__cg_read(dir, file, text, sizeof(text));

	if (r < 0)
		return r;
	r = jl__parse_u64(text, 0, UINT64_MAX, ret);
	return r < 0 ? r : 0;
}

bool jl__cg_has_word(const char *text, const char *word)
{
	struct jl__span rest = { text, strlen(text) }, part;

	while (jl__span_next(&rest, ' ', &part))
		if (jl__span_is(part, word))
			return true;
	return false;
}

int jl__cg_open_folder(int dir, const char *name)
{
	return gone(jl__sys_openat(dir, name,
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW, 0));
}

int jl__cg_each_folder(int dir, int (*fn)(int dir, const char *name, void *data),
		       void *data)
{
	_cleanup_close_ int fd = -EBADF;
	_Alignas(struct entry) char part[8192];
	long n;
	int r;

	fd = jl__cg_open_folder(dir, ".");
	if (fd < 0)
		return fd;
	while ((n = jl__sys_getdents64(fd, part, sizeof(part))) > 0) {
		for (long at = 0; at < n;) {
			const struct entry *entry = (const void *)(part + at);

			at += entry->len;
			if (entry->type != DT_DIR || strcmp(entry->name, ".") == 0 ||
			    strcmp(entry->name, "..") == 0)
				continue;
			r = fn(fd, entry->name, data);
			if (r < 0)
				return r;
		}
	}
	return gone(n);
}
