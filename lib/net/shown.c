/* SPDX-License-Identifier: MIT */
/*
 * The folder jobs of a network are shown: hosts and resolv.conf. The hosts file is never
 * written anew: each job has a line of fixed length in it, which is made valid, and later
 * a comment, by writing one byte. So a job that comes or goes costs the same however many
 * there are, readers never see half a line, and the file stays the one that jobs have
 * mounted.
 */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/shown.h"

/* ---- hosts ---- */

static off_t line_at(uint32_t line)
{
	return (off_t)(HOSTS_LINES_AT + (line - 1) * HOSTS_LINE);
}

uint32_t jl__shown_line_at(uint32_t line)
{
	return (uint32_t)line_at(line);
}

static void blank(char *text, size_t size)
{
	memset(text, ' ', size);
	text[0] = '#';
	text[size - 1] = '\n';
}

static bool is_id(const char *name)
{
	return strncasecmp(name, "job_", 4) == 0 ||
	       (strlen(name) == 8 && strspn(name, "0123456789abcdefABCDEF") == 8);
}

/*
 * A job may be called what it likes, but the others hear of it only as of a job: not as
 * of a machine of the world, which a name with a dot may be, nor as of another job's id.
 * That nothing else is in it has been checked before, and is once more where it matters.
 */
static bool is_for_others(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_-");

	return len > 0 && !name[len] && !is_id(name) &&
	       strcasecmp(name, "localhost") != 0;
}

void jl__shown_line(char text[HOSTS_LINE], uint32_t address, const char *job_id,
		    const char *job_name)
{
	char number[16];
	char line[HOSTS_LINE + 64];
	int len;

	jl__net_put_address(number, address);
	len = snprintf(line, sizeof(line), "%s", number);
	if (job_name && is_for_others(job_name))
		len += snprintf(line + len, sizeof(line) - (size_t)len, " %.63s",
				job_name);
	if (job_id)
		len += snprintf(line + len, sizeof(line) - (size_t)len,
				" %.8s job_%.36s job_%.8s", job_id, job_id, job_id);
	blank(text, HOSTS_LINE);
	memcpy(text, line, (size_t)len < HOSTS_LINE ? (size_t)len : HOSTS_LINE - 1);
}

static int write_at(int fd, const char *text, size_t len, off_t at)
{
	ssize_t put = pwrite(fd, text, len, at);

	if (put < 0)
		return -errno;
	return (size_t)put == len ? 0 : -ENOSPC;
}

/* No hole may be left between the end of the file and a new line: whoever reads text
 * stops at its first zero. */
static int fill_up(int fd, off_t end)
{
	char line[HOSTS_LINE];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	blank(line, sizeof(line));
	for (off_t at = st.st_size; at < end; at += HOSTS_LINE) {
		/* An end in the middle of a line is what a full disk leaves. */
		off_t whole =
			(at - HOSTS_LINES_AT) / HOSTS_LINE * HOSTS_LINE + HOSTS_LINES_AT;
		int r = write_at(fd, line, sizeof(line), whole);

		if (r < 0)
			return r;
		at = whole;
	}
	return 0;
}

static int open_hosts(const jl_net *net)
{
	int fd = openat(net->folder_fd, "shown/hosts", O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int jl__shown_add(const jl_net *net, uint32_t line, uint32_t address, const char *job_id,
		  const char *job_name)
{
	_cleanup_close_ int fd = open_hosts(net);
	char text[HOSTS_LINE];
	int r;

	if (fd < 0)
		return fd;
	r = fill_up(fd, line_at(line));
	if (r < 0)
		return r;
	jl__shown_line(text, address, job_id, job_name);
	r = write_at(fd, "#", 1, line_at(line));
	if (r == 0)
		r = write_at(fd, text + 1, sizeof(text) - 1, line_at(line) + 1);
	return r < 0 ? r : write_at(fd, text, 1, line_at(line));
}

void jl__shown_clear(const jl_net *net, uint32_t line)
{
	_cleanup_close_ int fd = open_hosts(net);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && line_at(line) < st.st_size)
		(void)write_at(fd, "#", 1, line_at(line));
}

/* ---- resolv.conf ---- */

static size_t word_len(const char *text)
{
	return strcspn(text, " \t\r\n");
}

static void on_nameserver(const char *word, size_t len, struct jl__resolvers *ret)
{
	char text[16];
	const char *end;
	uint32_t address;

	if (len == 3 && strncmp(word, "::1", 3) == 0)
		ret->stub = true;
	/* IPv6 is off in networks of jobs, so its resolvers are left out. */
	if (len >= sizeof(text))
		return;
	memcpy(text, word, len);
	text[len] = '\0';
	if (jl__net_parse_address(text, &address, &end) < 0 || *end || !address)
		return;
	if (address >> 24 == 127) {
		ret->stub = true;
		return;
	}
	if (ret->count < RESOLVERS_MAX)
		ret->servers[ret->count++] = address;
}

void jl__shown_parse(const char *text, struct jl__resolvers *ret)
{
	static const char *const kept[] = { "search", "domain", "options" };

	for (const char *line = text; *line; line += strcspn(line, "\n")) {
		const char *word;
		size_t len;

		line += strspn(line, " \t\r\n");
		len = word_len(line);
		word = line + len + strspn(line + len, " \t");
		if (len == 10 && strncmp(line, "nameserver", len) == 0)
			on_nameserver(word, word_len(word), ret);
		for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			if (len == strlen(kept[i]) && strncmp(line, kept[i], len) == 0)
				(void)jl__buf_addf(&ret->rest, "%.*s\n",
						   (int)strcspn(line, "\r\n"), line);
	}
}

/* A small file; NULL when it cannot be read. */
static char *read_text(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct jl__buf buf = JL__BUF_INIT(65536);
	char part[4096];
	ssize_t got;

	if (fd < 0)
		return NULL;
	while ((got = read(fd, part, sizeof(part))) > 0)
		if (jl__buf_add(&buf, part, (size_t)got) < 0)
			break;
	return jl__buf_steal(&buf);
}

/* Behind a resolver on the host's loopback stand those it asks itself. */
static void look_behind(struct jl__resolvers *ret)
{
	static const char *const behind[] = {
		"/run/systemd/resolve/resolv.conf",
		"/run/NetworkManager/no-stub-resolv.conf",
	};

	for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]) && !ret->count; i++) {
		_cleanup_free_ char *text = read_text(behind[i]);

		ret->rest.len = 0;
		if (text)
			jl__shown_parse(text, ret);
	}
}

