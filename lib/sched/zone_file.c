/* SPDX-License-Identifier: MIT */
/* Which zone is meant, and where its file is. Reads the variable TZ. */
#define JL_MODULE "sched"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "sched/sched-priv.h"
#include "sys/sys.h"

#define FILE_MAX 65536
#define NAME_MAX_LEN 255

static const char *const folders[] = { "/usr/share/zoneinfo", "/usr/lib/zoneinfo",
				       "/usr/share/lib/zoneinfo", "/etc/zoneinfo" };

static struct jl__zone *zone_of_rule(const struct jl__zone_rule *rule)
{
	struct jl__zone *zone = jl__calloc(1, sizeof(*zone));

	if (zone) {
		zone->has_rule = true;
		zone->rule = *rule;
	}
	return zone;
}

static int new_utc(struct jl__zone **ret, jl_error **err)
{
	*ret = zone_of_rule(&(struct jl__zone_rule){ 0 });
	return *ret ? 0 : jl__oom(err);
}

/* Returns a negative errno without a sentence; -EBADMSG: not a zone file. */
static int read_file(int fd, struct jl__zone **ret)
{
	_cleanup_free_ uint8_t *data = jl__alloc(FILE_MAX);
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (!data)
		return -ENOMEM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	do {
		n = read(fd, data + len, FILE_MAX - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && len < FILE_MAX);
	return len < FILE_MAX ? jl__zone_parse(data, len, ret) : -EBADMSG;
}

static int read_path(const char *path, struct jl__zone **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : read_file(fd, ret);
}

/* Letters, digits, '_', '+', '-', and '/' between: nothing that means a path. */
static bool is_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_+-/");

	return len > 0 && len <= NAME_MAX_LEN && !name[len] && name[0] != '/' &&
	       name[len - 1] != '/' && !strstr(name, "//");
}

/* -ENOENT: no such zone; -ENOTDIR: no zones on this machine. */
static int read_named(const char *name, struct jl__zone **ret)
{
	/* Zones may be links to others, but nothing leads out of the folder. */
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int r = -ENOTDIR;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		_cleanup_close_ int folder =
			open(folders[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		_cleanup_close_ int fd = -EBADF;

		if (folder < 0)
			continue;
		do
			fd = (int)jl__sys_openat2(folder, name, &how, sizeof(how));
		while (fd == -EAGAIN || fd == -EINTR);
		if (fd >= 0)
			return read_file(fd, ret);
		r = fd == -ENOTDIR || fd == -EXDEV ? -ENOENT : fd;
		if (r != -ENOENT)
			return r;
	}
	return r;
}

static int explain(int code, const char *name, const char *where, jl_error **err)
{
	switch (code) {
	case -ENOMEM:
		return jl__oom(err);
	case -ENOTDIR:
		return jl__fail(err, -EINVAL,
				"time zone \"" SHOWN
				"\"%s: this machine has no time zone "
				"files, install tzdata (UTC works without)",
				name, where);
	case -ENOENT:
		return jl__fail(err, -EINVAL,
				"there is no time zone \"" SHOWN
				"\"%s; names are those below "
				"%s, for instance Europe/Berlin",
				name, where, folders[0]);
	case -EBADMSG:
		return jl__fail(err, -EINVAL,
				"\"" SHOWN
				"\"%s is not a time zone that can be used: its "
				"file is none, or counts leap seconds",
				name, where);
	default:
		return jl__fail_errno(err, -EINVAL,
				      "cannot read time zone \"" SHOWN "\"%s", name,
				      where);
	}
}

int jl__zone_named(const char *name, struct jl__zone **ret, jl_error **err)
{
	int r;

	if (strcmp(name, "UTC") == 0)
		return new_utc(ret, err);
	r = is_name(name) ? read_named(name, ret) : -ENOENT;
	return r < 0 ? explain(r, name, "", err) : 0;
}

int jl__zone_local(struct jl__zone **ret, jl_error **err)
{
	const char *name = secure_getenv("TZ");
	struct jl__zone_rule rule;
	int r;

	if (!name) {
		r = read_path("/etc/localtime", ret);
		/* The meaning of a missing one. */
		if (r == -ENOENT)
			return new_utc(ret, err);
		return r < 0 ? explain(r, "/etc/localtime", "", err) : 0;
	}
	name += *name == ':';
	if (!*name || strcmp(name, "UTC") == 0)
		return new_utc(ret, err);
	/* The caller's own variable may name any file. */
	r = name[0] == '/'  ? read_path(name, ret)
	    : is_name(name) ? read_named(name, ret)
			    : -ENOENT;
	if (r < 0 && r != -ENOMEM && jl__zone_rule_parse(name, &rule) == 0) {
		*ret = zone_of_rule(&rule);
		return *ret ? 0 : jl__oom(err);
	}
	return r < 0 ? explain(r, name, " (variable TZ)", err) : 0;
}
