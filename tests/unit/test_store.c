/* SPDX-License-Identifier: MIT */
/* The store by itself: rows and back, transactions, several processes, power cuts, files
 * that are not what they should be. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <joblet/node.h>

#include "store/store.h"

static char folder[64], path[96];
static struct jl__store *store;
static jl_error *err;

/* Counts how often the store waits for others: its own calls come here first. */
static unsigned int pauses;

int nanosleep(const struct timespec *pause, struct timespec *left)
{
	pauses++;
	return clock_nanosleep(CLOCK_MONOTONIC, 0, pause, left) ? -1 : 0;
}

#define ck_ok(call)                                                                    \
	do {                                                                           \
		int r_ = (call);                                                       \
		ck_assert_msg(r_ >= 0, "%s: %d %s", #call, r_, jl_error_message(err)); \
	} while (0)

#define ck_fails(call, code, names)                                                    \
	do {                                                                           \
		int r_ = (call);                                                       \
		ck_assert_msg(r_ == (code), "%s: %d %s", #call, r_,                    \
			      jl_error_message(err));                                  \
		ck_assert_msg(strstr(jl_error_message(err), names) != NULL, "says %s", \
			      jl_error_message(err));                                  \
		jl_error_free(err);                                                    \
		err = NULL;                                                            \
	} while (0)

static void set_up(void)
{
	err = NULL;
	(void)snprintf(folder, sizeof(folder), "/tmp/joblet-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/node.db", folder);
	ck_ok(jl__store_open(path, &store, &err));
}

static void tear_down(void)
{
	char command[128];

	store = jl__store_close(store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

/* ---- rows ---- */

static const struct jl__details details = { .spec = (char *)"spec\0bytes",
					    .spec_len = 10 };

static uint64_t add(struct jl__store *to, const char *id, int state, int priority)
{
	struct jl__row row;

	jl__row_init(&row);
	row.number[JL__N_STATE] = (uint64_t)state;
	row.number[JL__N_PRIORITY] = (uint64_t)(int64_t)priority;
	row.number[JL__N_CREATED] = 1;
	row.text[JL__T_ID] = id;
	row.command = "true";
	row.command_len = 5;
	ck_ok(jl__store_begin(to, false, &err));
	ck_ok(jl__store_insert(to, &row, &details, &err));
	ck_ok(jl__store_commit(to, &err));
	return row.number[JL__N_NUMBER];
}

/* Every column with a value of its own comes back as it was. */
START_TEST(what_is_written_is_read)
{
	char texts[JL__T_COUNT][16];
	struct jl__row row, *back;
	struct jl__details more;

	jl__row_init(&row);
	for (int i = 0; i < JL__N_COUNT; i++)
		row.number[i] = (uint64_t)i * 1000003;
	row.number[JL__N_NUMBER] = 0;
	row.number[JL__N_PRIORITY] = (uint64_t)INT64_C(-1);
	row.number[JL__N_END] = UINT64_MAX;
	for (int i = 0; i < JL__T_COUNT; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "text %d", i);
		row.text[i] = texts[i];
	}
	row.text[JL__T_OWNER] = NULL;
	row.command = "a\0b\0";
	row.command_len = 4;
	ck_ok(jl__store_begin(store, true, &err));
	ck_ok(jl__store_insert(store, &row, &details, &err));
	ck_ok(jl__store_commit(store, &err));
	ck_assert_uint_eq(row.number[JL__N_NUMBER], 1);
	ck_ok(jl__store_get(store, 1, &back, &err));
	for (int i = 0; i < JL__N_COUNT; i++)
		ck_assert_uint_eq(back->number[i], row.number[i]);
	for (int i = 0; i < JL__T_COUNT; i++)
		if (row.text[i])
			ck_assert_str_eq(back->text[i], row.text[i]);
		else
			ck_assert_ptr_null(back->text[i]);
	ck_assert_uint_eq(back->command_len, 4);
	ck_assert_mem_eq(back->command, "a\0b\0", 4);
	/* And after an update. */
	back->number[JL__N_END] = 77;
	back->text[JL__T_OWNER] = "x";
	back->text[JL__T_NAME] = NULL;
	ck_ok(jl__store_begin(store, true, &err));
	ck_ok(jl__store_update(store, back, &err));
	ck_ok(jl__store_commit(store, &err));
	jl__row_free(back);
	ck_ok(jl__store_get_id(store, "text 0", &back, &err));
	ck_assert_uint_eq(back->number[JL__N_END], 77);
	ck_assert_str_eq(back->text[JL__T_OWNER], "x");
	ck_assert_ptr_null(back->text[JL__T_NAME]);
	ck_assert_uint_gt(back->number[JL__N_CHANGE], row.number[JL__N_CHANGE]);
	jl__row_free(back);
	ck_ok(jl__store_get_details(store, 1, &more, &err));
	ck_assert_uint_eq(more.spec_len, 10);
	ck_assert_mem_eq(more.spec, "spec\0bytes", 10);
	jl__details_done(&more);
}
END_TEST

START_TEST(numbers_are_never_used_again)
{
	uint64_t first = add(store, "a", JL_STATE_COMPLETED, 0);
	struct jl__row *row;

	ck_ok(jl__store_begin(store, true, &err));
	ck_ok(jl__store_delete(store, first, &err));
	ck_ok(jl__store_commit(store, &err));
	ck_assert_int_eq(jl__store_get(store, first, &row, &err), -ENOENT);
	ck_assert_uint_eq(add(store, "b", JL_STATE_COMPLETED, 0), first + 1);
}
END_TEST

START_TEST(the_queue_is_in_order)
{
	static const char *const order[] = { "high", "first", "second", "low" };
	struct jl__row *row;

	(void)add(store, "low", JL_STATE_PENDING, -1);
	(void)add(store, "first", JL_STATE_PENDING, 0);
	(void)add(store, "running", JL_STATE_RUNNING, 100);
	(void)add(store, "high", JL_STATE_PENDING, 1);
	(void)add(store, "second", JL_STATE_PENDING, 0);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(jl__store_next_pending(store, "me", 5, &row, &err), 1);
		ck_assert_str_eq(row->text[JL__T_ID], order[i]);
		row->number[JL__N_STATE] = JL_STATE_RUNNING;
		ck_ok(jl__store_begin(store, false, &err));
		ck_ok(jl__store_update(store, row, &err));
		ck_ok(jl__store_commit(store, &err));
		jl__row_free(row);
	}
	ck_assert_int_eq(jl__store_next_pending(store, "me", 5, &row, &err), 0);
}
END_TEST

START_TEST(some_may_not_start_yet)
{
	struct jl__row *row;
	uint64_t next;

	(void)add(store, "later", JL_STATE_PENDING, 0);
	ck_ok(jl__store_get(store, 1, &row, &err));
	row->number[JL__N_NOT_BEFORE] = 100;
	row->text[JL__T_CLAIM] = "somebody";
	ck_ok(jl__store_begin(store, false, &err));
	ck_ok(jl__store_update(store, row, &err));
	ck_ok(jl__store_commit(store, &err));
	jl__row_free(row);
	ck_assert_int_eq(jl__store_next_pending(store, "somebody", 99, &row, &err), 0);
	ck_assert_int_eq(jl__store_next_pending(store, "me", 100, &row, &err), 0);
	ck_assert_int_eq(jl__store_next_pending(store, "somebody", 100, &row, &err), 1);
	jl__row_free(row);
	ck_ok(jl__store_count(store, JL__COUNT_NEXT, 0, &next, &err));
	ck_assert_uint_eq(next, 100);
}
END_TEST

START_TEST(prefixes_are_counted)
{
	char ids[4][37];
	uint32_t count;

	(void)add(store, "00aa-1", JL_STATE_COMPLETED, 0);
	(void)add(store, "00aa-2", JL_STATE_COMPLETED, 0);
	(void)add(store, "00ab-1", JL_STATE_COMPLETED, 0);
	(void)add(store, "f", JL_STATE_COMPLETED, 0);
	ck_ok(jl__store_find_prefix(store, "00aa", ids, &count, &err));
	ck_assert_uint_eq(count, 2);
	ck_ok(jl__store_find_prefix(store, "00", ids, &count, &err));
	ck_assert_uint_eq(count, 3);
	ck_ok(jl__store_find_prefix(store, "00ab", ids, &count, &err));
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(ids[0], "00ab-1");
	ck_ok(jl__store_find_prefix(store, "0000", ids, &count, &err));
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(old_ones_are_found)
{
	struct jl__row *row;
	uint64_t seen = 0;

	for (uint64_t i = 1; i <= 5; i++) {
		char id[8];

		(void)snprintf(id, sizeof(id), "%u", (unsigned int)i);
		(void)add(store, id, i == 3 ? JL_STATE_RUNNING : JL_STATE_FAILED, 0);
		ck_ok(jl__store_get(store, i, &row, &err));
		row->number[JL__N_END] = i * 10;
		ck_ok(jl__store_begin(store, false, &err));
		ck_ok(jl__store_update(store, row, &err));
		ck_ok(jl__store_commit(store, &err));
		jl__row_free(row);
	}
	ck_ok(jl__store_list_old(store, 2, 0, 10, &err));
	while (jl__store_next(store, &row, &err) == 1) {
		seen |= UINT64_C(1) << row->number[JL__N_NUMBER];
		jl__row_free(row);
	}
	jl__store_end(store);
	ck_assert_uint_eq(seen, 1 << 1 | 1 << 2);
	seen = 0;
	ck_ok(jl__store_list_old(store, 0, 45, 10, &err));
	while (jl__store_next(store, &row, &err) == 1) {
		seen |= UINT64_C(1) << row->number[JL__N_NUMBER];
		jl__row_free(row);
	}
	jl__store_end(store);
	ck_assert_uint_eq(seen, 1 << 1 | 1 << 2 | 1 << 4);
}
END_TEST

/* ---- transactions ---- */

START_TEST(a_rollback_leaves_nothing)
{
	struct jl__row row, *back;

	jl__row_init(&row);
	row.number[JL__N_STATE] = JL_STATE_PENDING;
	row.number[JL__N_CREATED] = 1;
	row.text[JL__T_ID] = "x";
	ck_ok(jl__store_begin(store, true, &err));
	ck_ok(jl__store_insert(store, &row, &details, &err));
	jl__store_rollback(store);
	ck_assert_int_eq(jl__store_get_id(store, "x", &back, &err), -ENOENT);
}
END_TEST

START_TEST(others_see_what_was_committed)
{
	struct jl__store *other;
	struct jl__row *row;
	bool changed = true;

	pauses = 0;
	ck_ok(jl__store_open(path, &other, &err));
	/* Nobody is in the way, so there is nothing to wait for. */
	ck_assert_uint_eq(pauses, 0);
	ck_ok(jl__store_changed(other, &changed, &err));
	ck_assert(!changed);
	(void)add(store, "seen", JL_STATE_PENDING, 0);
	ck_ok(jl__store_changed(other, &changed, &err));
	ck_assert(changed);
	ck_ok(jl__store_changed(other, &changed, &err));
	ck_assert(!changed);
	ck_ok(jl__store_get_id(other, "seen", &row, &err));
	jl__row_free(row);
	/* Its own changes are no news. */
	(void)add(other, "mine", JL_STATE_PENDING, 0);
	ck_ok(jl__store_changed(other, &changed, &err));
	ck_assert(!changed);
	(void)jl__store_close(other);
}
END_TEST

/* ---- SQLite's log ---- */

static off_t size_of(const char *suffix)
{
	char name[128];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	ck_assert_int_eq(stat(name, &st), 0);
	return st.st_size;
}

START_TEST(the_log_is_kept_and_stays_small)
{
	off_t size;
	char id[16];

	size = size_of("-wal");
	for (int i = 0; i < 100; i++) {
		struct jl__row *row;
		uint64_t number;

		(void)snprintf(id, sizeof(id), "%d", i);
		number = add(store, id, JL_STATE_RUNNING, 0);
		ck_ok(jl__store_begin(store, true, &err));
		ck_ok(jl__store_get(store, number, &row, &err));
		row->number[JL__N_STATE] = JL_STATE_COMPLETED;
		ck_ok(jl__store_update(store, row, &err));
		ck_ok(jl__store_commit(store, &err));
		jl__row_free(row);
		store = jl__store_close(store);
		ck_assert_int_ge((int)size_of("-wal"), (int)size);
		size = size_of("-wal");
		ck_ok(jl__store_open(path, &store, &err));
	}
	/* Ten pages and more for each of them, some times over: it is written over. */
	ck_assert_int_gt((int)size, 1 << 20);
	ck_assert_int_lt((int)size, 3 << 19);
	ck_ok(jl__store_list(store, 0, NULL, 0, 0, &err));
	for (int i = 0; i < 100; i++) {
		struct jl__row *row;

		ck_assert_int_eq(jl__store_next(store, &row, &err), 1);
		jl__row_free(row);
	}
	jl__store_end(store);
}
END_TEST

static bool is_in(const char *suffix, const char *what)
{
	off_t size = size_of(suffix);
	char name[128], *bytes = malloc((size_t)size + 1);
	bool found;
	int fd;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)read(fd, bytes, (size_t)size), (int)size);
	(void)close(fd);
	found = memmem(bytes, (size_t)size, what, strlen(what)) != NULL;
	free(bytes);
	return found;
}

