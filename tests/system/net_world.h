/* SPDX-License-Identifier: MIT */
/*
 * A machine of our own for tests of networks: this process moves into a new network
 * namespace, which stands for the machine, with a second one behind it, which stands for
 * everything outside. Nothing leaves them, and nothing of the real machine is changed.
 */
#ifndef SYSTEM_NET_WORLD_H
#define SYSTEM_NET_WORLD_H

#include <stdint.h>

#include <joblet/net.h>

#include "harness.h"

#define MACHINE "203.0.113.1"  /* towards the outside */
#define OUTSIDE "203.0.113.2"  /* a neighbour of the machine */
#define FARAWAY "198.51.100.9" /* behind it */
#define METADATA "169.254.169.254"
/* Services answer here, with "machine", "outside", or the name of the job. */
#define PORT "7777"
#define OTHER_PORT "7778"

/* As harness_main(), in the world. argv[1] is the peer program. */
int world_main(int argc, char **argv, const char *name, double seconds,
	       void (*add)(TCase *tcase));
extern const char *peer_path;

/* A job that runs the peer program with these arguments, in a network. */
jl_job_spec *peer(const char *network, const char *name, const char *first, ...)
	__attribute__((sentinel));
/* A job that serves under its name on both ports, ready. */
void serve(struct run *run, const char *network, const char *name);
void serve_end(struct run *run);
/* Appends "tcp:ADDRESS:PORT" and the same for udp to a description. */
void add_targets(jl_job_spec *spec, const char *address, const char *port, bool answers);
/* What a peer said about a target: "NAME SOURCE", or "- why not"; fails when it is not
 * there. In a buffer of its own. */
const char *answer_of(const struct run *run, const char *kind, const char *address,
		      const char *port);
/* Both kinds were answered by this name; or, with NULL, by nobody. */
void ck_answers(const struct run *run, const char *address, const char *port,
		const char *name);

/* Runs a program outside (or, with false, on the machine) and returns what it printed. */
const char *run_at(bool outside, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Enters the outside for good. For children. */
void go_outside(void);

/* What networks leave on the machine: ports, elements of rules, leases of jobs. "" when
 * there is nothing, after waiting a while for the kernel. */
const char *network_leftovers(double seconds);

#endif
