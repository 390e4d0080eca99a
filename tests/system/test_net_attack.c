/* SPDX-License-Identifier: MIT */
/*
 * Frames that were forged. Jobs cannot make any: they get no raw sockets. Should one find
 * a way, the rules at its port have to hold by themselves; so here a process with all
 * rights over a namespace of the network plays the attacker.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net_world.h"

#define NET "attacked"
#define CIDR "10.79.0.0/24"
#define MARK "joblet-forged-"
#define LISTEN_SECONDS 0.5 /* after the last one */
#define LAST_SECONDS 20

static jl_net *net;
static jl_endpoint *attacker, *victim;
static uint32_t own_ip, victim_ip, gateway_ip;
static const uint32_t no_ip;
static unsigned char own_mac[6], victim_mac[6], gateway_mac[6];

/* ---- frames ---- */

struct frame {
	size_t len;
	unsigned char bytes[256];
};

static void put(struct frame *frame, const void *data, size_t len)
{
	memcpy(frame->bytes + frame->len, data, len);
	frame->len += len;
}

static void put16(struct frame *frame, unsigned int value)
{
	uint16_t net_order = htons((uint16_t)value);

	put(frame, &net_order, 2);
}

static void sign_frame(struct frame *frame, unsigned int number)
{
	char text[32];

	(void)snprintf(text, sizeof(text), MARK "%02u", number);
	put(frame, text, strlen(text) + 1);
}

