/* SPDX-License-Identifier: MIT */
/*
 * What rnx needs of the client of servers besides the backend: the nodes of a
 * configuration file.
 */
#ifndef RNX_REMOTE_H
#define RNX_REMOTE_H

#include "backend.h"

struct node_entry {
	char *name;
	char *address; /* HOST:PORT */
	char *node_id; /* NULL when not given */
	bool complete; /* certificate, key and authority are there */
	bool standard; /* where rnx goes without --node */
	/* Ends of the certificate and of the authority's; UNKNOWN: none that can be read. */
	uint64_t cert_usec, ca_usec;
};

struct node_entries {
	char *path; /* of the configuration file */
	struct node_entry *nodes;
	size_t count;
};

/*
 * Reads the configuration file that --config, the environment or the usual places name.
 * -ENOENT when there is none, with where it was looked for.
 */
int remote_nodes(const struct options *opts, struct node_entries *ret_nodes,
		 struct fault *fault);
void remote_nodes_done(struct node_entries *nodes);
/* Whether there is such a file at all; loads nothing. */
bool remote_configured(const struct options *opts);
/* Whether a flag, a variable or such a file sends this command to a server. */
bool remote_asked(const struct options *opts);

#endif
