/* SPDX-License-Identifier: MIT */
/*
 * Jobs from their first instruction to the last thing that is left of them. A job is over
 * when PID 1 has been reaped (the kernel has then killed and reaped everybody else
 * inside) and its cgroups are removed; only then is its end reported.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/wait.h>

#define CLD_EXITED_ 1

/* Layout of the kernel, as waitid(2) fills it in. */

struct usage {
	struct __kernel_old_timeval user, system;
	long maxrss;
	long rest[13];
};

struct job *job_new(void)
{
	struct job *job = NULL;

	for (uint32_t i = 0; i < sv.jobs_used && !job; i++)
		if (sv.jobs[i].state == JOB_FREE)
			job = &sv.jobs[i];
	if (!job) {
		if (sv.jobs_used == MAX_JOBS)
			return NULL;
		job = &sv.jobs[sv.jobs_used++];
	}
	__builtin_memset(job, 0, sizeof(*job));
	job->pidfd = job->status = job->events = job->folder = -1;
	kit_init(&job->kit);
	return job;
}

void job_watch(struct job *job, enum watch kind, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events };

	event.data = (uint64_t)kind << 32 | (uint64_t)(job - sv.jobs);
	(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_ADD, fd, &event);
}

/*
 * Closing alone is not enough: a child that is just being set up has copies of all our
 * descriptors, and what is watched would go on reporting, in the name of whoever has the
 * job's place by then.
 */
static void job_unwatch(int *fd)
{
	if (*fd >= 0)
		(void)jl__sys_epoll_ctl(sv.epoll, EPOLL_CTL_DEL, *fd, NULL);
	fd_close(fd);
}

static void job_free(struct job *job)
{
	interests_end(job);
	fd_close(&job->folder);
	job->state = JOB_FREE;
	sv.running--;
	while (sv.jobs_used && sv.jobs[sv.jobs_used - 1].state == JOB_FREE)
		sv.jobs_used--;
}

/* ---- starting ---- */

void jobs_deadline_set(struct job *job, uint64_t deadline)
{
	job->deadline_usec = deadline;
	if (deadline && (!sv.next_deadline_usec || deadline < sv.next_deadline_usec))
		sv.next_deadline_usec = deadline;
}

static struct jl__reply introduction(const struct job *job)
{
	return (struct jl__reply){
		.type = JL__REPLY_STARTED,
		.group = job->kit.group,
		.flags = job->kit.hierarchies,
		.start_usec = job->start_wall_usec,
	};
}

void job_introduce(const struct job *job, uint32_t client, uint32_t number)
{
	struct jl__reply reply = introduction(job);

	reply.job = number;
	client_send(client, &reply, NULL, 0, job->state == JOB_RUNNING ? job->pidfd : -1);
}

static void job_started(struct job *job)
{
	struct jl__reply reply;

	job->state = JOB_RUNNING;
	job->start_wall_usec = sv.shared->starts[job - sv.jobs].wall_usec;
	job->start_mono_usec = sv.shared->starts[job - sv.jobs].mono_usec;
	if (job->timeout_usec && !job->deadline_usec)
		jobs_deadline_set(job, job->start_mono_usec + job->timeout_usec);
	reply = introduction(job);
	record_started(job, &reply);
	job_tell(job, &reply, NULL, 0, job->pidfd);
}

/* End of file: the command runs. A failure record: it never will. */
void job_status_readable(struct job *job)
{
	struct {
		struct jl__failure failure;
		char text[JL__FAILURE_TEXT_MAX];
	} said = { 0 };
	long got = jl__sys_read(job->status, &said, sizeof(said));

	if (got == -EINTR || got == -EAGAIN)
		return;
	job->failure = said.failure;
	__builtin_memcpy(job->failure_text, said.text, sizeof(said.text));
	job_unwatch(&job->status);
	sv.starting--;
	/* Closed by exec, which comes right after the times are noted, or by its death.
	 */
	if (got == 0 && sv.shared->starts[job - sv.jobs].mono_usec)
		job_started(job);
	else if (got < (long)sizeof(job->failure) ||
		 got != (long)(sizeof(job->failure) + job->failure.text_len))
		failed(&job->failure, JL__STEP_DIED, 0, got < 0 ? got : -EIO);
}

