/* SPDX-License-Identifier: MIT */
/*
 * The pump: a process of ours that moves output of durable jobs from their pipes into
 * their logs. It has our descriptors and what is in shared memory; a log is its own while
 * the log's state says so. It may be killed at any instruction: what it has in hand is in
 * shared memory, everything it does can be done twice, and its successor begins with what
 * was not finished.
 */
#include "supervisor/log.h"

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/time_types.h>

#define EVENTS 64
#define PIPE_BYTES (1u << 20)
#define PIPE_FULL 65536 /* what a pipe holds before it is made larger */
#define DEV_NULL 1

/* Data of one stream within so many µs of the first is one entry of the index. */
#define ENTRY_USEC 10000u
/* A job that writes little and often has coarser entries, or its index outgrows its log.
 */
#define ENTRY_USEC_COARSE 1000000u
#define INDEX_FREE (64u << 10)
#define ENTRY_BYTES_MAX (1u << 30)

/*
 * Jobs that write line by line are let write for a moment before we look again: waking us
 * for every line costs them more than the line. Only while they do; the first line after
 * a pause is taken at once.
 */
#define REST_NSEC 200000
#define BUSY_USEC 1000u
#define LITTLE_BYTES (16u << 10)

/* ---- the index ---- */

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

/* ---- the log ---- */

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

/*
 * What a killed pump had in hand. It may have died before the bytes came or after, in the
 * very call that brought them: then what was put in their place is gone. How much of them
 * is in the log, its size tells.
 */
static void store_again(struct hand *hand)
{
	const struct log *log = &sv.shared->logs[hand->log];
	uint32_t begin =
		hand->len < sizeof(hand->blank) ? hand->len : sizeof(hand->blank);
	long size;

	if (hand->len && !bytes_equal(hand->bytes, &hand->blank, begin)) {
		size = jl__sys_lseek(log->file, 0, 2 /* SEEK_END */);
		if (log->cut == JL__LOG_WHOLE && size >= (long)log->size &&
		    size - (long)log->size <= (long)hand->len)
			store(hand, (uint32_t)(size - (long)log->size));
	}
	hand->len = 0;
}

/* So many bytes are in the pipe, and nobody else takes them out. */
static long fill(struct hand *hand, uint32_t nr, uint32_t stream, uint32_t len)
{
	static uint64_t blank;
	long got;

	blank = (blank ^ clock_usec(1 /* CLOCK_MONOTONIC */)) * 0x9e3779b97f4a7c15u;
	hand->log = nr;
	hand->stream = stream + 1;
	hand->blank = blank;
	/* All of it: what is in here was the output of others. */
	__builtin_memset(hand->bytes, 0, len);
	__builtin_memcpy(hand->bytes, &blank, sizeof(blank));
	__atomic_store_n(&hand->len, len, __ATOMIC_RELEASE);
	got = jl__sys_read(sv.shared->logs[nr].fds[stream], hand->bytes, len);
	__atomic_store_n(&hand->len, got > 0 ? (uint32_t)got : 0, __ATOMIC_RELEASE);
	return got == -EINTR ? -EAGAIN : got;
}

/* ---- the pipes ---- */

static void close_pipe(struct log *log, uint32_t stream)
{
	/* Children of ours that are just being set up have copies: closing is not enough.
	 */
	(void)jl__sys_epoll_ctl(sv.pump_epoll, EPOLL_CTL_DEL, log->fds[stream], NULL);
	close_once(&log->fds[stream]);
}

static uint32_t bytes_in(int pipe)
{
	int bytes = 0;

	(void)jl__sys_ioctl(pipe, FIONREAD, (long)&bytes);
	return bytes > 0 ? (uint32_t)bytes : 0;
}

/* Bytes taken, at most one handful; 0 or -errno when there are none. */
static long take(uint32_t nr, uint32_t stream)
{
	struct log *log = &sv.shared->logs[nr];
	struct hand *hand = &sv.shared->hand;
	uint32_t there;
	long got;

	if (log->fds[stream] < 0)
		return 0;
	if (log->cut != JL__LOG_WHOLE)
		/* The job goes on, and pays for what nobody reads as little as we do. */
		return jl__sys_splice(log->fds[stream], NULL, DEV_NULL, NULL, PIPE_BYTES,
				      1 | 2 /* MOVE | NONBLOCK */);
	there = bytes_in(log->fds[stream]);
	if (there == 0)
		return -EAGAIN;
	got = fill(hand, nr, stream,
		   there < sizeof(hand->bytes) ? there : sizeof(hand->bytes));
	if (got <= 0)
		return got;
	store(hand, 0);
	/*
	 * Only jobs that fill their pipe get a large one: it takes 10 KB of the kernel
	 * before a byte is in it.
	 */
	if (there >= PIPE_FULL && !(log->grown & 1u << stream)) {
		log->grown |= 1u << stream;
		(void)jl__sys_fcntl(log->fds[stream], F_SETPIPE_SZ, PIPE_BYTES);
	}
	return got;
}

/* Bytes taken. */
static long pipe_ready(const struct epoll_event *event)
{
	uint32_t nr = (uint32_t)event->data / 2, stream = (uint32_t)event->data % 2;
	long got;

	/* A stale event of the job that had this place before finds nothing to read. */
	if (sv.shared->logs[nr].state != LOG_OPEN)
		return 0;
	got = take(nr, stream);
	if (got > 0)
		return got;
	/* All its writers are gone, and there will be no others. */
	if (event->events & (EPOLLHUP | EPOLLERR))
		close_pipe(&sv.shared->logs[nr], stream);
	return 0;
}

static void rest(long taken)
{
	static uint64_t last;
	struct {
		int fd;
		short events, revents;
	} asked = { sv.pump_asked, 1 /* POLLIN */, 0 };
	struct __kernel_timespec time = { 0, REST_NSEC };
	uint64_t now = clock_usec(1 /* CLOCK_MONOTONIC */);

	if (now - last < BUSY_USEC && taken < LITTLE_BYTES)
		(void)jl__sys_ppoll(&asked, 1, &time, NULL, 0);
	last = clock_usec(1);
}

/*
 * Everybody in the job is dead. What they wrote is in the pipes; what somebody else
 * writes, who got hold of an end, is not waited for.
 */
static void finish(uint32_t nr)
{
	struct log *log = &sv.shared->logs[nr];

	for (uint32_t stream = 0; stream < 2; stream++) {
		long left, got = 1;

		if (log->fds[stream] < 0)
			continue;
		for (left = bytes_in(log->fds[stream]); left > 0 && got > 0; left -= got)
			got = take(nr, stream);
		close_pipe(log, stream);
	}
	close_once(&log->index);
	close_once(&log->file);
	__atomic_store_n(&log->state, LOG_DONE, __ATOMIC_RELEASE);
	ring_put(&sv.shared->done, nr);
}

int pump_main(void *unused)
{
	struct epoll_event events[EVENTS];
	uint32_t nr;

	(void)unused;
	(void)jl__sys_prctl(PR_SET_NAME, (long)"joblet-log", 0, 0, 0);
	store_again(&sv.shared->hand);
	for (;;) {
		int any = 0;
		long taken = 0;
		long count =
			jl__sys_epoll_pwait(sv.pump_epoll, events, EVENTS, -1, NULL, 8);

		for (long i = 0; i < count; i++)
			if (events[i].data != ASKED)
				taken += pipe_ready(&events[i]);
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
		else if (taken)
			rest(taken);
	}
	return 0;
}
