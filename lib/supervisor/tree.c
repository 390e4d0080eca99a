/* SPDX-License-Identifier: MIT */
/*
 * Roots of jobs. A template is built once per view and stays attached below our own root;
 * each job gets a detached clone of it, shown as owned by the job's ids. Where the kernel
 * cannot show a tmpfs with other ids (before 6.3), the root is built anew for each job
 * and only what comes from the host's disks is shown so.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/kdev_t.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#define AT_RECURSIVE_ 0x8000
#define MNT_DETACH 2
#define CLONE_NEWNS_ 0x00020000

/* Folder of a template below our root: "/t0" … */
static char *template_path(char *buf, int nr)
{
	put_number(put_text(buf, "/t"), (uint64_t)nr);
	return buf;
}

static const char *op_text(const struct jl__tree *tree, uint32_t offset)
{
	return (const char *)tree + offset;
}

/* ---- the host's side ------------------------------------------------------------------
 */

long host_enter(void)
{
	long r = jl__sys_setns(sv.host_ns, CLONE_NEWNS_);

	return r < 0 ? r : jl__sys_fchdir(sv.host_root);
}

void host_leave(int back)
{
	/* We came from there. Should it fail, later steps fail on missing paths. */
	(void)jl__sys_setns(back, CLONE_NEWNS_);
	(void)jl__sys_chdir("/");
}

/* Opens a path of the host and checks that it is still what the plan was made from. */
static long host_open(const struct jl__op *op, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	struct statx st;
	long fd, r;

	fd = jl__sys_openat2(sv.host_root, path, &how, sizeof(how));
	if (fd < 0)
		return fd;
	r = jl__sys_statx((int)fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MTIME, &st);
	if (r == 0 && (st.stx_ino != op->ino ||
		       ((uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor) != op->dev))
		r = -ESTALE;
	if (r == 0 && op->mtime_nsec &&
	    op->mtime_nsec !=
		    (uint64_t)st.stx_mtime.tv_sec * 1000000000 + st.stx_mtime.tv_nsec)
		r = -ESTALE;
	if (r < 0) {
		(void)jl__sys_close((int)fd);
		return r;
	}
	return fd;
}

static long host_clone(const struct jl__op *op, const char *path)
{
	long r = host_enter(), fd = -1, tree = -1;

	if (r == 0)
		r = fd = host_open(op, path, O_PATH);
	if (fd >= 0) {
		tree = jl__sys_open_tree((int)fd, "",
					 AT_EMPTY_PATH | AT_RECURSIVE_ | OPEN_TREE_CLONE |
						 O_CLOEXEC);
		(void)jl__sys_close((int)fd);
		r = tree;
	}
	host_leave(sv.roots_ns);
	return r < 0 ? r : tree;
}

/* ---- building ---- */

struct build {
	const struct jl__tree *tree;
	int dir;	/* root under construction */
	uint32_t owner; /* of what is made */
	int userns;	/* ids to show the host's files with; -1: as they are */
};

static long own(const struct build *b, const char *path)
{
	return b->owner ? jl__sys_fchownat(b->dir, path, b->owner, b->owner,
					   AT_SYMLINK_NOFOLLOW)
			: 0;
}

static long make_file(const struct build *b, const struct jl__op *op, const char *path,
		      const char *content, size_t len)
{
	long fd = jl__sys_openat(b->dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				 op->mode);
	long put = 0;

	if (fd < 0)
		return fd;
	while (len && (put = jl__sys_write((int)fd, content, len)) > 0) {
		content += put;
		len -= (size_t)put;
	}
	(void)jl__sys_close((int)fd);
	if (put < 0)
		return put;
	return own(b, path);
}

static long copy_file(const struct build *b, const struct jl__op *op, const char *path,
		      const char *source)
{
	static char block[65536];
	long in, out, got, put = 0;

	in = host_open(op, source, O_RDONLY | O_NONBLOCK);
	if (in < 0)
		return in;
	out = jl__sys_openat(b->dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			     op->mode);
	if (out < 0) {
		(void)jl__sys_close((int)in);
		return out;
	}
	while ((got = jl__sys_read((int)in, block, sizeof(block))) > 0) {
		put = jl__sys_write((int)out, block, (size_t)got);
		if (put != got) {
			got = put < 0 ? put : -ENOSPC;
			break;
		}
	}
	(void)jl__sys_close((int)in);
	(void)jl__sys_close((int)out);
	return got < 0 ? got : own(b, path);
}

static long set_attrs(int dir, const char *path, uint32_t attrs, unsigned int flags)
{
	struct mount_attr attr = { .attr_set = attrs };

	return jl__sys_mount_setattr(dir, path, flags, &attr, sizeof(attr));
}

/* Files of a file system that cannot be shown with other ids stay nobody's: less access.
 */
static void show_as_owned(int tree, const char *path, unsigned int flags, int userns)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
				   .userns_fd = (uint64_t)userns };

	if (jl__sys_mount_setattr(tree, path, flags | AT_RECURSIVE_, &attr,
				  sizeof(attr)) < 0)
		(void)jl__sys_mount_setattr(tree, path, flags, &attr, sizeof(attr));
}

