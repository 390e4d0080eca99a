/* SPDX-License-Identifier: MIT */
#include "job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <joblet/node.h>

void job_init(struct job *job)
{
	*job = (struct job){
		.number = UNKNOWN,
		.state = -1,
		.created_usec = UNKNOWN,
		.due_usec = UNKNOWN,
		.start_usec = UNKNOWN,
		.end_usec = UNKNOWN,
		.exit_code = UNKNOWN,
		.reason = UNKNOWN,
		.signal = UNKNOWN,
		.wall_usec = UNKNOWN,
		.cpu_usec = UNKNOWN,
		.memory_peak_bytes = UNKNOWN,
		.io_read_bytes = UNKNOWN,
		.io_write_bytes = UNKNOWN,
		.pids = UNKNOWN,
		.disk_bytes = UNKNOWN,
		.disk_used_bytes = UNKNOWN,
		.attempt = UNKNOWN,
		.log_bytes = UNKNOWN,
		.net_received_bytes = UNKNOWN,
		.net_sent_bytes = UNKNOWN,
		.net_received_packets = UNKNOWN,
		.net_sent_packets = UNKNOWN,
	};
}

static void words_free(char **words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(words[i]);
	free(words);
}

void job_done(struct job *job)
{
	free(job->uuid);
	free(job->name);
	free(job->network);
	free(job->address);
	free(job->cpus);
	free(job->work_dir);
	free(job->owner);
	free(job->recurrence);
	free(job->failure);
	free(job->warning);
	free(job->node_id);
	words_free(job->args, job->arg_count);
	words_free(job->uploads, job->upload_count);
	for (size_t i = 0; i < job->env_count; i++) {
		free(job->env[i].name);
		free(job->env[i].value);
	}
	free(job->env);
	job_init(job);
}

void job_list_done(struct job_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		job_done(&list->jobs[i]);
	free(list->jobs);
	*list = (struct job_list){ 0 };
}

void network_done(struct network *network)
{
	free(network->name);
	free(network->cidr);
	free(network->bridge);
	*network = (struct network){ 0 };
}

void network_list_done(struct network_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		network_done(&list->networks[i]);
	free(list->networks);
	*list = (struct network_list){ 0 };
}

void node_info_done(struct node_info *info)
{
	free(info->version);
	free(info->hostname);
	free(info->node_id);
	*info = (struct node_info){ 0 };
}

int job_set_text(char **slot, const char *text)
{
	char *copy = NULL;

	if (text && *text) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*slot);
	*slot = copy;
	return 0;
}

/* Appends to a list that always ends with NULL. */
static int add_word(char ***words, size_t *count, const char *word)
{
	char **list = realloc(*words, (*count + 2) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	*words = list;
	list[*count] = strdup(word);
	if (!list[*count])
		return -ENOMEM;
	list[++*count] = NULL;
	return 0;
}

int job_add_arg(struct job *job, const char *arg)
{
	return add_word(&job->args, &job->arg_count, arg);
}

int job_add_upload(struct job *job, const char *path)
{
	return add_word(&job->uploads, &job->upload_count, path);
}

int job_add_env(struct job *job, const char *name, const char *value, bool secret)
{
	struct variable *list = realloc(job->env, (job->env_count + 1) * sizeof(*list));
	struct variable *variable;

	if (!list)
		return -ENOMEM;
	job->env = list;
	variable = &list[job->env_count];
	variable->name = strdup(name);
	variable->value = strdup(secret ? "***" : value);
	variable->secret = secret;
	if (!variable->name || !variable->value) {
		free(variable->name);
		free(variable->value);
		return -ENOMEM;
	}
	job->env_count++;
	return 0;
}

static const char *const states[] = {
	[JL_STATE_SCHEDULED] = "SCHEDULED",	  [JL_STATE_PENDING] = "PENDING",
	[JL_STATE_INITIALIZING] = "INITIALIZING", [JL_STATE_RUNNING] = "RUNNING",
	[JL_STATE_COMPLETED] = "COMPLETED",	  [JL_STATE_FAILED] = "FAILED",
	[JL_STATE_STOPPED] = "STOPPED",		  [JL_STATE_CANCELED] = "CANCELED",
};

#define STATE_COUNT ((int)(sizeof(states) / sizeof(states[0])))

int state_by_name(const char *name)
{
	for (int i = 0; i < STATE_COUNT; i++) {
		if (strcasecmp(name, states[i]) == 0)
			return i;
	}
	return -1;
}

const char *state_name(int state)
{
	return state >= 0 && state < STATE_COUNT ? states[state] : "UNKNOWN";
}
