/* SPDX-License-Identifier: MIT */
/*
 * Private to net/: the handle, the leases, what jobs are shown, the wire.
 *
 * Locks: the lock of all networks ("net/lock") for making and removing them, then the
 * lock of one network (flock on its leases) for a few reads and writes of the file; never
 * the other way round. Whoever holds neither may find the network gone: its leases say
 * so.
 */
#ifndef JL_NET_NET_PRIV_H
#define JL_NET_NET_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ctx/ctx.h"
#include "net/net.h"
#include "nft/nft.h"

#define NAME_MAX_BYTES 32
#define PORTS_MAX 1023u /* of a bridge: BR_MAX_PORTS of the kernel, less one */
#define WINDOW_MAX                                                          \
	65536u /* addresses of a subnet that are handed out, from its start \
		*/

/* ---- what is on disk: net/NAME/leases ---- */

#define LEASES_MAGIC 0x6a6c6e31u /* "jln1" */

enum leases_state {
	LEASES_MAKING = 1, /* its maker has not come to the end */
	LEASES_READY,
	LEASES_GONE /* being removed */
};

struct leases_head {
	uint32_t magic;
	uint32_t state;
	uint32_t address;
	uint32_t prefix;
	uint32_t cursor;  /* index where the next search begins */
	uint32_t high;	  /* no index from here on was ever used */
	uint32_t taken;	  /* at most so many words are not 0 */
	uint32_t checked; /* index where the next check begins */
	char device[16];
	uint64_t lines[16]; /* of the hosts file: a bit for each that is written */
};

#define LINES_MAX 1024u

/*
 * Behind the head one word for each address that is handed out (a network's first job has
 * index 0), then one record each. A word is 0, or the number of the place; it alone says
 * whether the address is free, so that a record may be stale.
 */
#define WORDS_AT 4096u
#define RECORDS_AT (WORDS_AT + WINDOW_MAX * 4u)

#define LEASE_RESTRICTED 1u /* it may not go everywhere */
#define LEASE_POLICY 2u	    /* there are elements beyond its being a member */
#define LEASE_USED 4u	    /* somebody has had the address before */

struct lease {
	uint32_t number;
	uint32_t owner;	      /* pid of who took it */
	uint64_t owner_start; /* and when that started, in ticks since boot */
	uint64_t taken_usec;  /* since boot */
	uint32_t line;	      /* of the hosts file, counted from 1; 0: none */
	uint32_t flags;	      /* LEASE_ */
	char device[16];
	char unused[16];
};

/* ---- the handle ---- */

struct jl_net {
	uint32_t refs; /* atomic */
	jl_ctx *ctx;
	bool weak; /* holds no reference on it */
	char name[NAME_MAX_BYTES + 1];
	char cidr[20];
	char label[NAME_MAX_BYTES + 8];
	char device[16];
	uint32_t address;
	uint32_t prefix;
	uint32_t jobs;
	uint32_t index; /* of the bridge */
	bool builtin;
	bool isolated;
	bool ipv6;    /* the kernel has it */
	char *folder; /* absolute path of net/NAME */
	char *shown;
	int folder_fd;
	int leases;
	struct jl__nft_share share; /* of connections; empty: not asked for yet */
	int route;     /* sockets of the network the handle was opened in */
	int netfilter; /* both stay open: the handle belongs to one thread */
};

static inline uint32_t jl__net_gateway(const jl_net *net)
{
	return net->address + 1;
}

/* How many addresses are handed out: not the subnet's, the gateway's, the broadcast's. */
static inline uint32_t jl__net_window(uint32_t prefix)
{
	uint32_t hosts = (uint32_t)((1ull << (32 - prefix)) - 3);

	return hosts < WINDOW_MAX ? hosts : WINDOW_MAX;
}

static inline uint32_t jl__net_address_of(const jl_net *net, uint32_t index)
{
	return net->address + 2 + index;
}

/* parse.c: texts */
struct subnet {
	uint32_t address;
	uint32_t prefix;
};

