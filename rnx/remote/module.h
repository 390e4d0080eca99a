/* SPDX-License-Identifier: MIT */
/* What the program finds in the module rnx-remote.so. */
#ifndef RNX_REMOTE_MODULE_H
#define RNX_REMOTE_MODULE_H

#include "backend.h"
#include "remote.h"

/* Where a daemon of this machine listens for its users. */
#define REMOTE_SOCKET "/run/joblet/joblet.sock"

#define REMOTE_MODULE_FILE "rnx-remote.so"
#define REMOTE_MODULE_SYMBOL "rnx_remote_module"
#define REMOTE_MODULE_VERSION 2

struct remote_module {
	uint32_t version; /* of both sides the same: they are built together */
	int (*open)(const struct options *opts, struct backend **ret_backend,
		    struct fault *fault);
	int (*nodes)(const struct options *opts, struct node_entries *ret_nodes,
		     struct fault *fault);
	void (*nodes_done)(struct node_entries *nodes);
};

#endif
