/* SPDX-License-Identifier: MIT */
/* The network of a job without one: loopback, and nothing of the host behind it. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int unix_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A name in hexadecimal digits, since any byte may be in it. Returns its length. */
static size_t unhex(const char *hex, char *out, size_t size)
{
	size_t n = 0;
	unsigned int byte;

	while (n < size && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		out[n++] = (char)byte;
	return n;
}

static void abstract_sockets(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	unsigned int tried = 0;

	for (unsigned int n = 0; fact_at("abstract", n) != NULL; n++) {
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		size_t len = unhex(fact_at("abstract", n), addr.sun_path + 1,
				   sizeof(addr.sun_path) - 1);

		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
			int fd = unix_socket(types[t]);

			if (fd < 0) {
				untried("no unix socket: %s", strerror(errno));
				return;
			}
			tried++;
			/* EPROTOTYPE and EAGAIN: somebody is there. */
			if (connect(fd, (struct sockaddr *)&addr,
				    (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
						1 + len)) == 0 ||
			    errno == EPROTOTYPE || errno == EAGAIN || errno == EACCES)
				escaped("reached abstract socket @%.*s", (int)len,
					addr.sun_path + 1);
			(void)close(fd);
		}
	}
	if (tried == 0)
		untried("the harness gave no names");
	else
		held("%u connections to abstract sockets refused", tried);
}

static void path_sockets(void)
{
	for (unsigned int n = 0; fact_at("socket", n) != NULL; n++) {
		struct sockaddr_un addr = { .sun_family = AF_UNIX };
		int fd = unix_socket(SOCK_STREAM);

		(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s",
			       fact_at("socket", n));
		must_fail(addr.sun_path,
			  connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
		(void)close(fd);
	}
	if (fact("socket") == NULL)
		untried("the harness gave no path");
}

static void no_tables(void)
{
	static const struct {
		const char *path;
		int header_lines;
	} files[] = {
		{ "/proc/net/unix", 1 },	{ "/proc/net/tcp", 1 },
		{ "/proc/net/udp", 1 },		{ "/proc/net/route", 1 },
		{ "/proc/net/arp", 1 },		{ "/proc/net/raw", 1 },
		{ "/proc/net/packet", 1 },	{ "/proc/net/netlink", 64 },
		{ "/proc/net/ipv6_route", 12 },
	};
	static char text[65536];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int lines = 0;

		if (read_file(files[i].path, text, sizeof(text)) < 0) {
			held("%s: %s", files[i].path, strerror(errno));
			continue;
		}
		for (const char *p = text; *p != '\0'; p++)
			lines += *p == '\n';
		if (lines > files[i].header_lines)
			escaped("%s has %d lines", files[i].path, lines);
		else
			held("%s is empty", files[i].path);
	}
}

static long connect_to(const char *address, unsigned int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = { 2, 0 };
	long r;
	int err;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	(void)inet_pton(AF_INET, address, &addr.sin_addr);
	r = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	err = errno;
	(void)close(fd);
	errno = err;
	return r;
}

static void connect_out(void)
{
	unsigned int port = (unsigned int)fact_number("tcp", 0);

	if (port == 0) {
		untried("the harness gave no port");
		return;
	}
	must_fail("the host's 127.0.0.1", connect_to("127.0.0.1", port));
	for (unsigned int n = 0; fact_at("address", n) != NULL; n++)
		must_fail(fact_at("address", n), connect_to(fact_at("address", n), port));
	must_fail("the metadata address", connect_to("169.254.169.254", 80));
	must_fail("a name server outside", connect_to("192.0.2.1", 53));
	if (connect_to("192.0.2.1", 53) < 0 && errno != ENETUNREACH)
		escaped("there is a route: %s", strerror(errno));
}

static void only_loopback(void)
{
	struct if_nameindex *list = if_nameindex();
	unsigned int n = 0;

	if (list == NULL) {
		untried("no list of interfaces: %s", strerror(errno));
		return;
	}
	for (struct if_nameindex *i = list; i->if_index != 0; i++) {
		struct ifreq req = { 0 };
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		n++;
		(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", i->if_name);
		if (strcmp(i->if_name, "lo") == 0) {
			if (ioctl(fd, SIOCGIFFLAGS, &req) == 0 &&
			    (req.ifr_flags & IFF_UP) == 0)
				untried("loopback is down");
		} else if (ioctl(fd, SIOCGIFFLAGS, &req) == 0 &&
			   (req.ifr_flags & IFF_UP) != 0) {
			/* The kernel may put its fallback tunnels there; they are down.
			 */
			escaped("interface %s is up", i->if_name);
		}
		(void)close(fd);
	}
	if_freenameindex(list);
	held("%u interfaces looked at", n);
}

/* ---- changing it ---- */

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

const struct attack net_attacks[] = {
	{ "net-abstract-sockets", abstract_sockets, 0 },
	{ "net-path-sockets", path_sockets, 0 },
	{ "net-no-tables", no_tables, 0 },
	{ "net-connect", connect_out, 0 },
	{ "net-only-loopback", only_loopback, 0 },
	{ "net-configure", configure, IN_SANDBOX },
	{ "net-configure-host", configure_host, IN_SANDBOX },
	{ "net-socket-rights", low_ports, IN_SANDBOX },
	{ NULL, NULL, 0 },
};
