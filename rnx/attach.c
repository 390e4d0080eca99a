/* SPDX-License-Identifier: MIT */
/*
 * Staying with a job: its log goes to the standard streams as it grows, signals go to the
 * job, and nothing here ever waits for one of them alone. A reader of our output that is
 * slow does not slow the job down: the log is between them.
 */
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <joblet/node.h>

#include "outlet.h"
#include "output.h"

#define CHUNK_BYTES (64 * 1024)

/* One stream on its way from the log to a descriptor. */
struct stream {
	struct log_reader *log; /* NULL: at its end */
	struct outlet outlet;
	char *data;
	size_t start, end; /* what of data is still to be written */
	bool lost;	   /* cannot be written to, which has been said */
};

struct attached {
	const struct options *opts;
	struct backend *backend;
	const char *id;
	int signals;
	unsigned int interrupts;
	struct stream streams[2];
	size_t stream_count;
	int code; /* our own exit code, when it is not the job's */
};

/* Whether standard output and error are one and the same: then order matters. */
static bool same_file(void)
{
	struct stat out, err;

	return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
	       out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

static int open_streams(struct attached *self, struct fault *fault)
{
	static const uint32_t flags[] = { JL_LOG_STDOUT, JL_LOG_STDERR };

	self->stream_count = same_file() ? 1 : 2;
	for (size_t i = 0; i < self->stream_count; i++) {
		struct log_query query = { .flags = JL_LOG_FOLLOW, .tail = UNKNOWN };
		struct stream *stream = &self->streams[i];
		int r;

		if (self->stream_count == 2)
			query.flags |= flags[i];
		outlet_init(&stream->outlet, i == 0 ? STDOUT_FILENO : STDERR_FILENO);
		stream->data = malloc(CHUNK_BYTES);
		if (!stream->data)
			return fault_set(fault, -ENOMEM, "out of memory");
		r = self->backend->ops->log_open(self->backend, self->id, &query,
						 &stream->log, fault);
		if (r < 0)
			return r;
	}
	return 0;
}

static void close_streams(struct attached *self)
{
	for (size_t i = 0; i < self->stream_count; i++) {
		if (self->streams[i].log)
			self->backend->ops->log_close(self->streams[i].log);
		free(self->streams[i].data);
		self->streams[i] = (struct stream){ 0 };
	}
	self->stream_count = 0;
}

/* A signal for the job; the third interrupt kills it. */
static void forward(struct attached *self)
{
	const struct backend_ops *ops = self->backend->ops;
	struct fault fault;
	int number;

	while ((number = signals_next(self->signals)) > 0) {
		int r;

		if (number == SIGINT && ++self->interrupts >= 3)
			r = ops->job_stop(self->backend, self->id, 0, &fault);
		else
			r = ops->job_signal(self->backend, self->id, number, &fault);
		/* The job has just ended, which is what will be noticed next. */
		if (r < 0 && r != -ESRCH)
			say("a signal could not be passed on to the job: %s", fault.text);
	}
}

/*
 * Nobody reads what the job says any more: it ends, as at the end of a pipe. What cannot
 * be written for another reason is in the log, and the job goes on.
 */
static void output_lost(struct attached *self, struct stream *stream, int code)
{
	struct fault fault;

	if (code == -EPIPE) {
		self->code = 128 + SIGPIPE;
		(void)self->backend->ops->job_stop(self->backend, self->id, JL_FOREVER,
						   &fault);
		return;
	}
	if (self->code == 0)
		self->code = EXIT_FAILED;
	if (!stream->lost)
		say("cannot write to standard %s: %s",
		    stream->outlet.fd == STDOUT_FILENO ? "output" : "error",
		    strerror(-code));
	stream->lost = true;
}

/* Moves what it can without waiting. Returns 1 when it moved something, 0, or <0. */
static int move(struct attached *self, struct stream *stream, struct fault *fault)
{
	int moved = 0;
	int64_t n;

	/* A bounded number of turns, so that signals get theirs. */
	for (int turn = 0; turn < 16; turn++) {
		if (stream->start < stream->end) {
			n = outlet_write(&stream->outlet, stream->data + stream->start,
					 stream->end - stream->start);
			if (n == -EAGAIN)
				return moved;
			if (n < 0) {
				output_lost(self, stream, (int)n);
				n = (int64_t)(stream->end - stream->start);
			}
			stream->start += (size_t)n;
			moved = 1;
			continue;
		}
		if (!stream->log)
			return moved;
		n = self->backend->ops->log_read(stream->log, stream->data, CHUNK_BYTES,
						 fault);
		if (n == -EAGAIN)
			return moved;
		if (n < 0)
			return (int)n;
		moved = 1;
		if (n == 0) {
			self->backend->ops->log_close(stream->log);
			stream->log = NULL;
			return moved;
		}
		stream->start = 0;
		stream->end = (size_t)n;
	}
	return moved;
}

static bool busy(const struct stream *stream)
{
	return stream->log || stream->start < stream->end;
}

/* Adds what a wakeup asks for; returns the sooner of both timeouts. */
static int add_wakeup(struct pollfd *fd, const struct wakeup *wakeup, int timeout)
{
	*fd = (struct pollfd){ .fd = wakeup->fd, .events = wakeup->events };
	if (wakeup->timeout_ms >= 0 && (timeout < 0 || wakeup->timeout_ms < timeout))
		timeout = wakeup->timeout_ms;
	return timeout;
}

/* Waits for whatever comes first, or looks only, and does what the backend has to do. */
static int wait_for_something(struct attached *self, bool look_only, struct fault *fault)
{
	struct pollfd fds[4] = { { .fd = self->signals, .events = POLLIN } };
	const struct backend_ops *ops = self->backend->ops;
	struct wakeup wakeup;
	nfds_t count = 2;
	int timeout, r;

	ops->get_wakeup(self->backend, &wakeup);
	timeout = add_wakeup(&fds[1], &wakeup, -1);
	for (size_t i = 0; i < self->stream_count; i++) {
		struct stream *stream = &self->streams[i];

		if (stream->start < stream->end) {
			fds[count++] = (struct pollfd){ .fd = stream->outlet.fd,
							.events = POLLOUT };
		} else if (stream->log) {
			ops->log_get_wakeup(stream->log, &wakeup);
			timeout = add_wakeup(&fds[count++], &wakeup, timeout);
		}
	}
	r = poll(fds, count, look_only ? 0 : timeout);
	if (r < 0 && errno != EINTR)
		return fault_set(fault, -errno, "cannot wait: %s", strerror(errno));
	if (r <= 0)
		return look_only ? 0 : ops->process(self->backend, fault);
	if (fds[0].revents)
		forward(self);
	return fds[1].revents ? ops->process(self->backend, fault) : 0;
}

static int follow(struct attached *self, struct fault *fault)
{
	for (;;) {
		bool any = false;
		int moved = 0, r;

		for (size_t i = 0; i < self->stream_count; i++) {
			r = move(self, &self->streams[i], fault);
			if (r < 0)
				return r;
			moved |= r;
			any |= busy(&self->streams[i]);
		}
		if (!any)
			return 0;
		r = wait_for_something(self, moved, fault);
		if (r < 0)
			return r;
	}
}

/* What the end of the job comes to. */
static int exit_code(const struct attached *self, const struct job *job)
{
	struct run_end end = {
		.reason = job->reason,
		.memory_limit_bytes = job->memory_bytes,
		.memory_peak_bytes = job->memory_peak_bytes,
		.timeout_usec = job->timeout_usec,
	};

	if (job->state == JL_STATE_CANCELED) {
		say("job canceled before it ran");
		return EXIT_FAILED;
	}
	if (job->failure) {
		say("%s", job->failure);
		return EXIT_FAILED;
	}
	/* Whose output nobody reads does not read why either. */
	if (self->code == 128 + SIGPIPE)
		return self->code;
	run_explain_end(&end);
	if (job->exit_code == UNKNOWN)
		return EXIT_FAILED;
	return job->exit_code == 0 ? self->code : (int)job->exit_code;
}

/*
 * The log has ended. Returns 1 when another attempt of the job has begun, whose log is
 * another one, and 0 when the job is done with.
 */
static int next_attempt(struct attached *self, struct job *job, struct fault *fault)
{
	const struct backend_ops *ops = self->backend->ops;
	uint64_t attempt = job->attempt;
	int r;

	if (ops->job_end) {
		/* Nobody is there for a signal but us, and this may take as long as it
		 * likes: a server whose disk is full cannot note the end. */
		signals_leave(true);
		r = ops->job_end(self->backend, self->id, job, fault);
		signals_leave(false);
		return r;
	}
	for (;;) {
		r = ops->process(self->backend, fault);
		if (r == 0)
			r = ops->job_get(self->backend, self->id, job, fault);
		if (r < 0 || jl_state_is_final(job->state))
			return r;
		if (job->attempt != attempt)
			return 1;
		r = wait_for_something(self, false, fault);
		if (r < 0)
			return r;
	}
}

/* From the first byte of the first attempt to the end of the last one. */
static int stay_with(struct attached *self, struct job *job, struct fault *fault)
{
	int r;

	if (self->backend->ops->job_expect)
		self->backend->ops->job_expect(self->backend, self->id);
	do {
		r = open_streams(self, fault);
		if (r == 0)
			r = follow(self, fault);
		close_streams(self);
		if (r == 0)
			r = next_attempt(self, job, fault);
	} while (r == 1);
	return r;
}

int run_attached(const struct options *opts, struct backend *backend, struct job *job)
{
	struct attached self = { .opts = opts, .backend = backend };
	char id[64];
	struct fault fault;
	int r;

	(void)snprintf(id, sizeof(id), "%s", job->uuid);
	self.id = id;
	self.signals = signals_open();
	if (self.signals < 0) {
		say("cannot watch for signals: %s; the job goes on, see rnx log %s",
		    strerror(-self.signals), id);
		return EXIT_FAILED;
	}
	/* A closed reader is a failed write, not the end of this program. */
	(void)signal(SIGPIPE, SIG_IGN);
	r = stay_with(&self, job, &fault);
	(void)close(self.signals);
	if (r < 0) {
		say("lost touch with the job: %s; it goes on, see rnx status %s",
		    fault.text, id);
		return fault_exit(&fault) == EXIT_UNAVAILABLE ? EXIT_UNAVAILABLE
							      : EXIT_FAILED;
	}
	return exit_code(&self, job);
}
