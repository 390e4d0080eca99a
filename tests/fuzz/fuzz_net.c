/* SPDX-License-Identifier: MIT */
/*
 * Names of networks, subnets, what a job may reach and publish: what is accepted is
 * within bounds and reads the same when it is written again; what is not gets a sentence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/net-priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* The code and the sentence go together; true when it was accepted. */
static bool taken(int r, jl_error **err)
{
	must(r == 0 ? !*err : *jl_error_message(*err) != '\0');
	jl_error_free(*err);
	return r == 0;
}

/* It becomes a file's name and a device's. */
static void try_name(const char *text)
{
	jl_error *err = NULL;
	char device[16];

	if (!taken(jl__net_check_name(text, &err), &err))
		return;
	must(strlen(text) <= NAME_MAX_BYTES && !strpbrk(text, "/. \n"));
	jl__net_device(text, device);
	must(memchr(device, '\0', sizeof(device)) != NULL && strlen(device) > 2);
}

static bool has_host_bits(uint32_t address, uint32_t prefix)
{
	return prefix < 32 && address & (0xffffffffu >> prefix);
}

static void try_cidr(const char *text)
{
	struct subnet subnet;
	jl_error *err = NULL;
	char again[20];

	if (!taken(jl__net_parse_cidr(text, &subnet, &err), &err))
		return;
	must(subnet.prefix >= 8 && subnet.prefix <= 30);
	must(!has_host_bits(subnet.address, subnet.prefix));
	/* One way to write it, so that none is taken for another. */
	jl__net_put_cidr(again, subnet.address, subnet.prefix);
	must(strcmp(again, text) == 0);
	must(jl__net_window(subnet.prefix) >= 1);
}

static void try_allow(const char *text, struct jl__net_allow *list, uint32_t *count)
{
	struct jl__net_allow allow;
	jl_error *err = NULL;

	if (!taken(jl__net_parse_allow(text, &allow, &err), &err))
		return;
	must(allow.prefix <= 32 && !has_host_bits(allow.address, allow.prefix));
	must(allow.port_first <= allow.port_last);
	/* Port 0 only where there are no ports at all. */
	must(allow.port_first || allow.port_last == 65535);
	if (*count < ALLOW_MAX)
		list[(*count)++] = allow;
}

static void try_publish(const char *text)
{
	struct jl__net_publish publish;
	jl_error *err = NULL;
	char again[32];
	size_t len;

	if (!taken(jl__net_parse_publish(text, &publish, &err), &err))
		return;
	must(publish.host_port && publish.job_port);
	len = (size_t)snprintf(again, sizeof(again), "%u:%u", publish.host_port,
			       publish.job_port);
	must(strncmp(text, again, len) == 0);
	must(publish.udp == (strcmp(text + len, "/udp") == 0));
}

static bool covers(const struct jl__net_allow *allow, uint32_t address, uint32_t port)
{
	uint32_t prefix = allow->prefix;

	return (prefix == 0 || (allow->address ^ address) >> (32 - prefix) == 0) &&
	       allow->port_first <= port && allow->port_last >= port;
}

/* At both ends of a range the same is allowed as the list allows there. */
static void ck_ends(const struct jl__nft_allow *range, const struct jl__net_allow *list,
		    uint32_t count)
{
	const uint32_t ends[2] = { range->first, range->last };

	for (int i = 0; i < 2; i++) {
		bool first = false, last = false;

		for (uint32_t k = 0; k < count; k++) {
			first = first || covers(&list[k], ends[i], range->port_first);
			last = last || covers(&list[k], ends[i], range->port_last);
		}
		must(first && last);
	}
}

/* What goes to the kernel does not overlap, and allows nothing that was not named. */
static void try_ranges(const struct jl__net_allow *list, uint32_t count)
{
	static struct jl__nft_allow ranges[ALLOW_MAX];
	uint32_t found = 0;

	if (jl__net_ranges(list, count, ranges, &found) < 0)
		return;
	must(found <= ALLOW_MAX);
	for (uint32_t i = 0; i < found; i++) {
		bool every = ranges[i].port_first == 0 && ranges[i].port_last == 65535;

		must(ranges[i].first <= ranges[i].last &&
		     ranges[i].port_first <= ranges[i].port_last);
		ck_ends(&ranges[i], list, count);
		for (uint32_t k = 0; k < i; k++) {
			bool other =
				ranges[k].port_first == 0 && ranges[k].port_last == 65535;

			must(every != other || ranges[i].first > ranges[k].last ||
			     ranges[i].last < ranges[k].first ||
			     ranges[i].port_first > ranges[k].port_last ||
			     ranges[i].port_last < ranges[k].port_first);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = jl__strndup((const char *)data, size);
	static struct jl__net_allow list[ALLOW_MAX];
	uint32_t count = 0;
	char *line, *rest = text;

	if (!text)
		return 0;
	/* A line each, so that lists of what is allowed come together. */
	while (rest) {
		line = strsep(&rest, "\n");
		try_name(line);
		try_cidr(line);
		try_allow(line, list, &count);
		try_publish(line);
	}
	try_ranges(list, count);
	return 0;
}
