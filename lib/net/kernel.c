/* SPDX-License-Identifier: MIT */
/* What a network is in the kernel: a bridge with an address, its settings, the rules. */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net-priv.h"
#include "netlink/netlink.h"
#include "sys/flows.h"
#include "sys/wire.h"

#define BATCH_MAX ((size_t)32 << 20)

static void put_alias(const jl_net *net, char alias[64])
{
	(void)snprintf(alias, 64, "joblet network %s", net->name);
}

/* ---- settings ---- */

static int write_setting(const char *path, const char *value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);

	if (fd < 0)
		return -errno;
	return write(fd, value, len) == (ssize_t)len ? 0 : -errno;
}

static int set(const char *family, const char *device, const char *key, const char *value,
	       jl_error **err)
{
	char path[128];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, device,
		       key);
	r = write_setting(path, value);
	return r < 0 ? jl__fail_errno(err, r, "cannot set %s to %s", path, value) : 0;
}

static int settings(const jl_net *net, jl_error **err)
{
	static const struct {
		const char *key, *value;
	} list[] = {
		{ "forwarding", "1" },
		/* The host answers for the gateway, not for its other addresses. */
		{ "arp_ignore", "1" },
		{ "proxy_arp", "0" },
		{ "send_redirects", "0" },
		{ "accept_redirects", "0" },
		{ "accept_source_route", "0" },
		{ "route_localnet", "0" },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]) && r == 0; i++)
		r = set("ipv4", net->device, list[i].key, list[i].value, err);
	if (r == 0 && net->ipv6)
		r = set("ipv6", net->device, "disable_ipv6", "1", err);
	return r;
}

/* The answers that come back from outside arrive on other devices. */
static int forwarding(const jl_net *net, jl_error **err)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_forward";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char now = 0;
	int r;

	if (fd >= 0 && read(fd, &now, 1) == 1 && now == '1')
		return 0;
	r = write_setting(path, "1");
	if (r < 0)
		return jl__fail_errno(err, r, "cannot set %s to 1, which networks need",
				      path);
	jl__log(net->ctx, JL_LOG_INFO, "net",
		"set net.ipv4.ip_forward to 1 for network \"%s\"", net->name);
	return 0;
}

/* ---- the bridge ---- */

static int kernel_failed(int r, const char *what, const jl_net *net, jl_error **err)
{
	bool rules = strcmp(what, "the rules") == 0;

	if (r == -EPERM || r == -EACCES)
		return jl__fail(
			err, -EPERM,
			"cannot make %s of network \"%s\": it needs CAP_NET_ADMIN", what,
			net->name);
	/* ENOENT: it has some of it, but not a kind of chain or expression we use. */
	if (r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT ||
	    (rules && r == -ENOENT))
		return jl__fail(
			err, -EOPNOTSUPP,
			"cannot make %s of network \"%s\": this kernel has no %s; use the network none (rnx doctor says what is missing)",
			what, net->name,
			rules ? "nftables, or not all of it" : "bridges");
	return jl__fail_errno(err, r, "cannot make %s of network \"%s\"", what,
			      net->name);
}

/* Ours carries our alias; between two messages of its maker it has only the group. */
static bool is_ours(const jl_net *net, const struct jl__nl_link *link)
{
	char alias[64];

	put_alias(net, alias);
	return strcmp(link->kind, "bridge") == 0 && link->group == JL__NFT_BRIDGES &&
	       (!link->alias[0] || strcmp(link->alias, alias) == 0);
}

/* 1: there, 0: not. */
static int find_bridge(jl_net *net, struct jl__nl_link *link, jl_error **err)
{
	int r = jl__nl_link_get(net->route, net->device, link);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return jl__fail_errno(err, r, "cannot look for the device %s",
				      net->device);
	if (!is_ours(net, link))
		return jl__fail(
			err, -EEXIST,
			"there is a device %s that is not of network \"%s\"; remove or rename it",
			net->device, net->name);
	net->index = link->index;
	return 1;
}

