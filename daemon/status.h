/* SPDX-License-Identifier: MIT */
/* What an errno of the library is to a caller of the daemon. One table, pure. */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

/*
 * A jl__rpc_code. Some clients try again after UNAVAILABLE, DEADLINE_EXCEEDED and
 * INTERNAL, a RunJob included: none of them is ever given here.
 */
int status_of(int code);

#endif
