/* SPDX-License-Identifier: MIT */
#define JL_MODULE "rootfs"

#include "rootfs/rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define READ_ONLY (JL__MOUNT_RDONLY | JL__MOUNT_NOSUID | JL__MOUNT_NODEV)
#define COPY_MAX (1 << 20)

/* Folders with programs and libraries; links among them on merged-/usr systems. */
static const char *const tool_dirs[] = {
	"bin", "sbin", "lib", "lib32", "lib64", "libx32"
};

/* Small files programs need, copied once: binds of single files would go stale. */
static const char *const etc_files[] = {
	"ca-certificates.conf",
	"debian_version",
	"fedora-release",
	"gai.conf",
	"host.conf",
	"inputrc",
	"ld.so.cache",
	"ld.so.conf",
	"locale.alias",
	"localtime",
	"lsb-release",
	"magic",
	"mime.types",
	"networks",
	"nsswitch.conf",
	"os-release",
	"profile",
	"protocols",
	"redhat-release",
	"rpc",
	"services",
	"shells",
	"ssl/openssl.cnf",
	"timezone",
	"bash.bashrc",
	"alpine-release",
};

/* Folders without secrets; /etc/ssl as a whole has private keys in it. */
static const char *const etc_dirs[] = {
	"alternatives",	 "crypto-policies", "pki/ca-trust/extracted",
	"pki/tls/certs", "ssl/certs",
};

static const struct {
	const char *name;
	unsigned int minor;
	unsigned int major;
} devices[] = {
	{ "null", 3, 1 },   { "zero", 5, 1 },	 { "full", 7, 1 },
	{ "random", 8, 1 }, { "urandom", 9, 1 }, { "tty", 0, 5 },
};

