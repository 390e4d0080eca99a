/* SPDX-License-Identifier: MIT */
/*
 * Who is at work on a job: "<boot>/<pid namespace>/<pid>/<start>/<handle>". A number of a
 * process is used again, its start time is not; a process may have a node open twice. In
 * another pid namespace nothing can be said of it, and it counts as gone: that is safe,
 * because who starts a job is settled in the job's folder.
 */
#define JL_MODULE "node"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "node/node.h"
#include "sys/sys.h"

static int read_small(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

	if (got < 0)
		return -errno;
	text[got] = '\0';
	return 0;
}

/* "<boot>/<pid namespace>/" of this process. */
static int read_place(char *place, size_t size)
{
	char boot[JL__BOOT_LEN + 2] = "";
	struct stat st;
	int r = read_small("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));

	if (r < 0)
		return r;
	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	boot[JL__BOOT_LEN] = '\0';
	(void)snprintf(place, size, "%s/%" PRIu64 "/", boot, (uint64_t)st.st_ino);
	return 0;
}

/* Start time, in ticks since the machine started: the 22nd field, 20 behind the name. */
static int read_start(uint32_t pid, uint64_t *ret)
{
	char path[32], text[1024], *field, *end;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
	r = read_small(path, text, sizeof(text));
	if (r < 0)
		return r;
	field = strrchr(text, ')');
	for (int i = 0; field && i < 20; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return -EIO;
	end = strchr(field + 1, ' ');
	if (end)
		*end = '\0';
	return jl__parse_u64(field + 1, 0, UINT64_MAX, ret);
}

int jl__claim_make(char claim[JL__CLAIM_MAX], jl_error **err)
{
	static uint32_t handles;
	char place[80];
	uint64_t start;
	int r = read_place(place, sizeof(place));

	if (r == 0)
		r = read_start((uint32_t)getpid(), &start);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot tell this process by /proc");
	(void)snprintf(claim, JL__CLAIM_MAX, "%s%d/%" PRIu64 "/%" PRIu32, place,
		       (int)getpid(), start,
		       __atomic_add_fetch(&handles, 1, __ATOMIC_RELAXED));
	return 0;
}

/* "<pid>/<start>/<handle>" */
static int parse(const char *text, uint32_t *pid, uint64_t *start)
{
	char copy[64], *first, *second;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, strlen(text) + 1);
	first = strchr(copy, '/');
	second = first ? strchr(first + 1, '/') : NULL;
	if (!second)
		return -EINVAL;
	*first = *second = '\0';
	return jl__parse_u32(copy, 1, INT32_MAX, pid) < 0
		       ? -EINVAL
		       : jl__parse_u64(first + 1, 0, UINT64_MAX, start);
}

int jl__claim_alive(const char *claim, int *ret_pidfd)
{
	_cleanup_close_ int pidfd = -EBADF;
	uint64_t start, now;
	char place[80];
	uint32_t pid;

	if (read_place(place, sizeof(place)) < 0 ||
	    strncmp(claim, place, strlen(place)) != 0)
		return 0;
	if (parse(claim + strlen(place), &pid, &start) < 0)
		return 0;
	/* The descriptor first: what is looked at next is then the process it stands for.
	 */
	if (ret_pidfd) {
		pidfd = (int)jl__sys_pidfd_open((int)pid, 0);
		if (pidfd == -ESRCH || pidfd == -EINVAL)
			return 0;
	}
	if (read_start(pid, &now) < 0 || now != start)
		return 0;
	if (ret_pidfd)
		*ret_pidfd = jl__fd_steal(&pidfd);
	return 1;
}

bool jl__claim_old_boot(const char *claim)
{
	char place[80];

	return read_place(place, sizeof(place)) == 0 &&
	       strncmp(claim, place, JL__BOOT_LEN + 1) != 0;
}
