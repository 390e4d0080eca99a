/* SPDX-License-Identifier: MIT */
#include "convert.h"

#include <string.h>

#include "text.h"

#define MIB (UINT64_C(1) << 20)
/* Of what one job may say of itself at most: with 2 MiB of variables it stays below what
 * clients take as one message. */
#define COMMAND_BYTES MIB
#define UPLOADS_BYTES (MIB / 2)

static uint64_t number(const jl_job_info *info, int what)
{
	return jl_job_info_get_number(info, what);
}

/* A number of which 0 stands for "not known". */
static uint64_t known(const jl_job_info *info, int what)
{
	uint64_t value = number(info, what);

	return value == UINT64_MAX ? 0 : value;
}

static int32_t small(uint64_t value)
{
	return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static int32_t mib(const jl_job_info *info)
{
	return small((known(info, JL_INFO_MEMORY_BYTES) + MIB - 1) / MIB);
}

static char *text(struct arena *arena, const jl_job_info *info, int what)
{
	return arena_text(arena, jl_job_info_get_text(info, what));
}

static char *time_of(struct arena *arena, const jl_job_info *info, int what)
{
	char buf[TIME_TEXT_MAX];

	return arena_text(arena, time_text(buf, number(info, what)));
}

int32_t convert_exit_code(const jl_job_info *info)
{
	return small(known(info, JL_INFO_EXIT_CODE));
}

const char *convert_state(const jl_job_info *info)
{
	return jl_state_name((int)number(info, JL_INFO_STATE));
}

/* "reason" has a name only where the job has ended, and one more for not having begun. */
static const char *reason(const jl_job_info *info)
{
	if (*jl_job_info_get_text(info, JL_INFO_FAILURE))
		return "failed-to-start";
	if (number(info, JL_INFO_REASON) == UINT64_MAX)
		return "";
	return jl_reason_name((int64_t)number(info, JL_INFO_REASON));
}

/* Numbers of which 0 is one: those that are not known have a bit of their own. */
static void fill_numbers(Joblet__X__V1__JobDetails *d, const jl_job_info *info)
{
	const struct {
		int what, field;
		uint64_t *slot;
	} numbers[] = {
		{ JL_INFO_NUMBER, 1, &d->number },
		{ JL_INFO_CREATED_USEC, 12, &d->created_usec },
		{ JL_INFO_DUE_USEC, 13, &d->due_usec },
		{ JL_INFO_START_USEC, 14, &d->start_usec },
		{ JL_INFO_END_USEC, 15, &d->end_usec },
		{ JL_INFO_WALL_USEC, 16, &d->wall_usec },
		{ JL_INFO_CPU_USEC, 17, &d->cpu_usec },
		{ JL_INFO_MEMORY_PEAK_BYTES, 18, &d->memory_peak_bytes },
		{ JL_INFO_IO_READ_BYTES, 19, &d->io_read_bytes },
		{ JL_INFO_IO_WRITE_BYTES, 20, &d->io_write_bytes },
		{ JL_INFO_MEMORY_BYTES, 21, &d->memory_bytes },
		{ JL_INFO_IO_BPS, 22, &d->io_bps },
		{ JL_INFO_PIDS, 23, &d->pids },
		{ JL_INFO_DISK_BYTES, 24, &d->disk_bytes },
		{ JL_INFO_DISK_USED_BYTES, 25, &d->disk_used_bytes },
		{ JL_INFO_TIMEOUT_USEC, 26, &d->timeout_usec },
		{ JL_INFO_LOG_BYTES, 30, &d->log_bytes },
		{ JL_INFO_NET_RECEIVED_BYTES, 32, &d->net_received_bytes },
		{ JL_INFO_NET_SENT_BYTES, 33, &d->net_sent_bytes },
		{ JL_INFO_NET_RECEIVED_PACKETS, 34, &d->net_received_packets },
		{ JL_INFO_NET_SENT_PACKETS, 35, &d->net_sent_packets },
		{ JL_INFO_CPU_PERCENT, 38, &d->cpu_percent },
	};
	static const struct {
		int what, field;
	} small_ones[] = {
		{ JL_INFO_SIGNAL, 11 },
		{ JL_INFO_RETRIES, 27 },
		{ JL_INFO_ATTEMPT, 28 },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		*numbers[i].slot = known(info, numbers[i].what);
		if (number(info, numbers[i].what) == UINT64_MAX)
			d->unknown |= UINT64_C(1) << numbers[i].field;
	}
	for (size_t i = 0; i < sizeof(small_ones) / sizeof(*small_ones); i++) {
		if (number(info, small_ones[i].what) == UINT64_MAX)
			d->unknown |= UINT64_C(1) << small_ones[i].field;
	}
}

Joblet__X__V1__JobDetails *convert_details(struct arena *arena, const jl_job_info *info)
{
	Joblet__X__V1__JobDetails *d = arena_take(arena, sizeof(*d));

	if (!d)
		return NULL;
	joblet__x__v1__job_details__init(d);
	d->name = text(arena, info, JL_INFO_NAME);
	d->network = text(arena, info, JL_INFO_NETWORK);
	d->address = text(arena, info, JL_INFO_ADDRESS);
	d->work_dir = text(arena, info, JL_INFO_WORK_DIR);
	d->owner = text(arena, info, JL_INFO_OWNER);
	d->recurrence = text(arena, info, JL_INFO_RECURRENCE);
	d->failure = text(arena, info, JL_INFO_FAILURE);
	d->warning = text(arena, info, JL_INFO_WARNING);
	d->cpus = text(arena, info, JL_INFO_CPUS);
	d->reason = arena_text(arena, reason(info));
	d->signal = small(known(info, JL_INFO_SIGNAL));
	fill_numbers(d, info);
	d->retries = (uint32_t)small(known(info, JL_INFO_RETRIES));
	d->attempt = (uint32_t)small(known(info, JL_INFO_ATTEMPT));
	d->priority = (int32_t)(int64_t)number(info, JL_INFO_PRIORITY);
	d->log_cut = known(info, JL_INFO_LOG_CUT) != 0;
	d->state = (uint32_t)known(info, JL_INFO_STATE);
	d->has_exit_code = number(info, JL_INFO_EXIT_CODE) != UINT64_MAX;
	return d;
}

/* Command and arguments, within a number of bytes; whole words first, one cut. */
static void command_line(struct arena *arena, const jl_job_info *info, size_t max,
			 char **ret_command, size_t *ret_count, char ***ret_args)
{
	uint32_t count = jl_job_info_arg_count(info);
	char **args = count > 1 ? arena_take(arena, count * sizeof(*args)) : NULL;
	size_t n = 0, used;

	*ret_command =
		arena_text_max(arena, count ? jl_job_info_get_arg(info, 0) : "", max);
	used = strlen(*ret_command);
	for (uint32_t i = 1; args && i < count && used < max; i++) {
		args[n] = arena_text_max(arena, jl_job_info_get_arg(info, i), max - used);
		/* Each costs its head on the wire, too. */
		used += strlen(args[n++]) + 4;
	}
	*ret_count = n;
	*ret_args = args;
}

char **convert_uploads(struct arena *arena, const jl_job_info *info, size_t *ret_count)
{
	uint32_t count = jl_job_info_upload_count(info), n = 0;
	char **list = arena_take(arena, ((size_t)count + 1) * sizeof(*list));
	size_t used = 0;

	while (list && n < count && used < UPLOADS_BYTES) {
		list[n] = arena_text(arena, jl_job_info_get_upload(info, n));
		used += strlen(list[n++]) + 4;
	}
	*ret_count = n;
	if (list && n < count)
		list[(*ret_count)++] = arena_format(arena, "... and %u more", count - n);
	return list;
}

/* Maps are lists of entries; each message has an entry type of its own. */
#define ADD_VARIABLES(message, Type, init, arena, info, secret, member)                 \
	do {                                                                            \
		uint32_t n_ = jl_job_info_env_count(info);                              \
		Type **list_ = n_ ? arena_take(arena, n_ * sizeof(*list_)) : NULL;      \
		for (uint32_t i_ = 0; list_ && i_ < n_; i_++) {                         \
			Type *entry_;                                                   \
			if (jl_job_info_env_is_secret(info, i_) != (secret))            \
				continue;                                               \
			entry_ = arena_take(arena, sizeof(*entry_));                    \
			if (!entry_)                                                    \
				break;                                                  \
			init(entry_);                                                   \
			entry_->key =                                                   \
				arena_text(arena, jl_job_info_get_env_name(info, i_));  \
			entry_->value =                                                 \
				arena_text(arena, jl_job_info_get_env_value(info, i_)); \
			list_[(message)->n_##member++] = entry_;                        \
		}                                                                       \
		(message)->member = list_;                                              \
	} while (0)

Joblet__GetJobStatusResponse *convert_status(struct arena *arena, const jl_job_info *info,
					     const char *node_id)
{
	Joblet__GetJobStatusResponse *s = arena_take(arena, sizeof(*s));

	if (!s)
		return NULL;
	joblet__get_job_status_response__init(s);
	s->uuid = arena_text(arena, jl_job_info_get_id(info));
	s->name = text(arena, info, JL_INFO_NAME);
	command_line(arena, info, COMMAND_BYTES, &s->command, &s->n_args, &s->args);
	s->max_cpu = small(known(info, JL_INFO_CPU_PERCENT));
	s->cpu_cores = text(arena, info, JL_INFO_CPUS);
	s->max_memory = mib(info);
	s->max_io_bps = small(known(info, JL_INFO_IO_BPS));
	s->status = arena_text(arena, convert_state(info));
	s->start_time = time_of(arena, info, JL_INFO_START_USEC);
	s->end_time = time_of(arena, info, JL_INFO_END_USEC);
	s->exit_code = convert_exit_code(info);
	s->scheduled_time = time_of(arena, info, JL_INFO_DUE_USEC);
	s->network = text(arena, info, JL_INFO_NETWORK);
	s->work_dir = text(arena, info, JL_INFO_WORK_DIR);
	s->node_id = arena_text(arena, node_id);
	ADD_VARIABLES(s, Joblet__GetJobStatusResponse__EnvironmentEntry,
		      joblet__get_job_status_response__environment_entry__init, arena,
		      info, 0, environment);
	ADD_VARIABLES(s, Joblet__GetJobStatusResponse__SecretEnvironmentEntry,
		      joblet__get_job_status_response__secret_environment_entry__init,
		      arena, info, 1, secret_environment);
	s->uploads = convert_uploads(arena, info, &s->n_uploads);
	s->details = convert_details(arena, info);
	return s;
}

Joblet__RunJobResponse *convert_started(struct arena *arena, const jl_job_info *info)
{
	Joblet__RunJobResponse *s = arena_take(arena, sizeof(*s));

	if (!s)
		return NULL;
	joblet__run_job_response__init(s);
	s->job_uuid = arena_text(arena, jl_job_info_get_id(info));
	s->status = arena_text(arena, convert_state(info));
	command_line(arena, info, COMMAND_BYTES, &s->command, &s->n_args, &s->args);
	s->max_cpu = small(known(info, JL_INFO_CPU_PERCENT));
	s->cpu_cores = text(arena, info, JL_INFO_CPUS);
	s->max_memory = mib(info);
	s->max_io_bps = small(known(info, JL_INFO_IO_BPS));
	s->start_time = time_of(arena, info, JL_INFO_START_USEC);
	s->end_time = time_of(arena, info, JL_INFO_END_USEC);
	s->exit_code = convert_exit_code(info);
	s->scheduled_time = time_of(arena, info, JL_INFO_DUE_USEC);
	s->details = convert_details(arena, info);
	return s;
}

Joblet__Job *convert_job(struct arena *arena, const jl_job_info *info,
			 const char *node_id, size_t text_max)
{
	Joblet__Job *j = arena_take(arena, sizeof(*j));

	if (!j)
		return NULL;
	joblet__job__init(j);
	j->uuid = arena_text(arena, jl_job_info_get_id(info));
	j->name = text(arena, info, JL_INFO_NAME);
	command_line(arena, info, text_max, &j->command, &j->n_args, &j->args);
	j->max_cpu = small(known(info, JL_INFO_CPU_PERCENT));
	j->cpu_cores =
		arena_text_max(arena, jl_job_info_get_text(info, JL_INFO_CPUS), 128);
	j->max_memory = mib(info);
	j->max_io_bps = small(known(info, JL_INFO_IO_BPS));
	j->status = arena_text(arena, convert_state(info));
	j->start_time = time_of(arena, info, JL_INFO_START_USEC);
	j->end_time = time_of(arena, info, JL_INFO_END_USEC);
	j->exit_code = convert_exit_code(info);
	j->scheduled_time = time_of(arena, info, JL_INFO_DUE_USEC);
	j->node_id = arena_text(arena, node_id);
	return j;
}

Joblet__X__V1__ListedJob *convert_listed(struct arena *arena, const jl_job_info *info,
					 size_t text_max)
{
	Joblet__X__V1__ListedJob *j = arena_take(arena, sizeof(*j));

	if (!j)
		return NULL;
	joblet__x__v1__listed_job__init(j);
	j->uuid = arena_text(arena, jl_job_info_get_id(info));
	j->status = arena_text(arena, convert_state(info));
	command_line(arena, info, text_max, &j->command, &j->n_args, &j->args);
	j->exit_code = convert_exit_code(info);
	j->details = convert_details(arena, info);
	return j;
}