/* What tells about the host or reaches into it, where it exists. */
static const char *const masked_files[] = {
	"interrupts",	 "kcore",      "keys",		"kmsg",	       "kpagecgroup",
	"kpagecount",	 "kpageflags", "latency_stats", "sched_debug", "slabinfo",
	"sysrq-trigger", "timer_list", "timer_stats",	"vmallocinfo",
};
static const char *const masked_dirs[] = {
	"acpi", "asound", "bus",      "driver", "dynamic_debug",
	"fs",	"irq",	  "pressure", "scsi",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static struct jl__op *add_dir(struct jl__ops *ops, const char *path, uint32_t mode)
{
	struct jl__op *op = jl__ops_add(ops, JL__OP_DIR, path, NULL);

	op->mode = mode;
	return op;
}

static void add_file(struct jl__ops *ops, const char *path, const char *content)
{
	jl__ops_add(ops, JL__OP_FILE, path, content)->mode = 0644;
}

static bool look(const char *path, struct statx *st, int flags)
{
	return statx(AT_FDCWD, path, flags,
		     STATX_TYPE | STATX_MODE | STATX_INO | STATX_MTIME | STATX_SIZE,
		     st) == 0;
}

/* So that a plan made from one file is not carried out on another. */
static void stamp(struct jl__op *op, const struct statx *st)
{
	op->dev = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
	op->ino = st->stx_ino;
	if (S_ISREG(st->stx_mode))
		op->mtime_nsec = (uint64_t)st->stx_mtime.tv_sec * 1000000000 +
				 st->stx_mtime.tv_nsec;
}

static void add_bind_from(struct jl__ops *ops, const char *path, const char *source,
			  const struct statx *st, uint32_t attrs)
{
	struct jl__op *op = jl__ops_add(ops, JL__OP_BIND, path, source);

	op->attrs = attrs;
	stamp(op, st);
}

static void add_bind(struct jl__ops *ops, const char *path, const struct statx *st,
		     uint32_t attrs)
{
	char source[256];

	(void)snprintf(source, sizeof(source), "/%s", path);
	add_bind_from(ops, path, source, st, attrs);
}

/* ---- /usr and its neighbours ---- */

static int add_tools(struct jl__ops *ops, jl_error **err)
{
	struct statx st;

	if (!look("/usr", &st, 0) || !S_ISDIR(st.stx_mode))
		return jl__fail(err, -ENOENT, "this machine has no /usr to show to jobs");
	add_dir(ops, "usr", 0755);
	add_bind(ops, "usr", &st, READ_ONLY);
	for (size_t i = 0; i < COUNT(tool_dirs); i++) {
		char path[16], target[256];
		ssize_t len;

		(void)snprintf(path, sizeof(path), "/%s", tool_dirs[i]);
		if (!look(path, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISLNK(st.stx_mode)) {
			len = readlink(path, target, sizeof(target) - 1);
			if (len <= 0)
				continue;
			target[len] = '\0';
			jl__ops_add(ops, JL__OP_LINK, tool_dirs[i], target);
		} else if (S_ISDIR(st.stx_mode)) {
			add_dir(ops, tool_dirs[i], 0755);
			add_bind(ops, tool_dirs[i], &st, READ_ONLY);
		}
	}
	return 0;
}

/* ---- /etc ---- */

static void add_etc_file(struct jl__ops *ops, const char *name)
{
	char path[256], target[256];
	struct statx st;
	struct jl__op *op;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/etc/%s", name);
	if (!look(path, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (S_ISLNK(st.stx_mode)) {
		len = readlink(path, target, sizeof(target) - 1);
		if (len <= 0)
			return;
		target[len] = '\0';
		jl__ops_add(ops, JL__OP_LINK, path + 1, target);
		return;
	}
	/* What is not for everybody on the host is not for jobs either. */
	if (!S_ISREG(st.stx_mode) || !(st.stx_mode & S_IROTH) || st.stx_size > COPY_MAX)
		return;
	op = jl__ops_add(ops, JL__OP_COPY, path + 1, path);
	op->mode = 0644;
	stamp(op, &st);
}

/* Parents of etc/a/b/c, each once: the list is sorted enough for a look at the last ones.
 */
static void add_parents(struct jl__ops *ops, const char *path)
{
	char parent[256];

	for (const char *slash = strchr(path + 4, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		/* Without memory there may be no text to compare with. */
		bool there = ops->failed;

		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		for (uint32_t i = 0; i < ops->count && !there; i++)
			there = ops->list[i].type == JL__OP_DIR &&
				strcmp(ops->text + ops->list[i].path, parent) == 0;
		if (!there)
			add_dir(ops, parent, 0755);
	}
}

static void add_etc_dir(struct jl__ops *ops, const char *name)
{
	char path[256];
	struct statx st;

	(void)snprintf(path, sizeof(path), "/etc/%s", name);
	if (!look(path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.stx_mode) ||
	    !(st.stx_mode & S_IROTH))
		return;
	add_parents(ops, path + 1);
	add_dir(ops, path + 1, 0755);
	add_bind(ops, path + 1, &st, READ_ONLY);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_java(const struct dirent *entry)
{
	return strncmp(entry->d_name, "java-", 5) == 0;
}

/* Java keeps its configuration in /etc and does not start without it. */
static void add_java(struct jl__ops *ops)
{
	struct dirent **list = NULL;
	int count = scandir("/etc", &list, is_java, by_name);

	for (int i = 0; i < count; i++) {
		add_etc_dir(ops, list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

static void add_users(struct jl__ops *ops, const struct jl__view *view)
{
	char passwd[512], group[512];
	size_t len;

	(void)snprintf(passwd, sizeof(passwd),
		       "root:x:0:0:root:/work:/bin/sh\n"
		       "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n");
	(void)snprintf(group, sizeof(group), "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
	if (view->uid != 0 && view->uid != 65534) {
		len = strlen(passwd);
		(void)snprintf(passwd + len, sizeof(passwd) - len,
			       "user:x:%u:%u:user:/work:/bin/sh\n", view->uid, view->gid);
	}
	if (view->gid != 0 && view->gid != 5 && view->gid != 65534) {
		len = strlen(group);
		(void)snprintf(group + len, sizeof(group) - len, "user:x:%u:\n",
			       view->gid);
	}
	add_file(ops, "etc/passwd", passwd);
	add_file(ops, "etc/group", group);
}

/* ---- names ---- */

/* Of a network: shown from outside, so that jobs see each other come and go. */
static int add_shown_names(struct jl__ops *ops, const char *folder, jl_error **err)
{
	struct statx st;

	if (!look(folder, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.stx_mode))
		return jl__fail(err, -ENOENT,
				"the names of the network are not there: no folder %s",
				folder);
	add_dir(ops, "etc/joblet", 0755);
	add_bind_from(ops, "etc/joblet", folder, &st, READ_ONLY | JL__MOUNT_NOEXEC);
	jl__ops_add(ops, JL__OP_LINK, "etc/hosts", "joblet/hosts");
	jl__ops_add(ops, JL__OP_LINK, "etc/resolv.conf", "joblet/resolv.conf");
	return 0;
}

static void add_own_names(struct jl__ops *ops, const struct jl__view *view)
{
	char hosts[256], real[4096];
	struct statx st;
	struct jl__op *op;

	(void)snprintf(hosts, sizeof(hosts),
		       "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n",
		       view->hostname);
	add_file(ops, "etc/hosts", hosts);
	/* Followed: it is a link into /run on many hosts, which jobs do not see. */
	if (view->host_network && look("/etc/resolv.conf", &st, 0) &&
	    S_ISREG(st.stx_mode)) {
		if (realpath("/etc/resolv.conf", real)) {
			op = jl__ops_add(ops, JL__OP_COPY, "etc/resolv.conf", real);
			op->mode = 0644;
			stamp(op, &st);
		}
	} else {
		add_file(ops, "etc/resolv.conf", "");
	}
}

/* ---- the rest of /etc ---- */

static int add_etc(struct jl__ops *ops, const struct jl__view *view, jl_error **err)
{
	add_dir(ops, "etc", 0755);
	add_users(ops, view);
	add_file(ops, "etc/hostname", view->hostname);
	jl__ops_add(ops, JL__OP_LINK, "etc/mtab", "/proc/self/mounts");
	for (size_t i = 0; i < COUNT(etc_dirs); i++)
		add_etc_dir(ops, etc_dirs[i]);
	add_java(ops);
	for (size_t i = 0; i < COUNT(etc_files); i++) {
		char path[256];

		(void)snprintf(path, sizeof(path), "etc/%s", etc_files[i]);
		add_parents(ops, path);
		add_etc_file(ops, etc_files[i]);
	}
	if (view->shown)
		return add_shown_names(ops, view->shown, err);
	add_own_names(ops, view);
	return 0;
}

/* ---- /dev
 * -------------------------------------------------------------------------------------
 */

static void add_dev(struct jl__ops *ops, const struct jl__view *view)
{
	struct jl__op *op;

	add_dir(ops, "dev", 0755);
	op = jl__ops_add(ops, JL__OP_TMPFS, "dev", NULL);
	op->mode = 0755;
	op->attrs = JL__MOUNT_RDONLY | JL__MOUNT_NOSUID | JL__MOUNT_NOEXEC;
	for (size_t i = 0; i < COUNT(devices); i++) {
		char path[32];
		struct statx st;

		(void)snprintf(path, sizeof(path), "dev/%s", devices[i].name);
		if (view->privileged) {
			op = jl__ops_add(ops, JL__OP_NODE, path, NULL);
			op->mode = 0666;
			op->number = makedev(devices[i].major, devices[i].minor);
			continue;
		}
		(void)snprintf(path, sizeof(path), "/dev/%s", devices[i].name);
		if (!look(path, &st, 0) || !S_ISCHR(st.stx_mode))
			continue;
		add_file(ops, path + 1, "");
		add_bind(ops, path + 1, &st, JL__MOUNT_NOSUID | JL__MOUNT_NOEXEC);
	}
	jl__ops_add(ops, JL__OP_LINK, "dev/fd", "/proc/self/fd");
	jl__ops_add(ops, JL__OP_LINK, "dev/stdin", "/proc/self/fd/0");
	jl__ops_add(ops, JL__OP_LINK, "dev/stdout", "/proc/self/fd/1");
	jl__ops_add(ops, JL__OP_LINK, "dev/stderr", "/proc/self/fd/2");
	jl__ops_add(ops, JL__OP_LINK, "dev/ptmx", "pts/ptmx");
	add_dir(ops, "dev/pts", 0755);
	add_dir(ops, "dev/shm", 01777);
}

/* ---- together ---- */

static struct jl__tree *flatten(const struct jl__ops *ops)
{
	uint32_t head =
		(uint32_t)(sizeof(struct jl__tree) + ops->count * sizeof(struct jl__op));
	uint32_t size = (head + ops->text_len + 7) & ~7u;
	struct jl__tree *tree = jl__calloc(1, size);

	if (!tree)
		return NULL;
	tree->size = size;
	tree->count = ops->count;
	memcpy(tree->ops, ops->list, ops->count * sizeof(struct jl__op));
	memcpy((char *)tree + head, ops->text, ops->text_len);
	for (uint32_t i = 0; i < tree->count; i++) {
		tree->ops[i].path += head;
		tree->ops[i].text += head;
	}
	return tree;
}

int jl__view_compile(const struct jl__view *view, struct jl__tree **ret, jl_error **err)
{
	_cleanup_(jl__ops_done) struct jl__ops ops = { 0 };
	struct jl__op *root = jl__ops_add(&ops, JL__OP_ROOT, NULL, NULL);
	int r;

	root->mode = 0755;
	root->attrs = READ_ONLY | JL__MOUNT_NOEXEC;
	r = add_tools(&ops, err);
	if (r < 0)
		return r;
	r = add_etc(&ops, view, err);
	if (r < 0)
		return r;
	add_dev(&ops, view);
	add_dir(&ops, "proc", 0555);
	add_dir(&ops, "sys", 0555);
	add_dir(&ops, "run", 0755);
	add_dir(&ops, "tmp", 01777);
	add_dir(&ops, "work", 0755);
	add_dir(&ops, "var", 0755);
	jl__ops_add(&ops, JL__OP_LINK, "var/run", "/run");
	jl__ops_add(&ops, JL__OP_LINK, "var/tmp", "/tmp");
	if (ops.failed)
		return jl__oom(err);
	*ret = flatten(&ops);
	return *ret ? 0 : jl__oom(err);
}

static void add_scratch(struct jl__ops *ops, const char *path, uint32_t mode,
			uint64_t bytes)
{
	struct jl__op *op = jl__ops_add(ops, JL__OP_SCRATCH, path, NULL);

	op->mode = mode;
	op->number = bytes;
}

/*
 * With ids of its own a job cannot open what is for the host's root only; the mask is for
 * what it could open. A caller without that privilege may be some root itself: then all
 * of it.
 */
static void add_mask(struct jl__ops *ops, const char *name, bool own_ids,
		     const char *behind)
{
	char path[64];
	struct statx st;

	(void)snprintf(path, sizeof(path), "/proc/%s", name);
	if (look(path, &st, 0) && (!own_ids || st.stx_mode & (S_IROTH | S_IWOTH)))
		jl__ops_add(ops, JL__OP_MASK, path + 1, behind);
}

int jl__view_complete(const struct jl__scratch *scratch, struct jl__ops *ops)
{
	jl__ops_add(ops, JL__OP_PROC, "proc", NULL);
	for (size_t i = 0; i < COUNT(masked_files); i++)
		add_mask(ops, masked_files[i], scratch->own_ids, "dev/null");
	for (size_t i = 0; i < COUNT(masked_dirs); i++)
		add_mask(ops, masked_dirs[i], scratch->own_ids, "sys");
	jl__ops_add(ops, JL__OP_READONLY, "proc/sys", NULL)->attrs = JL__MOUNT_RDONLY;
	jl__ops_add(ops, JL__OP_PTS, "dev/pts", NULL);
	add_scratch(ops, "dev/shm", 01777, scratch->shm_bytes);
	add_scratch(ops, "tmp", 01777, scratch->tmp_bytes);
	if (scratch->work_on_disk)
		jl__ops_add(ops, JL__OP_WORK, "work", NULL);
	else
		add_scratch(ops, "work", 0755, scratch->work_bytes);
	return ops->failed;
}
