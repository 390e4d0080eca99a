/* SPDX-License-Identifier: MIT */
/*
 * Starting a supervisor: a nest of cgroups, the embedded program in a sealed memfd, two
 * clones so that it is nobody's child, a hello with everything it needs. The calling
 * program may have threads, gigabytes, its own idea of descriptors 0 to 2 and of SIGCHLD:
 * memory is shared and never copied, nothing runs in its copy of the C library, and its
 * wait() calls never see our processes.
 */
#define JL_MODULE "supervisor"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/link.h"
#include "sys/sys.h"

#define STACK_BYTES ((size_t)64 << 10)
#define SUPERVISOR_FD 3
#define LOW_FD 10 /* ours stay above, so that 0 to 3 can be filled in any order */

extern const char jl__supervisor_image[];
extern const char jl__supervisor_image_end[];

/* ---- the program ---- */

static int program_fd(jl_error **err)
{
	size_t size = (size_t)(jl__supervisor_image_end - jl__supervisor_image);
	_cleanup_close_ int fd = -EBADF;
	int high;

	/* MFD_EXEC came with the sysctl that may ask for it; older kernels refuse the
	 * flag. */
	fd = (int)jl__sys_memfd_create("joblet-supervisor",
				       MFD_CLOEXEC | MFD_ALLOW_SEALING | 0x10U);
	if (fd == -EINVAL)
		fd = (int)jl__sys_memfd_create("joblet-supervisor",
					       MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -EACCES) {
		/* This host forbids programs in memory; the same one is installed as a
		 * file. */
		fd = open(JL_SUPERVISOR_PATH, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return jl__fail_errno(
				err, -errno,
				"vm.memfd_noexec forbids programs in memory, and %s cannot be opened",
				JL_SUPERVISOR_PATH);
	} else if (fd < 0) {
		return jl__fail_errno(err, fd, "cannot make memory for the supervisor");
	} else {
		for (size_t at = 0; at < size;) {
			ssize_t put = write(fd, jl__supervisor_image + at, size - at);

			if (put < 0 && errno != EINTR)
				return jl__fail_errno(err, -errno,
						      "cannot write the supervisor");
			at += put > 0 ? (size_t)put : 0;
		}
		if (fcntl(fd, F_ADD_SEALS,
			  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
			return jl__fail_errno(err, -errno, "cannot seal the supervisor");
	}
	high = fcntl(fd, F_DUPFD_CLOEXEC, LOW_FD);
	return high < 0 ? jl__fail_errno(err, -errno, "cannot duplicate a descriptor")
			: high;
}

/* ---- two clones ---- */

struct birth {
	int program;
	int socket;
	int null;
	int cgroup;	  /* where the supervisor is born, or -EBADF */
	uint64_t flags;	  /* of the supervisor's own clone */
	char *stack;	  /* of the second child */
	char uid_map[32]; /* empty: no user namespace */
	char gid_map[32];
	bool own_memory; /* of the second child */
	int pidfd;	 /* of the supervisor */
	int step;	 /* what failed, and why */
	long code;
};

static int fail_birth(struct birth *birth, int step, long code)
{
	birth->step = step;
	birth->code = code;
	return 1;
}

static long write_file(const char *path, const char *text)
{
	long fd = jl__sys_openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0), put;

	if (fd < 0)
		return fd;
	put = jl__sys_write((int)fd, text, strlen(text));
	(void)jl__sys_close((int)fd);
	return put < 0 ? put : 0;
}

/* Before exec, which takes the capabilities away from whoever is nobody in a namespace.
 */
static long map_caller(const struct birth *birth)
{
	long r = write_file("/proc/self/uid_map", birth->uid_map);

	/* Without this the kernel refuses gid_map to callers who cannot set groups. */
	if (r == 0)
		r = write_file("/proc/self/setgroups", "deny");
	return r < 0 ? r : write_file("/proc/self/gid_map", birth->gid_map);
}

/* In the supervisor-to-be, sharing the caller's memory until exec. System calls only. */
static int second_child(void *arg)
{
	static char *argv[] = { (char *)"joblet-supervisor", NULL };
	static char *envp[] = { NULL };
	struct birth *birth = arg;
	long r = 0;

	/* A caller that changed its user id owns its files of /proc no longer; a copy
	 * does. */
	if (birth->own_memory)
		(void)jl__sys_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (birth->uid_map[0])
		r = map_caller(birth);
	if (r < 0)
		return fail_birth(birth, 4, r);
	for (int i = 0; i < 3; i++)
		if (jl__sys_dup3(birth->null, i, 0) < 0)
			return fail_birth(birth, 1, -EMFILE);
	if (jl__sys_dup3(birth->socket, SUPERVISOR_FD, 0) < 0)
		return fail_birth(birth, 1, -EMFILE);
	(void)jl__sys_close_range(SUPERVISOR_FD + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	return fail_birth(
		birth, 2,
		jl__sys_execveat(birth->program, "", argv, envp, AT_EMPTY_PATH));
}

/* Dies at once, so that the supervisor is not the caller's child. */
static int first_child(void *arg)
{
	struct birth *birth = arg;
	struct clone_args args = {
		.flags = birth->flags | (birth->own_memory ? 0 : CLONE_VM) | CLONE_VFORK |
			 CLONE_PIDFD,
		.pidfd = (uintptr_t)&birth->pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)birth->stack,
		.stack_size = STACK_BYTES,
	};
	long pid;

	if (birth->cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)birth->cgroup;
	}
	pid = jl__sys_clone3_call(&args, sizeof(args), second_child, birth);
	return pid < 0 ? fail_birth(birth, 3, pid) : 0;
}

static int give_birth(struct birth *birth)
{
	struct clone_args args = {
		/* With our descriptors, so that the one it gets is ours. */
		.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES,
		/* No signal: the caller's wait() does not see it, and it never executes.
		 */
		.exit_signal = 0,
		.stack_size = STACK_BYTES,
	};
	uint64_t all = ~UINT64_C(0), old = 0;
	siginfo_t info;
	char *stacks;
	long pid;

	stacks = mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED)
		return fail_birth(birth, 3, -ENOMEM);
	args.stack = (uintptr_t)stacks;
	birth->stack = stacks + STACK_BYTES;
	/* A handler of the caller must not run on our stacks. */
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &all, &old, sizeof(all));
	pid = jl__sys_clone3_call(&args, sizeof(args), first_child, birth);
	if (pid < 0)
		fail_birth(birth, 3, pid);
	else
		while (waitid(P_PID, (id_t)pid, &info, WEXITED | __WALL) < 0 &&
		       errno == EINTR)
			;
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &old, NULL, sizeof(old));
	(void)munmap(stacks, 2 * STACK_BYTES);
	return birth->step;
}

