/* SPDX-License-Identifier: MIT */
/* What this machine is and how busy: /proc, uname and /etc/os-release. */
#ifndef DAEMON_HOST_H
#define DAEMON_HOST_H

#include <stddef.h>
#include <stdint.h>

struct host {
	char name[65], kernel[65], architecture[65], os[128];
	int64_t boot_usec; /* since 1970; 0: unknown */
	int64_t uptime_seconds;
};
void host_read(struct host *ret);

/* µs in each state since the machine started, as /proc/stat counts. */
struct host_cpu {
	int cores;
	uint64_t user, system, idle, io_wait, steal, total;
	double load[3];
};
void host_read_cpu(struct host_cpu *ret);

struct host_memory {
	int64_t total, free, available, cached, buffered, swap_total,
		swap_free; /* bytes */
};
void host_read_memory(struct host_memory *ret);

/* Parsers, for tests: text of /proc/stat and /proc/meminfo. */
void host_parse_stat(const char *text, struct host_cpu *ret);
void host_parse_meminfo(const char *text, struct host_memory *ret);

#endif
