/* SPDX-License-Identifier: MIT */
/* Changing the network of a job, and sending as somebody else. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
		char room[256];
	} body;
};

/* Sends one request and returns 0 or -1 with the kernel's error. */
static long route_request(struct request *r)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		char rest[1024];
	} answer = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct timeval limit = { 2, 0 };
	ssize_t n;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	r->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	n = sendto(fd, r, r->head.nlmsg_len, 0, (struct sockaddr *)&kernel,
		   sizeof(kernel));
	if (n >= 0)
		n = recv(fd, &answer, sizeof(answer), 0);
	(void)close(fd);
	if (n < 0)
		return -1;
	if (answer.head.nlmsg_type == NLMSG_ERROR && answer.err.error < 0) {
		errno = -answer.err.error;
		return -1;
	}
	return 0;
}

static void attribute(struct request *r, unsigned short type, const void *data,
		      size_t len)
{
	struct rtattr *a =
		(struct rtattr *)(void *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len =
		NLMSG_ALIGN(r->head.nlmsg_len) + (uint32_t)RTA_ALIGN(a->rta_len);
}

static void configure(void)
{
	static const char *const kinds[] = { "dummy", "veth",	 "bridge",
					     "vlan",  "macvlan", "tun",
					     "vxlan", "ipip",	 "wireguard" };
	struct in_addr ip = { htonl(0x7f00007b) };
	int lo = (int)if_nametoindex("lo");
	struct ifreq req = { .ifr_name = "lo" };
	int fd;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct request r = { .head = { .nlmsg_type = RTM_NEWLINK,
					       .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
					       .nlmsg_len = NLMSG_LENGTH(
						       sizeof(r.body.link)) } };
		char nested[64] = { 0 };
		struct rtattr *kind = (struct rtattr *)(void *)nested;
		char what[64];

		kind->rta_type = 1; /* IFLA_INFO_KIND */
		kind->rta_len = (unsigned short)RTA_LENGTH(strlen(kinds[i]));
		memcpy(RTA_DATA(kind), kinds[i], strlen(kinds[i]));
		attribute(&r, 18 /* IFLA_LINKINFO */, nested, RTA_ALIGN(kind->rta_len));
		(void)snprintf(what, sizeof(what), "a new %s interface", kinds[i]);
		must_refuse(what, outcome_of(route_request(&r)));
	}
	{
		struct request r = { .head = { .nlmsg_type = RTM_NEWADDR,
					       .nlmsg_flags = NLM_F_CREATE,
					       .nlmsg_len = NLMSG_LENGTH(
						       sizeof(r.body.addr)) } };

		r.body.addr = (struct ifaddrmsg){ .ifa_family = AF_INET,
						  .ifa_prefixlen = 8,
						  .ifa_index = (unsigned int)lo };
		attribute(&r, IFA_LOCAL, &ip, sizeof(ip));
		must_refuse("a new address", outcome_of(route_request(&r)));
	}
	{
		struct request r = { .head = { .nlmsg_type = RTM_NEWROUTE,
					       .nlmsg_flags = NLM_F_CREATE,
					       .nlmsg_len = NLMSG_LENGTH(
						       sizeof(r.body.route)) } };

		r.body.route = (struct rtmsg){ .rtm_family = AF_INET,
					       .rtm_table = RT_TABLE_MAIN,
					       .rtm_protocol = RTPROT_BOOT,
					       .rtm_type = RTN_UNICAST,
					       .rtm_scope = RT_SCOPE_LINK };
		attribute(&r, RTA_OIF, &lo, sizeof(lo));
		must_refuse("a default route", outcome_of(route_request(&r)));
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* To what it is already: nothing changes where it succeeds. */
	if (ioctl(fd, SIOCGIFMTU, &req) == 0)
		must_refuse("SIOCSIFMTU", outcome_of(ioctl(fd, SIOCSIFMTU, &req)));
	if (ioctl(fd, SIOCGIFFLAGS, &req) == 0)
		must_refuse("SIOCSIFFLAGS", outcome_of(ioctl(fd, SIOCSIFFLAGS, &req)));
	(void)close(fd);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		escaped("opened /dev/net/tun");
}

/* With the host's network as well: privileges over it stay with the host. */
static void configure_host(void)
{
	struct ifreq req = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (ioctl(fd, SIOCGIFMTU, &req) == 0)
		must_refuse("SIOCSIFMTU", outcome_of(ioctl(fd, SIOCSIFMTU, &req)));
	if (ioctl(fd, SIOCGIFFLAGS, &req) == 0)
		must_refuse("SIOCSIFFLAGS", outcome_of(ioctl(fd, SIOCSIFFLAGS, &req)));
	(void)close(fd);
	must_not_open("/proc/sys/net/ipv4/ip_forward", O_WRONLY);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	must_refuse("a raw socket", outcome_of(fd));
}

/* ---- as somebody else ---- */

/* A socket that takes whole packets, by every door there is to one. */
static void raw_sockets(void)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} doors[] = {
		{ "raw ICMP", AF_INET, SOCK_RAW, IPPROTO_ICMP },
		{ "raw TCP", AF_INET, SOCK_RAW, IPPROTO_TCP },
		{ "raw UDP", AF_INET, SOCK_RAW, IPPROTO_UDP },
		{ "raw IP with headers", AF_INET, SOCK_RAW, IPPROTO_RAW },
		{ "raw IGMP", AF_INET, SOCK_RAW, IPPROTO_IGMP },
		{ "raw ICMPv6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 },
		{ "raw IPv6 with headers", AF_INET6, SOCK_RAW, IPPROTO_RAW },
		{ "raw frames", AF_PACKET, SOCK_RAW, 0x0300 },
		{ "frames without headers", AF_PACKET, SOCK_DGRAM, 0x0300 },
		{ "frames by the old type", AF_PACKET, SOCK_PACKET, 0x0300 },
		{ "frames by the old family", AF_INET, SOCK_PACKET, 0x0300 },
		{ "frames past XDP", 44 /* AF_XDP */, SOCK_RAW, 0 },
	};

	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		int fd = socket(doors[i].family, doors[i].type | SOCK_CLOEXEC,
				doors[i].protocol);

		must_refuse(doors[i].name, outcome_of(fd));
		if (fd >= 0)
			(void)close(fd);
	}
}

