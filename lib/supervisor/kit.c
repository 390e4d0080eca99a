/* SPDX-License-Identifier: MIT */
/*
 * What every job needs before it is cloned: ids, user and network namespace, mount tree,
 * cgroups. Made when asked for, or ahead of time while nothing else is to be done:
 * together they cost as much as the job itself. A kit is used once and never handed to a
 * second job.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/sockios.h>
#include <linux/wait.h>

#define AT_REMOVEDIR_ 0x200
#define AF_INET_ 2
#define SOCK_DGRAM_CLOEXEC_ (2 | 02000000)

/*
 * Ranges of ids: 65536 each in a region that neither distributions nor /etc/subuid nor
 * container managers hand out (0x70000000 to 0x7ffdffff). A range is claimed by a lock on
 * its byte of one file; the lock belongs to the open file, so it goes when we do.
 */
#define IDS_FIRST 0x70000000u
#define IDS_SLOTS 4094u

static uint64_t slots_held[(IDS_SLOTS + 63) / 64];
static uint64_t slots_used[(IDS_SLOTS + 63) / 64];

/* Of struct flock and struct ifreq the headers know only the C library's, which clash
 * here. */
struct interface_flags {
	char name[16];
	short flags;
	char rest[22];
};

struct file_lock {
	short type;
	short whence;
	int64_t start;
	int64_t len;
	int pid;
};

