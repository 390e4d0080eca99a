/* SPDX-License-Identifier: MIT */
/* Durable jobs through the inside of the library, for the tests that are about them. */
#ifndef SYSTEM_DURABLE_H
#define SYSTEM_DURABLE_H

#include "harness.h"

#include "spawn/durable.h"

/* Of this test: sockets, and one folder for each job. */
extern char base[64];

void open_base(void);
void remove_base(void);
/* Below the base, made when it is not there. */
int open_folder(const char *name);
void set_sockets(jl_ctx *of);
/* A new id, and its folder. */
struct jl__durable new_job(void);
/* Frees the description. */
jl_job *spawn(jl_ctx *in, jl_job_spec *spec, const struct jl__durable *durable);
/* Spawns, waits, and ends the handle. */
void run_durable(jl_job_spec *spec, const struct jl__durable *durable);
/* Whole file of a folder; "" when it is not there. Freed by the caller. */
char *content(int folder, const char *name, size_t *ret_len);
void ck_log(int folder, const char *want);
/* Waits for the log to be that far. */
void until_log(int folder, const char *want);
/* The index has no gaps, and covers the whole log. Returns how many entries. */
size_t ck_index(int folder);
/* There is a result, without a failure. */
struct jl_result result_of(int folder, uint32_t want_cut);

#endif
