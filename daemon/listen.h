/* SPDX-License-Identifier: MIT */
/* The sockets of the daemon: its own, or those systemd hands over. */
#ifndef DAEMON_LISTEN_H
#define DAEMON_LISTEN_H

#include "serving.h"

/* Certificates into the server; again on reload. */
int listen_set_tls(struct serving *s, struct sentence *why);
int listen_open(struct serving *s, struct sentence *why);

#endif
