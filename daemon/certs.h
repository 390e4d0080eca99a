/* SPDX-License-Identifier: MIT */
/* Whether the certificates of a configuration will do, before anything listens. */
#ifndef DAEMON_CERTS_H
#define DAEMON_CERTS_H

#include "cert.h"
#include "config/server.h"

/*
 * Checks that certificate, key, authority and revocation list of a configuration are
 * there, can be read and belong together. Returns 0, or a negative errno with a sentence
 * that says what to do; -ENOENT when there are none at all.
 */
int certs_check(const struct jl__server_config *config, struct sentence *why);

/* Expiry of what the configuration holds. */
struct certs_expiry {
	int64_t server, authority; /* seconds since 1970 */
};
int certs_get_expiry(const struct jl__server_config *config, struct certs_expiry *ret,
		     struct sentence *why);
/* "the certificate of the daemon ends in 12 days (2026-…): renew it with …" */
void certs_expiry_text(char buf[SENTENCE_MAX], const char *what, int64_t when,
		       int64_t now, const char *remedy);

#endif