START_TEST(what_is_deleted_is_in_no_file)
{
	static const char secret[] = "the secret of somebody";
	struct jl__details with = { .spec = (char *)secret, .spec_len = sizeof(secret) };
	struct jl__store *reader;
	struct jl__row row, *seen;

	jl__row_init(&row);
	row.number[JL__N_STATE] = JL_STATE_COMPLETED;
	row.number[JL__N_CREATED] = 1;
	row.text[JL__T_ID] = "id";
	row.command = "true";
	row.command_len = 5;
	ck_ok(jl__store_begin(store, true, &err));
	ck_ok(jl__store_insert(store, &row, &with, &err));
	ck_ok(jl__store_commit(store, &err));
	ck_assert(is_in("-wal", secret));
	/* Who reads is not waited for. */
	ck_ok(jl__store_open(path, &reader, &err));
	ck_ok(jl__store_list(reader, 0, NULL, 0, 0, &err));
	ck_assert_int_eq(jl__store_next(reader, &seen, &err), 1);
	jl__row_free(seen);
	ck_ok(jl__store_begin(store, false, &err));
	ck_ok(jl__store_delete(store, row.number[JL__N_NUMBER], &err));
	ck_ok(jl__store_commit(store, &err));
	jl__store_forget(store);
	ck_assert(is_in("-wal", secret));
	jl__store_end(reader);
	/* When it has gone, the next one does it. */
	store = jl__store_close(store);
	ck_assert(!is_in("-wal", secret) && !is_in("", secret));
	(void)jl__store_close(reader);
}
END_TEST

