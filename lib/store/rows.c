/* SPDX-License-Identifier: MIT */
/* Rows of the table of jobs: to memory and back. */
#define JL_MODULE "store"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/store-priv.h"

#define COMMAND (JL__N_COUNT + JL__T_COUNT)

void jl__row_free(struct jl__row *row)
{
	jl__free(row);
}

void jl__row_init(struct jl__row *row)
{
	memset(row, 0, sizeof(*row));
	for (int i = 0; i < JL__N_COUNT; i++)
		row->number[i] = UINT64_MAX;
	row->number[JL__N_NUMBER] = 0;
	row->number[JL__N_PRIORITY] = 0;
}

/* One allocation for all of it. */
static struct jl__row *read_row(const struct jl__sqlite *sqlite, sqlite3_stmt *statement)
{
	const char *from[JL__T_COUNT + 1];
	size_t len[JL__T_COUNT + 1], bytes = 0;
	struct jl__row *row;
	char *to;

	for (int i = 0; i <= JL__T_COUNT; i++) {
		int at = JL__N_COUNT + i;

		from[i] = i == JL__T_COUNT
				  ? sqlite->column_blob(statement, at)
				  : (const char *)sqlite->column_text(statement, at);
		len[i] = from[i] ? (size_t)sqlite->column_bytes(statement, at) : 0;
		bytes += len[i] + 1;
	}
	row = jl__alloc(sizeof(*row) + bytes);
	if (!row)
		return NULL;
	for (int i = 0; i < JL__N_COUNT; i++) {
		int64_t number = sqlite->column_int64(statement, i);

		/* NULL reads as 0; asking costs as much as reading. */
		if (number == 0 && sqlite->column_type(statement, i) == SQLITE_NULL)
			number = -1;
		row->number[i] = (uint64_t)number;
	}
	to = row->data;
	for (int i = 0; i <= JL__T_COUNT; i++) {
		const char *text = from[i] ? to : NULL;

		if (from[i])
			memcpy(to, from[i], len[i]);
		to[len[i]] = '\0';
		to += len[i] + 1;
		if (i == JL__T_COUNT)
			row->command = text;
		else
			row->text[i] = text;
	}
	row->command_len = len[JL__T_COUNT];
	return row;
}

static int bind_row(struct jl__store *store, sqlite3_stmt *statement,
		    const struct jl__row *row, bool all, jl_error **err)
{
	const struct jl__sqlite *sqlite = store->sqlite;
	int r = SQLITE_OK;

	for (int i = 0; r == SQLITE_OK && i < JL__N_COUNT; i++) {
		if (i != JL__N_PRIORITY && row->number[i] == UINT64_MAX)
			continue;
		/* SQLite chooses the number of a new job. */
		if (i == JL__N_NUMBER && row->number[i] == 0)
			continue;
		r = sqlite->bind_int64(statement, i + 1, (int64_t)row->number[i]);
	}
	for (int i = 0; r == SQLITE_OK && i < JL__T_COUNT; i++)
		if (row->text[i] && (all || i > 0))
			r = sqlite->bind_text(statement, JL__N_COUNT + i + 1,
					      row->text[i], -1, SQLITE_STATIC);
	if (r == SQLITE_OK && all)
		r = sqlite->bind_blob64(statement, COMMAND + 1,
					row->command ? row->command : "",
					row->command_len, SQLITE_STATIC);
	return r == SQLITE_OK ? 0 : jl__store_fail(store, r, err);
}

/* The next number of change, for the row. */
static int bump(struct jl__store *store, struct jl__row *row, jl_error **err)
{
	int r = jl__store_run(store, ST_BUMP, err);

	return r < 0 ? r
		     : jl__store_count(store, JL__COUNT_CHANGE, 0,
				       &row->number[JL__N_CHANGE], err);
}

/* Runs a statement to its end; nothing stays bound. */
static int finish(struct jl__store *store, sqlite3_stmt *statement, jl_error **err)
{
	int r = jl__store_step(store, statement, err);

	(void)store->sqlite->reset(statement);
	(void)store->sqlite->clear_bindings(statement);
	return r < 0 ? r : 0;
}

int jl__store_insert(struct jl__store *store, struct jl__row *row,
		     const struct jl__details *details, jl_error **err)
{
	const struct jl__sqlite *sqlite = store->sqlite;
	sqlite3_stmt *statement;
	int r = bump(store, row, err);

	if (r == 0)
		r = jl__store_statement(store, ST_INSERT, &statement, err);
	if (r == 0)
		r = bind_row(store, statement, row, true, err);
	if (r == 0)
		r = finish(store, statement, err);
	if (r < 0)
		return r;
	row->number[JL__N_NUMBER] = (uint64_t)sqlite->last_insert_rowid(store->db);
	r = jl__store_statement(store, ST_INSERT_DETAILS, &statement, err);
	if (r < 0)
		return r;
	(void)sqlite->bind_int64(statement, 1, (int64_t)row->number[JL__N_NUMBER]);
	(void)sqlite->bind_blob64(statement, 2, details->spec, details->spec_len,
				  SQLITE_STATIC);
	if (details->uploads)
		(void)sqlite->bind_blob64(statement, 3, details->uploads,
					  details->uploads_len, SQLITE_STATIC);
	return finish(store, statement, err);
}

