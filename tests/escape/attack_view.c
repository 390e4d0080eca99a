/* SPDX-License-Identifier: MIT */
/* What a job can see: only its own root, devices, mounts and a masked /proc. */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* ---- files of the host ---- */

static const char *const top_level[] = {
	"bin",	"sbin", "lib",	"lib32", "lib64", "libx32", "usr",  "etc", "dev",
	"proc", "tmp",	"work", "var",	 "run",	  "root",   "home", "sys", NULL,
};

/* Of /etc only what programs need to run, and nothing that tells about the machine. */
static const char *const etc_files[] = {
	"alpine-release",
	"alternatives",
	"bash.bashrc",
	"ca-certificates",
	"ca-certificates.conf",
	"crypto-policies",
	"debian_version",
	"fedora-release",
	"gai.conf",
	"group",
	"host.conf",
	"hostname",
	"hosts",
	"inputrc",
	"ld.so.cache",
	"ld.so.conf",
	"ld.so.conf.d",
	"locale.alias",
	"localtime",
	"lsb-release",
	"magic",
	"mime.types",
	"mtab",
	"networks",
	"nsswitch.conf",
	"os-release",
	"passwd",
	"pki",
	"profile",
	"protocols",
	"redhat-release",
	"resolv.conf",
	"rpc",
	"services",
	"shells",
	"ssl",
	"terminfo",
	"timezone",
	NULL,
};

static unsigned int strangers;

/* Of the folder that a network shows to its jobs: names, and nothing that is written down
 * about it. /etc/joblet of the host, with keys in it, is another one. */
static bool is_shown_names(const char *path)
{
	static const char *const paths[] = { "/etc/joblet", "/etc/joblet/hosts",
					     "/etc/joblet/resolv.conf", NULL };
	const char *network = fact("network");

	return network != NULL && strcmp(network, "none") != 0 &&
	       strcmp(network, "host") != 0 && one_of(path, paths);
}

static void judge_file(const char *path, const struct stat *st)
{
	const char *slash = strchr(path + 1, '/');
	char first[256];
	size_t len = slash != NULL ? (size_t)(slash - path - 1) : strlen(path + 1);

	(void)snprintf(first, sizeof(first), "%.*s", (int)len, path + 1);
	if (strcmp(first, "usr") == 0 || strcmp(first, "proc") == 0 ||
	    strcmp(first, "dev") == 0)
		return; /* others look at these */
	if (!one_of(first, top_level)) {
		escaped("unexpected in the root: %s", path);
		strangers++;
		return;
	}
	if (slash == NULL)
		return;
	if (strcmp(first, "etc") == 0) {
		size_t n = strcspn(slash + 1, "/");
		char name[256];

		(void)snprintf(name, sizeof(name), "%.*s", (int)n, slash + 1);
		if (!one_of(name, etc_files) && !is_shown_names(path) &&
		    strncmp(name, "java-", 5) != 0 && strangers++ < 20)
			escaped("unexpected in /etc: %s", path);
		return;
	}
	/* The tool folders may be real ones on hosts without merged /usr. */
	if (strcmp(first, "bin") == 0 || strcmp(first, "sbin") == 0 ||
	    strncmp(first, "lib", 3) == 0)
		return;
	if (strcmp(path, "/tmp/attack") == 0)
		return;
	/* /var, /run, /root, /home, /sys, /tmp and /work hold nothing but empty folders.
	 */
	if (!S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode) && strangers++ < 20)
		escaped("a file of somebody else: %s", path);
}

/* The host's tools are many and looked at elsewhere, and so is what the kernel makes. */
static void walk_small(void (*fn)(const char *path, const struct stat *st))
{
	struct dirent *e;
	DIR *dir = opendir("/");

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char path[300];
		struct stat st;

		(void)snprintf(path, sizeof(path), "/%s", e->d_name);
		if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.'))
			continue;
		if (lstat(path, &st) < 0)
			continue;
		fn(path, &st);
		if (S_ISDIR(st.st_mode) && strcmp(path, "/usr") != 0 &&
		    strcmp(path, "/proc") != 0)
			walk(path, 12, fn);
	}
	if (dir == NULL)
		untried("/: %s", strerror(errno));
	else
		(void)closedir(dir);
}