static unsigned int checksum(const unsigned char *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* 20 bytes of it, with 44 behind them. fragment: offset in 8 bytes, 0x2000 for more. */
static void put_ip(struct frame *frame, uint32_t from, uint32_t to, unsigned int fragment)
{
	unsigned char head[20] = { 0x45, 0, 0, 64, 0x6a, 0x6c, 0, 0, 64, 17 };
	unsigned int sum;

	head[6] = (unsigned char)(fragment >> 8);
	head[7] = (unsigned char)fragment;
	memcpy(head + 12, &from, 4);
	memcpy(head + 16, &to, 4);
	sum = checksum(head, sizeof(head));
	head[10] = (unsigned char)(sum >> 8);
	head[11] = (unsigned char)sum;
	put(frame, head, sizeof(head));
}

/* 44 bytes in all. */
static void put_datagram(struct frame *frame, unsigned int from, unsigned int to,
			 unsigned int number)
{
	put16(frame, from);
	put16(frame, to);
	put16(frame, 44);
	put16(frame, 0);
	sign_frame(frame, number);
	frame->len += 36 - sizeof(MARK "00");
}

static void put_udp(struct frame *frame, uint32_t from, uint32_t to, unsigned int number)
{
	put_ip(frame, from, to, 0);
	put_datagram(frame, 4000, 9, number);
}

/* The offer of an address and of a way out, or the question for one: what is asked for is
 * in the mark's place, where a name of the server would be. */
static void put_dhcp(struct frame *frame, uint32_t from, bool offer, unsigned int number)
{
	put_ip(frame, from, INADDR_BROADCAST, 0);
	put_datagram(frame, offer ? 67 : 68, offer ? 68 : 67, number);
}

/* "I am the router", to all nodes: with a prefix anybody may choose. */
static void put_advertisement(struct frame *frame, unsigned int kind, unsigned int number)
{
	static const unsigned char from[16] = { 0xfe, 0x80, [15] = 1 },
				   to[16] = { 0xff, 0x02, [15] = 1 };
	unsigned char body[16] = { (unsigned char)kind, 0, 0, 0, 64, 0, 7, 8 };

	put16(frame, 0x6000);
	put16(frame, 0);
	put16(frame, 16 + sizeof(MARK "00"));
	put16(frame, 58 << 8 | 255);
	put(frame, from, sizeof(from));
	put(frame, to, sizeof(to));
	put(frame, body, sizeof(body));
	sign_frame(frame, number);
}

static void put_arp(struct frame *frame, unsigned int op, const unsigned char *mac,
		    uint32_t ip, uint32_t about, unsigned int number)
{
	static const unsigned char head[] = { 0, 1, 8, 0, 6, 4 }, nobody[6] = { 0 };

	put(frame, head, sizeof(head));
	put16(frame, op);
	put(frame, mac, 6);
	put(frame, &ip, 4);
	put(frame, nobody, 6);
	put(frame, &about, 4);
	/* Behind the packet, where padding is. */
	sign_frame(frame, number);
}

static const unsigned char everybody[6] = { 255, 255, 255, 255, 255, 255 };
static const unsigned char stp[6] = { 1, 0x80, 0xc2, 0, 0, 0 };
static const unsigned char lldp[6] = { 1, 0x80, 0xc2, 0, 0, 0x0e };
static const unsigned char pause_frame[6] = { 1, 0x80, 0xc2, 0, 0, 1 };
static const unsigned char mac_control[6] = { 1, 0x80, 0xc2, 0, 0, 3 };
static const unsigned char gvrp[6] = { 1, 0x80, 0xc2, 0, 0, 0x21 };
static const unsigned char cisco[6] = { 1, 0, 0x0c, 0xcc, 0xcc, 0xcc };
static const unsigned char all_hosts[6] = { 1, 0, 0x5e, 0, 0, 1 };
static const unsigned char mdns[6] = { 1, 0, 0x5e, 0, 0, 0xfb };
static const unsigned char all_nodes6[6] = { 0x33, 0x33, 0, 0, 0, 1 };

enum what {
	UDP_OUT,
	UDP_VICTIM,
	UDP_ALL,
	UDP_GROUP,
	FIRST_FRAGMENT,
	LAST_FRAGMENT,
	DHCP_OFFER,
	DHCP_QUESTION,
	ROUTER,
	NEIGHBOUR,
	ARP_REQUEST,
	ARP_REPLY,
	BARE
};

static const struct {
	const char *name;
	const unsigned char *to, *from;
	unsigned int tags[2]; /* types in front of the last one */
	unsigned int type;
	enum what what;
	const uint32_t *ip;
	bool honest; /* its own addresses: the machine's bridge may see it */
} frames[] = {
	/* clang-format off */
	{ "an honest packet", gateway_mac, own_mac, { 0 }, ETH_P_IP, UDP_OUT, &own_ip,
	  true },
	{ "source of the victim", gateway_mac, own_mac, { 0 }, ETH_P_IP, UDP_OUT,
	  &victim_ip, false },
	{ "MAC of the victim", gateway_mac, victim_mac, { 0 }, ETH_P_IP, UDP_OUT,
	  &own_ip, false },
	{ "source and MAC of the victim", gateway_mac, victim_mac, { 0 }, ETH_P_IP,
	  UDP_OUT, &victim_ip, false },
	{ "source of the gateway", gateway_mac, own_mac, { 0 }, ETH_P_IP, UDP_OUT,
	  &gateway_ip, false },
	{ "MAC of the bridge", gateway_mac, gateway_mac, { 0 }, ETH_P_IP, UDP_OUT,
	  &own_ip, false },
	{ "to the victim's MAC", victim_mac, own_mac, { 0 }, ETH_P_IP, UDP_VICTIM,
	  &own_ip, true },
	{ "broadcast", everybody, own_mac, { 0 }, ETH_P_IP, UDP_ALL, &own_ip, true },
	{ "broadcast as the victim", everybody, victim_mac, { 0 }, ETH_P_IP, UDP_ALL,
	  &victim_ip, false },
	{ "ARP: the gateway is here", everybody, own_mac, { 0 }, ETH_P_ARP, ARP_REPLY,
	  &gateway_ip, false },
	{ "ARP: the victim is here", everybody, own_mac, { 0 }, ETH_P_ARP, ARP_REPLY,
	  &victim_ip, false },
	{ "ARP to the victim: the gateway is here", victim_mac, own_mac, { 0 },
	  ETH_P_ARP, ARP_REPLY, &gateway_ip, false },
	{ "ARP request as the gateway", everybody, own_mac, { 0 }, ETH_P_ARP,
	  ARP_REQUEST, &gateway_ip, false },
	{ "ARP request to all", everybody, own_mac, { 0 }, ETH_P_ARP, ARP_REQUEST,
	  &own_ip, true },
	{ "VLAN", victim_mac, own_mac, { ETH_P_8021Q }, ETH_P_IP, UDP_VICTIM, &own_ip,
	  false },
	{ "VLAN to the gateway", gateway_mac, own_mac, { ETH_P_8021Q }, ETH_P_IP,
	  UDP_OUT, &own_ip, false },
	{ "two VLANs", victim_mac, own_mac, { ETH_P_8021AD, ETH_P_8021Q }, ETH_P_IP,
	  UDP_VICTIM, &own_ip, false },
	{ "link-local multicast 0", stp, own_mac, { 0 }, ETH_P_IP, UDP_VICTIM, &own_ip,
	  false },
	{ "link-local multicast 1", pause_frame, own_mac, { 0 }, ETH_P_IP, UDP_VICTIM,
	  &own_ip, false },
	{ "link-local multicast e", lldp, own_mac, { 0 }, ETH_P_IP, UDP_OUT, &own_ip,
	  false },
	{ "link-local multicast e as the victim", lldp, victim_mac, { 0 }, ETH_P_IP,
	  UDP_OUT, &victim_ip, false },
	{ "VLAN, broadcast", everybody, own_mac, { ETH_P_8021Q }, ETH_P_ARP, ARP_REPLY,
	  &own_ip, false },
	{ "link-local multicast 3", mac_control, own_mac, { 0 }, ETH_P_PAE, BARE, NULL,
	  false },
	{ "bridge protocol", stp, own_mac, { 0 }, 38, BARE, NULL, false },
	{ "link-local multicast 21", gvrp, own_mac, { 0 }, ETH_P_IP, UDP_VICTIM,
	  &own_ip, true },
	{ "discovery of other makers", cisco, own_mac, { 0 }, 60, BARE, NULL, false },
	{ "multicast to all hosts", all_hosts, own_mac, { 0 }, ETH_P_IP, UDP_GROUP,
	  &own_ip, true },
	{ "multicast for names", mdns, own_mac, { 0 }, ETH_P_IP, UDP_GROUP, &own_ip,
	  true },
	{ "ARP of one's own, unasked", everybody, own_mac, { 0 }, ETH_P_ARP, ARP_REPLY,
	  &own_ip, true },
	{ "ARP of one's own, unasked, to the victim", victim_mac, own_mac, { 0 },
	  ETH_P_ARP, ARP_REPLY, &own_ip, true },
	{ "ARP of one's own in the victim's frame", everybody, victim_mac, { 0 },
	  ETH_P_ARP, ARP_REPLY, &own_ip, false },
	{ "first fragment to the victim", victim_mac, own_mac, { 0 }, ETH_P_IP,
	  FIRST_FRAGMENT, &own_ip, true },
	{ "last fragment to the victim", victim_mac, own_mac, { 0 }, ETH_P_IP,
	  LAST_FRAGMENT, &own_ip, true },
	{ "last fragment as the victim", gateway_mac, own_mac, { 0 }, ETH_P_IP,
	  LAST_FRAGMENT, &victim_ip, false },
	{ "last fragment, source and MAC of the victim", gateway_mac, victim_mac,
	  { 0 }, ETH_P_IP, LAST_FRAGMENT, &victim_ip, false },
	{ "DHCP offer", everybody, own_mac, { 0 }, ETH_P_IP, DHCP_OFFER, &own_ip,
	  true },
	{ "DHCP offer to the victim", victim_mac, own_mac, { 0 }, ETH_P_IP, DHCP_OFFER,
	  &own_ip, true },
	{ "DHCP offer as the gateway", everybody, own_mac, { 0 }, ETH_P_IP, DHCP_OFFER,
	  &gateway_ip, false },
	{ "DHCP question of nobody", everybody, own_mac, { 0 }, ETH_P_IP,
	  DHCP_QUESTION, &no_ip, false },
	{ "router advertisement", all_nodes6, own_mac, { 0 }, ETH_P_IPV6, ROUTER, NULL,
	  false },
	{ "router advertisement to the victim", victim_mac, gateway_mac, { 0 },
	  ETH_P_IPV6, ROUTER, NULL, false },
	{ "router advertisement to the gateway", gateway_mac, own_mac, { 0 },
	  ETH_P_IPV6, ROUTER, NULL, false },
	{ "router advertisement in a VLAN", all_nodes6, own_mac, { ETH_P_8021Q },
	  ETH_P_IPV6, ROUTER, NULL, false },
	{ "neighbour advertisement", all_nodes6, own_mac, { 0 }, ETH_P_IPV6, NEIGHBOUR,
	  NULL, false },
	{ "IPv6 to all nodes", all_nodes6, own_mac, { 0 }, ETH_P_IPV6, BARE, NULL,
	  false },
	{ "IPv6 to the victim", victim_mac, own_mac, { 0 }, ETH_P_IPV6, BARE, NULL,
	  false },
	{ "MPLS", victim_mac, own_mac, { 0 }, ETH_P_MPLS_UC, BARE, NULL, false },
	{ "PPPoE", victim_mac, own_mac, { 0 }, ETH_P_PPP_SES, BARE, NULL, false },
	{ "no protocol", everybody, own_mac, { 0 }, 0x88b5, BARE, NULL, false },
	{ "802.3", everybody, own_mac, { 0 }, 60, BARE, NULL, false },
	/* clang-format on */
};

/* The honest one once more, behind all others: who has heard it has heard them. */
#define LAST COUNT(frames)

static void make_frame(unsigned int mark, struct frame *frame)
{
	uint32_t out = inet_addr(OUTSIDE);
	unsigned int number = mark == LAST ? 0 : mark;

	*frame = (struct frame){ 0 };
	put(frame, frames[number].to, 6);
	put(frame, frames[number].from, 6);
	for (int i = 0; i < 2 && frames[number].tags[i]; i++) {
		put16(frame, frames[number].tags[i]);
		put16(frame, 1);
	}
	put16(frame, frames[number].type);
	switch (frames[number].what) {
	case UDP_OUT:
		put_udp(frame, *frames[number].ip, out, mark);
		break;
	case UDP_VICTIM:
		put_udp(frame, *frames[number].ip, victim_ip, mark);
		break;
	case UDP_ALL:
		put_udp(frame, *frames[number].ip, INADDR_BROADCAST, mark);
		break;
	case UDP_GROUP:
		put_udp(frame, *frames[number].ip, inet_addr("224.0.0.1"), mark);
		break;
	case FIRST_FRAGMENT:
	case LAST_FRAGMENT:
		put_ip(frame, *frames[number].ip, victim_ip,
		       frames[number].what == FIRST_FRAGMENT ? 0x2000 : 1);
		put_datagram(frame, 4000, 9, mark);
		break;
	case DHCP_OFFER:
	case DHCP_QUESTION:
		put_dhcp(frame, *frames[number].ip, frames[number].what == DHCP_OFFER,
			 mark);
		break;
	case ROUTER:
	case NEIGHBOUR:
		put_advertisement(frame, frames[number].what == ROUTER ? 134 : 136,
				  mark);
		break;
	case ARP_REQUEST:
	case ARP_REPLY:
		put_arp(frame, frames[number].what == ARP_REPLY ? 2 : 1, own_mac,
			*frames[number].ip,
			frames[number].what == ARP_REPLY ? *frames[number].ip : victim_ip,
			mark);
		break;
	case BARE:
		sign_frame(frame, mark);
		frame->len = 64;
		break;
	}
}

/* ---- ears ---- */

enum { AT_VICTIM, AT_BRIDGE, AT_OUTSIDE, EARS };

static int ear(int ns, const char *device)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL) };
	int fd, size = 4 << 20;

	if (ns >= 0)
		ck_assert_int_eq(setns(ns, CLONE_NEWNET), 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	at.sll_ifindex = (int)if_nametoindex(device);
	ck_assert_msg(at.sll_ifindex > 0, "no %s", device);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Marks everything that comes to an ear, until some time after the last one has come to
 * the outside. */
static void hear(const int fds[EARS], unsigned int last, bool heard[EARS][LAST + 1])
{
	double end = now() + LAST_SECONDS * patience;
	bool over = false;
	struct pollfd polls[EARS];
	unsigned char buf[2048];

	for (int i = 0; i < EARS; i++)
		polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	while (now() < end && poll(polls, EARS, 50) >= 0)
		for (int i = 0; i < EARS; i++) {
			ssize_t got;

			while ((got = recv(fds[i], buf, sizeof(buf), 0)) > 0) {
				const char *mark =
					memmem(buf, (size_t)got, MARK, strlen(MARK));
				unsigned long number;

				if (!mark)
					continue;
				number = strtoul(mark + strlen(MARK), NULL, 10);
				if (number <= LAST)
					heard[i][number] = true;
			}
			if (over || !heard[AT_OUTSIDE][last])
				continue;
			over = true;
			end = now() + LISTEN_SECONDS;
		}
}

/* ---- the attack ---- */

static void send_all(int ns)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct frame frame;
	int fd;

	if (setns(ns, CLONE_NEWNET) < 0)
		_exit(90);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = (int)if_nametoindex("eth0");
	if (fd < 0 || to.sll_ifindex <= 0)
		_exit(91);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < COUNT(frames); i++) {
			make_frame(i, &frame);
			if (sendto(fd, frame.bytes, frame.len, 0, (struct sockaddr *)&to,
				   sizeof(to)) < 0)
				_exit(92);
		}
	make_frame(LAST, &frame);
	_exit(sendto(fd, frame.bytes, frame.len, 0, (struct sockaddr *)&to, sizeof(to)) < 0
		      ? 92
		      : 0);
}

