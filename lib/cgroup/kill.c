/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cgroup/cgroup-priv.h"
#include "sys/sys.h"

#define MAX_DEPTH 64
#define BATCH 256

static int64_t now_msec(void)
{
	struct timespec now = { 0 };

	(void)jl__sys_clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for one descriptor until the deadline; 0 when the time is over. */
static int wait_fd(int fd, short events, int64_t deadline)
{
	struct pollfd slot = { .fd = fd, .events = events };
	struct timespec time;
	int64_t left;
	long n;

	do {
		left = deadline - now_msec();
		if (left < 0)
			left = 0;
		time.tv_sec = left / 1000;
		time.tv_nsec = left % 1000 * 1000000;
		n = jl__sys_ppoll(&slot, 1, &time, NULL, 8);
	} while (n == -EINTR);
	return (int)n;
}

static bool has_line(const char *text, const char *line)
{
	struct jl__span rest = { text, strlen(text) }, part;

	while (jl__span_next(&rest, '\n', &part))
		if (jl__span_is(part, line))
			return true;
	return false;
}

int jl__cg_wait_event(int dir, const char *event)
{
	_cleanup_close_ int fd = -EBADF;
	int64_t deadline = now_msec() + JL__CG_WAIT_MSEC;
	char text[256];
	long n;
	int r;

	fd = (int)jl__sys_openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd == -ENODEV ? -ENOENT : fd;
	for (;;) {
		/* The read also arms the notification: what changes later wakes the poll.
		 */
		n = jl__sys_pread(fd, text, sizeof(text) - 1, 0);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n == -ENODEV ? -ENOENT : (int)n;
		text[n] = '\0';
		if (has_line(text, event))
			return 0;
		r = wait_fd(fd, POLLPRI, deadline);
		if (r <= 0)
			return r < 0 ? r : -EBUSY;
	}
}

/* Processes that were signalled and are waited for. */
struct batch {
	uint32_t count;
	int fds[BATCH];
	int depth;
};

static void batch_done(struct batch *batch)
{
	for (uint32_t i = 0; i < batch->count; i++)
		(void)jl__close(batch->fds[i]);
	batch->count = 0;
}

/* Opens the processes of one group. Returns how many, or -errno. */
static int open_members(const char *text, struct batch *batch, uint32_t *pids)
{
	struct jl__span rest = { text, strlen(text) }, part;
	uint32_t first = batch->count;
	char digits[16];
	long fd;

	while (batch->count < BATCH && jl__span_next(&rest, '\n', &part)) {
		if (part.len >= sizeof(digits))
			continue;
		memcpy(digits, part.text, part.len);
		digits[part.len] = '\0';
		if (jl__parse_u32(digits, 0, INT32_MAX, &pids[batch->count]) < 0)
			continue;
		/* A process of a PID namespace we do not see has no number for us. */
		if (pids[batch->count] == 0)
			return -EPERM;
		fd = jl__sys_pidfd_open((int)pids[batch->count], 0);
		if (fd == -ESRCH)
			continue;
		if (fd < 0)
			/* Short of descriptors: those we have first, the rest next time.
			 */
			return batch->count > first ? (int)(batch->count - first)
						    : (int)fd;
		batch->fds[batch->count++] = (int)fd;
	}
	return (int)(batch->count - first);
}

static int signal_members(int dir, struct batch *batch)
{
	char text[JL__CG_TEXT_MAX];
	uint32_t pids[BATCH], first = batch->count;
	char digits[16];
	long r;

	r = jl__cg_read(dir, "cgroup.procs", text, sizeof(text));
	if (r > 0)
		r = open_members(text, batch, pids);
	if (r > 0)
		/*
		 * A number may have been handed on before it was opened. Who is listed
		 * now and has this number is who we hold.
		 */
		r = jl__cg_read(dir, "cgroup.procs", text, sizeof(text));
	if (r < 0)
		return (int)r;
	for (uint32_t i = first; i < batch->count; i++) {
		(void)snprintf(digits, sizeof(digits), "%u", pids[i]);
		if (!has_line(text, digits))
			continue;
		r = jl__sys_pidfd_send_signal(batch->fds[i], SIGKILL, NULL, 0);
		if (r < 0 && r != -ESRCH)
			return (int)r;
	}
	return 0;
}

static int signal_folder(int dir, const char *name, void *data)
{
	_cleanup_close_ int fd = -EBADF;
	struct batch *batch = data;
	int r;

	if (batch->count == BATCH)
		return 0;
	if (batch->depth == MAX_DEPTH)
		return -ELOOP;
	fd = jl__cg_open_folder(dir, name);
	/* Removed meanwhile: nobody was in it. */
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	r = signal_members(fd, batch);
	if (r < 0)
		return r;
	batch->depth++;
	r = jl__cg_each_folder(fd, signal_folder, batch);
	batch->depth--;
	return r;
}

int jl__cg_freeze_v1(int freezer, bool frozen)
{
	int64_t deadline = now_msec() + JL__CG_WAIT_MSEC;
	char state[32];
	int r;

	r = jl__cg_write(freezer, "freezer.state", frozen ? "FROZEN" : "THAWED");
	if (r < 0)
		return r;
	for (;;) {
		r = jl__cg_read(freezer, "freezer.state", state, sizeof(state));
		if (r < 0)
			return r;
		if (strcmp(state, frozen ? "FROZEN" : "THAWED") == 0)
			return 0;
		if (now_msec() > deadline)
			return -EBUSY;
		/* v1 tells nobody when it is done; reading the state is what moves it on.
		 */
		(void)wait_fd(-EBADF, 0, now_msec() + 1);
	}
}

int jl__cg_kill_v1(int dir, int freezer)
{
	int64_t deadline = now_msec() + JL__CG_WAIT_MSEC;
	struct batch batch = { 0 };
	uint32_t signalled;
	int r;

	do {
		/*
		 * Frozen processes cannot fork ahead of the signals. Where one does not
		 * freeze the signals may still get it.
		 */
		if (freezer >= 0)
			(void)jl__cg_freeze_v1(freezer, true);
		r = signal_folder(dir, ".", &batch);
		if (freezer >= 0)
			(void)jl__cg_write(freezer, "freezer.state", "THAWED");
		signalled = batch.count;
		for (uint32_t i = 0; i < signalled && r >= 0; i++) {
			r = wait_fd(batch.fds[i], POLLIN, deadline);
			if (r == 0)
				r = -EBUSY;
		}
		batch_done(&batch);
		if (r >= 0 && signalled && now_msec() > deadline)
			r = -EBUSY;
	} while (r >= 0 && signalled);
	return r < 0 ? r : 0;
}

int jl__cg_kill_v2(int dir)
{
	int r = jl__cg_write(dir, "cgroup.kill", "1");

	if (r == -ENOENT && jl__cg_exists(dir, "cgroup.procs"))
		return jl__cg_kill_v1(dir, -EBADF);
	return r < 0 ? r : jl__cg_wait_event(dir, "populated 0");
}

struct removal {
	int depth;
};

static int remove_one(int dir, const char *name, void *data)
{
	const struct removal *removal = data;
	int r = jl__cg_remove_below(dir, name, removal->depth);

	/* The rest is removed all the same; rmdir of the parent tells in the end. */
	return r == -EBUSY ? 0 : r;
}

int jl__cg_remove_below(int base, const char *name, int depth)
{
	_cleanup_close_ int fd = -EBADF;
	struct removal removal = { depth + 1 };
	int r = (int)jl__sys_unlinkat(base, name, AT_REMOVEDIR);

	if (r == 0 || r == -ENOENT)
		return 0;
	if ((r != -EBUSY && r != -ENOTEMPTY) || depth == MAX_DEPTH)
		return r;
	fd = jl__cg_open_folder(base, name);
	if (fd >= 0)
		(void)jl__cg_each_folder(fd, remove_one, &removal);
	r = (int)jl__sys_unlinkat(base, name, AT_REMOVEDIR);
	if (r == -ENOTEMPTY)
		return -EBUSY;
	return r == -ENOENT ? 0 : r;
}
