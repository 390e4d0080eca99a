/* SPDX-License-Identifier: MIT */
/* Hands bytes to a connection of lib/rpc's server, as if a peer had sent them. */
#ifndef FUZZ_RPC_FEED_H
#define FUZZ_RPC_FEED_H

#include <stddef.h>
#include <stdint.h>

/*
 * first goes in front of data. Aborts when the connection leaves anything behind, or when
 * a handler is not told of the end of each of its calls exactly once.
 */
void rpc_feed(const void *first, size_t first_len, const uint8_t *data, size_t len);

#endif
