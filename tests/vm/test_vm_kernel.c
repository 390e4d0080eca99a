/* SPDX-License-Identifier: MIT */
/*
 * What the virtual machine is for: a stock kernel with nothing but cgroup v2, where the
 * mechanisms that jobs are made of work. If one of these fails, failures of the other
 * programs in the machine say nothing about joblet.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#define PR_SCHED_CORE_CREATE 1
#endif
#ifndef VETH_INFO_PEER
#define VETH_INFO_PEER 1
#endif

#define CGROUP_ROOT "/sys/fs/cgroup"

static bool delegated;
/* What enabling a controller here gave while this process was still inside. */
static int enable_inside_errno;
/* A cgroup with all controllers enabled for its children. */
static char base[512];

static int write_file(const char *dir, const char *name, const char *text)
{
	char path[1024];
	ssize_t n;
	int fd, e;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	e = errno;
	(void)close(fd);
	return n < 0 ? -e : 0;
}

static const char *read_file(const char *dir, const char *name)
{
	static char text[8192];
	char path[1024];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	(void)close(fd);
	return text;
}

static pid_t clone_with(uint64_t flags, int cgroup_fd, int *pidfd)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = SIGCHLD,
		.pidfd = (uintptr_t)pidfd,
		.cgroup = cgroup_fd < 0 ? 0 : (uint64_t)cgroup_fd,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int status_of(pid_t pid)
{
	int status = -1;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

/* Returns an open directory; the cgroup goes away with drop_cgroup(). */
static int new_cgroup(char *path, size_t size, const char *name)
{
	int fd;

	(void)snprintf(path, size, "%s/%s", base, name);
	ck_assert_msg(mkdir(path, 0755) == 0 || errno == EEXIST, "%s: %s", path,
		      strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void drop_cgroup(const char *path, int fd)
{
	(void)close(fd);
	for (int i = 0; rmdir(path) < 0 && errno == EBUSY && i < 200; i++)
		(void)usleep(10000);
	ck_assert_msg(access(path, F_OK) < 0, "%s stays", path);
}

START_TEST(only_cgroup_v2_is_there)
{
	const char *mine;
	struct statfs fs;

	ck_assert_int_eq(statfs(CGROUP_ROOT, &fs), 0);
	ck_assert_int_eq(fs.f_type, CGROUP2_SUPER_MAGIC);
	mine = read_file("/proc/self", "cgroup");
	ck_assert_msg(strncmp(mine, "0::/", 4) == 0 && strchr(mine, '\n')[1] == '\0',
		      "%s", mine);
	ck_assert_ptr_null(strstr(read_file("/proc/self", "mounts"), " cgroup "));
}
END_TEST

static const char *const controllers[] = { "cpu", "cpuset", "io", "memory", "pids" };

START_TEST(controller_is_offered)
{
	char text[256], word[32];

	(void)snprintf(text, sizeof(text), " %s", read_file(base, "cgroup.controllers"));
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	(void)snprintf(word, sizeof(word), " %s ", controllers[_i]);
	ck_assert_msg(strstr(text, word) != NULL, "%s not in%s", controllers[_i], text);
}
END_TEST

START_TEST(no_internal_processes_except_in_the_root)
{
	ck_assert_int_eq(enable_inside_errno, delegated ? -EBUSY : 0);
}
END_TEST

START_TEST(clone_into_cgroup_and_kill_it)
{
	char path[600], want[600];
	int status, fd = new_cgroup(path, sizeof(path), "clone");
	pid_t pid = clone_with(CLONE_INTO_CGROUP, fd, NULL);

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	ck_assert_msg(pid > 0, "clone3: %s", strerror(errno));
	(void)snprintf(want, sizeof(want), "%d\n", pid);
	ck_assert_str_eq(read_file(path, "cgroup.procs"), want);
	ck_assert_int_eq(write_file(path, "cgroup.kill", "1"), 0);
	status = status_of(pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	drop_cgroup(path, fd);
}
END_TEST

START_TEST(memory_limit_kills_the_group)
{
	char path[600];
	int status, fd = new_cgroup(path, sizeof(path), "memory");
	size_t len = 64 << 20;
	const char *events;
	pid_t pid;

	ck_assert_int_eq(write_file(path, "memory.max", "16777216"), 0);
	ck_assert_int_eq(write_file(path, "memory.oom.group", "1"), 0);
	pid = clone_with(CLONE_INTO_CGROUP, fd, NULL);
	if (pid == 0) {
		char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		for (size_t i = 0; p != MAP_FAILED && i < len; i += 4096)
			p[i] = 1;
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	status = status_of(pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	events = read_file(path, "memory.events");
	ck_assert_msg(strstr(events, "oom_group_kill 1") != NULL, "%s", events);
	ck_assert_msg(strstr(events, "oom_kill 0") == NULL, "%s", events);
	drop_cgroup(path, fd);
}
END_TEST

START_TEST(memory_peak_is_reported)
{
	char path[600];
	int fd = new_cgroup(path, sizeof(path), "peak");

	/* Since 5.19. */
	ck_assert_int_ge(atoi(read_file(path, "memory.peak")), 0);
	drop_cgroup(path, fd);
}
END_TEST

START_TEST(pids_limit_stops_fork)
{
	char path[600];
	int status, fd = new_cgroup(path, sizeof(path), "pids");
	pid_t pid;

	ck_assert_int_eq(write_file(path, "pids.max", "1"), 0);
	pid = clone_with(CLONE_INTO_CGROUP, fd, NULL);
	if (pid == 0) {
		pid_t second = fork();

		_exit(second == 0 ? 0 : second < 0 && errno == EAGAIN ? 7 : 8);
	}
	ck_assert_int_gt(pid, 0);
	status = status_of(pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	drop_cgroup(path, fd);
}
END_TEST

START_TEST(cpu_and_cpuset_limits_read_back)
{
	char path[600];
	int fd = new_cgroup(path, sizeof(path), "cpu");

	ck_assert_int_eq(write_file(path, "cpu.max", "20000 100000"), 0);
	ck_assert_str_eq(read_file(path, "cpu.max"), "20000 100000\n");
	ck_assert_int_eq(write_file(path, "cpuset.cpus", "1"), 0);
	ck_assert_str_eq(read_file(path, "cpuset.cpus.effective"), "1\n");
	drop_cgroup(path, fd);
}
END_TEST

START_TEST(io_limit_on_the_root_disk)
{
	char path[600], text[128];
	int fd = new_cgroup(path, sizeof(path), "io");
	struct stat st;

	ck_assert_int_eq(stat("/", &st), 0);
	(void)snprintf(text, sizeof(text), "%u:%u wbps=1048576", major(st.st_dev),
		       minor(st.st_dev));
	ck_assert_int_eq(write_file(path, "io.max", text), 0);
	ck_assert_ptr_nonnull(strstr(read_file(path, "io.max"), "wbps=1048576"));
	drop_cgroup(path, fd);
}
END_TEST

START_TEST(pidfd_polls_signals_and_waits)
{
	int pidfd = -1;
	pid_t pid = clone_with(CLONE_PIDFD, -1, &pidfd);
	struct pollfd p;
	siginfo_t info = { 0 };

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_int_eq(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), 0);
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	ck_assert_int_eq(waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	ck_assert_int_eq(info.si_status, SIGKILL);
	(void)close(pidfd);
}
END_TEST

START_TEST(user_namespace_without_privilege)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(1);
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
			      CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP)
			      ? 2
			      : 0);
	}
	status = status_of(pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* Returns a user namespace that maps 0 to 100000, as an fd. */
static int mapped_userns(void)
{
	char path[64], ns[80];
	int fd;
	pid_t pid = clone_with(CLONE_NEWUSER, -1, NULL);

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	(void)snprintf(path, sizeof(path), "/proc/%d", pid);
	ck_assert_int_eq(write_file(path, "uid_map", "0 100000 65536"), 0);
	ck_assert_int_eq(write_file(path, "gid_map", "0 100000 65536"), 0);
	(void)snprintf(ns, sizeof(ns), "%s/ns/user", path);
	fd = open(ns, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	(void)kill(pid, SIGKILL);
	(void)status_of(pid);
	return fd;
}

/* Returns 0 or -errno, and on success who owns the root of the mount. */
static int idmap(const char *path, int userns, uid_t *ret_uid)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP,
				   .userns_fd = (uint64_t)userns };
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path,
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	struct stat st;
	int r;

	ck_assert_msg(tree >= 0, "open_tree %s: %s", path, strerror(errno));
	r = (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	r = r < 0 ? -errno : 0;
	if (r == 0 && fstatat(tree, "", &st, AT_EMPTY_PATH) == 0)
		*ret_uid = st.st_uid;
	(void)close(tree);
	return r;
}

START_TEST(idmapped_mount_of_ext4)
{
	int userns = mapped_userns();
	uid_t uid = 1;

	ck_assert_int_eq(idmap("/usr", userns, &uid), 0);
	ck_assert_uint_eq(uid, 100000);
	(void)close(userns);
}
END_TEST

START_TEST(idmapped_mount_of_tmpfs_is_refused)
{
	int userns = mapped_userns();
	uid_t uid;

	/* Came with 6.3: who wants one must have another way here. */
	ck_assert_int_eq(idmap("/dev/shm", userns, &uid), -EINVAL);
	(void)close(userns);
}
END_TEST

static void in_new_mountns(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("t", "/mnt", "tmpfs", 0, NULL))
			_exit(100);
		fn();
		_exit(0);
	}
	status = status_of(pid);
	ck_assert_msg(WIFEXITED(status), "killed by %d", WTERMSIG(status));
	ck_assert_msg(WEXITSTATUS(status) == 0, "step %d", WEXITSTATUS(status));
}

static void overlay(void)
{
	static const char *const folders[] = { "/mnt/l", "/mnt/u", "/mnt/w", "/mnt/m" };

	for (size_t i = 0; i < 4; i++)
		if (mkdir(folders[i], 0755))
			_exit(1);
	if (mkdir("/mnt/l/below", 0755))
		_exit(2);
	if (mount("o", "/mnt/m", "overlay", 0,
		  "lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w"))
		_exit(3);
	if (access("/mnt/m/below", F_OK) || mkdir("/mnt/m/new", 0755) ||
	    access("/mnt/u/new", F_OK))
		_exit(4);
}

START_TEST(overlay_file_system)
{
	in_new_mountns(overlay);
}
END_TEST

static void overlay_unprivileged(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
	    write_file("/proc/self", "uid_map", "0 0 1") ||
	    write_file("/proc/self", "setgroups", "deny") ||
	    write_file("/proc/self", "gid_map", "0 0 1") ||
	    mount("t", "/mnt", "tmpfs", 0, NULL))
		_exit(50);
	overlay();
}

START_TEST(overlay_file_system_in_a_user_namespace)
{
	in_new_mountns(overlay_unprivileged);
}
END_TEST

static void pivot(void)
{
	if (chdir("/mnt") || mkdir("inside", 0755) || syscall(SYS_pivot_root, ".", "."))
		_exit(1);
	if (umount2(".", MNT_DETACH) || chdir("/"))
		_exit(2);
	if (access("/inside", F_OK) || access("/usr", F_OK) == 0)
		_exit(3);
}

START_TEST(pivot_root_from_the_disk)
{
	in_new_mountns(pivot);
}
END_TEST

START_TEST(mounts_of_the_root_are_shared)
{
	const char *info = read_file("/proc/self", "mountinfo");

	ck_assert_ptr_nonnull(strstr(info, " / / rw,relatime shared:"));
}
END_TEST

START_TEST(sealed_memfd_can_be_executed)
{
	int status, fd = memfd_create("true", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char buf[65536];
	ssize_t n;
	int in = open("/bin/true", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(fd, buf, (size_t)n), n);
	(void)close(in);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS,
			       F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
			 0);
	pid = fork();
	if (pid == 0) {
		char *argv[] = { (char *)"true", NULL }, *envp[] = { NULL };

		(void)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
		_exit(99);
	}
	status = status_of(pid);
	ck_assert_int_eq(status, 0);
	(void)close(fd);
}
END_TEST

START_TEST(seccomp_filters_are_there)
{
	static const uint32_t actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO,
					    SECCOMP_RET_USER_NOTIF };

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		ck_assert_int_eq(
			syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]),
			0);
}
END_TEST