/* A name that can be a network's; builtin ones too. */
int jl__net_check_name(const char *name, jl_error **err);
bool jl__net_is_reserved(const char *name);
int jl__net_parse_cidr(const char *text, struct subnet *ret, jl_error **err);
/* Four numbers with points, up to the end or one of "/:". Behind them in *ret_end. */
int jl__net_parse_address(const char *text, uint32_t *ret, const char **ret_end);
void jl__net_put_address(char text[16], uint32_t address);
void jl__net_put_cidr(char text[20], uint32_t address, uint32_t prefix);
/* "joblet-NAME", or what fits of it. */
void jl__net_device(const char *name, char device[16]);
/* 02:6a and the address: whoever has the address again has the MAC again. */
void jl__net_mac(uint32_t address, uint8_t mac[6]);
static inline bool jl__net_overlap(struct subnet a, struct subnet b)
{
	uint32_t prefix = a.prefix < b.prefix ? a.prefix : b.prefix;

	return prefix == 0 || (a.address ^ b.address) >> (32 - prefix) == 0;
}

/* folder.c: net/, its lock, and the folders in it */
/* The folder of all networks, made if needed. An O_PATH descriptor, and its path. */
int jl__net_root(const jl_ctx *ctx, int *ret_fd, char **ret_path, jl_error **err);
/* Takes the lock of all networks; closing the descriptor gives it back. */
int jl__net_lock(int root, jl_error **err);
/* Names of networks that have a folder, sorted; released with jl__net_names_free(). */
int jl__net_names(int root, char ***ret, uint32_t *ret_count, jl_error **err);
void jl__net_names_free(char **names, uint32_t count);

/* leases.c: the file. Bare errors. */
int jl__leases_create(int folder, const struct leases_head *head);
int jl__leases_open(int folder, int *ret_fd, struct leases_head *ret_head);
int jl__leases_lock(int fd);
void jl__leases_unlock(int fd);
int jl__leases_head(int fd, struct leases_head *ret);
int jl__leases_set_state(int fd, uint32_t state);
int jl__leases_set_checked(int fd, uint32_t index);
/*
 * Under the lock: an index that is free, and the record of who had it last, who may have
 * left a line of the hosts file, and elements. -ENOSPC, or -EXFULL when a bridge has no
 * port for it; -ENOENT when the network is gone.
 */
int jl__leases_find(int fd, uint32_t *ret_index, struct lease *ret_last);
/* Under the lock: writes it down as taken. */
int jl__leases_take(int fd, uint32_t index, const struct lease *lease);
/* Under the lock: writes the record anew and makes the place a job's. -ENOENT when it is
 * not this place's any more. */
int jl__leases_claim(int fd, uint32_t index, const struct lease *lease);
/* Under the lock: takes that back. */
int jl__leases_unclaim(int fd, uint32_t index, uint32_t number);
/* Under the lock: the lease when the index is still that number's, else -ENOENT. */
int jl__leases_read(int fd, uint32_t index, uint32_t number, struct lease *ret);
/* Under the lock: the place is free, and nothing of it is left to be looked for. */
void jl__leases_settled(int fd, uint32_t index, uint32_t number);
/* Frees it, when it is still that number's; else -ENOENT. */
int jl__leases_free(int fd, uint32_t index, uint32_t number);
/* Under the lock: gives the record a free line of the hosts file, counted from 1. With
 * -ENOSPC there is none. */
int jl__leases_line(int fd, struct lease *lease);
/* Under the lock: takes the line of a record away that is still that number's, whether
 * the word is or not; the line, or 0. */
uint32_t jl__leases_take_line(int fd, uint32_t index, uint32_t number);
struct leases_count {
	uint32_t taken;
	uint32_t claimed;
};
int jl__leases_count(int fd, struct leases_count *ret);
/* Goes through those that are taken, until fn returns other than 0. */
typedef int (*jl__lease_fn)(uint32_t index, uint32_t word, const struct lease *lease,
			    void *data);
int jl__leases_each(int fd, uint32_t first, uint32_t most, jl__lease_fn fn, void *data,
		    uint32_t *ret_next);

