/* SPDX-License-Identifier: MIT */
/* Files: write what is read-only, leave the root, use what was left open, gain by setuid.
 */
#include "attack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void read_only(void)
{
	static const char *const folders[] = { "/",	    "/usr",  "/usr/bin",
					       "/usr/lib",  "/etc",  "/bin",
					       "/lib",	    "/sbin", "/proc",
					       "/usr/share" };
	static const char *const files[] = { "/etc/passwd", "/etc/group",
					     "/etc/hosts",  "/etc/resolv.conf",
					     "/bin/sh",	    "/usr/bin/env" };
	char path[256];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/escape-test",
			       folders[i][1] == '\0' ? "" : folders[i]);
		must_not_open(path, O_WRONLY | O_CREAT | O_EXCL);
		must_fail("mkdir there", mkdir(path, 0700));
		must_fail("symlink there", symlink("/", path));
		must_fail("chmod of the folder", chmod(folders[i], 0777));
		must_fail("chown of the folder", chown(folders[i], 0, 0));
		must_fail("utimes of the folder", utimes(folders[i], NULL));
		/* An unnamed file that is linked in afterwards. */
		must_not_open(folders[i], O_TMPFILE | O_WRONLY);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (access(files[i], F_OK) < 0)
			continue;
		must_not_open(files[i], O_WRONLY);
		must_not_open(files[i], O_RDWR);
		must_fail("truncate", truncate(files[i], 1 << 20));
		must_fail("chmod", chmod(files[i], 0777));
		must_fail("chown", chown(files[i], 0, 0));
		must_fail("utimes", utimes(files[i], NULL));
		must_fail("setxattr", setxattr(files[i], "user.escape", "1", 1, 0));
		must_fail("rename away", rename(files[i], "/tmp/stolen"));
		must_fail("link into /tmp", link(files[i], "/tmp/linked"));
		(void)snprintf(path, sizeof(path), "%s-escape", files[i]);
		must_fail("rename", rename(files[i], path));
	}
}

/* What a read-only descriptor of a host file allows beyond reading. */
static void read_only_ioctl(void)
{
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC), flags = 0;
	struct timeval times[2] = { { 1, 0 }, { 1, 0 } };
	char path[64];

	if (fd < 0) {
		untried("/bin/sh: %s", strerror(errno));
		return;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must_not_open(path, O_WRONLY);
	must_not_open(path, O_RDWR);
	must_fail("fchmod", fchmod(fd, 0777));
	must_fail("fchown", fchown(fd, 0, 0));
	must_fail("futimes", futimes(fd, times));
	must_fail("fsetxattr", fsetxattr(fd, "user.escape", "1", 1, 0));
	must_fail("FIFREEZE", ioctl(fd, FIFREEZE, 0));
	/* With room for nothing: were it allowed, nothing would be trimmed. */
	must_fail("FITRIM", ioctl(fd, FITRIM, &(struct fstrim_range){ .len = 0 }));
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0)
		must_fail("FS_IOC_SETFLAGS", ioctl(fd, FS_IOC_SETFLAGS, &flags));
	must_fail("FS_IOC_SETVERSION", ioctl(fd, _IOW('v', 2, long), &flags));
	must_fail("FICLONE onto it", ioctl(fd, FICLONE, fd));
	must_fail("fallocate", fallocate(fd, 0, 0, 1 << 20));
	must_fail("ftruncate", ftruncate(fd, 1 << 20));
	(void)close(fd);
}

/*
 * A lease makes whoever opens the file wait, 45 s by default: with a lease on /usr/bin/ls
 * a job would hold up the host and all its neighbours. Leases go to owners, and a file
 * that is shown as root's is owned by the job's root.
 */
