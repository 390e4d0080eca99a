/* SPDX-License-Identifier: MIT */
#define JL_MODULE "upload"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "sys/remove.h"
#include "upload/upload-priv.h"

#define LIST_BLOCK 4096
/* A sweeper can take a fresh folder away before it is locked, but hardly so often. */
#define NEW_TRIES 100

struct jl__upload {
	int staging, folder, files, list;
	char name[NAME_LEN_MAX + 1];
	struct jl__upload_caps caps;
	bool moved, sync;
	int failed; /* negative errno: nothing more is taken */

	uint32_t entries, count;
	uint64_t bytes;

	int file; /* being written */
	char file_path[201];
	uint64_t file_bytes, file_size; /* so far; announced */

	int parent; /* the folder used last, -EBADF for none */
	char parent_path[JL__UPLOAD_PATH_MAX + 1];

	size_t list_bytes, list_used;
	char list_block[LIST_BLOCK];
	struct jl__upload_path path; /* being added; here as it is large */
};

static int fail_io(int code, const char *path, const char *what, jl_error **err)
{
	if (code == -ENOSPC || code == -EDQUOT)
		return jl__fail(err, -ENOSPC,
				"upload \"" SHOWN "\": %s: no space is left in the state "
				"folder",
				path, what);
	return jl__fail_errno(err, code, "upload \"" SHOWN "\": %s", path, what);
}

/* ---- the folder ---- */

