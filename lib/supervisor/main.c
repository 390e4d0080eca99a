/* SPDX-License-Identifier: MIT */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define CLIENT_FD 3
#define EVENTS 64
#define AT_REMOVEDIR_ 0x200

struct supervisor sv;

int supervisor_main(int argc, char **argv, char **envp);

static void handle(const struct epoll_event *event)
{
	struct job *job = &sv.jobs[(uint32_t)event->data];

	switch ((enum watch)(event->data >> 32)) {
	case WATCH_CLIENT:
		client_event((uint32_t)event->data, event->events);
		break;
	case WATCH_CALLER:
		client_gone(0);
		break;
	case WATCH_LISTEN:
		listen_readable();
		break;
	case WATCH_LOGS:
		logs_done();
		break;
	case WATCH_PUMP:
		pump_died();
		break;
	case WATCH_PID:
		if (job->pidfd >= 0)
			job_exited(job);
		break;
	case WATCH_STATUS:
		if (job->status >= 0)
			job_status_readable(job);
		break;
	case WATCH_OOM:
		if (job->kit.oom >= 0)
			job_oom(job);
		break;
	case WATCH_REMOVED:
		if (job->state == JOB_ENDING)
			job_removed(job);
		break;
	case WATCH_EMPTY:
		if (job->events >= 0)
			job_empty(job);
		break;
	}
}

static int timeout_msec(void)
{
	uint64_t now;

	if (sv.retry)
		return 5;
	if (!sv.next_deadline_usec)
		return -1;
	now = clock_usec(1 /* CLOCK_MONOTONIC */);
	if (sv.next_deadline_usec <= now)
		return 0;
	now = (sv.next_deadline_usec - now + 999) / 1000;
	return now > 1000000 ? 1000000 : (int)now;
}

static void loop(void)
{
	struct epoll_event events[EVENTS];

	while (sv.connected || sv.running) {
		long count = jl__sys_epoll_pwait(sv.epoll, events, EVENTS, timeout_msec(),
						 NULL, 8);

		for (long i = 0; i < count; i++)
			handle(&events[i]);
		if (sv.next_deadline_usec &&
		    sv.next_deadline_usec <= clock_usec(1 /* CLOCK_MONOTONIC */))
			jobs_deadlines(clock_usec(1));
		if (sv.retry)
			jobs_retry();
		client_release();
		stock_refill();
	}
}

/* Nothing of ours stays: kits that nobody used, the nest, the work folder. */
static void leave(void)
{
	listen_close();
	stock_close();
	for (uint32_t i = 0; i < sv.hierarchies; i++) {
		int up = (int)jl__sys_openat(sv.nest[i], "..",
					     O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

		if (up >= 0)
			(void)jl__sys_unlinkat(up, sv.nest_name, AT_REMOVEDIR_);
		fd_close(&up);
		fd_close(&sv.nest[i]);
	}
	if (sv.work >= 0) {
		int up = (int)jl__sys_openat(sv.work, "..",
					     O_PATH | O_DIRECTORY | O_CLOEXEC, 0);

		if (up >= 0)
			(void)jl__sys_unlinkat(up, sv.work_name, AT_REMOVEDIR_);
	}
}

/* Started by our library, and by nobody else: a socket of the right kind waits at fd 3.
 */
static int started_by_library(int argc)
{
	if (argc != 1 || jl__sys_getpid() != 1)
		return 0;
	sv.client = CLIENT_FD;
	(void)jl__sys_fcntl(CLIENT_FD, F_SETFD, 1 /* FD_CLOEXEC */);
	client_add(CLIENT_FD, 1);
	return 1;
}

int supervisor_main(int argc, char **argv, char **envp)
{
	if (argc > 3 && text_equal(argv[0], "joblet-init"))
		return init_main(argv, envp);
	if (supervisor_setup() < 0 || !started_by_library(argc))
		return 126;
	loop();
	leave();
	return 0;
}