static int make_bridge(jl_net *net, jl_error **err)
{
	struct jl__buf buf = JL__BUF_INIT(4096);
	struct jl__nl_link link;
	uint8_t mac[6];
	int r;

	r = find_bridge(net, &link, err);
	if (r)
		return r < 0 ? r : 0;
	jl__net_mac(jl__net_gateway(net), mac);
	jl__nl_bridge_new(&buf, net->device, mac, JL__NFT_BRIDGES);
	r = jl__nl_send(net->route, &buf);
	jl__buf_done(&buf);
	if (r < 0 && r != -EEXIST)
		return kernel_failed(r, "the bridge", net, err);
	r = find_bridge(net, &link, err);
	if (r == 0)
		r = jl__fail(err, -EAGAIN, "the device %s vanished while it was made",
			     net->device);
	return r < 0 ? r : 0;
}

static int open_bridge(jl_net *net, jl_error **err)
{
	struct jl__buf buf = JL__BUF_INIT(4096);
	char alias[64];
	int r;

	put_alias(net, alias);
	jl__nl_address_new(&buf, net->index, jl__net_gateway(net), net->prefix, true,
			   NULL);
	if (net->ipv6)
		jl__nl_no_ipv6(&buf, net->index, NULL);
	jl__nl_link_up(&buf, net->index, alias, NULL);
	r = jl__nl_send(net->route, &buf);
	jl__buf_done(&buf);
	return r < 0 ? kernel_failed(r, "the bridge", net, err) : 0;
}

/* ---- the rules ---- */

struct members {
	const jl_net *net;
	struct jl__buf *batch;
};

/*
 * What a job may reach is not written down: after somebody has flushed the rules it is
 * nothing.
 */
static int add_member(uint32_t index, uint32_t word, const struct lease *lease,
		      void *data)
{
	const struct members *members = data;
	struct jl__nft_member member = { .address = jl__net_address_of(members->net,
								       index) };

	(void)word;
	memcpy(member.device, lease->device, sizeof(member.device));
	jl__net_mac(member.address, member.mac);
	if (lease->flags & LEASE_RESTRICTED)
		jl__nft_restricted(members->batch, member.address, false);
	jl__nft_member(members->batch, &member, &members->net->share, false);
	return members->batch->failed;
}