/* Neighbours and hardware addresses are entered by others, and stay as they are. */
static void neighbours(void)
{
	struct arpreq entry = { .arp_flags = ATF_COM | ATF_PERM, .arp_dev = "eth0" };
	struct sockaddr_in *ip = (struct sockaddr_in *)(void *)&entry.arp_pa;
	struct in_addr gateway = { 0 };
	int device = (int)if_nametoindex(has_wire() ? "eth0" : "lo");
	struct ifreq req = { .ifr_name = "eth0" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct request r = { .head = { .nlmsg_type = RTM_NEWNEIGH,
				       .nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE,
				       .nlmsg_len =
					       NLMSG_LENGTH(sizeof(struct ndmsg)) } };
	struct ndmsg about = { .ndm_family = AF_INET,
			       .ndm_ifindex = device,
			       .ndm_state = NUD_PERMANENT };

	if (fact("address") != NULL)
		(void)inet_pton(AF_INET, fact("address"), &gateway);
	ip->sin_family = AF_INET;
	ip->sin_addr = gateway;
	must_refuse("SIOCSARP", outcome_of(ioctl(fd, SIOCSARP, &entry)));
	must_refuse("SIOCDARP", outcome_of(ioctl(fd, SIOCDARP, &entry)));
	memcpy(&r.body, &about, sizeof(about));
	attribute(&r, NDA_DST, &gateway, sizeof(gateway));
	attribute(&r, NDA_LLADDR, "\2joble", 6);
	must_refuse("a neighbour by netlink", outcome_of(route_request(&r)));
	if (!has_wire())
		(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "lo");
	if (ioctl(fd, SIOCGIFHWADDR, &req) == 0)
		must_refuse("its own hardware address",
			    outcome_of(ioctl(fd, SIOCSIFHWADDR, &req)));
	if (ioctl(fd, SIOCGIFFLAGS, &req) == 0) {
		req.ifr_flags |= IFF_PROMISC;
		must_refuse("hearing everything",
			    outcome_of(ioctl(fd, SIOCSIFFLAGS, &req)));
	}
	(void)close(fd);
}

/* What needs no right: an address that is not there, as the socket's or the packet's. */
static void sources(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(4000) };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = { 0 };
	struct in_pktinfo info = { 0 };
	struct iovec part = { (void *)(uintptr_t) "x", 1 };
	struct msghdr message = { .msg_name = &to,
				  .msg_namelen = sizeof(to),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.room,
				  .msg_controllen = sizeof(control.room) };
	const char *victim = fact("address");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	(void)inet_pton(AF_INET, fact("outside") ? fact("outside") : "192.0.2.1",
			&to.sin_addr);
	(void)inet_pton(AF_INET, victim ? victim : "192.0.2.2", &from.sin_addr);
	info.ipi_spec_dst = from.sin_addr;
	control.head = (struct cmsghdr){ .cmsg_level = IPPROTO_IP,
					 .cmsg_type = IP_PKTINFO,
					 .cmsg_len = CMSG_LEN(sizeof(info)) };
	memcpy(CMSG_DATA(&control.head), &info, sizeof(info));
	must_fail("a packet from the host's address", sendmsg(fd, &message, 0));
	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0)
		must_fail("a packet from an address that is bound freely",
			  sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	else
		held("the host's address cannot be bound: %s", strerror(errno));
	(void)close(fd);
}

static void forging(void)
{
	raw_sockets();
	neighbours();
	sources();
}

static void low_ports(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(22) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Without net_bind_service not even on the own loopback. */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		note("port 22 of the own network can be bound");
	else
		note("port 22: %s", strerror(errno));
	(void)close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must_fail("SO_MARK",
		  setsockopt(fd, SOL_SOCKET, SO_MARK, &(int){ 1 }, sizeof(int)));
	must_fail("SO_SNDBUFFORCE", setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE,
					       &(int){ 1 << 26 }, sizeof(int)));
	must_fail("IP_TRANSPARENT",
		  setsockopt(fd, IPPROTO_IP, 19, &(int){ 1 }, sizeof(int)));
	(void)close(fd);
}

const struct attack wire_attacks[] = {
	{ "net-configure", configure, IN_SANDBOX },
	{ "net-configure-host", configure_host, IN_SANDBOX },
	{ "net-forging", forging, IN_SANDBOX },
	{ "net-socket-rights", low_ports, IN_SANDBOX },
	{ NULL, NULL, 0 },
};
