/* SPDX-License-Identifier: MIT */
/* What is known of a job, for callers; and finding jobs by what people type. */
#define JL_MODULE "node"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "node/node.h"
#include "node/uuid.h"
#include "spawn/blob.h"
#include "upload/upload.h"

#define PREFIX_MIN 4

const char *jl_state_name(int state)
{
	static const char *const names[] = {
		[JL_STATE_SCHEDULED] = "SCHEDULED",
		[JL_STATE_PENDING] = "PENDING",
		[JL_STATE_INITIALIZING] = "INITIALIZING",
		[JL_STATE_RUNNING] = "RUNNING",
		[JL_STATE_COMPLETED] = "COMPLETED",
		[JL_STATE_FAILED] = "FAILED",
		[JL_STATE_STOPPED] = "STOPPED",
		[JL_STATE_CANCELED] = "CANCELED",
	};

	if (state < 0 || state >= (int)(sizeof(names) / sizeof(names[0])))
		return "UNKNOWN";
	return names[state];
}

int jl_state_is_final(int state)
{
	return state >= JL_STATE_COMPLETED && state <= JL_STATE_CANCELED;
}

/* ---- finding ---- */

int jl__get_number(jl_node *node, uint64_t number, struct jl__row **ret, jl_error **err)
{
	int r = jl__store_get(node->store, number, ret, err);

	return r == -ENOENT ? jl__fail(err, r, "there is no job %" PRIu64, number) : r;
}

static int find_prefix(jl_node *node, const char *text, const char *prefix,
		       struct jl__row **ret, jl_error **err)
{
	char ids[4][JL__UUID_MAX];
	uint32_t count;
	int r = jl__store_find_prefix(node->store, prefix, ids, &count, err);

	if (r < 0)
		return r;
	if (count == 0)
		return jl__fail(err, -ENOENT, "there is no job \"%.36s\"", text);
	if (count > 1)
		return jl__fail(
			err, -EEXIST,
			"\"%.36s\" fits several jobs: %s, %s%s%s%s; give more digits",
			text, ids[0], ids[1], count > 2 ? ", " : "",
			count > 2 ? ids[2] : "", count > 3 ? ", …" : "");
	r = jl__store_get_id(node->store, ids[0], ret, err);
	return r == -ENOENT ? jl__fail(err, r, "there is no job \"%.36s\"", text) : r;
}

int jl__find(jl_node *node, const char *id, struct jl__row **ret, jl_error **err)
{
	char prefix[JL__UUID_MAX];
	uint64_t number;
	int r;

	if (!id || !*id)
		return jl__fail(
			err, -EINVAL,
			"no job given; give its number, its UUID or the beginning of it");
	if (jl__parse_u64(id, 1, INT64_MAX, &number) == 0) {
		r = jl__store_get(node->store, number, ret, err);
		if (r != -ENOENT)
			return r;
		/* Digits may begin a UUID as well. */
		if (!jl__uuid_prefix(id, PREFIX_MIN, prefix))
			return jl__fail(err, -ENOENT, "there is no job %" PRIu64, number);
	}
	if (!jl__uuid_prefix(id, PREFIX_MIN, prefix))
		return jl__fail(
			err, -EINVAL,
			"\"%.64s\" is not a job; give its number, its UUID or at least %d digits of that",
			id, PREFIX_MIN);
	return find_prefix(node, id, prefix, ret, err);
}

/* ---- making ---- */

int jl__info_new(struct jl__row *row, jl_job_info **ret, jl_error **err)
{
	jl_job_info *info = jl__calloc(1, sizeof(*info));

	if (!info) {
		jl__row_free(row);
		return jl__oom(err);
	}
	info->row = row;
	info->disk_used = UINT64_MAX;
	*ret = info;
	return 0;
}

static int read_uploads(jl_node *node, jl_job_info *info, jl_error **err)
{
	struct jl__row *series = NULL;
	const struct jl__row *row = info->row;
	_cleanup_close_ int folder = -EBADF;
	int r = 0;

	if (!row->number[JL__N_UPLOADS] || row->number[JL__N_UPLOADS] == UINT64_MAX)
		return 0;
	if (row->number[JL__N_SERIES] != UINT64_MAX &&
	    jl__store_get(node->store, row->number[JL__N_SERIES], &series, NULL) == 0)
		row = series;
	folder = jl__job_folder(node, row->text[JL__T_ID], false);
	if (folder >= 0)
		r = jl__upload_list(folder, "upload", &info->uploads, &info->uploads_len,
				    err);
	jl__row_free(series);
	return r;
}

int jl__info_full(jl_node *node, struct jl__row *row, jl_job_info **ret, jl_error **err)
{
	struct jl__details details = { 0 };
	jl_job_info *info = NULL;
	int r = jl__info_new(row, &info, err);

	if (r < 0)
		return r;
	r = jl__store_get_details(node->store, row->number[JL__N_NUMBER], &details, err);
	if (r == 0)
		r = jl__spec_unpack(details.spec, details.spec_len, &info->spec, err);
	jl__details_done(&details);
	if (r == 0)
		r = read_uploads(node, info, err);
	if (r < 0) {
		jl_job_info_free(info);
		return r;
	}
	*ret = info;
	return 0;
}

void jl_job_info_free(jl_job_info *info)
{
	if (!info)
		return;
	jl__row_free(info->row);
	jl_job_spec_free(info->spec);
	jl__free(info->uploads);
	jl__free(info);
}

/* ---- reading ---- */

const char *jl_job_info_get_id(const jl_job_info *info)
{
	return info->row->text[JL__T_ID];
}

