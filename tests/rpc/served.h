/* SPDX-License-Identifier: MIT */
/*
 * A small server on lib/rpc for tests: what its methods do is what the tests
 * need. Service test.Echo, messages of echo.proto.
 */
#ifndef SERVED_H
#define SERVED_H

#include "rpc/rpc.h"

#define ROLE_READ 1u
#define ROLE_WRITE 2u

extern const struct jl__rpc_method served_methods[];
extern const struct jl__rpc_hooks served_hooks;

/* Counted by the handlers, for the tests to look at. */
struct served_counts {
	unsigned requests, closed, opened, parts, part_bytes, reads, identified,
		forgotten;
	unsigned refused, dropped;
	unsigned most_reads; /* of sources, in one turn of the server */
	char last_drop[256];
};
extern struct served_counts served;

/* Wakes what waits for its time; whether anything does: to be called every 10
 * ms then. */
bool served_tick(void);

#endif
