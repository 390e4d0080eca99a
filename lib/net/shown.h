/* SPDX-License-Identifier: MIT */
/* Private to net/: the texts jobs are shown, as pure functions. */
#ifndef JL_NET_SHOWN_H
#define JL_NET_SHOWN_H

#include "net/net-priv.h"

#define RESOLVERS_MAX 8u

struct jl__resolvers {
	uint32_t servers[RESOLVERS_MAX]; /* that are not on the host's loopback */
	uint32_t count;
	struct jl__buf rest; /* lines with search, domain, options */
	bool stub;	     /* one of them is on the host's loopback */
};

#define JL__RESOLVERS_INIT                  \
	{                                   \
		.rest = JL__BUF_INIT(16384) \
	}

/* Adds what a resolv.conf says. */
void jl__shown_parse(const char *text, struct jl__resolvers *ret);
/* One line of hosts, valid, of full length with its line end. */
void jl__shown_line(char text[HOSTS_LINE], uint32_t address, const char *job_id,
		    const char *job_name);

#endif
