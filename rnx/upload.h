/* SPDX-License-Identifier: MIT */
/*
 * Files of the caller on their way into /work: --upload=FILE, --upload=FILE:PATH and
 * --upload-dir=DIR, in the order they were given. Reads with constant memory. Symbolic
 * links that lead out of what was named are refused.
 */
#ifndef RNX_UPLOAD_H
#define RNX_UPLOAD_H

#include "backend.h"

struct upload_totals {
	uint64_t files; /* folders not counted */
	uint64_t bytes;
};

/*
 * Looks at everything first, so that what cannot be uploaded is refused before anything
 * is sent. Totals may be shown then: "Uploading N files (X.XX MB)...".
 */
int upload_survey(const struct options *opts, struct upload_totals *ret_totals,
		  struct fault *fault);
/*
 * Sends it through the submission's add_dir(), add_file() and write(). On a terminal
 * (progress true) a bar on stderr, gone when done.
 */
int upload_send(const struct options *opts, struct submission *submission,
		const struct upload_totals *totals, bool progress, struct fault *fault);

#endif