static void leases(void)
{
	static const char *const files[] = { "/bin/sh",	      "/usr/bin/env",
					     "/usr/bin/wc",   "/etc/passwd",
					     "/etc/services", "/usr" };
	static const struct {
		const char *name;
		int command, type;
	} kinds[] = {
		{ "a read lease", F_SETLEASE, F_RDLCK },
		{ "a write lease", F_SETLEASE, F_WRLCK },
	};
	unsigned int tried = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);

		for (size_t k = 0; fd >= 0 && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			struct {
				unsigned int flags;
				unsigned short type, pad;
			} delegation = { 0, (unsigned short)kinds[k].type, 0 };
			char what[128];

			tried++;
			(void)snprintf(what, sizeof(what), "%s on %s", kinds[k].name,
				       files[i]);
			must_fail(what, fcntl(fd, F_SETLEASE, kinds[k].type));
			(void)fcntl(fd, F_SETLEASE, F_UNLCK);
			/* The filter looks at an int only if it is told to. */
			must_fail(what, syscall(SYS_fcntl, fd, F_SETLEASE | 0x100000000L,
						kinds[k].type));
			(void)fcntl(fd, F_SETLEASE, F_UNLCK);
			/* F_SETDELEG of Linux 6.19, for folders, too. */
			must_fail("a delegation", fcntl(fd, 1024 + 16, &delegation));
		}
		if (fd >= 0)
			(void)close(fd);
	}
	if (tried == 0)
		untried("no file to try");
}

/* ---- leaving by name ---- */

static void same_as_root(const char *what, int fd)
{
	struct stat root, got;

	if (fd < 0) {
		held("%s: %s", what, strerror(errno));
		return;
	}
	if (stat("/", &root) < 0 || fstat(fd, &got) < 0)
		untried("%s: %s", what, strerror(errno));
	else if (root.st_dev != got.st_dev || root.st_ino != got.st_ino)
		escaped("%s leads to another folder than the root", what);
	else
		held("%s stays at the root", what);
	(void)close(fd);
}

