/* SPDX-License-Identifier: MIT */
/* Messages of peers: walked, cut, decoded, checked for text, and written again. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "joblet.pb-c.h"
#include "rpc/pb.h"

#define UPLOADS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -EBADMSG, or how many fields with a number there are; each lies inside. */
static int count_of(const uint8_t *data, size_t size, uint32_t number)
{
	struct jl__pb_walk walk;
	struct jl__pb_field field;
	int r, count = 0;

	jl__pb_walk_init(&walk, data, size);
	while ((r = jl__pb_next(&walk, &field)) > 0) {
		if (field.number == 0)
			abort();
		if (field.type == 2 &&
		    (field.data < data || field.len > (size_t)(data + size - field.data)))
			abort();
		count += field.number == number;
	}
	return r < 0 ? r : count;
}

static void check_cut(const uint8_t *data, size_t size)
{
	struct jl__buf rest = JL__BUF_INIT(1 << 20);
	int whole = count_of(data, size, UPLOADS);
	int r = jl__pb_without(data, size, UPLOADS, &rest);

	if ((r < 0) != (whole < 0))
		abort();
	if (r == 0 && (rest.len > size ||
		       count_of((const uint8_t *)rest.data, rest.len, UPLOADS) != 0))
		abort();
	jl__buf_done(&rest);
}

static void check_decoded(const uint8_t *data, size_t size)
{
	Joblet__RunJobRequest *m = joblet__run_job_request__unpack(NULL, size, data),
			      *again;
	const char *name = NULL;
	uint8_t *packed;
	size_t len;
	bool ok;

	if (!m)
		return;
	ok = jl__pb_texts_ok(&m->base, &name);
	if (ok == (name != NULL))
		abort();
	len = joblet__run_job_request__get_packed_size(m);
	packed = malloc(len + 1);
	if (!packed || joblet__run_job_request__pack(m, packed) != len)
		abort();
	again = joblet__run_job_request__unpack(NULL, len, packed);
	/* protobuf-c keeps a field with number 0, and then does not take it back. */
	if (again && (again->n_uploads != m->n_uploads ||
		      jl__pb_texts_ok(&again->base, &name) != ok))
		abort();
	if (again)
		joblet__run_job_request__free_unpacked(again, NULL);
	joblet__run_job_request__free_unpacked(m, NULL);
	free(packed);
}

/* Whatever a text was, what is sent of it is UTF-8. */
static void check_clean(const uint8_t *data, size_t size)
{
	Joblet__Job job = JOBLET__JOB__INIT;
	char *text = jl__strndup((const char *)data, size), *clean;
	const char *name = NULL;

	clean = text ? jl__pb_clean(text) : NULL;
	if (clean) {
		job.command = clean;
		if (!jl__pb_texts_ok(&job.base, &name) || strlen(clean) > strlen(text))
			abort();
	}
	jl__free(clean);
	jl__free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_cut(data, size);
	check_decoded(data, size);
	check_clean(data, size);
	return 0;
}