static long bind_host(const struct build *b, const struct jl__op *op, const char *path,
		      const char *source)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	long tree = host_clone(op, source), r;

	if (tree < 0)
		return tree;
	if (b->userns >= 0)
		show_as_owned((int)tree, "", AT_EMPTY_PATH, b->userns);
	/* Private as well: what the host mounts there later has none of these attributes.
	 */
	attr.attr_set = op->attrs;
	r = jl__sys_mount_setattr((int)tree, "", AT_EMPTY_PATH | AT_RECURSIVE_, &attr,
				  sizeof(attr));
	if (r == 0)
		r = jl__sys_move_mount((int)tree, "", b->dir, path,
				       MOVE_MOUNT_F_EMPTY_PATH);
	(void)jl__sys_close((int)tree);
	return r;
}

/* Mounts by path relative to the working directory, which is the root being built. */
static long mount_tmpfs(const struct jl__op *op, const char *path)
{
	char options[48], *p;

	p = put_text(options, "size=4m,mode=");
	*p++ = (char)('0' + (op->mode >> 9 & 7));
	*p++ = (char)('0' + (op->mode >> 6 & 7));
	*p++ = (char)('0' + (op->mode >> 3 & 7));
	*p++ = (char)('0' + (op->mode & 7));
	*p = '\0';
	/* Read-only and the like come last, when the content is there. */
	return jl__sys_mount("joblet", path, "tmpfs", MS_NOSUID, options);
}

static long build_op(struct build *b, const struct jl__op *op)
{
	const char *path = op_text(b->tree, op->path), *text = op_text(b->tree, op->text);
	long r;

	switch (op->type) {
	case JL__OP_ROOT:
		return own(b, ".");
	case JL__OP_DIR:
		r = jl__sys_mkdirat(b->dir, path, op->mode);
		/* mkdir is subject to the umask, and the sticky bit wants chmod anyway.
		 */
		if (r == 0 && op->mode & ~0755u)
			r = jl__sys_fchmodat(b->dir, path, op->mode);
		return r < 0 ? r : own(b, path);
	case JL__OP_LINK:
		r = jl__sys_symlinkat(text, b->dir, path);
		return r < 0 ? r : own(b, path);
	case JL__OP_FILE:
		return make_file(b, op, path, text, op->length);
	case JL__OP_COPY:
		return copy_file(b, op, path, text);
	case JL__OP_BIND:
		return bind_host(b, op, path, text);
	case JL__OP_TMPFS:
		r = mount_tmpfs(op, path);
		return r < 0 ? r : own(b, path);
	case JL__OP_NODE:
		r = jl__sys_mknodat(b->dir, path, S_IFCHR | op->mode,
				    (unsigned int)op->number);
		if (r == 0)
			r = jl__sys_fchmodat(b->dir, path, op->mode);
		return r < 0 ? r : own(b, path);
	default:
		return -EINVAL;
	}
}