static int add_network(const jl_net *self, int root, const char *name,
		       struct jl__buf *batch)
{
	_cleanup_close_ int folder =
		openat(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int leases = -EBADF;
	struct leases_head head;
	jl_net net = { .refs = 1 };
	struct members members = { &net, batch };

	/* Half made ones get theirs when they are repaired. */
	if (strcmp(name, self->name) == 0 || folder < 0 ||
	    jl__leases_open(folder, &leases, &head) < 0 || head.state != LEASES_READY)
		return 0;
	net.address = head.address;
	net.prefix = head.prefix;
	net.share = self->share;
	if (strcmp(name, "isolated") != 0)
		jl__nft_pair(batch, head.device, false);
	return jl__leases_each(leases, 0, UINT32_MAX, add_member, &members, NULL);
}

static uint32_t at_most(uint32_t most, uint32_t wanted)
{
	return wanted < most ? wanted : most;
}

/*
 * What no ordinary job comes near, or a part of the table where that is less. What has
 * been closed stays in it for up to two minutes and is not among the open ones: there
 * the rate is what counts, and two minutes of it are three eighths of the table. The
 * kernel looks through the open ones of a job when it opens another, and clears away
 * what is closed no faster than 8 each tick: these are numbers it keeps up with.
 */
int jl__net_know_share(jl_net *net, jl_error **err)
{
	uint32_t all;
	int r;

	if (net->share.most)
		return 0;
	r = jl__flows_max(net->netfilter, &all);
	if (r == -EOPNOTSUPP)
		return jl__fail(
			err, r,
			"cannot make the rules of network \"%s\": this kernel does not tell about its connections (CONFIG_NF_CT_NETLINK); use the network none",
			net->name);
	if (r < 0)
		return kernel_failed(r, "the rules", net, err);
	net->share.most = at_most(4096, all / 16 + 1);
	net->share.burst = at_most(2048, all / 32 + 1);
	net->share.rate = at_most(800, all / 320 + 1);
	return 0;
}

int jl__net_rules(jl_net *net, int root, jl_error **err)
{
	struct jl__buf batch = { .max = BATCH_MAX };
	struct members members = { net, &batch };
	char **names = NULL;
	uint32_t count = 0;
	int r;

	r = jl__net_know_share(net, err);
	if (r < 0)
		return r;
	r = jl__net_names(root, &names, &count, err);
	if (r < 0)
		return r;
	jl__nft_begin(&batch);
	jl__nft_tables_new(&batch);
	for (uint32_t i = 0; i < count && r == 0; i++)
		r = add_network(net, root, names[i], &batch);
	if (!net->isolated)
		jl__nft_pair(&batch, net->device, false);
	if (r == 0)
		r = jl__leases_each(net->leases, 0, UINT32_MAX, add_member, &members,
				    NULL);
	jl__nft_end(&batch);
	if (r == 0)
		r = jl__nl_send(net->netfilter, &batch);
	jl__buf_done(&batch);
	jl__net_names_free(names, count);
	return r < 0 ? kernel_failed(r, "the rules", net, err) : 0;
}

int jl__net_allowed(const jl_net *net, jl_error **err)
{
	int r = jl__nft_present(net->netfilter);

	return r < 0 ? kernel_failed(r, "the rules", net, err) : 0;
}

static int raise_rules(jl_net *net, int root, jl_error **err)
{
	struct jl__buf batch = JL__BUF_INIT(4096);
	int r = jl__nft_present(net->netfilter);

	if (r < 0)
		return kernel_failed(r, "the rules", net, err);
	if (r == 0)
		return jl__net_rules(net, root, err);
	if (net->isolated)
		return 0;
	jl__nft_begin(&batch);
	jl__nft_pair(&batch, net->device, false);
	jl__nft_end(&batch);
	r = jl__nl_send(net->netfilter, &batch);
	jl__buf_done(&batch);
	return r < 0 ? kernel_failed(r, "the rules", net, err) : 0;
}

/* Rules first: at no moment is there a network without them. */
int jl__net_raise(jl_net *net, int root, jl_error **err)
{
	int r = raise_rules(net, root, err);

	if (r == 0)
		r = make_bridge(net, err);
	if (r == 0)
		r = settings(net, err);
	if (r == 0)
		r = forwarding(net, err);
	return r < 0 ? r : open_bridge(net, err);
}

int jl__net_stands(jl_net *net, jl_error **err)
{
	struct jl__nl_link link;
	int r = find_bridge(net, &link, err);

	if (r <= 0)
		return r;
	if (!link.up || !link.alias[0])
		return 0;
	r = jl__nft_present(net->netfilter);
	return r < 0 ? kernel_failed(r, "the rules", net, err) : r;
}

/* ---- and its end ---- */

static int del_member(uint32_t index, uint32_t word, const struct lease *lease,
		      void *data)
{
	const struct members *members = data;

	(void)word;
	(void)lease;
	return jl__nft_stale(members->net->netfilter,
			     jl__net_address_of(members->net, index), members->batch);
}

int jl__net_raze(jl_net *net, jl_error **err)
{
	struct jl__buf batch = { .max = BATCH_MAX }, buf = JL__BUF_INIT(4096);
	struct members members = { net, &batch };
	struct jl__nl_link link;
	int r;

	jl__nft_begin(&batch);
	jl__nft_pair(&batch, net->device, true);
	/* Places nobody has claimed: their elements and no job. */
	r = net->leases < 0 ? 0
			    : jl__leases_each(net->leases, 0, UINT32_MAX, del_member,
					      &members, NULL);
	jl__nft_end(&batch);
	if (r == 0)
		r = batch.failed;
	if (r == 0)
		r = jl__wire_remove(net->netfilter, batch.data, (uint32_t)batch.len);
	jl__buf_done(&batch);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot remove the rules of network \"%s\"",
				      net->name);
	r = jl__nl_link_get(net->route, net->device, &link);
	if (r == 0 && is_ours(net, &link)) {
		jl__nl_link_del(&buf, link.index);
		r = jl__nl_send(net->route, &buf);
		jl__buf_done(&buf);
	}
	if (r < 0 && r != -ENODEV)
		return jl__fail_errno(err, r,
				      "cannot remove the device %s of network \"%s\"",
				      net->device, net->name);
	return 0;
}

int jl__net_raze_rules(int netfilter)
{
	struct jl__buf batch = JL__BUF_INIT(4096);
	int r;

	jl__nft_begin(&batch);
	jl__nft_tables_del(&batch);
	jl__nft_end(&batch);
	r = batch.failed;
	if (r == 0)
		r = jl__wire_remove(netfilter, batch.data, (uint32_t)batch.len);
	jl__buf_done(&batch);
	return r;
}
