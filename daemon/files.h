/* SPDX-License-Identifier: MIT */
/* Files that are whole or not there: written beside, synced, renamed. */
#ifndef DAEMON_FILES_H
#define DAEMON_FILES_H

#include <sys/types.h>

#include "text.h"

/*
 * Makes or replaces a file in a folder. path is for messages. Another file of that name
 * is replaced, never written through (links, FIFOs). Returns 0 or -errno.
 */
int file_write(int dir_fd, const char *path, const char *name, mode_t mode,
	       const char *text, struct sentence *why);
/*
 * The text of a file in a folder, released with file_free(). -ENOENT without a sentence
 * when there is none; links are not followed.
 */
#define FILE_TEXT_MAX (1024 * 1024)
int file_read(int dir_fd, const char *path, const char *name, char **ret,
	      struct sentence *why);
/* Wipes first: it may be a key. NULL is fine. */
void file_free(char *text);
/* Opens a folder, making it (and those above it, 0755) when it is not there. */
int folder_open(const char *path, mode_t mode, int *ret_fd, struct sentence *why);

#endif
