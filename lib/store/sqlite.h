/* SPDX-License-Identifier: MIT */
/*
 * SQLite, loaded when the first store is opened and never before: a program that only
 * spawns jobs does not pay for it. The header is needed to build, the library to run.
 * Private to store/.
 */
#ifndef JL_STORE_SQLITE_H
#define JL_STORE_SQLITE_H

#include <sqlite3.h>

#include <joblet/error.h>

#define JL__SQLITE_FUNCTIONS(X) \
	X(bind_blob64)          \
	X(bind_int64)           \
	X(bind_null)            \
	X(bind_text)            \
	X(busy_handler)         \
	X(changes)              \
	X(clear_bindings)       \
	X(close_v2)             \
	X(column_blob)          \
	X(column_bytes)         \
	X(column_int64)         \
	X(column_text)          \
	X(column_type)          \
	X(db_config)            \
	X(errmsg)               \
	X(errstr)               \
	X(exec)                 \
	X(extended_errcode)     \
	X(finalize)             \
	X(last_insert_rowid)    \
	X(libversion_number)    \
	X(open_v2)              \
	X(prepare_v3)           \
	X(reset)                \
	X(step)                 \
	X(vfs_find)             \
	X(vfs_register)         \
	X(wal_checkpoint_v2)    \
	X(wal_hook)

struct jl__sqlite {
#define JL__SQLITE_MEMBER(name) __typeof__(sqlite3_##name) *name;
	JL__SQLITE_FUNCTIONS(JL__SQLITE_MEMBER)
#undef JL__SQLITE_MEMBER
};

/* Name of the file layer to open with: SQLite's own, which knows what exists. */
#define JL__SQLITE_FILES "joblet"

/* The functions, loaded on first use and kept. -EOPNOTSUPP without the library. */
int jl__sqlite_load(const struct jl__sqlite **ret, jl_error **err);

#endif
