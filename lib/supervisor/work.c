/* SPDX-License-Identifier: MIT */
/*
 * /work on a disk: a folder of the job's own ids, made for it and removed with it.
 * Nothing in it is followed or trusted when it is removed: the job has written it.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/stat.h>

#include "sys/remove.h"

static char *work_name(char *buf, const struct kit *kit)
{
	put_number(put_text(buf, "job-"), kit->group);
	return buf;
}

/*
 * The library's descriptor carries the lock, but belongs to a mount of another namespace;
 * what can be mounted for jobs is the same folder as our side of the host shows it.
 */
int work_accept(int lock, const char *name, const char *path)
{
	struct statx theirs, ours;
	long r;

	sv.work_lock = lock;
	__builtin_memcpy(sv.work_name, name, sizeof(sv.work_name));
	r = host_enter();
	if (r == 0)
		r = jl__sys_openat(sv.host_root, path + 1,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	host_leave(sv.own_ns);
	if (r < 0)
		return (int)r;
	sv.work = (int)r;
	if (jl__sys_statx(lock, "", AT_EMPTY_PATH, STATX_INO, &theirs) < 0 ||
	    jl__sys_statx(sv.work, "", AT_EMPTY_PATH, STATX_INO, &ours) < 0 ||
	    theirs.stx_ino != ours.stx_ino ||
	    theirs.stx_dev_major != ours.stx_dev_major ||
	    theirs.stx_dev_minor != ours.stx_dev_minor) {
		fd_close(&sv.work);
		return -ESTALE;
	}
	return 0;
}

/* A detached mount of the new folder, or -errno. */
int work_make(const struct kit *kit, const struct jl__plan *plan)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.propagation = MS_PRIVATE,
	};
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
	r = host_enter();
	fd = r < 0 ? (int)r
		   : (int)jl__sys_open_tree(sv.work, name, OPEN_TREE_CLONE | O_CLOEXEC);
	host_leave(sv.own_ns);
	if (fd < 0)
		return fd;
	r = jl__sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	if (r < 0) {
		(void)jl__sys_close(fd);
		return (int)r;
	}
	return fd;
}

static int remove_main(void *name)
{
	/* It may take long: what others wait for is not held open meanwhile. */
	(void)jl__sys_dup3(sv.work, 3, 0);
	(void)jl__sys_close_range(4, ~0u, 0);
	jl__sys_remove_tree(3, name);
	return 0;
}

/*
 * Removes the job's folder: at once when it is empty or has to be, otherwise by a process
 * of its own, whose pidfd is returned; a job may have left millions of files. -1: it is
 * gone.
 */
int work_remove(struct kit *kit, int at_once)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	char name[24];

	if (sv.work < 0 || !kit->has_work)
		return -1;
	kit->has_work = 0;
	if (jl__sys_unlinkat(sv.work, work_name(name, kit), AT_REMOVEDIR) == 0)
		return -1;
	if (!at_once && jl__sys_clone3_call(&args, sizeof(args), remove_main, name) >= 0)
		return pidfd;
	jl__sys_remove_tree(sv.work, name);
	return -1;
}