static void dot_dot(void)
{
	static const char *const starts[] = { "/",
					      "/usr",
					      "/usr/bin",
					      "/tmp",
					      "/work",
					      "/dev",
					      "/dev/pts",
					      "/dev/shm",
					      "/proc",
					      "/proc/self",
					      "/etc",
					      "/proc/self/root",
					      "/proc/self/cwd",
					      "/proc/1/root",
					      "/proc/1/cwd" };
	static const char up[] = "../../../../../../../../../../../../../../../../";

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		char path[256];
		int dir;

		(void)snprintf(path, sizeof(path), "%s/%s", starts[i], up);
		same_as_root(path, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
		dir = open(starts[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			continue;
		(void)snprintf(path, sizeof(path), ".. from a descriptor of %s",
			       starts[i]);
		same_as_root(path, openat(dir, up, O_PATH | O_DIRECTORY | O_CLOEXEC));
		if (fchdir(dir) == 0)
			same_as_root("chdir ..",
				     open(up, O_PATH | O_DIRECTORY | O_CLOEXEC));
		(void)close(dir);
	}
}

static void links_out(void)
{
	static const char *const targets[] = {
		"../../../../../../../../etc/shadow",
		"/proc/1/root/etc/shadow",
		"/proc/self/root/../etc/shadow",
		"/proc/self/fd/3/../../etc/shadow",
		"/../etc/shadow",
		"/root",
		"/proc/1/root/root/.bashrc",
		"/proc/1/cwd/../../../etc/shadow",
	};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		char path[64];
		struct stat st;
		int fd;

		(void)snprintf(path, sizeof(path), "/tmp/out%zu", i);
		if (symlink(targets[i], path) < 0) {
			untried("symlink in /tmp: %s", strerror(errno));
			return;
		}
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		/* A folder /root may be there, empty: its entries are looked at
		 * elsewhere. */
		if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
			escaped("a link to %s opens a file", targets[i]);
		else
			held("a link to %s: %s", targets[i], strerror(errno));
		if (fd >= 0)
			(void)close(fd);
	}
}

/* A folder moved while somebody inside walks up: known from containers with bind mounts.
 */
static void rename_race(void)
{
	int dir;

	if (mkdir("/tmp/a", 0700) < 0 || mkdir("/tmp/a/b", 0700) < 0 ||
	    mkdir("/tmp/a/b/c", 0700) < 0 || chdir("/tmp/a/b/c") < 0) {
		untried("folders in /tmp: %s", strerror(errno));
		return;
	}
	if (rename("/tmp/a/b", "/tmp/b") < 0) {
		untried("rename: %s", strerror(errno));
		return;
	}
	same_as_root("../../../../.. after a rename",
		     open("../../../../..", O_PATH | O_DIRECTORY | O_CLOEXEC));
	/* Across mounts a folder cannot be moved at all. */
	must_fail("rename of a folder from /tmp to /work", rename("/tmp/b", "/work/b"));
	if (rmdir("/tmp/b/c") < 0)
		note("rmdir: %s", strerror(errno));
	dir = open("..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		same_as_root("../../../.. out of a removed folder",
			     openat(dir, "../../../../..", O_PATH | O_DIRECTORY));
}

/* ---- the launcher ---- */

static const char *own_exe(void)
{
	static char target[1024];
	ssize_t n = readlink("/proc/self/exe", target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	return target;
}

static void exe_write(void)
{
	static const int how[] = { O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC };
	struct stat mine, st;
	struct dirent *e;
	DIR *dir = opendir("/proc");

	if (dir == NULL || stat(own_exe(), &mine) < 0) {
		untried("/proc or %s: %s", own_exe(), strerror(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		char path[300];
		int handle;

		(void)snprintf(path, sizeof(path), "/proc/%s/exe", e->d_name);
		if (stat(path, &st) < 0)
			continue;
		if (st.st_dev == mine.st_dev && st.st_ino == mine.st_ino) {
			held("%s is my own file", path);
			continue;
		}
		for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++)
			must_not_open(path, how[i]);
		/* The trick of 2019: hold it by O_PATH, open for writing when nobody runs
		 * it. */
		handle = open(path, O_PATH | O_CLOEXEC);
		if (handle >= 0) {
			(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
			must_not_open(path, O_WRONLY);
			(void)close(handle);
		}
	}
	(void)closedir(dir);
}

/* A child holds /proc/PID/exe while that process execs a program of the host. */
static void exe_write_exec(void)
{
	for (int round = 0; round < 50; round++) {
		char path[64];
		int status;
		pid_t pid = fork();

		if (pid < 0) {
			untried("fork: %s", strerror(errno));
			return;
		}
		if (pid == 0) {
			(void)execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
			_exit(1);
		}
		(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
		for (int i = 0; i < 200; i++) {
			struct stat st, mine;
			int fd = open(path, O_WRONLY | O_CLOEXEC);

			if (fd < 0)
				continue;
			if (stat(own_exe(), &mine) == 0 && fstat(fd, &st) == 0 &&
			    (st.st_ino != mine.st_ino || st.st_dev != mine.st_dev))
				escaped("%s could be opened for writing", path);
			(void)close(fd);
		}
		(void)waitpid(pid, &status, 0);
	}
	held("/bin/sh cannot be written while it starts, runs and ends");
}

/* ---- descriptors ---- */

static void descriptors(void)
{
	struct dirent *e;
	DIR *dir;

	for (int fd = 3; fd < 65536; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			escaped("descriptor %d is open", fd);
	}
	dir = opendir("/proc/self/fd");
	if (dir == NULL) {
		untried("/proc/self/fd: %s", strerror(errno));
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd > 2 && fd != dirfd(dir))
			escaped("descriptor %d is open", fd);
	}
	(void)closedir(dir);
	for (int fd = 0; fd <= 2; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0)
			untried("descriptor %d is closed", fd);
		else if (S_ISDIR(st.st_mode))
			escaped("descriptor %d is a folder", fd);
		else if ((fcntl(fd, F_GETFL) & O_PATH) != 0)
			escaped("descriptor %d is an O_PATH handle", fd);
		else if (openat(fd, "..", O_PATH | O_CLOEXEC) >= 0)
			escaped("descriptor %d leads to a folder", fd);
		else
			held("descriptor %d is a stream", fd);
	}
}

/* The harness gave a host file, opened read-only, mode 0600, as standard input. */
static void reopen_stdio(void)
{
	struct stat st;

	if (fstat(2, &st) < 0 || !S_ISREG(st.st_mode)) {
		untried("descriptor 2 is not a file of the host");
		return;
	}
	must_not_open("/proc/self/fd/2", O_RDONLY);
	must_not_open("/proc/self/fd/2", O_RDWR);
	must_not_open("/proc/1/fd/2", O_RDWR);
	must_fail("fchmod", fchmod(2, 0666));
	must_fail("fchown", fchown(2, 0, 0));
	must_fail("linkat by /proc", linkat(AT_FDCWD, "/proc/self/fd/2", AT_FDCWD,
					    "/tmp/l", AT_SYMLINK_FOLLOW));
	must_fail("linkat by descriptor",
		  linkat(2, "", AT_FDCWD, "/tmp/l", AT_EMPTY_PATH));
	must_not_open("/proc/self/fd/2/..", O_PATH);
}

/* ---- rights by file ---- */

static long as_user_runs(void *path)
{
	int status;
	pid_t pid;

	if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)execl(path, path, "--who", (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void setuid_files(void)
{
	static const char *const folders[] = { "/tmp", "/work", "/dev/shm" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char path[64];
		struct outcome o;

		(void)snprintf(path, sizeof(path), "%s/suid", folders[i]);
		if (!copy_self(path, 06755)) {
			note("%s: %s", path, strerror(errno));
			continue;
		}
		o = in_child(as_user_runs, path);
		if (o.ret == 42)
			escaped("%s made a user root", path);
		else if (o.ret < 0)
			untried("as user 1000: %s", strerror(o.err));
		else
			held("%s as user 1000: no change (%ld)", path, o.ret);
		/* Capabilities of a file: none may be set that the job does not have. */
		must_fail("security.capability",
			  setxattr(path, "security.capability",
				   "\x01\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x00"
				   "\xff\xff\xff\xff\x00\x00\x00\x00",
				   20, 0));
		(void)unlink(path);
	}
}

static unsigned int setuid_count;

/* What a setuid file would need to give rights: a mount that lets it, no no_new_privs. */
static void judge_setuid(const char *path, const struct stat *st)
{
	struct statvfs fs;

	if (!S_ISREG(st->st_mode) || (st->st_mode & (S_ISUID | S_ISGID)) == 0)
		return;
	setuid_count++;
	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID) == 0)
		escaped("%s is on a mount without nosuid", path);
}

static void setuid_host_files(void)
{
	static const char *const folders[] = { "/usr/bin",     "/usr/sbin", "/usr/lib",
					       "/usr/libexec", "/bin",	    "/sbin" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		walk(folders[i], 4, judge_setuid);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		escaped("no_new_privs is off");
	held("%u setuid files of the host looked at", setuid_count);
}

const struct attack fs_attacks[] = {
	{ "fs-read-only", read_only, IN_SANDBOX },
	{ "fs-read-only-ioctl", read_only_ioctl, IN_SANDBOX },
	{ "fs-leases", leases, IN_SANDBOX },
	{ "fs-dot-dot", dot_dot, 0 },
	{ "fs-links-out", links_out, IN_SANDBOX },
	{ "fs-rename-race", rename_race, IN_SANDBOX },
	{ "fs-exe-write", exe_write, IN_SANDBOX },
	{ "fs-exe-write-exec", exe_write_exec, IN_SANDBOX },
	{ "fs-descriptors", descriptors, 0 },
	{ "fs-reopen-stdio", reopen_stdio, BY_HARNESS },
	{ "fs-setuid", setuid_files, IN_SANDBOX },
	{ "fs-setuid-host-files", setuid_host_files, IN_SANDBOX },
	{ NULL, NULL, 0 },
};
