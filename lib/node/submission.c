/* SPDX-License-Identifier: MIT */
/* A job to be: what the caller says of it, until it is handed in. */
#define JL_MODULE "node"

#include "node/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"

#define SCHEDULE_MAX_USEC (UINT64_C(366) * 24 * 3600 * 1000000)
#define OWNER_MAX 255

int jl_submission_new(jl_node *node, jl_submission **ret_sub, jl_error **ret_err)
{
	jl_submission *sub;
	int r = jl__node_enter(node, ret_err);

	if (r < 0)
		return r;
	sub = jl__calloc(1, sizeof(*sub));
	if (!sub)
		return jl__oom(ret_err);
	sub->node = jl_node_ref(node);
	r = jl__uuid_make(sub->id, ret_err);
	if (r == 0 && jl_job_spec_new(&sub->spec) < 0)
		r = jl__oom(ret_err);
	if (r < 0) {
		jl_submission_free(sub);
		return r;
	}
	*ret_sub = sub;
	return 0;
}

void jl_submission_free(jl_submission *sub)
{
	if (!sub)
		return;
	jl__upload_free(sub->upload);
	jl_job_spec_free(sub->spec);
	jl__free(sub->recurrence);
	jl__free(sub->owner);
	(void)jl_node_unref(sub->node);
	jl__free(sub);
}

jl_job_spec *jl_submission_spec(jl_submission *sub)
{
	return sub->spec;
}

int jl_submission_set_due(jl_submission *sub, uint64_t due_usec, jl_error **ret_err)
{
	uint64_t now = jl__now_usec();

	jl__error_init(ret_err);
	if (due_usec > now && due_usec - now > SCHEDULE_MAX_USEC)
		return jl__fail(ret_err, -ERANGE,
				"a job cannot be scheduled more than 366 days ahead");
	sub->due = due_usec;
	return 0;
}

int jl_submission_set_recurrence(jl_submission *sub, const char *rule, jl_error **ret_err)
{
	char *copy = NULL;
	jl_rule *parsed;
	int r;

	jl__error_init(ret_err);
	if (rule) {
		r = jl_rule_parse(rule, &parsed, ret_err);
		if (r < 0)
			return r;
		jl_rule_free(parsed);
		copy = jl__strdup(rule);
		if (!copy)
			return jl__oom(ret_err);
	}
	jl__free(sub->recurrence);
	sub->recurrence = copy;
	return 0;
}

int jl_submission_set_retries(jl_submission *sub, uint32_t retries, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (retries > 100)
		return jl__fail(ret_err, -ERANGE,
				"%" PRIu32 " retries are too many; 0 to 100 are taken",
				retries);
	sub->retries = retries;
	return 0;
}

int jl_submission_set_priority(jl_submission *sub, int priority, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (priority < -100 || priority > 100)
		return jl__fail(ret_err, -ERANGE,
				"priority %d is out of range; -100 to 100 are taken",
				priority);
	sub->priority = priority;
	return 0;
}

int jl_submission_set_disk_bytes(jl_submission *sub, uint64_t bytes, jl_error **ret_err)
{
	jl__error_init(ret_err);
	if (bytes && (bytes < 65536 || bytes > UINT64_C(1) << 62))
		return jl__fail(
			ret_err, -ERANGE,
			"%" PRIu64
			" bytes for /work are out of range; at least 65536 are taken",
			bytes);
	sub->disk = bytes;
	return 0;
}

int jl_submission_set_owner(jl_submission *sub, const char *owner, jl_error **ret_err)
{
	char *copy = NULL;

	jl__error_init(ret_err);
	if (owner && (strlen(owner) > OWNER_MAX || !jl__is_utf8(owner, strlen(owner))))
		return jl__fail(ret_err, -EINVAL,
				"the owner is not UTF-8 of at most %d bytes", OWNER_MAX);
	if (owner && *owner) {
		copy = jl__strdup(owner);
		if (!copy)
			return jl__oom(ret_err);
	}
	jl__free(sub->owner);
	sub->owner = copy;
	return 0;
}

void jl_submission_set_attached(jl_submission *sub, int attached)
{
	sub->attached = attached != 0;
}

/* ---- uploads ---- */

/* The staging folder, made when the first one comes. */
static int staging(jl_submission *sub, jl_error **err)
{
	const jl_node *node = sub->node;
	struct jl__upload_caps caps = {
		.file_bytes = node->config.number[JL_NODE_UPLOAD_FILE_BYTES],
		.job_bytes = node->config.number[JL_NODE_UPLOAD_JOB_BYTES],
	};
	_cleanup_close_ int fd = -EBADF;

	if (sub->used)
		return jl__fail(err, -EINVAL, "the job has been handed in already");
	if (sub->upload)
		return 0;
	fd = jl__staging_folder(node, err);
	return fd < 0 ? fd : jl__upload_new(fd, sub->id, &caps, &sub->upload, err);
}

int jl_submission_add_dir(jl_submission *sub, const char *path, uint32_t mode,
			  jl_error **ret_err)
{
	int r = jl__node_enter(sub->node, ret_err);

	if (r == 0)
		r = staging(sub, ret_err);
	return r < 0 ? r : jl__upload_add_dir(sub->upload, path, mode, ret_err);
}

int jl_submission_add_file(jl_submission *sub, const char *path, uint32_t mode,
			   uint64_t size, jl_error **ret_err)
{
	int r = jl__node_enter(sub->node, ret_err);

	if (r == 0)
		r = staging(sub, ret_err);
	return r < 0 ? r : jl__upload_add_file(sub->upload, path, mode, size, ret_err);
}

int jl_submission_add_link(jl_submission *sub, const char *path, const char *target,
			   jl_error **ret_err)
{
	int r = jl__node_enter(sub->node, ret_err);

	if (r == 0)
		r = staging(sub, ret_err);
	return r < 0 ? r : jl__upload_add_link(sub->upload, path, target, ret_err);
}

int jl_submission_write(jl_submission *sub, const void *data, size_t len,
			jl_error **ret_err)
{
	int r = jl__node_enter(sub->node, ret_err);

	if (r < 0)
		return r;
	if (!sub->upload)
		return jl__fail(ret_err, -EINVAL,
				"no file has been begun; jl_submission_add_file() does");
	return jl__upload_write(sub->upload, data, len, ret_err);
}
