/* SPDX-License-Identifier: MIT */
/* What the parts of the reader share. Private to logs/. */
#ifndef JL_LOGS_LOGS_PRIV_H
#define JL_LOGS_LOGS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "logs/logs.h"
#include "plan/plan.h"

#define JL__LOG_CACHE 32
/* Stream of bytes behind the last entry: shown to everybody, for nothing may be lost. */
#define JL__LOG_NOBODY 3u

/* A piece of the log that is of one stream. */
struct jl__log_part {
	uint64_t offset;
	uint64_t end;
	uint64_t usec;
	uint32_t stream; /* 0 to 2, or JL__LOG_NOBODY */
};

enum jl__log_watch { JL__WATCH_RUNS, JL__WATCH_FOLDER, JL__WATCH_FILE, JL__WATCHES };

struct jl_log {
	uint32_t flags;
	int folder;
	int file;  /* -EBADF: not there yet */
	int index; /* the same */
	int inotify;
	int watches[JL__WATCHES]; /* -1: none */
	int event; /* readable while a read may bring something */
	int epoll;
	bool armed;
	bool over;	 /* nothing is written any more */
	int runs;	 /* folder of the job, when there may be more tries; or -EBADF */
	uint64_t run;	 /* the try that is read */
	uint64_t at;	 /* the next byte to be looked at */
	uint64_t entry;	 /* number of the entry it is in, or will be */
	bool placed;	 /* entry and lines are right for this byte */
	bool in_line[4]; /* by stream: the last byte shown was not a line end */
	uint64_t usec;	 /* of the last part */
	uint32_t stream; /* of what was read last, with JL_LOG_PIECES */
	uint64_t cached; /* number of the first entry in the cache */
	uint32_t cache_len;
	struct jl__log_entry cache[JL__LOG_CACHE];
};

/* index.c: everything is -errno when reading fails */
/* Whole entries there are. */
int jl__log_index_count(const jl_log *log, uint64_t *ret);
/* One of them; 0 when there is none, or what is there cannot be one. */
int jl__log_index_get(jl_log *log, uint64_t number, struct jl__log_entry *ret);
/* The first one that ends behind a byte, or the count. */
int jl__log_index_find(jl_log *log, uint64_t offset, uint64_t *ret);
/* The first one of this time or later, or the count. */
int jl__log_index_find_time(jl_log *log, uint64_t usec, uint64_t *ret);
/* The part that the reader is in; 0 when there is none (yet). */
int jl__log_part_here(jl_log *log, struct jl__log_part *ret);
/* Whether it is read part by part: streams or times matter (follow.c). */
bool jl__log_needs_index(const jl_log *log);
/* Whether the reader shows this stream. */
bool jl__log_wants(const jl_log *log, uint32_t stream);
/* Bytes in the log; 0 when it is not there yet. */
int jl__log_size(const jl_log *log, uint64_t *ret);

/* show.c: fills data with what there is, part by part; 0 when there is nothing. */
int64_t jl__log_show(jl_log *log, char *data, size_t size);

/* follow.c */
int jl__log_follow_open(jl_log *log, jl_error **err);
void jl__log_follow_close(jl_log *log);
/* The files, as soon as they are there. */
int jl__log_open_files(jl_log *log);
void jl__log_arm(jl_log *log, bool on);
/* Takes the news that have come; what comes from here on makes the descriptor readable.
 */
void jl__log_drain(jl_log *log);
bool jl__log_is_over(const jl_log *log);
/* Folder of a try below that of the job. */
int jl__log_open_folder(int runs, uint64_t run);
/* With more tries: whether there is a next one, whether this was the last one; and going
 * on to the next. */
bool jl__log_has_next(const jl_log *log);
bool jl__log_is_last(const jl_log *log);
int jl__log_next(jl_log *log);

#endif
