/* SPDX-License-Identifier: MIT */
#define JL_MODULE "log"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "logs/logs-priv.h"

#define FLAGS                                                                  \
	(JL_LOG_FOLLOW | JL_LOG_STDOUT | JL_LOG_STDERR | JL_LOG_TIMESTAMPS | \
	 JL_LOG_PIECES)
#define READ_MIN 64

static int open_log(int folder, int runs, uint64_t run, uint32_t flags, jl_log **ret,
		    jl_error **err)
{
	jl_log *log;
	int r;

	jl__error_init(err);
	if (flags & ~(uint32_t)FLAGS)
		return jl__fail(err, -EINVAL, "0x%x has flags this version does not know",
				flags);
	log = jl__calloc(1, sizeof(*log));
	if (!log)
		return jl__oom(err);
	log->flags = flags;
	log->file = log->index = log->inotify = log->event = log->epoll = -EBADF;
	for (int which = 0; which < JL__WATCHES; which++)
		log->watches[which] = -1;
	log->runs = -EBADF;
	log->run = run;
	log->folder = fcntl(folder, F_DUPFD_CLOEXEC, 3);
	if (log->folder >= 0 && runs >= 0)
		log->runs = fcntl(runs, F_DUPFD_CLOEXEC, 3);
	r = log->folder < 0 || (runs >= 0 && log->runs < 0)
		    ? jl__fail_errno(err, -errno, "cannot open the job's folder")
		    : jl__log_follow_open(log, err);
	if (r == 0) {
		r = jl__log_open_files(log);
		if (r < 0)
			(void)jl__fail_errno(err, r, "cannot open the log");
	}
	if (r < 0) {
		jl_log_close(log);
		return r;
	}
	*ret = log;
	return 0;
}

int jl__log_open(int folder, uint32_t flags, jl_log **ret, jl_error **err)
{
	return open_log(folder, -EBADF, 0, flags, ret, err);
}

int jl__log_open_run(int folder, uint64_t run, uint32_t flags, jl_log **ret,
		     jl_error **err)
{
	_cleanup_close_ int try = -EBADF;

	jl__error_init(err);
	if (run == 0)
		return open_log(folder, folder, run, flags, ret, err);
	try = jl__log_open_folder(folder, run);
	if (try < 0)
		return jl__fail_errno(err, try, "cannot open the folder of the log");
	return open_log(try, folder, run, flags, ret, err);
}

void jl_log_close(jl_log *log)
{
	if (!log)
		return;
	jl__log_follow_close(log);
	(void)jl__close(log->file);
	(void)jl__close(log->index);
	(void)jl__close(log->folder);
	(void)jl__close(log->runs);
	jl__free(log);
}

int jl_log_get_fd(const jl_log *log)
{
	return log->epoll;
}

uint64_t jl_log_get_offset(const jl_log *log)
{
	return log->at;
}

uint64_t jl_log_get_time(const jl_log *log)
{
	return log->flags & JL_LOG_PIECES ? log->usec : 0;
}

int jl_log_get_stream(const jl_log *log)
{
	return log->stream == 1 || log->stream == 2 ? (int)log->stream : 0;
}

void jl_log_seek(jl_log *log, uint64_t offset)
{
	log->at = offset;
	log->placed = false;
}

/* ---- reading ---- */

/* Both streams as they came: the log itself. */
static int64_t read_plain(jl_log *log, void *data, size_t size)
{
	ssize_t got;

	if (log->file < 0)
		return 0;
	do
		got = pread(log->file, data, size, (off_t)log->at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	log->at += (uint64_t)got;
	return got;
}

static int64_t take(jl_log *log, void *data, size_t size)
{
	int r;

	if (log->file < 0 || log->index < 0) {
		r = jl__log_open_files(log);
		if (r < 0)
			return r;
	}
	return jl__log_needs_index(log) ? jl__log_show(log, data, size)
					: read_plain(log, data, size);
}

/* To the end of this try, then on to the next one. */
static int64_t read_run(jl_log *log, void *data, size_t size)
{
	for (;;) {
		bool next = jl__log_has_next(log), last = !next && jl__log_is_last(log);
		int64_t got = take(log, data, size);
		int r;

		if (got)
			return got;
		if (!next) {
			log->over = last;
			return last ? 0 : -EAGAIN;
		}
		r = jl__log_next(log);
		if (r < 0)
			return r;
	}
}

static int64_t read_on(jl_log *log, void *data, size_t size)
{
	int64_t got;

	if (!log->over && !(log->flags & JL_LOG_FOLLOW))
		log->over = jl__log_is_over(log);
	got = take(log, data, size);
	if (got || log->over || !(log->flags & JL_LOG_FOLLOW))
		return got;
	/* In this order: what comes after the look is news, and an end means all is
	 * there. */
	jl__log_drain(log);
	if (log->runs >= 0)
		return read_run(log, data, size);
	log->over = jl__log_is_over(log);
	got = take(log, data, size);
	return got || log->over ? got : -EAGAIN;
}

int64_t jl_log_read(jl_log *log, void *data, size_t size, jl_error **ret_err)
{
	int64_t got;

	jl__error_init(ret_err);
	if (size < READ_MIN)
		return jl__fail(ret_err, -EINVAL,
				"%zu bytes are no room to read into; %d are the least",
				size, READ_MIN);
	got = read_on(log, data, size);
	jl__log_arm(log, got != -EAGAIN);
	/* Nothing yet is no failure: no sentence is made for it. */
	if (got < 0 && got != -EAGAIN)
		return jl__fail_errno(ret_err, (int)got, "cannot read the log");
	return got;
}

/* ---- places to start from ---- */

int jl_log_seek_time(jl_log *log, uint64_t usec, jl_error **ret_err)
{
	struct jl__log_entry entry = { 0 };
	uint64_t number = 0;
	int r;

	jl__error_init(ret_err);
	log->placed = false;
	r = jl__log_open_files(log);
	if (r == 0)
		r = jl__log_index_find_time(log, usec, &number);
	if (r == 0)
		r = jl__log_index_get(log, number, &entry);
	if (r == 1) {
		entry.size = 0;
	} else if (r == 0 && number) {
		/* Nothing as late as that yet: behind what there is. */
		r = jl__log_index_get(log, number - 1, &entry);
	}
	if (r < 0)
		return jl__fail_errno(ret_err, r, "cannot read the index of the log");
	log->at = entry.offset + entry.size;
	return 0;
}
