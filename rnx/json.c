/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/node.h>

#include "output.h"
#include "show.h"

json_t *json_bytes_len(const char *text, size_t len)
{
	json_t *value = json_stringn(text, len);
	char *copy;
	size_t out = 0;

	if (value)
		return value;
	copy = malloc(3 * len + 1);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < len;) {
		size_t taken = utf8_length(text + i, len - i);

		if (taken > 0) {
			memcpy(copy + out, text + i, taken);
			out += taken;
			i += taken;
		} else {
			memcpy(copy + out, "\xef\xbf\xbd", 3);
			out += 3;
			i++;
		}
	}
	value = json_stringn(copy, out);
	free(copy);
	return value;
}

json_t *json_bytes(const char *text)
{
	return text ? json_bytes_len(text, strlen(text)) : json_string("");
}

json_t *json_time(uint64_t usec)
{
	char buf[64];

	return json_string(usec == UNKNOWN ? "" : show_rfc3339(buf, usec));
}

json_t *json_time_usec(uint64_t usec)
{
	char buf[64];

	return json_string(show_rfc3339_usec(buf, usec));
}

void json_put(json_t *object, const char *key, json_t *value)
{
	(void)json_object_set_new(object, key, value);
}

static json_t *number_or_null(uint64_t value)
{
	return value == UNKNOWN ? json_null() : json_integer((json_int_t)value);
}

/* Sets a number that says something: not 0, and known. */
static void put_given(json_t *object, const char *key, uint64_t value)
{
	if (value != 0 && value != UNKNOWN)
		json_put(object, key, json_integer((json_int_t)value));
}

static void put_known(json_t *object, const char *key, uint64_t value)
{
	if (value != UNKNOWN)
		json_put(object, key, json_integer((json_int_t)value));
}

static void put_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_put(object, key, json_bytes(text));
}

static json_t *words(char *const *list, size_t from, size_t count)
{
	json_t *array = json_array();

	for (size_t i = from; i < count && array; i++)
		(void)json_array_append_new(array, json_bytes(list[i]));
	return array;
}

static void put_command(json_t *object, const struct job *job)
{
	json_put(object, "command", json_bytes(job->arg_count > 0 ? job->args[0] : NULL));
	json_put(object, "args", words(job->args, 1, job->arg_count));
}

json_t *json_run(const struct job *job, const char *input, uint64_t files, size_t env,
		 size_t secret_env)
{
	json_t *object = json_object();

	json_put(object, "job_uuid", json_bytes(job->uuid));
	put_known(object, "number", job->number);
	put_text(object, "name", job->name);
	put_command(object, job);
	json_put(object, "status", json_string(state_name(job->state)));
	if (job->start_usec != UNKNOWN)
		json_put(object, "start_time", json_time(job->start_usec));
	if (job->state == JL_STATE_SCHEDULED) {
		json_put(object, "schedule_input", json_bytes(input));
		json_put(object, "scheduled_time", json_time(job->due_usec));
	}
	put_given(object, "files_uploaded", files);
	put_given(object, "env_vars", env);
	put_given(object, "secret_env_vars", secret_env);
	return object;
}

json_t *json_list_item(const struct job *job, bool uuid)
{
	json_t *object = json_object();
	char number[24];

	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)job->number);
	json_put(object, "id",
		 uuid || job->number == UNKNOWN ? json_bytes(job->uuid)
						: json_string(number));
	json_put(object, "uuid", json_bytes(job->uuid));
	put_known(object, "number", job->number);
	put_text(object, "name", job->name);
	put_text(object, "node_id", job->node_id);
	json_put(object, "status", json_string(state_name(job->state)));
	if (job->created_usec != UNKNOWN)
		json_put(object, "created_time", json_time(job->created_usec));
	json_put(object, "start_time", json_time(job->start_usec));
	if (job->end_usec != UNKNOWN)
		json_put(object, "end_time", json_time(job->end_usec));
	put_command(object, job);
	put_known(object, "exit_code", job->exit_code);
	if (job->reason != UNKNOWN)
		json_put(object, "reason",
			 json_string(jl_reason_name((int64_t)job->reason)));
	put_given(object, "max_cpu", job->cpu_percent);
	put_given(object, "max_memory", job->memory_bytes >> 20);
	put_given(object, "max_iobps", job->io_bps);
	put_text(object, "cpu_cores", job->cpus);
	if (job->due_usec != UNKNOWN)
		json_put(object, "scheduled_time", json_time(job->due_usec));
	put_text(object, "owner", job->owner);
	return object;
}