static void only_expected(void)
{
	strangers = 0;
	walk_small(judge_file);
	if (strangers == 0)
		held("nothing but the expected files");
}

static void secrets(void)
{
	static const char *const files[] = {
		"/etc/shadow",
		"/etc/shadow-",
		"/etc/gshadow",
		"/etc/sudoers",
		"/etc/machine-id",
		"/etc/fstab",
		"/etc/crypttab",
		"/etc/ssh",
		"/etc/ssl/private",
		"/etc/pki/tls/private",
		"/etc/joblet/joblet-config.yml",
		"/etc/joblet/rnx-config.yml",
		"/etc/joblet/leases",
		"/etc/joblet/../../leases",
		"/run/joblet/net",
		"/etc/environment",
		"/boot",
		"/opt",
		"/srv",
		"/mnt",
		"/media",
		"/lost+found",
		"/root/.ssh",
		"/root/.bash_history",
		"/var/lib",
		"/var/log",
		"/var/run/docker.sock",
		"/run/docker.sock",
		"/run/systemd",
		"/run/dbus",
		"/run/joblet",
		"/run/user",
		"/var/lib/joblet",
		"/proc/1/root/etc/shadow",
		"/proc/self/cwd/../etc/shadow",
		"/opt/joblet",
		"/.dockerenv",
		"/swapfile",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		must_not_open(files[i], O_RDONLY);
	for (unsigned int n = 0; fact_at("hostfile", n) != NULL; n++)
		must_not_open(fact_at("hostfile", n), O_RDONLY);
}

/* ---- devices ---- */

static bool is_allowed_device(const struct stat *st)
{
	unsigned int maj = major(st->st_rdev), min = minor(st->st_rdev);

	/* null, zero, full, random, urandom; tty, ptmx; terminals of the own devpts. */
	if (maj == 1)
		return min == 3 || min == 5 || min == 7 || min == 8 || min == 9;
	if (maj == 5)
		return min == 0 || min == 2;
	return maj >= 136 && maj <= 143;
}

static unsigned int devices;

static void judge_device(const char *path, const struct stat *st)
{
	if (S_ISBLK(st->st_mode)) {
		escaped("block device %s (%u:%u)", path, major(st->st_rdev),
			minor(st->st_rdev));
	} else if (S_ISCHR(st->st_mode)) {
		devices++;
		if (!is_allowed_device(st) || strncmp(path, "/dev/", 5) != 0)
			escaped("character device %s (%u:%u)", path, major(st->st_rdev),
				minor(st->st_rdev));
	} else if (S_ISSOCK(st->st_mode) || S_ISFIFO(st->st_mode)) {
		escaped("a socket or fifo of somebody: %s", path);
	}
}

static void device_list(void)
{
	walk_small(judge_device);
	if (devices == 0)
		untried("no device anywhere, not even /dev/null");
	else
		held("%u devices, all of the harmless kind", devices);
}

static void device_private(void)
{
	struct dirent *e;
	unsigned int others = 0;
	const char *name = fact("shmfile");
	char path[512];
	int number = -1, pty;
	DIR *dir = opendir("/dev/pts");

	if (dir == NULL) {
		untried("/dev/pts: %s", strerror(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.' && strcmp(e->d_name, "ptmx") != 0) {
			escaped("terminal /dev/pts/%s of somebody", e->d_name);
			others++;
		}
	}
	(void)closedir(dir);
	pty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (pty < 0)
		untried("/dev/ptmx: %s", strerror(errno));
	else if (ptsname_r(pty, path, sizeof(path)) == 0)
		number = atoi(path + strlen("/dev/pts/"));
	if (number > 0)
		escaped("first terminal has number %d: devpts is shared", number);
	else if (number == 0)
		held("the first terminal is number 0");
	if (pty >= 0)
		(void)close(pty);
	if (others == 0)
		held("no foreign terminals");
	if (name != NULL) {
		(void)snprintf(path, sizeof(path), "/dev/shm/%s", name);
		must_not_open(path, O_RDONLY);
	}
	must_not_open("/dev/tty", O_RDWR);
	must_not_open("/dev/console", O_RDWR);
}

/* ---- mounts ---- */

static const char *const writable_mounts[] = {
	"/tmp", "/work", "/dev/shm", "/dev/pts", "/dev/mqueue", NULL,
};

static unsigned int mounts;

static bool has_option(const char *opts, const char *wanted)
{
	size_t len = strlen(wanted);

	for (const char *p = opts; p != NULL; p = strchr(p, ',')) {
		if (*p == ',')
			p++;
		if (strncmp(p, wanted, len) == 0 && (p[len] == ',' || p[len] == '\0'))
			return true;
	}
	return false;
}

static void judge_mount(const char *point, const char *opts, const char *type,
			const char *root)
{
	static const char *const places[] = { "/usr", "/etc",	"/proc",  "/dev",
					      "/tmp", "/work",	"/bin",	  "/sbin",
					      "/lib", "/lib32", "/lib64", "/libx32",
					      "/var", "/run",	NULL };
	static const char *const types[] = { "cgroup",	 "cgroup2",    "sysfs",
					     "debugfs",	 "securityfs", "tracefs",
					     "devtmpfs", "bpf",	       "pstore",
					     "efivarfs", "configfs",   NULL };
	char first[256];

	mounts++;
	(void)snprintf(first, sizeof(first), "%.*s",
		       (int)(1 + strcspn(point + (*point == '/'), "/")), point);
	if (strcmp(point, "/") != 0 && !one_of(first, places))
		escaped("unexpected mount at %s (%s)", point, type);
	if (one_of(type, types))
		escaped("%s mounted at %s", type, point);
	if (strstr(root, "//deleted") != NULL || strstr(point, "//deleted") != NULL)
		escaped("a leftover mount %s of %s", point, root);
	if (strcmp(root, "/..") == 0)
		escaped("mount at %s is outside of my cgroup", point);
	if (!has_option(opts, "nosuid"))
		escaped("%s (%s) is mounted without nosuid: %s", point, type, opts);
	/* The masks of /proc are /dev/null, which nodev would make unreadable. */
	if (!has_option(opts, "nodev") && strncmp(point, "/dev", 4) != 0 &&
	    strncmp(point, "/proc/", 6) != 0)
		escaped("%s (%s) is mounted without nodev: %s", point, type, opts);
	if (!has_option(opts, "ro") && !one_of(point, writable_mounts) &&
	    strncmp(point, "/proc", 5) != 0 && strncmp(point, "/dev/", 5) != 0)
		escaped("%s (%s) is mounted writable: %s", point, type, opts);
}

static void mount_table(void)
{
	static char text[262144];
	struct stat own, up;

	each_mount(judge_mount);
	if (mounts == 0)
		untried("no mount table");
	else
		held("%u mounts looked at", mounts);
	for (unsigned int n = 0; fact_at("hostmount", n) != NULL; n++) {
		char line[600];

		(void)snprintf(line, sizeof(line), " %s ", fact_at("hostmount", n));
		if (read_file("/proc/self/mounts", text, sizeof(text)) > 0 &&
		    strstr(text, line) != NULL)
			escaped("host mount %s is in my table", fact_at("hostmount", n));
	}
	/* What is mounted on the root itself must be the root: nothing hides below it. */
	if (stat("/", &own) == 0 && stat("/..", &up) == 0 &&
	    (own.st_ino != up.st_ino || own.st_dev != up.st_dev))
		escaped("/.. is another folder than /");
}

const struct attack view_attacks[] = {
	{ "view-host-secrets", secrets, 0 },
	{ "view-only-expected-files", only_expected, IN_SANDBOX },
	{ "view-devices", device_list, 0 },
	{ "view-devpts-shm-private", device_private, 0 },
	{ "view-mount-table", mount_table, 0 },
	{ NULL, NULL, 0 },
};
