/* SPDX-License-Identifier: MIT */
#include "authority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "files.h"

void authority_close(struct authority *authority)
{
	cert_pair_done(&authority->pair);
	free(authority->cert_pem);
	if (authority->ca_fd >= 0)
		(void)close(authority->ca_fd);
	if (authority->dir_fd >= 0)
		(void)close(authority->dir_fd);
	*authority = (struct authority){ .dir_fd = -EBADF, .ca_fd = -EBADF };
}

static int open_folders(struct authority *a, const char *path, bool create,
			struct sentence *why)
{
	int r;

	(void)snprintf(a->path, sizeof(a->path), "%s", path);
	(void)snprintf(a->ca_path, sizeof(a->ca_path), "%s/ca", a->path);
	if (!create && access(a->ca_path, F_OK) < 0 && errno == ENOENT)
		return fail(
			why, -ENOENT,
			"there is no authority in %s; make one with: joblet cert init "
			"--address HOST",
			a->path);
	r = folder_open(a->path, 0700, &a->dir_fd, why);
	if (r == 0)
		r = folder_open(a->ca_path, 0700, &a->ca_fd, why);
	if (r < 0)
		return r;
	if (flock(a->ca_fd, LOCK_EX | LOCK_NB) < 0)
		return fail(why, -errno, "%s is in use by another joblet cert",
			    a->ca_path);
	return 0;
}

static int make_key(struct authority *a, struct sentence *why)
{
	int r = cert_make_key(&a->pair.key, why);
	char *pem;

	if (r < 0)
		return r;
	pem = cert_key_pem(a->pair.key);
	r = pem ? file_write(a->ca_fd, a->ca_path, "ca.key", 0400, pem, why)
		: fail(why, -ENOMEM, "out of memory");
	file_free(pem);
	return r;
}

static int make_cert(struct authority *a, struct sentence *why)
{
	int r = cert_make_authority(a->pair.key, AUTHORITY_DAYS, &a->pair.cert, why);

	if (r < 0)
		return r;
	a->cert_pem = cert_pem(a->pair.cert);
	if (!a->cert_pem)
		return fail(why, -ENOMEM, "out of memory");
	return file_write(a->ca_fd, a->ca_path, "ca.crt", 0444, a->cert_pem, why);
}

/* Whatever the old authority signed has no meaning any more. */
static int forget_old(struct authority *a, struct sentence *why)
{
	static const char *const names[] = { "ca.crt", "ca.key", "issued", "revoked" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char kept[64];

		(void)snprintf(kept, sizeof(kept), "%s.old", names[i]);
		if (renameat(a->ca_fd, names[i], a->ca_fd, kept) < 0 && errno != ENOENT)
			return fail(why, -errno, "cannot rename %s/%s: %s", a->ca_path,
				    names[i], strerror(errno));
	}
	return 0;
}

static int load_or_make(struct authority *a, bool create, struct sentence *why)
{
	char *key = NULL;
	int has_key, has_cert, r = 0;

	has_key = file_read(a->ca_fd, a->ca_path, "ca.key", &key, why);
	if (has_key < 0 && has_key != -ENOENT)
		return has_key;
	has_cert = file_read(a->ca_fd, a->ca_path, "ca.crt", &a->cert_pem, why);
	if (has_cert < 0 && has_cert != -ENOENT)
		r = has_cert;
	else if (has_key < 0 && has_cert == 0)
		r = fail(
			why, -ENOENT,
			"%s/ca.key is not there: put it back from where it is kept, or make "
			"a new authority with: joblet cert init --new-authority (all "
			"certificates of the old one are then refused)",
			a->ca_path);
	else if (has_key < 0 && !create)
		r = fail(why, -ENOENT,
			 "there is no authority in %s; make one with: joblet cert init "
			 "--address HOST",
			 a->path);
	else if (has_key < 0)
		r = make_key(a, why);
	else
		r = cert_read_key(key, "key of the authority", &a->pair.key, why);
	file_free(key);
	if (r < 0)
		return r;
	if (has_cert < 0)
		return make_cert(a, why);
	r = cert_read(a->cert_pem, "certificate of the authority", &a->pair.cert, why);
	if (r == 0)
		r = cert_check_pair(a->pair.cert, a->pair.key, a->pair.cert, "authority",
				    why);
	return r;
}

int authority_open(const char *path, bool create, bool fresh, struct authority *ret,
		   struct sentence *why)
{
	int r;

	*ret = (struct authority){ .dir_fd = -EBADF, .ca_fd = -EBADF };
	r = open_folders(ret, path, create, why);
	if (r == 0 && fresh)
		r = forget_old(ret, why);
	if (r == 0)
		r = load_or_make(ret, create, why);
	if (r < 0)
		authority_close(ret);
	return r;
}