/* ---- files that are not what they should be ---- */

static void run_sql(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

START_TEST(a_newer_store_is_refused)
{
	store = jl__store_close(store);
	run_sql("PRAGMA user_version = 99");
	ck_fails(jl__store_open(path, &store, &err), -ESTALE, "99");
}
END_TEST

START_TEST(a_strange_file_is_refused)
{
	store = jl__store_close(store);
	ck_assert_int_eq(unlink(path), 0);
	run_sql("CREATE TABLE somebodys (x)");
	ck_fails(jl__store_open(path, &store, &err), -EIO, "not a store");
}
END_TEST

static void overwrite(off_t at, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq((int)pwrite(fd, "\xa5", 1, at + (off_t)i), 1);
	(void)close(fd);
}

/* What is in SQLite's log is not missed in the file. */
static void take_in_log(void)
{
	run_sql("PRAGMA wal_checkpoint(TRUNCATE)");
}

START_TEST(a_damaged_store_says_so)
{
	store = jl__store_close(store);
	take_in_log();
	overwrite(0, 100);
	ck_fails(jl__store_open(path, &store, &err), -EIO, "damaged");
}
END_TEST

START_TEST(a_truncated_store_says_so)
{
	jl_error *why = NULL;
	struct jl__row *row;
	int r;

	for (int i = 0; i < 200; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "job-%d", i);
		(void)add(store, id, JL_STATE_COMPLETED, 0);
	}
	store = jl__store_close(store);
	take_in_log();
	ck_assert_int_eq(truncate(path, 8192), 0);
	r = jl__store_open(path, &store, &why);
	if (r == 0)
		r = jl__store_get(store, 150, &row, &why);
	ck_assert_int_eq(r, -EIO);
	ck_assert_ptr_nonnull(strstr(jl_error_message(why), "damaged"));
	jl_error_free(why);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
	store = jl__store_close(store);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/tmp/joblet-nowhere", path), 0);
	ck_assert_int_lt(jl__store_open(path, &store, NULL), 0);
	ck_assert_int_ne(access("/tmp/joblet-nowhere", F_OK), 0);
}
END_TEST

