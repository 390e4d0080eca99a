/* SPDX-License-Identifier: MIT */
/*
 * Kits made ahead of time. They cost about as much as the job itself, and most of that is
 * waiting for locks of the kernel; so a process of its own makes them, the maker, while
 * the job before runs. It shares our descriptors, and one record of memory in which one
 * kit at a time is asked for and handed over. When it is not there, kits are made when
 * they are needed.
 *
 * A kit in a network is made for one place, a spare, which the library has taken ahead
 * and may give to one of its next jobs.
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
	network_forget_sockets();
	for (;;) {
		/* Asked once: between two looks it may become what we would sleep on. */
		while ((now = maker_state()) != MAKER_ASKED)
			(void)jl__sys_futex(&maker->state, FUTEX_WAIT, now, NULL, NULL,
					    0);
		maker->code =
			kit_complete(&maker->kit, maker->host_net, maker->hierarchies,
				     maker->wire.head.size ? &maker->wire.head : NULL,
				     &maker->failure);
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

/* The first one in this state, which for SPARE_ASKED is the only one. */
static struct spare *spare_in(enum spare_state state)
{
	for (uint32_t i = 0; i < JL__SPARES_MAX; i++)
		if (sv.spares[i].state == state)
			return &sv.spares[i];
	return NULL;
}

/*
 * Not tried a second time: of what was laid something may still be on its way out. Who
 * claims the place is told.
 */
static void spare_failed(struct spare *spare, const struct jl__failure *failure)
{
	if (!spare)
		return;
	spare->failure = *failure;
	spare->state = SPARE_FAILED;
}

/* A kit that is done goes to the stock; one that failed is dropped. */
static void collect(void)
{
	struct maker *maker = &sv.shared->maker;
	struct spare *asked = spare_in(SPARE_ASKED);

	if (sv.maker < 0 || maker_state() != MAKER_DONE)
		return;
	if (maker->code == 0 && asked) {
		asked->kit = maker->kit;
		asked->state = SPARE_READY;
	} else if (maker->code == 0) {
		sv.kits[sv.kits_ready++] = maker->kit;
	} else {
		/* The next job will meet the same failure, and report it. */
		kit_discard(&maker->kit);
		sv.starts = 0;
		spare_failed(asked, &maker->failure);
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
		failed(&sv.shared->maker.failure, JL__STEP_RESOURCES, 4, -EIO);
		kit_discard(&sv.shared->maker.kit);
		fd_close(&sv.maker);
		spare_failed(spare_in(SPARE_ASKED), &sv.shared->maker.failure);
	}
	collect();
}

/* Has a kit of the last shape made, for a spare if there is one. */
static int ask(struct spare *spare, struct jl__failure *failure)
{
	struct maker *maker = &sv.shared->maker;

	if (kit_begin(&maker->kit, sv.shape_template, failure) < 0)
		return failure->code;
	maker->host_net = sv.shape_host_net;
	maker->hierarchies = sv.shape_hierarchies;
	maker->wire.head.size = 0;
	if (spare) {
		maker->wire = spare->wire;
		maker->host_net = 0;
		spare->state = SPARE_ASKED;
	}
	set_state(MAKER_ASKED);
	return 0;
}

static void drop(struct spare *spare)
{
	struct kit none, *kit = &none;

	if (spare->state == SPARE_ASKED)
		settle();
	if (spare->state == SPARE_NONE)
		return;
	kit_init(&none);
	if (spare->state == SPARE_READY)
		kit = &spare->kit;
	network_leave(kit, &spare->wire.head);
	kit_discard(kit);
	spare->state = SPARE_NONE;
}

static void drop_spares(void)
{
	for (uint32_t i = 0; i < JL__SPARES_MAX; i++)
		drop(&sv.spares[i]);
}

void stock_spare(const struct jl__wire *wire, uint64_t kept)
{
	struct spare *spare;

	for (uint32_t i = 0; i < JL__SPARES_MAX; i++)
		if (sv.spares[i].wire.head.number != kept)
			drop(&sv.spares[i]);
	spare = spare_in(SPARE_NONE);
	if (!spare)
		return;
	__builtin_memcpy(&spare->wire, wire, wire->size);
	spare->state = SPARE_WAITING;
}