/* ---- ending ---- */

void job_kill(struct job *job, uint32_t why)
{
	/* The first reason is the one that counts. */
	if (!job->ended)
		job->ended = why;
	/* Killing PID 1 from outside kills its whole pid namespace, frozen or not. */
	(void)jl__sys_pidfd_send_signal(job->pidfd, SIGKILL, NULL, 0);
}

void job_oom(struct job *job)
{
	uint64_t count;

	/* The kernel also signals when the group is removed; then nobody runs any more.
	 */
	if (jl__sys_read(job->kit.oom, &count, sizeof(count)) != (long)sizeof(count))
		return;
	if (job->state == JOB_STARTING || job->state == JOB_RUNNING)
		job_kill(job, JL__ENDED_OOM);
}

/* Appends what the cgroups know: name NUL, length, bytes. */
static size_t read_stats(const struct job *job, char *out, size_t size)
{
	const char *name = job->stat_names;
	char path[128], *group, *p = out;

	group = put_number(put_text(path, "job-"), job->kit.group);
	group = put_text(group, "/");
	for (uint32_t i = 0; i < job->stat_count; i++, name += text_len(name) + 1) {
		size_t head = text_len(name) + 1 + sizeof(uint32_t);
		size_t left = size - (size_t)(p - out);
		uint32_t len;
		long got;

		if (left < head + 1 || text_len(name) >= 64)
			break;
		put_text(group, name);
		got = file_read(sv.nest[job->stat_hierarchy[i]], path, p + head,
				left - head);
		if (got < 0)
			continue;
		len = (uint32_t)got;
		p = put_text(p, name) + 1;
		__builtin_memcpy(p, &len, sizeof(len));
		p += sizeof(len) + len;
	}
	return (size_t)(p - out);
}

/* What went through its network, as one more of them. */
static size_t read_counters(const struct job *job, char *out, size_t size)
{
	struct jl__wire_counters counters;
	uint32_t len = sizeof(counters);
	char *p;

	if (!job->wire || size < sizeof(JL__COUNTERS_NAME) + sizeof(len) + len ||
	    network_counters(job->wire, &counters) < 0)
		return 0;
	if (counters.rx_packets + counters.tx_packets >= JL__WIRE_MANY_PACKETS)
		job->wire->flows = 1;
	p = put_text(out, JL__COUNTERS_NAME) + 1;
	__builtin_memcpy(p, &len, sizeof(len));
	__builtin_memcpy(p + sizeof(len), &counters, len);
	return (size_t)(p + sizeof(len) + len - out);
}

/* Nobody of it is left to send anything. */
void job_leave_network(struct job *job)
{
	if (!job->wire)
		return;
	network_leave(&job->kit, job->wire);
	pages_put(job->wire, job->wire->size);
	job->wire = NULL;
}

static char stats[JL__REPLY_MAX - sizeof(struct jl__reply)];

/* The buffer is for the next job; what this one used is told later. */
static void keep_stats(struct job *job)
{
	if (job->stats)
		return;
	job->stats = pages_get_own(sizeof(stats));
	if (job->stats)
		__builtin_memcpy(job->stats, stats, job->stats_len);
	else
		job->stats_len = 0;
}

static void report_end(struct job *job)
{
	struct jl__reply reply = {
		.type = JL__REPLY_ENDED,
		.flags = job->ended,
		.code = job->exit_signal ? job->exit_signal : job->exit_code,
		.signal = job->exit_signal != 0,
		.start_usec = job->start_wall_usec,
		.end_usec = job->end_wall_usec,
		.wall_usec = job->end_mono_usec - job->start_mono_usec,
		.cpu_usec = job->cpu_usec,
		.maxrss_bytes = job->maxrss_bytes,
	};

	const char *more = job->stats ? job->stats : stats;
	size_t len = job->stats_len;

	if (job->failure.step) {
		reply.type = JL__REPLY_FAILED;
		reply.failure = job->failure;
		more = job->failure_text;
		len = job->failure.text_len;
	}
	record_result(job, &reply, more, len);
	job_tell(job, &reply, more, len, -1);
}