/* In one step, and only when something changed: jobs may be reading it. */
static int replace(int shown, const char *name, const char *text, size_t len)
{
	_cleanup_free_ char *fresh = jl__format(".%s", name);
	_cleanup_close_ int fd = -EBADF;
	char now[4096];
	ssize_t got;
	int r = 0;

	if (!fresh)
		return -ENOMEM;
	fd = openat(shown, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, now, sizeof(now));
	if (got >= 0 && (size_t)got == len && memcmp(now, text, len) == 0)
		return 0;
	fd = jl__close(fd);
	fd = openat(shown, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0644) < 0)
		r = -errno;
	if (r == 0)
		r = write_at(fd, text, len, 0);
	if (r == 0 && renameat(shown, fresh, shown, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(shown, fresh, 0);
	return r;
}

static void find_resolvers(struct jl__resolvers *ret)
{
	_cleanup_free_ char *host = read_text("/etc/resolv.conf");

	if (host)
		jl__shown_parse(host, ret);
	if (ret->stub && !ret->count)
		look_behind(ret);
}

void jl__shown_each_resolver(jl__resolver_fn fn, void *data)
{
	struct jl__resolvers found = JL__RESOLVERS_INIT;

	find_resolvers(&found);
	for (uint32_t i = 0; i < found.count; i++)
		if (!fn(found.servers[i], data))
			break;
	jl__buf_done(&found.rest);
}

static void put_resolvers(const jl_net *net, const struct jl__resolvers *found,
			  struct jl__buf *text)
{
	char number[16];

	if (!found->count) {
		jl__log(net->ctx, JL_LOG_WARNING, "net",
			"no resolver of this machine can be reached from network \"%s\"; its jobs have none",
			net->name);
		(void)jl__buf_add_str(
			text,
			"# No resolver of the host can be reached from this network.\n");
	}
	for (uint32_t i = 0; i < found->count; i++) {
		jl__net_put_address(number, found->servers[i]);
		(void)jl__buf_addf(text, "nameserver %s\n", number);
	}
	if (found->rest.len)
		(void)jl__buf_add(text, found->rest.data, found->rest.len);
}

/* Under the lock of the leases, but while the network is made: two that replace the file
 * at once would write into one another's. */
int jl__shown_resolvers(jl_net *net, jl_error **err)
{
	struct jl__resolvers found = JL__RESOLVERS_INIT;
	struct jl__buf text = JL__BUF_INIT(65536);
	_cleanup_close_ int shown = -EBADF;
	int r;

	find_resolvers(&found);
	put_resolvers(net, &found, &text);
	r = found.rest.failed ? found.rest.failed : text.failed;
	if (r == 0) {
		shown = openat(net->folder_fd, "shown",
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = shown < 0 ? -errno
			      : replace(shown, "resolv.conf", text.data, text.len);
	}
	jl__buf_done(&found.rest);
	jl__buf_done(&text);
	return r < 0 ? jl__fail_errno(err, r,
				      "cannot write resolv.conf of network \"%s\"",
				      net->name)
		     : 0;
}

int jl__shown_make(jl_net *net, jl_error **err)
{
	/* IPv6 is off where this is read. The second is the usual name of jobs. */
	static const char top[] = "127.0.0.1 localhost\n"
				  "127.0.1.1 joblet\n";
	char head[HOSTS_LINES_AT];
	_cleanup_close_ int fd = -EBADF;
	int r = 0;

	memset(head, ' ', sizeof(head));
	memcpy(head, top, sizeof(top) - 1);
	head[sizeof(top) - 1] = '#';
	head[sizeof(head) - 1] = '\n';
	if (mkdirat(net->folder_fd, "shown", 0755) < 0 && errno != EEXIST)
		return jl__fail_errno(err, -errno, "cannot make %s", net->shown);
	/* Whatever the caller's umask is: jobs read it as somebody else. */
	if (fchmodat(net->folder_fd, "shown", 0755, 0) < 0)
		r = -errno;
	fd = openat(net->folder_fd, "shown/hosts",
		    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, 0644) < 0)
		r = -errno;
	if (r == 0)
		r = write_at(fd, head, sizeof(head), 0);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot make the hosts file of \"%s\"",
				      net->name);
	return jl__shown_resolvers(net, err);
}
