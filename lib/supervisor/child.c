/* SPDX-License-Identifier: MIT */
/*
 * The job before its command: born in its cgroup and namespaces, it builds what only it
 * can build, gives everything up, checks that it is where it should be, and becomes the
 * command. Shares memory with the supervisor, so it writes nothing but its launch record
 * and its own stack. Every step that fails ends it with the step's name; no step is
 * optional.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/time.h>

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#endif
#define MNT_DETACH 2
#define STATUS_FD 3
#define IMAGE_FD 4
#define CAP_LAST_POSSIBLE 63

struct child {
	const struct launch *launch;
	const struct jl__plan *plan;
	struct {
		struct jl__failure failure;
		char text[JL__FAILURE_TEXT_MAX];
	} said;
};

static const char *plan_text(const struct jl__plan *plan, uint32_t offset)
{
	return (const char *)plan + offset;
}

static const void *plan_items(const struct jl__plan *plan, struct jl__array span)
{
	return (const char *)plan + span.offset;
}

static int fails(struct child *c, uint32_t step, uint32_t op, long code)
{
	return failed(&c->said.failure, step, op, code);
}

/* cgroup v1: a thread that writes "0" to tasks moves itself, without waiting for RCU. */
static int join_groups(struct child *c)
{
	for (uint32_t i = 0; i < sv.hierarchies; i++) {
		long r;

		if (!(c->plan->hierarchies & 1u << i) || sv.list[i].version == 2)
			continue;
		r = jl__sys_write(c->launch->kit.tasks[i], "0", 1);
		if (r < 0)
			return fails(c, JL__STEP_JOIN, i, r);
	}
	return 0;
}

static int enter_session(struct child *c)
{
	long r;

	/* Without one of its own it is in the caller's, as we are. */
	if (c->launch->kit.netns >= 0) {
		r = jl__sys_setns(c->launch->kit.netns, CLONE_NEWNET);
		if (r < 0)
			return fails(c, JL__STEP_NETNS, 4, r);
	}
	r = jl__sys_setsid();
	if (r < 0)
		return fails(c, JL__STEP_SESSION, 0, r);
	/* Keys of whoever started the supervisor stay outside. ENOSYS: no keys at all. */
	r = jl__sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0);
	if (r < 0 && r != -ENOSYS)
		return fails(c, JL__STEP_SESSION, 1, r == -EDQUOT ? -EAGAIN : r);
	if (sv.core_sched) {
		r = jl__sys_prctl(PR_SCHED_CORE, 1 /* CREATE */, 0, 1 /* process */, 0);
		if (r < 0)
			return fails(c, JL__STEP_SESSION, 2, r);
	}
	return 0;
}

/* ---- mounts ---- */

static long mount_scratch(const struct child *c, const struct jl__op *op,
			  const char *path)
{
	uint32_t uid = c->launch->kit.base + c->plan->uid;
	uint32_t gid = c->launch->kit.base + c->plan->gid;
	char options[128], *p;

	p = put_text(options, "uid=");
	p = put_number(p, uid);
	p = put_text(p, ",gid=");
	p = put_number(p, gid);
	p = put_text(p, ",mode=");
	*p++ = (char)('0' + (op->mode >> 9 & 7));
	*p++ = (char)('0' + (op->mode >> 6 & 7));
	*p++ = (char)('0' + (op->mode >> 3 & 7));
	*p++ = (char)('0' + (op->mode & 7));
	*p = '\0';
	if (op->number) {
		p = put_text(p, ",size=");
		put_number(p, op->number);
	}
	return jl__sys_mount("joblet", path, "tmpfs", MS_NOSUID | MS_NODEV, options);
}

static long mount_pts(const struct child *c, const char *path)
{
	char options[96], *p;

	/* The kernel has a few thousand terminals for everybody; one job cannot take them
	 * all. */
	p = put_text(options, "newinstance,max=128,ptmxmode=0666,mode=0620");
	/* Group tty of the job; unprivileged jobs have only one group. */
	if (sv.privileged) {
		p = put_text(p, ",gid=");
		put_number(p, c->launch->kit.base + 5);
	}
	return jl__sys_mount("devpts", path, "devpts", MS_NOSUID | MS_NOEXEC, options);
}

