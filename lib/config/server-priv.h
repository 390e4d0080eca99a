/* SPDX-License-Identifier: MIT */
#ifndef JL_CONFIG_SERVER_PRIV_H
#define JL_CONFIG_SERVER_PRIV_H

#include "config/server.h"

extern const struct jl__key jl__server_keys[];
extern const size_t jl__server_key_count;

#endif
