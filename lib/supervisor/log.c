/* SPDX-License-Identifier: MIT */
/*
 * Output of durable jobs, our side: two pipes each, a log and its index in the job's
 * folder. Moving what comes out of the pipes is the work of a process of its own, the
 * pump, because a write to a disk may wait, and starts and ends of jobs must not wait
 * with it. A pump that is killed is replaced.
 */
#include "supervisor/log.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/wait.h>

#define AT_EMPTY_PATH_ 0x1000

static int start_pump(void)
{
	struct epoll_event event = { EPOLLIN, (uint64_t)WATCH_PUMP << 32 };
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uintptr_t)&sv.pump,
		.exit_signal = SIGCHLD,
	};
	long r = jl__sys_clone3_call(&args, sizeof(args), pump_main, NULL);

	if (r < 0) {
		sv.pump = -1;
		return (int)r;
	}
	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_ADD, sv.pump, &event);
	return 0;
}

static int open_pump(void)
{
	struct epoll_event asked = { EPOLLIN, ASKED };
	struct epoll_event done = { EPOLLIN, (uint64_t)WATCH_LOGS << 32 };

	if (sv.pump_epoll < 0) {
		sv.pump_epoll = (int)jl__sys_epoll_create1(02000000 /* EPOLL_CLOEXEC */);
		sv.pump_asked = (int)jl__sys_eventfd2(0, 02000000 | 04000);
		sv.pump_done = (int)jl__sys_eventfd2(0, 02000000 | 04000);
		if (sv.pump_epoll < 0 || sv.pump_asked < 0 || sv.pump_done < 0 ||
		    jl__sys_epoll_ctl(sv.pump_epoll, EPOLL_CTL_ADD, sv.pump_asked,
				      &asked) < 0 ||
		    jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_ADD, sv.pump_done, &done) < 0) {
			fd_close(&sv.pump_epoll);
			fd_close(&sv.pump_asked);
			fd_close(&sv.pump_done);
			return -EMFILE;
		}
	}
	return sv.pump < 0 ? start_pump() : 0;
}

void pump_died(void)
{
	struct wait_info info = { 0 };

	if (sv.pump >= 0) {
		if (jl__sys_waitid(P_PIDFD, sv.pump, &info, WEXITED | WNOHANG | __WALL,
				   NULL) < 0 ||
		    info.pid == 0)
			return;
		(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_DEL, sv.pump, NULL);
		fd_close(&sv.pump);
	}
	if (start_pump() < 0)
		sv.retry = 1;
	else
		ping(sv.pump_asked);
}

static struct log *log_of(const struct job *job)
{
	return &sv.shared->logs[job - sv.jobs];
}

static int open_pipe(struct log *log, uint32_t i, const struct job *job,
		     const struct jl__plan *plan, int *ret)
{
	int pipe[2];
	long r = jl__sys_pipe2(pipe, O_CLOEXEC);

	if (r < 0)
		return (int)r;
	log->fds[i] = pipe[0];
	*ret = pipe[1];
	r = jl__sys_fcntl(pipe[0], F_SETFL, O_NONBLOCK);
	/* So that the job can open /dev/stdout, as it could a terminal. */
	if (r >= 0 && sv.privileged)
		r = jl__sys_fchownat(pipe[1], "", job->kit.base + plan->uid,
				     job->kit.base + plan->gid, AT_EMPTY_PATH_);
	return r < 0 ? (int)r : 0;
}

int log_open(struct job *job, const struct jl__plan *plan, int *streams,
	     struct jl__failure *failure)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	struct log *log = log_of(job);
	int r = open_pump();

	if (r < 0)
		return failed(failure, JL__STEP_LOG, 0, r);
	*log = (struct log){
		.state = LOG_OPEN,
		.fds = { -1, -1 },
		.cap = plan->log_bytes,
	};
	job->log = 1;
	/* Not truncated: should the job have been started already, it is not ours. */
	log->file = (int)jl__sys_openat(job->folder, "log", flags | O_APPEND, 0600);
	log->index = (int)jl__sys_openat(job->folder, "log.index", flags, 0600);
	if (log->file < 0 || log->index < 0)
		return failed(failure, JL__STEP_LOG, log->file < 0 ? 2 : 3,
			      log->file < 0 ? log->file : log->index);
	for (uint32_t i = 0; i < 2; i++) {
		r = open_pipe(log, i, job, plan, &streams[i + 1]);
		if (r < 0)
			return failed(failure, JL__STEP_LOG, 1, r);
	}
	return 0;
}

void log_watch(const struct job *job)
{
	const struct log *log = log_of(job);

	for (uint32_t i = 0; i < 2; i++) {
		struct epoll_event event = { EPOLLIN, (uint64_t)(job - sv.jobs) * 2 + i };

		(void)jl__sys_epoll_ctl(sv.pump_epoll, EPOLL_CTL_ADD, log->fds[i],
					&event);
	}
}

void log_discard(struct job *job)
{
	struct log *log = log_of(job);

	if (!job->log)
		return;
	job->log = 0;
	close_once(&log->fds[0]);
	close_once(&log->fds[1]);
	close_once(&log->file);
	close_once(&log->index);
	log->state = LOG_FREE;
}

void log_finish(const struct job *job)
{
	if (!job->log)
		return;
	__atomic_store_n(&log_of(job)->state, LOG_ENDING, __ATOMIC_RELEASE);
	ring_put(&sv.shared->asked, (uint32_t)(job - sv.jobs));
	ping(sv.pump_asked);
}

uint32_t log_cut(const struct job *job)
{
	return log_of(job)->cut;
}

void logs_done(void)
{
	uint32_t nr;

	hush(sv.pump_done);
	while (ring_look(&sv.shared->done, &nr)) {
		struct log *log = &sv.shared->logs[nr];

		ring_drop(&sv.shared->done);
		if (__atomic_load_n(&log->state, __ATOMIC_ACQUIRE) != LOG_DONE)
			continue;
		log->state = LOG_FREE;
		job_logged(&sv.jobs[nr]);
	}
}
