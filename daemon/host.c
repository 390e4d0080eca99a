/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "config/keys.h"
#include "text.h"

#define FILE_BYTES ((size_t)64 * 1024)

/* Text of a small file; "" when it cannot be read. Released with free(). */
static char *read_file(const char *path)
{
	char *text = calloc(1, FILE_BYTES + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	while (text && fd >= 0 && n > 0 && len < FILE_BYTES) {
		n = read(fd, text + len, FILE_BYTES - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (fd >= 0)
		(void)close(fd);
	return text;
}

/* PRETTY_NAME="…" of os-release. */
static void os_name(char *to, size_t size)
{
	char *text = read_file("/etc/os-release");
	const char *line = text ? strstr(text, "PRETTY_NAME=") : NULL;

	(void)snprintf(to, size, "linux");
	if (line && (line == text || line[-1] == '\n')) {
		line += strlen("PRETTY_NAME=");
		line += *line == '"';
		(void)snprintf(to, size, "%.*s", (int)strcspn(line, "\"\n"), line);
	}
	free(text);
}

void host_read(struct host *ret)
{
	struct utsname name;
	struct sysinfo info;

	*ret = (struct host){ 0 };
	if (uname(&name) == 0) {
		(void)snprintf(ret->name, sizeof(ret->name), "%s", name.nodename);
		(void)snprintf(ret->kernel, sizeof(ret->kernel), "%s", name.release);
		(void)snprintf(ret->architecture, sizeof(ret->architecture), "%s",
			       name.machine);
	}
	os_name(ret->os, sizeof(ret->os));
	if (sysinfo(&info) == 0) {
		ret->uptime_seconds = info.uptime;
		ret->boot_usec = (int64_t)now_usec() - (int64_t)info.uptime * 1000000;
	}
}

void host_parse_stat(const char *text, struct host_cpu *ret)
{
	unsigned long long v[8] = { 0 };

	*ret = (struct host_cpu){ 0 };
	if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
		   &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
		return;
	ret->user = v[0] + v[1];
	ret->system = v[2] + v[5] + v[6];
	ret->idle = v[3];
	ret->io_wait = v[4];
	ret->steal = v[7];
	for (int i = 0; i < 8; i++)
		ret->total += v[i];
}

void host_read_cpu(struct host_cpu *ret)
{
	char *text = read_file("/proc/stat");
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	host_parse_stat(text ? text : "", ret);
	free(text);
	ret->cores = cores > 0 ? (int)cores : 1;
	if (getloadavg(ret->load, 3) != 3)
		memset(ret->load, 0, sizeof(ret->load));
}

static int64_t kib_of(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; *line;
	     line += strcspn(line, "\n"), line += !!*line) {
		unsigned long long value;

		if (strncmp(line, name, len) == 0 && line[len] == ':' &&
		    sscanf(line + len + 1, "%llu", &value) == 1)
			return (int64_t)value * 1024;
	}
	return 0;
}

void host_parse_meminfo(const char *text, struct host_memory *ret)
{
	ret->total = kib_of(text, "MemTotal");
	ret->free = kib_of(text, "MemFree");
	ret->available = kib_of(text, "MemAvailable");
	ret->cached = kib_of(text, "Cached");
	ret->buffered = kib_of(text, "Buffers");
	ret->swap_total = kib_of(text, "SwapTotal");
	ret->swap_free = kib_of(text, "SwapFree");
}

void host_read_memory(struct host_memory *ret)
{
	char *text = read_file("/proc/meminfo");

	host_parse_meminfo(text ? text : "", ret);
	free(text);
}
