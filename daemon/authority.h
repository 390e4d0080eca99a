/* SPDX-License-Identifier: MIT */
/*
 * The certificate authority of an installation: the folder "ca" beside the configuration
 * with its key (0400), its certificate, and who got certificates and lost them. One
 * program at a time has it open.
 */
#ifndef DAEMON_AUTHORITY_H
#define DAEMON_AUTHORITY_H

#include <limits.h>

#include "cert.h"

#define AUTHORITY_DAYS 3650
#define CERT_DAYS 365
/* Certificates with less than this are worth a warning. */
#define CERT_WARN_DAYS 30

struct authority {
	int dir_fd; /* folder of the configuration */
	int ca_fd;  /* "ca" in it, locked */
	char path[PATH_MAX];
	char ca_path[PATH_MAX + 8];
	struct cert_pair pair;
	char *cert_pem;
};

/*
 * Opens it. Without create -ENOENT says which command makes one. With create a missing
 * authority is made; one whose key is gone while its certificate is there is not, unless
 * fresh asks for a new one, which everybody then needs certificates of.
 */
int authority_open(const char *path, bool create, bool fresh, struct authority *ret,
		   struct sentence *why);
void authority_close(struct authority *authority);
/* A certificate, written down before it is handed out. */
int authority_issue(struct authority *authority, const struct cert_wish *wish,
		    struct cert_pair *ret, struct sentence *why);

struct issued {
	struct cert_info info; /* without not_before */
	int64_t revoked;       /* seconds since 1970; 0: no */
};
/* All of them, in their order; *ret is released with free(). */
int authority_list(const struct authority *authority, struct issued **ret, size_t *count,
		   struct sentence *why);
/*
 * Revokes by serial number, or all certificates that bear a name. *ret_crl is the new
 * list, released with free(); *ret_count how many were revoked now.
 */
int authority_revoke(struct authority *authority, const char *which, char **ret_crl,
		     unsigned int *ret_count, struct sentence *why);

#endif
