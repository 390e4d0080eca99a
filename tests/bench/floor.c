/* SPDX-License-Identifier: MIT */
/*
 * The bare program: what the kernel alone charges for a job, without anything a library
 * adds. The launcher lives in a small mount namespace that is made once; each job copies
 * it and adds proc and a tmpfs. No checks, no messages, no supervisor, shared /dev.
 *
 *   floor plain           vfork and exec of /bin/true
 *   floor job             + namespaces, mounts, cgroup v2, capabilities, seccomp
 *   floor job+user        + a user namespace, mapped by the child
 *   floor job+net         + a network namespace with loopback
 *   floor job+user+net    + both
 *   floor job+user+veth   + a pair of interfaces, on a bridge, with address and route
 */
#include "loop.h"
#include "veth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/sys.h"

#define STACK_BYTES (64U << 10)
#define FILTER_CALLS 64U
#define LAST_CAP 40
#define NEW_ROOT "/tmp" /* hidden in our own mount namespace only */

struct floor {
	uint64_t namespaces; /* 0: none at all */
	int wired;
	char *stack;
	int base;  /* our own cgroup, -1: no cgroup v2 */
	int nest;  /* the jobs' parent in it */
	int group; /* of this job */
	char name[48];
	struct sock_filter filter[FILTER_CALLS + 3];
	int line; /* where the child failed */
	long code;
};

static const struct {
	const char *name;
	uint64_t namespaces;
	int wired;
} variants[] = {
	{ "plain", 0, 0 },
	{ "job", CLONE_NEWPID | CLONE_NEWNS, 0 },
	{ "job+user", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER, 0 },
	{ "job+net", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET, 0 },
	{ "job+user+net", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWNET, 0 },
	/* The launcher makes this one: it is wired from outside. */
	{ "job+user+veth", CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUSER, 1 },
};

#define MUST(call)                                                                   \
	do {                                                                         \
		if ((call) < 0) {                                                    \
			fprintf(stderr, "floor: line %d: %s: %s\n", __LINE__, #call, \
				strerror(errno));                                    \
			exit(1);                                                     \
		}                                                                    \
	} while (0)

/* ---- the child: raw system calls, as it shares our memory ----------------------------
 */

#define STEP(call)                          \
	do {                                \
		long r_ = (call);           \
		if (r_ < 0) {               \
			f->line = __LINE__; \
			f->code = r_;       \
			return 126;         \
		}                           \
	} while (0)

static long put(const char *path, const char *text, size_t len)
{
	long fd = jl__sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0), r;

	if (fd < 0)
		return fd;
	r = jl__sys_write((int)fd, text, len);
	(void)jl__sys_close((int)fd);
	return r;
}

static int give_up(struct floor *f)
{
	struct rlimit files = { 1024, 1024 }, core = { 0, 0 }, procs = { 4096, 4096 };
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	struct sock_fprog program = { FILTER_CALLS + 3, f->filter };

	STEP(jl__sys_sethostname("job", 3));
	STEP(jl__sys_prlimit(0, RLIMIT_NOFILE, &files, NULL));
	STEP(jl__sys_prlimit(0, RLIMIT_CORE, &core, NULL));
	STEP(jl__sys_prlimit(0, RLIMIT_NPROC, &procs, NULL));
	for (int cap = 0; cap <= LAST_CAP; cap++)
		if (jl__sys_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -EPERM)
			STEP(-EPERM);
	STEP(jl__sys_capset(&header, none));
	STEP(jl__sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	STEP(jl__sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &program));
	return 0;
}

static int child(void *data)
{
	static char *argv[] = { (char *)"true", NULL };
	static char *envp[] = { (char *)"PATH=/usr/bin:/bin", NULL };
	struct floor *f = data;

	if (f->namespaces & CLONE_NEWUSER) {
		STEP(put("/proc/self/setgroups", "deny", 4));
		STEP(put("/proc/self/uid_map", "0 0 1", 5));
		STEP(put("/proc/self/gid_map", "0 0 1", 5));
	}
	if (f->namespaces & CLONE_NEWNET) {
		struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
		long fd = jl__sys_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		STEP(fd);
		STEP(jl__sys_ioctl((int)fd, SIOCSIFFLAGS, (long)&lo));
		STEP(jl__sys_close((int)fd));
	}
	if (f->namespaces) {
		STEP(jl__sys_mount("proc", "/proc", "proc",
				   MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
		STEP(jl__sys_mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV,
				   "size=16m"));
		if (give_up(f))
			return 126;
	}
	STEP(jl__sys_execveat(AT_FDCWD, "/bin/true", argv, envp, 0));
	return 126;
}

/* ---- the launcher --------------------------------------------------------------------
 */

static int once(void *data, uint64_t times[LOOP_TIMES])
{
	struct floor *f = data;
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)f->stack,
		.stack_size = STACK_BYTES,
	};
	uint64_t start = loop_now();
	long pid;
	int status, netns = -1;

	if (f->wired)
		MUST(netns = veth_enter());
	if (f->namespaces)
		args.flags |=
			f->namespaces | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	if (f->namespaces && f->nest >= 0) {
		MUST(mkdirat(f->nest, "job", 0755));
		MUST(f->group =
			     openat(f->nest, "job", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)f->group;
	}
	pid = jl__sys_clone3_call(&args, sizeof(args), child, f);
	times[1] = loop_now() - start;
	if (pid < 0) {
		fprintf(stderr, "floor: clone3: %s\n", strerror((int)-pid));
		return 0;
	}
	while (wait4((pid_t)pid, &status, 0, NULL) < 0 && errno == EINTR)
		;
	if (f->group >= 0) {
		(void)close(f->group);
		MUST(unlinkat(f->nest, "job", AT_REMOVEDIR));
		f->group = -1;
	}
	if (f->wired)
		veth_leave(netns);
	times[0] = loop_now() - start;
	if (status)
		fprintf(stderr, "floor: the child failed in line %d: %s\n", f->line,
			strerror((int)-f->code));
	return status == 0;
}

