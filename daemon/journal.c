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

struct journal {
	int level;
	bool json, priorities;
	int log_fd, audit_fd; /* -1: standard output or error; no audit */
	bool to_stderr;
};

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
	close_both(*journal);
	**journal = fresh;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	close_both(journal);
	free(journal);
}

static void write_line(int fd, const char *line, size_t len)
{
	/* One write(2) a line: lines of several processes do not mix. */
	while (write(fd, line, len) < 0 && errno == EINTR)
		;
}

static void put_log(const struct journal *j, int level, const char *text)
{
	char time[TIME_TEXT_MAX], line[2 * SENTENCE_MAX];
	int fd = !j || j->to_stderr ? STDERR_FILENO : STDOUT_FILENO, n;

	if (j && j->log_fd >= 0)
		fd = j->log_fd;
	(void)time_text(time, now_usec());
	if (j && j->json) {
		json_t *object = json_pack("{s:s,s:s,s:s}", "time", time, "level",
					   level_names[level], "message", text);
		char *json = object ? json_dumps(object, JSON_COMPACT) : NULL;

		n = snprintf(line, sizeof(line), "%s\n", json ? json : "{}");
		free(json);
		json_decref(object);
	} else if (j && j->priorities) {
		n = snprintf(line, sizeof(line), "<%d>%s\n", priorities[level], text);
	} else {
		n = snprintf(line, sizeof(line), "%s %s: %s\n", time, level_names[level],
			     text);
	}
	if (n > 0)
		write_line(fd, line,
			   (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void journal_log(struct journal *journal, int level, const char *format, ...)
{
	char text[SENTENCE_MAX];
	va_list args;

	if (level < 0 || level > JL_LOG_DEBUG ||
	    level > (journal ? journal->level : JL_LOG_INFO))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	}
	put_log(journal, level, text);
}

void journal_audit(struct journal *journal, const struct audit_line *line)
{
	json_t *object;
	char *text = NULL;
	char when[40];
	uint64_t now = now_usec();
	ssize_t n;

	if (!journal || journal->audit_fd < 0)
		return;
	(void)time_text(when, now);
	/* µs: lines have an order that shows. */
	(void)snprintf(when + 19, sizeof(when) - 19, ".%06uZ",
		       (unsigned int)(now % 1000000));
	object = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "time", when,
			   "user", line->user, "role", line->role, "peer", line->peer,
			   "serial", line->serial, "call", line->call, "target",
			   line->target, "detail", line->detail, "result", line->result,
			   "reason", line->reason);
	if (object)
		text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(object);
	if (text) {
		size_t len = strlen(text);

		text[len] = '\n'; /* over the NUL: the length is known */
		n = write(journal->audit_fd, text, len + 1);
		text[len] = 0;
		if (n != (ssize_t)len + 1)
			journal_log(journal, JL_LOG_ERROR,
				    "cannot write the audit log: %s; the line was %s",
				    n < 0 ? strerror(errno) : "the disk is full", text);
	} else {
		journal_log(journal, JL_LOG_ERROR,
			    "a call could not be written to the audit log: %s by %s",
			    line->call, line->user);
	}
	free(text);
}
