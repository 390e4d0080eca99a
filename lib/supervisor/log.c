/* SPDX-License-Identifier: MIT */
/*
 * Output of durable jobs: two pipes each, and one process of ours, the pump, that moves
 * what comes out of them into the jobs' logs. It is a process of its own because a write
 * to a disk may wait, and starts and ends of jobs must not wait with it. It has our
 * descriptors and what is in shared memory; who owns a log is in its state. A pump that
 * is killed is replaced, and the next one finishes what the last one had in hand.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <linux/eventpoll.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/wait.h>

#define EVENTS 64
#define PIPE_BYTES (1u << 20)
#define PIPE_FULL 65536 /* what a pipe holds before it is made larger */
#define DEV_NULL 1
#define AT_EMPTY_PATH_ 0x1000

/* Data of one stream within so many µs of the first is one entry of the index. */
#define ENTRY_USEC 10000u
/* A job that writes little and often has coarser entries, or its index outgrows its log.
 */
#define ENTRY_USEC_COARSE 1000000u
#define INDEX_FREE (64u << 10)
#define ENTRY_BYTES_MAX (1u << 30)

/* Index of WATCH_ASKED among the numbers of streams, which are log * 2 + 0 or 1. */
#define ASKED (~(uint64_t)0)

/* ---- what both sides do ---- */

static void ring_put(struct ring *ring, uint32_t item)
{
	uint32_t head = ring->head;

	ring->items[head % MAX_JOBS] = item;
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

static int ring_look(const struct ring *ring, uint32_t *item)
{
	if (ring->tail == __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE))
		return 0;
	*item = ring->items[ring->tail % MAX_JOBS];
	return 1;
}

static void ring_drop(struct ring *ring)
{
	__atomic_store_n(&ring->tail, ring->tail + 1, __ATOMIC_RELEASE);
}

static void ping(int event)
{
	uint64_t one = 1;

	(void)jl__sys_write(event, &one, sizeof(one));
}

static void hush(int event)
{
	uint64_t count;

	(void)jl__sys_read(event, &count, sizeof(count));
}

/* Forgotten before it is closed: were we killed in between, the number may be another's.
 */
static void close_once(int *slot)
{
	int fd = __atomic_exchange_n(slot, -1, __ATOMIC_ACQ_REL);

	if (fd >= 0)
		(void)jl__sys_close(fd);
}

/* ---- the pump: index ---- */

static uint64_t index_bytes(const struct log *log)
{
	return log->entries * sizeof(struct jl__log_entry);
}

static int extends(const struct log *log, const struct jl__log_entry *last,
		   uint32_t stream, uint64_t now)
{
	uint64_t bytes = index_bytes(log);
	uint64_t span = bytes > INDEX_FREE && bytes > log->size / 4 ? ENTRY_USEC_COARSE
								    : ENTRY_USEC;

	return last->stream == stream && last->size < ENTRY_BYTES_MAX &&
	       now >= last->usec && now - last->usec < span;
}

/*
 * The log has grown to a size, by bytes of one stream. The last entry grows in its place,
 * so that readers who want one stream do not wait until it is complete. Doing this twice
 * is as good as once.
 */
static void note(struct log *log, uint32_t stream, uint64_t size)
{
	uint64_t now = clock_usec(0 /* CLOCK_REALTIME */);
	struct jl__log_entry *last = &log->last[(log->entries - 1) % 2];
	int again = log->entries &&
		    (last->offset == log->size || last->offset + last->size > log->size);

	if (size == log->size)
		return;
	if (!log->entries || (!again && !extends(log, last, stream, now))) {
		last = &log->last[log->entries % 2];
		*last = (struct jl__log_entry){ .offset = log->size,
						.stream = stream,
						.usec = now };
		__atomic_store_n(&log->entries, log->entries + 1, __ATOMIC_RELEASE);
	}
	last->size = (uint32_t)(size - last->offset);
	/* Once one is missing, what follows would be taken for somebody else's. */
	if (log->index >= 0 &&
	    jl__sys_pwrite(log->index, last, sizeof(*last),
			   (int64_t)(index_bytes(log) - sizeof(*last))) != sizeof(*last))
		close_once(&log->index);
	__atomic_store_n(&log->size, size, __ATOMIC_RELEASE);
}

/* ---- the pump: log ---- */

/* Returns how much of it is in the log now; less than len only when it cannot be. */
static uint32_t append(struct log *log, const char *data, uint32_t len)
{
	uint32_t done = 0;

	while (done < len) {
		long r = jl__sys_write(log->file, data + done, len - done);

		if (r == -EINTR)
			continue;
		if (r <= 0) {
			log->cut = JL__LOG_FAILED;
			break;
		}
		done += (uint32_t)r;
	}
	return done;
}

static void put_mark(struct log *log, char before)
{
	char text[128], *p = text;

	if (before != '\n')
		p = put_text(p, "\n");
	p = put_text(p, "[joblet: the log is full at ");
	p = put_number(p, log->cap);
	p = put_text(p, " bytes; what follows was dropped]\n");
	note(log, 0, log->size + append(log, text, (uint32_t)(p - text)));
}

/* What the hand holds goes into the log, as far as it may. done: what is there already.
 */
