/* SPDX-License-Identifier: MIT */
/* Where things of this caller lie, and what this caller is. The only reader of the
 * environment, but for TZ (sched/). */
#define JL_MODULE "ctx"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "ctx/ctx.h"
#include "sys/sys.h"

/* All ids of the kernel, one to one: only then are ranges above 2^30 ours to give. */
#define IDS_ALL "         0          0 4294967295"

static bool all_ids_mapped(const char *path)
{
	char text[64] = "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       strncmp(text, IDS_ALL, strlen(IDS_ALL)) == 0;
}

bool jl__ctx_privileged(void)
{
	/* SYS_ADMIN, SETUID, SETGID, CHOWN, MKNOD, SYS_CHROOT, NET_ADMIN and SETPCAP */
	const uint64_t needed = UINT64_C(1) << 21 | 1 << 7 | 1 << 6 | 1 << 0 | 1 << 27 |
				1 << 18 | 1 << 12 | 1 << 8;
	struct {
		uint32_t version;
		int pid;
	} header = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} caps[2] = { { 0, 0, 0 } };

	if (jl__sys_geteuid() != 0 || jl__sys_capget(&header, caps) < 0)
		return false;
	if ((caps[0].effective & (uint32_t)needed) != (uint32_t)needed)
		return false;
	return all_ids_mapped("/proc/self/uid_map") &&
	       all_ids_mapped("/proc/self/gid_map");
}

/* Makes the last folder, and its parent when that is missing too. */
static int make_folder(const char *path, jl_error **err)
{
	_cleanup_free_ char *parent = jl__strdup(path);
	const uid_t uid = (uid_t)jl__sys_geteuid();
	struct stat st;
	char *slash;

	if (!parent)
		return jl__oom(err);
	for (slash = strchr(parent + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(parent, 0755) < 0 && errno != EEXIST)
			return jl__fail_errno(err, -errno, "cannot make folder %s",
					      parent);
		*slash = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return jl__fail_errno(err, -errno, "cannot make folder %s", path);
	if (lstat(path, &st) < 0)
		return jl__fail_errno(err, -errno, "cannot look at folder %s", path);
	if (!S_ISDIR(st.st_mode))
		return jl__fail(err, -EPERM, "%s is not a folder; choose another place",
				path);
	if (st.st_uid != uid)
		return jl__fail(
			err, -EPERM,
			"folder %s belongs to user %u, and this is user %u; choose another",
			path, st.st_uid, uid);
	if (st.st_mode & 022)
		return jl__fail(
			err, -EPERM,
			"others may write to folder %s: chmod go-w it, or choose another",
			path);
	return 0;
}

static int choose(const jl_ctx *ctx, const char *root_path, const char *variable,
		  const char *below_home, char **ret_path, jl_error **err)
{
	const char *base = NULL, *home;
	_cleanup_free_ char *path = NULL;

	if (jl__sys_geteuid() == 0) {
		path = jl__strdup(root_path);
	} else {
		if (!(ctx->flags & JL_CTX_NO_ENVIRONMENT))
			base = secure_getenv(variable);
		home = ctx->flags & JL_CTX_NO_ENVIRONMENT ? NULL : secure_getenv("HOME");
		if (base && base[0] == '/')
			path = jl__format("%s/joblet", base);
		else if (home && home[0] == '/')
			path = jl__format("%s/%s/joblet", home, below_home);
		else
			return jl__fail(
				err, -ENOENT,
				"neither %s nor HOME says where this user's files go; set one of them",
				variable);
	}
	if (!path)
		return jl__oom(err);
	*ret_path = jl__steal(path);
	return 0;
}

int jl__ctx_state_path(const jl_ctx *ctx, char **ret_path, jl_error **err)
{
	if (!ctx->state_dir)
		return choose(ctx, "/var/lib/joblet", "XDG_STATE_HOME", ".local/state",
			      ret_path, err);
	*ret_path = jl__strdup(ctx->state_dir);
	return *ret_path ? 0 : jl__oom(err);
}

/* Makes the folder whose path was found; frees the path when it cannot. */
static int made(int r, char **path, jl_error **err)
{
	if (r == 0)
		r = make_folder(*path, err);
	if (r < 0) {
		jl__free(*path);
		*path = NULL;
	}
	return r;
}

int jl__ctx_state_dir(const jl_ctx *ctx, char **ret_path, jl_error **err)
{
	char *path = NULL;
	int r = jl__ctx_state_path(ctx, &path, err);

	r = made(r, &path, err);
	if (r == 0)
		*ret_path = path;
	return r;
}

int jl__ctx_runtime_dir(const jl_ctx *ctx, char **ret_path, jl_error **err)
{
	char *path = NULL;
	int r = choose(ctx, "/run/joblet", "XDG_RUNTIME_DIR", ".cache", &path, err);

	r = made(r, &path, err);
	if (r == 0)
		*ret_path = path;
	return r;
}
