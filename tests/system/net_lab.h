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

#endif