/* Builds at an empty folder of ours; on failure what was mounted is gone again. */
static int build_at(const char *where, const struct jl__tree *tree, uint32_t owner,
		    int userns, struct jl__failure *failure)
{
	struct build b = { .tree = tree, .owner = owner, .userns = userns, .dir = -1 };
	long r;
	uint32_t i = 0;

	r = mount_tmpfs(&tree->ops[0], where);
	if (r < 0)
		return failed(failure, JL__STEP_TREE, 0, r);
	b.dir = (int)jl__sys_openat(AT_FDCWD, where, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	r = b.dir < 0 ? b.dir : 0;
	for (; r == 0 && i < tree->count; i++) {
		/* Mounting by path needs the folder as working directory; hosts visits
		 * end at /. */
		r = jl__sys_fchdir(b.dir);
		if (r == 0)
			r = build_op(&b, &tree->ops[i]);
	}
	if (r < 0)
		failed(failure, JL__STEP_TREE, i ? i - 1 : 0, r);
	/* Now that everything is in place nothing is written any more. */
	for (i = 0; r == 0 && i < tree->count; i++) {
		const struct jl__op *op = &tree->ops[i];

		if (op->type != JL__OP_ROOT && op->type != JL__OP_TMPFS)
			continue;
		r = set_attrs(b.dir,
			      op->type == JL__OP_ROOT ? "" : op_text(tree, op->path),
			      op->attrs, op->type == JL__OP_ROOT ? AT_EMPTY_PATH : 0);
		if (r < 0)
			failed(failure, JL__STEP_TREE, i, r);
	}
	fd_close(&b.dir);
	(void)jl__sys_chdir("/");
	if (r < 0)
		(void)jl__sys_umount2(where, MNT_DETACH);
	return (int)r;
}

/* ---- templates ---- */

static const struct jl__tree *template_tree(int nr)
{
	return (const struct jl__tree *)sv.shared->templates[nr].tree;
}

static void template_drop(int nr)
{
	char path[16];

	stock_forget(nr);
	sv.shared->templates[nr].used = 0;
	if (sv.tmpfs_idmap && jl__sys_setns(sv.roots_ns, CLONE_NEWNS_) == 0)
		(void)jl__sys_umount2(template_path(path, nr), MNT_DETACH);
	host_leave(sv.own_ns);
}

static int template_build(int nr, struct jl__failure *failure)
{
	char path[16];
	long r;

	r = jl__sys_setns(sv.roots_ns, CLONE_NEWNS_);
	if (r == 0)
		r = jl__sys_mkdirat(AT_FDCWD, template_path(path, nr), 0755);
	if (r < 0 && r != -EEXIST)
		failed(failure, JL__STEP_TREE, 0, r);
	else
		r = build_at(path, template_tree(nr), 0, -1, failure);
	host_leave(sv.own_ns);
	return (int)r;
}

/* Number of the template for these bytes, built when it is new; the oldest makes room. */
int template_get(const struct jl__tree *tree, struct jl__failure *failure)
{
	struct root_template *list = sv.shared->templates;
	int oldest = 0;

	for (int i = 0; i < (int)MAX_TEMPLATES; i++) {
		if (list[i].used && template_tree(i)->size == tree->size &&
		    bytes_equal(list[i].tree, tree, tree->size)) {
			list[i].used = ++sv.tick;
			return i;
		}
		if (list[i].used < list[oldest].used)
			oldest = i;
	}
	if (list[oldest].used)
		template_drop(oldest);
	__builtin_memcpy(list[oldest].tree, tree, tree->size);
	if (sv.tmpfs_idmap && template_build(oldest, failure) < 0)
		return failure->code;
	list[oldest].used = ++sv.tick;
	return oldest;
}

static long clone_attached(const char *path)
{
	return jl__sys_open_tree(AT_FDCWD, path,
				 AT_RECURSIVE_ | OPEN_TREE_CLONE | O_CLOEXEC);
}

/* Detached, in the namespace of roots. */
static long tree_fd(const struct kit *kit, const struct jl__tree *tree,
		    struct jl__failure *failure)
{
	const char *where;
	char path[16];
	long fd = jl__sys_setns(sv.roots_ns, CLONE_NEWNS_);

	if (fd < 0)
		return failed(failure, JL__STEP_CLONE_TREE, 0, fd);
	if (sv.tmpfs_idmap) {
		fd = clone_attached(template_path(path, kit->template_nr));
	} else {
		/* The maker and we may be at it at the same time. */
		where = jl__sys_getpid() == 1 ? "/build" : "/build2";
		if (build_at(where, tree, kit->base, kit->userns, failure) < 0)
			return failure->code;
		fd = clone_attached(where);
		(void)jl__sys_umount2(where, MNT_DETACH);
	}
	return fd < 0 ? failed(failure, JL__STEP_CLONE_TREE, 0, fd) : fd;
}

/* Files of templates belong to us; each job sees them as its own root's. */
static void show_tree(int fd, const struct kit *kit, const struct jl__tree *tree)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)kit->userns,
	};

	if (jl__sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE_, &attr,
				  sizeof(attr)) == 0)
		return;
	/* Some file system of the host cannot be shown with other ids; the rest can. */
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct jl__op *op = &tree->ops[i];

		if (op->type == JL__OP_ROOT)
			show_as_owned(fd, "", AT_EMPTY_PATH, kit->userns);
		else if (op->type == JL__OP_BIND || op->type == JL__OP_TMPFS)
			show_as_owned(fd, op_text(tree, op->path), 0, kit->userns);
	}
}

