/* SPDX-License-Identifier: MIT */
/* How jobs end: results of supervisors become states, or another attempt. */
#define JL_MODULE "node"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "node/node.h"
#include "spawn/durable.h"

/* Doubles from one second to a minute. */
#define RETRY_FIRST_USEC UINT64_C(1000000)
#define RETRY_MOST_USEC UINT64_C(60000000)

static uint64_t retry_delay(uint64_t attempt)
{
	uint64_t delay = RETRY_FIRST_USEC;

	while (--attempt > 0 && delay < RETRY_MOST_USEC)
		delay *= 2;
	return delay < RETRY_MOST_USEC ? delay : RETRY_MOST_USEC;
}

static void clear_result(struct jl__row *row)
{
	static const enum jl__number columns[] = {
		JL__N_START,
		JL__N_END,
		JL__N_EXIT_CODE,
		JL__N_REASON,
		JL__N_SIGNAL,
		JL__N_WALL,
		JL__N_CPU,
		JL__N_MEMORY_PEAK,
		JL__N_IO_READ,
		JL__N_IO_WRITE,
		JL__N_NET_RECEIVED,
		JL__N_NET_SENT,
		JL__N_LOG,
		JL__N_LOG_CUT,
		JL__N_NET_RECEIVED_PACKETS,
		JL__N_NET_SENT_PACKETS,
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		row->number[columns[i]] = UINT64_MAX;
	row->text[JL__T_FAILURE] = NULL;
	row->text[JL__T_ADDRESS] = NULL;
}

int jl__row_end(jl_node *node, struct jl__row *row, int state, jl_error **err)
{
	uint64_t attempt = row->number[JL__N_ATTEMPT];
	bool again = state == JL_STATE_FAILED && row->number[JL__N_STOPPING] != 1 &&
		     attempt <= row->number[JL__N_RETRIES];
	int r;

	/* One that never ran has no attempt to speak of. */
	if (jl__row_run(row)) {
		r = jl__store_add_attempt(node->store, row, err);
		if (r < 0)
			return r;
	}
	row->text[JL__T_CLAIM] = NULL;
	row->text[JL__T_SOCKET] = NULL;
	row->number[JL__N_STATE] = (uint64_t)state;
	/* Before it is committed: who reads the log must not wait for more. */
	if (!again)
		jl__run_ended(node, row->text[JL__T_ID], jl__row_run(row));
	if (again) {
		clear_result(row);
		row->number[JL__N_STATE] = JL_STATE_PENDING;
		row->number[JL__N_ATTEMPT] = attempt + 1;
		row->number[JL__N_NOT_BEFORE] = jl__now_usec() + retry_delay(attempt);
	}
	return jl__store_update(node->store, row, err);
}

int jl__row_cancel(jl_node *node, struct jl__row *row, jl_error **err)
{
	bool ran = row->number[JL__N_ATTEMPT] > 1;

	jl__run_ended(node, row->text[JL__T_ID], jl__row_run(row));
	row->text[JL__T_CLAIM] = NULL;
	row->text[JL__T_SOCKET] = NULL;
	row->number[JL__N_END] = jl__now_usec();
	row->number[JL__N_NOT_BEFORE] = UINT64_MAX;
	/* One that waits for another attempt has run before. */
	row->number[JL__N_STATE] = ran ? JL_STATE_STOPPED : JL_STATE_CANCELED;
	if (ran)
		row->number[JL__N_REASON] = JL_REASON_STOPPED;
	return jl__store_update(node->store, row, err);
}

/* ---- results ---- */

static void fill_in(struct jl__row *row, const struct jl_result *result,
		    const struct jl_stats *stats)
{
	row->number[JL__N_START] = result->start_usec;
	row->number[JL__N_END] = result->end_usec;
	row->number[JL__N_EXIT_CODE] = (uint64_t)result->exit_code;
	row->number[JL__N_REASON] = (uint64_t)result->reason;
	row->number[JL__N_SIGNAL] = (uint64_t)result->signal;
	row->number[JL__N_WALL] = result->wall_usec;
	row->number[JL__N_CPU] = result->cpu_usec;
	row->number[JL__N_MEMORY_PEAK] = result->memory_peak_bytes;
	row->number[JL__N_IO_READ] = result->io_read_bytes;
	row->number[JL__N_IO_WRITE] = result->io_write_bytes;
	row->number[JL__N_NET_RECEIVED] = stats->net_received_bytes;
	row->number[JL__N_NET_SENT] = stats->net_sent_bytes;
	row->number[JL__N_NET_RECEIVED_PACKETS] = stats->net_received_packets;
	row->number[JL__N_NET_SENT_PACKETS] = stats->net_sent_packets;
}

static int state_of(const struct jl_result *result)
{
	if (result->reason == JL_REASON_STOPPED)
		return JL_STATE_STOPPED;
	return result->reason == JL_REASON_EXITED && result->exit_code == 0
		       ? JL_STATE_COMPLETED
		       : JL_STATE_FAILED;
}

struct ending {
	uint64_t run;
	int state;
	const char *failure;
	const struct jl_result *result;
	const struct jl_stats *stats;
	uint64_t log;
	bool cut;
};

/* Whoever is first writes it; all see the same record. */
static int note_end(jl_node *node, struct jl__row *row, const void *data, jl_error **err)
{
	const struct ending *end = data;
	int r;

	if (!jl__row_is_active(row) || row->number[JL__N_RUN] != end->run)
		return 0;
	row->text[JL__T_FAILURE] = end->failure;
	row->number[JL__N_END] = jl__now_usec();
	row->number[JL__N_LOG] = end->log;
	row->number[JL__N_LOG_CUT] = end->cut;
	if (end->result)
		fill_in(row, end->result, end->stats);
	else if (end->failure)
		row->number[JL__N_STOPPING] = 1; /* it would fail again */
	else
		row->number[JL__N_REASON] = JL_REASON_LOST;
	r = jl__row_end(node, row, end->state, err);
	return r < 0 ? r : 1;
}

static int write_end(jl_node *node, const struct jl__row *row, struct ending *end,
		     jl_error **err)
{
	struct jl__active *active = jl__active_find(node, row->number[JL__N_NUMBER]);
	int r;

	end->run = row->number[JL__N_RUN];
	r = jl__row_change(node, row->number[JL__N_NUMBER], true, note_end, end, NULL,
			   err);
	if (r >= 0 && active && active->run == end->run)
		jl__active_drop(node, active);
	return r < 0 ? r : 1;
}

int jl__take_result(jl_node *node, const struct jl__row *row, jl_error **err)
{
	struct jl_result result = { .size = sizeof(result) };
	struct jl_stats stats = { .size = sizeof(stats) };
	struct ending end = { .result = &result, .stats = &stats };
	_cleanup_close_ int folder =
		jl__run_folder(node, row->text[JL__T_ID], row->number[JL__N_RUN], false);
	_cleanup_free_ char *failure = NULL;
	jl_error *why = NULL;
	uint32_t cut;
	int r;

	if (folder < 0 || faccessat(folder, "result", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = jl__record_result(folder, &result, &stats, &failure, &why);
	if (r == -ENOMEM || r == -ENOENT) {
		jl_error_free(why);
		return r == -ENOENT ? 0 : jl__oom(err);
	}
	end.log = jl__run_log_bytes(folder);
	end.cut = jl__record_cut(folder, &cut, NULL) == 0 && cut != JL__LOG_WHOLE;
	end.state = JL_STATE_FAILED;
	if (r < 0) {
		/* A record that cannot be read is an end all the same. */
		end.failure = jl_error_message(why);
		end.result = NULL;
	} else if (failure) {
		end.failure = failure;
		end.result = NULL;
	} else {
		end.state = state_of(&result);
	}
	r = write_end(node, row, &end, err);
	jl_error_free(why);
	return r;
}

int jl__take_lost(jl_node *node, const struct jl__row *row, const char *why,
		  jl_error **err)
{
	_cleanup_close_ int folder =
		jl__run_folder(node, row->text[JL__T_ID], row->number[JL__N_RUN], false);
	struct ending end = { .state = JL_STATE_FAILED };
	int r = jl__take_result(node, row, err);

	if (r != 0)
		return r < 0 ? r : 0;
	jl__log(node->ctx, JL_LOG_WARNING, JL_MODULE, "job %s is lost: %s",
		row->text[JL__T_ID], why);
	end.log = folder < 0 ? 0 : jl__run_log_bytes(folder);
	r = write_end(node, row, &end, err);
	return r < 0 ? r : 0;
}
