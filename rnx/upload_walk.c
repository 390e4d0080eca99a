/* SPDX-License-Identifier: MIT */
#include "upload_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "output.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define WORK "/work/"

/* One walk through a folder. */
struct walk {
	const char *text;
	int top;
	upload_visit visit;
	void *data;
	struct fault *fault;
	unsigned int depth;
	size_t len; /* of path */
	char path[UPLOAD_PATH_MAX + 1];
};

/* Bad arguments end rnx in another way than trouble with reading. */
static int code_of(int number)
{
	return number == ENOENT || number == ENOTDIR || number == ELOOP ||
			       number == ENAMETOOLONG
		       ? -EINVAL
		       : -EIO;
}

/* ---- single files ---- */

/* Relative, no "..", no empty name: what the node will say too, but before anything is
 * sent. */
static bool is_path(const char *path)
{
	for (const char *at = path;; at++) {
		size_t len = strcspn(at, "/");

		if (len == 0 || (len == 2 && memcmp(at, "..", 2) == 0))
			return false;
		at += len;
		if (!*at)
			return true;
	}
}

/* Where a file goes: the given place, or its own name; in a folder with '/' behind. */
static int set_path(struct upload_file *file, const char *text, const char *local,
		    const char *remote, struct fault *fault)
{
	const char *slash = strrchr(local, '/'), *name = slash ? slash + 1 : local;
	char buf[SHOWN_MAX];
	size_t len;
	int n;

	if (!remote)
		remote = "";
	/* People write where they will find it. */
	if (strncmp(remote, WORK, strlen(WORK)) == 0)
		remote += strlen(WORK);
	len = strlen(remote);
	n = snprintf(file->path, sizeof(file->path), "%s%s", remote,
		     len == 0 || remote[len - 1] == '/' ? name : "");
	if (n < 0 || (size_t)n >= sizeof(file->path))
		return fault_set(fault, -EINVAL,
				 "--upload=%s: the path has more than %d bytes",
				 shown(buf, text), UPLOAD_PATH_MAX);
	if (!is_path(file->path))
		return fault_set(fault, -EINVAL,
				 "--upload=%s: behind the ':' there must be a path below "
				 "/work, without \"..\"",
				 shown(buf, text));
	return 0;
}

static int open_local(struct upload_file *file, const char *text, const char *local,
		      struct fault *fault)
{
	char buf[SHOWN_MAX];

	/* A pipe without a writer must not stop us before it is seen to be one. */
	file->fd = open(local, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file->fd < 0)
		return fault_set(fault, code_of(errno),
				 "cannot open the file to upload %s: %s",
				 shown(buf, local), strerror(errno));
	if (fstat(file->fd, &file->st) == 0 && S_ISREG(file->st.st_mode))
		return 0;
	(void)close(file->fd);
	if (S_ISDIR(file->st.st_mode))
		return fault_set(fault, -EINVAL, "use --upload-dir for directories: %s",
				 shown(buf, text));
	return fault_set(fault, -EINVAL, "--upload=%s: is not a regular file",
			 shown(buf, text));
}

int upload_file_open(const char *text, struct upload_file *ret, struct fault *fault)
{
	char local[4096], buf[SHOWN_MAX];
	const char *colon = strrchr(text, ':');
	struct stat st;
	int r;

	if (!*text || strlen(text) >= sizeof(local))
		return fault_set(fault, -EINVAL,
				 "--upload=%s: must be a file, or FILE:PATH",
				 shown(buf, text));
	/* A name with a colon in it is a name when there is such a file. */
	if (!colon || stat(text, &st) == 0) {
		(void)strcpy(local, text);
		colon = NULL;
	} else {
		if (colon == text || !colon[1])
			return fault_set(fault, -EINVAL,
					 "--upload=%s: must be FILE:PATH, with something "
					 "on both sides of the ':'",
					 shown(buf, text));
		(void)snprintf(local, sizeof(local), "%.*s", (int)(colon - text), text);
	}
	r = open_local(ret, text, local, fault);
	if (r < 0)
		return r;
	r = set_path(ret, text, local, colon ? colon + 1 : NULL, fault);
	if (r < 0)
		(void)close(ret->fd);
	return r;
}

int upload_walk_file(const char *text, upload_visit visit, void *data,
		     struct fault *fault)
{
	struct upload_item item = { .text = text, .top = -1 };
	struct upload_file file;
	int r = upload_file_open(text, &file, fault);

	if (r < 0)
		return r;
	item.path = item.below = file.path;
	item.st = file.st;
	item.fd = file.fd;
	r = visit(data, &item, fault);
	(void)close(file.fd);
	return r;
}

/* ---- folders ---- */

static int fail(const struct walk *walk, int code, const char *what)
{
	char buf[SHOWN_MAX], path[SHOWN_MAX];

	return fault_set(walk->fault, code, "--upload-dir=%s: %s: %s",
			 shown(buf, walk->text), shown(path, walk->path), what);
}