static void read_mac(const char *command, unsigned char mac[6])
{
	unsigned int bytes[6];
	const char *text = run_at(false, "%s", command);

	ck_assert_msg(sscanf(text, "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2],
			     &bytes[3], &bytes[4], &bytes[5]) == 6,
		      "%s: %s", command, text);
	for (int i = 0; i < 6; i++)
		mac[i] = (unsigned char)bytes[i];
}

static void endpoint_mac(const jl_endpoint *endpoint, unsigned char mac[6])
{
	char command[256];

	(void)snprintf(command, sizeof(command),
		       "nsenter --net=/proc/%d/fd/%d ip -o link show eth0 | "
		       "grep -o 'ether [^ ]*' | cut -d' ' -f2",
		       (int)getpid(), jl_endpoint_get_fd(endpoint));
	read_mac(command, mac);
}

static void place_everybody(void)
{
	char command[256];

	ck_ok(jl_net_create(ctx, NET, CIDR, &net, &err));
	ck_ok(jl_net_attach(net, "attacker", &attacker, &err));
	ck_ok(jl_net_attach(net, "victim", &victim, &err));
	own_ip = inet_addr(jl_endpoint_get_address(attacker));
	victim_ip = inet_addr(jl_endpoint_get_address(victim));
	gateway_ip = inet_addr("10.79.0.1");
	endpoint_mac(attacker, own_mac);
	endpoint_mac(victim, victim_mac);
	(void)snprintf(command, sizeof(command),
		       "ip -o link show %s | grep -o 'ether [^ ]*' | cut -d' ' -f2",
		       jl_net_get_device(net));
	read_mac(command, gateway_mac);
}

