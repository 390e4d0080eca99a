/* SPDX-License-Identifier: MIT */
/*
 * The two configuration files of an installation, with PEM text inside: joblet-config.yml
 * for the daemon, rnx-config.yml and one per further client. What else people wrote into
 * them stays.
 */
#ifndef DAEMON_INSTALL_H
#define DAEMON_INSTALL_H

#include "authority.h"
#include "edit.h"

#define SERVER_FILE "joblet-config.yml"
#define CLIENT_FILE "rnx-config.yml"

/*
 * Sets keys of the section security; the file is made when it is not there, then with
 * address and port of the server (NULL and 0: as usual). What comes out is read back
 * before it replaces anything.
 */
int install_server(const struct authority *authority, const struct edit *edits,
		   size_t count, const char *address, unsigned int port,
		   struct sentence *why);
/* The daemon's certificate as it is installed; -ENOENT without a sentence when none. */
int install_server_cert(const struct authority *authority, X509 **ret,
			struct sentence *why);

struct client_entry {
	const char *node;	/* name of the node in the file */
	const char *address;	/* HOST:PORT */
	const char *cert, *key; /* PEM; NULL: only the address changes */
};
/*
 * Sets nodes of a client's configuration; nodes that are there already and not named
 * stay. name: file in the folder of the configuration.
 */
int install_client(const struct authority *authority, const char *name,
		   const struct client_entry *entries, size_t count,
		   struct sentence *why);
/* Whether a node of CLIENT_FILE has a certificate of this authority with days to go. */
bool install_client_good(const struct authority *authority, const char *node);
/* Address of the server for new clients, as it was written down: HOST:PORT. */
int install_get_address(const struct authority *authority, char to[512],
			struct sentence *why);
int install_set_address(const struct authority *authority, const char *address,
			struct sentence *why);

#endif