const char *jl_job_info_get_text(const jl_job_info *info, int what)
{
	static const enum jl__text texts[] = {
		[JL_INFO_ID] = JL__T_ID,
		[JL_INFO_NAME] = JL__T_NAME,
		[JL_INFO_NETWORK] = JL__T_NETWORK,
		[JL_INFO_ADDRESS] = JL__T_ADDRESS,
		[JL_INFO_CPUS] = JL__T_CPUS,
		[JL_INFO_WORK_DIR] = JL__T_WORK_DIR,
		[JL_INFO_OWNER] = JL__T_OWNER,
		[JL_INFO_RECURRENCE] = JL__T_RECURRENCE,
		[JL_INFO_FAILURE] = JL__T_FAILURE,
		[JL_INFO_WARNING] = JL__T_WARNING,
	};
	const char *text = NULL;

	if (what >= 0 && what < (int)(sizeof(texts) / sizeof(texts[0])))
		text = info->row->text[texts[what]];
	return text ? text : "";
}

uint64_t jl_job_info_get_number(const jl_job_info *info, int what)
{
	static const enum jl__number numbers[] = {
		[JL_INFO_NUMBER] = JL__N_NUMBER,
		[JL_INFO_STATE] = JL__N_STATE,
		[JL_INFO_CREATED_USEC] = JL__N_CREATED,
		[JL_INFO_DUE_USEC] = JL__N_DUE,
		[JL_INFO_START_USEC] = JL__N_START,
		[JL_INFO_END_USEC] = JL__N_END,
		[JL_INFO_EXIT_CODE] = JL__N_EXIT_CODE,
		[JL_INFO_REASON] = JL__N_REASON,
		[JL_INFO_SIGNAL] = JL__N_SIGNAL,
		[JL_INFO_WALL_USEC] = JL__N_WALL,
		[JL_INFO_CPU_USEC] = JL__N_CPU,
		[JL_INFO_MEMORY_PEAK_BYTES] = JL__N_MEMORY_PEAK,
		[JL_INFO_IO_READ_BYTES] = JL__N_IO_READ,
		[JL_INFO_IO_WRITE_BYTES] = JL__N_IO_WRITE,
		[JL_INFO_CPU_PERCENT] = JL__N_CPU_PERCENT,
		[JL_INFO_MEMORY_BYTES] = JL__N_MEMORY,
		[JL_INFO_IO_BPS] = JL__N_IO_BPS,
		[JL_INFO_PIDS] = JL__N_PIDS,
		[JL_INFO_DISK_BYTES] = JL__N_DISK,
		[JL_INFO_TIMEOUT_USEC] = JL__N_TIMEOUT,
		[JL_INFO_RETRIES] = JL__N_RETRIES,
		[JL_INFO_ATTEMPT] = JL__N_ATTEMPT,
		[JL_INFO_PRIORITY] = JL__N_PRIORITY,
		[JL_INFO_LOG_BYTES] = JL__N_LOG,
		[JL_INFO_LOG_CUT] = JL__N_LOG_CUT,
		[JL_INFO_NET_RECEIVED_BYTES] = JL__N_NET_RECEIVED,
		[JL_INFO_NET_SENT_BYTES] = JL__N_NET_SENT,
		[JL_INFO_NET_RECEIVED_PACKETS] = JL__N_NET_RECEIVED_PACKETS,
		[JL_INFO_NET_SENT_PACKETS] = JL__N_NET_SENT_PACKETS,
		[JL_INFO_SERIES] = JL__N_SERIES,
	};

	if (what == JL_INFO_DISK_USED_BYTES)
		return info->disk_used;
	if (what < 0 || what >= (int)(sizeof(numbers) / sizeof(numbers[0])))
		return UINT64_MAX;
	return info->row->number[numbers[what]];
}

/* The n-th of texts that have a NUL behind each. They are asked for in order, so where
 * the last one was is kept: there may be a million. */
static const char *nth(const char *texts, size_t len, struct jl__cursor *last,
		       uint32_t index)
{
	if (!texts)
		return NULL;
	if (index < last->index)
		*last = (struct jl__cursor){ 0 };
	while (last->at < len && last->index < index) {
		last->at += strlen(texts + last->at) + 1;
		last->index++;
	}
	return last->at < len ? texts + last->at : NULL;
}

static uint32_t count(const char *texts, size_t len)
{
	uint32_t found = 0;

	for (size_t i = 0; texts && i < len; i++)
		found += texts[i] == '\0';
	return found;
}

uint32_t jl_job_info_arg_count(const jl_job_info *info)
{
	return count(info->row->command, info->row->command_len);
}

const char *jl_job_info_get_arg(const jl_job_info *info, uint32_t index)
{
	return nth(info->row->command, info->row->command_len,
		   &((jl_job_info *)info)->arg, index);
}

uint32_t jl_job_info_env_count(const jl_job_info *info)
{
	return info->spec ? jl__spec_env_count(info->spec) : 0;
}

const char *jl_job_info_get_env_name(const jl_job_info *info, uint32_t index)
{
	return info->spec ? jl__spec_env_name(info->spec, index) : NULL;
}

const char *jl_job_info_get_env_value(const jl_job_info *info, uint32_t index)
{
	if (!info->spec)
		return NULL;
	return jl__spec_env_secret(info->spec, index)
		       ? "***"
		       : jl__spec_env_value(info->spec, index);
}

int jl_job_info_env_is_secret(const jl_job_info *info, uint32_t index)
{
	return info->spec && jl__spec_env_secret(info->spec, index);
}

uint32_t jl_job_info_upload_count(const jl_job_info *info)
{
	return count(info->uploads, info->uploads_len);
}

const char *jl_job_info_get_upload(const jl_job_info *info, uint32_t index)
{
	return nth(info->uploads, info->uploads_len, &((jl_job_info *)info)->upload,
		   index);
}