static const char *victim_reaches(void)
{
	return run_at(false,
		      "nsenter --net=/proc/%d/fd/%d %s reach 1000 +tcp:" OUTSIDE ":" PORT,
		      (int)getpid(), jl_endpoint_get_fd(victim), peer_path);
}

START_TEST(forged_frames_reach_nobody)
{
	static const char *const places[] = { "the victim", "the bridge", "the outside" };
	bool heard[EARS][LAST + 1] = { 0 };
	int fds[EARS], machine, status;
	pid_t pid;

	place_everybody();
	machine = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	fds[AT_VICTIM] = ear(jl_endpoint_get_fd(victim), "eth0");
	fds[AT_BRIDGE] = ear(machine, jl_net_get_device(net));
	fds[AT_OUTSIDE] = ear(machine, "out0");
	pid = fork();
	if (pid == 0)
		send_all(jl_endpoint_get_fd(attacker));
	hear(fds, LAST, heard);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* Ears and frames are as they should be. */
	ck_assert_msg(heard[AT_OUTSIDE][0] && heard[AT_BRIDGE][0],
		      "the honest packet was not heard");
	ck_assert_msg(heard[AT_OUTSIDE][LAST], "the last packet was not heard");
	for (int at = 0; at < EARS; at++)
		for (unsigned int i = 1; i < COUNT(frames); i++)
			ck_assert_msg(!heard[at][i] ||
					      (at == AT_BRIDGE && frames[i].honest),
				      "%s came to %s", frames[i].name, places[at]);
	/* Nobody believes anything of it. */
	ck_assert_str_eq(victim_reaches(),
			 "tcp:" OUTSIDE ":" PORT " outside " MACHINE "\n");
	for (int i = 0; i < EARS; i++)
		(void)close(fds[i]);
	(void)close(machine);
	jl_endpoint_free(attacker);
	jl_endpoint_free(victim);
	net = jl_net_unref(net);
	ck_ok(jl_net_remove(ctx, NET, &err));
}
END_TEST

