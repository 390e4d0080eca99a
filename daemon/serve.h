/* SPDX-License-Identifier: MIT */
#ifndef DAEMON_SERVE_H
#define DAEMON_SERVE_H

#include <stdbool.h>

struct serve_options {
	const char *config; /* NULL: as jl__server_config_find() finds it */
	bool local_only;    /* no TLS listener */
};

/* Serves until SIGTERM; returns the exit code. */
int serve(const struct serve_options *options);

#endif
