/* SPDX-License-Identifier: MIT */
/* Counts, and the tables beside the one of jobs. */
#define JL_MODULE "store"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/store-priv.h"

int jl__store_count(struct jl__store *store, enum jl__count what, uint64_t of,
		    uint64_t *ret, jl_error **err)
{
	static const struct {
		enum statement which;
		bool of;
	} counts[JL__COUNT_KINDS] = {
		[JL__COUNT_STATE] = { ST_COUNT_STATE, true },
		[JL__COUNT_SERIES] = { ST_COUNT_SERIES, true },
		[JL__COUNT_NEXT] = { ST_COUNT_NEXT, true },
		[JL__COUNT_CHANGE] = { ST_COUNT_CHANGE, false },
	};
	const struct jl__sqlite *sqlite = store->sqlite;
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, counts[what].which, &statement, err);

	if (r < 0)
		return r;
	if (counts[what].of)
		(void)sqlite->bind_int64(statement, 1, (int64_t)of);
	r = jl__store_step(store, statement, err);
	if (r < 0)
		return r;
	*ret = r == 0 || sqlite->column_type(statement, 0) == SQLITE_NULL
		       ? UINT64_MAX
		       : (uint64_t)sqlite->column_int64(statement, 0);
	(void)sqlite->reset(statement);
	return 0;
}

/* ---- details ---- */

void jl__details_done(struct jl__details *details)
{
	if (details->spec)
		explicit_bzero(details->spec, details->spec_len);
	jl__free(details->spec);
	jl__free(details->uploads);
	*details = (struct jl__details){ 0 };
}

static int copy_blob(const struct jl__sqlite *sqlite, sqlite3_stmt *statement, int at,
		     char **ret, size_t *ret_len)
{
	const void *blob = sqlite->column_blob(statement, at);
	size_t len = (size_t)sqlite->column_bytes(statement, at);
	char *copy = jl__alloc(len + 1);

	if (!copy)
		return -ENOMEM;
	if (len)
		memcpy(copy, blob, len);
	copy[len] = '\0';
	*ret = copy;
	*ret_len = len;
	return 0;
}

int jl__store_get_details(struct jl__store *store, uint64_t number,
			  struct jl__details *ret, jl_error **err)
{
	struct jl__details details = { 0 };
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, ST_GET_DETAILS, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_int64(statement, 1, (int64_t)number);
	r = jl__store_step(store, statement, err);
	if (r < 0)
		return r;
	if (r == 0)
		return jl__fail(err, -EIO, "the store has no description of job %llu",
				(unsigned long long)number);
	r = copy_blob(store->sqlite, statement, 0, &details.spec, &details.spec_len);
	if (r == 0)
		r = copy_blob(store->sqlite, statement, 1, &details.uploads,
			      &details.uploads_len);
	(void)store->sqlite->reset(statement);
	if (r < 0) {
		jl__details_done(&details);
		return jl__oom(err);
	}
	*ret = details;
	return 0;
}

/* ---- attempts ---- */

int jl__store_add_attempt(struct jl__store *store, const struct jl__row *row,
			  jl_error **err)
{
	static const enum jl__number columns[] = {
		JL__N_NUMBER, JL__N_RUN,       JL__N_ATTEMPT, JL__N_START,
		JL__N_END,    JL__N_EXIT_CODE, JL__N_REASON,  JL__N_SIGNAL,
	};
	const int count = sizeof(columns) / sizeof(columns[0]);
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, ST_ADD_ATTEMPT, &statement, err);

	if (r < 0)
		return r;
	for (int i = 0; i < count; i++)
		if (row->number[columns[i]] != UINT64_MAX)
			(void)store->sqlite->bind_int64(statement, i + 1,
							(int64_t)row->number[columns[i]]);
	if (row->text[JL__T_FAILURE])
		(void)store->sqlite->bind_text(statement, count + 1,
					       row->text[JL__T_FAILURE], -1,
					       SQLITE_TRANSIENT);
	return jl__store_step(store, statement, err);
}

/* ---- networks ---- */

static int change_net(struct jl__store *store, enum statement which, const char *name,
		      const char *cidr, jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, which, &statement, err);

	if (r < 0)
		return r;
	(void)store->sqlite->bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
	if (cidr)
		(void)store->sqlite->bind_text(statement, 2, cidr, -1, SQLITE_TRANSIENT);
	return jl__store_step(store, statement, err);
}

int jl__store_add_net(struct jl__store *store, const char *name, const char *cidr,
		      jl_error **err)
{
	return change_net(store, ST_ADD_NET, name, cidr, err);
}

int jl__store_remove_net(struct jl__store *store, const char *name, jl_error **err)
{
	return change_net(store, ST_REMOVE_NET, name, NULL, err);
}

int jl__store_nets(struct jl__store *store, struct jl__store_net **ret, uint32_t *count,
		   jl_error **err)
{
	const struct jl__sqlite *sqlite = store->sqlite;
	_cleanup_free_ struct jl__store_net *list = NULL;
	sqlite3_stmt *statement;
	uint32_t used = 0;
	int r = jl__store_statement(store, ST_NETS, &statement, err);

	if (r < 0)
		return r;
	while ((r = jl__store_step(store, statement, err)) == 1) {
		struct jl__store_net *more = jl__resize(list, (used + 1) * sizeof(*list));

		if (!more) {
			(void)sqlite->reset(statement);
			return jl__oom(err);
		}
		list = more;
		(void)snprintf(list[used].name, sizeof(list[used].name), "%s",
			       (const char *)sqlite->column_text(statement, 0));
		(void)snprintf(list[used].cidr, sizeof(list[used].cidr), "%s",
			       (const char *)sqlite->column_text(statement, 1));
		used++;
	}
	if (r < 0)
		return r;
	*ret = jl__steal(list);
	*count = used;
	return 0;
}
