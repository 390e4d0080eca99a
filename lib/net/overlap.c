/* SPDX-License-Identifier: MIT */
/* Whether a subnet is free: of other networks, of this machine's addresses and routes. */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net-priv.h"
#include "netlink/netlink.h"

struct search {
	struct subnet subnet;
	uint32_t own; /* our bridge, when it is there already; 0 */
	bool found;
	struct jl__nl_net with;
};

static int on_net(const struct jl__nl_net *net, void *data)
{
	struct search *search = data;
	struct subnet other = { net->address, net->prefix };

	/* Half of all addresses and more: that is where the outside is. */
	if (search->found || net->prefix < 8 ||
	    (search->own && net->index == search->own))
		return 0;
	if (jl__net_overlap(search->subnet, other)) {
		search->found = true;
		search->with = *net;
	}
	return 0;
}

static bool on_resolver(uint32_t address, void *data)
{
	struct search *search = data;

	if (!jl__net_overlap(search->subnet, (struct subnet){ address, 32 }))
		return true;
	search->found = true;
	search->with = (struct jl__nl_net){ address, 32, 0 };
	return false;
}

/* The route to them may be the one to everywhere, which the network's own would hide. */
static int with_resolvers(const jl_net *net, jl_error **err)
{
	struct search search = { .subnet = { net->address, net->prefix } };
	char address[16];

	jl__shown_each_resolver(on_resolver, &search);
	if (!search.found)
		return 0;
	jl__net_put_address(address, search.with.address);
	return jl__fail(
		err, -EADDRINUSE,
		"the subnet %s of network \"%s\" overlaps with the resolver %s of this machine; choose another",
		net->cidr, net->name, address);
}

static int with_machine(const jl_net *net, jl_error **err)
{
	struct search search = { .subnet = { net->address, net->prefix },
				 .own = net->index };
	char cidr[20], device[16];
	const char *what = "the address";
	int r;

	r = jl__nl_addresses(net->route, on_net, &search);
	if (r == 0 && !search.found) {
		what = "the route to";
		r = jl__nl_routes(net->route, on_net, &search);
	}
	if (r < 0)
		return jl__fail_errno(err, r, "cannot list addresses and routes");
	if (!search.found)
		return 0;
	jl__net_put_cidr(cidr, search.with.address, search.with.prefix);
	jl__nl_link_name(net->route, search.with.index, device);
	return jl__fail(
		err, -EADDRINUSE,
		"the subnet %s of network \"%s\" overlaps with %s %s on %s; choose another",
		net->cidr, net->name, what, cidr, device);
}

static int with_network(const jl_net *net, const char *name, struct subnet other,
			jl_error **err)
{
	struct subnet own = { net->address, net->prefix };
	char cidr[20];

	if (strcmp(name, net->name) == 0 || !jl__net_overlap(own, other))
		return 0;
	jl__net_put_cidr(cidr, other.address, other.prefix);
	return jl__fail(
		err, -EADDRINUSE,
		"the subnet %s of network \"%s\" overlaps with network \"%s\", which is %s; choose another",
		net->cidr, net->name, name, cidr);
}

static int with_networks(const jl_net *net, int root, jl_error **err)
{
	char **names = NULL;
	uint32_t count = 0;
	int r = jl__net_names(root, &names, &count, err);

	for (uint32_t i = 0; i < count && r == 0; i++) {
		_cleanup_close_ int folder = openat(
			root, names[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		_cleanup_close_ int leases = -EBADF;
		struct leases_head head;

		if (folder < 0 || jl__leases_open(folder, &leases, &head) < 0)
			continue;
		r = with_network(net, names[i],
				 (struct subnet){ head.address, head.prefix }, err);
	}
	jl__net_names_free(names, count);
	return r;
}

int jl__net_check_free(const jl_net *net, int root, jl_error **err)
{
	/* Which has its subnet before it is first used. */
	int r = with_network(net, "bridge",
			     (struct subnet){ JL__NET_BRIDGE, JL__NET_BRIDGE_PREFIX },
			     err);

	if (r == 0)
		r = with_networks(net, root, err);
	if (r == 0)
		r = with_resolvers(net, err);
	return r < 0 ? r : with_machine(net, err);
}