/* ---- power cuts ---- */

#define WRITERS 2

/*
 * Inserts, changes and deletes for ever; each job has details, or neither is there. Now
 * and then it starts anew, as many short processes do, and finds a log that is not empty.
 */
static void writer(int me)
{
	struct jl__row *row;

	store = NULL;
	for (uint64_t i = 0;; i++) {
		uint64_t number;
		char id[32];

		if (i % 5 == 0) {
			store = jl__store_close(store);
			ck_ok(jl__store_open(path, &store, &err));
		}
		(void)snprintf(id, sizeof(id), "%d-%lu", me, (unsigned long)i);
		number = add(store, id, JL_STATE_PENDING, (int)(i % 7));
		ck_ok(jl__store_begin(store, i % 2, &err));
		ck_ok(jl__store_get(store, number, &row, &err));
		row->number[JL__N_STATE] = JL_STATE_FAILED;
		row->number[JL__N_RUN] = 1;
		row->number[JL__N_ATTEMPT] = 1;
		ck_ok(jl__store_add_attempt(store, row, &err));
		ck_ok(jl__store_update(store, row, &err));
		ck_ok(jl__store_commit(store, &err));
		jl__row_free(row);
		if (i % 3 == 0) {
			ck_ok(jl__store_begin(store, true, &err));
			ck_ok(jl__store_delete(store, number, &err));
			ck_ok(jl__store_commit(store, &err));
		}
	}
}