static void store(struct hand *hand, uint32_t done)
{
	struct log *log = &sv.shared->logs[hand->log];
	uint64_t room = log->cap && log->cap - log->size < hand->len
				? log->cap - log->size
				: hand->len;

	/* Single bytes of both streams in turn would make any index large. */
	if (log->cap && index_bytes(log) > log->cap + INDEX_FREE)
		room = 0;
	if (done < room)
		done += append(log, hand->bytes + done, (uint32_t)room - done);
	note(log, hand->stream, log->size + done);
	if (done < hand->len && log->cut == JL__LOG_WHOLE) {
		log->cut = JL__LOG_FULL;
		put_mark(log, done ? hand->bytes[done - 1] : '\n');
	}
	__atomic_store_n(&hand->len, 0, __ATOMIC_RELEASE);
}

/* What a killed pump had read: the log's size tells how far it got. */
static void store_again(struct hand *hand)
{
	const struct log *log = &sv.shared->logs[hand->log];
	long size;

	if (!hand->len)
		return;
	size = jl__sys_lseek(log->file, 0, 2 /* SEEK_END */);
	if (log->cut == JL__LOG_WHOLE && size >= (long)log->size &&
	    size - (long)log->size <= (long)hand->len)
		store(hand, (uint32_t)(size - (long)log->size));
	hand->len = 0;
}

/* ---- the pump: pipes ---- */

static void close_pipe(struct log *log, uint32_t stream)
{
	/* Children of ours that are just being set up have copies: closing is not enough.
	 */
	(void)jl__sys_epoll_ctl(sv.pump_epoll, EPOLL_CTL_DEL, log->fds[stream], NULL);
	close_once(&log->fds[stream]);
}

/* Bytes taken, at most one handful; 0 at its end; -EAGAIN when there are none. */
static long take(uint32_t nr, uint32_t stream)
{
	struct log *log = &sv.shared->logs[nr];
	struct hand *hand = &sv.shared->hand;
	int fd = log->fds[stream];
	long got;

	if (fd < 0)
		return 0;
	if (log->cut != JL__LOG_WHOLE)
		/* The job goes on, and pays for what nobody reads as little as we do. */
		got = jl__sys_splice(fd, NULL, DEV_NULL, NULL, PIPE_BYTES,
				     1 | 2 /* MOVE | NONBLOCK */);
	else
		got = jl__sys_read(fd, hand->bytes, sizeof(hand->bytes));
	if (got == -EINTR)
		got = -EAGAIN;
	if (got <= 0 || log->cut != JL__LOG_WHOLE)
		return got;
	hand->log = nr;
	hand->stream = stream + 1;
	__atomic_store_n(&hand->len, (uint32_t)got, __ATOMIC_RELEASE);
	store(hand, 0);
	/*
	 * Only jobs that fill their pipe get a large one: it takes 10 KB of the kernel
	 * before a byte is in it.
	 */
	if (got >= PIPE_FULL && !(log->grown & 1u << stream)) {
		log->grown |= 1u << stream;
		(void)jl__sys_fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
	}
	return got;
}

static void pipe_ready(uint32_t nr, uint32_t stream)
{
	long got;

	/* A stale event of the job that had this place before finds nothing to read. */
	if (sv.shared->logs[nr].state != LOG_OPEN)
		return;
	got = take(nr, stream);
	if (got != -EAGAIN && got <= 0)
		close_pipe(&sv.shared->logs[nr], stream);
}

/*
 * Everybody in the job is dead. What they wrote is in the pipes; what somebody else
 * writes, who got hold of an end, is not waited for.
 */
static void finish(uint32_t nr)
{
	struct log *log = &sv.shared->logs[nr];

	for (uint32_t stream = 0; stream < 2; stream++) {
		int left = 0;

		if (log->fds[stream] < 0)
			continue;
		(void)jl__sys_ioctl(log->fds[stream], FIONREAD, (long)&left);
		while (left > 0) {
			long got = take(nr, stream);

			if (got <= 0)
				break;
			left -= (int)got;
		}
		close_pipe(log, stream);
	}
	close_once(&log->index);
	close_once(&log->file);
	__atomic_store_n(&log->state, LOG_DONE, __ATOMIC_RELEASE);
	ring_put(&sv.shared->done, nr);
}

static int pump_main(void *unused)
{
	struct epoll_event events[EVENTS];
	uint32_t nr;

	(void)unused;
	(void)jl__sys_prctl(PR_SET_NAME, (long)"joblet-log", 0, 0, 0);
	store_again(&sv.shared->hand);
	for (;;) {
		int any = 0;
		long count =
			jl__sys_epoll_pwait(sv.pump_epoll, events, EVENTS, -1, NULL, 8);

		for (long i = 0; i < count; i++)
			if (events[i].data != ASKED)
				pipe_ready((uint32_t)events[i].data / 2,
					   (uint32_t)events[i].data % 2);
			else
				hush(sv.pump_asked);
		/* After the events, so that none of them is about whoever comes next. */
		while (ring_look(&sv.shared->asked, &nr)) {
			if (sv.shared->logs[nr].state == LOG_ENDING)
				finish(nr);
			ring_drop(&sv.shared->asked);
			any = 1;
		}
		if (any)
			ping(sv.pump_done);
	}
	return 0;
}

/* ---- our side ---- */

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
