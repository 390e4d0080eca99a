/* SPDX-License-Identifier: MIT */
/* Devices, mounts by both interfaces, other roots, files by handle. */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#define SYS_fspick 433
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#define NR_statmount 457
#define NR_listmount 458
#define NR_open_tree_attr 467
#define TREE_CLONE 1

#define A(x) ((long)(x))

static void make_node(void)
{
	static const struct {
		mode_t type;
		unsigned int maj, min;
	} nodes[] = {
		{ S_IFBLK, 8, 0 },    { S_IFBLK, 254, 0 },  { S_IFBLK, 259, 0 },
		{ S_IFBLK, 7, 0 },    { S_IFBLK, 253, 0 },  { S_IFCHR, 1, 1 },
		{ S_IFCHR, 1, 2 },    { S_IFCHR, 1, 11 },   { S_IFCHR, 5, 1 },
		{ S_IFCHR, 10, 200 }, { S_IFCHR, 10, 229 }, { S_IFCHR, 10, 232 },
		{ S_IFCHR, 10, 237 }, { S_IFCHR, 4, 0 },    { S_IFCHR, 1, 3 },
	};
	static const char *const folders[] = { "/tmp", "/work", "/dev", "/dev/shm", "/" };

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		for (size_t j = 0; j < sizeof(folders) / sizeof(folders[0]); j++) {
			char path[64], what[128];
			int fd;

			(void)snprintf(path, sizeof(path), "%s/node", folders[j]);
			(void)snprintf(what, sizeof(what), "mknod %s %s %u:%u", path,
				       nodes[i].type == S_IFBLK ? "block" : "char",
				       nodes[i].maj, nodes[i].min);
			must_fail(what, mknod(path, nodes[i].type | 0600,
					      makedev(nodes[i].maj, nodes[i].min)));
			fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
			if (fd >= 0)
				escaped("opened what %s made", what);
			(void)unlink(path);
		}
	}
}

/* ---- mount(2) ---- */

struct mount_try {
	const char *source, *target, *type;
	unsigned long flags;
	const char *data;
};

static long do_mount(void *arg)
{
	const struct mount_try *m = arg;

	return mount(m->source, m->target, m->type, m->flags, m->data);
}

static void mount_old(void)
{
	static const struct mount_try tries[] = {
		{ "proc", "/tmp/m", "proc", 0, NULL },
		{ "sysfs", "/tmp/m", "sysfs", 0, NULL },
		{ "tmpfs", "/tmp/m", "tmpfs", 0, NULL },
		{ "tmpfs", "/proc", "tmpfs", 0, NULL },
		{ "devtmpfs", "/tmp/m", "devtmpfs", 0, NULL },
		{ "devpts", "/tmp/m", "devpts", 0, NULL },
		{ "cgroup", "/tmp/m", "cgroup", 0, "memory" },
		{ "none", "/tmp/m", "cgroup2", 0, NULL },
		{ "mqueue", "/tmp/m", "mqueue", 0, NULL },
		{ "debugfs", "/tmp/m", "debugfs", 0, NULL },
		{ "securityfs", "/tmp/m", "securityfs", 0, NULL },
		{ "binfmt", "/tmp/m", "binfmt_misc", 0, NULL },
		{ "overlay", "/tmp/m", "overlay", 0,
		  "lowerdir=/usr,upperdir=/tmp/u,workdir=/tmp/w" },
		{ "fuse", "/tmp/m", "fuse", 0,
		  "fd=0,rootmode=40000,user_id=0,group_id=0" },
		{ "/dev/vda", "/tmp/m", "ext4", 0, NULL },
		{ "/", "/tmp/m", NULL, MS_BIND, NULL },
		{ "/", "/tmp/m", NULL, MS_BIND | MS_REC, NULL },
		{ "/proc", "/tmp/m", NULL, MS_BIND, NULL },
		{ "/proc/1/root", "/tmp/m", NULL, MS_BIND, NULL },
		{ "/tmp", "/usr", NULL, MS_BIND, NULL },
		{ NULL, "/", NULL, MS_REMOUNT, NULL },
		{ NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL },
		{ NULL, "/usr", NULL, MS_REMOUNT, NULL },
		{ NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL },
		{ NULL, "/proc", NULL, MS_REMOUNT | MS_BIND, NULL },
		{ NULL, "/tmp", NULL, MS_REMOUNT | MS_BIND, NULL },
		{ "/proc", "/tmp/m", NULL, MS_MOVE, NULL },
		{ NULL, "/", NULL, MS_SHARED | MS_REC, NULL },
		{ NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL },
		{ NULL, "/", NULL, MS_SLAVE, NULL },
	};

	(void)mkdir("/tmp/m", 0700);
	(void)mkdir("/tmp/u", 0700);
	(void)mkdir("/tmp/w", 0700);
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct mount_try m = tries[i];
		char what[160];

		(void)snprintf(what, sizeof(what), "mount %s on %s as %s flags %#lx",
			       m.source != NULL ? m.source : "-", m.target,
			       m.type != NULL ? m.type : "-", m.flags);
		must_refuse(what, in_child(do_mount, &m));
	}
}

