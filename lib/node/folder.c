/* SPDX-License-Identifier: MIT */
/* Folders of jobs, and what may be left of them when somebody is killed in between. */
#define JL_MODULE "node"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "node/uuid.h"
#include "sys/remove.h"

#define RESERVE "reserve"
#define RESERVE_BYTES (1 << 20)
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int open_below(int dir, const char *name, bool make)
{
	int fd = openat(dir, name, FOLDER_FLAGS);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd < 0 ? -errno : fd;
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, FOLDER_FLAGS);
	return fd < 0 ? -errno : fd;
}

int jl__folders_open(jl_node *node, jl_error **err)
{
	node->state_fd = open(node->path, FOLDER_FLAGS);
	if (node->state_fd < 0)
		return jl__fail_errno(err, -errno, "cannot open the state folder %s",
				      node->path);
	node->jobs_fd = open_below(node->state_fd, "jobs", true);
	if (node->jobs_fd < 0)
		return jl__fail_errno(err, node->jobs_fd, "cannot make folder %s/jobs",
				      node->path);
	jl__reserve_make(node);
	return 0;
}

int jl__job_folder(const jl_node *node, const char *id, bool make)
{
	return open_below(node->jobs_fd, id, make);
}

void jl__job_folder_remove(const jl_node *node, const char *id)
{
	jl__sys_remove_tree(node->jobs_fd, id);
}

int jl__staging_folder(const jl_node *node, jl_error **err)
{
	int fd = open_below(node->state_fd, "staging", true);

	return fd < 0 ? jl__fail_errno(err, fd, "cannot make folder %s/staging",
				       node->path)
		      : fd;
}

int jl__run_folder(const jl_node *node, const char *id, uint64_t run, bool make)
{
	_cleanup_close_ int job = jl__job_folder(node, id, make);
	char name[24];

	if (job < 0)
		return job;
	if (run == 0)
		return jl__fd_steal(&job);
	(void)snprintf(name, sizeof(name), "%" PRIu64, run);
	return open_below(job, name, make);
}

void jl__run_ended(const jl_node *node, const char *id, uint64_t run)
{
	_cleanup_close_ int folder = jl__run_folder(node, id, run, true), fd = -EBADF;

	if (folder >= 0)
		fd = openat(folder, "ended", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			    0600);
}

