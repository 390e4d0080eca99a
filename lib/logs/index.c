/* SPDX-License-Identifier: MIT */
/*
 * The index beside a log. Entries are in order and without gaps; the last one may still
 * grow, and there may be half of one behind it when the supervisor was killed. After a
 * crash of the machine anything may be in it: what is not plausible ends it.
 */
#include "logs/logs-priv.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY sizeof(struct jl__log_entry)

static int size_of(int fd, uint64_t *ret)
{
	struct stat st;

	*ret = 0;
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

int jl__log_size(const jl_log *log, uint64_t *ret)
{
	return size_of(log->file, ret);
}

int jl__log_index_count(const jl_log *log, uint64_t *ret)
{
	int r = size_of(log->index, ret);

	*ret /= ENTRY;
	return r;
}

static ssize_t read_at(int fd, void *data, size_t size, uint64_t offset)
{
	ssize_t got;

	do
		got = pread(fd, data, size, (off_t)offset);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/*
 * Counted before they are read: an entry that had another one behind it by then was
 * complete when it was read. Only the last one may still grow.
 */
static int fill_cache(jl_log *log, uint64_t number)
{
	struct jl__log_entry *last, again;
	uint64_t count;
	ssize_t got;
	int r;

	log->cache_len = 0;
	log->cached = number;
	r = jl__log_index_count(log, &count);
	if (r < 0 || count <= number)
		return r;
	count -= number;
	if (count > JL__LOG_CACHE)
		count = JL__LOG_CACHE;
	got = read_at(log->index, log->cache, (size_t)count * ENTRY, number * ENTRY);
	if (got < 0)
		return (int)got;
	log->cache_len = (uint32_t)((size_t)got / ENTRY);
	if (log->cache_len == 0)
		return 0;
	/* Read while it is written, its size could be half old and half new. */
	last = &log->cache[log->cache_len - 1];
	for (;;) {
		got = read_at(log->index, &again, ENTRY,
			      (number + log->cache_len - 1) * ENTRY);
		if (got != (ssize_t)ENTRY)
			return got < 0 ? (int)got : -EIO;
		if (memcmp(&again, last, ENTRY) == 0)
			return 0;
		*last = again;
	}
}

int jl__log_index_get(jl_log *log, uint64_t number, struct jl__log_entry *ret)
{
	int r;

	if (log->index < 0)
		return 0;
	/* The last one of the cache may have grown since. */
	if (number < log->cached || number + 1 >= log->cached + log->cache_len) {
		r = fill_cache(log, number);
		if (r < 0)
			return r;
	}
	if (number >= log->cached + log->cache_len)
		return 0;
	*ret = log->cache[number - log->cached];
	return ret->stream <= 2 && ret->size ? 1 : 0;
}

int jl__log_index_find(jl_log *log, uint64_t offset, uint64_t *ret)
{
	struct jl__log_entry entry;
	uint64_t low = 0, high;
	int r = jl__log_index_count(log, &high);

	while (r >= 0 && low < high) {
		uint64_t middle = low + (high - low) / 2;

		r = jl__log_index_get(log, middle, &entry);
		if (r == 1 && entry.offset + entry.size <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return r < 0 ? r : 0;
}

/* The clock may have been set back meanwhile: then this is one of the places. */
int jl__log_index_find_time(jl_log *log, uint64_t usec, uint64_t *ret)
{
	struct jl__log_entry entry;
	uint64_t low = 0, high;
	int r = jl__log_index_count(log, &high);

	while (r >= 0 && low < high) {
		uint64_t middle = low + (high - low) / 2;

		r = jl__log_index_get(log, middle, &entry);
		if (r == 1 && entry.usec < usec)
			low = middle + 1;
		else
			high = middle;
	}
	*ret = low;
	return r < 0 ? r : 0;
}

bool jl__log_wants(const jl_log *log, uint32_t stream)
{
	uint32_t both = log->flags & (JL_LOG_STDOUT | JL_LOG_STDERR);

	if (both == 0 || both == (JL_LOG_STDOUT | JL_LOG_STDERR))
		return true;
	return stream == 0 || stream == JL__LOG_NOBODY ||
	       (stream == 1 && both == JL_LOG_STDOUT) ||
	       (stream == 2 && both == JL_LOG_STDERR);
}

int jl__log_part_here(jl_log *log, struct jl__log_part *ret)
{
	struct jl__log_entry entry = { 0 };
	uint64_t size;
	int r;

	while ((r = jl__log_index_get(log, log->entry, &entry)) == 1 &&
	       entry.offset + entry.size <= log->at) {
		struct jl__log_entry next;

		/* The last one so far: it may grow, or there will be another. */
		if (log->entry + 1 >= log->cached + log->cache_len) {
			r = jl__log_index_get(log, log->entry + 1, &next);
			if (r <= 0)
				break;
			/* It may have grown before that one came. */
			r = fill_cache(log, log->entry);
			if (r < 0)
				break;
			if (log->cache[0].offset + log->cache[0].size > log->at)
				continue;
		}
		log->entry++;
	}
	if (r < 0)
		return r;
	if (r == 1 && entry.offset <= log->at) {
		*ret = (struct jl__log_part){
			.offset = entry.offset,
			.end = entry.offset + entry.size,
			.usec = entry.usec,
			.stream = entry.stream,
		};
		log->usec = entry.usec;
		return 1;
	}
	/* While it is written, an entry for what is behind the last one is on its way. */
	if (!log->over)
		return 0;
	r = jl__log_size(log, &size);
	if (r < 0 || size <= log->at)
		return r;
	*ret = (struct jl__log_part){ .offset = log->at,
				      .end = size,
				      .usec = log->usec,
				      .stream = JL__LOG_NOBODY };
	return 1;
}
