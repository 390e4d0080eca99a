/* SPDX-License-Identifier: MIT */
/* From messages to what commands show. */
#include <errno.h>
#include <string.h>

#include <joblet/job.h>

#include "remote-priv.h"

static int fill_texts(struct job *job, const char *uuid,
		      const Joblet__X__V1__JobDetails *d)
{
	const struct {
		char **slot;
		const char *text;
	} texts[] = {
		{ &job->uuid, uuid },	       { &job->name, d->name },
		{ &job->network, d->network }, { &job->address, d->address },
		{ &job->cpus, d->cpus },       { &job->work_dir, d->work_dir },
		{ &job->owner, d->owner },     { &job->recurrence, d->recurrence },
		{ &job->failure, d->failure }, { &job->warning, d->warning },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(texts) / sizeof(*texts); i++)
		r = job_set_text(texts[i].slot, texts[i].text);
	return r;
}

static void fill_numbers(struct job *job, const Joblet__X__V1__JobDetails *d)
{
	const struct {
		uint64_t *slot;
		uint64_t value;
		int field; /* of the message */
	} numbers[] = {
		{ &job->number, d->number, 1 },
		{ &job->signal, (uint64_t)d->signal, 11 },
		{ &job->created_usec, d->created_usec, 12 },
		{ &job->due_usec, d->due_usec, 13 },
		{ &job->start_usec, d->start_usec, 14 },
		{ &job->end_usec, d->end_usec, 15 },
		{ &job->wall_usec, d->wall_usec, 16 },
		{ &job->cpu_usec, d->cpu_usec, 17 },
		{ &job->memory_peak_bytes, d->memory_peak_bytes, 18 },
		{ &job->io_read_bytes, d->io_read_bytes, 19 },
		{ &job->io_write_bytes, d->io_write_bytes, 20 },
		{ &job->memory_bytes, d->memory_bytes, 21 },
		{ &job->io_bps, d->io_bps, 22 },
		{ &job->pids, d->pids, 23 },
		{ &job->disk_bytes, d->disk_bytes, 24 },
		{ &job->disk_used_bytes, d->disk_used_bytes, 25 },
		{ &job->timeout_usec, d->timeout_usec, 26 },
		{ &job->retries, d->retries, 27 },
		{ &job->attempt, d->attempt, 28 },
		{ &job->log_bytes, d->log_bytes, 30 },
		{ &job->net_received_bytes, d->net_received_bytes, 32 },
		{ &job->net_sent_bytes, d->net_sent_bytes, 33 },
		{ &job->net_received_packets, d->net_received_packets, 34 },
		{ &job->net_sent_packets, d->net_sent_packets, 35 },
		{ &job->cpu_percent, d->cpu_percent, 38 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		*numbers[i].slot =
			d->unknown >> numbers[i].field & 1 ? UNKNOWN : numbers[i].value;
	job->priority = d->priority;
	job->log_cut = d->log_cut;
}

static uint64_t reason_by_name(const char *name)
{
	for (int64_t reason = JL_REASON_EXITED; reason <= JL_REASON_LOST; reason++) {
		if (strcmp(jl_reason_name(reason), name) == 0)
			return (uint64_t)reason;
	}
	return UNKNOWN;
}

int remote_fill_details(struct job *job, const char *uuid, const char *status,
			const Joblet__X__V1__JobDetails *details, int32_t exit_code)
{
	int r;

	job_done(job);
	job->state = state_by_name(status);
	if (!details) {
		/* A daemon of another make: what every one says has to do. */
		job->exit_code = (uint64_t)exit_code;
		return job_set_text(&job->uuid, uuid);
	}
	r = fill_texts(job, uuid, details);
	fill_numbers(job, details);
	job->reason = reason_by_name(details->reason);
	job->exit_code = details->has_exit_code ? (uint64_t)exit_code : UNKNOWN;
	return r;
}