/* ---- the mount interface of 2019 ---- */

struct attr {
	uint64_t set, clr, propagation, userns_fd;
};

static void mount_new(void)
{
	static struct attr clear_ro = { .clr = 1 };
	static uint64_t request[8] = { 24, UINT64_MAX, 0 };
	static uint64_t ids[64];
	const struct call calls[] = {
		{ "fsopen tmpfs", SYS_fsopen, { A("tmpfs"), 0 } },
		{ "fsopen proc", SYS_fsopen, { A("proc"), 0 } },
		{ "fsopen ext4", SYS_fsopen, { A("ext4"), 0 } },
		{ "fsopen cgroup", SYS_fsopen, { A("cgroup"), 0 } },
		{ "fspick /", SYS_fspick, { AT_FDCWD, A("/"), 0 } },
		{ "open_tree clone of /",
		  SYS_open_tree,
		  { AT_FDCWD, A("/"), TREE_CLONE } },
		{ "open_tree clone of /proc",
		  SYS_open_tree,
		  { AT_FDCWD, A("/proc"), TREE_CLONE } },
		{ "open_tree recursive clone",
		  SYS_open_tree,
		  { AT_FDCWD, A("/"), TREE_CLONE | 0x8000 } },
		{ "move_mount",
		  SYS_move_mount,
		  { AT_FDCWD, A("/proc"), AT_FDCWD, A("/tmp"), 0 } },
		{ "mount_setattr /",
		  SYS_mount_setattr,
		  { AT_FDCWD, A("/"), 0, A(&clear_ro), sizeof(clear_ro) } },
		{ "mount_setattr /usr",
		  SYS_mount_setattr,
		  { AT_FDCWD, A("/usr"), 0, A(&clear_ro), sizeof(clear_ro) } },
		{ "mount_setattr / recursive",
		  SYS_mount_setattr,
		  { AT_FDCWD, A("/"), 0x8000, A(&clear_ro), sizeof(clear_ro) } },
		{ "open_tree_attr",
		  NR_open_tree_attr,
		  { AT_FDCWD, A("/usr"), TREE_CLONE, A(&clear_ro), sizeof(clear_ro) } },
	};
	long n;

	REFUSE(calls);
	/* A tree without a clone is only a descriptor, but must not be one of the old
	 * root. */
	n = syscall(SYS_open_tree, AT_FDCWD, "/..", 0);
	if (n >= 0) {
		struct stat a, b;

		if (fstat((int)n, &a) == 0 && stat("/", &b) == 0 && a.st_ino != b.st_ino)
			escaped("open_tree of /.. leaves the root");
		(void)close((int)n);
	}
	/* Listing mounts must end at my own namespace's root. */
	n = syscall(NR_listmount, request, ids, 64, 0);
	note("listmount: %ld", n);
}