/* Makes and locks it; -EAGAIN when a sweeper was faster. */
static int make_folder(struct jl__upload *u)
{
	struct stat made, there;

	if (mkdirat(u->staging, u->name, 0700) < 0)
		return -errno;
	u->folder =
		jl__upload_open_beneath(u->staging, u->name, O_RDONLY | O_DIRECTORY, 0);
	if (u->folder == -ENOENT)
		return -EAGAIN;
	if (u->folder < 0)
		return u->folder;
	if (flock(u->folder, LOCK_EX) < 0 || fstat(u->folder, &made) < 0)
		return -errno;
	if (fstatat(u->staging, u->name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	return made.st_ino == there.st_ino && made.st_dev == there.st_dev ? 0 : -EAGAIN;
}

static int fill_folder(struct jl__upload *u)
{
	if (mkdirat(u->folder, JL__UPLOAD_FILES, 0700) < 0)
		return -errno;
	u->files = jl__upload_open_beneath(u->folder, JL__UPLOAD_FILES,
					   O_RDONLY | O_DIRECTORY, 0);
	if (u->files < 0)
		return u->files;
	u->list = jl__upload_open_beneath(u->folder, JL__UPLOAD_LIST,
					  O_WRONLY | O_CREAT | O_EXCL, 0600);
	return u->list < 0 ? u->list : 0;
}

int jl__upload_new(int staging, const char *name, const struct jl__upload_caps *caps,
		   struct jl__upload **ret, jl_error **err)
{
	struct jl__upload *u;
	size_t len = strlen(name);
	int r;

	if (len == 0 || len > NAME_LEN_MAX || strchr(name, '/') || *name == '.')
		return jl__fail(err, -EINVAL,
				"\"" SHOWN "\" is no name for a staging folder", name);
	u = jl__calloc(1, sizeof(*u));
	if (!u)
		return jl__oom(err);
	u->folder = u->files = u->list = u->file = u->parent = -EBADF;
	u->caps = *caps;
	if (u->caps.entries == 0)
		u->caps.entries = JL__UPLOAD_ENTRIES;
	memcpy(u->name, name, len + 1);
	u->staging = fcntl(staging, F_DUPFD_CLOEXEC, 3);
	r = u->staging < 0 ? -errno : -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < NEW_TRIES; i++) {
		u->folder = jl__close(u->folder);
		r = make_folder(u);
	}
	if (r < 0)
		/* Whose folder it is is not known: it stays. */
		u->moved = true;
	else
		r = fill_folder(u);
	if (r < 0) {
		jl__upload_free(u);
		return jl__fail_errno(err, r, "cannot make a folder for uploads");
	}
	*ret = u;
	return 0;
}

void jl__upload_free(struct jl__upload *u)
{
	if (!u)
		return;
	(void)jl__close(u->file);
	(void)jl__close(u->parent);
	(void)jl__close(u->list);
	(void)jl__close(u->files);
	if (!u->moved)
		jl__sys_remove_tree(u->staging, u->name);
	/* Unlocks it, so after it is gone. */
	(void)jl__close(u->folder);
	(void)jl__close(u->staging);
	jl__free(u);
}

/* ---- the list ---- */

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int flush_list(struct jl__upload *u)
{
	int r = write_all(u->list, u->list_block, u->list_used);

	u->list_used = 0;
	return r;
}

/* The path of a file or link, with its NUL. */
static int add_to_list(struct jl__upload *u, jl_error **err)
{
	size_t len = strlen(u->path.text) + 1;
	int r = 0;

	if (len > JL__UPLOAD_LIST_MAX - u->list_bytes)
		return jl__fail(err, -E2BIG,
				"upload \"" SHOWN
				"\": the names of the uploads together are "
				"longer than %d bytes",
				u->path.text, JL__UPLOAD_LIST_MAX);
	if (u->list_used + len > sizeof(u->list_block))
		r = flush_list(u);
	if (r < 0)
		return fail_io(r, u->path.text, "cannot be listed", err);
	memcpy(u->list_block + u->list_used, u->path.text, len);
	u->list_used += len;
	u->list_bytes += len;
	u->count++;
	return 0;
}

/* ---- folders ---- */

static int count_entry(struct jl__upload *u, jl_error **err)
{
	if (u->entries >= u->caps.entries)
		return jl__fail(err, -E2BIG,
				"upload \"" SHOWN "\": more than %u files and folders",
				u->path.text, u->caps.entries);
	u->entries++;
	return 0;
}

/* Something other than a folder has the name. */
static int fail_in_the_way(const struct jl__upload *u, const char *name, size_t len,
			   jl_error **err)
{
	return jl__fail(err, -EEXIST,
			"upload \"" SHOWN "\": \"%.*s\" was uploaded before and is not a "
			"folder",
			u->path.text, len < 200 ? (int)len : 200, name);
}

/* One folder below dir, made when it is not there. */
static int enter(struct jl__upload *u, int dir, const char *name, jl_error **err)
{
	int r, fd = jl__upload_open_beneath(dir, name, O_PATH | O_DIRECTORY, 0);

	if (fd == -ENOTDIR || fd == -ELOOP)
		return fail_in_the_way(u, name, strlen(name), err);
	if (fd != -ENOENT)
		return fd < 0 ? fail_io(fd, u->path.text, "cannot open its folder", err)
			      : fd;
	r = count_entry(u, err);
	if (r < 0)
		return r;
	/* The mode once more: mkdir's is cut by the umask. */
	if (mkdirat(dir, name, 0755) < 0 || fchmodat(dir, name, 0755, 0) < 0)
		return fail_io(-errno, u->path.text, "cannot make its folder", err);
	fd = jl__upload_open_beneath(dir, name, O_PATH | O_DIRECTORY, 0);
	return fd < 0 ? fail_io(fd, u->path.text, "cannot open its folder", err) : fd;
}

/* The folder of u->path, borrowed; parents are made. Name by name, as links that were
 * uploaded lie around here. */
static int open_parent(struct jl__upload *u, jl_error **err)
{
	_cleanup_close_ int held = -EBADF;
	size_t len = u->path.has_parent ? (size_t)(u->path.name - u->path.text) - 1 : 0;
	char name[NAME_LEN_MAX + 1];
	const char *at = u->path.text, *end = at + len;

	if (len == 0)
		return u->files;
	if (u->parent >= 0 && strncmp(u->parent_path, u->path.text, len) == 0 &&
	    !u->parent_path[len])
		return u->parent;
	while (at < end) {
		size_t n = strcspn(at, "/");
		int fd;

		memcpy(name, at, n);
		name[n] = '\0';
		fd = enter(u, held >= 0 ? held : u->files, name, err);
		if (fd < 0)
			return fd;
		(void)jl__close(held);
		held = fd;
		at += n + 1;
	}
	(void)jl__close(u->parent);
	u->parent = jl__fd_steal(&held);
	memcpy(u->parent_path, u->path.text, len);
	u->parent_path[len] = '\0';
	return u->parent;
}

/* ---- files ---- */

/* The file being written has all it gets. */
static int close_file(struct jl__upload *u, jl_error **err)
{
	if (u->file < 0)
		return 0;
	u->file = jl__close(u->file);
	if (u->file_size != UINT64_MAX && u->file_bytes != u->file_size)
		return jl__fail(err, -EMSGSIZE,
				"upload \"%s\": %llu bytes came and %llu were announced",
				u->file_path, (unsigned long long)u->file_bytes,
				(unsigned long long)u->file_size);
	return 0;
}

static int check_size(const struct jl__upload *u, const char *path, uint64_t file_bytes,
		      uint64_t job_bytes, jl_error **err)
{
	if (u->caps.file_bytes && file_bytes > u->caps.file_bytes)
		return jl__fail(err, -EFBIG,
				"upload \"" SHOWN
				"\": larger than %llu bytes, the most for "
				"one file",
				path, (unsigned long long)u->caps.file_bytes);
	if (u->caps.job_bytes && job_bytes > u->caps.job_bytes)
		return jl__fail(err, -EDQUOT,
				"upload \"" SHOWN
				"\": all uploads of a job together may have "
				"%llu bytes",
				path, (unsigned long long)u->caps.job_bytes);
	return 0;
}

/* What all three kinds begin with. Returns the folder, borrowed. */
static int begin(struct jl__upload *u, const char *path, jl_error **err)
{
	int r;

	if (u->failed)
		return jl__fail(err, u->failed, "an upload before has failed");
	if (u->list < 0)
		return jl__fail(err, -EINVAL, "the uploads have been finished");
	r = close_file(u, err);
	if (r == 0)
		r = jl__upload_path_parse(&u->path, path, err);
	if (r < 0)
		return r;
	return u->path.depth > 0 ? open_parent(u, err) : u->files;
}

/* Remembers a failure. */
static int outcome(struct jl__upload *u, int r)
{
	if (r < 0 && !u->failed)
		u->failed = r;
	return r;
}

static int fail_taken(const struct jl__upload *u, jl_error **err)
{
	return jl__fail(err, -EEXIST, "upload \"" SHOWN "\" is there twice",
			u->path.text);
}

static int fail_top(const char *path, jl_error **err)
{
	return jl__fail(err, -EINVAL,
			"upload \"" SHOWN "\": this is /work itself, a name is missing",
			path);
}

static int add_dir(struct jl__upload *u, const char *path, uint32_t mode, jl_error **err)
{
	int parent = begin(u, path, err), fd;

	if (parent < 0 || u->path.depth == 0)
		return parent < 0 ? parent : 0;
	fd = enter(u, parent, u->path.name, err);
	if (fd < 0)
		return fd;
	(void)jl__close(fd);
	/* The owner can always go in: who made it may fill it. */
	mode = (mode & 0777 ? mode & 0777 : 0755) | 0700;
	if (fchmodat(parent, u->path.name, mode, 0) < 0)
		return fail_io(-errno, u->path.text, "cannot set its mode", err);
	return 0;
}

int jl__upload_add_dir(struct jl__upload *u, const char *path, uint32_t mode,
		       jl_error **err)
{
	return outcome(u, add_dir(u, path, mode, err));
}

static int add_file(struct jl__upload *u, const char *path, uint32_t mode, uint64_t size,
		    jl_error **err)
{
	int r, parent = begin(u, path, err);
	bool known = size != UINT64_MAX;

	if (parent < 0)
		return parent;
	if (u->path.depth == 0)
		return fail_top(path, err);
	r = check_size(u, u->path.text, known ? size : 0,
		       known && size < UINT64_MAX - u->bytes ? u->bytes + size : u->bytes,
		       err);
	if (r == 0)
		r = count_entry(u, err);
	if (r < 0)
		return r;
	u->file = jl__upload_open_beneath(parent, u->path.name,
					  O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (u->file == -EEXIST)
		return fail_taken(u, err);
	mode = (mode & 0777 ? mode & 0777 : 0644) | 0400;
	if (u->file < 0 || fchmod(u->file, mode) < 0)
		return fail_io(u->file < 0 ? u->file : -errno, u->path.text,
			       "cannot be made", err);
	(void)snprintf(u->file_path, sizeof(u->file_path), SHOWN, u->path.text);
	u->file_size = size;
	u->file_bytes = 0;
	return add_to_list(u, err);
}

int jl__upload_add_file(struct jl__upload *u, const char *path, uint32_t mode,
			uint64_t size, jl_error **err)
{
	return outcome(u, add_file(u, path, mode, size, err));
}

static int write_file(struct jl__upload *u, const void *data, size_t len, jl_error **err)
{
	int r;

	if (u->failed)
		return jl__fail(err, u->failed, "an upload before has failed");
	if (u->file < 0)
		return jl__fail(err, -EINVAL, "no file has been begun for these bytes");
	r = check_size(u, u->file_path, u->file_bytes + len, u->bytes + len, err);
	if (r < 0)
		return r;
	if (len > u->file_size - u->file_bytes)
		return jl__fail(err, -EMSGSIZE,
				"upload \"%s\": more bytes came than the %llu announced",
				u->file_path, (unsigned long long)u->file_size);
	r = write_all(u->file, data, len);
	if (r < 0)
		return fail_io(r, u->file_path, "cannot be written", err);
	u->file_bytes += len;
	u->bytes += len;
	return 0;
}

int jl__upload_write(struct jl__upload *u, const void *data, size_t len, jl_error **err)
{
	return outcome(u, write_file(u, data, len, err));
}

static int add_link(struct jl__upload *u, const char *path, const char *target,
		    jl_error **err)
{
	int r, parent = begin(u, path, err);

	if (parent < 0)
		return parent;
	if (u->path.depth == 0)
		return fail_top(path, err);
	r = jl__upload_target_check(u->path.text, u->path.depth - 1, target, err);
	if (r == 0)
		r = count_entry(u, err);
	if (r < 0)
		return r;
	if (symlinkat(target, parent, u->path.name) < 0)
		return errno == EEXIST
			       ? fail_taken(u, err)
			       : fail_io(-errno, u->path.text, "cannot be made", err);
	return add_to_list(u, err);
}

int jl__upload_add_link(struct jl__upload *u, const char *path, const char *target,
			jl_error **err)
{
	return outcome(u, add_link(u, path, target, err));
}

uint32_t jl__upload_count(const struct jl__upload *u)
{
	return u->count;
}

uint64_t jl__upload_bytes(const struct jl__upload *u)
{
	return u->bytes;
}

/* ---- the end ---- */

static int finish(struct jl__upload *u, bool sync, jl_error **err)
{
	int r;

	if (u->failed)
		return jl__fail(err, u->failed, "an upload before has failed");
	r = close_file(u, err);
	if (r < 0)
		return r;
	r = flush_list(u);
	if (r < 0)
		return fail_io(r, JL__UPLOAD_LIST, "cannot be written", err);
	u->list = jl__close(u->list);
	u->sync = sync;
	if (sync && syncfs(u->folder) < 0)
		return jl__fail_errno(err, -errno, "cannot write uploads to disk");
	return 0;
}

int jl__upload_finish(struct jl__upload *u, bool sync, jl_error **err)
{
	return outcome(u, finish(u, sync, err));
}

int jl__upload_move(struct jl__upload *u, int folder, const char *name, jl_error **err)
{
	if (u->failed || u->list >= 0 || u->moved)
		return jl__fail(err, -EINVAL, "these uploads cannot be handed over");
	if (renameat2(u->staging, u->name, folder, name, RENAME_NOREPLACE) < 0)
		return jl__fail_errno(err, -errno, "cannot hand over uploads");
	u->moved = true;
	if (u->sync && fsync(folder) < 0)
		return jl__fail_errno(err, -errno, "cannot write uploads to disk");
	return 0;
}