/* Appends a line and waits until it is on disk. */
static int note(const struct authority *a, const char *name, const char *line,
		struct sentence *why)
{
	int fd = openat(a->ca_fd, name,
			O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(line);
	int r = 0;

	if (fd < 0)
		return fail(why, -errno, "cannot write %s/%s: %s", a->ca_path, name,
			    strerror(errno));
	if (write(fd, line, len) != (ssize_t)len || fsync(fd) < 0)
		r = fail(why, -EIO, "cannot write %s/%s: %s", a->ca_path, name,
			 strerror(errno));
	(void)close(fd);
	return r;
}

int authority_issue(struct authority *authority, const struct cert_wish *wish,
		    struct cert_pair *ret, struct sentence *why)
{
	struct cert_info info;
	char line[512];
	int r = cert_issue(&authority->pair, wish, ret, why);

	if (r < 0)
		return r;
	cert_get_info(ret->cert, &info);
	(void)snprintf(line, sizeof(line), "%s %lld %s %s\n", info.serial,
		       (long long)info.not_after, info.unit, info.name);
	r = note(authority, "issued", line, why);
	if (r < 0)
		cert_pair_done(ret);
	return r;
}

/* Calls take for every line; a file that is not there has none. */
static int each_line(const struct authority *a, const char *name,
		     int (*take)(void *data, char *line), void *data,
		     struct sentence *why)
{
	char *text = NULL, *rest;
	int r = file_read(a->ca_fd, a->ca_path, name, &text, why);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	rest = text;
	while (r == 0 && *rest) {
		char *line = rest;
		size_t len = strcspn(line, "\n");

		rest += len + (rest[len] == '\n');
		line[len] = 0;
		if (len)
			r = take(data, line);
	}
	if (r == -EINVAL)
		(void)fail(why, r, "%s/%s has a line that cannot be read", a->ca_path,
			   name);
	else if (r == -ENOMEM)
		(void)fail(why, r, "out of memory");
	free(text);
	return r;
}

struct listing {
	struct issued *items;
	size_t count;
};

static int take_issued(void *data, char *line)
{
	struct listing *list = data;
	struct issued *items = realloc(list->items, (list->count + 1) * sizeof(*items));
	struct issued item = { 0 };
	long long not_after;

	if (!items)
		return -ENOMEM;
	list->items = items;
	if (sscanf(line, "%47s %lld %63s %127[^\n]", item.info.serial, &not_after,
		   item.info.unit, item.info.name) != 4)
		return -EINVAL;
	item.info.not_after = not_after;
	items[list->count++] = item;
	return 0;
}

static int take_revoked(void *data, char *line)
{
	struct listing *list = data;
	char serial[CERT_SERIAL_MAX];
	long long when;

	if (sscanf(line, "%47s %lld", serial, &when) != 2)
		return -EINVAL;
	for (size_t i = 0; i < list->count; i++) {
		if (strcasecmp(list->items[i].info.serial, serial) == 0)
			list->items[i].revoked = when;
	}
	return 0;
}

int authority_list(const struct authority *authority, struct issued **ret, size_t *count,
		   struct sentence *why)
{
	struct listing list = { 0 };
	int r = each_line(authority, "issued", take_issued, &list, why);

	if (r == 0)
		r = each_line(authority, "revoked", take_revoked, &list, why);
	if (r < 0) {
		free(list.items);
		return r;
	}
	*ret = list.items;
	*count = list.count;
	return 0;
}

static int build_crl(struct authority *a, const struct issued *items, size_t count,
		     char **ret, struct sentence *why)
{
	struct cert_revoked *list = calloc(count + 1, sizeof(*list));
	size_t n = 0;
	int r;

	if (!list)
		return fail(why, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		if (!items[i].revoked)
			continue;
		(void)snprintf(list[n].serial, sizeof(list[n].serial), "%s",
			       items[i].info.serial);
		list[n++].when = items[i].revoked;
	}
	r = cert_make_crl(&a->pair, list, n, ret, why);
	free(list);
	return r;
}

int authority_revoke(struct authority *authority, const char *which, char **ret_crl,
		     unsigned int *ret_count, struct sentence *why)
{
	int64_t now = (int64_t)time(NULL);
	struct issued *items;
	unsigned int known = 0, done = 0;
	size_t count;
	int r = authority_list(authority, &items, &count, why);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++) {
		char line[96];

		if (strcmp(items[i].info.name, which) != 0 &&
		    strcasecmp(items[i].info.serial, which) != 0)
			continue;
		known++;
		if (items[i].revoked)
			continue;
		(void)snprintf(line, sizeof(line), "%s %lld\n", items[i].info.serial,
			       (long long)now);
		r = note(authority, "revoked", line, why);
		items[i].revoked = now;
		done++;
	}
	if (r == 0 && !known)
		r = fail(why, -ENOENT,
			 "no certificate has the name or serial number '%s'; joblet cert "
			 "list shows them",
			 which);
	if (r == 0)
		r = build_crl(authority, items, count, ret_crl, why);
	free(items);
	if (r == 0)
		*ret_count = done;
	return r;
}
