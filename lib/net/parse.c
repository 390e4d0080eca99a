/* SPDX-License-Identifier: MIT */
/* Names, subnets, and what a job may do, from text. Pure. */
#define JL_MODULE "net"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/parse.h"
#include "net/net-priv.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool jl__net_is_reserved(const char *name)
{
	return strcmp(name, "none") == 0 || strcmp(name, "host") == 0 ||
	       strcmp(name, "bridge") == 0 || strcmp(name, "isolated") == 0;
}

int jl__net_check_name(const char *name, jl_error **err)
{
	size_t len = name ? strnlen(name, 256) : 0;

	if (!len)
		return jl__fail(err, -EINVAL, "a network needs a name");
	/* First what makes the rest unfit to be shown. */
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(name[i]) && name[i] != '_' && name[i] != '-')
			return jl__fail(
				err, -EINVAL,
				name[i] == '/'
					? "a network's name cannot have a \"/\"; its subnet goes into the other argument"
					: "a network's name is made of letters, digits, \"_\" and \"-\"; its character %zu is none of them",
				i + 1);
	if (len > NAME_MAX_BYTES)
		return jl__fail(
			err, -EINVAL,
			"\"%.32s…\" is too long for a network's name: %d characters are the most",
			name, NAME_MAX_BYTES);
	if (!is_alnum(name[0]) || !is_alnum(name[len - 1]))
		return jl__fail(
			err, -EINVAL,
			"the network name \"%s\" must begin and end with a letter or a digit",
			name);
	return 0;
}

/* ---- addresses ---- */

void jl__net_put_address(char text[16], uint32_t address)
{
	(void)snprintf(text, 16, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
		       address >> 8 & 255, address & 255);
}

void jl__net_put_cidr(char text[20], uint32_t address, uint32_t prefix)
{
	char number[16];

	jl__net_put_address(number, address);
	(void)snprintf(text, 20, "%s/%u", number, prefix);
}

/* Copies up to one of the ends; what is longer cannot be a number. */
static int piece(const char **at, const char *ends, char *buf, size_t size)
{
	size_t len = strcspn(*at, ends);

	if (len == 0 || len >= size)
		return -EINVAL;
	memcpy(buf, *at, len);
	buf[len] = '\0';
	*at += len;
	return 0;
}

/* "010" is eight for some and ten for others: no number begins with a 0. */
static int number(const char **at, const char *ends, uint32_t max, uint32_t *ret)
{
	char buf[12];

	if (piece(at, ends, buf, sizeof(buf)) < 0 || (buf[0] == '0' && buf[1]))
		return -EINVAL;
	return jl__parse_u32(buf, 0, max, ret) < 0 ? -EINVAL : 0;
}

/* Four numbers; *at ends behind them. */
static int address(const char **at, uint32_t *ret)
{
	uint32_t value = 0, part;

	for (int i = 0; i < 4; i++) {
		if (i && *(*at)++ != '.')
			return -EINVAL;
		if (number(at, i < 3 ? "." : "/:", 255, &part) < 0)
			return -EINVAL;
		value = value << 8 | part;
	}
	*ret = value;
	return 0;
}

int jl__net_parse_address(const char *text, uint32_t *ret, const char **ret_end)
{
	*ret_end = text;
	return address(ret_end, ret);
}

static uint32_t mask_of(uint32_t prefix)
{
	return prefix ? ~0u << (32 - prefix) : 0;
}

