/* SPDX-License-Identifier: MIT */
/* /proc and /sys: masked, read-only, and leading nowhere. */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void masked(void)
{
	/* Unreadable, absent, or empty. */
	static const char *const files[] = {
		"/proc/kcore",	       "/proc/kmem",	    "/proc/kmsg",
		"/proc/keys",	       "/proc/key-users",   "/proc/timer_list",
		"/proc/timer_stats",   "/proc/sched_debug", "/proc/latency_stats",
		"/proc/sysrq-trigger", "/proc/vmallocinfo", "/proc/slabinfo",
		"/proc/pagetypeinfo",  "/proc/kpagecount",  "/proc/kpageflags",
		"/proc/kpagecgroup",   "/proc/mtrr",	    "/proc/vmcore",
		"/proc/page_owner",    "/proc/self/stack",
	};
	static const char *const folders[] = {
		"/proc/bus", "/proc/acpi", "/proc/scsi",	  "/proc/asound",
		"/proc/irq", "/proc/fs",   "/proc/dynamic_debug", "/proc/driver",
	};
	char text[4096];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		ssize_t n = read_file(files[i], text, sizeof(text));

		if (n > 0)
			escaped("read %zd bytes of %s", n, files[i]);
		else
			held("%s: %s", files[i], n == 0 ? "empty" : strerror(errno));
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		DIR *dir = opendir(folders[i]);
		struct dirent *e;
		unsigned int n = 0;

		if (dir == NULL) {
			held("%s: %s", folders[i], strerror(errno));
			continue;
		}
		while ((e = readdir(dir)) != NULL)
			n += e->d_name[0] != '.';
		(void)closedir(dir);
		if (n > 0)
			escaped("%s has %u entries", folders[i], n);
		else
			held("%s is empty", folders[i]);
	}
}

/* "ffff-ffff" or "ffff T name": true when a number is not zero. */
static bool tells_address(const char *line, bool is_module)
{
	unsigned long long value;
	char *end;

	if (is_module) {
		line = strstr(line, " 0x");
		if (line == NULL)
			return false;
	}
	value = strtoull(line, &end, 16);
	if (value == 0 && *end == '-')
		value = strtoull(end + 1, NULL, 16);
	return value != 0;
}

/* Addresses of the kernel in any of the files that carry them. */
static void kernel_addresses(void)
{
	static const char *const files[] = { "/proc/kallsyms", "/proc/modules",
					     "/proc/iomem", "/proc/ioports", NULL };
	static char text[65536];
	unsigned long long frame = 0;
	int fd;

	for (const char *const *f = files; *f != NULL; f++) {
		char *save = NULL;
		bool found = false;

		if (read_file(*f, text, sizeof(text)) <= 0) {
			held("%s: nothing to read", *f);
			continue;
		}
		for (char *line = strtok_r(text, "\n", &save); line != NULL && !found;
		     line = strtok_r(NULL, "\n", &save)) {
			found = tells_address(line, strcmp(*f, "/proc/modules") == 0);
			if (found)
				escaped("%s tells an address: %.80s", *f, line);
		}
		if (!found)
			held("%s tells no address", *f);
	}
	/* Physical frames of my own pages. */
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 &&
	    pread(fd, &frame, sizeof(frame),
		  (off_t)((uintptr_t)text / 4096 * sizeof(frame))) ==
		    (ssize_t)sizeof(frame) &&
	    (frame & ((1ULL << 55) - 1)) != 0)
		escaped("/proc/self/pagemap tells page frames");
	else
		held("/proc/self/pagemap tells no page frames");
	if (fd >= 0)
		(void)close(fd);
}

static unsigned int writable;

static void judge_writable(const char *path, const struct stat *st)
{
	int fd;

	if (!S_ISREG(st->st_mode) || (path[6] >= '0' && path[6] <= '9') ||
	    strncmp(path, "/proc/self", 10) == 0 ||
	    strncmp(path, "/proc/thread-self", 17) == 0)
		return;
	/* Opened only: what is written could do harm. */
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	(void)close(fd);
	if (writable++ < 20)
		escaped("%s can be opened for writing", path);
}

static void proc_writable(void)
{
	static const char *const files[] = {
		"/proc/sysrq-trigger",
		"/proc/sys/kernel/core_pattern",
		"/proc/sys/kernel/modprobe",
		"/proc/sys/kernel/hostname",
		"/proc/sys/kernel/sysrq",
		"/proc/sys/kernel/poweroff_cmd",
		"/proc/sys/vm/drop_caches",
		"/proc/sys/vm/panic_on_oom",
		"/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/fs/binfmt_misc/register",
		"/proc/sys/user/max_user_namespaces",
		"/proc/mtrr",
		"/proc/kcore",
		"/sys/kernel/uevent_helper",
		"/sys/power/state",
		"/sys/fs/cgroup/cgroup.procs",
		"/sys/module/kernel/parameters/panic",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		must_not_open(files[i], O_WRONLY);
	writable = 0;
	walk("/proc", 8, judge_writable);
	if (writable == 0)
		held("no file of /proc outside of my own processes can be written");
}

static unsigned int sys_files;

static void judge_sys(const char *path, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode) && sys_files++ == 0)
		escaped("%s and maybe more of /sys is there", path);
}

static void sys_absent(void)
{
	sys_files = 0;
	walk("/sys", 4, judge_sys);
	if (sys_files == 0)
		held("/sys is absent or empty");
	must_not_open("/sys/kernel/debug", O_RDONLY);
	must_not_open("/sys/firmware", O_RDONLY);
	must_not_open("/sys/kernel/security", O_RDONLY);
}

/* Other processes' memory and paths through /proc must lead to the own root only. */
static void proc_links(void)
{
	static const char *const links[] = { "root", "cwd", NULL };
	struct stat own, other;
	struct dirent *e;
	DIR *dir = opendir("/proc");

	if (dir == NULL || stat("/", &own) < 0) {
		untried("/proc: %s", strerror(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		for (const char *const *l = links; *l != NULL; l++) {
			char path[512], target[1024];
			ssize_t n;

			(void)snprintf(path, sizeof(path), "/proc/%s/%s", e->d_name, *l);
			n = readlink(path, target, sizeof(target) - 1);
			if (n < 0)
				continue;
			target[n] = '\0';
			if (strncmp(target, "(unreachable)", 13) == 0)
				escaped("%s leads outside: %s", path, target);
			else if (strcmp(*l, "root") == 0 &&
				 (stat(path, &other) < 0 || other.st_ino != own.st_ino ||
				  other.st_dev != own.st_dev))
				escaped("%s is not my root: %s", path, target);
			else
				held("%s -> %s", path, target);
		}
	}
	(void)closedir(dir);
	if (readlink("/proc/self/cwd", (char[8]){ 0 }, 8) < 0)
		untried("/proc/self/cwd: %s", strerror(errno));
}

const struct attack proc_attacks[] = {
	{ "view-proc-masked", masked, 0 },
	{ "view-kernel-addresses", kernel_addresses, 0 },
	{ "view-proc-writable", proc_writable, IN_SANDBOX },
	{ "view-sys-absent", sys_absent, 0 },
	{ "view-proc-links", proc_links, 0 },
	{ NULL, NULL, 0 },
};
