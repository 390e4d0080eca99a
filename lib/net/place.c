/* SPDX-License-Identifier: MIT */
/* Places: taken for nobody, given to a job, given back. */
#define JL_MODULE "net"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net-priv.h"
#include "netlink/netlink.h"
#include "sys/flows.h"
#include "sys/wire.h"

#define ELEMENTS_BYTES 65536

static int gone(const jl_net *net, jl_error **err)
{
	return jl__fail(err, -ENOENT, "network \"%s\" has been removed", net->name);
}

static int no_lease(int r, const jl_net *net, jl_error **err)
{
	if (r == -ENOENT)
		return gone(net, err);
	if (r == -EXFULL)
		return jl__fail(
			err, -ENOSPC,
			"network \"%s\" is full: %u jobs are what a bridge of the kernel takes",
			net->name, PORTS_MAX);
	if (r == -ENOSPC)
		return jl__fail(err, -ENOSPC,
				"network \"%s\" has no free address: %s is for %u jobs",
				net->name, net->cidr, jl__net_window(net->prefix));
	return jl__fail_errno(err, r, "cannot write the leases of network \"%s\"",
			      net->name);
}

/* Its own, and of nobody before: what is left of an earlier one cannot be taken for it.
 */
static int name_lease(struct lease *lease)
{
	struct {
		uint32_t number;
		uint16_t middle;
		uint32_t end;
	} random;

	do {
		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
			return errno ? -errno : -EIO;
		lease->number = random.number & JL__WIRE_NUMBER;
	} while (!lease->number);
	(void)snprintf(lease->device, sizeof(lease->device), "jv%04x%08x", random.middle,
		       random.end);
	lease->owner = (uint32_t)getpid();
	lease->owner_start = jl__net_start_of(lease->owner);
	lease->taken_usec = jl__net_now();
	return 0;
}

/*
 * Whoever had the address last may have been killed between telling us what he would do
 * with it and doing it; then the end he met did not know of his elements and his name.
 */
static int take_after(const jl_net *net, uint32_t index, const struct lease *last)
{
	uint32_t line = jl__leases_take_line(net->leases, index, last->number);

	if (line)
		jl__shown_clear(net, line);
	return last->flags & LEASE_POLICY
		       ? jl__net_forget(net, jl__net_address_of(net, index))
		       : 0;
}

static int take_lease(const jl_net *net, struct lease *lease, uint32_t *ret_index)
{
	struct lease last;
	int r = name_lease(lease);

	if (r == 0)
		r = jl__leases_lock(net->leases);
	if (r < 0)
		return r;
	r = jl__leases_find(net->leases, ret_index, &last);
	if (r == 0)
		r = take_after(net, *ret_index, &last);
	if (r == 0 && last.number)
		lease->flags = LEASE_USED;
	if (r == 0)
		r = jl__leases_take(net->leases, *ret_index, lease);
	jl__leases_unlock(net->leases);
	return r;
}

static int send_elements(const jl_net *net, const struct wire_plan *plan, uint32_t which)
{
	struct jl__buf batch = JL__BUF_INIT(ELEMENTS_BYTES);
	int r;

	jl__nft_begin(&batch);
	jl__net_elements(plan, &batch, which, false);
	jl__nft_end(&batch);
	r = jl__nl_send(net->netfilter, &batch);
	jl__buf_done(&batch);
	return r;
}

/* Somebody has flushed the rules since the network was opened. */
static int restore_rules(jl_net *net, jl_error **err)
{
	_cleanup_close_ int root = -EBADF, lock = -EBADF;
	_cleanup_free_ char *path = NULL;
	int r = jl__net_root(net->ctx, &root, &path, err);

	if (r < 0)
		return r;
	lock = jl__net_lock(root, err);
	if (lock < 0)
		return lock;
	r = jl__nft_present(net->netfilter);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot look for the rules");
	return r ? 0 : jl__net_rules(net, root, err);
}

static int enter_rules(jl_net *net, const struct wire_plan *plan, jl_error **err)
{
	int r = jl__net_know_share(net, err);

	if (r < 0)
		return r;
	r = send_elements(net, plan, ELEMENTS_MEMBER);
	if (r == -ENOENT) {
		r = restore_rules(net, err);
		if (r < 0)
			return r;
		r = send_elements(net, plan, ELEMENTS_MEMBER);
	}
	/* The tables are there now: it is a kind of expression that is not. */
	if (r == -ENOENT)
		return jl__fail(
			err, -EOPNOTSUPP,
			"network \"%s\" cannot have jobs: this kernel does not limit connections (CONFIG_NFT_CONNLIMIT, CONFIG_NFT_LIMIT); use the network none",
			net->name);
	return r < 0 ? jl__fail_errno(
			       err, r,
			       "cannot enter an address of network \"%s\" into the rules",
			       net->name)
		     : 0;
}