static void job_over(struct job *job)
{
	if (job->log) {
		job->over = 1;
		keep_stats(job);
		return;
	}
	report_end(job);
	if (job->stats)
		pages_put(job->stats, sizeof(stats));
	kit_discard(&job->kit);
	job_free(job);
}

void job_logged(struct job *job)
{
	job->log = 0;
	job->log_cut = log_cut(job);
	if (job->over)
		job_over(job);
}

/* Its groups are gone; what it left on disk follows, and it does not hold up the others.
 */
static void job_finish(struct job *job)
{
	job_unwatch(&job->events);
	job->pidfd = work_remove(&job->kit, 0);
	if (job->pidfd < 0) {
		job_over(job);
		return;
	}
	keep_stats(job);
	job_watch(job, WATCH_REMOVED, job->pidfd, EPOLLIN);
}

void job_removed(struct job *job)
{
	struct wait_info info = { 0 };

	if (jl__sys_waitid(P_PIDFD, job->pidfd, &info, WEXITED | WNOHANG | __WALL, NULL) <
		    0 ||
	    info.pid == 0)
		return;
	job_unwatch(&job->pidfd);
	job_over(job);
}

/*
 * The last process may still be on its way out of its groups when we have reaped it. The
 * group tells when it is empty; what has been read is kept until then.
 */
static void wait_until_empty(struct job *job)
{
	char path[48];

	put_text(put_number(put_text(path, "job-"), job->kit.group), "/cgroup.events");
	if (sv.hierarchies && sv.list[0].version == 2)
		job->events =
			(int)jl__sys_openat(sv.nest[0], path, O_RDONLY | O_CLOEXEC, 0);
	if (kit_remove_groups(&job->kit) == 0) {
		job_finish(job);
		return;
	}
	keep_stats(job);
	if (job->events >= 0)
		job_watch(job, WATCH_EMPTY, job->events, EPOLLPRI);
	else
		sv.retry = 1; /* cgroup v1 alone has nobody to tell us */
}

void job_empty(struct job *job)
{
	char text[256];

	if (job->events >= 0)
		(void)jl__sys_pread(job->events, text, sizeof(text), 0);
	if (kit_remove_groups(&job->kit) == 0)
		job_finish(job);
	else if (job->events < 0)
		sv.retry = 1;
}

void jobs_retry(void)
{
	sv.retry = 0;
	if (sv.pump_epoll >= 0 && sv.pump < 0)
		pump_died();
	for (uint32_t i = 0; i < sv.jobs_used; i++)
		/* With a pidfd its groups are gone, and its folder is being removed. */
		if (sv.jobs[i].state == JOB_ENDING && sv.jobs[i].events < 0 &&
		    sv.jobs[i].pidfd < 0 && !sv.jobs[i].over)
			job_empty(&sv.jobs[i]);
}

/* 0 when it has not ended after all. */
static int reap(struct job *job)
{
	struct wait_info info = { 0 };
	struct usage usage = { 0 };
	long r;

	do
		r = jl__sys_waitid(P_PIDFD, job->pidfd, &info, WEXITED | WNOHANG | __WALL,
				   &usage);
	while (r == -EINTR);
	if (r < 0 || info.pid == 0)
		return 0;
	job->end_wall_usec = clock_usec(0 /* CLOCK_REALTIME */);
	job->end_mono_usec = clock_usec(1 /* CLOCK_MONOTONIC */);
	if (info.code == CLD_EXITED_)
		job->exit_code = info.status;
	else
		job->exit_signal = info.status;
	if (job->exit_signal == SIGKILL && job->default_signal)
		job->exit_signal = job->default_signal;
	job->cpu_usec = (uint64_t)(usage.user.tv_sec + usage.system.tv_sec) * 1000000 +
			(uint64_t)(usage.user.tv_usec + usage.system.tv_usec);
	job->maxrss_bytes = (uint64_t)usage.maxrss * 1024;
	return 1;
}

