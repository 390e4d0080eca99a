/* SPDX-License-Identifier: MIT */
/* The network of a job: its own interface at most, and nothing of the host behind it. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
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

/* Every line behind the heading is about the one interface of the job, at most. */
static void judge_lines(const char *path, char *text, bool (*is_own)(const char *line))
{
	char *save = NULL;
	unsigned int others = 0;

	(void)strtok_r(text, "\n", &save);
	for (char *line = strtok_r(NULL, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (is_own == NULL || !has_wire() || !is_own(line)) {
			escaped("%s: %s", path, line);
			others++;
		}
	}
	if (others == 0)
		held("%s tells of nobody else", path);
}

static bool is_own_route(const char *line)
{
	return strncmp(line, "eth0\t", 5) == 0;
}

/* Where the default route leads: the bridge, whose address is one of the host's. */
static bool own_gateway(char *text, size_t size)
{
	static char routes[4096];
	struct in_addr gateway = { 0 };
	const char *line;

	if (read_file("/proc/net/route", routes, sizeof(routes)) < 0)
		return false;
	line = strstr(routes, "\neth0\t00000000\t");
	return line != NULL && sscanf(line, " eth0 %*x %x", &gateway.s_addr) == 1 &&
	       inet_ntop(AF_INET, &gateway, text, (socklen_t)size) != NULL;
}

static bool is_own_neighbour(const char *line)
{
	char address[64] = "", device[64] = "", gateway[64] = "";

	return sscanf(line, "%63s %*s %*s %*s %*s %63s", address, device) == 2 &&
	       own_gateway(gateway, sizeof(gateway)) && strcmp(gateway, address) == 0 &&
	       strcmp(device, "eth0") == 0;
}

static bool is_loopback6(const char *line)
{
	size_t len = strlen(line);

	return len > 3 && strcmp(line + len - 3, " lo") == 0;
}

/* IPv6 is off, or not further away than the own loopback. */
static void no_ipv6(void)
{
	static const char *const paths[] = { "/proc/net/if_inet6",
					     "/proc/net/ipv6_route" };
	static char text[65536];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char *save = NULL;
		unsigned int others = 0;

		if (read_file(paths[i], text, sizeof(text)) < 0) {
			held("%s: %s", paths[i], strerror(errno));
			continue;
		}
		for (char *line = strtok_r(text, "\n", &save); line != NULL;
		     line = strtok_r(NULL, "\n", &save)) {
			line[strcspn(line, "\r")] = '\0';
			while (*line != '\0' && line[strlen(line) - 1] == ' ')
				line[strlen(line) - 1] = '\0';
			if (!is_loopback6(line)) {
				escaped("%s: %s", paths[i], line);
				others++;
			}
		}
		if (others == 0)
			held("%s: loopback at most", paths[i]);
	}
}

static void tables(void)
{
	static const struct {
		const char *path;
		bool (*is_own)(const char *line);
	} files[] = {
		{ "/proc/net/unix", NULL },
		{ "/proc/net/tcp", NULL },
		{ "/proc/net/tcp6", NULL },
		{ "/proc/net/udp", NULL },
		{ "/proc/net/udp6", NULL },
		{ "/proc/net/raw", NULL },
		{ "/proc/net/raw6", NULL },
		{ "/proc/net/icmp", NULL },
		{ "/proc/net/packet", NULL },
		{ "/proc/net/route", is_own_route },
		{ "/proc/net/arp", is_own_neighbour },
	};
	static char text[65536];
	int lines = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (read_file(files[i].path, text, sizeof(text)) < 0)
			held("%s: %s", files[i].path, strerror(errno));
		else
			judge_lines(files[i].path, text, files[i].is_own);
	}
	no_ipv6();
	/* The kernel's own sockets, one for each protocol, are those of this namespace.
	 */
	if (read_file("/proc/net/netlink", text, sizeof(text)) > 0) {
		for (const char *p = text; *p != '\0'; p++)
			lines += *p == '\n';
		if (lines > 64)
			escaped("/proc/net/netlink has %d lines", lines);
	}
	must_not_open("/proc/net/nf_conntrack", O_RDONLY);
}

