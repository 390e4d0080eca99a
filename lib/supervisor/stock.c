/* SPDX-License-Identifier: MIT */
/*
 * Kits made ahead of time. They cost about as much as the job itself, and most of that is
 * waiting for locks of the kernel; so a process of its own makes them, the maker, while
 * the job before runs. It shares our descriptors, and one record of memory in which one
 * kit at a time is asked for and handed over. When it is not there, kits are made when
 * they are needed.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/time_types.h>

enum { MAKER_IDLE, MAKER_ASKED, MAKER_DONE };

static uint32_t maker_state(void)
{
	return __atomic_load_n(&sv.shared->maker.state, __ATOMIC_ACQUIRE);
}

static void set_state(uint32_t state)
{
	__atomic_store_n(&sv.shared->maker.state, state, __ATOMIC_RELEASE);
	(void)jl__sys_futex(&sv.shared->maker.state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* ---- the maker ---- */

static int maker_main(void *unused)
{
	struct maker *maker = &sv.shared->maker;
	uint32_t now;

	(void)unused;
	kit_forget_holders();
	for (;;) {
		/* Asked once: between two looks it may become what we would sleep on. */
		while ((now = maker_state()) != MAKER_ASKED)
			(void)jl__sys_futex(&maker->state, FUTEX_WAIT, now, NULL, NULL,
					    0);
		maker->code = kit_complete(&maker->kit, maker->host_net,
					   maker->hierarchies, &maker->failure);
		set_state(MAKER_DONE);
	}
	return 0;
}

/* Dies with us: we are PID 1 of its namespace. Should it die before, we do its work. */
void stock_open(void)
{
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uintptr_t)&sv.maker,
		.exit_signal = SIGCHLD,
	};

	if (jl__sys_clone3_call(&args, sizeof(args), maker_main, NULL) < 0)
		sv.maker = -1;
}

static int maker_died(void)
{
	struct {
		int fd;
		short events, revents;
	} poll = { sv.maker, 1 /* POLLIN */, 0 };
	struct __kernel_timespec now = { 0, 0 };

	return jl__sys_ppoll(&poll, 1, &now, NULL, 0) == 1;
}

/* ---- our side ---- */

/* A kit that is done goes to the stock; one that failed is dropped. */
static void collect(void)
{
	struct maker *maker = &sv.shared->maker;

	if (sv.maker < 0 || maker_state() != MAKER_DONE)
		return;
	if (maker->code == 0) {
		sv.kits[sv.kits_ready++] = maker->kit;
	} else {
		/* The next job will meet the same failure, and report it. */
		kit_discard(&maker->kit);
		sv.starts = 0;
	}
	set_state(MAKER_IDLE);
}

/* Waits for the kit that is being made, if there is one. */
static void settle(void)
{
	struct __kernel_timespec second = { 1, 0 };

	while (sv.maker >= 0 && maker_state() == MAKER_ASKED) {
		(void)jl__sys_futex(&sv.shared->maker.state, FUTEX_WAIT, MAKER_ASKED,
				    &second, NULL, 0);
		if (maker_state() != MAKER_ASKED || !maker_died())
			continue;
		kit_discard(&sv.shared->maker.kit);
		fd_close(&sv.maker);
	}
	collect();
}

/* Has a kit of the last shape made. */
static int ask(struct jl__failure *failure)
{
	struct maker *maker = &sv.shared->maker;

	if (kit_begin(&maker->kit, sv.shape_template, failure) < 0)
		return failure->code;
	maker->host_net = sv.shape_host_net;
	maker->hierarchies = sv.shape_hierarchies;
	set_state(MAKER_ASKED);
	return 0;
}

/*
 * A second job makes a third one likely; before that a stock would be work for nothing (a
 * command line that runs one job). The maker takes the same locks of the kernel as jobs
 * that start and end, and slows them down: it works while there are none, or while the
 * stock is empty. The stock has the shape of the last job.
 */
void stock_refill(void)
{
	struct maker *maker = &sv.shared->maker;

	collect();
	if (sv.maker < 0 || sv.starts < 2 || sv.kits_ready >= MAX_KITS || sv.client < 0 ||
	    sv.starting || maker_state() != MAKER_IDLE || (sv.running && sv.kits_ready))
		return;
	ask(&maker->failure);
}

/* A template is being replaced: kits made from it are not what anybody asks for now. */
void stock_forget(int template_nr)
{
	settle();
	for (uint32_t i = 0; i < sv.kits_ready; i++)
		while (i < sv.kits_ready && sv.kits[i].template_nr == template_nr) {
			kit_discard(&sv.kits[i]);
			sv.kits[i] = sv.kits[--sv.kits_ready];
		}
}

void stock_close(void)
{
	settle();
	while (sv.kits_ready)
		kit_discard(&sv.kits[--sv.kits_ready]);
}

/* Made for a job of another shape: what fits is kept. */
static void adapt(struct kit *kit, int template_nr, int host_net, uint32_t hierarchies)
{
	if (kit->template_nr != template_nr) {
		fd_close(&kit->root);
		kit->template_nr = template_nr;
	}
	if (host_net)
		fd_close(&kit->netns);
	if (kit->hierarchies & ~hierarchies) {
		(void)kit_remove_groups(kit);
		fd_close(&kit->oom);
		kit->hierarchies = 0;
	}
}

/* Only the maker can give a network to jobs of unprivileged callers (kit.c). */
static int wait_for_network(struct jl__failure *failure)
{
	uint32_t kept = 0;

	settle();
	for (uint32_t i = 0; i < sv.kits_ready; i++)
		if (sv.kits[i].netns >= 0)
			sv.kits[kept++] = sv.kits[i];
		else
			kit_discard(&sv.kits[i]);
	sv.kits_ready = kept;
	if (sv.kits_ready || sv.maker < 0)
		return 0;
	if (ask(failure) < 0)
		return failure->code;
	settle();
	if (sv.kits_ready || sv.maker < 0)
		return 0;
	*failure = sv.shared->maker.failure;
	return failure->code;
}

int kit_take(struct kit *kit, int template_nr, int host_net, uint32_t hierarchies,
	     struct jl__failure *failure)
{
	int r = 0;

	sv.shape_template = template_nr;
	sv.shape_host_net = host_net;
	sv.shape_hierarchies = hierarchies;
	if (!sv.kits_ready)
		settle();
	if (!sv.privileged && !host_net && wait_for_network(failure) < 0)
		return failure->code;
	if (sv.kits_ready) {
		*kit = sv.kits[--sv.kits_ready];
		adapt(kit, template_nr, host_net, hierarchies);
	} else {
		r = kit_begin(kit, template_nr, failure);
	}
	if (r == 0)
		r = kit_complete(kit, host_net, hierarchies, failure);
	if (r < 0)
		kit_discard(kit);
	return r;
}