START_TEST(core_scheduling_is_not_built_in)
{
	/* CONFIG_SCHED_CORE is off in this kernel: the code for its lack is used. */
	ck_assert_int_eq(prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 0, 0), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

struct link_request {
	struct nlmsghdr head;
	struct ifinfomsg info;
	char attrs[256];
};

static struct rtattr *put(struct link_request *rq, uint16_t type, const void *data,
			  size_t len)
{
	struct rtattr *a = (void *)((char *)rq + NLMSG_ALIGN(rq->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	rq->head.nlmsg_len = NLMSG_ALIGN(rq->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct link_request *rq, struct rtattr *a)
{
	a->rta_len = (uint16_t)((char *)rq + rq->head.nlmsg_len - (char *)a);
}

static const char *const link_kinds[] = { "veth", "bridge", "dummy" };

START_TEST(network_driver_loads)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char more[512];
	} answer = { 0 };
	struct link_request rq = { 0 };
	const char *kind = link_kinds[_i];
	struct rtattr *info;
	int fd;

	rq.head = (struct nlmsghdr){
		.nlmsg_len = NLMSG_LENGTH(sizeof(rq.info)),
		.nlmsg_type = RTM_NEWLINK,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
	};
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ck_assert_int_ge(fd, 0);
	(void)put(&rq, IFLA_IFNAME, "jlvm0", 6);
	info = put(&rq, IFLA_LINKINFO, NULL, 0);
	(void)put(&rq, IFLA_INFO_KIND, kind, strlen(kind));
	end(&rq, info);
	ck_assert_int_eq(send(fd, &rq, rq.head.nlmsg_len, 0), rq.head.nlmsg_len);
	ck_assert_int_gt(recv(fd, &answer, sizeof(answer), 0), 0);
	ck_assert_int_eq(answer.head.nlmsg_type, NLMSG_ERROR);
	ck_assert_msg(answer.err.error == 0, "%s: %s", kind, strerror(-answer.err.error));
	(void)close(fd);
}
END_TEST

START_TEST(clock_is_the_hosts)
{
	const char *text = getenv("JOBLET_VM_TIME");
	long long then = text ? atoll(text) : 0, now = (long long)time(NULL);

	ck_assert_msg(now >= then - 5 && now < then + 3600, "%lld here, %lld on the host",
		      now, then);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *s = suite_create("vm_kernel");
	TCase *groups = tcase_create("cgroup"), *kernel = tcase_create("kernel");

	tcase_add_test(groups, only_cgroup_v2_is_there);
	tcase_add_loop_test(groups, controller_is_offered, 0,
			    (int)(sizeof(controllers) / sizeof(controllers[0])));
	tcase_add_test(groups, no_internal_processes_except_in_the_root);
	tcase_add_test(groups, clone_into_cgroup_and_kill_it);
	tcase_add_test(groups, memory_limit_kills_the_group);
	tcase_add_test(groups, memory_peak_is_reported);
	tcase_add_test(groups, pids_limit_stops_fork);
	tcase_add_test(groups, cpu_and_cpuset_limits_read_back);
	tcase_add_test(groups, io_limit_on_the_root_disk);
	suite_add_tcase(s, groups);
	tcase_add_test(kernel, pidfd_polls_signals_and_waits);
	tcase_add_test(kernel, user_namespace_without_privilege);
	tcase_add_test(kernel, idmapped_mount_of_ext4);
	tcase_add_test(kernel, idmapped_mount_of_tmpfs_is_refused);
	tcase_add_test(kernel, overlay_file_system);
	tcase_add_test(kernel, overlay_file_system_in_a_user_namespace);
	tcase_add_test(kernel, pivot_root_from_the_disk);
	tcase_add_test(kernel, mounts_of_the_root_are_shared);
	tcase_add_test(kernel, sealed_memfd_can_be_executed);
	tcase_add_test(kernel, seccomp_filters_are_there);
	tcase_add_test(kernel, core_scheduling_is_not_built_in);
	tcase_add_loop_test(kernel, network_driver_loads, 0,
			    (int)(sizeof(link_kinds) / sizeof(link_kinds[0])));
	tcase_add_test(kernel, clock_is_the_hosts);
	suite_add_tcase(s, kernel);
	return s;
}

/* Makes the cgroup of this process one that may have children with controllers. */
static int prepare(void)
{
	char own[256] = "", *path, *newline, knob[32];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, own, sizeof(own) - 1) <= 0)
		return -errno;
	(void)close(fd);
	path = strstr(own, "0::/");
	newline = path ? strchr(path, '\n') : NULL;
	if (!newline)
		return -EINVAL;
	*newline = '\0';
	path += strlen("0::/");
	(void)snprintf(base, sizeof(base), CGROUP_ROOT "%s%s", *path ? "/" : "", path);
	enable_inside_errno = write_file(base, "cgroup.subtree_control", "+memory");
	if (delegated) {
		char leaf[600];

		(void)snprintf(leaf, sizeof(leaf), "%s/self", base);
		if (mkdir(leaf, 0755) && errno != EEXIST)
			return -errno;
		if (write_file(leaf, "cgroup.procs", "0"))
			return -EIO;
	}
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
		(void)snprintf(knob, sizeof(knob), "+%s", controllers[i]);
		if (write_file(base, "cgroup.subtree_control", knob))
			return -EIO;
	}
	return 0;
}

int main(void)
{
	const char *mode = getenv("JOBLET_VM_CGROUP");
	SRunner *runner;
	int failed, r;

	if (!getenv("JOBLET_TEST_VM")) {
		puts("1..0 # SKIP this is for the virtual machine");
		return 0;
	}
	delegated = mode && strcmp(mode, "delegated") == 0;
	r = prepare();
	if (r < 0) {
		printf("Bail out! cannot prepare cgroup %s: %s\n", base, strerror(-r));
		return 1;
	}
	runner = srunner_create(make_suite());
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
