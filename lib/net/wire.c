/* SPDX-License-Identifier: MIT */
/* One place as messages: how to get there, and how to leave. Pure. */
#define JL_MODULE "net"

#include <errno.h>
#include <string.h>

#include "net/net-priv.h"
#include "netlink/netlink.h"

/* Counts from the start of the wire, where the parts' own offsets do too. */
static void add_slot(uint32_t *slots, uint32_t count, uint32_t at)
{
	for (uint32_t i = 0; i < count; i++)
		if (!slots[i]) {
			slots[i] = at;
			return;
		}
}

static void begin(struct jl__wire_part *part, const struct jl__buf *buf)
{
	part->offset = (uint32_t)buf->len;
}

static void end(struct jl__wire_part *part, const struct jl__buf *buf)
{
	part->size = (uint32_t)buf->len - part->offset;
}

static void put_host_side(const struct wire_plan *plan, struct jl__wire *wire,
			  struct jl__buf *buf)
{
	uint8_t mac[6];
	uint32_t at;
	struct jl__nl_veth veth = {
		.name = plan->device,
		.group = JL__NFT_PORTS,
		.master = plan->net->index,
		.peer = JL__WIRE_DEVICE,
		.peer_mac = mac,
	};

	jl__net_mac(plan->address, mac);
	begin(&wire->pair, buf);
	jl__nl_veth_new(buf, &veth, &wire->netns_at);
	end(&wire->pair, buf);
	begin(&wire->port, buf);
	jl__nl_port_set(buf, &at);
	add_slot(wire->index_at, 8, at);
	jl__nl_fdb_new(buf, mac, &at);
	add_slot(wire->index_at, 8, at);
	if (plan->bps) {
		jl__nl_rate_new(buf, plan->bps, &at);
		add_slot(wire->index_at, 8, at);
	}
	jl__nl_neighbour_new(buf, plan->net->index, plan->address, mac, NULL);
	jl__nl_link_up(buf, 0, NULL, &at);
	add_slot(wire->index_at, 8, at);
	end(&wire->port, buf);
}

/*
 * Everything goes to the gateway, other addresses of the subnet too, and where that is
 * need not be asked: so no job's traffic begins with a question to all others.
 */
static void put_inside(const struct wire_plan *plan, struct jl__wire *wire,
		       struct jl__buf *buf)
{
	uint32_t gateway = jl__net_gateway(plan->net), at;
	uint8_t mac[6];

	jl__net_mac(gateway, mac);
	begin(&wire->inside, buf);
	jl__nl_link_up(buf, 1, NULL, NULL);
	jl__nl_address_new(buf, 0, plan->address, plan->net->prefix, false, &at);
	add_slot(wire->inside_at, 8, at);
	if (plan->bps) {
		jl__nl_rate_new(buf, plan->bps, &at);
		add_slot(wire->inside_at, 8, at);
	}
	if (plan->net->ipv6) {
		jl__nl_no_ipv6(buf, 0, &at);
		add_slot(wire->inside_at, 8, at);
	}
	jl__nl_link_up(buf, 0, NULL, &at);
	add_slot(wire->inside_at, 8, at);
	jl__nl_neighbour_new(buf, 0, gateway, mac, &at);
	add_slot(wire->inside_at, 8, at);
	jl__nl_route_new(buf, gateway, 32, 0, &at);
	add_slot(wire->inside_at, 8, at);
	jl__nl_route_new(buf, 0, 0, gateway, &at);
	add_slot(wire->inside_at, 8, at);
	end(&wire->inside, buf);
}

static void put_leaving(const struct wire_plan *plan, struct jl__wire *wire,
			struct jl__buf *buf)
{
	begin(&wire->leave, buf);
	jl__nft_begin(buf);
	jl__net_elements(plan, buf, ELEMENTS_MEMBER | ELEMENTS_POLICY, true);
	jl__nft_end(buf);
	end(&wire->leave, buf);
	begin(&wire->forget, buf);
	jl__nl_neighbour_del(buf, plan->net->index, plan->address);
	end(&wire->forget, buf);
}

/* What forbids comes before what makes possible, and goes after it. */
void jl__net_elements(const struct wire_plan *plan, struct jl__buf *batch, uint32_t which,
		      bool del)
{
	struct jl__nft_member member = { .address = plan->address };
	bool policy = which & ELEMENTS_POLICY;

	memcpy(member.device, plan->device, strlen(plan->device));
	jl__net_mac(plan->address, member.mac);
	if (!del && policy && plan->restricted)
		jl__nft_restricted(batch, plan->address, false);
	if (which & ELEMENTS_MEMBER)
		jl__nft_member(batch, &member, &plan->net->share, del);
	if (policy) {
		jl__nft_allow(batch, plan->address, plan->allow, plan->allow_count, del);
		jl__nft_publish(batch, plan->address, plan->publish, plan->publish_count,
				del);
	}
	if (del && policy && plan->restricted)
		jl__nft_restricted(batch, plan->address, true);
}

int jl__net_wire(const struct wire_plan *plan, struct jl__wire *ret, size_t size)
{
	struct jl__buf buf = { .max = size };
	struct jl__wire wire = { .number = plan->number,
				 .address = plan->address,
				 .flows = plan->publish_count != 0 };
	int r;

	if (strlen(plan->net->folder) >= sizeof(wire.folder))
		return -ENAMETOOLONG;
	memcpy(wire.folder, plan->net->folder, strlen(plan->net->folder));
	memcpy(wire.device, plan->device, strlen(plan->device));
	wire.lease_at = WORDS_AT + plan->index * 4u;
	wire.name_at = plan->line ? jl__shown_line_at(plan->line) : 0;
	(void)jl__buf_add(&buf, &wire, sizeof(wire));
	put_host_side(plan, &wire, &buf);
	put_inside(plan, &wire, &buf);
	put_leaving(plan, &wire, &buf);
	r = buf.failed;
	if (r == 0) {
		wire.size = (uint32_t)buf.len;
		memcpy(buf.data, &wire, sizeof(wire));
		memcpy(ret, buf.data, buf.len);
	}
	jl__buf_done(&buf);
	return r;
}