/* Variables as an object; the secret ones or the others. */
static json_t *environment(const struct job *job, bool secret)
{
	json_t *object = json_object();

	for (size_t i = 0; i < job->env_count && object; i++) {
		if (job->env[i].secret == secret)
			json_put(object, job->env[i].name, json_bytes(job->env[i].value));
	}
	return object;
}

static void put_usage(json_t *object, const struct job *job)
{
	put_known(object, "wallTimeUsec", job->wall_usec);
	put_known(object, "cpuTimeUsec", job->cpu_usec);
	put_known(object, "memoryPeakBytes", job->memory_peak_bytes);
	put_known(object, "ioReadBytes", job->io_read_bytes);
	put_known(object, "ioWriteBytes", job->io_write_bytes);
	put_known(object, "diskUsedBytes", job->disk_used_bytes);
	put_known(object, "netReceivedBytes", job->net_received_bytes);
	put_known(object, "netSentBytes", job->net_sent_bytes);
	put_known(object, "netReceivedPackets", job->net_received_packets);
	put_known(object, "netSentPackets", job->net_sent_packets);
	put_known(object, "logBytes", job->log_bytes);
	if (job->log_cut)
		json_put(object, "logCut", json_true());
}

static void put_limits(json_t *object, const struct job *job)
{
	put_given(object, "maxCPU", job->cpu_percent);
	put_given(object, "maxMemory", job->memory_bytes >> 20);
	put_given(object, "maxIOBPS", job->io_bps);
	put_text(object, "cpuCores", job->cpus);
	put_given(object, "maxPids", job->pids);
	put_given(object, "diskBytes", job->disk_bytes);
	put_given(object, "timeoutUsec", job->timeout_usec);
	put_given(object, "retries", job->retries);
	put_known(object, "attempt", job->attempt);
	if (job->priority != 0)
		json_put(object, "priority", json_integer((json_int_t)job->priority));
}

json_t *json_status(const struct job *job)
{
	json_t *object = json_object();

	json_put(object, "uuid", json_bytes(job->uuid));
	put_known(object, "number", job->number);
	json_put(object, "name", json_bytes(job->name));
	json_put(object, "nodeId", json_bytes(job->node_id));
	put_command(object, job);
	json_put(object, "status", json_string(state_name(job->state)));
	json_put(object, "createdTime", json_time(job->created_usec));
	json_put(object, "startTime", json_time(job->start_usec));
	json_put(object, "endTime", json_time(job->end_usec));
	json_put(object, "exitCode", number_or_null(job->exit_code));
	if (job->reason != UNKNOWN)
		json_put(object, "reason",
			 json_string(jl_reason_name((int64_t)job->reason)));
	put_given(object, "signal", job->signal);
	put_text(object, "failure", job->failure);
	put_text(object, "warning", job->warning);
	json_put(object, "scheduledTime", json_time(job->due_usec));
	put_text(object, "recurrence", job->recurrence);
	put_text(object, "owner", job->owner);
	json_put(object, "environment", environment(job, false));
	json_put(object, "secretEnvironment", environment(job, true));
	json_put(object, "network", json_bytes(job->network));
	put_text(object, "address", job->address);
	json_put(object, "volumes", json_array());
	json_put(object, "runtime", json_string(""));
	json_put(object, "workDir", json_bytes(job->work_dir));
	json_put(object, "uploads", words(job->uploads, 0, job->upload_count));
	json_put(object, "dependencies", json_array());
	json_put(object, "workflowUuid", json_string(""));
	put_limits(object, job);
	put_usage(object, job);
	return object;
}

static int print(json_t *object, size_t flags)
{
	int r;

	if (!object) {
		say("out of memory");
		return EXIT_FAILED;
	}
	r = json_dumpf(object, stdout, flags);
	json_decref(object);
	/* A failed write is found by whoever looks at the stream. */
	(void)r;
	(void)putchar('\n');
	return finish_stdout();
}

int json_print(json_t *object)
{
	return print(object, JSON_INDENT(2));
}

int json_print_line(json_t *object)
{
	return print(object, JSON_COMPACT);
}