/* For jobs in a network that have theirs made ahead, others are of no use. */
static int wants_kit(void)
{
	for (uint32_t i = 0; i < JL__SPARES_MAX; i++)
		if (sv.shape_wired && sv.spares[i].state != SPARE_NONE)
			return 0;
	return sv.kits_ready < MAX_KITS && !(sv.running && sv.kits_ready);
}

/*
 * A second job makes a third one likely; before that a stock would be work for nothing (a
 * command line that runs one job). The maker takes the same locks of the kernel as jobs
 * that start and end, and slows them down (laying a wire holds the one of all networks
 * for 3 ms when it is asked for now and then): it works while there are none, or while
 * the stock is empty. The stock has the shape of the last job.
 */
void stock_refill(void)
{
	struct maker *maker = &sv.shared->maker;
	struct spare *waiting;

	collect();
	if (sv.client < 0)
		drop_spares();
	if (sv.maker < 0 || sv.starts < 2 || sv.client < 0 || sv.starting ||
	    maker_state() != MAKER_IDLE)
		return;
	waiting = spare_in(SPARE_WAITING);
	if (waiting && !(sv.running && spare_in(SPARE_READY)))
		ask(waiting, &maker->failure);
	else if (wants_kit())
		ask(NULL, &maker->failure);
}

/* A template is being replaced: kits made from it are not what anybody asks for now. */
void stock_forget(int template_nr)
{
	settle();
	for (uint32_t i = 0; i < JL__SPARES_MAX; i++) {
		struct spare *spare = &sv.spares[i];

		if (spare->state == SPARE_READY &&
		    spare->kit.template_nr == template_nr) {
			fd_close(&spare->kit.root);
			spare->kit.template_nr = -1;
		}
	}
	for (uint32_t i = 0; i < sv.kits_ready; i++)
		while (i < sv.kits_ready && sv.kits[i].template_nr == template_nr) {
			kit_discard(&sv.kits[i]);
			sv.kits[i] = sv.kits[--sv.kits_ready];
		}
}

void stock_close(void)
{
	settle();
	drop_spares();
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
	if (ask(NULL, failure) < 0)
		return failure->code;
	settle();
	if (sv.kits_ready || sv.maker < 0)
		return 0;
	*failure = sv.shared->maker.failure;
	return failure->code;
}

int stock_take_wired(struct kit *kit, const struct jl__wire *wire,
		     struct jl__failure *failure)
{
	struct spare *spare = NULL;
	enum spare_state was;

	for (uint32_t i = 0; i < JL__SPARES_MAX; i++)
		if (sv.spares[i].state != SPARE_NONE &&
		    sv.spares[i].wire.head.number == wire->number)
			spare = &sv.spares[i];
	if (!spare)
		return 0;
	if (spare->state == SPARE_ASKED)
		settle();
	was = spare->state;
	spare->state = SPARE_NONE;
	if (was == SPARE_READY)
		*kit = spare->kit;
	else if (was == SPARE_FAILED)
		*failure = spare->failure;
	return was == SPARE_READY ? 1 : was == SPARE_FAILED ? failure->code : 0;
}

static int take_any(struct kit *kit, int template_nr, struct jl__failure *failure)
{
	if (!sv.kits_ready)
		settle();
	if (!sv.kits_ready)
		return kit_begin(kit, template_nr, failure);
	*kit = sv.kits[--sv.kits_ready];
	return 0;
}

int kit_take(struct kit *kit, int template_nr, int host_net, uint32_t hierarchies,
	     struct jl__wire *wire, struct jl__failure *failure)
{
	int r = 0;

	sv.shape_template = template_nr;
	sv.shape_host_net = host_net;
	sv.shape_hierarchies = hierarchies;
	sv.shape_wired = wire != NULL;
	if (wire)
		r = stock_take_wired(kit, wire, failure);
	else if (!sv.privileged && !host_net)
		r = wait_for_network(failure);
	if (r < 0)
		return r;
	if (r == 0)
		r = take_any(kit, template_nr, failure);
	if (r >= 0) {
		adapt(kit, template_nr, host_net, hierarchies);
		r = kit_complete(kit, host_net, hierarchies, wire, failure);
	}
	return r;
}
