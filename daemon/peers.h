/* SPDX-License-Identifier: MIT */
/* Hooks of the server: who a peer is, and what is told of those who were turned away. */
#ifndef DAEMON_PEERS_H
#define DAEMON_PEERS_H

#include "serving.h"

void peers_set_hooks(struct serving *s, struct jl__rpc_hooks *hooks);

#endif
