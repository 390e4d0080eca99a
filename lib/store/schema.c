/* SPDX-License-Identifier: MIT */
/*
 * The schema, as steps from one version to the next. A step that has been released is
 * never edited: what changes comes as another one, with a file of the version before in
 * tests/unit/data.
 */
#define JL_MODULE "store"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/store-priv.h"

/* "jlno": so that no other program's file is taken for ours. */
#define APPLICATION 0x6a6c6e6f

static const char *const steps[] = {
	/* 0 to 1 */
	"CREATE TABLE jobs ("
	" number INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id TEXT NOT NULL UNIQUE,"
	" state INTEGER NOT NULL,"
	" priority INTEGER NOT NULL,"
	" created_usec INTEGER NOT NULL,"
	" due_usec INTEGER,"
	" not_before_usec INTEGER,"
	" start_usec INTEGER,"
	" end_usec INTEGER,"
	" exit_code INTEGER,"
	" reason INTEGER,"
	" signal INTEGER,"
	" wall_usec INTEGER,"
	" cpu_usec INTEGER,"
	" memory_peak_bytes INTEGER,"
	" io_read_bytes INTEGER,"
	" io_write_bytes INTEGER,"
	" net_received_bytes INTEGER,"
	" net_sent_bytes INTEGER,"
	" net_received_packets INTEGER,"
	" net_sent_packets INTEGER,"
	" limit_cpu_percent INTEGER,"
	" limit_memory_bytes INTEGER,"
	" limit_io_bps INTEGER,"
	" limit_pids INTEGER,"
	" limit_disk_bytes INTEGER,"
	" limit_wall_usec INTEGER,"
	" retries INTEGER,"
	" attempt INTEGER,"
	" run INTEGER,"
	" series INTEGER,"
	" uploads INTEGER,"
	" log_bytes INTEGER,"
	" log_cut INTEGER,"
	" attached INTEGER,"
	" stopping INTEGER,"
	" change INTEGER NOT NULL,"
	" name TEXT,"
	" network TEXT,"
	" address TEXT,"
	" cpus TEXT,"
	" work_dir TEXT,"
	" owner TEXT,"
	" recurrence TEXT,"
	" failure TEXT,"
	" warning TEXT,"
	" claim TEXT,"
	" socket TEXT,"
	" command BLOB NOT NULL);"
	"CREATE INDEX jobs_turn ON jobs (state, priority DESC, number);"
	"CREATE INDEX jobs_due ON jobs (due_usec) WHERE state = 0;"
	"CREATE INDEX jobs_change ON jobs (change);"
	"CREATE INDEX jobs_end ON jobs (end_usec) WHERE state >= 4;"
	"CREATE INDEX jobs_series ON jobs (series) WHERE series IS NOT NULL;"
	"CREATE TABLE details ("
	" number INTEGER PRIMARY KEY,"
	" spec BLOB NOT NULL,"
	" uploads BLOB);"
	"CREATE TABLE attempts ("
	" number INTEGER NOT NULL,"
	" run INTEGER NOT NULL,"
	" attempt INTEGER NOT NULL,"
	" start_usec INTEGER,"
	" end_usec INTEGER,"
	" exit_code INTEGER,"
	" reason INTEGER,"
	" signal INTEGER,"
	" failure TEXT,"
	" PRIMARY KEY (number, run)) WITHOUT ROWID;"
	"CREATE TABLE networks ("
	" name TEXT PRIMARY KEY,"
	" cidr TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE counter (change INTEGER NOT NULL);"
	"INSERT INTO counter VALUES (0);",
};

#define VERSION (sizeof(steps) / sizeof(steps[0]))

static int pragma(struct jl__store *store, const char *name, int64_t *ret, jl_error **err)
{
	const struct jl__sqlite *sqlite = store->sqlite;
	sqlite3_stmt *statement = NULL;
	char sql[64];
	int r;

	(void)snprintf(sql, sizeof(sql), "PRAGMA %s", name);
	r = sqlite->prepare_v3(store->db, sql, -1, 0, &statement, NULL);
	if (r == SQLITE_OK)
		r = sqlite->step(statement);
	if (r == SQLITE_ROW) {
		*ret = sqlite->column_int64(statement, 0);
		r = SQLITE_OK;
	}
	(void)sqlite->finalize(statement);
	return r == SQLITE_OK ? 0 : jl__store_fail(store, r, err);
}

static int run(struct jl__store *store, const char *sql, jl_error **err)
{
	int r = store->sqlite->exec(store->db, sql, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : jl__store_fail(store, r, err);
}

/* The version of the file, after looking whose it is. */
static int read_version(struct jl__store *store, int64_t *ret, jl_error **err)
{
	int64_t application = 0, pages = 0;
	int r = pragma(store, "application_id", &application, err);

	if (r == 0)
		r = pragma(store, "user_version", ret, err);
	if (r == 0 && application != APPLICATION)
		r = pragma(store, "page_count", &pages, err);
	if (r < 0)
		return r;
	if (application != APPLICATION && (application || *ret || pages > 1))
		return jl__fail(
			err, -EIO,
			"%s is not a store of joblet; move it away or choose another state folder",
			store->path);
	if (*ret > (int64_t)VERSION)
		return jl__fail(
			err, -ESTALE,
			"the store %s is of version %" PRId64
			", written by a newer joblet; this one knows up to version %zu: update it, or choose another state folder",
			store->path, *ret, VERSION);
	return 0;
}

static int step_up(struct jl__store *store, int64_t from, jl_error **err)
{
	char mark[96];
	int r = run(store, steps[from], err);

	(void)snprintf(mark, sizeof(mark),
		       "PRAGMA application_id=%d; PRAGMA user_version=%" PRId64,
		       APPLICATION, from + 1);
	return r < 0 ? r : run(store, mark, err);
}

/* The names of the files, which are there for good from here on. */
static int flush_folder(const struct jl__store *store, jl_error **err)
{
	const char *slash = strrchr(store->path, '/');
	_cleanup_free_ char *path =
		slash ? jl__format("%.*s/", (int)(slash - store->path), store->path)
		      : jl__strdup(".");
	_cleanup_close_ int folder = -EBADF;

	if (!path)
		return jl__oom(err);
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || fsync(folder) < 0)
		return jl__fail_errno(err, -errno, "cannot write folder %s to disk",
				      path);
	return 0;
}

int jl__store_migrate(struct jl__store *store, jl_error **err)
{
	int64_t version;
	int r = read_version(store, &version, err);

	if (r < 0 || version == (int64_t)VERSION)
		return r;
	/* Others may be doing the same: look again with the lock. */
	r = jl__store_begin(store, true, err);
	if (r == 0)
		r = read_version(store, &version, err);
	for (; r == 0 && version < (int64_t)VERSION; version++)
		r = step_up(store, version, err);
	if (r == 0)
		r = jl__store_commit(store, err);
	jl__store_rollback(store);
	return r < 0 ? r : flush_folder(store, err);
}