/* ---- hello ---- */

/* Behind the number of a line of /proc/PID/cgroup: "::" for v2, ":cpu,cpuacct:" for v1.
 */
static int group_key(const struct jl__cg_hierarchy *hierarchy, char key[32])
{
	char text[32768], *line, *next;
	_cleanup_close_ int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	static const struct {
		uint32_t offer;
		const char *name;
	} names[] = {
		{ JL__CG_CPU, "cpu" },	       { JL__CG_CPUSET, "cpuset" },
		{ JL__CG_MEMORY, "memory" },   { JL__CG_IO, "blkio" },
		{ JL__CG_PIDS, "pids" },       { JL__CG_FREEZER, "freezer" },
		{ JL__CG_CPUACCT, "cpuacct" },
	};
	ssize_t len;

	if (hierarchy->version == 2) {
		(void)snprintf(key, 32, "::");
		return 0;
	}
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return -ENOENT;
	text[len] = '\0';
	for (line = text; *line; line = next) {
		char *first = strchr(line, ':'), *second;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		else
			next = line + strlen(line);
		second = first ? strchr(first + 1, ':') : NULL;
		if (!second || second - first > 29)
			continue;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			const char *hit;
			size_t n = strlen(names[i].name);

			if (!(hierarchy->offers & names[i].offer))
				continue;
			hit = memmem(first, (size_t)(second - first) + 1, names[i].name,
				     n);
			if (hit && (hit[-1] == ':' || hit[-1] == ',') &&
			    (hit[n] == ':' || hit[n] == ',')) {
				(void)snprintf(key, 32, "%.*s", (int)(second - first) + 1,
					       first);
				return 0;
			}
		}
	}
	return -ENOENT;
}