static void unmount_one(const char *point, const char *opts, const char *type,
			const char *root)
{
	static const int flags[] = { 0, MNT_DETACH, MNT_FORCE };

	(void)opts;
	(void)root;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		char what[600];

		(void)snprintf(what, sizeof(what), "umount %.300s (%s) flags %d", point,
			       type, flags[i]);
		must_refuse(what, outcome_of(umount2(point, flags[i])));
	}
}

static void unmount(void)
{
	each_mount(unmount_one);
	must_refuse("umount /proc/sys",
		    outcome_of(umount2("/proc/sys", MNT_DETACH | UMOUNT_NOFOLLOW)));
}

/* ---- other roots ---- */

static long enter_chroot(void *unused)
{
	(void)unused;
	return chroot("/tmp");
}

static void other_root(void)
{
	const struct call calls[] = {
		{ "pivot_root", SYS_pivot_root, { A("/tmp"), A("/tmp") } },
		{ "pivot_root . .", SYS_pivot_root, { A("."), A(".") } },
	};

	REFUSE(calls);
	must_refuse("chroot", in_child(enter_chroot, NULL));
}

/* The classic: a descriptor of the root kept, chroot below it, fchdir out, and up. */
static void chroot_break(void)
{
	struct stat inside, outside;
	int top = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0 || stat("/", &inside) < 0) {
		untried("/: %s", strerror(errno));
		return;
	}
	(void)mkdir("/tmp/cell", 0700);
	if (chroot("/tmp/cell") < 0) {
		held("chroot: %s", strerror(errno));
	} else {
		note("chroot is allowed");
		if (fchdir(top) == 0) {
			for (int i = 0; i < 64; i++)
				(void)!chdir("..");
			(void)!chroot(".");
		}
	}
	for (int i = 0; i < 64; i++)
		(void)!chdir("..");
	if (stat(".", &outside) == 0 &&
	    (outside.st_dev != inside.st_dev || outside.st_ino != inside.st_ino))
		escaped("went up to a folder above the root");
	else
		held("the root is the top");
	/* Descriptors that were there before me. */
	for (int fd = 0; fd < 1024; fd++) {
		if (fd == top || fchdir(fd) < 0)
			continue;
		for (int i = 0; i < 64; i++)
			(void)!chdir("..");
		if (stat(".", &outside) == 0 &&
		    (outside.st_dev != inside.st_dev || outside.st_ino != inside.st_ino))
			escaped("descriptor %d leads above the root", fd);
	}
}

/* ---- files by handle ("shocker") ---- */

struct handle {
	struct file_handle head;
	unsigned char bytes[128];
};

/* A namespace that I am in is no gain. */
static bool is_own_namespace(int fd)
{
	static const char *const files[] = { "user", "mnt",    "uts",  "ipc", "pid",
					     "net",  "cgroup", "time", NULL };
	struct stat st, own;

	for (const char *const *f = files; *f != NULL; f++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", *f);
		if (fstat(fd, &st) == 0 && stat(path, &own) == 0 &&
		    st.st_ino == own.st_ino && st.st_dev == own.st_dev)
			return true;
	}
	return false;
}

static bool open_handle(int at, int type, unsigned int len, const void *bytes,
			const char *what)
{
	struct handle h = { .head = { .handle_bytes = len, .handle_type = type } };
	long fd;

	memcpy(h.bytes, bytes, len);
	fd = syscall(SYS_open_by_handle_at, at, &h, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!is_own_namespace((int)fd))
		escaped("opened %s by handle", what);
	(void)close((int)fd);
	return true;
}

static void by_handle(void)
{
	static const char *const places[] = { "/",     "/usr",	 "/etc/passwd",
					      "/proc", "/tmp",	 "/dev/null",
					      "/work", "/bin/sh" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct handle h = { .head = { .handle_bytes = sizeof(h.bytes) } };
		struct {
			uint32_t ino, generation;
		} inode = { 2, 0 };
		int at = open(places[i], O_RDONLY | O_CLOEXEC), mount_id;
		bool found;

		if (at < 0)
			continue;
		/* Inode 2 is the root of ext file systems; generation 0 for it. */
		found = open_handle(at, 1, sizeof(inode), &inode, "inode 2");
		if (syscall(SYS_name_to_handle_at, at, "", &h, &mount_id, AT_EMPTY_PATH) <
		    0) {
			held("name_to_handle_at of %s: %s", places[i], strerror(errno));
		} else {
			found |= open_handle(at, h.head.handle_type, h.head.handle_bytes,
					     h.bytes, places[i]);
		}
		if (!found)
			held("no file by handle from %s: %s", places[i], strerror(errno));
		(void)close(at);
	}
}