/* ---- datagrams in pieces, of who may go to one port ---- */

#define ALLOWED 7777 /* PORT */
#define FORBIDDEN 7778
#define UNITS 6 /* of 8 bytes: header and mark */

static const struct piece {
	unsigned int number; /* of the datagram */
	unsigned int port;
	unsigned int from, to; /* which units of it */
	bool more;
	unsigned int protocol;
	const char *address;
	unsigned int
		options; /* words of the header, where a port would be without them */
} pieces[] = {
	/* clang-format off */
	/* in order; the other way round; a first one of the ports alone: as a whole */
	{ 0, ALLOWED, 0, 3, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 0, ALLOWED, 3, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 1, ALLOWED, 3, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 1, ALLOWED, 0, 3, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 2, ALLOWED, 0, 1, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 2, ALLOWED, 1, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	/* an option */
	{ 3, ALLOWED, 0, UNITS, false, IPPROTO_UDP, OUTSIDE, 1 },
#define HEARD 4
	/* the same to another port */
	{ 4, FORBIDDEN, 0, 3, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 4, FORBIDDEN, 3, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 5, FORBIDDEN, 1, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 5, FORBIDDEN, 0, 1, true, IPPROTO_UDP, OUTSIDE, 0 },
	/* one that passes, and another port laid over it, whole or in part */
	{ 6, ALLOWED, 0, 3, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 6, FORBIDDEN, 0, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 7, ALLOWED, 0, 2, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 7, FORBIDDEN, 0, 1, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 7, FORBIDDEN, 1, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 8, ALLOWED, 1, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 8, FORBIDDEN, 0, 2, true, IPPROTO_UDP, OUTSIDE, 0 },
	/* a last one alone, there and where it may not go; a first one alone */
	{ 9, ALLOWED, 1, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	{ 10, ALLOWED, 1, UNITS, false, IPPROTO_UDP, FARAWAY, 0 },
	{ 11, ALLOWED, 0, UNITS, true, IPPROTO_UDP, OUTSIDE, 0 },
	/* halves to different addresses */
	{ 12, ALLOWED, 0, 1, true, IPPROTO_UDP, OUTSIDE, 0 },
	{ 12, ALLOWED, 1, UNITS, false, IPPROTO_UDP, FARAWAY, 0 },
	/* ports are those of TCP and UDP, and behind the options */
	{ 13, FORBIDDEN, 0, 1, true, IPPROTO_TCP, OUTSIDE, 0 },
	{ 13, FORBIDDEN, 1, UNITS, false, IPPROTO_TCP, OUTSIDE, 0 },
	{ 14, ALLOWED, 0, UNITS, false, IPPROTO_SCTP, OUTSIDE, 0 },
	{ 15, ALLOWED, 0, UNITS, false, IPPROTO_UDPLITE, OUTSIDE, 0 },
	{ 16, ALLOWED, 0, UNITS, false, IPPROTO_GRE, OUTSIDE, 0 },
	{ 17, FORBIDDEN, 0, UNITS, false, IPPROTO_UDP, OUTSIDE, 1 },
	{ 18, FORBIDDEN, 0, 1, true, IPPROTO_UDP, OUTSIDE, 1 },
	{ 18, FORBIDDEN, 1, UNITS, false, IPPROTO_UDP, OUTSIDE, 1 },
#define DATAGRAMS 19
	/* behind all others, to be waited for */
	{ DATAGRAMS, ALLOWED, 0, UNITS, false, IPPROTO_UDP, OUTSIDE, 0 },
	/* clang-format on */
};

static void make_piece(const struct piece *piece, struct frame *frame)
{
	unsigned char head[24] = { 0x45, 0, 0, 0, 0x6b };
	unsigned int len = 20 + 4 * piece->options, sum;
	struct frame whole = { 0 };
	uint32_t to = inet_addr(piece->address);

	*frame = (struct frame){ 0 };
	put(frame, gateway_mac, 6);
	put(frame, own_mac, 6);
	put16(frame, ETH_P_IP);
	head[0] = (unsigned char)(0x40 | len / 4);
	head[3] = (unsigned char)(len + 8 * (piece->to - piece->from));
	head[5] = (unsigned char)piece->number;
	head[6] = piece->more ? 0x20 : 0;
	head[7] = (unsigned char)piece->from;
	head[8] = 64;
	head[9] = (unsigned char)piece->protocol;
	memcpy(head + 12, &own_ip, 4);
	memcpy(head + 16, &to, 4);
	/* An option nobody knows, of four bytes, that look like the port. */
	head[20] = 0x9e;
	head[21] = 4;
	head[22] = ALLOWED >> 8;
	head[23] = ALLOWED & 255;
	sum = checksum(head, len);
	head[10] = (unsigned char)(sum >> 8);
	head[11] = (unsigned char)sum;
	put(frame, head, len);
	put16(&whole, 4000);
	put16(&whole, piece->port);
	put16(&whole, 8 * UNITS);
	put16(&whole, 0);
	/* All of the mark is in the last pieces. */
	whole.len = 24;
	sign_frame(&whole, piece->number);
	put(frame, whole.bytes + 8 * piece->from, 8 * (piece->to - piece->from));
}

static void send_pieces(pid_t job)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	struct frame frame;
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)job);
	fd = open(path, O_RDONLY);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		_exit(90);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	to.sll_ifindex = (int)if_nametoindex("eth0");
	for (size_t i = 0; i < COUNT(pieces); i++) {
		make_piece(&pieces[i], &frame);
		if (sendto(fd, frame.bytes, frame.len, 0, (struct sockaddr *)&to,
			   sizeof(to)) < 0)
			_exit(92);
	}
	_exit(0);
}

