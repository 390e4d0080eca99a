/* SPDX-License-Identifier: MIT */
#define JL_MODULE "store"

#include "store/sqlite.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/error.h"

#define LIBRARY "libsqlite3.so.0"
#define VERSION_MIN 3024000 /* partial indexes, WAL as we use it, prepare_v3 */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct jl__sqlite table;
static bool loaded;

/*
 * SQLite takes a log that it opens for one that it has made, and flushes the folder before
 * the first commit of every process, for a name that has been there for long. It does not
 * when it may not make files. Ours keeps the log (store.c) and flushes the folder when the
 * store is made (schema.c).
 */
static sqlite3_vfs files;
static int (*plain_open)(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
			 int flags, int *ret_flags);

static int open_known(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		      int *ret_flags)
{
	if (flags & SQLITE_OPEN_WAL && access(name, F_OK) == 0)
		flags &= ~SQLITE_OPEN_CREATE;
	return plain_open(vfs, name, file, flags, ret_flags);
}

static int add_files(void)
{
	sqlite3_vfs *plain = table.vfs_find(NULL);

	if (!plain)
		return SQLITE_ERROR;
	files = *plain;
	files.zName = JL__SQLITE_FILES;
	files.pNext = NULL;
	plain_open = plain->xOpen;
	files.xOpen = open_known;
	return table.vfs_register(&files, 0);
}

static int load(jl_error **err)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return jl__fail(
			err, -EOPNOTSUPP,
			"a node needs SQLite, and %s cannot be loaded (%s); install the package libsqlite3-0 (Fedora, Alpine: sqlite-libs)",
			LIBRARY, dlerror());
#define LOAD(name)                                                                   \
	table.name = (__typeof__(table.name))dlsym(library, "sqlite3_" #name);       \
	if (!table.name) {                                                           \
		(void)dlclose(library);                                              \
		return jl__fail(err, -EOPNOTSUPP,                                    \
				"%s of this machine has no sqlite3_%s; SQLite 3.24 " \
				"or newer is needed",                                \
				LIBRARY, #name);                                     \
	}
	JL__SQLITE_FUNCTIONS(LOAD)
#undef LOAD
	if (table.libversion_number() < VERSION_MIN) {
		int version = table.libversion_number();

		(void)dlclose(library);
		return jl__fail(err, -EOPNOTSUPP,
				"%s is version %d.%d; SQLite 3.24 or newer is needed",
				LIBRARY, version / 1000000, version / 1000 % 1000);
	}
	if (add_files() != SQLITE_OK) {
		(void)dlclose(library);
		return jl__fail(err, -EOPNOTSUPP, "%s of this machine cannot open files",
				LIBRARY);
	}
	/* Stays for good: SQLite's locks on a file belong to the process. */
	loaded = true;
	return 0;
}

int jl__sqlite_load(const struct jl__sqlite **ret, jl_error **err)
{
	int r;

	(void)pthread_mutex_lock(&lock);
	r = loaded ? 0 : load(err);
	(void)pthread_mutex_unlock(&lock);
	if (r == 0)
		*ret = &table;
	return r;
}