int jl__store_update(struct jl__store *store, struct jl__row *row, jl_error **err)
{
	sqlite3_stmt *statement;
	int r = bump(store, row, err);

	if (r == 0)
		r = jl__store_statement(store, ST_UPDATE, &statement, err);
	if (r == 0)
		r = bind_row(store, statement, row, false, err);
	if (r == 0)
		r = finish(store, statement, err);
	if (r == 0 && store->sqlite->changes(store->db) != 1)
		r = jl__fail(err, -EIO, "job %llu is not in the store any more",
			     (unsigned long long)row->number[JL__N_NUMBER]);
	return r;
}

int jl__store_delete(struct jl__store *store, uint64_t number, jl_error **err)
{
	static const enum statement all[] = { ST_DELETE, ST_DELETE_DETAILS,
					      ST_DELETE_ATTEMPTS };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		sqlite3_stmt *statement;
		int r = jl__store_statement(store, all[i], &statement, err);

		if (r < 0)
			return r;
		(void)store->sqlite->bind_int64(statement, 1, (int64_t)number);
		r = finish(store, statement, err);
		if (r < 0)
			return r;
	}
	store->forgotten = true;
	return 0;
}

/* ---- one row ---- */

/* 1 with the row of a statement that is bound, 0 without. */
static int take_one(struct jl__store *store, sqlite3_stmt *statement,
		    struct jl__row **ret, jl_error **err)
{
	int r = jl__store_step(store, statement, err);

	if (r != 1)
		return r;
	*ret = read_row(store->sqlite, statement);
	(void)store->sqlite->reset(statement);
	return *ret ? 1 : jl__oom(err);
}

int jl__store_get(struct jl__store *store, uint64_t number, struct jl__row **ret,
		  jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, ST_GET, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_int64(statement, 1, (int64_t)number);
	r = take_one(store, statement, ret, err);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int jl__store_get_id(struct jl__store *store, const char *id, struct jl__row **ret,
		     jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, ST_GET_ID, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_text(statement, 1, id, -1, SQLITE_TRANSIENT);
	r = take_one(store, statement, ret, err);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int jl__store_find_prefix(struct jl__store *store, const char *prefix, char ids[4][37],
			  uint32_t *ret_count, jl_error **err)
{
	sqlite3_stmt *statement;
	uint32_t count = 0;
	int r = jl__store_statement(store, ST_FIND_PREFIX, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_text(statement, 1, prefix, -1, SQLITE_TRANSIENT);
	while ((r = jl__store_step(store, statement, err)) == 1 && count < 4)
		(void)strncpy(ids[count++],
			      (const char *)store->sqlite->column_text(statement, 0), 37);
	for (uint32_t i = 0; i < count; i++)
		ids[i][36] = '\0';
	(void)store->sqlite->reset(statement);
	*ret_count = count;
	return r < 0 ? r : 0;
}

int jl__store_next_pending(struct jl__store *store, const char *me, uint64_t now_usec,
			   struct jl__row **ret, jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, ST_NEXT_PENDING, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_int64(statement, 1, (int64_t)now_usec);
	(void)store->sqlite->bind_text(statement, 2, me, -1, SQLITE_TRANSIENT);
	return take_one(store, statement, ret, err);
}

static int next_of(struct jl__store *store, enum statement which, uint64_t number,
		   struct jl__row **ret, jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, which, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_int64(statement, 1, (int64_t)number);
	return take_one(store, statement, ret, err);
}

int jl__store_next_due(struct jl__store *store, uint64_t now_usec, struct jl__row **ret,
		       jl_error **err)
{
	return next_of(store, ST_NEXT_DUE, now_usec, ret, err);
}

int jl__store_next_change(struct jl__store *store, uint64_t after, struct jl__row **ret,
			  jl_error **err)
{
	return next_of(store, ST_NEXT_CHANGE, after, ret, err);
}

/* ---- several ---- */

int jl__store_list(struct jl__store *store, uint32_t states, const char *name,
		   uint64_t below, uint32_t limit, jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, ST_LIST, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_int64(statement, 1, states ? states : UINT32_MAX);
	if (name)
		(void)store->sqlite->bind_text(statement, 2, name, -1, SQLITE_TRANSIENT);
	(void)store->sqlite->bind_int64(
		statement, 3, below && below < INT64_MAX ? (int64_t)below : INT64_MAX);
	(void)store->sqlite->bind_int64(statement, 4, limit ? (int64_t)limit : -1);
	store->cursor = statement;
	return 0;
}

int jl__store_list_active(struct jl__store *store, jl_error **err)
{
	return jl__store_statement(store, ST_LIST_ACTIVE, &store->cursor, err);
}

int jl__store_list_old(struct jl__store *store, uint64_t keep, uint64_t before_usec,
		       uint32_t limit, jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, ST_LIST_OLD, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_int64(statement, 1, keep ? (int64_t)keep : INT64_MAX);
	(void)store->sqlite->bind_int64(statement, 2, (int64_t)before_usec);
	(void)store->sqlite->bind_int64(statement, 3, limit);
	store->cursor = statement;
	return 0;
}

int jl__store_next(struct jl__store *store, struct jl__row **ret, jl_error **err)
{
	int r = jl__store_step(store, store->cursor, err);

	if (r != 1)
		return r;
	*ret = read_row(store->sqlite, store->cursor);
	if (*ret)
		return 1;
	jl__store_end(store);
	return jl__oom(err);
}

void jl__store_end(struct jl__store *store)
{
	if (store->cursor)
		(void)store->sqlite->reset(store->cursor);
	store->cursor = NULL;
}