/*
 * How much of SQLite's log has been flushed for certain: what is being taken into the
 * file is, before a byte of it goes there (nBackfillAttempted in shared memory); and all
 * of it is when it has been taken in and the new one, of another salt, has no page yet.
 */
static off_t flushed_bytes(int log, off_t size)
{
	unsigned char shared[132] = { 0 }, head[24] = { 0 };
	uint32_t frames;
	char name[128];
	int fd;

	(void)snprintf(name, sizeof(name), "%s-shm", path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, shared, sizeof(shared), 0) != sizeof(shared) ||
	    pread(log, head, sizeof(head), 0) != sizeof(head))
		frames = 0;
	else
		memcpy(&frames, shared + 128, sizeof(frames));
	if (fd >= 0)
		(void)close(fd);
	return memcmp(shared + 32, head + 16, 8) != 0 ? size
						      : 32 + (off_t)frames * (24 + 4096);
}

static void copy_file(const char *suffix, const char *to, off_t cut)
{
	char from[128], into[128], buf[65536];
	int in, out;
	ssize_t got;

	(void)snprintf(from, sizeof(from), "%s%s", path, suffix);
	(void)snprintf(into, sizeof(into), "%s%s", to, suffix);
	(void)unlink(into);
	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return;
	out = open(into, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(out, 0);
	while ((got = read(in, buf, sizeof(buf))) > 0)
		ck_assert_int_eq((int)write(out, buf, (size_t)got), (int)got);
	/* What was not flushed may be missing. */
	if (cut) {
		struct stat st;
		off_t least;

		ck_assert_int_eq(fstat(out, &st), 0);
		least = flushed_bytes(in, st.st_size);
		if (st.st_size > least)
			ck_assert_int_eq(ftruncate(out, st.st_size - cut > least
								? st.st_size - cut
								: least),
					 0);
	}
	(void)close(in);
	(void)close(out);
}

static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int64_t answer;

	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	answer = sqlite3_column_type(statement, 0) == SQLITE_TEXT
			 ? strcmp((const char *)sqlite3_column_text(statement, 0), "ok")
			 : sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return answer;
}

