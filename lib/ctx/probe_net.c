/* SPDX-License-Identifier: MIT */
/*
 * What networks of jobs need of the kernel, tried in a network namespace that is gone
 * afterwards.
 */
#define JL_MODULE "probe"
#include "ctx/probe.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "ctx/ctx.h"
#include "sys/sys.h"
#include "sys/wire.h"

struct attribute {
	struct nlattr head;
	char text[12];
};

/* Made before, sent by a child that does nothing but system calls. */
struct question {
	int protocol;
	uint32_t size;
	const void *messages;
};

static int ask(void *arg)
{
	const struct question *question = arg;
	int fd = jl__wire_socket(question->protocol), r;

	if (fd < 0)
		return fd;
	r = jl__wire_talk(fd, question->messages, question->size);
	(void)jl__sys_close(fd);
	return r;
}

static int try_in_new_net(int protocol, const void *messages, size_t size)
{
	struct question question = { protocol, (uint32_t)size, messages };

	return jl__trial(CLONE_NEWNET, ask, &question);
}

static void set_text(struct attribute *attr, uint16_t type, const char *text)
{
	size_t len = strlen(text) + 1;

	attr->head.nla_type = type;
	attr->head.nla_len = (uint16_t)(sizeof(attr->head) + len);
	memset(attr->text, 0, sizeof(attr->text));
	memcpy(attr->text, text, len);
}

/* A device of a kind. */
static int try_link(const char *kind)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
		struct nlattr info;
		struct attribute kind;
	} message = {
		.head = { .nlmsg_len = sizeof(message),
			  .nlmsg_type = RTM_NEWLINK,
			  .nlmsg_flags =
				  NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
		.info = { .nla_len = sizeof(message.info) + sizeof(message.kind),
			  .nla_type = IFLA_LINKINFO },
	};

	set_text(&message.kind, IFLA_INFO_KIND, kind);
	/* Without the padding, which would be taken for another attribute. */
	message.head.nlmsg_len = (uint32_t)(offsetof(__typeof__(message), kind) +
					    NLA_ALIGN(message.kind.head.nla_len));
	message.info.nla_len =
		(uint16_t)(sizeof(message.info) + NLA_ALIGN(message.kind.head.nla_len));
	return try_in_new_net(JL__WIRE_ROUTE, &message, message.head.nlmsg_len);
}

/* A queue of a kind on loopback. Without its options the kind itself refuses it. */
static int try_queue(const char *kind)
{
	struct {
		struct nlmsghdr head;
		struct tcmsg queue;
		struct attribute kind;
	} message = {
		.head = { .nlmsg_type = RTM_NEWQDISC,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE },
		.queue = { .tcm_ifindex = 1, .tcm_parent = TC_H_ROOT },
	};
	int r;

	set_text(&message.kind, TCA_KIND, kind);
	message.head.nlmsg_len = (uint32_t)(offsetof(__typeof__(message), kind) +
					    NLA_ALIGN(message.kind.head.nla_len));
	r = try_in_new_net(JL__WIRE_ROUTE, &message, message.head.nlmsg_len);
	return r == -EINVAL ? 0 : r;
}

struct table {
	struct nlmsghdr head;
	struct nfgenmsg family;
	struct nlattr name;
	char text[8];
};

static void set_table(struct table *table, uint8_t family)
{
	*table = (struct table){
		.head = { .nlmsg_len = sizeof(*table),
			  .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE },
		.family = { .nfgen_family = family },
		.name = { sizeof(struct nlattr) + 7, NFTA_TABLE_NAME },
		.text = "joblet",
	};
}

static int try_tables(void)
{
	struct {
		struct nlmsghdr begin;
		struct nfgenmsg begin_family;
		struct table inet, bridge;
		struct nlmsghdr end;
		struct nfgenmsg end_family;
	} batch = {
		.begin = { .nlmsg_len = sizeof(batch.begin) + sizeof(batch.begin_family),
			   .nlmsg_type = NFNL_MSG_BATCH_BEGIN,
			   .nlmsg_flags = NLM_F_REQUEST },
		.begin_family.res_id = __builtin_bswap16(NFNL_SUBSYS_NFTABLES),
		.end = { .nlmsg_len = sizeof(batch.end) + sizeof(batch.end_family),
			 .nlmsg_type = NFNL_MSG_BATCH_END,
			 .nlmsg_flags = NLM_F_REQUEST },
		.end_family.res_id = __builtin_bswap16(NFNL_SUBSYS_NFTABLES),
	};

	set_table(&batch.inet, NFPROTO_INET);
	set_table(&batch.bridge, NFPROTO_BRIDGE);
	return try_in_new_net(JL__WIRE_NETFILTER, &batch, sizeof(batch));
}

/* What is in the table of connections: of a new network nothing, if anybody answers. */
static int try_connections(void)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg family;
	} message = {
		.head = { .nlmsg_len = sizeof(message),
			  .nlmsg_type =
				  NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS,
			  .nlmsg_flags = NLM_F_REQUEST },
	};
	int r = try_in_new_net(JL__WIRE_NETFILTER, &message, sizeof(message));

	return r == -EINVAL ? -EOPNOTSUPP : r;
}

static int add_part(jl_probe *probe, const char *name, int r, const char *meaning)
{
	if (r < 0)
		return jl__probe_add(probe, name, JL_PROBE_MISSING, meaning, "%s",
				     jl__errno_text(r));
	return jl__probe_add(probe, name, JL_PROBE_OK, NULL, "works");
}

int jl__probe_networks(jl_probe *probe)
{
	int veth, bridge, tables, connections;

	if (!jl__ctx_privileged())
		return jl__probe_add(
			probe, "net.networks", JL_PROBE_MISSING,
			"Jobs of this user have --network=none or host. Networks "
			"with addresses are made by root.",
			"need root");
	veth = try_link("veth");
	bridge = try_link("bridge");
	tables = try_tables();
	connections = try_connections();
	if (add_part(probe, "net.veth", veth,
		     "No job can be connected to a network. The kernel needs CONFIG_VETH "
		     "(module veth).") < 0 ||
	    add_part(probe, "net.bridge", bridge,
		     "No network can be made. The kernel needs CONFIG_BRIDGE (module "
		     "bridge).") < 0 ||
	    add_part(
		    probe, "net.nftables", tables,
		    "No network can be made: nothing would keep its jobs apart. The kernel "
		    "needs CONFIG_NF_TABLES with CONFIG_NF_TABLES_INET and "
		    "CONFIG_NF_TABLES_BRIDGE.") < 0 ||
	    add_part(
		    probe, "net.connections", connections,
		    "No network can be made: a job could go on with the connections of an "
		    "earlier one. The kernel needs CONFIG_NF_CT_NETLINK (module "
		    "nf_conntrack_netlink).") < 0 ||
	    add_part(probe, "net.rate", try_queue("tbf"),
		     "Jobs with --max-net-bps are refused. The kernel needs "
		     "CONFIG_NET_SCH_TBF (module sch_tbf).") < 0)
		return -ENOMEM;
	if (veth < 0 || bridge < 0 || tables < 0 || connections < 0)
		return jl__probe_add(probe, "net.networks", JL_PROBE_MISSING,
				     "Jobs have --network=none or host.",
				     "cannot be made");
	return jl__probe_add(probe, "net.networks", JL_PROBE_OK, NULL,
			     "isolated, bridge, and those that are created");
}
