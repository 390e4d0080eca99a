/* SPDX-License-Identifier: MIT */
/* From parts of the log to what a reader gets: streams left out, times put in. */
#include "logs/logs-priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096

static ssize_t read_log(const jl_log *log, void *data, size_t size)
{
	ssize_t got;

	do
		got = pread(log->file, data, size, (off_t)log->at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static size_t put_time(uint64_t usec, char *out, size_t room)
{
	time_t seconds = (time_t)(usec / 1000000);
	char text[64];
	struct tm tm;
	size_t len;

	if (!gmtime_r(&seconds, &tm))
		(void)memset(&tm, 0, sizeof(tm));
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	len += (size_t)snprintf(text + len, sizeof(text) - len, ".%06uZ ",
				(unsigned int)(usec % 1000000));
	/* And one byte of the line at least. */
	if (len >= room)
		return 0;
	memcpy(out, text, len);
	return len;
}

/* Lines with the time of their first byte in front. Returns bytes written, or -errno. */
static int64_t show_lines(jl_log *log, const struct jl__log_part *part, char *out,
			  size_t room)
{
	bool *in_line = &log->in_line[part->stream];
	char block[BLOCK];
	size_t want = sizeof(block), done = 0;
	ssize_t got;

	if (part->end - log->at < want)
		want = (size_t)(part->end - log->at);
	got = read_log(log, block, want);
	if (got <= 0)
		return got;
	for (const char *from = block, *end = block + got; from < end;) {
		const char *line_end;
		size_t len;

		if (!*in_line) {
			len = put_time(part->usec, out + done, room - done);
			if (len == 0)
				break;
			done += len;
			*in_line = true;
		}
		line_end = memchr(from, '\n', (size_t)(end - from));
		len = (size_t)((line_end ? line_end + 1 : end) - from);
		if (len > room - done)
			len = room - done;
		if (len == 0)
			break;
		memcpy(out + done, from, len);
		done += len;
		from += len;
		log->at += len;
		*in_line = from[-1] != '\n';
	}
	return (int64_t)done;
}

static int64_t show_bytes(jl_log *log, const struct jl__log_part *part, char *out,
			  size_t room)
{
	ssize_t got;

	if (part->end - log->at < room)
		room = (size_t)(part->end - log->at);
	got = read_log(log, out, room);
	if (got > 0)
		log->at += (uint64_t)got;
	return got;
}

/* Where a reader that was put somewhere finds itself: which part, and inside a line? */
static int place(jl_log *log)
{
	struct jl__log_part before;
	char last;
	int r;

	log->placed = true;
	memset(log->in_line, 0, sizeof(log->in_line));
	r = jl__log_index_find(log, log->at ? log->at - 1 : 0, &log->entry);
	if (r < 0 || log->at == 0 || log->file < 0)
		return r;
	log->at--;
	r = jl__log_part_here(log, &before);
	if (r == 1 && read_log(log, &last, 1) == 1)
		log->in_line[before.stream] = last != '\n';
	log->at++;
	return r < 0 ? r : 0;
}

int64_t jl__log_show(jl_log *log, char *data, size_t size)
{
	struct jl__log_part part;
	size_t done = 0;
	int64_t got = 0;

	if (!log->placed) {
		got = place(log);
		if (got < 0)
			return got;
	}
	while (done < size) {
		got = jl__log_part_here(log, &part);
		if (got <= 0)
			break;
		if (!jl__log_wants(log, part.stream)) {
			log->at = part.end;
			continue;
		}
		got = log->flags & JL_LOG_TIMESTAMPS
			      ? show_lines(log, &part, data + done, size - done)
			      : show_bytes(log, &part, data + done, size - done);
		if (got <= 0)
			break;
		done += (size_t)got;
		log->stream = part.stream;
		if (log->flags & JL_LOG_PIECES)
			break;
	}
	return done ? (int64_t)done : got;
}