/* Process handles: file systems of their own since 6.18 that need no mount. */
static void by_special_handle(void)
{
	static const int roots[] = { -10002 /* FD_PIDFS_ROOT */,
				     -10003 /* FD_NSFS_ROOT */ };
	unsigned int found = 0;
	long self = syscall(434 /* pidfd_open */, getpid(), 0);
	struct stat own = { 0 };

	if (self >= 0)
		(void)fstat((int)self, &own);
	for (uint64_t ino = 1; ino < 400000 && found < 5; ino++) {
		struct handle h = { .head = { .handle_bytes = 8, .handle_type = 0xfe } };
		struct stat st;
		long fd;

		if (ino == own.st_ino)
			continue;
		memcpy(h.bytes, &ino, sizeof(ino));
		fd = syscall(SYS_open_by_handle_at, roots[0], &h, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (fstat((int)fd, &st) < 0 || st.st_ino != own.st_ino) {
			escaped("process handle %llu is somebody else's",
				(unsigned long long)ino);
			found++;
		}
		(void)close((int)fd);
	}
	/* Namespaces: struct nsfs_file_handle { u64 ns_id; u32 ns_type, ns_inum; }, type
	 * 0xf1. The first namespaces have fixed inode numbers and, with ns_id, small
	 * identities. */
	for (uint32_t n = 0; n < 16; n++) {
		static const uint32_t types[] = { 0x00020000, 0x04000000, 0x08000000,
						  0x10000000, 0x20000000, 0x40000000,
						  0x02000000, 0x00000080 };

		for (uint64_t id = 0; id < 16; id++) {
			for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
				struct {
					uint64_t id;
					uint32_t type, inum;
				} ns = { id, types[t], n == 0 ? 0 : 0xeffffff4U + n };

				(void)open_handle(roots[1], 0xf1, sizeof(ns), &ns,
						  "a namespace of the host");
			}
		}
	}
	if (found == 0)
		held("no process or namespace by handle: %s", strerror(errno));
	if (self >= 0)
		(void)close((int)self);
}

/* ---- watching files of the host ---- */

static void fanotify(void)
{
	static const unsigned int marks[] = { FAN_MARK_ADD | FAN_MARK_MOUNT,
					      FAN_MARK_ADD | FAN_MARK_FILESYSTEM };
	int fd;

	must_fail("fanotify with permission events",
		  fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY));
	must_fail("fanotify with descriptors", fanotify_init(FAN_CLASS_NOTIF, O_RDONLY));
	fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC, 0);
	if (fd < 0) {
		held("fanotify with handles: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		must_fail("fanotify mark of /usr's mount",
			  fanotify_mark(fd, marks[i], FAN_OPEN, AT_FDCWD, "/usr"));
	}
	(void)close(fd);
}

const struct attack mount_attacks[] = {
	{ "mount-mknod", make_node, IN_SANDBOX },
	{ "mount-old-api", mount_old, IN_SANDBOX },
	{ "mount-new-api", mount_new, IN_SANDBOX },
	{ "mount-umount", unmount, IN_SANDBOX },
	{ "mount-other-root", other_root, IN_SANDBOX },
	{ "mount-chroot-break", chroot_break, 0 },
	{ "mount-by-handle", by_handle, IN_SANDBOX },
	{ "mount-by-special-handle", by_special_handle, IN_SANDBOX },
	{ "mount-fanotify", fanotify, IN_SANDBOX },
	{ NULL, NULL, 0 },
};