static long bind(const char *from, const char *to)
{
	long r = jl__sys_mount(from, to, NULL, MS_BIND, NULL);

	return r == -ENOENT ? 1 : r; /* nothing there to hide */
}

static long mount_op(const struct child *c, const struct jl__op *op)
{
	const char *path = plan_text(c->plan, op->path),
		   *text = plan_text(c->plan, op->text);
	struct mount_attr attr = { .attr_set = op->attrs };
	long r;

	switch (op->type) {
	case JL__OP_PROC:
		return jl__sys_mount("proc", path, "proc",
				     MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	case JL__OP_PTS:
		return mount_pts(c, path);
	case JL__OP_SCRATCH:
		return mount_scratch(c, op, path);
	case JL__OP_WORK:
		r = jl__sys_move_mount(c->launch->work, "", AT_FDCWD, path,
				       MOVE_MOUNT_F_EMPTY_PATH);
		return r;
	case JL__OP_MASK:
		r = bind(text, path);
		return r < 0 ? r : 0;
	case JL__OP_READONLY:
		r = bind(path, path);
		if (r)
			return r < 0 ? r : 0;
		return jl__sys_mount_setattr(AT_FDCWD, path, 0, &attr, sizeof(attr));
	default:
		return -EINVAL;
	}
}

/* Into the prepared root; what can only be mounted from inside the job's pid namespace
 * and what is its own comes on top. */
static int enter_root(struct child *c)
{
	const struct jl__op *ops = plan_items(c->plan, c->plan->ops);
	long r = jl__sys_setns(c->launch->kit.root, CLONE_NEWNS);

	if (r < 0)
		return fails(c, JL__STEP_ROOT, 0, r);
	for (uint32_t i = 0; i < c->plan->ops.count; i++) {
		r = mount_op(c, &ops[i]);
		/* The proc that was kept in sight for this one is a stranger's. */
		if (r == 0 && ops[i].type == JL__OP_PROC && !sv.privileged)
			r = jl__sys_umount2(HIDDEN_PROC, MNT_DETACH);
		if (r < 0)
			return fails(c, JL__STEP_MOUNT, i, r);
	}
	return 0;
}

/* ---- verification ---- */

/* Line of a hierarchy in /proc/self/cgroup: "8:pids:/base/joblet-x/job-1". */
static int in_group(const char *text, const char *key, const char *want)
{
	size_t key_len = text_len(key), want_len = text_len(want);

	while (key_len && *text) {
		const char *line = text, *end = text;

		while (*end && *end != '\n')
			end++;
		text = *end ? end + 1 : end;
		while (*line != ':' && line < end)
			line++;
		if ((size_t)(end - line) < key_len + want_len ||
		    !bytes_equal(line, key, key_len))
			continue;
		return bytes_equal(end - want_len, want, want_len);
	}
	return 0;
}

static int verify_place(struct child *c)
{
	char text[65536], want[128], *p;
	long r;

	if (jl__sys_getpid() != 1)
		return fails(c, JL__STEP_VERIFY_PID, 0, -ENOTRECOVERABLE);
	/* Numbers are given out in order: nobody has ever been in here but us. */
	r = jl__sys_kill(2, 0);
	if (r != -ESRCH)
		return fails(c, JL__STEP_VERIFY_PID, 1, -ENOTRECOVERABLE);
	if (c->plan->hierarchies) {
		r = file_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));
		if (r < 0)
			return fails(c, JL__STEP_VERIFY_CGROUP, JL__HIERARCHIES_MAX, r);
		p = put_text(want, "/");
		p = put_text(p, sv.nest_name);
		p = put_text(p, "/job-");
		put_number(p, c->launch->kit.group);
		for (uint32_t i = 0; i < sv.hierarchies; i++)
			if (c->plan->hierarchies & 1u << i &&
			    !in_group(text, sv.list[i].key, want))
				return fails(c, JL__STEP_VERIFY_CGROUP, i,
					     -ENOTRECOVERABLE);
	}
	/* Only now: the root of a cgroup namespace is the group one is in when making it.
	 */
	r = jl__sys_unshare(CLONE_NEWCGROUP);
	return r < 0 ? fails(c, JL__STEP_VERIFY_CGROUP, JL__HIERARCHIES_MAX + 1, r) : 0;
}

/* ---- giving up ---- */

