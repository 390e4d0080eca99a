/* SPDX-License-Identifier: MIT */
/*
 * The file of leases. Nothing in it grows with the subnet: it is sparse, and a search
 * begins where the last one ended. A word may become 0 at any time and by anybody who
 * ends a job; everything else changes under the lock.
 */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/net-priv.h"

_Static_assert(sizeof(struct lease) == 64, "records are aligned to lines of the cache");
_Static_assert(sizeof(struct leases_head) <= WORDS_AT, "the head has a page of its own");

#define CHUNK 256u /* words looked at in one go */

static int read_at(int fd, void *data, size_t len, off_t at)
{
	ssize_t got = pread(fd, data, len, at);

	if (got < 0)
		return -errno;
	/* Behind the end of the file everything is 0. */
	memset((char *)data + got, 0, len - (size_t)got);
	return 0;
}

static int write_at(int fd, const void *data, size_t len, off_t at)
{
	ssize_t put = pwrite(fd, data, len, at);

	if (put < 0)
		return -errno;
	return (size_t)put == len ? 0 : -ENOSPC;
}

static off_t word_at(uint32_t index)
{
	return (off_t)(WORDS_AT + index * 4u);
}

static off_t record_at(uint32_t index)
{
	return (off_t)(RECORDS_AT + index * sizeof(struct lease));
}

