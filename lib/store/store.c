/* SPDX-License-Identifier: MIT */
#define JL_MODULE "store"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/store-priv.h"

/* How long another process may keep the write lock: its transactions take milliseconds,
 * so one that does not let go has been stopped, or its disk hangs. */
#define BUSY_STEPS 2000
#define BUSY_STEP_MAX_NSEC 5000000

/* Pages in SQLite's log before they are taken into the file, and it begins anew. The
 * first process to open the store reads all of it: this keeps that below a millisecond.
 */
#define WAL_PAGES_MAX 256

int jl__store_fail(struct jl__store *store, int code, jl_error **err)
{
	const char *text = store->db ? store->sqlite->errmsg(store->db)
				     : store->sqlite->errstr(code);

	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return jl__oom(err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return jl__fail(err, -EBUSY,
				"the store %s is kept locked by another program",
				store->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return jl__fail(
			err, -EIO,
			"the store %s is damaged (%s); move it and its -wal and -shm files away to begin anew, jobs that run go on",
			store->path, text);
	case SQLITE_FULL:
		return jl__fail(
			err, -ENOSPC,
			"there is no space left for the store %s; delete jobs, or make room on its disk",
			store->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return jl__fail(err, -EACCES, "the store %s cannot be written (%s)",
				store->path, text);
	default:
		return jl__fail(err, -EIO, "the store %s failed: %s (%d)", store->path,
				text, code);
	}
}

/* ---- statements ---- */

int jl__store_statement(struct jl__store *store, enum statement which, sqlite3_stmt **ret,
			jl_error **err)
{
	sqlite3_stmt **slot = &store->statements[which];
	_cleanup_free_ char *sql = NULL;
	int r;

	if (*slot) {
		(void)store->sqlite->reset(*slot);
		(void)store->sqlite->clear_bindings(*slot);
		*ret = *slot;
		return 0;
	}
	sql = jl__store_sql(which);
	if (!sql)
		return jl__oom(err);
	r = store->sqlite->prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, slot,
				      NULL);
	if (r != SQLITE_OK)
		return jl__store_fail(store, r, err);
	*ret = *slot;
	return 0;
}

int jl__store_step(struct jl__store *store, sqlite3_stmt *statement, jl_error **err)
{
	int r = store->sqlite->step(statement);

	if (r == SQLITE_ROW)
		return 1;
	if (r != SQLITE_DONE)
		r = jl__store_fail(store, store->sqlite->extended_errcode(store->db),
				   err);
	else
		r = 0;
	(void)store->sqlite->reset(statement);
	return r;
}

int jl__store_run(struct jl__store *store, enum statement which, jl_error **err)
{
	sqlite3_stmt *statement;
	int r = jl__store_statement(store, which, &statement, err);

	if (r == 0)
		r = jl__store_step(store, statement, err);
	if (r == 1)
		(void)store->sqlite->reset(statement);
	return r < 0 ? r : 0;
}

/* ---- opening ---- */

static int wait_for_lock(void *unused, int count)
{
	long nsec = 200000L * (count + 1);
	struct timespec pause = { 0,
				  nsec < BUSY_STEP_MAX_NSEC ? nsec : BUSY_STEP_MAX_NSEC };

	(void)unused;
	if (count >= BUSY_STEPS)
		return 0;
	(void)nanosleep(&pause, NULL);
	return 1;
}

static int exec(struct jl__store *store, const char *sql, jl_error **err)
{
	int r = store->sqlite->exec(store->db, sql, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : jl__store_fail(store, r, err);
}

/* Two processes that both make the file WAL may meet; SQLite does not wait there. */
static int use_wal(struct jl__store *store, jl_error **err)
{
	const struct jl__sqlite *sqlite = store->sqlite;
	sqlite3_stmt *statement = NULL;
	char mode[8] = "";
	int r, tries = 0;

	do {
		r = sqlite->prepare_v3(store->db, "PRAGMA journal_mode=WAL", -1, 0,
				       &statement, NULL);
		if (r == SQLITE_OK)
			r = sqlite->step(statement);
		if (r == SQLITE_ROW)
			(void)snprintf(mode, sizeof(mode), "%s",
				       (const char *)sqlite->column_text(statement, 0));
		(void)sqlite->finalize(statement);
	} while ((r & 0xff) == SQLITE_BUSY && wait_for_lock(NULL, tries++));
	if (r != SQLITE_ROW)
		return jl__store_fail(store, r, err);
	if (strcmp(mode, "wal") != 0)
		return jl__fail(
			err, -EOPNOTSUPP,
			"the file system of %s cannot hold the store: it has no shared memory maps; choose a state folder on a local disk",
			store->path);
	return 0;
}

/* Instead of SQLite's own checkpoints. */
static int note_pages(void *data, sqlite3 *db, const char *name, int pages)
{
	struct jl__store *store = data;

	(void)db;
	(void)name;
	store->wal_pages = pages;
	return SQLITE_OK;
}

static int set_up(struct jl__store *store, jl_error **err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int r = store->sqlite->open_v2(store->path, &store->db, flags, JL__SQLITE_FILES);

	if (r != SQLITE_OK)
		return jl__store_fail(store, r, err);
	(void)store->sqlite->busy_handler(store->db, wait_for_lock, NULL);
	(void)store->sqlite->wal_hook(store->db, note_pages, store);
	/* The last one to close would take the log in and remove it, and the next one
	 * make it anew: five flushes for each rnx that is alone. See take_in_log(). */
	r = store->sqlite->db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
				     NULL);
	if (r != SQLITE_OK)
		return jl__store_fail(store, r, err);
	r = use_wal(store, err);
	/* Secrets of deleted jobs are overwritten, not left in free pages. */
	if (r == 0)
		r = exec(
			store,
			"PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF",
			err);
	return r < 0 ? r : jl__store_migrate(store, err);
}

int jl__store_open(const char *path, struct jl__store **ret, jl_error **err)
{
	struct jl__store *store = jl__calloc(1, sizeof(*store));
	_cleanup_close_ int fd = -EBADF;
	bool changed;
	int r;

	if (!store)
		return jl__oom(err);
	store->full = -1;
	store->path = jl__strdup(path);
	r = store->path ? jl__sqlite_load(&store->sqlite, err) : jl__oom(err);
	if (r == 0) {
		/* SQLite gives its other files the permissions of this one. */
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno != EEXIST)
			r = jl__fail_errno(err, -errno, "cannot make the store %s", path);
	}
	if (r == 0)
		r = set_up(store, err);
	if (r == 0)
		r = jl__store_changed(store, &changed, err);
	if (r < 0) {
		(void)jl__store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

struct jl__store *jl__store_close(struct jl__store *store)
{
	if (!store)
		return NULL;
	jl__store_rollback(store);
	if (store->forgotten)
		jl__store_forget(store);
	for (int i = 0; i < ST_KINDS; i++)
		if (store->statements[i])
			(void)store->sqlite->finalize(store->statements[i]);
	if (store->db)
		(void)store->sqlite->close_v2(store->db);
	jl__free(store->path);
	jl__free(store);
	return NULL;
}

int jl__store_changed(struct jl__store *store, bool *ret, jl_error **err)
{
	sqlite3_stmt *statement;
	int64_t version;
	int r = jl__store_statement(store, ST_DATA_VERSION, &statement, err);

	if (r == 0)
		r = jl__store_step(store, statement, err);
	if (r < 0)
		return r;
	version = store->sqlite->column_int64(statement, 0);
	(void)store->sqlite->reset(statement);
	*ret = version != store->data_version;
	store->data_version = version;
	return 0;
}

/* ---- transactions ---- */

/* The disk is waited for by those who need it. */
static int set_sync(struct jl__store *store, bool durable, jl_error **err)
{
	int r;

	if (store->full == durable)
		return 0;
	r = exec(store, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
		 err);
	store->full = r < 0 ? -1 : durable;
	return r;
}

/* Waits for nobody. What fails here has been committed all the same. */
static bool checkpoint(struct jl__store *store, int mode)
{
	const struct jl__sqlite *sqlite = store->sqlite;
	int r;

	(void)sqlite->busy_handler(store->db, NULL, NULL);
	r = sqlite->wal_checkpoint_v2(store->db, NULL, mode, NULL, NULL);
	(void)sqlite->busy_handler(store->db, wait_for_lock, NULL);
	return r == SQLITE_OK;
}

/*
 * Takes SQLite's log into the file, and begins it anew. That it is to begin anew is known
 * in shared memory only; were nothing written then, whoever comes after the last one has
 * gone would take all of it in again, and again. It keeps its size: to write over what is
 * there costs half of what it costs to make a file longer.
 */
static void take_in_log(struct jl__store *store)
{
	if (!checkpoint(store, SQLITE_CHECKPOINT_RESTART))
		return;
	store->wal_pages = 0;
	if (jl__store_begin(store, false, NULL) == 0 &&
	    jl__store_run(store, ST_BUMP, NULL) == 0)
		(void)jl__store_commit(store, NULL);
	jl__store_rollback(store);
}

void jl__store_forget(struct jl__store *store)
{
	if (store->in_transaction || !store->forgotten)
		return;
	store->forgotten = !checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE);
	if (!store->forgotten)
		store->wal_pages = 0;
}

int jl__store_begin(struct jl__store *store, bool durable, jl_error **err)
{
	sqlite3_stmt *way_out;
	int r = set_sync(store, durable, err);

	/* First of all, as it may be wanted because memory is short. */
	if (r == 0)
		r = jl__store_statement(store, ST_ROLLBACK, &way_out, err);
	if (r == 0)
		r = jl__store_run(store, ST_BEGIN, err);
	store->in_transaction = r == 0;
	return r;
}

int jl__store_settled(struct jl__store *store, bool *ret, jl_error **err)
{
	int r;

	(void)store->sqlite->busy_handler(store->db, NULL, NULL);
	r = jl__store_run(store, ST_BEGIN, err);
	(void)store->sqlite->busy_handler(store->db, wait_for_lock, NULL);
	store->in_transaction = r == 0;
	jl__store_rollback(store);
	*ret = r == 0;
	if (r != -EBUSY)
		return r;
	jl__error_clear(err);
	return 0;
}

int jl__store_commit(struct jl__store *store, jl_error **err)
{
	int r = jl__store_run(store, ST_COMMIT, err);

	if (r < 0)
		return r;
	store->in_transaction = false;
	/* It waits for the disk, so it is left to those who do that anyway. */
	if (store->full == 1 && store->wal_pages >= WAL_PAGES_MAX)
		take_in_log(store);
	return 0;
}

void jl__store_rollback(struct jl__store *store)
{
	int saved = errno;

	if (store->in_transaction)
		(void)jl__store_run(store, ST_ROLLBACK, NULL);
	store->in_transaction = false;
	errno = saved;
}
