/* SPDX-License-Identifier: MIT */
/*
 * What every job needs before it is cloned: ids, user and network namespace, mount tree,
 * cgroups. Used once and never handed to a second job. Made when asked for, or ahead of
 * time (stock.c).
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/wait.h>

#define AT_REMOVEDIR_ 0x200

/*
 * Ranges of ids: 65536 each in a region that neither distributions nor /etc/subuid nor
 * container managers hand out (0x70000000 to 0x7ffdffff). A range is claimed by a lock on
 * its byte of one file; the lock belongs to the open file, so it goes when we do.
 */
#define IDS_FIRST 0x70000000u
#define IDS_SLOTS 4094u

static uint64_t slots_held[(IDS_SLOTS + 63) / 64];
static uint64_t slots_used[(IDS_SLOTS + 63) / 64];

/* Of struct flock the headers know only the C library's, which clashes here. */
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
	kit->root = kit->userns = kit->netns = kit->folder = kit->oom = -1;
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

/*
 * For the maker, which has our descriptors and a copy of our memory: holders that are
 * written down there are not its children, and their descriptors not its to close.
 */
void kit_forget_holders(void)
{
	holders[0].pidfd = holders[1].pidfd = 0;
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
		.flags = CLONE_NEWUSER | CLONE_VM | CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uintptr_t)&holder->pidfd,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)holder->stack,
		.stack_size = sizeof(holder->stack),
	};
	long pid, r;

	/*
	 * The kernel charges what a namespace uses (inotify, message queues, signals,
	 * locked memory) to whoever made it as well. Made by us, all jobs would share one
	 * account with the host's root; made by the job's own id, each has its own.
	 */
	if (sv.privileged)
		(void)jl__sys_setresuid(~0u, kit->base, ~0u);
	pid = jl__sys_clone3_call(&args, sizeof(args), hold, holder);
	if (sv.privileged)
		(void)jl__sys_setresuid(~0u, 0, ~0u);
	if (pid < 0) {
		holder->pidfd = 0;
		return failed(failure, JL__STEP_USERNS, 0, pid);
	}
	r = map_ids((int)pid, kit, &kit->userns);
	release_holder(holder);
	return r < 0 ? failed(failure, JL__STEP_USERNS, 1, r) : 0;
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

/*
 * What is left are names, which cost nothing however many jobs run; and the network of a
 * job that is counted at its end, when nobody of it is there to keep it.
 */
void kit_close(struct kit *kit)
{
	fd_close(&kit->root);
	fd_close(&kit->userns);
	if (!kit->wire)
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
	fd_close(&kit->netns);
	fd_close(&kit->folder);
	fd_close(&kit->oom);
	if (kit->has_slot)
		slots_used[kit->slot / 64] &= ~((uint64_t)1 << kit->slot % 64);
	kit_init(kit);
}

/*
 * Takes what only one may hand out: the range of ids and the number of the groups. The
 * rest may be made by somebody else.
 */
int kit_begin(struct kit *kit, int template_nr, struct jl__failure *failure)
{
	long r;

	kit_init(kit);
	kit->template_nr = template_nr;
	kit->group = sv.next_group++;
	if (!sv.privileged)
		return 0;
	r = slot_take(&kit->slot);
	if (r < 0)
		return failed(failure, JL__STEP_IDS, 0, r);
	kit->has_slot = 1;
	kit->base = IDS_FIRST + kit->slot * JL__IDS_PER_JOB;
	return 0;
}

/* Makes what the kit does not have yet. */
int kit_complete(struct kit *kit, int host_net, uint32_t hierarchies,
		 struct jl__wire *wire, struct jl__failure *failure)
{
	if (!host_net && network_complete(kit, wire, failure) < 0)
		return failure->code;
	if (kit->userns < 0 && kit_ids(kit, failure) < 0)
		return failure->code;
	if (kit->root < 0 && root_make(kit, failure) < 0)
		return failure->code;
	return make_groups(kit, hierarchies, failure);
}
