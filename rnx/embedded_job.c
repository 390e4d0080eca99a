/* SPDX-License-Identifier: MIT */
/* From what the library knows of a job to what commands show. */
#include "embedded.h"

#include <errno.h>

/* Texts and where they go. */
static int fill_texts(const jl_job_info *info, struct job *job)
{
	const struct {
		int what;
		char **slot;
	} texts[] = {
		{ JL_INFO_ID, &job->uuid },
		{ JL_INFO_NAME, &job->name },
		{ JL_INFO_NETWORK, &job->network },
		{ JL_INFO_ADDRESS, &job->address },
		{ JL_INFO_CPUS, &job->cpus },
		{ JL_INFO_WORK_DIR, &job->work_dir },
		{ JL_INFO_OWNER, &job->owner },
		{ JL_INFO_RECURRENCE, &job->recurrence },
		{ JL_INFO_FAILURE, &job->failure },
		{ JL_INFO_WARNING, &job->warning },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && r == 0; i++)
		r = job_set_text(texts[i].slot,
				 jl_job_info_get_text(info, texts[i].what));
	return r;
}

static void fill_numbers(const jl_job_info *info, struct job *job)
{
	const struct {
		int what;
		uint64_t *slot;
	} numbers[] = {
		{ JL_INFO_NUMBER, &job->number },
		{ JL_INFO_CREATED_USEC, &job->created_usec },
		{ JL_INFO_DUE_USEC, &job->due_usec },
		{ JL_INFO_START_USEC, &job->start_usec },
		{ JL_INFO_END_USEC, &job->end_usec },
		{ JL_INFO_EXIT_CODE, &job->exit_code },
		{ JL_INFO_REASON, &job->reason },
		{ JL_INFO_SIGNAL, &job->signal },
		{ JL_INFO_WALL_USEC, &job->wall_usec },
		{ JL_INFO_CPU_USEC, &job->cpu_usec },
		{ JL_INFO_MEMORY_PEAK_BYTES, &job->memory_peak_bytes },
		{ JL_INFO_IO_READ_BYTES, &job->io_read_bytes },
		{ JL_INFO_IO_WRITE_BYTES, &job->io_write_bytes },
		{ JL_INFO_CPU_PERCENT, &job->cpu_percent },
		{ JL_INFO_MEMORY_BYTES, &job->memory_bytes },
		{ JL_INFO_IO_BPS, &job->io_bps },
		{ JL_INFO_PIDS, &job->pids },
		{ JL_INFO_DISK_BYTES, &job->disk_bytes },
		{ JL_INFO_DISK_USED_BYTES, &job->disk_used_bytes },
		{ JL_INFO_TIMEOUT_USEC, &job->timeout_usec },
		{ JL_INFO_RETRIES, &job->retries },
		{ JL_INFO_ATTEMPT, &job->attempt },
		{ JL_INFO_LOG_BYTES, &job->log_bytes },
		{ JL_INFO_NET_RECEIVED_BYTES, &job->net_received_bytes },
		{ JL_INFO_NET_SENT_BYTES, &job->net_sent_bytes },
		{ JL_INFO_NET_RECEIVED_PACKETS, &job->net_received_packets },
		{ JL_INFO_NET_SENT_PACKETS, &job->net_sent_packets },
	};
	uint64_t value;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i].slot = jl_job_info_get_number(info, numbers[i].what);
	value = jl_job_info_get_number(info, JL_INFO_STATE);
	job->state = value == UNKNOWN ? -1 : (int)value;
	job->priority = (int64_t)jl_job_info_get_number(info, JL_INFO_PRIORITY);
	job->log_cut = jl_job_info_get_number(info, JL_INFO_LOG_CUT) == 1;
}

static int fill_lists(const jl_job_info *info, struct job *job)
{
	int r = 0;

	for (uint32_t i = 0; i < jl_job_info_arg_count(info) && r == 0; i++)
		r = job_add_arg(job, jl_job_info_get_arg(info, i));
	for (uint32_t i = 0; i < jl_job_info_env_count(info) && r == 0; i++)
		r = job_add_env(job, jl_job_info_get_env_name(info, i),
				jl_job_info_get_env_value(info, i),
				jl_job_info_env_is_secret(info, i));
	for (uint32_t i = 0; i < jl_job_info_upload_count(info) && r == 0; i++)
		r = job_add_upload(job, jl_job_info_get_upload(info, i));
	return r;
}

int embedded_fill_job(const jl_job_info *info, struct job *job, struct fault *fault)
{
	job_done(job);
	fill_numbers(info, job);
	if (fill_texts(info, job) < 0 || fill_lists(info, job) < 0) {
		job_done(job);
		return fault_set(fault, -ENOMEM, "out of memory");
	}
	return 0;
}
