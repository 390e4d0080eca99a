/* SPDX-License-Identifier: MIT */
/*
 * Places of killed programs count as somebody's for some seconds. Nobody waits for that
 * here: their records are made older.
 */
#ifndef SYSTEM_NET_AGE_H
#define SYSTEM_NET_AGE_H

void net_age(const char *network);

#endif
