/* SPDX-License-Identifier: MIT */
#ifndef JL_STORE_STORE_PRIV_H
#define JL_STORE_STORE_PRIV_H

#include "store/sqlite.h"
#include "store/store.h"

/* Statements, prepared when first used. */
enum statement {
	ST_BEGIN,
	ST_COMMIT,
	ST_ROLLBACK,
	ST_DATA_VERSION,
	ST_INSERT,
	ST_INSERT_DETAILS,
	ST_UPDATE,
	ST_DELETE,
	ST_DELETE_DETAILS,
	ST_DELETE_ATTEMPTS,
	ST_GET,
	ST_GET_ID,
	ST_GET_DETAILS,
	ST_FIND_PREFIX,
	ST_LIST,
	ST_LIST_ACTIVE,
	ST_LIST_OLD,
	ST_NEXT_PENDING,
	ST_NEXT_DUE,
	ST_NEXT_CHANGE,
	ST_COUNT_STATE,
	ST_COUNT_SERIES,
	ST_COUNT_NEXT,
	ST_COUNT_CHANGE,
	ST_BUMP,
	ST_ADD_ATTEMPT,
	ST_ADD_NET,
	ST_REMOVE_NET,
	ST_NETS,
	ST_KINDS
};

struct jl__store {
	const struct jl__sqlite *sqlite;
	sqlite3 *db;
	char *path;
	sqlite3_stmt *statements[ST_KINDS];
	sqlite3_stmt *cursor; /* of jl__store_list() */
	int64_t data_version;
	int full;	/* what synchronous is set to; -1: not known */
	int wal_pages;	/* in the log, as of our last commit */
	bool forgotten; /* something was deleted whose pages are still in the log */
	bool in_transaction;
};

/* The statement, reset and without bindings. */
int jl__store_statement(struct jl__store *store, enum statement which, sqlite3_stmt **ret,
			jl_error **err);
/* Runs it; 1 with a row, 0 when done. Reset by the caller after a row. */
int jl__store_step(struct jl__store *store, sqlite3_stmt *statement, jl_error **err);
/* Runs a statement without bindings or rows. */
int jl__store_run(struct jl__store *store, enum statement which, jl_error **err);
/* One sentence for what SQLite reported, with the code that fits. */
int jl__store_fail(struct jl__store *store, int code, jl_error **err);
/* Text of a statement, owned. */
char *jl__store_sql(enum statement which);

/* Brings the file to the schema of this version (schema.c). */
int jl__store_migrate(struct jl__store *store, jl_error **err);

/* Columns by number (sql.c). */
extern const char *const jl__number_columns[JL__N_COUNT];
extern const char *const jl__text_columns[JL__T_COUNT];

#endif
