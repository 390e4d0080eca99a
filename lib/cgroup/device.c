/* SPDX-License-Identifier: MIT */
#define JL_MODULE "cgroup"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "cgroup/cgroup-priv.h"
#include "sys/sys.h"

#define PROC_MAX ((size_t)16 << 20)

/* Like struct stat in <sys/stat.h>, which does not know the mount's number. */
static int look(const char *path, struct statx *ret)
{
	return (int)jl__sys_statx(AT_FDCWD, path, 0, STATX_TYPE | STATX_MNT_ID, ret);
}

int jl__cg_mount_by_id(struct jl__span mountinfo, uint64_t id, struct jl__mountinfo *ret)
{
	while (jl__mountinfo_next(&mountinfo, ret))
		if (ret->id == id)
			return 0;
	return -ENOENT;
}

/* "8:1" becomes "8:0": limits are kept per disk and refuse partitions. */
static int whole_disk(unsigned int major, unsigned int minor, char ret_device[32])
{
	char path[96], text[32];
	int r;

	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major,
		       minor);
	if (!jl__cg_exists(AT_FDCWD, path)) {
		(void)snprintf(ret_device, 32, "%u:%u", major, minor);
		return 0;
	}
	/* The link leads into the disk's own folder, so its parent is the disk. */
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/../dev", major, minor);
	r = jl__cg_read(AT_FDCWD, path, text, sizeof(text));
	if (r < 0)
		return r;
	if (r == 0 || strspn(text, "0123456789:") != (size_t)r)
		return -ENXIO;
	memcpy(ret_device, text, (size_t)r + 1);
	return 0;
}

/* Device of a file system that has none in its files: btrfs names it as its source. */
static int behind_mount(const char *path, const struct jl__mountinfo *mount,
			char ret_device[32], jl_error **err)
{
	_cleanup_free_ char *source = NULL;
	struct statx st = { 0 };
	int r;

	if (!jl__span_is(mount->type, "btrfs"))
		return jl__fail(
			err, -EOPNOTSUPP,
			"\"%.300s\" is on %.*s, which has no disk of its own, so disk "
			"limits cannot be applied; choose a folder on a disk",
			path, (int)(mount->type.len < 64 ? mount->type.len : 64),
			mount->type.text);
	source = jl__mountinfo_unescape(mount->source);
	if (!source)
		return jl__oom(err);
	r = look(source, &st);
	if (r == 0 && (st.stx_mode & S_IFMT) != S_IFBLK)
		r = -ENOTBLK;
	if (r == 0)
		r = whole_disk(st.stx_rdev_major, st.stx_rdev_minor, ret_device);
	if (r < 0)
		return jl__fail(
			err, -EOPNOTSUPP,
			"the disk behind \"%.300s\" cannot be told from its source "
			"\"%.200s\": %s",
			path, source, jl__errno_text(r));
	return 0;
}

static int anonymous(const char *path, const struct statx *st, char ret_device[32],
		     jl_error **err)
{
	struct jl__buf buf = JL__BUF_INIT(PROC_MAX);
	struct jl__mountinfo mount;
	struct jl__span text;
	int r;

	r = jl__cg_read_all("/proc/self/mountinfo", &buf);
	if (r == 0 && !(st->stx_mask & STATX_MNT_ID))
		r = -EOPNOTSUPP;
	if (r == 0) {
		text = (struct jl__span){ buf.data, buf.len };
		r = jl__cg_mount_by_id(text, st->stx_mnt_id, &mount);
	}
	if (r == 0)
		r = behind_mount(path, &mount, ret_device, err);
	else
		r = jl__fail_errno(err, r == -ENOMEM ? r : -EOPNOTSUPP,
				   "the file system of \"%.300s\" cannot be found", path);
	jl__buf_done(&buf);
	return r;
}

int jl__cg_device_of(const char *path, char ret_device[32], jl_error **err)
{
	struct statx st = { 0 };
	int r;

	r = look(path, &st);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot look at \"%.300s\"", path);
	if (st.stx_dev_major == 0)
		return anonymous(path, &st, ret_device, err);
	r = whole_disk(st.stx_dev_major, st.stx_dev_minor, ret_device);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot find the disk behind \"%.300s\"",
				      path);
	return 0;
}
