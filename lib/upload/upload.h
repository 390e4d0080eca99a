/* SPDX-License-Identifier: MIT */
/*
 * Files on their way into a job: taken in as a stream, staged in a folder, later copied
 * into /work by the job's own process. Owns the staging folders; the node says where they
 * are and moves them to the job. For node/.
 *
 * Names come from strangers: they may hold any byte but '/' and NUL, and no path leaves
 * the folder. Nothing is held in memory but the path of the folder used last.
 *
 * On disk, below the folder the node gives:
 *   NAME       the staging folder, mode 0700, locked (flock) as long as it is filled
 *   NAME/files what was uploaded; holds files, folders and links, nothing else
 *   NAME/list  paths of the files and links in order of arrival, each with a NUL behind
 */
#ifndef JL_UPLOAD_UPLOAD_H
#define JL_UPLOAD_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <joblet/error.h>

struct jl__upload;

struct jl__upload_caps {
	uint64_t file_bytes; /* of one file; 0: none */
	uint64_t job_bytes;  /* of all files; 0: none */
	uint32_t entries;    /* files, folders and links; 0: JL__UPLOAD_ENTRIES */
};

#define JL__UPLOAD_ENTRIES 100000
#define JL__UPLOAD_PATH_MAX 4095
#define JL__UPLOAD_DEPTH_MAX 100	       /* names in a path */
#define JL__UPLOAD_LIST_MAX (16 * 1024 * 1024) /* bytes of all paths */
#define JL__UPLOAD_FILES "files"
#define JL__UPLOAD_LIST "list"

/* Makes and locks staging/name. -EEXIST: the name is taken. */
int jl__upload_new(int staging, const char *name, const struct jl__upload_caps *caps,
		   struct jl__upload **ret, jl_error **err);
/* Removes what was staged, unless it has been moved. NULL is fine. */
void jl__upload_free(struct jl__upload *upload);

/*
 * Paths are relative; "." in them falls away, parents are made (0755). Modes are cut to
 * 0777, of 0 the default is meant: no setuid, setgid or sticky bit gets through. What is
 * uploaded stays readable for its owner, and folders writable, whatever the mode says.
 * -EINVAL a bad path or target, -EEXIST something else has the name or is in the way,
 * -ENAMETOOLONG, -EFBIG above the cap of a file, -EDQUOT above that of the job, -E2BIG
 * too many or too long names, -EMSGSIZE a file gets more or fewer bytes than announced,
 * -ENOSPC, -EIO. After a failure nothing more is taken: the staging folder can only be
 * freed.
 */
int jl__upload_add_dir(struct jl__upload *upload, const char *path, uint32_t mode,
		       jl_error **err);
/* size: UINT64_MAX when it is not known. The bytes follow by jl__upload_write(). */
int jl__upload_add_file(struct jl__upload *upload, const char *path, uint32_t mode,
			uint64_t size, jl_error **err);
int jl__upload_write(struct jl__upload *upload, const void *data, size_t len,
		     jl_error **err);
/* A symbolic link; the target is relative and, read as text, does not leave /work. */
int jl__upload_add_link(struct jl__upload *upload, const char *path, const char *target,
			jl_error **err);

/* Files and links so far, and their bytes. */
uint32_t jl__upload_count(const struct jl__upload *upload);
uint64_t jl__upload_bytes(const struct jl__upload *upload);

/*
 * Nothing more comes: checks the last file. sync: everything is on disk when this
 * returns, by syncfs(2), as there may be thousands of files.
 */
int jl__upload_finish(struct jl__upload *upload, bool sync, jl_error **err);
/* Moves the staging folder to folder/name, which must not be there; on the same file
 * system. With sync of the finish, that is on disk too. Then it is no longer removed. */
int jl__upload_move(struct jl__upload *upload, int folder, const char *name,
		    jl_error **err);

/* The folder to be copied into /work, of a moved staging folder: descriptor, owned by
 * the caller. -ENOENT: nothing was uploaded. */
int jl__upload_open(int folder, const char *name, jl_error **err);
/* Paths of a moved staging folder, each with a NUL behind; released with jl__free().
 * *ret is NULL and 0 is returned when nothing was uploaded. */
int jl__upload_list(int folder, const char *name, char **ret, size_t *ret_len,
		    jl_error **err);
/* Removes the files of a moved one; its list stays. */
void jl__upload_drop(int folder, const char *name);
/* Removes the staging folders whose process is gone. */
void jl__upload_sweep(int staging);

#endif