/*
 * A mount namespace with this tree as its root and nothing else, for the job to step
 * into. The old root goes here and not in the job: unmounting waits for the other
 * processors.
 */
static long enclose(int tree, int *ret_ns)
{
	long r = jl__sys_unshare(CLONE_NEWNS_);
	int ns;

	if (r < 0)
		return r;
	ns = (int)jl__sys_openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC, 0);
	r = ns < 0 ? ns
		   : jl__sys_move_mount(tree, "", AT_FDCWD, "/job",
					MOVE_MOUNT_F_EMPTY_PATH);
	if (r == 0)
		r = jl__sys_fchdir(tree);
	/* Unprivileged, a proc can only be mounted where another one is seen (child.c).
	 */
	if (r == 0 && !sv.privileged)
		r = jl__sys_mount("/proc", HIDDEN_PROC, NULL, MS_BIND, NULL);
	if (r == 0)
		r = jl__sys_pivot_root(".", ".");
	if (r == 0)
		r = jl__sys_umount2(".", MNT_DETACH);
	if (r < 0)
		fd_close(&ns);
	*ret_ns = ns;
	return r;
}

/* The root for one job, in a mount namespace of its own. The kit has its ids. */
int root_make(struct kit *kit, struct jl__failure *failure)
{
	const struct jl__tree *tree = template_tree(kit->template_nr);
	int fd = (int)tree_fd(kit, tree, failure);
	long r;

	host_leave(sv.own_ns);
	if (fd < 0)
		return fd;
	if (sv.tmpfs_idmap && sv.privileged)
		show_tree(fd, kit, tree);
	r = enclose(fd, &kit->root);
	host_leave(sv.own_ns);
	(void)jl__sys_close(fd);
	return r < 0 ? failed(failure, JL__STEP_PIVOT, 0, r) : 0;
}