uint64_t jl__run_log_bytes(int run_folder)
{
	struct stat st;

	if (fstatat(run_folder, "log", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (uint64_t)st.st_size;
}

/* ---- room to delete in ---- */

void jl__reserve_make(const jl_node *node)
{
	_cleanup_close_ int fd =
		openat(node->state_fd, RESERVE,
		       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && fallocate(fd, 0, 0, RESERVE_BYTES) < 0)
		(void)unlinkat(node->state_fd, RESERVE, 0);
}

bool jl__reserve_use(const jl_node *node)
{
	return unlinkat(node->state_fd, RESERVE, 0) == 0;
}

/* ---- doubt ---- */

static int open_doubt(const jl_node *node, bool make, jl_error **err)
{
	int fd = open_below(node->state_fd, "doubt", make);

	return fd < 0 ? jl__fail_errno(err, fd, "cannot open folder %s/doubt", node->path)
		      : fd;
}

/* Locked, and still the one of this name. */
static bool lock_mark(int dir, const char *id, int fd, int how)
{
	struct stat ours, there;

	return flock(fd, LOCK_EX | how) == 0 && fstat(fd, &ours) == 0 &&
	       fstatat(dir, id, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino;
}

int jl__doubt_begin(const jl_node *node, const char *id, jl_error **err)
{
	_cleanup_close_ int dir = open_doubt(node, true, err);

	if (dir < 0)
		return dir;
	/* Whoever settles it or deletes the same job has it until the folder is gone, and
	 * then removes it. */
	for (int i = 0; i < 100; i++) {
		int fd = openat(dir, id, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
				0600);

		if (fd < 0)
			return jl__fail_errno(err, -errno, "cannot make %s/doubt/%s",
					      node->path, id);
		if (lock_mark(dir, id, fd, 0))
			return fd;
		(void)jl__close(fd);
	}
	return jl__fail(err, -EBUSY, "cannot lock %s/doubt/%s", node->path, id);
}

void jl__doubt_end(const jl_node *node, const char *id, int fd)
{
	_cleanup_close_ int dir = open_doubt(node, false, NULL);

	if (dir >= 0)
		(void)unlinkat(dir, id, 0);
	(void)jl__close(fd);
}

/* The folder goes with the row, which is there or not. */
static int settle_job(jl_node *node, const char *id, jl_error **err)
{
	struct jl__row *row = NULL;
	int r = jl__store_get_id(node->store, id, &row, err);

	jl__row_free(row);
	if (r != -ENOENT)
		return r;
	jl__sys_remove_tree(node->jobs_fd, id);
	return 0;
}

static int settle_mark(jl_node *node, int dir, const char *name, jl_error **err)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	char id[JL__MARK_ENTRY];
	int r;

	if (fd < 0 || !lock_mark(dir, name, fd, LOCK_NB))
		return 0;
	r = settle_job(node, name, err);
	while (r == 0 && read(fd, id, sizeof(id)) == sizeof(id)) {
		id[sizeof(id) - 1] = '\0';
		r = settle_job(node, id, err);
	}
	if (r == 0)
		(void)unlinkat(dir, name, 0);
	return r;
}

/* For each entry of a folder of the node; one that is not there has none. */
static int each_in(jl_node *node, const char *folder,
		   int (*at)(jl_node *node, int dir, const char *name, jl_error **err),
		   jl_error **err)
{
	int dir = open_below(node->state_fd, folder, false), r = 0;
	struct dirent *entry;
	DIR *list;

	if (dir == -ENOENT)
		return 0;
	list = dir < 0 ? NULL : fdopendir(dir);
	if (!list) {
		r = -errno;
		(void)jl__close(dir);
		return jl__fail_errno(err, r, "cannot read folder %s/%s", node->path,
				      folder);
	}
	while (r == 0 && (entry = readdir(list)))
		if (entry->d_name[0] != '.')
			r = at(node, dir, entry->d_name, err);
	(void)closedir(list);
	return r;
}

int jl__doubt_settle(jl_node *node, jl_error **err)
{
	return each_in(node, "doubt", settle_mark, err);
}

/* ---- what a power cut leaves ---- */

/* A row comes before its folder, or with a mark. */
static int sweep_one(jl_node *node, int dir, const char *id, jl_error **err)
{
	struct jl__row *row = NULL;
	char whole[JL__UUID_MAX];
	int mark, r;

	(void)dir;
	/* lost+found, where the folder is a file system of its own. */
	if (!jl__uuid_prefix(id, JL__UUID_MAX - 1, whole))
		return 0;
	r = jl__store_get_id(node->store, id, &row, err);
	jl__row_free(row);
	if (r != -ENOENT)
		return r;
	mark = jl__doubt_begin(node, id, err);
	if (mark < 0)
		return mark;
	r = settle_job(node, id, err);
	jl__doubt_end(node, id, mark);
	return r;
}

int jl__folders_sweep(jl_node *node, jl_error **err)
{
	char boot[JL__BOOT_LEN];
	_cleanup_close_ int fd = openat(node->state_fd, "swept",
					O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd >= 0 && pread(fd, boot, sizeof(boot), 0) == sizeof(boot) &&
	    memcmp(boot, node->claim, sizeof(boot)) == 0)
		return 0;
	r = each_in(node, "jobs", sweep_one, err);
	if (r == 0 && fd >= 0 && pwrite(fd, node->claim, sizeof(boot), 0) < 0)
		jl__log(node->ctx, JL_LOG_DEBUG, JL_MODULE, "%s/swept: %s", node->path,
			jl__errno_text(errno));
	return r;
}
