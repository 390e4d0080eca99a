/* SPDX-License-Identifier: MIT */
/* Plain GET: jobs as JSON for scripts and browsers, and whether the daemon is well. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "convert.h"
#include "services.h"

#define JSON_TYPE "application/json"
#define LIST_MOST 1000
#define TEXT_MOST 4096
/* Of a list; older jobs are left out. */
#define LIST_BYTES ((size_t)4 * 1024 * 1024 - 64 * 1024)

/* Answers with a value, of which it takes over the reference. */
static void answer(struct jl__rpc_call *call, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	int r = -ENOMEM;

	json_decref(value);
	if (text) {
		(void)jl__rpc_call_respond(call, 200, JSON_TYPE);
		r = jl__rpc_call_send(call, text, strlen(text));
	}
	free(text);
	if (r == 0)
		jl__rpc_call_finish(call, JL__RPC_OK, NULL);
	else
		jl__rpc_call_finish(call, JL__RPC_RESOURCE_EXHAUSTED,
				    r == -EMSGSIZE ? "the answer is too large: look at "
						     "the job with rnx status"
						   : "out of memory");
}

static void set_text(json_t *object, const char *key, const char *text)
{
	if (*text)
		(void)json_object_set_new(object, key, json_string(text));
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
	if (value != 0)
		(void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_time(json_t *object, const char *key, uint64_t usec)
{
	char buf[TIME_TEXT_MAX];

	set_text(object, key, time_text(buf, usec));
}

/* What lists and single jobs share. Keys as rnx prints them. */
static json_t *job_object(const struct serving *s, const jl_job_info *info)
{
	struct arena arena = { 0 };
	Joblet__X__V1__ListedJob *job = convert_listed(&arena, info, TEXT_MOST);
	const Joblet__X__V1__JobDetails *d = job ? job->details : NULL;
	json_t *object = d ? json_object() : NULL, *args;

	if (!object) {
		arena_done(&arena);
		return NULL;
	}
	(void)json_object_set_new(object, "uuid", json_string(job->uuid));
	set_number(object, "number", d->number);
	set_text(object, "name", d->name);
	set_text(object, "nodeId", s->config->node_id);
	(void)json_object_set_new(object, "status", json_string(job->status));
	(void)json_object_set_new(object, "command", json_string(job->command));
	args = json_array();
	for (size_t i = 0; args && i < job->n_args; i++)
		(void)json_array_append_new(args, json_string(job->args[i]));
	(void)json_object_set_new(object, "args", args);
	if (d->has_exit_code)
		(void)json_object_set_new(object, "exitCode",
					  json_integer(job->exit_code));
	set_text(object, "reason", d->reason);
	set_text(object, "failure", d->failure);
	set_text(object, "owner", d->owner);
	set_time(object, "createdTime", d->created_usec);
	set_time(object, "scheduledTime", d->due_usec);
	set_time(object, "startTime", d->start_usec);
	set_time(object, "endTime", d->end_usec);
	set_text(object, "recurrence", d->recurrence);
	set_text(object, "network", d->network);
	set_text(object, "address", d->address);
	arena_done(&arena);
	return object;
}

static json_t *variables(const jl_job_info *info, int secret)
{
	struct arena arena = { 0 };
	json_t *object = json_object();

	for (uint32_t i = 0; object && i < jl_job_info_env_count(info); i++) {
		if (jl_job_info_env_is_secret(info, i) != secret)
			continue;
		(void)json_object_set_new(
			object, arena_text(&arena, jl_job_info_get_env_name(info, i)),
			json_string(
				arena_text(&arena, jl_job_info_get_env_value(info, i))));
	}
	arena_done(&arena);
	return object;
}

static json_t *job_in_full(const struct serving *s, const jl_job_info *info)
{
	struct arena arena = { 0 };
	const Joblet__X__V1__JobDetails *d = convert_details(&arena, info);
	json_t *object = d ? job_object(s, info) : NULL, *list = json_array();
	size_t count;
	char **uploads = convert_uploads(&arena, info, &count);

	if (object) {
		set_text(object, "workDir", d->work_dir);
		set_text(object, "cpuCores", d->cpus);
		set_number(object, "maxCPU", d->cpu_percent);
		set_number(object, "memoryBytes", d->memory_bytes);
		set_number(object, "maxIOBPS", d->io_bps);
		set_number(object, "maxPids", d->pids);
		set_number(object, "diskBytes", d->disk_bytes);
		set_number(object, "timeoutUsec", d->timeout_usec);
		set_number(object, "retries", d->retries);
		set_number(object, "attempt", d->attempt);
		set_number(object, "wallUsec", d->wall_usec);
		set_number(object, "cpuUsec", d->cpu_usec);
		set_number(object, "memoryPeakBytes", d->memory_peak_bytes);
		set_number(object, "ioReadBytes", d->io_read_bytes);
		set_number(object, "ioWriteBytes", d->io_write_bytes);
		set_number(object, "logBytes", d->log_bytes);
		set_text(object, "warning", d->warning);
		(void)json_object_set_new(object, "environment", variables(info, 0));
		(void)json_object_set_new(object, "secretEnvironment",
					  variables(info, 1));
		for (size_t i = 0; i < count; i++)
			(void)json_array_append_new(list, json_string(uploads[i]));
		(void)json_object_set(object, "uploads", list);
	}
	json_decref(list);
	arena_done(&arena);
	return object;
}

static void one(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	jl_job_info *info;
	jl_error *err = NULL;
	int r = jl_node_get(s->node, jl__rpc_call_component(call, 0), &info, &err);

	(void)data;
	(void)len;
	if (r < 0) {
		finish_error(call, id_error(r), err);
		return;
	}
	answer(call, job_in_full(s, info));
	jl_job_info_free(info);
}

const struct jl__rpc_handler http_job = { .request = one };

static void all(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	struct serving *s = serving_of(call);
	json_t *array, *job;
	jl_job_list *jobs;
	jl_error *err = NULL;
	size_t left = LIST_BYTES;
	int r = jl_node_list(s->node, 0, NULL, 0, LIST_MOST, &jobs, &err);

	(void)data;
	(void)len;
	if (r < 0) {
		finish_error(call, r, err);
		return;
	}
	array = json_array();
	for (uint32_t i = 0; array && i < jl_job_list_count(jobs); i++) {
		size_t size;

		job = job_object(s, jl_job_list_get(jobs, i));
		size = job ? json_dumpb(job, NULL, 0, JSON_COMPACT) + 1 : 0;
		if (!size || size > left) {
			json_decref(job);
			break;
		}
		left -= size;
		(void)json_array_append_new(array, job);
	}
	jl_job_list_free(jobs);
	answer(call, array);
}

const struct jl__rpc_handler http_jobs = { .request = all };

static void health(struct jl__rpc_call *call, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	answer(call, json_pack("{s:s}", "status",
			       serving_of(call)->draining ? "stopping" : "ok"));
}

const struct jl__rpc_handler http_health = { .request = health };
