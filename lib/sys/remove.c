/* SPDX-License-Identifier: MIT */
#include "sys/remove.h"

#include <asm/errno.h>
#include <linux/fcntl.h>

#include "sys/sys.h"

#define BLOCK 4096
#define RENAME_NOREPLACE_ 1

struct entry {
	uint64_t ino;
	int64_t offset;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* ".gone-" and 16 digits: a name the job may have used too, hence the retry by the
 * caller. */
static void make_name(char *buf, uint64_t serial)
{
	static const char prefix[] = ".gone-";
	char *p = buf;

	for (const char *from = prefix; *from; from++)
		*p++ = *from;
	for (int shift = 60; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[serial >> shift & 15];
	*p = '\0';
}

/*
 * Removes what it can of one folder; folders that are not empty move up to the top, so
 * that the tree gets flat instead of being walked down. Returns how many entries went.
 */
static int empty_once(int top, int dir, uint64_t *serial)
{
	char block[BLOCK] __attribute__((aligned(8)));
	int gone = 0;
	long got, r;

	(void)jl__sys_lseek(dir, 0, 0);
	while ((got = jl__sys_getdents64(dir, block, sizeof(block))) > 0) {
		for (long at = 0; at < got;) {
			struct entry *entry = (struct entry *)(block + at);
			char fresh[32];

			at += entry->len;
			if (is_dots(entry->name))
				continue;
			if (jl__sys_unlinkat(dir, entry->name, 0) == 0 ||
			    jl__sys_unlinkat(dir, entry->name, AT_REMOVEDIR) == 0) {
				gone++;
				continue;
			}
			if (dir == top)
				continue;
			/* The job may have used such names; it cannot have used all. */
			do {
				make_name(fresh, (*serial)++);
				r = jl__sys_renameat2(dir, entry->name, top, fresh,
						      RENAME_NOREPLACE_);
			} while (r == -EEXIST);
			if (r == 0)
				gone++;
		}
	}
	return gone;
}

static int open_folder(int dir, const char *name)
{
	return (int)jl__sys_openat(dir, name,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

/* Empties every folder directly below the top. Returns how many entries went. */
static int empty_folders(int top, uint64_t *serial)
{
	char block[BLOCK] __attribute__((aligned(8)));
	int gone = 0;
	long got;

	(void)jl__sys_lseek(top, 0, 0);
	while ((got = jl__sys_getdents64(top, block, sizeof(block))) > 0) {
		for (long at = 0; at < got;) {
			struct entry *entry = (struct entry *)(block + at);
			int fd;

			at += entry->len;
			if (is_dots(entry->name))
				continue;
			fd = open_folder(top, entry->name);
			/* Whoever is not root has to let himself in first. */
			if (fd == -EACCES && entry->type == 4 /* a folder, no link */ &&
			    jl__sys_fchmodat(top, entry->name, 0700) == 0)
				fd = open_folder(top, entry->name);
			if (fd < 0)
				continue;
			gone += empty_once(top, fd, serial);
			(void)jl__sys_close(fd);
		}
	}
	return gone;
}

void jl__sys_remove_tree(int dir, const char *name)
{
	uint64_t serial = 0;
	int top, gone;

	if (jl__sys_unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return;
	top = open_folder(dir, name);
	if (top < 0)
		return;
	do {
		gone = empty_once(top, top, &serial);
		gone += empty_folders(top, &serial);
	} while (gone);
	(void)jl__sys_close(top);
	(void)jl__sys_unlinkat(dir, name, AT_REMOVEDIR);
}
