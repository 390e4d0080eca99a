/* SPDX-License-Identifier: MIT */
/*
 * Places that nobody gives back. Whoever takes one gives it back, or the supervisor does
 * it for him; when both were killed, the namespace has died with them and its interface
 * too. So a place is alive while its interface is there, or while the program that took
 * it is: the interface may not have been made yet.
 */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "net/net-priv.h"
#include "netlink/netlink.h"
#include "sys/flows.h"
#include "sys/wire.h"

/* A wire that was on its way when its sender died is laid by then, or never. */
#define GRACE_USEC 10000000u

uint64_t jl__net_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
uint64_t jl__net_start_of(uint32_t pid)
{
	char path[32], text[1024], *field;
	_cleanup_close_ int fd = -EBADF;
	uint64_t start = 0;
	ssize_t got;

	(void)snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	/* The name in the second field may hold anything, ")" and spaces too. */
	field = strrchr(text, ')');
	for (int i = 2; field && i < 22; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return 0;
	field++;
	field[strcspn(field, " \n")] = '\0';
	return jl__parse_u64(field, 1, UINT64_MAX, &start) < 0 ? 0 : start;
}

static bool is_dead(const jl_net *net, const struct lease *lease)
{
	uint64_t now = jl__net_now();
	struct jl__nl_link link;

	/* Taken before the machine was started. */
	if (lease->taken_usec > now)
		return true;
	if (jl__net_start_of(lease->owner) == lease->owner_start)
		return false;
	if (now - lease->taken_usec < GRACE_USEC)
		return false;
	return jl__nl_link_get(net->route, lease->device, &link) == -ENODEV;
}

struct dead {
	uint32_t index;
	uint32_t number;
};

struct sweep {
	const jl_net *net;
	struct dead found[64];
	uint32_t count;
};

static int on_lease(uint32_t index, uint32_t word, const struct lease *lease, void *data)
{
	struct sweep *sweep = data;

	if (!is_dead(sweep->net, lease))
		return 0;
	sweep->found[sweep->count++] = (struct dead){ index, word & JL__WIRE_NUMBER };
	return sweep->count == sizeof(sweep->found) / sizeof(sweep->found[0]);
}

int jl__net_forget(const jl_net *net, uint32_t address)
{
	struct jl__buf batch = { .max = (size_t)1 << 20 }, buf = JL__BUF_INIT(1024);
	int r;

	jl__nft_begin(&batch);
	r = jl__nft_stale(net->netfilter, address, &batch);
	jl__nft_end(&batch);
	if (r == 0)
		r = batch.failed;
	if (r == 0)
		r = jl__wire_remove(net->netfilter, batch.data, (uint32_t)batch.len);
	if (r == 0)
		r = jl__flows_forget(net->netfilter, address);
	jl__buf_done(&batch);
	if (r < 0)
		return r;
	jl__nl_neighbour_del(&buf, net->index, address);
	(void)jl__nl_send(net->route, &buf);
	jl__buf_done(&buf);
	return 0;
}

static int forget_place(const jl_net *net, const struct dead *dead)
{
	uint32_t line;
	int r = jl__net_forget(net, jl__net_address_of(net, dead->index));

	if (r < 0)
		return r;
	line = jl__leases_take_line(net->leases, dead->index, dead->number);
	if (line)
		jl__shown_clear(net, line);
	r = jl__leases_free(net->leases, dead->index, dead->number);
	return r == -ENOENT ? 0 : r;
}

/* The lock is held throughout: nobody takes an address whose elements are being looked
 * for. */
static int sweep_locked(jl_net *net, uint32_t most, uint32_t *ret_freed)
{
	struct sweep sweep = { .net = net };
	struct leases_head head;
	uint32_t next = 0;
	int r;

	*ret_freed = 0;
	r = jl__leases_head(net->leases, &head);
	if (r < 0)
		return r;
	r = jl__leases_each(net->leases, most == UINT32_MAX ? 0 : head.checked, most,
			    on_lease, &sweep, &next);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < sweep.count; i++) {
		r = forget_place(net, &sweep.found[i]);
		if (r < 0)
			return r;
	}
	*ret_freed = sweep.count;
	return jl__leases_set_checked(net->leases, next);
}

int jl__net_sweep(jl_net *net, uint32_t most, jl_error **err)
{
	uint32_t freed;
	int r;

	do {
		r = jl__leases_lock(net->leases);
		if (r < 0)
			break;
		r = sweep_locked(net, most, &freed);
		jl__leases_unlock(net->leases);
		if (r == 0 && freed)
			jl__log(net->ctx, JL_LOG_INFO, "net",
				"freed %u addresses of network \"%s\" that killed programs had left",
				freed, net->name);
	} while (r == 0 && most == UINT32_MAX && freed);
	return r < 0 ? jl__fail_errno(err, r, "cannot check the leases of network \"%s\"",
				      net->name)
		     : 0;
}
