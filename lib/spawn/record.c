/* SPDX-License-Identifier: MIT */
/* Reading what the supervisor wrote into a durable job's folder. */
#define JL_MODULE "job"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "spawn/durable.h"
#include "spawn/link.h"
#include "spawn/plan.h"

static uint32_t sum_of(struct jl__record *record)
{
	const unsigned char *p = (const unsigned char *)record;
	uint32_t sum = 2166136261U, said = record->sum;

	record->sum = 0;
	for (uint32_t i = 0; i < record->size; i++)
		sum = (sum ^ p[i]) * 16777619U;
	record->sum = said;
	return sum;
}

static int read_all(int fd, void *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		ssize_t got = read(fd, (char *)data + at, size - at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENODATA;
		at += (size_t)got;
	}
	return 0;
}

/*
 * -ENOENT when there is none; -ENODATA when it is not whole, as after a crash of the
 * machine.
 */
static int read_record(int folder, const char *name, struct jl__record **ret)
{
	_cleanup_close_ int fd =
		openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ struct jl__record *record = NULL;
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(*record) ||
	    st.st_size > 2 * JL__REPLY_MAX)
		return -ENODATA;
	record = jl__alloc((size_t)st.st_size);
	if (!record)
		return -ENOMEM;
	r = read_all(fd, record, (size_t)st.st_size);
	if (r < 0)
		return r;
	if (record->magic != JL__RECORD_MAGIC || record->size < sizeof(*record) ||
	    record->size > (uint64_t)st.st_size || sum_of(record) != record->sum)
		return -ENODATA;
	*ret = jl__steal(record);
	return 0;
}

static int fail_read(const char *name, int code, jl_error **err)
{
	if (code == -ENOMEM)
		return jl__oom(err);
	if (code == -ENOENT || code == -ENODATA)
		return jl__fail(err, -ENOENT, "there is no record \"%s\" of the job%s",
				name, code == -ENODATA ? " that is whole" : "");
	return jl__fail_errno(err, code, "cannot read the record \"%s\" of the job",
			      name);
}

bool jl__record_begun(int folder)
{
	return faccessat(folder, "begun", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int jl__record_started(int folder, struct jl_result *ret, jl_error **err)
{
	_cleanup_free_ struct jl__record *record = NULL;
	int r = read_record(folder, "started", &record);

	if (r < 0)
		return fail_read("started", r, err);
	*ret = (struct jl_result){
		.size = sizeof(*ret),
		.start_usec = record->reply.start_usec,
	};
	return 0;
}

static char *failure_sentence(const struct jl__record *record)
{
	size_t len = record->size - sizeof(*record);
	_cleanup_free_ char *text = jl__strndup((const char *)(record + 1), len);
	jl_error *error = NULL;
	char *sentence;

	(void)jl__plan_fail(NULL, &record->reply.failure, len ? text : NULL, &error);
	sentence = jl__strdup(jl_error_message(error));
	jl_error_free(error);
	return sentence;
}

int jl__record_result(int folder, struct jl_result *ret, struct jl_stats *ret_stats,
		      char **ret_failure, jl_error **err)
{
	_cleanup_free_ struct jl__record *record = NULL;
	char *failure = NULL;
	jl_job job = { 0 };
	int r = read_record(folder, "result", &record);

	if (r < 0)
		return fail_read("result", r, err);
	if (record->reply.type == JL__REPLY_FAILED) {
		failure = failure_sentence(record);
		if (!failure)
			return jl__oom(err);
		jl__job_set_result(&job, &record->reply, NULL, 0);
	} else {
		jl__job_set_result(&job, &record->reply, (const char *)(record + 1),
				   record->size - sizeof(*record));
	}
	job.result.size = sizeof(job.result);
	*ret = job.result;
	*ret_stats = job.stats;
	*ret_failure = failure;
	return 0;
}

int jl__record_cut(int folder, uint32_t *ret, jl_error **err)
{
	_cleanup_free_ struct jl__record *record = NULL;
	int r = read_record(folder, "result", &record);

	if (r < 0)
		return fail_read("result", r, err);
	*ret = record->log_cut;
	return 0;
}
