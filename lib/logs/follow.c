/* SPDX-License-Identifier: MIT */
/*
 * Knowing when there is more: an inotify watch on the one file that tells (the log, or
 * the index when streams or times matter, because it is written last) and one on the
 * folder, for the files to come and for the end. Repeated writes are one event, so a
 * reader that does not read costs nothing.
 */
#define JL_MODULE "log"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "logs/logs-priv.h"
#include "logs/watcher.h"

bool jl__log_needs_index(const jl_log *log)
{
	return !jl__log_wants(log, 1) || !jl__log_wants(log, 2) ||
	       log->flags & (JL_LOG_TIMESTAMPS | JL_LOG_PIECES);
}

/* By the descriptor: the folder may have been renamed or deleted since. */
static int watch(jl_log *log, enum jl__log_watch which, int fd, uint32_t mask)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	log->watches[which] = inotify_add_watch(log->inotify, path, mask);
	return log->watches[which] < 0 ? -errno : 0;
}

static void unwatch(jl_log *log, enum jl__log_watch which)
{
	if (log->watches[which] >= 0)
		(void)inotify_rm_watch(log->inotify, log->watches[which]);
	log->watches[which] = -1;
}

static int open_file(const jl_log *log, const char *name, int *slot)
{
	if (*slot >= 0)
		return 0;
	*slot = openat(log->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*slot >= 0)
		return 1;
	*slot = -EBADF;
	return errno == ENOENT ? 0 : -errno;
}

int jl__log_open_files(jl_log *log)
{
	int file = open_file(log, "log", &log->file);
	int index = open_file(log, "log.index", &log->index);

	if (file < 0 || index < 0)
		return file < 0 ? file : index;
	if (log->inotify < 0)
		return 0;
	if (index == 1 && jl__log_needs_index(log))
		return watch(log, JL__WATCH_FILE, log->index, IN_MODIFY);
	if (file == 1 && !jl__log_needs_index(log))
		return watch(log, JL__WATCH_FILE, log->file, IN_MODIFY);
	return 0;
}

static int add(const jl_log *log, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(log->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_inotify(jl_log *log, jl_error **err)
{
	int r;

	log->inotify = jl__watcher_take();
	if (log->inotify == -EMFILE)
		return jl__fail(err, -EMFILE,
				"too many logs are followed at once; "
				"fs.inotify.max_user_instances is the limit");
	if (log->inotify < 0)
		return jl__fail_errno(err, log->inotify, "cannot follow the log");
	r = watch(log, JL__WATCH_FOLDER, log->folder,
		  IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
	if (r == -ENOSPC)
		return jl__fail(err, r,
				"too many files are watched; "
				"fs.inotify.max_user_watches is the limit");
	if (r == 0 && log->runs >= 0 && log->run)
		r = watch(log, JL__WATCH_RUNS, log->runs,
			  IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
	if (r == 0)
		r = add(log, log->inotify);
	return r < 0 ? jl__fail_errno(err, r, "cannot follow the log") : 0;
}

int jl__log_follow_open(jl_log *log, jl_error **err)
{
	log->epoll = epoll_create1(EPOLL_CLOEXEC);
	log->event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	log->armed = true;
	if (log->epoll < 0 || log->event < 0 || add(log, log->event) < 0)
		return jl__fail_errno(err, -errno,
				      "cannot make the descriptors of a log reader");
	return log->flags & JL_LOG_FOLLOW ? open_inotify(log, err) : 0;
}

void jl__log_follow_close(jl_log *log)
{
	for (int which = 0; which < JL__WATCHES; which++)
		unwatch(log, which);
	log->event = jl__close(log->event);
	log->epoll = jl__close(log->epoll);
	log->inotify = jl__watcher_give(log->inotify);
}

void jl__log_arm(jl_log *log, bool on)
{
	eventfd_t count;

	if (log->armed == on)
		return;
	log->armed = on;
	if (on)
		(void)eventfd_write(log->event, 1);
	else
		(void)eventfd_read(log->event, &count);
}

void jl__log_drain(jl_log *log)
{
	jl__watcher_drain(log->inotify);
}

bool jl__log_is_over(const jl_log *log)
{
	struct stat st;

	if (faccessat(log->folder, "result", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    faccessat(log->folder, "ended", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	return (fstat(log->folder, &st) == 0 && st.st_nlink == 0) ||
	       (log->file >= 0 && fstat(log->file, &st) == 0 && st.st_nlink == 0);
}

/* ---- tries of one job ---- */

int jl__log_open_folder(int runs, uint64_t run)
{
	char name[24];
	int fd;

	(void)snprintf(name, sizeof(name), "%" PRIu64, run);
	fd = openat(runs, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool jl__log_has_next(const jl_log *log)
{
	char name[24];

	(void)snprintf(name, sizeof(name), "%" PRIu64, log->run + 1);
	return faccessat(log->runs, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool jl__log_is_last(const jl_log *log)
{
	struct stat st;

	return faccessat(log->folder, "ended", F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       (fstat(log->folder, &st) == 0 && st.st_nlink == 0);
}

int jl__log_next(jl_log *log)
{
	int folder = jl__log_open_folder(log->runs, log->run + 1), r;

	if (folder < 0)
		return folder;
	/* Before the first try the folder is that of the job, where all of them show. */
	if (log->run > 0)
		unwatch(log, JL__WATCH_FOLDER);
	else if (log->watches[JL__WATCH_RUNS] < 0)
		log->watches[JL__WATCH_RUNS] = log->watches[JL__WATCH_FOLDER];
	unwatch(log, JL__WATCH_FILE);
	r = watch(log, JL__WATCH_FOLDER, folder,
		  IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR);
	if (r < 0) {
		(void)jl__close(folder);
		return r;
	}
	log->file = jl__close(log->file);
	log->index = jl__close(log->index);
	(void)jl__close(log->folder);
	log->folder = folder;
	log->run++;
	log->at = log->entry = 0;
	log->placed = false;
	log->cache_len = 0;
	return 0;
}