static int set_limits(struct child *c)
{
	const struct jl__plan_rlimit *list = plan_items(c->plan, c->plan->rlimits);
	const char *hostname = plan_text(c->plan, c->plan->hostname);
	long r = jl__sys_sethostname(hostname, text_len(hostname));

	if (r < 0)
		return fails(c, JL__STEP_HOSTNAME, 0, r);
	for (uint32_t i = 0; i < c->plan->rlimits.count; i++) {
		struct rlimit64 limit = { list[i].soft, list[i].hard };

		r = jl__sys_prlimit(0, (int)list[i].resource, &limit, NULL);
		if (r < 0)
			return fails(c, JL__STEP_RLIMIT, i, r);
	}
	return 0;
}

static int take_streams(struct child *c)
{
	for (int i = 0; i < 3; i++) {
		long r = jl__sys_dup3(c->launch->streams[i], i, 0);

		if (r < 0)
			return fails(c, JL__STEP_STDIO, (uint32_t)i, r);
	}
	return 0;
}

static int become_user(struct child *c)
{
	long r = jl__sys_setns(c->launch->kit.userns, CLONE_NEWUSER);

	if (r < 0)
		return fails(c, JL__STEP_USER, 0, r);
	/* Unprivileged, groups of the caller cannot be dropped: the kernel forbids it. */
	if (sv.privileged) {
		r = jl__sys_setgroups(0, NULL);
		if (r < 0)
			return fails(c, JL__STEP_USER, 1, r);
	}
	r = jl__sys_setresgid(c->plan->gid, c->plan->gid, c->plan->gid);
	if (r < 0)
		return fails(c, JL__STEP_USER, 2, r);
	/* Bounding set first: entering the user namespace filled it, and it takes
	 * SETPCAP. */
	for (int cap = 0; cap <= CAP_LAST_POSSIBLE; cap++) {
		if (c->plan->caps & (uint64_t)1 << cap)
			continue;
		r = jl__sys_prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
		if (r == -EINVAL)
			break; /* beyond the last one this kernel knows */
		if (r < 0)
			return fails(c, JL__STEP_CAPS, (uint32_t)cap, r);
	}
	r = jl__sys_setresuid(c->plan->uid, c->plan->uid, c->plan->uid);
	return r < 0 ? fails(c, JL__STEP_USER, 3, r) : 0;
}

static int drop_caps(struct child *c)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	uint32_t low = (uint32_t)c->plan->caps, high = (uint32_t)(c->plan->caps >> 32);
	struct __user_cap_data_struct want[2] = { { low, low, 0 }, { high, high, 0 } },
				      is[2];
	long r;

	r = jl__sys_capset(&header, want);
	if (r < 0)
		return fails(c, JL__STEP_CAPS, 64, r);
	/* Set in the supervisor and inherited; asked for here because everything rests on
	 * it. */
	if (jl__sys_prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return fails(c, JL__STEP_VERIFY_CAPS, 0, -ENOTRECOVERABLE);
	r = jl__sys_capget(&header, is);
	if (r < 0 || !bytes_equal(is, want, sizeof(want)))
		return fails(c, JL__STEP_VERIFY_CAPS, 1, r < 0 ? r : -ENOTRECOVERABLE);
	return 0;
}

/*
 * Of what came from the supervisor two descriptors are still needed. The rest goes before
 * anything is opened: the job may be allowed few, and those would be taken.
 */
static int drop_descriptors(struct child *c)
{
	struct launch *launch = (struct launch *)c->launch;
	long r = jl__sys_dup3(launch->status, STATUS_FD, O_CLOEXEC);

	if (r >= 0) {
		launch->status = STATUS_FD;
		if (sv.image != IMAGE_FD)
			r = jl__sys_dup3(sv.image, IMAGE_FD, O_CLOEXEC);
	}
	/* That is how the kernel calls a number above the limit. */
	if (r < 0)
		return fails(c, JL__STEP_STDIO, 3, r == -EBADF ? -EMFILE : r);
	(void)jl__sys_close_range(IMAGE_FD + 1, ~0u, 0);
	return 0;
}