void job_exited(struct job *job)
{
	if (!reap(job))
		return;
	/* Start and end may come in one batch, in any order. */
	if (job->status >= 0)
		job_status_readable(job);
	job_unwatch(&job->pidfd);
	job_unwatch(&job->kit.oom);
	job->state = JOB_ENDING;
	/* With PID 1 everybody inside is dead, and has written what it will ever write.
	 */
	log_finish(job);
	job->deadline_usec = 0;
	job->stats_len = 0;
	if (!job->failure.step) {
		job->stats_len = read_stats(job, stats, sizeof(stats));
		job->stats_len += read_counters(job, stats + job->stats_len,
						sizeof(stats) - job->stats_len);
	}
	job_leave_network(job);
	if (kit_remove_groups(&job->kit) == 0)
		job_finish(job);
	else
		wait_until_empty(job);
}

/* ---- signals and time ---- */

/* The name of the process comes first, and is its own to choose: only line starts count.
 */
static uint64_t parse_mask(const char *text, const char *key)
{
	size_t len = text_len(key);
	uint64_t mask = 0;

	while (*text && !text_starts(text, key)) {
		while (*text && *text != '\n')
			text++;
		text += *text == '\n';
	}
	if (!*text)
		return ~(uint64_t)0;
	for (text += len; *text && *text != '\n'; text++) {
		unsigned int digit = (unsigned char)*text;

		if (digit >= '0' && digit <= '9')
			mask = mask << 4 | (digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			mask = mask << 4 | (digit - 'a' + 10);
	}
	return mask;
}

/* Signals whose default action is not to end the process. */
static int harmless(int signal)
{
	return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG ||
	       signal == SIGWINCH || signal == SIGSTOP || signal == SIGTSTP ||
	       signal == SIGTTIN || signal == SIGTTOU;
}

/*
 * In sigwait() the signals waited for count as unblocked, and yet arrive: so it is with
 * --init, and with the small inits people put in front of their programs.
 */
static int is_in_sigwait(const struct job *job)
{
	char path[48], text[256], want[24];

	put_text(put_number(put_text(path, "/proc/"), (uint64_t)job->pid), "/syscall");
	put_text(put_number(want, __NR_rt_sigtimedwait), " ");
	return file_read(AT_FDCWD, path, text, sizeof(text)) > 0 &&
	       bytes_equal(text, want, text_len(want));
}

/*
 * The kernel drops signals to a PID 1 that has not asked for them. Outside a sandbox they
 * would end the process, so they do here: we kill, and report the signal that was meant.
 */
int job_signal(struct job *job, int signal)
{
	static char text[65536]; /* a caller may be in thousands of groups */
	char path[48];
	uint64_t bit = (uint64_t)1 << (signal - 1);

	if (signal != SIGKILL && !harmless(signal)) {
		put_text(put_number(put_text(path, "/proc/"), (uint64_t)job->pid),
			 "/status");
		if (file_read(AT_FDCWD, path, text, sizeof(text)) > 0 &&
		    !(parse_mask(text, "SigCgt:\t") & bit) &&
		    !(parse_mask(text, "SigIgn:\t") & bit) &&
		    !(parse_mask(text, "SigBlk:\t") & bit) && !is_in_sigwait(job)) {
			job->default_signal = signal;
			signal = SIGKILL;
		}
	}
	return (int)jl__sys_pidfd_send_signal(job->pidfd, signal, NULL, 0);
}

void jobs_deadlines(uint64_t now)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < sv.jobs_used; i++) {
		struct job *job = &sv.jobs[i];

		if (job->state != JOB_RUNNING || !job->deadline_usec)
			continue;
		if (job->deadline_usec <= now) {
			job->deadline_usec = 0;
			job_kill(job,
				 job->stopping ? JL__ENDED_STOPPED : JL__ENDED_TIMEOUT);
		} else if (!next || job->deadline_usec < next) {
			next = job->deadline_usec;
		}
	}
	sv.next_deadline_usec = next;
}