static int fail_errno(const struct walk *walk)
{
	return fail(walk, code_of(errno), strerror(errno));
}

static int visit(struct walk *walk, const struct stat *st, int fd, const char *target)
{
	struct upload_item item = { .path = walk->path,
				    .text = walk->text,
				    .st = *st,
				    .fd = fd,
				    .target = target,
				    .top = walk->top,
				    .below = walk->path };

	return walk->visit(walk->data, &item, walk->fault);
}

/* Whether a link stays below the top: asked of the kernel, which knows where it leads. */
static int check_link(struct walk *walk, const char *target)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	char what[SHOWN_MAX + 80], buf[SHOWN_MAX];
	long fd;

	do
		fd = syscall(SYS_openat2, walk->top, walk->path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	if (fd >= 0)
		(void)close((int)fd);
	/* One that leads nowhere, or in a circle, does not lead out. */
	if (*target != '/' && (fd >= 0 || errno != EXDEV))
		return 0;
	(void)snprintf(what, sizeof(what),
		       "the link to %s %s; only links inside of the folder are uploaded",
		       shown(buf, target),
		       *target == '/' ? "is absolute" : "leads out of it");
	return fail(walk, -EINVAL, what);
}

static int visit_link(struct walk *walk, int dir, const char *name, const struct stat *st)
{
	char target[UPLOAD_PATH_MAX + 2];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));
	int r;

	if (len < 0)
		return fail_errno(walk);
	if ((size_t)len == sizeof(target))
		return fail(walk, -EINVAL, "the link holds too many bytes");
	target[len] = '\0';
	r = check_link(walk, target);
	return r < 0 ? r : visit(walk, st, -1, target);
}

/* What is opened may be another thing than what was looked at. */
static int visit_file(struct walk *walk, int dir, const char *name)
{
	struct stat st;
	int r, fd = openat(dir, name,
			   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return fail_errno(walk);
	if (fstat(fd, &st) < 0)
		r = fail_errno(walk);
	else if (!S_ISREG(st.st_mode))
		r = fail(walk, -EINVAL, "changed while it was looked at");
	else
		r = visit(walk, &st, fd, NULL);
	(void)close(fd);
	return r;
}

static int walk_entries(struct walk *walk, int fd);

static int visit_dir(struct walk *walk, int dir, const char *name)
{
	struct stat st;
	int r, fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return fail_errno(walk);
	if (fstat(fd, &st) < 0) {
		r = fail_errno(walk);
		(void)close(fd);
		return r;
	}
	r = visit(walk, &st, -1, NULL);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return walk_entries(walk, fd);
}

static int visit_entry(struct walk *walk, int dir, const char *name)
{
	size_t len = strlen(name), was = walk->len;
	struct stat st;
	int r;

	if (was + len + 1 > UPLOAD_PATH_MAX)
		return fail(walk, -EINVAL, "the paths in it get too long");
	if (was > 0)
		walk->path[walk->len++] = '/';
	memcpy(walk->path + walk->len, name, len + 1);
	walk->len += len;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = fail_errno(walk);
	else if (S_ISDIR(st.st_mode))
		r = visit_dir(walk, dir, name);
	else if (S_ISREG(st.st_mode))
		r = visit_file(walk, dir, name);
	else if (S_ISLNK(st.st_mode))
		r = visit_link(walk, dir, name, &st);
	else
		r = fail(walk, -EINVAL, "is neither a file nor a folder nor a link");
	walk->len = was;
	walk->path[was] = '\0';
	return r;
}

/* Takes the descriptor over. */
static int walk_entries(struct walk *walk, int fd)
{
	const struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (++walk->depth > UPLOAD_DEPTH_MAX) {
		(void)close(fd);
		return fail(walk, -EINVAL, "the folders in it get too deep");
	}
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return fail_errno(walk);
	}
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = visit_entry(walk, dirfd(dir), entry->d_name);
	}
	if (r == 0 && errno != 0)
		r = fail_errno(walk);
	(void)closedir(dir);
	walk->depth--;
	return r;
}

int upload_dir_open(const char *text, struct fault *fault)
{
	int fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char buf[SHOWN_MAX];

	if (fd >= 0)
		return fd;
	if (errno == ENOTDIR && access(text, F_OK) == 0)
		return fault_set(fault, -EINVAL, "use --upload for files: %s",
				 shown(buf, text));
	return fault_set(fault, code_of(errno), "cannot open the folder to upload %s: %s",
			 shown(buf, text), strerror(errno));
}

int upload_walk_dir(const char *text, upload_visit visit_item, void *data,
		    struct fault *fault)
{
	struct walk walk = {
		.text = text, .visit = visit_item, .data = data, .fault = fault
	};
	int r, fd;

	walk.top = upload_dir_open(text, fault);
	if (walk.top < 0)
		return walk.top;
	/* The walk has a descriptor of its own, with its own place in the folder. */
	fd = openat(walk.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? fail_errno(&walk) : walk_entries(&walk, fd);
	(void)close(walk.top);
	return r;
}
