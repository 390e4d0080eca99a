/* SPDX-License-Identifier: MIT */
/*
 * A machine of its own for tests of networks: mount and network namespace, a run-time
 * folder, and an outside:
 *
 *   endpoints ── bridges ── "host" 192.0.2.1 ──── 192.0.2.2 "outside", which also is
 *                                                 198.51.100.7 and 169.254.169.254
 *
 * Nothing of the real machine is seen or changed, and nothing leaves it.
 */
#ifndef NET_LAB_H
#define NET_LAB_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "results.h"

/* ---- the program ---- */

/* Runs the suite, each test in a machine of its own, and prints TAP. */
int lab_main(const char *name, double seconds, void (*add)(TCase *tcase));

/* ---- the machine ---- */

#define HOST_ADDRESS "192.0.2.1"
#define OUTSIDE_ADDRESS "192.0.2.2"
#define FAR_ADDRESS "198.51.100.7"
#define METADATA_ADDRESS "169.254.169.254"

/* Network namespaces: of the host, and of the outside. */
extern int lab_host, lab_outside;

/* A command; fails the test when it does. */
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What a command printed; freed with free(). */
char *output(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "nft list ruleset" without the tables of joblet. */
char *rules_of_others(void);
/* Whole file, NUL terminated, or NULL; freed with free(). */
char *file_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something is there in the output of a command, or not. */
bool says(const char *what, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- traffic ---- */

/* A socket of a namespace. */
int socket_in(int ns, int family, int type, int protocol);
/* Bound (and listening, when it is a stream), at an address or at all with NULL. */
int serve(int ns, int type, const char *address, int port);
/* Whether a stream from one namespace gets through to a server. */
bool connects(int from, const char *address, int port);
/* The same, when it is not supposed to: waits for less long. */
bool is_kept_from(int from, const char *address, int port);
/* Sends one datagram and says whether the server got it. */
bool datagram(int from, const char *address, int port, int server);
/* Sends a datagram without looking whether it arrives. */
void send_to(int from, const char *address, int port);
/* Frames as they are, on one interface of a namespace. */
int packet_socket(int ns, const char *device);
/* Whether one with these bytes in it has been received. */
bool has_seen(int packet, const char *mark);
bool got_datagram(int server);

#endif