/* ret: JL__WIRE_MAX bytes. */
static int make_wire(const jl_net *net, const struct wire_plan *plan,
		     struct jl__wire *ret, jl_error **err)
{
	int r = jl__net_wire(plan, ret, JL__WIRE_MAX);

	if (r == -ENAMETOOLONG)
		return jl__fail(err, r, "the path %s is too long for networks",
				net->folder);
	if (r == -E2BIG)
		return jl__fail(
			err, r,
			"what the job may reach and publish does not fit; use fewer, larger subnets");
	return r < 0 ? jl__oom(err) : 0;
}

int jl__net_place_take(jl_net *net, uint64_t bps, struct jl__net_place *ret,
		       jl_error **err)
{
	struct lease lease = { 0 };
	struct wire_plan plan = { .net = net, .bps = bps, .device = lease.device };
	int r;

	r = take_lease(net, &lease, &plan.index);
	/* Full of places that nobody gives back? */
	if (r == -EXFULL || r == -ENOSPC) {
		int r2 = jl__net_sweep(net, UINT32_MAX, err);

		if (r2 < 0)
			return r2;
		r = take_lease(net, &lease, &plan.index);
	}
	if (r < 0)
		return no_lease(r, net, err);
	plan.address = jl__net_address_of(net, plan.index);
	plan.number = lease.number;
	ret->address = plan.address;
	ret->record = plan.index;
	ret->claimed = false;
	ret->limited = bps != 0;
	ret->bps = bps;
	jl__net_put_address(ret->text, ret->address);
	r = make_wire(net, &plan, &ret->wire, err);
	if (r == 0)
		r = enter_rules(net, &plan, err);
	if (r < 0)
		(void)jl__leases_free(net->leases, plan.index, lease.number);
	return r;
}

#define ROOMY 200u

bool jl__net_is_roomy(const jl_net *net)
{
	return jl__net_window(net->prefix) >= ROOMY;
}

/* ---- claiming ---- */

