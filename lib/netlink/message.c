/* SPDX-License-Identifier: MIT */
#include "netlink/netlink.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

/* Every message here fits; the longest is that of a bridge, with some 250 bytes. */
struct draft {
	union {
		struct nlmsghdr head;
		char bytes[1024];
	};
};

#define CREATE (NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE)

static void *start(struct draft *draft, uint16_t type, uint16_t flags, size_t head)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(draft->bytes);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return mnl_nlmsg_put_extra_header(nlh, head);
}

/* Appends; a field of the draft gets its place in the buffer written down. */
static void finish(struct jl__buf *buf, const struct draft *draft, const void *field,
		   uint32_t *ret_at)
{
	if (ret_at)
		*ret_at = (uint32_t)(buf->len +
				     (size_t)((const char *)field - draft->bytes));
	(void)jl__buf_add(buf, draft->bytes, draft->head.nlmsg_len);
}

void jl__nl_bridge_new(struct jl__buf *buf, const char *name, const uint8_t mac[6],
		       uint32_t group)
{
	struct draft draft;
	struct nlattr *info, *data;

	(void)start(&draft, RTM_NEWLINK, CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&draft.head, IFLA_IFNAME, name);
	mnl_attr_put(&draft.head, IFLA_ADDRESS, 6, mac);
	mnl_attr_put_u32(&draft.head, IFLA_GROUP, group);
	info = mnl_attr_nest_start(&draft.head, IFLA_LINKINFO);
	mnl_attr_put_strz(&draft.head, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(&draft.head, IFLA_INFO_DATA);
	mnl_attr_put_u32(&draft.head, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u8(&draft.head, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_nest_end(&draft.head, data);
	mnl_attr_nest_end(&draft.head, info);
	finish(buf, &draft, NULL, NULL);
}

/* A message of its own: of one that says "up" too, the kernel reads that first. */
void jl__nl_no_ipv6(struct jl__buf *buf, uint32_t index, uint32_t *ret_index_at)
{
	struct draft draft;
	struct ifinfomsg *link =
		start(&draft, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sizeof(*link));
	struct nlattr *families = mnl_attr_nest_start(&draft.head, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(&draft.head, AF_INET6);

	link->ifi_index = (int)index;
	mnl_attr_put_u8(&draft.head, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(&draft.head, inet6);
	mnl_attr_nest_end(&draft.head, families);
	finish(buf, &draft, &link->ifi_index, ret_index_at);
}

void jl__nl_link_up(struct jl__buf *buf, uint32_t index, const char *alias,
		    uint32_t *ret_index_at)
{
	struct draft draft;
	struct ifinfomsg *link =
		start(&draft, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sizeof(*link));

	link->ifi_index = (int)index;
	link->ifi_flags = link->ifi_change = IFF_UP;
	if (alias)
		mnl_attr_put_strz(&draft.head, IFLA_IFALIAS, alias);
	finish(buf, &draft, &link->ifi_index, ret_index_at);
}

void jl__nl_link_del(struct jl__buf *buf, uint32_t index)
{
	struct draft draft;
	struct ifinfomsg *link =
		start(&draft, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, sizeof(*link));

	link->ifi_index = (int)index;
	finish(buf, &draft, NULL, NULL);
}

/*
 * Everything in one message, which is what makes it cheap. No end is up yet. Without ARP
 * on ours: link-local multicast passes the bridge by, and would ask the host for its other
 * addresses.
 */
void jl__nl_veth_new(struct jl__buf *buf, const struct jl__nl_veth *veth,
		     uint32_t *ret_netns_at)
{
	struct draft draft;
	struct ifinfomsg *link =
		start(&draft, RTM_NEWLINK, CREATE | NLM_F_EXCL, sizeof(*link));
	struct nlattr *info, *data, *peer;
	void *netns;

	link->ifi_flags = link->ifi_change = IFF_NOARP;
	mnl_attr_put_strz(&draft.head, IFLA_IFNAME, veth->name);
	mnl_attr_put_u32(&draft.head, IFLA_GROUP, veth->group);
	mnl_attr_put_u32(&draft.head, IFLA_MASTER, veth->master);
	info = mnl_attr_nest_start(&draft.head, IFLA_LINKINFO);
	mnl_attr_put_strz(&draft.head, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(&draft.head, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(&draft.head, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(&draft.head, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(&draft.head, IFLA_IFNAME, veth->peer);
	mnl_attr_put(&draft.head, IFLA_ADDRESS, 6, veth->peer_mac);
	mnl_attr_put_u32(&draft.head, IFLA_NET_NS_FD, 0);
	netns = (char *)mnl_nlmsg_get_payload_tail(&draft.head) - sizeof(uint32_t);
	mnl_attr_nest_end(&draft.head, peer);
	mnl_attr_nest_end(&draft.head, data);
	mnl_attr_nest_end(&draft.head, info);
	finish(buf, &draft, netns, ret_netns_at);
}

void jl__nl_port_set(struct jl__buf *buf, uint32_t *ret_index_at)
{
	static const struct {
		uint16_t type;
		uint8_t value;
	} settings[] = {
		{ IFLA_BRPORT_ISOLATED, 1 },	  { IFLA_BRPORT_LEARNING, 0 },
		{ IFLA_BRPORT_UNICAST_FLOOD, 0 }, { IFLA_BRPORT_MCAST_FLOOD, 0 },
		{ IFLA_BRPORT_BCAST_FLOOD, 0 },	  { IFLA_BRPORT_GUARD, 1 },
		{ IFLA_BRPORT_PROTECT, 1 },
	};
	struct draft draft;
	struct ifinfomsg *link =
		start(&draft, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, sizeof(*link));
	struct nlattr *port;

	link->ifi_family = AF_BRIDGE;
	port = mnl_attr_nest_start(&draft.head, IFLA_PROTINFO);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		mnl_attr_put_u8(&draft.head, settings[i].type, settings[i].value);
	mnl_attr_nest_end(&draft.head, port);
	finish(buf, &draft, &link->ifi_index, ret_index_at);
}

/* Replaces: the port of an earlier job with the same address may not be gone yet. */
void jl__nl_fdb_new(struct jl__buf *buf, const uint8_t mac[6], uint32_t *ret_index_at)
{
	struct draft draft;
	struct ndmsg *entry =
		start(&draft, RTM_NEWNEIGH, CREATE | NLM_F_REPLACE, sizeof(*entry));

	entry->ndm_family = AF_BRIDGE;
	entry->ndm_state = NUD_NOARP; /* static, and not one of the host's own */
	entry->ndm_flags = NTF_MASTER;
	mnl_attr_put(&draft.head, NDA_LLADDR, 6, mac);
	finish(buf, &draft, &entry->ndm_ifindex, ret_index_at);
}

void jl__nl_address_new(struct jl__buf *buf, uint32_t index, uint32_t address,
			uint32_t prefix, bool prefix_route, uint32_t *ret_index_at)
{
	uint32_t mask = prefix ? ~0u << (32 - prefix) : 0;
	struct draft draft;
	struct ifaddrmsg *info =
		start(&draft, RTM_NEWADDR, CREATE | NLM_F_REPLACE, sizeof(*info));

	info->ifa_family = AF_INET;
	info->ifa_prefixlen = (uint8_t)prefix;
	info->ifa_index = index;
	mnl_attr_put_u32(&draft.head, IFA_LOCAL, htonl(address));
	mnl_attr_put_u32(&draft.head, IFA_ADDRESS, htonl(address));
	mnl_attr_put_u32(&draft.head, IFA_BROADCAST, htonl(address | ~mask));
	if (!prefix_route)
		mnl_attr_put_u32(&draft.head, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
	finish(buf, &draft, &info->ifa_index, ret_index_at);
}

void jl__nl_neighbour_new(struct jl__buf *buf, uint32_t index, uint32_t address,
			  const uint8_t mac[6], uint32_t *ret_index_at)
{
	struct draft draft;
	struct ndmsg *entry =
		start(&draft, RTM_NEWNEIGH, CREATE | NLM_F_REPLACE, sizeof(*entry));

	entry->ndm_family = AF_INET;
	entry->ndm_ifindex = (int)index;
	entry->ndm_state = NUD_PERMANENT;
	mnl_attr_put_u32(&draft.head, NDA_DST, htonl(address));
	mnl_attr_put(&draft.head, NDA_LLADDR, 6, mac);
	finish(buf, &draft, &entry->ndm_ifindex, ret_index_at);
}

void jl__nl_neighbour_del(struct jl__buf *buf, uint32_t index, uint32_t address)
{
	struct draft draft;
	struct ndmsg *entry =
		start(&draft, RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK, sizeof(*entry));

	entry->ndm_family = AF_INET;
	entry->ndm_ifindex = (int)index;
	mnl_attr_put_u32(&draft.head, NDA_DST, htonl(address));
	finish(buf, &draft, NULL, NULL);
}

void jl__nl_route_new(struct jl__buf *buf, uint32_t address, uint32_t prefix,
		      uint32_t gateway, uint32_t *ret_index_at)
{
	struct draft draft;
	struct rtmsg *route = start(&draft, RTM_NEWROUTE, CREATE, sizeof(*route));
	void *index;

	route->rtm_family = AF_INET;
	route->rtm_dst_len = (uint8_t)prefix;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_protocol = RTPROT_STATIC;
	route->rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	route->rtm_type = RTN_UNICAST;
	if (prefix)
		mnl_attr_put_u32(&draft.head, RTA_DST, htonl(address));
	if (gateway)
		mnl_attr_put_u32(&draft.head, RTA_GATEWAY, htonl(gateway));
	mnl_attr_put_u32(&draft.head, RTA_OIF, 0);
	index = (char *)mnl_nlmsg_get_payload_tail(&draft.head) - sizeof(uint32_t);
	finish(buf, &draft, index, ret_index_at);
}

/* Packets of 64 KiB are what segmentation offload makes; the queue holds 200 ms more. */
#define BURST_MIN 65536u

static uint32_t to_32(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

void jl__nl_rate_new(struct jl__buf *buf, uint64_t bps, uint32_t *ret_index_at)
{
	uint32_t burst = to_32(bps / 50 > BURST_MIN ? bps / 50 : BURST_MIN);
	struct tc_tbf_qopt rate = {
		.rate = { .rate = to_32(bps), .linklayer = TC_LINKLAYER_ETHERNET },
		.limit = to_32(bps / 5 + 2 * (uint64_t)burst),
	};
	struct draft draft;
	struct tcmsg *info =
		start(&draft, RTM_NEWQDISC, CREATE | NLM_F_REPLACE, sizeof(*info));
	struct nlattr *options;

	info->tcm_parent = TC_H_ROOT;
	info->tcm_handle = 1u << 16;
	mnl_attr_put_strz(&draft.head, TCA_KIND, "tbf");
	options = mnl_attr_nest_start(&draft.head, TCA_OPTIONS);
	mnl_attr_put(&draft.head, TCA_TBF_PARMS, sizeof(rate), &rate);
	mnl_attr_put_u32(&draft.head, TCA_TBF_BURST, burst);
	if (bps > UINT32_MAX)
		mnl_attr_put_u64(&draft.head, TCA_TBF_RATE64, bps);
	mnl_attr_nest_end(&draft.head, options);
	finish(buf, &draft, &info->tcm_ifindex, ret_index_at);
}
