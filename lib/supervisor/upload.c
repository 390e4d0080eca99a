/* SPDX-License-Identifier: MIT */
/*
 * Uploaded files on their way into /work: copied by the job's own process, inside its
 * cgroup, before its command runs and before it gives up the right to read them. What it
 * makes is owned by the job's user and counted against the job: its memory, the size of
 * /work, and a quota, if there is one. Nobody else is in /work yet. The source was made
 * by our library; should somebody have got at it, no link is followed and nothing but
 * files, folders and links is opened.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define BLOCK 4096
#define COPY 32768
#define DEPTH_MAX 128
#define AT_EMPTY_PATH_ 0x1000
#define PERMISSIONS 0777

struct entry {
	uint64_t ino;
	int64_t offset;
	unsigned short len;
	unsigned char type;
	char name[];
};

struct copy {
	char *path; /* of what is being copied, as far as there is room */
	uint32_t path_len;
	uint32_t depth;
};

static int copy_folder(struct copy *copy, int from, int to);

static int is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* For the sentence about a failure; returns where the path ended before. */
static uint32_t enter_name(struct copy *copy, const char *name)
{
	uint32_t before = copy->path_len;

	if (before && copy->path_len < JL__FAILURE_TEXT_MAX)
		copy->path[copy->path_len++] = '/';
	while (*name && copy->path_len < JL__FAILURE_TEXT_MAX)
		copy->path[copy->path_len++] = *name++;
	return before;
}

static long write_all(int fd, const char *data, long len)
{
	while (len > 0) {
		long put = jl__sys_write(fd, data, (size_t)len);

		if (put == -EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? put : -EIO;
		data += put;
		len -= put;
	}
	return 0;
}

static long copy_bytes(int from, int to)
{
	char block[COPY];
	long got, r = 0;

	while (r == 0 && (got = jl__sys_read(from, block, sizeof(block))) != 0)
		r = got == -EINTR ? 0 : got < 0 ? got : write_all(to, block, got);
	return r;
}

static long copy_file(int from, int to_folder, const char *name, unsigned int mode)
{
	int to = (int)jl__sys_openat(to_folder, name,
				     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
				     0600);
	long r;

	if (to < 0)
		return to;
	r = copy_bytes(from, to);
	/* Not by opening it: there is a umask. */
	if (r == 0)
		r = jl__sys_fchmod(to, mode & PERMISSIONS);
	(void)jl__sys_close(to);
	return r;
}

static long copy_subfolder(struct copy *copy, int from, int to_folder, const char *name,
			   unsigned int mode)
{
	long r = jl__sys_mkdirat(to_folder, name, 0700);
	int to;

	if (r < 0)
		return r;
	if (copy->depth == DEPTH_MAX)
		return -ELOOP;
	to = (int)jl__sys_openat(to_folder, name,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (to < 0)
		return to;
	copy->depth++;
	r = copy_folder(copy, from, to);
	copy->depth--;
	if (r == 0)
		r = jl__sys_fchmod(to, mode & PERMISSIONS);
	(void)jl__sys_close(to);
	return r;
}

static long copy_link(int from_folder, int to_folder, const char *name)
{
	char target[4096];
	long len = jl__sys_readlinkat(from_folder, name, target, sizeof(target));

	if (len < 0)
		return len;
	if (len == (long)sizeof(target))
		return -ENAMETOOLONG;
	target[len] = '\0';
	return jl__sys_symlinkat(target, to_folder, name);
}

static long copy_entry(struct copy *copy, int from_folder, int to_folder,
		       const char *name)
{
	struct statx st;
	/* Without waiting for the other end, should it be a pipe. */
	int from = (int)jl__sys_openat(from_folder, name,
				       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	long r;

	if (from == -ELOOP)
		return copy_link(from_folder, to_folder, name);
	if (from < 0)
		return from == -ENXIO ? -EINVAL : from;
	r = jl__sys_statx(from, "", AT_EMPTY_PATH_, STATX_TYPE | STATX_MODE, &st);
	if (r == 0 && S_ISREG(st.stx_mode))
		r = copy_file(from, to_folder, name, st.stx_mode);
	else if (r == 0 && S_ISDIR(st.stx_mode))
		r = copy_subfolder(copy, from, to_folder, name, st.stx_mode);
	else if (r == 0)
		r = -EINVAL;
	(void)jl__sys_close(from);
	return r;
}

/* Leaves the path where it failed. */
static int copy_folder(struct copy *copy, int from, int to)
{
	char block[BLOCK] __attribute__((aligned(8)));
	long got;

	while ((got = jl__sys_getdents64(from, block, sizeof(block))) > 0) {
		for (long at = 0; at < got;) {
			const struct entry *entry = (const struct entry *)(block + at);
			uint32_t before;
			long r;

			at += entry->len;
			if (is_dots(entry->name))
				continue;
			before = enter_name(copy, entry->name);
			r = copy_entry(copy, from, to, entry->name);
			if (r < 0)
				return (int)r;
			copy->path_len = before;
		}
	}
	return (int)got;
}

/*
 * As the job's user, so that what is made is its own, with the capabilities of whoever
 * may read the source; but without the one that quotas do not hold for.
 */
static long copy_as(struct copy *copy, uint32_t uid, uint32_t gid, int from, int to)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct all[2], less[2];
	long r = jl__sys_capget(&header, all);

	if (r < 0)
		return r;
	__builtin_memcpy(less, all, sizeof(less));
	less[0].effective &= ~(1u << CAP_SYS_RESOURCE);
	r = jl__sys_capset(&header, less);
	if (r < 0)
		return r;
	(void)jl__sys_setfsgid(gid);
	(void)jl__sys_setfsuid(uid);
	r = copy_folder(copy, from, to);
	(void)jl__sys_setfsuid((unsigned int)jl__sys_geteuid());
	(void)jl__sys_setfsgid((unsigned int)jl__sys_getegid());
	if (r < 0)
		return r;
	return jl__sys_capset(&header, all);
}

int uploads_copy(const struct launch *launch, struct jl__failure *failure, char *text)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct copy copy = { .path = text };
	/* Opened anew: how far the caller's has been read is not ours to know. */
	int from = (int)jl__sys_openat(launch->uploads, ".", flags, 0);
	int to = (int)jl__sys_openat(AT_FDCWD, "work", flags, 0);
	long r = from < 0 ? from : to;

	if (from >= 0 && to >= 0)
		r = copy_as(&copy, launch->kit.base + launch->plan->uid,
			    launch->kit.base + launch->plan->gid, from, to);
	fd_close(&from);
	fd_close(&to);
	if (r >= 0)
		return 0;
	failed(failure, JL__STEP_UPLOAD, 0, r);
	failure->text_len = copy.path_len;
	return (int)r;
}