/* Why a subnet that is one cannot be a network's; NULL when it can. */
static const char *unfit(struct subnet subnet)
{
	static const struct {
		struct subnet range;
		const char *why;
	} ranges[] = {
		{ { 0x00000000, 8 }, "the hosts of \"this\" network" },
		{ { 0x7f000000, 8 }, "loopback" },
		{ { 0xa9fe0000, 16 }, "link-local" },
		{ { 0xe0000000, 4 }, "multicast" },
		{ { 0xf0000000, 4 }, "reserved" },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (jl__net_overlap(subnet, ranges[i].range))
			return ranges[i].why;
	return NULL;
}

int jl__net_parse_cidr(const char *text, struct subnet *ret, jl_error **err)
{
	const char *at = text;
	struct subnet subnet;
	const char *why;
	char right[20];

	if (!text || !*text)
		return jl__fail(err, -EINVAL,
				"a network needs a subnet, for instance 10.1.0.0/16");
	if (strlen(text) > 64 || !jl__is_utf8(text, strlen(text)))
		return jl__fail(err, -EINVAL,
				"the subnet is not of the form 10.1.0.0/16");
	if (strchr(text, ':'))
		return jl__fail(err, -EINVAL,
				"\"%s\" looks like IPv6; networks of jobs are IPv4",
				text);
	if (address(&at, &subnet.address) < 0)
		return jl__fail(
			err, -EINVAL,
			"\"%s\" is not of the form 10.1.0.0/16: four numbers up to 255, a \"/\", a prefix length",
			text);
	if (*at != '/')
		return jl__fail(err, -EINVAL,
				"\"%s\" has no prefix length; write for instance %s/24",
				text, text);
	at++;
	if (number(&at, "", 32, &subnet.prefix) < 0)
		return jl__fail(err, -EINVAL,
				"the prefix length of \"%s\" is not a number up to 32",
				text);
	if (subnet.prefix > 30)
		return jl__fail(
			err, -EINVAL,
			"\"%s\" has no room: /30 is the smallest network with an address for the gateway and one for a job",
			text);
	if (subnet.prefix < 8)
		return jl__fail(err, -EINVAL,
				"\"%s\" is too large for a network: /8 is the largest",
				text);
	if (subnet.address & ~mask_of(subnet.prefix)) {
		jl__net_put_cidr(right, subnet.address & mask_of(subnet.prefix),
				 subnet.prefix);
		return jl__fail(
			err, -EINVAL,
			"\"%s\" has bits behind its prefix; the subnet it lies in is %s",
			text, right);
	}
	why = unfit(subnet);
	if (why)
		return jl__fail(err, -EINVAL,
				"\"%s\" cannot be a network of jobs: it is %s", text,
				why);
	*ret = subnet;
	return 0;
}

/* ---- devices ---- */

void jl__net_device(const char *name, char device[16])
{
	uint64_t hash = UINT64_C(14695981039346656037);

	memset(device, 0, 16);
	if (strcmp(name, "bridge") == 0) {
		memcpy(device, "joblet0", 8);
		return;
	}
	if (strlen(name) <= 8) {
		(void)snprintf(device, 16, "joblet-%.8s", name);
		return;
	}
	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
	(void)snprintf(device, 16, "jb-%012llx",
		       (unsigned long long)(hash ^ hash >> 48) & 0xffffffffffffull);
}

void jl__net_mac(uint32_t address_, uint8_t mac[6])
{
	mac[0] = 0x02; /* of nobody's making, one receiver */
	mac[1] = 0x6a;
	for (int i = 0; i < 4; i++)
		mac[2 + i] = (uint8_t)(address_ >> (24 - 8 * i));
}

/* ---- what a job may do ---- */

static int bad_allow(const char *text, jl_error **err)
{
	return jl__fail(
		err, -EINVAL,
		"\"%.64s\" is not of the form 10.0.0.0/8, 192.0.2.7:443 or 192.0.2.0/24:8000-8999",
		text);
}

/* Behind the ":". */
static int ports(const char *at, struct jl__net_allow *ret)
{
	uint32_t first, last;

	if (number(&at, "-", 65535, &first) < 0 || !first)
		return -EINVAL;
	last = first;
	if (*at == '-') {
		at++;
		if (number(&at, "", 65535, &last) < 0)
			return -EINVAL;
	}
	if (*at || last < first)
		return -EINVAL;
	ret->port_first = (uint16_t)first;
	ret->port_last = (uint16_t)last;
	return 0;
}

int jl__net_parse_allow(const char *text, struct jl__net_allow *ret, jl_error **err)
{
	struct jl__net_allow allow = { .prefix = 32, .port_last = 65535 };
	const char *at = text;
	char right[20];

	if (!text || strlen(text) > 64 || !jl__is_utf8(text, strlen(text)))
		return jl__fail(err, -EINVAL,
				"what a job may reach is not of the form 10.0.0.0/8:443");
	if (text[0] == '[' || strchr(text, ':') != strrchr(text, ':'))
		return jl__fail(
			err, -EINVAL,
			"\"%s\" looks like IPv6, which networks of jobs do not have",
			text);
	if (address(&at, &allow.address) < 0)
		return bad_allow(text, err);
	if (*at == '/') {
		at++;
		if (number(&at, ":", 32, &allow.prefix) < 0)
			return bad_allow(text, err);
	}
	if (allow.address & ~mask_of(allow.prefix)) {
		jl__net_put_cidr(right, allow.address & mask_of(allow.prefix),
				 allow.prefix);
		return jl__fail(
			err, -EINVAL,
			"\"%s\" has bits behind its prefix; the subnet it lies in is %s",
			text, right);
	}
	if (*at == ':') {
		if (ports(at + 1, &allow) < 0)
			return jl__fail(
				err, -EINVAL,
				"the ports of \"%s\" are not of the form 443 or 8000-8999, from 1 to 65535",
				text);
	} else if (*at) {
		return bad_allow(text, err);
	}
	*ret = allow;
	return 0;
}

int jl__net_parse_publish(const char *text, struct jl__net_publish *ret, jl_error **err)
{
	uint32_t host, job;
	bool udp = false;
	const char *at = text;

	if (!text || strlen(text) > 64 || !jl__is_utf8(text, strlen(text)))
		return jl__fail(err, -EINVAL,
				"a published port is not of the form 8080:80");
	if (number(&at, ":", 65535, &host) < 0 || *at != ':')
		goto bad;
	at++;
	if (number(&at, "/", 65535, &job) < 0)
		goto bad;
	if (*at) {
		udp = strcmp(at, "/udp") == 0;
		if (!udp && strcmp(at, "/tcp") != 0)
			goto bad;
	}
	if (!host || !job)
		return jl__fail(err, -EINVAL,
				"\"%s\" publishes port 0; ports go from 1 to 65535",
				text);
	*ret = (struct jl__net_publish){ (uint16_t)host, (uint16_t)job, udp };
	return 0;
bad:
	return jl__fail(
		err, -EINVAL,
		"\"%s\" is not of the form 8080:80 or 5353:53/udp: port of the host, port of the job",
		text);
}
