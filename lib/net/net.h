/* SPDX-License-Identifier: MIT */
/*
 * Networks: bridges, the pool of addresses, rules, names. Implements <joblet/net.h>;
 * gives spawn/ places for jobs. Knows nothing of jobs but their ids and names, and
 * nothing of the supervisor but the wire it is to lay.
 *
 * In the kernel: a bridge per network, the nftables tables "joblet" (inet and bridge),
 * one element per place in their sets. On disk: one folder per network in the run-time
 * folder, net/NAME, with `leases` (a word and a record per place, changed under flock;
 * whoever ends a job makes the word 0 with one write) and `shown` (hosts and resolv.conf,
 * what jobs see).
 */
#ifndef JL_NET_NET_H
#define JL_NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <joblet/net.h>

#include "plan/plan.h"

/* "10.0.0.0/8:443" and the like: where a job may go. */
struct jl__net_allow {
	uint32_t address; /* host byte order, no host bits */
	uint32_t prefix;
	uint16_t port_first; /* 0 to 65535: all, protocols without ports included */
	uint16_t port_last;
};

struct jl__net_publish {
	uint16_t host_port;
	uint16_t job_port;
	bool udp;
};

/* What one job may do beyond, or less than, its network. */
struct jl__net_policy {
	const struct jl__net_allow *allow; /* none: everything the network allows */
	uint32_t allow_count;
	const struct jl__net_publish *publish;
	uint32_t publish_count;
	uint64_t bps; /* bytes per second each way; 0: no limit */
};

#define JL__NET_ALLOW_MAX 256u
#define JL__NET_PUBLISH_MAX 64u

/* Parsers of the texts above, pure. -EINVAL with a sentence. */
int jl__net_parse_allow(const char *text, struct jl__net_allow *ret, jl_error **err);
int jl__net_parse_publish(const char *text, struct jl__net_publish *ret, jl_error **err);

/* An address taken, and how to wire a namespace to it. */
struct jl__net_place {
	uint32_t address; /* host byte order */
	char text[16];	  /* the same, for people */
	uint32_t record;  /* in the leases */
	bool claimed;
	bool limited; /* has a bandwidth, so it cannot be a spare */
	uint64_t bps;
	union {
		struct jl__wire wire;
		char bytes[JL__WIRE_MAX];
	};
};

/*
 * Takes an address for nobody yet, so that a namespace can be wired ahead of time. With
 * bps, which is part of the wire. Adds the element that lets exactly this interface, MAC
 * and address in. -ENOSPC when the network has no address or port left.
 */
int jl__net_place_take(jl_net *net, uint64_t bps, struct jl__net_place *ret,
		       jl_error **err);
/* Whether places may be taken that nobody needs yet: in a small network somebody else may
 * be refused because of them. */
bool jl__net_is_roomy(const jl_net *net);
/*
 * Gives it to a job: names, where it may go, what of it is published. The wire is made
 * anew; of a namespace that is wired ahead only its end counts. -EADDRINUSE when a port
 * is taken, -ENOENT when the network has been removed. The place stays the caller's to
 * release in any case.
 */
int jl__net_place_claim(jl_net *net, struct jl__net_place *place,
			const struct jl__net_policy *policy, const char *job_id,
			const char *job_name, jl_error **err);
/*
 * Elements, lease, names: all of it gone. Also fine when the supervisor was first, and
 * somebody else has the address by now; not to be called while it is about to.
 */
void jl__net_place_release(jl_net *net, struct jl__net_place *place);

/* Lets go of the context, which must then live at least as long as the handle. */
void jl__net_weaken(jl_net *net);

/* Folder with hosts and resolv.conf, to be shown at /etc by links. Borrowed. */
const char *jl__net_shown(const jl_net *net);

#endif