static int64_t ck_consistent(const char *copy)
{
	struct jl__store *opened;
	int64_t jobs;
	sqlite3 *db;

	ck_ok(jl__store_open(copy, &opened, &err));
	(void)jl__store_close(opened);
	ck_assert_int_eq(sqlite3_open(copy, &db), SQLITE_OK);
	ck_assert_int_eq((int)ask(db, "PRAGMA integrity_check"), 0);
	jobs = ask(db, "SELECT count(*) FROM jobs");
	ck_assert_int_eq((int)ask(db, "SELECT count(*) FROM details"), (int)jobs);
	ck_assert_int_eq((int)ask(db, "SELECT count(*) FROM jobs j LEFT JOIN details d"
				      " USING (number) WHERE d.spec IS NULL"),
			 0);
	/* A job that has failed has an attempt, one that waits has none. */
	ck_assert_int_eq(
		(int)ask(db, "SELECT count(*) FROM jobs j LEFT JOIN attempts a"
			     " USING (number) WHERE (state = 5) <> (a.run IS NOT NULL)"),
		0);
	ck_assert_int_eq((int)ask(db, "SELECT count(*) FROM jobs WHERE change >"
				      " (SELECT change FROM counter)"),
			 0);
	(void)sqlite3_close(db);
	return jobs;
}

static void stop_all(const pid_t *writers)
{
	for (int i = 0; i < WRITERS; i++) {
		int status;

		ck_assert_int_eq(kill(writers[i], SIGSTOP), 0);
		ck_assert_int_eq(waitpid(writers[i], &status, WUNTRACED), writers[i]);
		ck_assert_msg(WIFSTOPPED(status), "a writer ended: %x", status);
	}
}

START_TEST(a_power_cut_leaves_whole_transactions)
{
	const char *cuts = getenv("JOBLET_POWER_CUTS");
	int rounds = cuts ? atoi(cuts) : 25;
	pid_t writers[WRITERS];
	char copy[96];
	unsigned int seed = (unsigned int)getpid();
	int64_t most = 0;

	store = jl__store_close(store);
	(void)snprintf(copy, sizeof(copy), "%s/copy.db", folder);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = fork();
		ck_assert_int_ge(writers[i], 0);
		if (writers[i] == 0)
			writer(i);
	}
	for (int round = 0; round < rounds; round++) {
		int64_t jobs;

		(void)usleep((useconds_t)(rand_r(&seed) % 30000));
		/* The disk as it is at one moment: nobody writes while it is copied. */
		stop_all(writers);
		copy_file("", copy, 0);
		copy_file("-wal", copy, round % 2 ? rand_r(&seed) % 20000 : 0);
		for (int i = 0; i < WRITERS; i++)
			ck_assert_int_eq(kill(writers[i], SIGCONT), 0);
		jobs = ck_consistent(copy);
		most = jobs > most ? jobs : most;
	}
	/* One that still runs may write over what a dead one had not been told is there.
	 */
	stop_all(writers);
	for (int i = 0; i < WRITERS; i++) {
		ck_assert_int_eq(kill(writers[i], SIGKILL), 0);
		ck_assert_int_eq(waitpid(writers[i], NULL, 0), writers[i]);
	}
	/* And the real one, whose writers were killed in the middle: each may have deleted
	 * one since. */
	ck_assert_int_ge((int)ck_consistent(path), (int)most - WRITERS);
	ck_assert_int_gt((int)most, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("store");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, what_is_written_is_read);
	tcase_add_test(tcase, numbers_are_never_used_again);
	tcase_add_test(tcase, the_queue_is_in_order);
	tcase_add_test(tcase, some_may_not_start_yet);
	tcase_add_test(tcase, prefixes_are_counted);
	tcase_add_test(tcase, old_ones_are_found);
	tcase_add_test(tcase, a_rollback_leaves_nothing);
	tcase_add_test(tcase, others_see_what_was_committed);
	tcase_add_test(tcase, the_log_is_kept_and_stays_small);
	tcase_add_test(tcase, what_is_deleted_is_in_no_file);
	tcase_add_test(tcase, a_newer_store_is_refused);
	tcase_add_test(tcase, a_strange_file_is_refused);
	tcase_add_test(tcase, a_damaged_store_says_so);
	tcase_add_test(tcase, a_truncated_store_says_so);
	tcase_add_test(tcase, a_link_is_not_followed);
	tcase_add_test(tcase, a_power_cut_leaves_whole_transactions);
	suite_add_tcase(suite, tcase);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