/* Follows from the address: networks ask nobody. */
static void mac_of(uint32_t address, unsigned char mac[6])
{
	mac[0] = 0x02;
	mac[1] = 0x6a;
	memcpy(mac + 2, &address, 4);
}

START_TEST(pieces_pass_no_port_that_is_closed)
{
	jl_job_spec *spec = peer("bridge", NULL, "serve", "held", PORT, NULL);
	bool heard[EARS][LAST + 1] = { 0 };
	int fds[EARS] = { -1, -1, -1 }, machine, status;
	struct run held;
	pid_t pid;

	ck_ok(jl_job_spec_add_allow_net(spec, OUTSIDE ":" PORT, &err));
	run_start(&held, spec);
	jl_job_spec_free(spec);
	run_until(&held, "ready\n");
	own_ip = inet_addr(jl_job_get_address(held.job));
	mac_of(own_ip, own_mac);
	mac_of(inet_addr("172.20.0.1"), gateway_mac);
	machine = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	fds[AT_OUTSIDE] = ear(machine, "out0");
	pid = fork();
	if (pid == 0)
		send_pieces(jl_job_get_pid(held.job));
	hear(fds, DATAGRAMS, heard);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_msg(heard[AT_OUTSIDE][DATAGRAMS], "the last datagram was not heard");
	for (unsigned int i = 0; i < DATAGRAMS; i++)
		ck_assert_msg(heard[AT_OUTSIDE][i] == (i < HEARD),
			      "datagram %u was%s heard", i, i < HEARD ? " not" : "");
	(void)close(fds[AT_OUTSIDE]);
	(void)close(machine);
	serve_end(&held);
}
END_TEST