/* Of programs of this machine: what they have bound would be out of reach behind it. */
static int check_port(const struct jl__net_publish *publish, jl_error **err)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(publish->host_port) };
	_cleanup_close_ int fd = socket(
		AF_INET, (publish->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return jl__fail_errno(err, -errno, "cannot open a socket");
	/* Connections of the past may linger; only who listens is in the way. */
	if (!publish->udp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return 0;
	if (errno == EADDRINUSE)
		return jl__fail(
			err, -EADDRINUSE,
			"port %u/%s cannot be published: a program of this machine uses it",
			publish->host_port, publish->udp ? "udp" : "tcp");
	return jl__fail_errno(err, -errno, "cannot publish port %u", publish->host_port);
}

static int check_ports(const struct jl__net_policy *policy, struct jl__nft_publish *ret,
		       jl_error **err)
{
	for (uint32_t i = 0; i < policy->publish_count; i++) {
		const struct jl__net_publish *publish = &policy->publish[i];
		int r;

		for (uint32_t j = 0; j < i; j++)
			if (ret[j].host_port == publish->host_port &&
			    ret[j].udp == publish->udp)
				return jl__fail(
					err, -EINVAL, "port %u/%s is published twice",
					publish->host_port, publish->udp ? "udp" : "tcp");
		r = check_port(publish, err);
		if (r < 0)
			return r;
		ret[i] = (struct jl__nft_publish){ publish->host_port, publish->job_port,
						   publish->udp };
	}
	return 0;
}

/* The transaction does not tell which of the ports it was that somebody else has. */
static int claim_failed(int r, const jl_net *net, const struct wire_plan *plan,
			jl_error **err)
{
	int found = 0;

	if (r != -EEXIST || !plan->publish_count)
		return jl__fail_errno(
			err, r, "cannot enter a job of network \"%s\" into the rules",
			net->name);
	for (uint32_t i = 0; i < plan->publish_count && found == 0; i++) {
		const struct jl__nft_publish *publish = &plan->publish[i];

		found = jl__nft_is_published(net->netfilter, publish->host_port,
					     publish->udp);
		if (found > 0)
			return jl__fail(err, -EADDRINUSE,
					"port %u/%s is published by another job already",
					publish->host_port, publish->udp ? "udp" : "tcp");
	}
	if (found < 0)
		return jl__fail_errno(err, found, "cannot look for published ports");
	return jl__fail(
		err, -EADDRINUSE,
		"a port to be published was another job's until this moment; try again");
}

/*
 * Under the lock. The record says what there is to clear before it is there; the word
 * makes it a job's.
 */
static int claim_lease(const jl_net *net, struct wire_plan *plan, const char *job_id,
		       const char *job_name, struct jl__wire *ret_wire, jl_error **err)
{
	struct lease lease;
	int r = jl__leases_read(net->leases, plan->index, plan->number, &lease);

	if (r == 0 && (job_id || job_name) && !net->isolated)
		r = jl__leases_line(net->leases, &lease);
	if (r < 0)
		return no_lease(r, net, err);
	plan->line = lease.line;
	r = make_wire(net, plan, ret_wire, err);
	if (r < 0)
		return r;
	/* Or whom an earlier job has talked to could go on with this one, who may not. */
	if (plan->restricted && lease.flags & LEASE_USED) {
		r = jl__flows_forget(net->netfilter, plan->address);
		if (r < 0)
			return jl__fail_errno(
				err, r,
				"cannot forget the connections an earlier job of network \"%s\" had",
				net->name);
	}
	lease.flags = (lease.flags & LEASE_USED) |
		      (plan->restricted ? LEASE_RESTRICTED : 0) |
		      (plan->restricted || plan->publish_count ? LEASE_POLICY : 0);
	r = jl__leases_claim(net->leases, plan->index, &lease);
	if (r == 0 && lease.line)
		r = jl__shown_add(net, lease.line, plan->address, job_id, job_name);
	return r < 0 ? no_lease(r, net, err) : 0;
}

static void unclaim(const jl_net *net, const struct jl__net_place *place)
{
	uint32_t number = place->wire.number;
	uint32_t line = jl__leases_take_line(net->leases, place->record, number);

	if (line)
		jl__shown_clear(net, line);
	(void)jl__leases_unclaim(net->leases, place->record, number);
}

int jl__net_place_claim(jl_net *net, struct jl__net_place *place,
			const struct jl__net_policy *policy, const char *job_id,
			const char *job_name, jl_error **err)
{
	_cleanup_free_ struct jl__wire *wire = NULL;
	struct jl__nft_allow allow[ALLOW_MAX];
	struct jl__nft_publish publish[JL__NET_PUBLISH_MAX];
	struct wire_plan plan = {
		.net = net,
		.address = place->address,
		.number = place->wire.number,
		.index = place->record,
		.bps = place->bps,
		.device = place->wire.device,
		.allow = allow,
		.restricted = policy->allow_count != 0,
		.publish = publish,
		.publish_count = policy->publish_count,
	};
	int r;

	if (policy->publish_count > JL__NET_PUBLISH_MAX)
		return jl__fail(err, -E2BIG, "a job publishes at most %u ports",
				JL__NET_PUBLISH_MAX);
	r = jl__net_ranges(policy->allow, policy->allow_count, allow, &plan.allow_count);
	if (r < 0)
		return jl__fail(
			err, r,
			"what the job may reach is more than %u separate ranges; use fewer, larger subnets",
			ALLOW_MAX);
	r = check_ports(policy, publish, err);
	if (r < 0)
		return r;
	/* The place keeps its own until everything has come right: by the other's end it
	 * would unpublish what somebody else has published. */
	wire = jl__alloc(JL__WIRE_MAX);
	if (!wire)
		return jl__oom(err);
	r = jl__leases_lock(net->leases);
	if (r < 0)
		return no_lease(r, net, err);
	r = claim_lease(net, &plan, job_id, job_name, wire, err);
	if (r == 0 && (plan.restricted || plan.publish_count)) {
		r = send_elements(net, &plan, ELEMENTS_POLICY);
		if (r < 0)
			r = claim_failed(r, net, &plan, err);
	}
	if (r < 0)
		unclaim(net, place);
	else
		memcpy(&place->wire, wire, wire->size);
	jl__leases_unlock(net->leases);
	place->claimed = r == 0;
	return r;
}

/* ---- giving back ---- */

/* What nobody can tell any more, it has. */
static bool has_talked(const jl_net *net, const char *device)
{
	struct jl__wire_counters counters;

	return jl__wire_counters(net->route, device, &counters) < 0 ||
	       counters.rx_packets + counters.tx_packets >= JL__WIRE_MANY_PACKETS;
}

/*
 * When the supervisor was first, the address may have gone to somebody else meanwhile,
 * whose elements have the same keys: they are ours only while the word is.
 */
void jl__net_place_release(jl_net *net, struct jl__net_place *place)
{
	uint32_t number = place->wire.number, line;
	struct lease lease;

	if (jl__leases_lock(net->leases) < 0)
		return;
	if (place->claimed &&
	    jl__leases_read(net->leases, place->record, number, &lease) == 0 &&
	    has_talked(net, lease.device))
		place->wire.flows = 1;
	line = jl__leases_take_line(net->leases, place->record, number);
	if (line)
		jl__shown_clear(net, line);
	(void)jl__wire_end(&place->wire, net->folder_fd, net->netfilter, net->route);
	jl__leases_settled(net->leases, place->record, number);
	jl__leases_unlock(net->leases);
}
