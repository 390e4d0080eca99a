/* SPDX-License-Identifier: MIT */
/*
 * What a job may reach, for sets whose elements must not overlap. Pure.
 */
#define JL_MODULE "net"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/net-priv.h"

#define LINKLOCAL_FIRST 0xa9fe0000u /* 169.254.0.0 */
#define LINKLOCAL_LAST 0xa9feffffu
#define PARTS_MAX (2 * ALLOW_MAX)

struct parts {
	struct jl__nft_allow list[PARTS_MAX];
	uint32_t count;
};

static void add_part(struct parts *parts, uint32_t first, uint32_t last,
		     const struct jl__net_allow *allow)
{
	parts->list[parts->count++] =
		(struct jl__nft_allow){ first, last, allow->port_first,
					allow->port_last };
}

/* "Everything" is not meant to be the services a cloud has for its machines. */
static void add_allow(struct parts *parts, const struct jl__net_allow *allow)
{
	uint32_t first = allow->address;
	/* In 64 bits: neither /0 nor /32 shifts by the width of a word. */
	uint32_t last = first | (uint32_t)(0xffffffffull >> allow->prefix);

	if (allow->prefix >= 16 || first > LINKLOCAL_FIRST || last < LINKLOCAL_LAST) {
		add_part(parts, first, last, allow);
		return;
	}
	if (first < LINKLOCAL_FIRST)
		add_part(parts, first, LINKLOCAL_FIRST - 1, allow);
	if (last > LINKLOCAL_LAST)
		add_part(parts, LINKLOCAL_LAST + 1, last, allow);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int by_port(const void *a, const void *b)
{
	const struct jl__nft_allow *x = a, *y = b;

	return x->port_first < y->port_first ? -1 : x->port_first > y->port_first;
}

/* The ports that are allowed all over first..last, as ranges that do not touch. */
static uint32_t ports_of(const struct parts *parts, uint32_t first, uint32_t last,
			 struct jl__nft_allow *ret)
{
	uint32_t count = 0, kept = 0;

	for (uint32_t i = 0; i < parts->count; i++)
		if (parts->list[i].first <= first && parts->list[i].last >= last)
			ret[count++] = (struct jl__nft_allow){ first, last,
							       parts->list[i].port_first,
							       parts->list[i].port_last };
	if (count)
		qsort(ret, count, sizeof(*ret), by_port);
	for (uint32_t i = 0; i < count; i++) {
		if (kept && ret[i].port_first <= (uint32_t)ret[kept - 1].port_last + 1) {
			if (ret[i].port_last > ret[kept - 1].port_last)
				ret[kept - 1].port_last = ret[i].port_last;
			continue;
		}
		ret[kept++] = ret[i];
	}
	/* Every port is not every protocol, which only 0 to 65535 means. */
	return kept;
}

static bool same_ports(const struct jl__nft_allow *a, const struct jl__nft_allow *b,
		       uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (a[i].port_first != b[i].port_first ||
		    a[i].port_last != b[i].port_last)
			return false;
	return true;
}

/*
 * Between two neighbouring ends of ranges the same is allowed everywhere; such stretches
 * are made one where they touch and allow the same.
 */
static int disjoint(const struct parts *parts, struct jl__nft_allow *ranges,
		    uint32_t *count)
{
	uint64_t ends[2 * PARTS_MAX];
	struct jl__nft_allow now[PARTS_MAX];
	uint32_t end_count = 0, last_count = 0;

	for (uint32_t i = 0; i < parts->count; i++) {
		ends[end_count++] = parts->list[i].first;
		ends[end_count++] = (uint64_t)parts->list[i].last + 1;
	}
	if (end_count)
		qsort(ends, end_count, sizeof(ends[0]), by_number);
	for (uint32_t i = 0; i + 1 < end_count; i++) {
		struct jl__nft_allow *before = ranges + *count - last_count;
		uint32_t found;

		if (ends[i] == ends[i + 1])
			continue;
		found = ports_of(parts, (uint32_t)ends[i], (uint32_t)(ends[i + 1] - 1),
				 now);
		if (found && found == last_count && same_ports(before, now, found) &&
		    (uint64_t)before->last + 1 == ends[i]) {
			for (uint32_t j = 0; j < found; j++)
				before[j].last = now[j].last;
			continue;
		}
		if (found > ALLOW_MAX - *count)
			return -E2BIG;
		memcpy(ranges + *count, now, found * sizeof(now[0]));
		*count += found;
		last_count = found;
	}
	return 0;
}

int jl__net_ranges(const struct jl__net_allow *allow, uint32_t count,
		   struct jl__nft_allow ranges[ALLOW_MAX], uint32_t *ret_count)
{
	struct parts every = { .count = 0 }, some = { .count = 0 };
	int r;

	*ret_count = 0;
	if (count > ALLOW_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < count; i++) {
		bool all = allow[i].port_first == 0 && allow[i].port_last == 65535;

		add_allow(all ? &every : &some, &allow[i]);
	}
	r = disjoint(&every, ranges, ret_count);
	return r < 0 ? r : disjoint(&some, ranges, ret_count);
}
