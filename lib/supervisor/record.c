/* SPDX-License-Identifier: MIT */
/*
 * What is written down about durable jobs, in their folders. Nothing is flushed to the
 * disk here, which could stop all jobs for as long as the disk likes: these records are
 * for crashes of programs. After a crash of the machine the job is lost anyway; whoever
 * tells others how it ended makes that durable before.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>

/* Taken before the start, so that a full disk cannot lose the end. */
#define RESERVED_BYTES 8192

#define PART "result.part"

static uint32_t sum_of(uint32_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		sum = (sum ^ *p++) * 16777619u;
	return sum;
}

static int reserve(int folder)
{
	static const char zeros[RESERVED_BYTES];
	int fd = (int)jl__sys_openat(folder, PART,
				     O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	long r;

	if (fd < 0)
		return fd;
	r = jl__sys_fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, RESERVED_BYTES);
	if (r == -EOPNOTSUPP)
		r = jl__sys_pwrite(fd, zeros, sizeof(zeros), 0);
	(void)jl__sys_close(fd);
	return r < 0 ? (int)r : 0;
}

int record_begin(struct job *job, struct jl__failure *failure)
{
	int r = reserve(job->folder);

	if (r < 0)
		return failed(failure, JL__STEP_RECORD, 1, r);
	/* Whoever makes it starts the job, and nobody else ever does. */
	r = (int)jl__sys_openat(job->folder, "begun",
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r < 0)
		return failed(failure, JL__STEP_RECORD, 0, r);
	(void)jl__sys_close(r);
	job->begun = 1;
	return 0;
}

static long write_record(const struct job *job, const char *name,
			 const struct jl__reply *reply, const void *more, size_t len)
{
	struct jl__record record = {
		.magic = JL__RECORD_MAGIC,
		.size = (uint32_t)(sizeof(record) + len),
		.log_cut = job->log_cut,
		.reply = *reply,
	};
	int fd = (int)jl__sys_openat(job->folder, name,
				     O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	long r;

	if (fd < 0)
		return fd;
	record.reply.job = 0;
	record.sum = sum_of(sum_of(2166136261u, &record, sizeof(record)), more, len);
	r = jl__sys_pwrite(fd, &record, sizeof(record), 0);
	if (r >= 0 && len)
		r = jl__sys_pwrite(fd, more, len, sizeof(record));
	/* Not cut to its size, which the record tells: to give blocks back can take ms.
	 */
	(void)jl__sys_close(fd);
	return r;
}

void record_started(const struct job *job, const struct jl__reply *reply)
{
	if (job->begun)
		(void)write_record(job, "started", reply, NULL, 0);
}

void record_result(const struct job *job, const struct jl__reply *reply, const void *more,
		   size_t len)
{
	if (!job->begun)
		return;
	/* What was reserved holds the end; what it cost is left out when it does not fit.
	 */
	if (write_record(job, PART, reply, more, len) < 0 &&
	    write_record(job, PART, reply, NULL, 0) < 0)
		return;
	(void)jl__sys_renameat2(job->folder, PART, job->folder, "result", 0);
}
