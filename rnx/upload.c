/* SPDX-License-Identifier: MIT */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "output.h"
#include "upload_bar.h"
#include "upload_walk.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define BLOCK (128 * 1024)

/* Every flag that uploads, in the order given. */
static int walk_all(const struct options *opts, upload_visit visit, void *data,
		    struct fault *fault)
{
	int r = 0;

	for (size_t i = 0; i < opts->repeated_count && r == 0; i++) {
		const struct repeated *one = &opts->repeated[i];

		if (one->flag == FLAG_UPLOAD)
			r = upload_walk_file(one->text, visit, data, fault);
		else if (one->flag == FLAG_UPLOAD_DIR)
			r = upload_walk_dir(one->text, visit, data, fault);
	}
	return r;
}

/* ---- looking ---- */

static int count_item(void *data, const struct upload_item *item, struct fault *fault)
{
	struct upload_totals *totals = data;

	(void)fault;
	if (S_ISDIR(item->st.st_mode))
		return 0;
	totals->files++;
	if (!item->target)
		totals->bytes += (uint64_t)item->st.st_size;
	return 0;
}

int upload_survey(const struct options *opts, struct upload_totals *ret_totals,
		  struct fault *fault)
{
	*ret_totals = (struct upload_totals){ 0 };
	return walk_all(opts, count_item, ret_totals, fault);
}

/* ---- sending ---- */

struct sending {
	struct submission *submission;
	struct upload_bar bar;
	uint64_t done;
	char block[BLOCK];
};

static ssize_t read_block(int fd, char *block, size_t size)
{
	ssize_t n;

	do
		n = read(fd, block, size);
	while (n < 0 && errno == EINTR);
	return n;
}

static int fail_item(const struct upload_item *item, struct fault *fault,
		     const char *what)
{
	char buf[SHOWN_MAX], path[SHOWN_MAX];

	if (item->top < 0)
		return fault_set(fault, -EIO, "--upload=%s: %s", shown(buf, item->text),
				 what);
	return fault_set(fault, -EIO, "--upload-dir=%s: %s: %s", shown(buf, item->text),
			 shown(path, item->below), what);
}

/* Half of one version and half of the next is worse than an error. */
static int check_unchanged(const struct upload_item *item, int fd, uint64_t sent,
			   struct fault *fault)
{
	const struct stat *was = &item->st;
	struct stat now;

	/* Of files the kernel makes up as they are read, nothing is known before. */
	if (was->st_size == 0 && sent > 0)
		return 0;
	if (fstat(fd, &now) < 0)
		return fail_item(item, fault, strerror(errno));
	if (sent == (uint64_t)was->st_size && now.st_size == was->st_size &&
	    now.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == was->st_mtim.tv_nsec)
		return 0;
	return fail_item(item, fault, "changed while it was being uploaded");
}

static int send_file(struct sending *s, const struct upload_item *item, int fd,
		     struct fault *fault)
{
	const struct backend_ops *ops = s->submission->ops;
	uint64_t size = (uint64_t)item->st.st_size, sent = 0;
	ssize_t n = read_block(fd, s->block, BLOCK);
	int r;

	if (n > 0 && size == 0)
		size = UINT64_MAX;
	if (n < 0)
		return fail_item(item, fault, strerror(errno));
	r = ops->add_file(s->submission, item->path, item->st.st_mode & 0777, size,
			  fault);
	while (r == 0 && n > 0) {
		if ((uint64_t)n > size - sent)
			return fail_item(item, fault,
					 "changed while it was being uploaded");
		r = ops->write(s->submission, s->block, (size_t)n, fault);
		sent += (uint64_t)n;
		s->done += (uint64_t)n;
		upload_bar_move(&s->bar, s->done);
		n = read_block(fd, s->block, BLOCK);
	}
	if (r == 0 && n < 0)
		return fail_item(item, fault, strerror(errno));
	return r < 0 ? r : check_unchanged(item, fd, sent, fault);
}