#define TARGETS_MAX 16
/* What answers does so at once; what is dropped never does. */
#define OUTSIDE_MS 30000
#define OTHERS_MS 700

struct target {
	const char *name, *address;
	unsigned int port;
	int fd;
	int err; /* 0: connected; EINPROGRESS: nobody answered */
};

static struct target targets[TARGETS_MAX];
static size_t n_targets;

/* Starts to connect; all of them at the same time, since refusals are silent. */
static void aim(const char *name, const char *address, unsigned int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port) };
	struct target *t;

	if (n_targets == TARGETS_MAX) {
		untried("too many addresses");
		return;
	}
	t = &targets[n_targets++];
	*t = (struct target){ name, address, port, -1, 0 };
	t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0 || inet_pton(AF_INET, address, &addr.sin_addr) != 1) {
		untried("no socket for %s: %s", address, strerror(errno));
		t->err = EBADF;
		return;
	}
	if (connect(t->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		t->err = errno;
}

static void wait_for(struct target *t, int timeout_ms)
{
	struct pollfd ready = { .fd = t->fd, .events = POLLOUT };
	socklen_t len = sizeof(t->err);

	if (t->err == EINPROGRESS && poll(&ready, 1, timeout_ms) > 0)
		(void)getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &t->err, &len);
}

static void connect_out(void)
{
	unsigned int port = (unsigned int)fact_number("tcp", 0);
	const char *outside = fact("outside");
	struct target *out;
	char gateway[64];

	if (port == 0 || outside == NULL) {
		untried("the harness gave no port, or no address outside");
		return;
	}
	aim("the host's loopback", "127.0.0.1", port);
	for (unsigned int n = 0; fact_at("address", n) != NULL; n++)
		aim("the host", fact_at("address", n), port);
	if (own_gateway(gateway, sizeof(gateway)))
		aim("the host by my gateway", gateway, port);
	aim("the metadata address", "169.254.169.254", 80);
	out = &targets[n_targets];
	aim("the outside", outside, 80);
	wait_for(out, OUTSIDE_MS);
	(void)poll(NULL, 0, has_wire() ? OTHERS_MS : 0);
	for (struct target *t = targets; t < out; t++) {
		wait_for(t, 0);
		if (t->err == 0)
			escaped("%s answers at %s:%u", t->name, t->address, t->port);
		else
			held("%s at %s:%u: %s", t->name, t->address, t->port,
			     strerror(t->err));
	}
	/* A network that is dead holds everything, and shows nothing. */
	if (has_wire() && out->err != 0)
		untried("not even the outside answers: %s", strerror(out->err));
	if (!has_wire() && out->err != ENETUNREACH)
		escaped("there is a route: %s", strerror(out->err));
}

static void interfaces(void)
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
		bool up;

		n++;
		(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", i->if_name);
		up = ioctl(fd, SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_UP) != 0;
		if (strcmp(i->if_name, "lo") == 0) {
			if (!up)
				untried("loopback is down");
		} else if (up && !(has_wire() && strcmp(i->if_name, "eth0") == 0)) {
			/* The kernel may put its fallback tunnels there; they are down.
			 */
			escaped("interface %s is up", i->if_name);
		}
		(void)close(fd);
	}
	if_freenameindex(list);
	held("%u interfaces looked at", n);
}

const struct attack net_attacks[] = {
	{ "net-abstract-sockets", abstract_sockets, 0 },
	{ "net-path-sockets", path_sockets, 0 },
	{ "net-tables", tables, 0 },
	{ "net-connect", connect_out, 0 },
	{ "net-interfaces", interfaces, 0 },
	{ NULL, NULL, 0 },
};
