/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <joblet/node.h>
#include <joblet/sched.h>

#include "backend.h"
#include "json.h"
#include "outlet.h"
#include "output.h"
#include "show.h"

#define CHUNK_BYTES (64 * 1024)
/* Bytes of a character that is not complete. */
#define REST_MAX 3

/* What a stream ended with so far, when that is half a character. */
struct rest {
	char bytes[REST_MAX];
	size_t len;
};

struct reading {
	const struct options *opts;
	struct backend *backend;
	struct log_reader *log;
	struct outlet outlet;
	int signals;
	char *data; /* room for a rest, then a chunk */
	struct rest rests[3];
};

/* --since: a time, or a span back from now. */
static int read_since(const char *text, uint64_t *ret_usec)
{
	uint64_t now = now_usec(), span;
	jl_error *err = NULL;
	char buf[SHOWN_MAX];

	if (jl_time_parse_span(text, &span, NULL) == 0) {
		*ret_usec = span < now ? now - span : 1;
		return EXIT_OK;
	}
	if (jl_time_parse(text, now, ret_usec, &err) == 0) {
		*ret_usec += *ret_usec == 0;
		return EXIT_OK;
	}
	say("--since=%s: %s", shown(buf, text), jl_error_message(err));
	jl_error_free(err);
	return EXIT_USAGE;
}

static int read_query(const struct options *opts, struct log_query *query)
{
	*query = (struct log_query){ .tail = opts->tail };
	if (opts->follow && opts->no_follow) {
		say("--follow and --no-follow exclude each other");
		return EXIT_USAGE;
	}
	if (options_has(opts, FLAG_SINCE) && opts->tail != UNKNOWN) {
		say("--since and --tail exclude each other: either says where to begin");
		return EXIT_USAGE;
	}
	if (!opts->no_follow && (opts->follow || !options_has(opts, FLAG_FOLLOW)))
		query->flags |= JL_LOG_FOLLOW;
	if (opts->only_stdout)
		query->flags |= JL_LOG_STDOUT;
	if (opts->only_stderr)
		query->flags |= JL_LOG_STDERR;
	if (opts->timestamps)
		query->flags |= JL_LOG_TIMESTAMPS;
	if (opts->json)
		query->flags |= JL_LOG_PIECES;
	return opts->since ? read_since(opts->since, &query->since_usec) : EXIT_OK;
}

/* One signalfd for those that end the command, each in a way of its own. */
static bool interrupted(const struct reading *self)
{
	int number;

	while ((number = signals_next(self->signals)) > 0) {
		if (number == SIGINT || number == SIGTERM || number == SIGHUP ||
		    number == SIGQUIT)
			return true;
	}
	return false;
}

/* Waits for more in the log (POLLIN on it), or for room in the output. */
static int wait_for(const struct reading *self, bool room, struct fault *fault)
{
	struct pollfd fds[3] = { { .fd = self->signals, .events = POLLIN } };
	struct wakeup mine, log;
	int timeout, r;

	self->backend->ops->get_wakeup(self->backend, &mine);
	fds[1] = (struct pollfd){ .fd = mine.fd, .events = mine.events };
	timeout = mine.timeout_ms;
	if (room) {
		fds[2] = (struct pollfd){ .fd = self->outlet.fd, .events = POLLOUT };
	} else {
		self->backend->ops->log_get_wakeup(self->log, &log);
		fds[2] = (struct pollfd){ .fd = log.fd, .events = log.events };
		if (log.timeout_ms >= 0 && (timeout < 0 || log.timeout_ms < timeout))
			timeout = log.timeout_ms;
	}
	if (poll(fds, 3, timeout) < 0 && errno != EINTR)
		return fault_set(fault, -errno, "cannot wait: %s", strerror(errno));
	r = self->backend->ops->process(self->backend, fault);
	/* What cannot be written on a full disk is no reason not to read. */
	return r == -ENOSPC ? 0 : r;
}

