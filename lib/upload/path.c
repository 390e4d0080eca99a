/* SPDX-License-Identifier: MIT */
#define JL_MODULE "upload"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/error.h"
#include "sys/sys.h"
#include "upload/upload-priv.h"

int jl__upload_open_beneath(int dir, const char *path, int flags, uint32_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: something was renamed meanwhile, and the kernel is not sure. */
	do
		fd = (int)jl__sys_openat2(dir, path, &how, sizeof(how));
	while (fd == -EINTR || fd == -EAGAIN);
	return fd;
}

static bool is_name(const char *text, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(text, name, len) == 0;
}

static int add_name(struct jl__upload_path *path, const char *all, const char *name,
		    size_t len, jl_error **err)
{
	char *end = path->depth > 0 ? path->name + strlen(path->name) : path->text;

	if (len > NAME_LEN_MAX)
		return jl__fail(err, -ENAMETOOLONG,
				"upload \"" SHOWN
				"\": a name has %zu bytes, %d are the most",
				all, len, NAME_LEN_MAX);
	if (path->depth == JL__UPLOAD_DEPTH_MAX)
		return jl__fail(err, -ENAMETOOLONG,
				"upload \"" SHOWN "\": too deep, %d folders are the most",
				all, JL__UPLOAD_DEPTH_MAX);
	if (path->depth > 0)
		*end++ = '/';
	path->has_parent = path->depth > 0;
	path->name = end;
	memcpy(end, name, len);
	end[len] = '\0';
	path->depth++;
	return 0;
}

int jl__upload_path_parse(struct jl__upload_path *path, const char *text, jl_error **err)
{
	const char *at = text;
	size_t len;
	int r;

	path->depth = 0;
	path->has_parent = false;
	path->text[0] = '\0';
	path->name = path->text;
	if (!text || !*text)
		return jl__fail(err, -EINVAL, "an upload has no path");
	if (*text == '/')
		return jl__fail(err, -EINVAL,
				"upload \"" SHOWN "\": paths are below /work, write it "
				"without the '/' in front",
				text);
	len = strlen(text);
	if (len > JL__UPLOAD_PATH_MAX)
		return jl__fail(err, -ENAMETOOLONG,
				"upload \"" SHOWN
				"\": the path has %zu bytes, %d are the "
				"most",
				text, len, JL__UPLOAD_PATH_MAX);
	for (;; at += len + 1) {
		len = strcspn(at, "/");
		if (len == 0)
			return jl__fail(err, -EINVAL,
					"upload \"" SHOWN
					"\": a name in the path is empty",
					text);
		if (is_name(at, len, ".."))
			return jl__fail(err, -EINVAL,
					"upload \"" SHOWN
					"\": the path must not hold \"..\"",
					text);
		r = is_name(at, len, ".") ? 0 : add_name(path, text, at, len, err);
		if (r < 0)
			return r;
		if (!at[len])
			return 0;
	}
}

int jl__upload_target_check(const char *path, unsigned int above, const char *target,
			    jl_error **err)
{
	size_t len = target ? strlen(target) : 0;

	if (len == 0)
		return jl__fail(err, -EINVAL,
				"upload \"" SHOWN "\": the link leads nowhere", path);
	if (len > JL__UPLOAD_PATH_MAX)
		return jl__fail(err, -ENAMETOOLONG,
				"upload \"" SHOWN
				"\": the link holds %zu bytes, %d are the "
				"most",
				path, len, JL__UPLOAD_PATH_MAX);
	if (*target == '/')
		return jl__fail(err, -EINVAL,
				"upload \"" SHOWN "\": the link to \"" SHOWN
				"\" is absolute; "
				"only links inside of what is uploaded are taken",
				path, target);
	for (const char *at = target; *at; at += len) {
		at += *at == '/';
		len = strcspn(at, "/");
		if (is_name(at, len, "..") && above-- == 0)
			return jl__fail(err, -EINVAL,
					"upload \"" SHOWN "\": the link to \"" SHOWN
					"\" leads "
					"out of what is uploaded",
					path, target);
		if (len > 0 && !is_name(at, len, "..") && !is_name(at, len, "."))
			above++;
	}
	return 0;
}
