/* SPDX-License-Identifier: MIT */
/*
 * Keys, certificates and revocation lists: ECDSA on P-256, by OpenSSL. Turns values into
 * PEM text and back; knows no files and no configuration.
 */
#ifndef DAEMON_CERT_H
#define DAEMON_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "text.h"

/* A key with its certificate. */
struct cert_pair {
	EVP_PKEY *key;
	X509 *cert;
};

/* Certificates begin this long before they are made: clocks differ. */
#define CERT_SKEW_SECONDS 300

enum cert_use { CERT_SERVER, CERT_CLIENT };

struct cert_wish {
	enum cert_use use;
	const char *unit;	      /* OU: "Server", or the role */
	const char *name;	      /* CN */
	const char *const *addresses; /* names and IP addresses of a server */
	size_t address_count;
	unsigned int days;
};

#define CERT_SERIAL_MAX 48 /* hexadecimal, upper case, with the NUL */

/* Each returns 0, or a negative errno with a sentence. */
int cert_make_key(EVP_PKEY **ret, struct sentence *why);
/* The authority's own certificate, for a key that is there. */
int cert_make_authority(EVP_PKEY *key, unsigned int days, X509 **ret,
			struct sentence *why);
/* A new key and a certificate for it. */
int cert_issue(const struct cert_pair *authority, const struct cert_wish *wish,
	       struct cert_pair *ret, struct sentence *why);
void cert_pair_done(struct cert_pair *pair);

/* A certificate that was revoked. */
struct cert_revoked {
	char serial[CERT_SERIAL_MAX];
	int64_t when; /* seconds since 1970 */
};
/* PEM of a list of them, good as long as the authority; released with free(). */
int cert_make_crl(const struct cert_pair *authority, const struct cert_revoked *revoked,
		  size_t count, char **ret, struct sentence *why);

/* PEM text, released with free(); the key's is wiped by the caller. NULL: no memory. */
char *cert_pem(X509 *cert);
char *cert_key_pem(EVP_PKEY *key);
/* And back; -EINVAL naming what. what: "server certificate" … */
int cert_read(const char *pem, const char *what, X509 **ret, struct sentence *why);
int cert_read_key(const char *pem, const char *what, EVP_PKEY **ret,
		  struct sentence *why);

/* What people want to know of a certificate. */
struct cert_info {
	char name[128]; /* CN */
	char unit[64];	/* first OU */
	char serial[CERT_SERIAL_MAX];
	int64_t not_before, not_after; /* seconds since 1970 */
};
void cert_get_info(const X509 *cert, struct cert_info *ret);
/* Whole days until then; negative when it is over. */
int64_t cert_days_left(int64_t not_after, int64_t now);
/* Whether key and certificate belong together, and the authority made it. */
int cert_check_pair(X509 *cert, EVP_PKEY *key, X509 *authority, const char *what,
		    struct sentence *why);
/* Calls add for each name and address of a server's certificate. */
int cert_each_address(const X509 *cert, int (*add)(void *data, const char *address),
		      void *data);

#endif
