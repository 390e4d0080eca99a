/* SPDX-License-Identifier: MIT */
/*
 * A job as messages describe it, turned into a submission. Everything is checked here or
 * by the setters of the library; nothing is left out silently.
 */
#ifndef DAEMON_REQUEST_H
#define DAEMON_REQUEST_H

#include "rpc/pb.h"
#include "serving.h"

/* What goes wrong: a jl__rpc_code with a sentence. */
struct refusal {
	int code;
	char text[SENTENCE_MAX];
};
int refuse(struct refusal *refusal, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for an error of the library, which is released. Returns -1. */
int refuse_error(struct refusal *refusal, int r, jl_error *err);

/*
 * Begins a submission from an encoded RunJobRequest, without its uploads. Returns 0, or
 * -1 with the refusal.
 */
int request_begin(struct serving *s, const struct jl__rpc_peer *peer, const uint8_t *data,
		  size_t len, jl_submission **ret, struct refusal *refusal);
/* Takes the next of its uploads: 1, 0 when there is none, -1 with the refusal. */
int request_next_upload(struct jl__pb_walk *walk, jl_submission *sub,
			struct refusal *refusal);

/* One uploaded thing; a file's content follows by request_content(). */
struct upload_part {
	const char *path, *link_target; /* NUL terminated; link_target "" for none */
	uint32_t mode;
	bool is_directory;
	uint64_t size; /* UINT64_MAX: not known */
};
int request_upload(jl_submission *sub, const struct upload_part *part,
		   struct refusal *refusal);
int request_content(jl_submission *sub, const uint8_t *data, size_t len,
		    struct refusal *refusal);
/* A field of text as a string of its own; -1 when it is not UTF-8 or holds a NUL. */
int request_text(const struct jl__pb_field *field, size_t max, char *to,
		 struct refusal *refusal);

#endif