static int enter_work_dir(struct child *c)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	long fd, r;

	fd = jl__sys_openat2(AT_FDCWD, plan_text(c->plan, c->plan->work_dir), &how,
			     sizeof(how));
	if (fd < 0)
		return fails(c, JL__STEP_WORK_DIR, 0, fd);
	r = jl__sys_fchdir((int)fd);
	(void)jl__sys_close((int)fd);
	return r < 0 ? fails(c, JL__STEP_WORK_DIR, 0, r) : 0;
}

static int install_filter(struct child *c)
{
	struct sock_fprog program = {
		.len = (unsigned short)c->plan->filter.count,
		.filter = (struct sock_filter *)plan_items(c->plan, c->plan->filter),
	};
	long r;

	if (!c->plan->filter.count)
		return 0;
	r = jl__sys_seccomp(SECCOMP_SET_MODE_FILTER, 0, &program);
	return r < 0 ? fails(c, JL__STEP_SECCOMP, 0, r) : 0;
}

/* ---- the command ---- */

/* Found by the job's own eyes; a magic link would lead out of its root. */
static long look_for(const struct child *c, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_NO_MAGICLINKS };
	long r = 0, fd = jl__sys_openat2(AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0)
		return fd;
	/* The init is given one path, so this has to be the right one. */
	if (c->plan->flags & JL__PLAN_INIT)
		r = jl__sys4_(__NR_faccessat2, fd, "", 1 /* X_OK */,
			      AT_EMPTY_PATH | AT_EACCESS);
	(void)jl__sys_close((int)fd);
	return r < 0 ? r : fd;
}

static long run_command(struct child *c, const char *path)
{
	const struct launch *launch = c->launch;
	char status[24];

	launch->start->wall_usec = clock_usec(0 /* CLOCK_REALTIME */);
	launch->start->mono_usec = clock_usec(1 /* CLOCK_MONOTONIC */);
	if (!(c->plan->flags & JL__PLAN_INIT))
		return jl__sys_execveat(AT_FDCWD, path, launch->argv, launch->envp, 0);
	/* Our own program again, with nothing of our memory: it runs the command for us.
	 */
	put_number(status, (uint64_t)launch->status);
	(void)jl__sys_fcntl(launch->status, F_SETFD, 0);
	launch->argv[-3] = (char *)"joblet-init";
	launch->argv[-2] = status;
	launch->argv[-1] = (char *)path;
	return jl__sys_execveat(IMAGE_FD, "", launch->argv - 3, launch->envp,
				AT_EMPTY_PATH);
}

static int exec_command(struct child *c)
{
	const uint32_t *commands = plan_items(c->plan, c->plan->commands);
	uint64_t none = 0;
	long worst = -ENOENT;

	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &none, NULL, sizeof(none));
	for (uint32_t i = 0; i < c->plan->commands.count; i++) {
		const char *path = plan_text(c->plan, commands[i]);
		long r = look_for(c, path);

		if (r >= 0)
			r = run_command(c, path);
		/* As execvp(3): go on looking, but remember what was there and not to be
		 * run. */
		if (r != -ENOENT && r != -ENOTDIR && r != -EACCES)
			return fails(c, JL__STEP_COMMAND, i, r);
		if (r == -EACCES)
			worst = r;
	}
	return fails(c, JL__STEP_COMMAND, 0, worst);
}

static int take_uploads(struct child *c)
{
	if (!(c->plan->flags & JL__PLAN_UPLOADS))
		return 0;
	return uploads_copy(c->launch, &c->said.failure, c->said.text);
}

int child_main(void *arg)
{
	struct child c = { .launch = arg, .plan = ((struct launch *)arg)->plan };

	/* Reads as a list: what follows may rely on what came before. */
	if (join_groups(&c) == 0 && enter_session(&c) == 0 && enter_root(&c) == 0 &&
	    verify_place(&c) == 0 && take_uploads(&c) == 0 && set_limits(&c) == 0 &&
	    take_streams(&c) == 0 && become_user(&c) == 0 && drop_caps(&c) == 0 &&
	    drop_descriptors(&c) == 0 && enter_work_dir(&c) == 0 &&
	    install_filter(&c) == 0)
		(void)exec_command(&c);
	/* Smaller than PIPE_BUF, so the write is atomic; nothing to do if it fails. */
	(void)jl__sys_write(c.launch->status, &c.said,
			    sizeof(c.said.failure) + c.said.failure.text_len);
	return 126;
}
