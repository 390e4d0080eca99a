/* SPDX-License-Identifier: MIT */
/*
 * Finds what one --upload or --upload-dir stands for and shows it to a visitor, folders
 * before what is in them. Descriptors all the way: what was looked at is what is read,
 * and no link is followed but the one the caller named.
 */
#ifndef RNX_UPLOAD_WALK_H
#define RNX_UPLOAD_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "backend.h"

/* As the node takes it. */
#define UPLOAD_PATH_MAX 4095
#define UPLOAD_DEPTH_MAX 100

struct upload_item {
	const char *path; /* below /work */
	const char *text; /* of the flag, for messages */
	struct stat st;
	int fd;		    /* of a file: open for reading, not owned; else -1 */
	const char *target; /* of a link; else NULL */
	int top;	    /* the folder the walk began in; -1 for a single file */
	const char *below;  /* the path there */
};

typedef int (*upload_visit)(void *data, const struct upload_item *item,
			    struct fault *fault);

/* What --upload names: a file, and where it goes. Returns 0 with an open file. */
struct upload_file {
	int fd;
	struct stat st;
	char path[UPLOAD_PATH_MAX + 1];
};
int upload_file_open(const char *text, struct upload_file *ret, struct fault *fault);
/* What --upload-dir names: an open folder. */
int upload_dir_open(const char *text, struct fault *fault);

int upload_walk_file(const char *text, upload_visit visit, void *data,
		     struct fault *fault);
int upload_walk_dir(const char *text, upload_visit visit, void *data,
		    struct fault *fault);

#endif