/* A linear list of calls that are refused, then an answer for everything else. */
static void make_filter(struct floor *f)
{
	struct sock_filter *at = f->filter;

	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
	for (unsigned int i = 0; i < FILTER_CALLS; i++)
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2000 + i,
						     (unsigned char)(FILTER_CALLS - i),
						     0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	*at = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
}

/* Path of the place where cgroup v2 is mounted, and our own group below it. */
static int open_own_group(void)
{
	char line[1024], place[256] = "", path[1024] = "";
	FILE *file = fopen("/proc/self/mountinfo", "re");

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, " - cgroup2 "))
			(void)sscanf(line, "%*s %*s %*s %*s %255s", place);
	if (file)
		(void)fclose(file);
	file = fopen("/proc/self/cgroup", "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, "0::", 3) == 0)
			(void)snprintf(path, sizeof(path), "%s%.*s", place,
				       (int)strcspn(line + 3, "\n"), line + 3);
	if (file)
		(void)fclose(file);
	return *place && *path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

static void make_group(struct floor *f)
{
	f->base = open_own_group();
	if (f->base < 0) {
		fprintf(stderr, "floor: no cgroup v2 here: measuring without\n");
		return;
	}
	(void)snprintf(f->name, sizeof(f->name), "floor-%d", (int)getpid());
	MUST(mkdirat(f->base, f->name, 0755));
	MUST(f->nest = openat(f->base, f->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void add_tools(const char *name)
{
	char host[32], text[64];
	struct stat st;
	ssize_t len;

	(void)snprintf(host, sizeof(host), "/%s", name);
	if (lstat(host, &st) < 0)
		return;
	if (S_ISLNK(st.st_mode)) {
		len = readlink(host, text, sizeof(text) - 1);
		text[len < 0 ? 0 : len] = '\0';
		MUST(symlink(text, name));
		return;
	}
	MUST(mkdir(name, 0755));
	MUST(mount(host, name, NULL, MS_BIND | MS_REC, NULL));
	MUST(mount(NULL, name, NULL,
		   MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL));
}

static void add_devices(void)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} nodes[] = {
		{ "dev/null", 1, 3 },	{ "dev/zero", 1, 5 },	 { "dev/full", 1, 7 },
		{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
	};

	MUST(mkdir("dev", 0755));
	MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k"));
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		MUST(mknod(nodes[i].path, S_IFCHR | 0666,
			   makedev(nodes[i].major, nodes[i].minor)));
	MUST(mkdir("dev/pts", 0755));
	MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		   "newinstance,ptmxmode=0666,mode=0620"));
	MUST(symlink("pts/ptmx", "dev/ptmx"));
	MUST(symlink("/proc/self/fd", "dev/fd"));
}

static void enter_template(const struct floor *f)
{
	static const char *const tools[] = { "usr", "bin", "sbin", "lib", "lib64" };

	MUST(unshare(CLONE_NEWNS));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID, "size=64k,mode=755"));
	MUST(chdir(NEW_ROOT));
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		add_tools(tools[i]);
	MUST(mkdir("proc", 0755));
	MUST(mkdir("tmp", 0755));
	add_devices();
	/* From inside a user namespace one proc begets another only while it is seen. */
	if (f->namespaces & CLONE_NEWUSER)
		MUST(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			   NULL));
	MUST(mount(NULL, NEW_ROOT, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID,
		   NULL));
	MUST((int)jl__sys_pivot_root(".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));
}

int main(int argc, char **argv)
{
	static struct floor f = { .base = -1, .nest = -1, .group = -1 };
	bool known = false;
	int r;

	for (size_t i = 0; argc == 2 && i < sizeof(variants) / sizeof(variants[0]); i++)
		if (strcmp(argv[1], variants[i].name) == 0) {
			f.namespaces = variants[i].namespaces;
			f.wired = variants[i].wired;
			known = true;
		}
	if (!known) {
		fprintf(stderr, "usage: floor plain|job|job+user|job+net|job+user+net|job+user+veth\n");
		return 2;
	}
	f.stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_POPULATE, -1, 0);
	if (f.stack == MAP_FAILED)
		return 1;
	make_filter(&f);
	if (f.wired && !veth_begin()) {
		fprintf(stderr, "floor: cannot make a network\n");
		return 1;
	}
	if (f.namespaces) {
		make_group(&f);
		enter_template(&f);
	}
	r = loop_run(once, &f, 2);
	if (f.nest >= 0)
		(void)unlinkat(f.base, f.name, AT_REMOVEDIR);
	return r;
}