static uint32_t first_slot(void)
{
	uint32_t hash = 2166136261u;

	for (const char *p = sv.nest_name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	return hash % IDS_SLOTS;
}

static int slot_take(uint32_t *slot)
{
	/* Everybody starts looking somewhere else, or all would meet each other's ranges.
	 */
	for (uint32_t n = 0; n < IDS_SLOTS; n++) {
		uint32_t i = (n + first_slot()) % IDS_SLOTS;
		uint64_t bit = (uint64_t)1 << i % 64;
		struct file_lock lock = { F_WRLCK, 0, i, 1, 0 };

		if (slots_used[i / 64] & bit)
			continue;
		if (!(slots_held[i / 64] & bit)) {
			long r = jl__sys_fcntl(sv.ids, F_OFD_SETLK, (long)&lock);

			if (r == -EAGAIN || r == -EACCES)
				continue;
			if (r < 0)
				return (int)r;
			slots_held[i / 64] |= bit;
		}
		slots_used[i / 64] |= bit;
		*slot = i;
		return 0;
	}
	return -EUSERS;
}

void kit_init(struct kit *kit)
{
	__builtin_memset(kit, 0, sizeof(*kit));
	kit->tree = kit->userns = kit->netns = kit->oom = -1;
	kit->template_nr = -1;
	for (uint32_t i = 0; i < JL__HIERARCHIES_MAX; i++)
		kit->groups[i] = kit->tasks[i] = -1;
}

/* One that holds a new user namespace open while it is mapped. */
static struct holder {
	uint32_t done; /* futex */
	int pidfd;     /* 0: none */
	char stack[4096] __attribute__((aligned(16)));
} holders[2];

static int hold(void *arg)
{
	struct holder *holder = arg;

	while (!__atomic_load_n(&holder->done, __ATOMIC_ACQUIRE))
		(void)jl__sys_futex(&holder->done, FUTEX_WAIT, 0, NULL, NULL, 0);
	return 0;
}

static void release_holder(struct holder *holder)
{
	__atomic_store_n(&holder->done, 1, __ATOMIC_RELEASE);
	(void)jl__sys_futex(&holder->done, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Reaped when its place is needed again: by then it is long gone, and nobody waits. */
static struct holder *free_holder(void)
{
	static uint32_t turn;
	struct holder *holder = &holders[turn++ % 2];

	if (holder->pidfd > 0) {
		while (jl__sys_waitid(P_PIDFD, holder->pidfd, NULL, WEXITED | __WALL,
				      NULL) == -EINTR)
			;
		(void)jl__sys_close(holder->pidfd);
		holder->pidfd = 0;
	}
	holder->done = 0;
	return holder;
}

static long map_ids(int pid, const struct kit *kit, int *ret_ns)
{
	char path[64], line[64], *p, *tail;
	uint32_t count = sv.privileged ? JL__IDS_PER_JOB : 1;
	long r;

	p = put_text(line, "0 ");
	p = put_number(p, kit->base);
	p = put_text(p, " ");
	p = put_number(p, count);
	put_text(p, "\n");
	tail = put_number(put_text(path, "/proc/"), (uint64_t)pid);
	put_text(tail, "/uid_map");
	r = file_write(AT_FDCWD, path, line);
	if (r < 0)
		return r;
	put_text(tail, "/gid_map");
	r = file_write(AT_FDCWD, path, line);
	if (r < 0)
		return r;
	put_text(tail, "/ns/user");
	*ret_ns = (int)jl__sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	return *ret_ns < 0 ? *ret_ns : 0;
}

/*
 * A user namespace can only be mapped from outside while somebody is inside: a child is
 * born into it and waits. The job enters it late, after everything it may not do as
 * somebody else; so mounts, network, host name and processes belong to us, not to its
 * root.
 */
int kit_ids(struct kit *kit, struct jl__failure *failure)
{
	struct holder *holder = free_holder();
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_VM | CLONE_PIDFD,
		.pidfd = (uintptr_t)&holder->pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)holder->stack,
		.stack_size = sizeof(holder->stack),
	};
	long pid, r;

	if (sv.privileged) {
		r = slot_take(&kit->slot);
		if (r < 0)
			return failed(failure, JL__STEP_IDS, 0, r);
		kit->has_slot = 1;
		kit->base = IDS_FIRST + kit->slot * JL__IDS_PER_JOB;
	}
	pid = jl__sys_clone3_call(&args, sizeof(args), hold, holder);
	if (pid < 0) {
		holder->pidfd = 0;
		return failed(failure, JL__STEP_USERNS, 0, pid);
	}
	r = map_ids((int)pid, kit, &kit->userns);
	release_holder(holder);
	return r < 0 ? failed(failure, JL__STEP_USERNS, 1, r) : 0;
}

/* We need no network ourselves, so we can walk from one new namespace into the next. */
static int make_netns(struct kit *kit, struct jl__failure *failure)
{
	struct interface_flags lo = { .name = "lo", .flags = 1 /* IFF_UP */ };
	long r = jl__sys_unshare(CLONE_NEWNET);
	int fd;

	if (r < 0)
		return failed(failure, JL__STEP_NETNS, 0, r);
	kit->netns = (int)jl__sys_openat(AT_FDCWD, "/proc/self/ns/net",
					 O_RDONLY | O_CLOEXEC, 0);
	if (kit->netns < 0)
		return failed(failure, JL__STEP_NETNS, 1, kit->netns);
	fd = (int)jl__sys_socket(AF_INET_, SOCK_DGRAM_CLOEXEC_, 0);
	if (fd < 0)
		return failed(failure, JL__STEP_NETNS, 2, fd);
	r = jl__sys_ioctl(fd, SIOCSIFFLAGS, (long)&lo);
	(void)jl__sys_close(fd);
	if (r < 0)
		return failed(failure, JL__STEP_NETNS, 3, r);
	/*
	 * The namespace belongs to us, so the job's root has no capability over it: ports
	 * below 1024 and ping are opened to everybody inside. Unprivileged the kernel may
	 * refuse.
	 */
	(void)file_write(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	(void)file_write(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	return 0;
}

static char *group_name(char *buf, const struct kit *kit)
{
	put_number(put_text(buf, "job-"), kit->group);
	return buf;
}

/* On cgroup v1 nobody kills the whole job when memory runs out; we do, told by an event.
 */
static int watch_memory(struct kit *kit, uint32_t i, struct jl__failure *failure)
{
	char line[48], *p;
	int control;
	long r;

	kit->oom = (int)jl__sys_eventfd2(0, 02000000 | 04000 /* CLOEXEC | NONBLOCK */);
	if (kit->oom < 0)
		return failed(failure, JL__STEP_OOM_EVENT, i, kit->oom);
	control = (int)jl__sys_openat(kit->groups[i], "memory.oom_control",
				      O_RDONLY | O_CLOEXEC, 0);
	if (control < 0)
		return failed(failure, JL__STEP_OOM_EVENT, i, control);
	p = put_number(line, (uint64_t)kit->oom);
	p = put_text(p, " ");
	put_number(p, (uint64_t)control);
	r = file_write(kit->groups[i], "cgroup.event_control", line);
	(void)jl__sys_close(control);
	return r < 0 ? failed(failure, JL__STEP_OOM_EVENT, i, r) : 0;
}

static int make_groups(struct kit *kit, uint32_t wanted, struct jl__failure *failure)
{
	char name[24];
	long r;

	if (!kit->hierarchies)
		kit->group = sv.next_group++;
	group_name(name, kit);
	for (uint32_t i = 0; i < sv.hierarchies; i++) {
		if (!(wanted & 1u << i) || (kit->hierarchies & 1u << i))
			continue;
		r = jl__sys_mkdirat(sv.nest[i], name, 0755);
		if (r < 0)
			return failed(failure, JL__STEP_CGROUP, i, r);
		kit->hierarchies |= 1u << i;
		kit->groups[i] = (int)jl__sys_openat(
			sv.nest[i], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (kit->groups[i] < 0)
			return failed(failure, JL__STEP_CGROUP, i, kit->groups[i]);
		if (sv.list[i].memory_v1 && watch_memory(kit, i, failure) < 0)
			return failure->code;
		if (sv.list[i].version == 2)
			continue;
		kit->tasks[i] = (int)jl__sys_openat(kit->groups[i], "tasks",
						    O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0);
		if (kit->tasks[i] < 0)
			return failed(failure, JL__STEP_CGROUP, i, kit->tasks[i]);
	}
	return 0;
}

int kit_remove_groups(struct kit *kit)
{
	char name[24];
	int busy = 0;

	group_name(name, kit);
	for (uint32_t i = 0; i < sv.hierarchies; i++) {
		if (!(kit->hierarchies & 1u << i))
			continue;
		fd_close(&kit->groups[i]);
		fd_close(&kit->tasks[i]);
		if (jl__sys_unlinkat(sv.nest[i], name, AT_REMOVEDIR_) == -EBUSY)
			busy = 1;
		else
			kit->hierarchies &= ~(1u << i);
	}
	return busy ? -EBUSY : 0;
}

/* What is left are names, which cost nothing however many jobs run. */
void kit_close(struct kit *kit)
{
	fd_close(&kit->tree);
	fd_close(&kit->userns);
	fd_close(&kit->netns);
	for (uint32_t i = 0; i < JL__HIERARCHIES_MAX; i++) {
		fd_close(&kit->groups[i]);
		fd_close(&kit->tasks[i]);
	}
}

void kit_discard(struct kit *kit)
{
	kit_close(kit);
	(void)kit_remove_groups(kit);
	fd_close(&kit->oom);
	if (kit->has_slot)
		slots_used[kit->slot / 64] &= ~((uint64_t)1 << kit->slot % 64);
	kit_init(kit);
}

/* The parts in the order of their cost; each is made once, so a partial kit is completed.
 */
enum { STAGE_NET, STAGE_IDS, STAGE_TREE, STAGE_GROUPS, STAGE_DONE };

static int make_stage(struct kit *kit, int stage, int host_net, uint32_t hierarchies,
		      struct jl__failure *failure)
{
	switch (stage) {
	case STAGE_NET:
		return host_net || kit->netns >= 0 ? 0 : make_netns(kit, failure);
	case STAGE_IDS:
		return kit->userns >= 0 ? 0 : kit_ids(kit, failure);
	case STAGE_TREE:
		return kit->tree >= 0 ? 0 : tree_make(kit, failure);
	default:
		return make_groups(kit, hierarchies, failure);
	}
}

int kit_take(struct kit *kit, int template_nr, int host_net, uint32_t hierarchies,
	     struct jl__failure *failure)
{
	sv.shape_template = template_nr;
	sv.shape_host_net = host_net;
	sv.shape_hierarchies = hierarchies;
	if (sv.kits_ready) {
		*kit = sv.kits[--sv.kits_ready];
	} else if (sv.fresh_stage >= 0) {
		*kit = sv.fresh;
		sv.fresh_stage = -1;
	} else {
		kit_init(kit);
	}
	/* Made for another shape: keep what fits. */
	if (kit->template_nr != template_nr) {
		fd_close(&kit->tree);
		kit->template_nr = template_nr;
	}
	if (host_net)
		fd_close(&kit->netns);
	if (kit->hierarchies & ~hierarchies) {
		(void)kit_remove_groups(kit);
		fd_close(&kit->oom);
		kit->hierarchies = 0;
	}
	for (int stage = 0; stage < STAGE_DONE; stage++)
		if (make_stage(kit, stage, host_net, hierarchies, failure) < 0) {
			kit_discard(kit);
			return failure->code;
		}
	return 0;
}

/*
 * A second job makes a third one likely; before that a stock would be work for nothing (a
 * command line that runs one job). The stock has the shape of the last job. While a job
 * sets itself up, we would only be in its way: it needs the same locks of the kernel.
 */
int kit_refill(void)
{
	struct jl__failure failure;

	if (sv.starts < 2 || sv.kits_ready >= MAX_KITS || sv.client < 0 || sv.starting)
		return 0;
	if (sv.fresh_stage < 0) {
		kit_init(&sv.fresh);
		sv.fresh.template_nr = sv.shape_template;
		sv.fresh_stage = STAGE_NET;
	}
	if (make_stage(&sv.fresh, sv.fresh_stage, sv.shape_host_net, sv.shape_hierarchies,
		       &failure) < 0) {
		/* The next job will meet the same failure and report it. */
		kit_discard(&sv.fresh);
		sv.fresh_stage = -1;
		sv.starts = 0;
		return 0;
	}
	if (++sv.fresh_stage == STAGE_DONE) {
		sv.kits[sv.kits_ready++] = sv.fresh;
		sv.fresh_stage = -1;
	}
	return 1;
}

/* A template is being replaced: kits made from it are not what anybody asks for now. */
void kit_forget_template(int template_nr)
{
	while (sv.kits_ready && sv.kits[sv.kits_ready - 1].template_nr == template_nr)
		kit_discard(&sv.kits[--sv.kits_ready]);
	if (sv.fresh_stage >= 0 && sv.fresh.template_nr == template_nr) {
		kit_discard(&sv.fresh);
		sv.fresh_stage = -1;
	}
}