static int open_ids(struct jl__link *link, jl_error **err)
{
	_cleanup_free_ char *folder = NULL, *path = NULL;
	int fd, r;

	r = jl__ctx_runtime_dir(link->ctx, &folder, err);
	if (r < 0)
		return r;
	path = jl__format("%s/ids", folder);
	if (!path)
		return jl__oom(err);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return jl__fail_errno(err, -errno,
				      "cannot open %s, which says what ids are in use",
				      path);
	return fd;
}

static int make_hello(struct jl__link *link, const struct jl__cg_tree *tree, int *fds,
		      uint32_t *count, struct jl__hello *hello)
{
	*hello = (struct jl__hello){
		.type = JL__REQUEST_HELLO,
		.magic = JL__PLAN_MAGIC,
		.flags = link->privileged ? JL__HELLO_PRIVILEGED | JL__HELLO_IDS_FD : 0,
		.hierarchies = link->nest.count,
	};
	(void)snprintf(hello->nest, sizeof(hello->nest), "%s", link->nest.name);
	for (uint32_t i = 0; i < link->nest.count; i++) {
		const struct jl__cg_hierarchy *hierarchy = &tree->list[i];

		hello->list[i].version = (uint32_t)hierarchy->version;
		hello->list[i].memory_v1 =
			hierarchy->version == 1 && (hierarchy->offers & JL__CG_MEMORY);
		/* A hierarchy without a nest keeps its number; nothing ever joins it. */
		if (group_key(hierarchy, hello->list[i].key) < 0)
			link->nest.offers &= ~hierarchy->offers;
		fds[(*count)++] =
			link->nest.fds[i] >= 0 ? link->nest.fds[i] : link->devnull;
	}
	return 0;
}

static int say_hello(struct jl__link *link, const struct jl__cg_tree *tree,
		     jl_error **err)
{
	struct jl__hello hello;
	int fds[JL__HIERARCHIES_MAX + 2];
	uint32_t count = 0;
	_cleanup_close_ int ids = -EBADF, caller = -EBADF;
	int r;

	(void)make_hello(link, tree, fds, &count, &hello);
	caller = (int)jl__sys_pidfd_open(getpid(), 0);
	if (caller < 0)
		return jl__fail_errno(err, caller,
				      "cannot get a descriptor of the caller");
	fds[count++] = caller;
	if (link->privileged) {
		ids = open_ids(link, err);
		if (ids < 0)
			return ids;
		fds[count++] = ids;
	}
	r = jl__link_send(link, &hello, sizeof(hello), NULL, 0, fds, count);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot talk to the supervisor");
	/* What it has to say to that is waited for by who needs it: jl__link_ready(). */
	link->ready = 0;
	return 0;
}

/* ---- together ---- */

static const char *birth_step(int step)
{
	switch (step) {
	case 1:
		return "cannot pass descriptors to the supervisor";
	case 2:
		return "cannot execute the supervisor";
	case 4:
		return "cannot map the caller's ids into a user namespace (rnx doctor tells why)";
	default:
		return "cannot clone the supervisor into new namespaces (rnx doctor tells why)";
	}
}

/*
 * Where a group of its own is held for jobs, the supervisor belongs there as they do: who
 * looks after the caller's group does not find it there when the caller is gone. -EBADF:
 * it stays with the caller.
 */
