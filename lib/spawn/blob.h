/* SPDX-License-Identifier: MIT */
/*
 * A description of a job as bytes, to be kept and read back by this or a later version.
 * For node/. A version, then records of tag, length and content; what is read back goes
 * through the public setters, so that a damaged store gives a sentence and not a job.
 */
#ifndef JL_SPAWN_BLOB_H
#define JL_SPAWN_BLOB_H

#include <joblet/job.h>

#include "base/buf.h"

#define JL__BLOB_MAX (8u << 20)

/* Streams and what becomes of orphans are left out. The buffer is to be a secret one. */
int jl__spec_pack(const jl_job_spec *spec, struct jl__buf *buf, jl_error **err);
/* -EIO for damaged bytes, -ESTALE for those of a newer version. */
int jl__spec_unpack(const void *data, size_t len, jl_job_spec **ret, jl_error **err);

/* ---- what a description says, for whoever shows or completes it ---- */

uint32_t jl__spec_arg_count(const jl_job_spec *spec);
const char *jl__spec_arg(const jl_job_spec *spec, uint32_t index);
uint32_t jl__spec_env_count(const jl_job_spec *spec);
const char *jl__spec_env_name(const jl_job_spec *spec, uint32_t index);
const char *jl__spec_env_value(const jl_job_spec *spec, uint32_t index);
int jl__spec_env_secret(const jl_job_spec *spec, uint32_t index);
/* NULL: none, or the default. */
const char *jl__spec_name(const jl_job_spec *spec);
const char *jl__spec_work_dir(const jl_job_spec *spec);
/* NULL: nothing was asked for. */
const char *jl__spec_network(const jl_job_spec *spec);
uint64_t jl__spec_timeout_usec(const jl_job_spec *spec);
uint64_t jl__spec_work_bytes(const jl_job_spec *spec);
/* Standard input comes from the caller. */
int jl__spec_has_stdin(const jl_job_spec *spec);
/* Limits that can be enforced for jobs of this context: JL__CG_ bits. Starts its
 * supervisor when there is none. */
int jl__ctx_offers(jl_ctx *ctx, uint32_t *ret, jl_error **err);
/* Gives the standard input of one description to another. */
void jl__spec_move_stdin(jl_job_spec *from, jl_job_spec *to);

#endif