/* ---- by what somebody else has set up ---- */

#define HELPER                                                                         \
	"nft add table inet theirs;"                                                   \
	"nft add ct helper inet theirs ftp '{ type \"ftp\" protocol tcp; }';"          \
	"nft add chain inet theirs pre '{ type filter hook prerouting priority 0; }';" \
	"nft add rule inet theirs pre tcp dport " PORT " ct helper set ftp"

/* Who lets the kernel read FTP, for whomever, does not mean that jobs let others in. */
START_TEST(nobody_is_invited_past_the_rules)
{
	jl_job_spec *spec = peer("bridge", NULL, "invite", OUTSIDE, PORT, NULL);
	const char *said = run_at(false, HELPER);
	struct run job;
	unsigned long port;

	if (*said)
		note("this kernel does not read FTP: %s", said);
	run_start(&job, spec);
	jl_job_spec_free(spec);
	run_until(&job, " ready\n");
	port = strtoul(job.text[0], NULL, 10);
	said = run_at(true, "%s reach 700 tcp:" MACHINE ":%lu", peer_path, port);
	ck_assert_msg(strstr(said, " - ") != NULL, "%s", said);
	(void)run_at(false, "nft delete table inet theirs");
	serve_end(&job);
}
END_TEST

/* ---- from a job itself ---- */