/* shown.c: what jobs see */
#define HOSTS_LINES_AT 128u
#define HOSTS_LINE 144u
int jl__shown_make(jl_net *net, jl_error **err);
/* nameservers of the host, refreshed. */
int jl__shown_resolvers(jl_net *net, jl_error **err);
/* fn gets the address of each resolver of this machine that is not on its loopback. */
typedef bool (*jl__resolver_fn)(uint32_t address, void *data);
void jl__shown_each_resolver(jl__resolver_fn fn, void *data);
/* A line that is not read yet; made valid by its last byte. */
int jl__shown_add(const jl_net *net, uint32_t line, uint32_t address, const char *job_id,
		  const char *job_name);
void jl__shown_clear(const jl_net *net, uint32_t line);
/* Where it begins in the file. */
uint32_t jl__shown_line_at(uint32_t line);

/* allow.c */
#define ALLOW_MAX 256u
/*
 * What a job may reach as ranges that do not overlap, those with every protocol first.
 * 169.254.0.0/16 is in them only where it was named, not as part of something larger.
 * -E2BIG beyond ALLOW_MAX ranges.
 */
int jl__net_ranges(const struct jl__net_allow *allow, uint32_t count,
		   struct jl__nft_allow ranges[ALLOW_MAX], uint32_t *ret_count);

/* kernel.c: bridge, rules, settings */
/* Whether this caller and this kernel can have networks at all. */
int jl__net_allowed(const jl_net *net, jl_error **err);
/* Makes what is missing of it; everything may be there already. */
int jl__net_raise(jl_net *net, int root, jl_error **err);
/* Whether it is there as it should be: 1 or 0 or a failure. Sets the bridge's index. */
int jl__net_stands(jl_net *net, jl_error **err);
/* Takes it away; what is not there is fine. */
int jl__net_raze(jl_net *net, jl_error **err);
/* Removes the tables when no network is left. */
int jl__net_raze_rules(int netfilter);
/* Fills in what each of its jobs may have of the kernel's table of connections. */
int jl__net_know_share(jl_net *net, jl_error **err);
/* Rules anew for all networks: after somebody has flushed them, or another version made
 * them. */
int jl__net_rules(jl_net *net, int root, jl_error **err);

/* overlap.c */
/* -EADDRINUSE with a sentence when the subnet meets something else. Under the lock. */
int jl__net_check_free(const jl_net *net, int root, jl_error **err);

/* repair.c */
/* Takes away what rules, connections and neighbours still say about an address. */
int jl__net_forget(const jl_net *net, uint32_t address);
/* Frees places whose owner and interface are gone. most: how many to look at. */
int jl__net_sweep(jl_net *net, uint32_t most, jl_error **err);
/* Microseconds since boot. */
uint64_t jl__net_now(void);
/* When a process started, in ticks since boot; 0: there is none. */
uint64_t jl__net_start_of(uint32_t pid);

/* wire.c: messages of one place */
struct wire_plan {
	const jl_net *net;
	uint32_t address;
	uint32_t number;
	uint32_t index;
	uint32_t line; /* of the hosts file; 0: none */
	uint64_t bps;
	const char *device;
	const struct jl__nft_allow *allow; /* NULL with restricted: nowhere */
	uint32_t allow_count;
	bool restricted;
	const struct jl__nft_publish *publish;
	uint32_t publish_count;
};

#define ELEMENTS_MEMBER 1u /* what makes a place one */
#define ELEMENTS_POLICY 2u /* what a job may do beyond it, or less */
/* The elements of a place, added or taken away. */
void jl__net_elements(const struct wire_plan *plan, struct jl__buf *batch, uint32_t which,
		      bool del);
/* -E2BIG when it does not fit. */
int jl__net_wire(const struct wire_plan *plan, struct jl__wire *ret, size_t size);

/* handle.c */
#define JL__NET_BRIDGE 0xac140000u /* 172.20.0.0 */
#define JL__NET_BRIDGE_PREFIX 16u
#define JL__NET_ISOLATED 0x0aff0000u /* 10.255.0.0 */
#define JL__NET_ISOLATED_PREFIX 20u
void jl__net_init(jl_net *net, jl_ctx *ctx, const char *name);
void jl__net_done(jl_net *net);
/* With paths and sockets, and nothing opened yet. */
int jl__net_new(jl_ctx *ctx, const char *root_path, const char *name, jl_net **ret,
		jl_error **err);
void jl__net_set_subnet(jl_net *net, uint32_t address, uint32_t prefix);

#endif