static int print_piece(const struct reading *self, int number, const char *data,
		       size_t len, struct fault *fault)
{
	static const char *const streams[] = { NULL, "stdout", "stderr" };
	const char *stream = streams[number];
	json_t *object = json_object();

	/* A server that is not ours does not tell. */
	json_put(object, "timestamp",
		 json_time_usec(self->log->usec ? self->log->usec : now_usec()));
	json_put(object, "stream", stream ? json_string(stream) : json_null());
	json_put(object, "data", json_bytes_len(data, len));
	return json_print_line(object) == EXIT_OK ? 0
						  : fault_set(fault, -EPIPE, "no reader");
}

/* A character that two pieces share belongs to the second one. */
static int write_json(struct reading *self, size_t len, struct fault *fault)
{
	int stream = self->log->stream;
	struct rest *rest = &self->rests[stream];
	char *data = self->data + REST_MAX - rest->len;

	memcpy(data, rest->bytes, rest->len);
	len += rest->len;
	rest->len = utf8_unfinished(data, len);
	len -= rest->len;
	memcpy(rest->bytes, data + len, rest->len);
	return len ? print_piece(self, stream, data, len, fault) : 0;
}

/* What never was completed. */
static int write_rests(struct reading *self, struct fault *fault)
{
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++)
		if (self->rests[i].len)
			r = print_piece(self, i, self->rests[i].bytes, self->rests[i].len,
					fault);
	return r;
}

/* Returns 0, 1 when interrupted, or <0 with a fault; -EPIPE without a word. */
static int write_out(struct reading *self, size_t len, struct fault *fault)
{
	size_t done = 0;

	if (self->opts->json)
		return write_json(self, len, fault);
	while (done < len) {
		int64_t n = outlet_write(&self->outlet, self->data + REST_MAX + done,
					 len - done);

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return fault_set(fault, (int)n,
					 "cannot write to standard output: %s",
					 strerror((int)-n));
		if (interrupted(self))
			return 1;
		n = wait_for(self, true, fault);
		if (n < 0)
			return (int)n;
	}
	return 0;
}

/* Returns 0 at the end of the log, 1 when interrupted, or <0 with a fault. */
static int read_on(struct reading *self, struct fault *fault)
{
	for (;;) {
		int64_t n = self->backend->ops->log_read(self->log, self->data + REST_MAX,
							 CHUNK_BYTES, fault);
		int r;

		if (n == 0)
			return write_rests(self, fault);
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		r = n > 0 ? write_out(self, (size_t)n, fault)
			  : wait_for(self, false, fault);
		if (r != 0)
			return r;
		if (interrupted(self))
			return 1;
	}
}

static int read_log(struct reading *self, const char *id, const struct log_query *query)
{
	struct fault fault;
	int r;

	r = self->backend->ops->log_open(self->backend, id, query, &self->log, &fault);
	if (r < 0)
		return say_fault(&fault);
	r = read_on(self, &fault);
	self->backend->ops->log_close(self->log);
	if (r == 1) {
		/* A closing line, for people: the log itself stays as the job wrote it.
		 */
		if (!self->opts->quiet)
			say("stopped following; the job goes on");
		return EXIT_OK;
	}
	/* A reader that has seen enough (head) is none to complain to. */
	if (r == -EPIPE)
		return 128 + SIGPIPE;
	return r < 0 ? say_fault(&fault) : EXIT_OK;
}

int cmd_log(const struct options *opts, char **words)
{
	struct reading self = { .opts = opts };
	struct log_query query;
	struct fault fault;
	int r = read_query(opts, &query);

	if (r != EXIT_OK)
		return r;
	if (backend_open(opts, &self.backend, &fault) < 0)
		return say_fault(&fault);
	outlet_init(&self.outlet, STDOUT_FILENO);
	(void)signal(SIGPIPE, SIG_IGN);
	self.signals = signals_open();
	self.data = malloc(REST_MAX + CHUNK_BYTES);
	if (self.signals < 0 || !self.data) {
		say("cannot watch for signals: %s",
		    strerror(self.data ? -self.signals : ENOMEM));
		r = EXIT_FAILED;
	} else {
		r = read_log(&self, words[0], &query);
	}
	free(self.data);
	if (self.signals >= 0)
		(void)close(self.signals);
	self.backend->ops->close(self.backend);
	return r;
}