int jl__leases_create(int folder, const struct leases_head *head)
{
	_cleanup_close_ int fd =
		openat(folder, "leases",
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : write_at(fd, head, sizeof(*head), 0);
}

int jl__leases_head(int fd, struct leases_head *ret)
{
	int r = read_at(fd, ret, sizeof(*ret), 0);

	if (r < 0)
		return r;
	if (ret->magic != LEASES_MAGIC || ret->prefix < 8 || ret->prefix > 30 ||
	    memchr(ret->device, 0, sizeof(ret->device)) == NULL)
		return -EUCLEAN;
	return 0;
}

int jl__leases_open(int folder, int *ret_fd, struct leases_head *ret_head)
{
	_cleanup_close_ int fd =
		openat(folder, "leases", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = jl__leases_head(fd, ret_head);
	if (r < 0)
		return r;
	*ret_fd = jl__fd_steal(&fd);
	return 0;
}

int jl__leases_lock(int fd)
{
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

void jl__leases_unlock(int fd)
{
	(void)flock(fd, LOCK_UN);
}

int jl__leases_set_state(int fd, uint32_t state)
{
	return write_at(fd, &state, sizeof(state), offsetof(struct leases_head, state));
}

/* The next word that is 0 from index on, going round once. */
static int find_free(int fd, uint32_t from, uint32_t window, uint32_t *ret)
{
	uint32_t words[CHUNK], seen = 0, at = from < window ? from : 0;

	while (seen < window) {
		uint32_t most = window - at < CHUNK ? window - at : CHUNK;
		int r = read_at(fd, words, most * sizeof(words[0]), word_at(at));

		if (r < 0)
			return r;
		for (uint32_t i = 0; i < most; i++)
			if (!words[i]) {
				*ret = at + i;
				return 0;
			}
		seen += most;
		at = (at + most) % window;
	}
	return -ENOSPC;
}

int jl__leases_find(int fd, uint32_t *ret_index, struct lease *ret_last)
{
	struct leases_head head;
	int r = jl__leases_head(fd, &head);

	if (r < 0)
		return r;
	if (head.state != LEASES_READY)
		return -ENOENT;
	/* The number only goes up, while words become 0 behind our back. */
	if (head.taken >= PORTS_MAX) {
		struct leases_count count;

		r = jl__leases_count(fd, &count);
		if (r < 0)
			return r;
		if (count.taken >= PORTS_MAX)
			return -EXFULL;
		r = write_at(fd, &count.taken, sizeof(count.taken),
			     offsetof(struct leases_head, taken));
		if (r < 0)
			return r;
	}
	r = find_free(fd, head.cursor, jl__net_window(head.prefix), ret_index);
	if (r < 0)
		return r;
	r = read_at(fd, ret_last, sizeof(*ret_last), record_at(*ret_index));
	ret_last->device[sizeof(ret_last->device) - 1] = '\0';
	return r;
}

int jl__leases_take(int fd, uint32_t index, const struct lease *lease)
{
	struct leases_head head;
	int r = jl__leases_head(fd, &head);

	if (r < 0)
		return r;
	head.cursor = (index + 1) % jl__net_window(head.prefix);
	head.taken++;
	if (index >= head.high)
		head.high = index + 1;
	/* What searches go by comes before what they are to find. */
	r = write_at(fd, &head, sizeof(head), 0);
	if (r == 0)
		r = write_at(fd, lease, sizeof(*lease), record_at(index));
	return r < 0 ? r : write_at(fd, &lease->number, 4, word_at(index));
}

int jl__leases_read(int fd, uint32_t index, uint32_t number, struct lease *ret)
{
	uint32_t word;
	int r = read_at(fd, &word, 4, word_at(index));

	if (r < 0)
		return r;
	if (!word || (word & JL__WIRE_NUMBER) != number)
		return -ENOENT;
	r = read_at(fd, ret, sizeof(*ret), record_at(index));
	if (r < 0)
		return r;
	ret->device[sizeof(ret->device) - 1] = '\0';
	return ret->number == number ? 0 : -ENOENT;
}

int jl__leases_claim(int fd, uint32_t index, const struct lease *lease)
{
	uint32_t word = lease->number | JL__WIRE_CLAIMED;
	struct leases_head head;
	struct lease now;
	int r = jl__leases_head(fd, &head);

	if (r < 0)
		return r;
	if (head.state != LEASES_READY)
		return -ENOENT;
	r = jl__leases_read(fd, index, lease->number, &now);
	if (r < 0)
		return r;
	r = write_at(fd, lease, sizeof(*lease), record_at(index));
	return r < 0 ? r : write_at(fd, &word, 4, word_at(index));
}

int jl__leases_unclaim(int fd, uint32_t index, uint32_t number)
{
	struct lease lease;
	int r = jl__leases_read(fd, index, number, &lease);

	if (r < 0)
		return r;
	lease.flags &= LEASE_USED;
	r = write_at(fd, &lease, sizeof(lease), record_at(index));
	return r < 0 ? r : write_at(fd, &number, 4, word_at(index));
}

void jl__leases_settled(int fd, uint32_t index, uint32_t number)
{
	struct lease lease;
	uint32_t word;

	if (read_at(fd, &word, 4, word_at(index)) < 0 || word ||
	    read_at(fd, &lease, sizeof(lease), record_at(index)) < 0 ||
	    lease.number != number || !lease.flags)
		return;
	lease.flags = 0;
	(void)write_at(fd, &lease, sizeof(lease), record_at(index));
}

int jl__leases_free(int fd, uint32_t index, uint32_t number)
{
	uint32_t word;
	int r = read_at(fd, &word, 4, word_at(index));

	if (r < 0)
		return r;
	if (!word || (word & JL__WIRE_NUMBER) != number)
		return -ENOENT;
	word = 0;
	return write_at(fd, &word, 4, word_at(index));
}

int jl__leases_set_checked(int fd, uint32_t index)
{
	return write_at(fd, &index, sizeof(index), offsetof(struct leases_head, checked));
}

/* ---- lines of the hosts file ---- */

static int put_lines(int fd, const struct leases_head *head)
{
	return write_at(fd, head->lines, sizeof(head->lines),
			offsetof(struct leases_head, lines));
}

static uint32_t free_line(struct leases_head *head)
{
	for (uint32_t i = 0; i < LINES_MAX / 64; i++)
		if (~head->lines[i]) {
			uint32_t bit = (uint32_t)__builtin_ctzll(~head->lines[i]);

			head->lines[i] |= UINT64_C(1) << bit;
			return i * 64 + bit + 1;
		}
	return 0;
}

static int mark_line(uint32_t index, uint32_t word, const struct lease *lease, void *data)
{
	struct leases_head *head = data;

	(void)index;
	(void)word;
	if (lease->line && lease->line <= LINES_MAX)
		head->lines[(lease->line - 1) / 64] |= UINT64_C(1)
						       << (lease->line - 1) % 64;
	return 0;
}

/* Lines of jobs that ended without their program are in no list but that of the taken. */
int jl__leases_line(int fd, struct lease *lease)
{
	struct leases_head head;
	int r = jl__leases_head(fd, &head);

	if (r < 0)
		return r;
	lease->line = free_line(&head);
	if (!lease->line) {
		memset(head.lines, 0, sizeof(head.lines));
		r = jl__leases_each(fd, 0, UINT32_MAX, mark_line, &head, NULL);
		if (r < 0)
			return r;
		lease->line = free_line(&head);
	}
	return lease->line ? put_lines(fd, &head) : -ENOSPC;
}

uint32_t jl__leases_take_line(int fd, uint32_t index, uint32_t number)
{
	struct leases_head head;
	struct lease lease;
	uint32_t line;

	if (read_at(fd, &lease, sizeof(lease), record_at(index)) < 0 ||
	    lease.number != number || !lease.line || lease.line > LINES_MAX ||
	    jl__leases_head(fd, &head) < 0)
		return 0;
	line = lease.line;
	lease.line = 0;
	head.lines[(line - 1) / 64] &= ~(UINT64_C(1) << (line - 1) % 64);
	if (write_at(fd, &lease, sizeof(lease), record_at(index)) < 0 ||
	    put_lines(fd, &head) < 0)
		return 0;
	return line;
}

int jl__leases_count(int fd, struct leases_count *ret)
{
	uint32_t words[CHUNK];
	struct leases_head head;
	int r = jl__leases_head(fd, &head);

	*ret = (struct leases_count){ 0, 0 };
	if (r < 0)
		return r;
	for (uint32_t at = 0; at < head.high; at += CHUNK) {
		uint32_t most = head.high - at < CHUNK ? head.high - at : CHUNK;

		r = read_at(fd, words, most * sizeof(words[0]), word_at(at));
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < most; i++) {
			ret->taken += !!words[i];
			ret->claimed += !!(words[i] & JL__WIRE_CLAIMED);
		}
	}
	return 0;
}

int jl__leases_each(int fd, uint32_t first, uint32_t most, jl__lease_fn fn, void *data,
		    uint32_t *ret_next)
{
	uint32_t words[CHUNK], seen = 0, at, i;
	struct leases_head head;
	int r = jl__leases_head(fd, &head);

	if (r < 0)
		return r;
	if (head.high > WINDOW_MAX)
		return -EUCLEAN;
	for (at = first; at < head.high && seen < most; at += i) {
		uint32_t count = head.high - at < CHUNK ? head.high - at : CHUNK;

		r = read_at(fd, words, count * sizeof(words[0]), word_at(at));
		if (r < 0)
			return r;
		for (i = 0; i < count && seen < most; i++) {
			struct lease lease;

			if (!words[i])
				continue;
			seen++;
			r = read_at(fd, &lease, sizeof(lease), record_at(at + i));
			if (r < 0)
				return r;
			lease.device[sizeof(lease.device) - 1] = '\0';
			r = fn(at + i, words[i], &lease, data);
			if (r)
				return r;
		}
	}
	if (ret_next)
		*ret_next = at < head.high ? at : 0;
	return 0;
}
