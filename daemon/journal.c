/* SPDX-License-Identifier: MIT */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "arena.h"
#include "rpc/text.h"

struct journal {
	int level;
	bool json, priorities;
	int log_fd, audit_fd; /* -1: standard output or error; no audit */
	bool to_stderr;
	bool torn;		/* the last line of the audit lacks its end */
	uint64_t failures_usec; /* calls that failed are paid for up to then */
	uint64_t left_out;	/* of them, since the last line */
};

/* Bytes of one text in the audit. */
#define AUDIT_TEXT_MAX 1024
/* Calls that failed: so many at once, and one each 50 ms. */
#define FAILURES_BURST 200
#define FAILURE_USEC 50000

static const char *const level_names[] = { "error", "warning", "info", "debug" };
/* As syslog numbers them; the journal of systemd takes "<N>" off a line. */
static const int priorities[] = { 3, 4, 6, 7 };

static int level_by_name(const char *name)
{
	if (strcmp(name, "warn") == 0)
		return JL_LOG_WARNING;
	for (int i = 0; i < 4; i++) {
		if (strcmp(level_names[i], name) == 0)
			return i;
	}
	return JL_LOG_INFO;
}

/* One write(2) a line, so that lines of several processes do not mix. Bytes or -errno. */
static ssize_t write_line(int fd, const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(fd, line, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* A value as a line; NULL: no memory. Takes over the value, released with free(). */
static char *json_line(json_t *object, size_t flags, size_t *ret_len)
{
	char *text = object ? json_dumps(object, JSON_COMPACT | flags) : NULL;

	json_decref(object);
	*ret_len = text ? strlen(text) : 0;
	if (text)
		text[(*ret_len)++] = '\n'; /* over the NUL: the length is known */
	return text;
}

/* text is showable: UTF-8 without control characters. */
static void put_log(const struct journal *j, int level, const char *text)
{
	char time[TIME_TEXT_MAX], line[SENTENCE_MAX + 64], *json = NULL;
	int fd = !j || j->to_stderr ? STDERR_FILENO : STDOUT_FILENO;
	size_t len;

	if (j && j->log_fd >= 0)
		fd = j->log_fd;
	(void)time_text(time, now_usec());
	if (j && j->json)
		json = json_line(json_pack("{s:s,s:s,s:s}", "time", time, "level",
					   level_names[level], "message", text),
				 0, &len);
	else if (j && j->priorities)
		len = (size_t)snprintf(line, sizeof(line), "<%d>%s\n", priorities[level],
				       text);
	else
		len = (size_t)snprintf(line, sizeof(line), "%s %s: %s\n", time,
				       level_names[level], text);
	if (json || !j || !j->json)
		(void)write_line(fd, json ? json : line, len);
	free(json);
}

void journal_log(struct journal *journal, int level, const char *format, ...)
{
	char text[SENTENCE_MAX], shown[JL__RPC_TEXT_MAX];
	va_list args;

	if (level < 0 || level > JL_LOG_DEBUG ||
	    level > (journal ? journal->level : JL_LOG_INFO))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	jl__rpc_showable(shown, text, strlen(text));
	put_log(journal, level, shown);
}

/* ---- audit ---- */

static json_t *audit_object(const struct audit_line *line)
{
	const struct {
		const char *key, *text;
	} fields[] = {
		{ "user", line->user },	    { "role", line->role },
		{ "peer", line->peer },	    { "serial", line->serial },
		{ "call", line->call },	    { "target", line->target },
		{ "detail", line->detail }, { "result", line->result },
		{ "reason", line->reason },
	};
	struct arena arena = { 0 };
	uint64_t now = now_usec();
	json_t *object = json_object();
	char when[TIME_TEXT_MAX + 16];

	(void)time_text(when, now);
	/* µs: lines have an order that shows. */
	(void)snprintf(when + 19, sizeof(when) - 19, ".%06uZ",
		       (unsigned int)(now % 1000000));
	(void)json_object_set_new(object, "time", json_string(when));
	/* Much of it comes from strangers: made UTF-8, and no longer than it has to be.
	 */
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		(void)json_object_set_new(
			object, fields[i].key,
			json_string(
				arena_text_max(&arena, fields[i].text, AUDIT_TEXT_MAX)));
	arena_done(&arena);
	return object;
}

static void put_audit(struct journal *journal, const struct audit_line *line)
{
	size_t len;
	char *text = json_line(audit_object(line), JSON_ENSURE_ASCII, &len);
	ssize_t n;

	if (!text) {
		journal_log(journal, JL_LOG_ERROR,
			    "a call could not be written to the audit log: %s by %s",
			    line->call, line->user);
		return;
	}
	/* What was cut off by a full disk must not take the next line with it. */
	if (journal->torn && write_line(journal->audit_fd, "\n", 1) == 1)
		journal->torn = false;
	n = write_line(journal->audit_fd, text, len);
	if (n > 0 && n < (ssize_t)len)
		journal->torn = true;
	if (n != (ssize_t)len)
		journal_log(journal, JL_LOG_ERROR,
			    "cannot write the audit log: %s; the line was %.*s",
			    n < 0 ? strerror((int)-n) : "the disk is full", (int)len - 1,
			    text);
	free(text);
}

/* Whether one more failure may be written down: whoever can call could fill the disk. */
static bool may_fail(struct journal *journal)
{
	uint64_t now = monotonic_usec();
	uint64_t next = journal->failures_usec > now ? journal->failures_usec : now;

	if (next - now > FAILURES_BURST * FAILURE_USEC)
		return false;
	journal->failures_usec = next + FAILURE_USEC;
	return true;
}

static void tell_left_out(struct journal *journal)
{
	char reason[64];
	const struct audit_line line = { "", "", "", "", "", "", "", "", reason };

	if (!journal->left_out)
		return;
	(void)snprintf(reason, sizeof(reason), "%llu calls that failed are left out here",
		       (unsigned long long)journal->left_out);
	journal->left_out = 0;
	put_audit(journal, &line);
}

void journal_audit(struct journal *journal, const struct audit_line *line)
{
	if (!journal || journal->audit_fd < 0)
		return;
	if (strcmp(line->result, "OK") != 0 && !may_fail(journal)) {
		journal->left_out++;
		return;
	}
	tell_left_out(journal);
	put_audit(journal, line);
}

/* ---- opening and closing ---- */

static int open_append(const char *path, const char *what, struct sentence *why)
{
	int fd = open(path,
		      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
		      0600);

	if (fd < 0)
		return fail(why, -errno, "cannot open the %s %s: %s", what, path,
			    strerror(errno));
	return fd;
}

static void close_both(const struct journal *journal)
{
	if (journal->log_fd >= 0)
		(void)close(journal->log_fd);
	if (journal->audit_fd >= 0)
		(void)close(journal->audit_fd);
}

int journal_open(struct journal **journal, const struct jl__server_config *config,
		 const char *audit_path, struct sentence *why)
{
	struct journal fresh = { .level = level_by_name(config->log_level),
				 .json = strcmp(config->log_format, "json") == 0,
				 .log_fd = -1,
				 .audit_fd = -1 };
	bool is_file = strcmp(config->log_output, "stdout") != 0 &&
		       strcmp(config->log_output, "stderr") != 0 && *config->log_output;
	const char *stream = getenv("JOURNAL_STREAM");

	fresh.to_stderr = strcmp(config->log_output, "stderr") == 0;
	fresh.priorities = !is_file && !fresh.json && stream && *stream;
	if (is_file) {
		fresh.log_fd = open_append(config->log_output, "log file", why);
		if (fresh.log_fd < 0)
			return fresh.log_fd;
	}
	if (audit_path) {
		fresh.audit_fd = open_append(audit_path, "audit log", why);
		if (fresh.audit_fd < 0) {
			int r = fresh.audit_fd;

			close_both(&fresh);
			return r;
		}
	}
	if (!*journal) {
		*journal = calloc(1, sizeof(**journal));
		if (*journal)
			(*journal)->log_fd = (*journal)->audit_fd = -1;
	}
	if (!*journal) {
		close_both(&fresh);
		return fail(why, -ENOMEM, "out of memory");
	}
	tell_left_out(*journal);
	close_both(*journal);
	**journal = fresh;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	tell_left_out(journal);
	close_both(journal);
	free(journal);
}
