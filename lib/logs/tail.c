/* SPDX-License-Identifier: MIT */
/* The last lines of a log, looked for from its end, block by block. */
#define JL_MODULE "log"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "logs/logs-priv.h"

#define BLOCK 16384

struct search {
	uint64_t left; /* lines that are still to be found */
	bool is_last;  /* nothing of it has been looked at yet */
	uint64_t at;   /* where they begin, so far */
};

/* Looks at one part, from its end. Returns 1 when everything is found. */
static int look_at(const jl_log *log, uint64_t from, uint64_t to, struct search *search)
{
	char block[BLOCK];

	while (to > from) {
		size_t len =
			to - from < sizeof(block) ? (size_t)(to - from) : sizeof(block);
		ssize_t got = pread(log->file, block, len, (off_t)(to - len));

		if (got < 0 && errno == EINTR)
			continue;
		if (got != (ssize_t)len)
			return got < 0 ? -errno : -EIO;
		for (size_t i = len; i-- > 0;) {
			/* The last line may or may not have an end. */
			if (block[i] == '\n' && !search->is_last && --search->left == 0)
				return 1;
			search->is_last = false;
			search->at = to - len + i;
		}
		to -= len;
	}
	return 0;
}

static int look_at_entries(jl_log *log, uint64_t size, struct search *search)
{
	struct jl__log_entry entry;
	uint64_t number, end = size;
	int r = jl__log_index_count(log, &number);

	while (r == 0 && number-- > 0) {
		uint64_t entry_end;

		r = jl__log_index_get(log, number, &entry);
		if (r < 0)
			break;
		entry_end = entry.offset + entry.size;
		/* What is no entry ends the index; go back to where it is sound. */
		if (r == 0 || entry_end > end) {
			r = 0;
			continue;
		}
		/* Behind the last entry it is nobody's, once it is over. */
		r = log->over ? look_at(log, entry_end, end, search) : 0;
		if (r == 0 && jl__log_wants(log, entry.stream))
			r = look_at(log, entry.offset, entry_end, search);
		end = entry.offset;
	}
	return r == 0 && log->over ? look_at(log, 0, end, search) : r;
}

int jl_log_seek_tail(jl_log *log, uint64_t lines, jl_error **ret_err)
{
	struct search search = { .left = lines, .is_last = true };
	uint64_t size = 0;
	int r;

	jl__error_init(ret_err);
	log->placed = false;
	log->over = log->over || jl__log_is_over(log);
	r = jl__log_open_files(log);
	if (r == 0)
		r = jl__log_size(log, &size);
	search.at = size;
	if (r == 0 && lines && size) {
		if (jl__log_wants(log, 1) && jl__log_wants(log, 2))
			r = look_at(log, 0, size, &search);
		else
			r = look_at_entries(log, size, &search);
	}
	if (r < 0)
		return jl__fail_errno(ret_err, r, "cannot read the log");
	log->at = search.at;
	return 0;
}