START_TEST(a_job_has_nothing_to_forge_with)
{
	ck_prints(peer("bridge", NULL, "raw", NULL), "none\n");
}
END_TEST

/* As root of its own user namespace it is nobody in its network's. */
static const char *const kinds[] = { "none", "isolated", "bridge", "host" };

START_TEST(a_job_cannot_change_its_network)
{
	jl_job_spec *spec = shell(
		"for d in eth0 out0 lo; do ("
		" ip addr add 10.9.9.9/8 dev $d || ip link set $d address 02:00:00:00:00:01 ||"
		" ip link set $d promisc on || ip link set $d down ||"
		" ip route add 10.9.0.0/16 dev $d || ip -6 addr add fd00::1/64 dev $d ||"
		" ip link add x type dummy || ip link add link $d name x type vlan id 5 ||"
		" ip neigh add 10.1.1.1 lladdr 02:00:00:00:00:01 dev $d ||"
		" echo 0 >/proc/sys/net/ipv6/conf/$d/disable_ipv6 ||"
		" nft list ruleset) 2>/dev/null && echo changed; done;"
		"find /proc/sys -type f -writable; unshare -Urn true 2>/dev/null; echo done");

	note("%s", kinds[_i]);
	ck_ok(jl_job_spec_set_network_name(spec, kinds[_i], &err));
	ck_prints(spec, "done\n");
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, forged_frames_reach_nobody);
	tcase_add_test(tcase, pieces_pass_no_port_that_is_closed);
	tcase_add_test(tcase, nobody_is_invited_past_the_rules);
	tcase_add_test(tcase, a_job_has_nothing_to_forge_with);
	tcase_add_loop_test(tcase, a_job_cannot_change_its_network, 0, (int)COUNT(kinds));
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, "net_attack", 60, add);
}