/* To somebody who takes no links: what it leads to, when that is a file. */
static int send_target(struct sending *s, const struct upload_item *item,
		       struct fault *fault)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	struct upload_item file = *item;
	int r, fd = (int)syscall(SYS_openat2, item->top, item->below, &how, sizeof(how));

	if (fd < 0)
		return fail_item(item, fault,
				 errno == ENOENT ? "the link leads nowhere"
						 : strerror(errno));
	if (fstat(fd, &file.st) < 0)
		r = fail_item(item, fault, strerror(errno));
	else if (!S_ISREG(file.st.st_mode))
		r = fail_item(
			item, fault,
			"this server takes no links, and it does not lead to a file");
	else
		r = send_file(s, &file, fd, fault);
	(void)close(fd);
	return r;
}

static int send_item(void *data, const struct upload_item *item, struct fault *fault)
{
	struct sending *s = data;
	const struct backend_ops *ops = s->submission->ops;

	if (S_ISDIR(item->st.st_mode))
		return ops->add_dir(s->submission, item->path, item->st.st_mode & 0777,
				    fault);
	if (!item->target)
		return send_file(s, item, item->fd, fault);
	if (!ops->add_link)
		return send_target(s, item, fault);
	return ops->add_link(s->submission, item->path, item->target, fault);
}

/* ---- the folder's own name ---- */

/*
 * The contents of a folder land in /work itself, yet people go on with "cd FOLDER". So
 * /work/FOLDER leads to /work, where nothing else has the name. Not for "." and absolute
 * paths, whose name nobody thinks of.
 */
static bool own_name(const char *text, char name[256])
{
	size_t end = strlen(text), start;

	while (end > 0 && text[end - 1] == '/')
		end--;
	for (start = end; start > 0 && text[start - 1] != '/';)
		start--;
	if (*text == '/' || end == start || end - start > 255)
		return false;
	memcpy(name, text + start, end - start);
	name[end - start] = '\0';
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Whether something that is uploaded has the name, up to before the flag at `limit` as
 * far as folders' own names go. */
static bool name_is_taken(const struct options *opts, size_t limit, const char *name)
{
	struct fault ignored;
	size_t len = strlen(name);

	for (size_t i = 0; i < opts->repeated_count; i++) {
		const struct repeated *one = &opts->repeated[i];
		char other[256];

		if (one->flag == FLAG_UPLOAD) {
			struct upload_file file;
			bool same;

			if (upload_file_open(one->text, &file, &ignored) < 0)
				return true;
			(void)close(file.fd);
			same = strncmp(file.path, name, len) == 0 &&
			       (!file.path[len] || file.path[len] == '/');
			if (same)
				return true;
		} else if (one->flag == FLAG_UPLOAD_DIR) {
			int fd = upload_dir_open(one->text, &ignored);
			struct stat st;
			bool there = fd < 0 ||
				     fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

			if (fd >= 0)
				(void)close(fd);
			if (there || (i < limit && own_name(one->text, other) &&
				      strcmp(other, name) == 0))
				return true;
		}
	}
	return false;
}

static int send_own_names(struct sending *s, const struct options *opts,
			  struct fault *fault)
{
	const struct backend_ops *ops = s->submission->ops;
	char name[256];
	int r = 0;

	for (size_t i = 0; i < opts->repeated_count && r == 0 && ops->add_link; i++) {
		const struct repeated *one = &opts->repeated[i];

		if (one->flag == FLAG_UPLOAD_DIR && own_name(one->text, name) &&
		    !name_is_taken(opts, i, name))
			r = ops->add_link(s->submission, name, ".", fault);
	}
	return r;
}

int upload_send(const struct options *opts, struct submission *submission,
		const struct upload_totals *totals, bool progress, struct fault *fault)
{
	static struct sending sending; /* large, and there is one at a time */
	int r;

	sending.submission = submission;
	sending.done = 0;
	upload_bar_start(&sending.bar, progress, totals->bytes);
	r = walk_all(opts, send_item, &sending, fault);
	if (r == 0)
		r = send_own_names(&sending, opts, fault);
	upload_bar_clear(&sending.bar);
	return r;
}
