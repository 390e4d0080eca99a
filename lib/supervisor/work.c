/* SPDX-License-Identifier: MIT */
/*
 * /work on a disk: a folder of the job's own ids, made for it and removed with it.
 * Nothing in it is followed or trusted when it is removed: the job has written it.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/stat.h>

#define AT_REMOVEDIR_ 0x200
#define DEPTH_MAX 256
#define CLONE_NEWNS_ 0x00020000

static char *work_name(char *buf, const struct kit *kit)
{
	put_number(put_text(buf, "job-"), kit->group);
	return buf;
}

/* A detached mount of the new folder, or -errno. */
int work_make(const struct kit *kit, const struct jl__plan *plan)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV };
	char name[24];
	int fd;
	long r;

	if (sv.work < 0)
		return -EOPNOTSUPP;
	r = jl__sys_mkdirat(sv.work, work_name(name, kit), 0755);
	if (r < 0)
		return (int)r;
	r = jl__sys_fchownat(sv.work, name, kit->base + plan->uid, kit->base + plan->gid,
			     AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return (int)r;
	/* The folder belongs to a mount of the host's side, which is where it can be
	 * cloned. */
	r = jl__sys_setns(sv.host_ns, CLONE_NEWNS_);
	if (r < 0)
		return (int)r;
	fd = (int)jl__sys_open_tree(sv.work, name, OPEN_TREE_CLONE | O_CLOEXEC);
	(void)jl__sys_setns(sv.own_ns, CLONE_NEWNS_);
	(void)jl__sys_chdir("/");
	if (fd < 0)
		return fd;
	r = jl__sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	if (r < 0) {
		(void)jl__sys_close(fd);
		return (int)r;
	}
	return fd;
}

struct dirent64 {
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

/*
 * Empties one folder; folders it meets are moved up to the top, so that depth costs
 * neither stack nor descriptors. Returns how many entries went.
 */
static int empty_once(int top, int dir, uint64_t *serial)
{
	static char block[8192] __attribute__((aligned(8)));
	int gone = 0;
	long got;

	while ((got = jl__sys_getdents64(dir, block, sizeof(block))) > 0) {
		for (long at = 0; at < got;) {
			struct dirent64 *entry = (struct dirent64 *)(block + at);
			char fresh[32];

			at += entry->len;
			if (is_dots(entry->name))
				continue;
			if (jl__sys_unlinkat(dir, entry->name, 0) == 0 ||
			    jl__sys_unlinkat(dir, entry->name, AT_REMOVEDIR_) == 0) {
				gone++;
				continue;
			}
			put_number(put_text(fresh, ".gone-"), (*serial)++);
			if (dir != top && jl__sys6(__NR_renameat2, dir, (long)entry->name,
						   top, (long)fresh, 1, 0) == 0)
				gone++;
		}
	}
	return gone;
}

/* Opens the first folder inside, without following anything. */
static int first_folder(int top)
{
	static char block[8192] __attribute__((aligned(8)));
	long got;

	(void)jl__sys_lseek(top, 0, 0);
	while ((got = jl__sys_getdents64(top, block, sizeof(block))) > 0) {
		for (long at = 0; at < got;) {
			struct dirent64 *entry = (struct dirent64 *)(block + at);
			int fd;

			at += entry->len;
			if (is_dots(entry->name))
				continue;
			fd = (int)jl__sys_openat(
				top, entry->name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
			if (fd >= 0)
				return fd;
		}
	}
	return -1;
}

void work_remove(const struct kit *kit)
{
	char name[24];
	uint64_t serial = 0;
	int top;

	work_name(name, kit);
	if (sv.work < 0 || jl__sys_unlinkat(sv.work, name, AT_REMOVEDIR_) == 0)
		return;
	top = (int)jl__sys_openat(sv.work, name,
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (top < 0)
		return;
	for (;;) {
		int gone, folder;

		(void)jl__sys_lseek(top, 0, 0);
		gone = empty_once(top, top, &serial);
		folder = first_folder(top);
		if (folder < 0)
			break;
		gone += empty_once(top, folder, &serial);
		(void)jl__sys_close(folder);
		if (!gone)
			break; /* a mount or an immutable file of somebody else: left
				  alone */
	}
	(void)jl__sys_close(top);
	(void)jl__sys_unlinkat(sv.work, name, AT_REMOVEDIR_);
}