static int main_group(const struct jl__link *link, const struct jl__cg_tree *tree)
{
	int fd = -EBADF;

	if (link->ctx->cgroup_base && link->privileged && tree->count &&
	    tree->list[0].version == 2)
		fd = openat(tree->list[0].base_fd, JL__CG_MAIN,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -EBADF : fd;
}

static int bring_up(struct jl__link *link, const struct jl__cg_tree *tree, jl_error **err)
{
	struct birth plan = {
		.flags = CLONE_NEWPID | (link->privileged ? 0 : CLONE_NEWUSER),
		.pidfd = -EBADF,
	};
	_cleanup_close_ int program = -EBADF, theirs = -EBADF, group = -EBADF;
	struct birth *birth;
	int pair[2], r;

	if (link->devnull < 0) {
		_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		link->devnull = null < 0 ? null : fcntl(null, F_DUPFD_CLOEXEC, LOW_FD);
		if (link->devnull < 0)
			return jl__fail_errno(err, -errno, "cannot open /dev/null");
	}
	program = program_fd(err);
	if (program < 0)
		return program;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return jl__fail_errno(err, -errno, "cannot make a socket pair");
	link->fd = pair[0];
	theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, LOW_FD);
	(void)jl__close(pair[1]);
	if (theirs < 0)
		return jl__fail_errno(err, -errno, "cannot duplicate a descriptor");
	plan.program = program;
	plan.socket = theirs;
	plan.null = link->devnull;
	plan.cgroup = group = main_group(link, tree);
	if (!link->privileged) {
		plan.own_memory = prctl(PR_GET_DUMPABLE) != 1;
		(void)snprintf(plan.uid_map, sizeof(plan.uid_map), "0 %ld 1\n",
			       jl__sys_geteuid());
		(void)snprintf(plan.gid_map, sizeof(plan.gid_map), "0 %ld 1\n",
			       jl__sys_getegid());
	}
	birth = mmap(NULL, sizeof(*birth), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (birth == MAP_FAILED)
		return jl__oom(err);
	*birth = plan;
	r = give_birth(birth);
	plan = *birth;
	(void)munmap(birth, sizeof(*birth));
	if (r) {
		(void)jl__close(plan.pidfd);
		return jl__fail_errno(err, (int)plan.code, "%s", birth_step(plan.step));
	}
	link->pidfd = plan.pidfd;
	return 0;
}

int jl__link_start(struct jl__link *link, jl_error **err)
{
	struct epoll_event event = { .events = EPOLLIN };
	const struct jl__cg_tree *tree;
	uint64_t random;
	char id[24];
	int r;

	r = jl__ctx_cgroups(link->ctx, &tree, err);
	if (r < 0)
		return r;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return jl__fail_errno(err, -errno, "cannot get random bytes");
	(void)snprintf(id, sizeof(id), "%016" PRIx64, random);
	link->owner = getpid();
	link->privileged = jl__ctx_privileged();
	(void)jl__cg_nest_sweep(tree);
	jl__link_sweep_work(link);
	jl__free(link->nest_why);
	link->nest_why = NULL;
	r = jl__cg_nest_create(tree, id, link->ctx->flags & JL_CTX_MOVE_SELF, &link->nest,
			       &link->nest_why, err);
	if (r < 0)
		return r;
	r = bring_up(link, tree, err);
	if (r == 0)
		r = say_hello(link, tree, err);
	if (r == 0 && epoll_ctl(link->ctx->epoll_fd, EPOLL_CTL_ADD, link->fd, &event) < 0)
		r = jl__fail_errno(err, -errno, "cannot watch the supervisor");
	if (r == 0)
		r = jl__link_listen(link, err);
	/* The lock on the nest is the supervisor's alone from here on. */
	jl__cg_nest_close(&link->nest);
	if (r < 0) {
		link->fd = jl__close(link->fd);
		link->pidfd = jl__close(link->pidfd);
		(void)jl__cg_nest_remove(tree, link->nest.name);
		return r;
	}
	jl__log(link->ctx, JL_LOG_INFO, JL_MODULE, "started, cgroups in %s",
		link->nest.name);
	if (link->nest_why)
		jl__log(link->ctx, JL_LOG_INFO, "cgroup", "%s", link->nest_why);
	return 0;
}
