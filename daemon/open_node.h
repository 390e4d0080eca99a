/* SPDX-License-Identifier: MIT */
/* The node as a configuration wants it. */
#ifndef DAEMON_OPEN_NODE_H
#define DAEMON_OPEN_NODE_H

#include "serving.h"

/* Opens context and node, and makes the configured networks. 0, or a sentence. */
int open_node(struct serving *s, struct sentence *why);

#endif
