/* SPDX-License-Identifier: MIT */
/* The sockets of the daemon: its own, or those systemd hands over. */
#ifndef DAEMON_LISTEN_H
#define DAEMON_LISTEN_H

#include "serving.h"

/* Who may connect to the local socket, as the roles of local users are now. */
void listen_set_mode(const struct serving *s);
/* Certificates of a configuration into the server; again on reload. */
int listen_set_tls(struct serving *s, const struct jl__server_config *config,
		   struct sentence *why);
int listen_open(struct serving *s, struct sentence *why);

#endif
