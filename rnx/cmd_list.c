/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <stdio.h>
#include <string.h>

#include <joblet/node.h>

#include "backend.h"
#include "json.h"
#include "output.h"
#include "show.h"

#define COMMAND_WIDTH 80
#define NAME_WIDTH 15

/* Characters of the widest id. */
static int id_width(const struct options *opts, const struct job_list *list)
{
	char buf[24];
	int width = 4;

	for (size_t i = 0; i < list->count; i++) {
		const struct job *job = &list->jobs[i];
		int len;

		if (opts->under_job || job->number == UNKNOWN)
			len = 36;
		else
			len = snprintf(buf, sizeof(buf), "%llu",
				       (unsigned long long)job->number);
		if (len > width)
			width = len;
	}
	return width;
}

static int name_width(const struct job_list *list)
{
	size_t width = 4;

	for (size_t i = 0; i < list->count; i++) {
		size_t len = list->jobs[i].name ? text_width(list->jobs[i].name) : 1;

		if (len > width)
			width = len;
	}
	return (int)(width > NAME_WIDTH ? NAME_WIDTH : width);
}

static void print_name(const struct job *job, int width)
{
	char buf[SHOWN_MAX];

	(void)printf("%-*.*s", width, width, job->name ? shown(buf, job->name) : "-");
}

/* When it ran, or will. */
static uint64_t shown_time(const struct job *job)
{
	if (job->state == JL_STATE_SCHEDULED)
		return job->due_usec;
	return job->start_usec != UNKNOWN ? job->start_usec : job->created_usec;
}

static void print_row(const struct options *opts, const struct job *job, int id, int name)
{
	char buf[SHOWN_MAX];

	if (opts->under_job || job->number == UNKNOWN)
		(void)printf("%-*.36s  ", id, job->uuid ? shown(buf, job->uuid) : "-");
	else
		(void)printf("%-*llu  ", id, (unsigned long long)job->number);
	print_name(job, name);
	(void)printf("  ");
	print_state(job->state, 12);
	(void)printf("  %-19s  ", show_local(buf, shown_time(job)));
	print_command(job, COMMAND_WIDTH);
	(void)putchar('\n');
}

static int print_table(const struct options *opts, const struct job_list *list)
{
	int id = id_width(opts, list), name = name_width(list);

	if (list->count == 0) {
		(void)puts("No jobs found");
		return finish_stdout();
	}
	(void)printf("%-*s  %-*s  %-12s  %-19s  %s\n", id, "ID", name, "NAME", "STATUS",
		     "START TIME", "COMMAND");
	for (size_t i = 0; i < list->count; i++)
		print_row(opts, &list->jobs[i], id, name);
	return finish_stdout();
}

static int print_json(const struct options *opts, const struct job_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count && array; i++)
		(void)json_array_append_new(
			array, json_list_item(&list->jobs[i], opts->under_job));
	return json_print(array);
}

int cmd_list(const struct options *opts, char **words)
{
	struct list_query query = {
		.states = opts->states,
		.name = opts->name,
		.limit = opts->limit,
	};
	struct job_list list = { 0 };
	struct backend *backend;
	struct fault fault;
	int r;

	(void)words;
	if (backend_open(opts, &backend, &fault) < 0)
		return say_fault(&fault);
	if (backend->ops->job_list(backend, &query, &list, &fault) < 0)
		r = say_fault(&fault);
	else
		r = opts->json ? print_json(opts, &list) : print_table(opts, &list);
	job_list_done(&list);
	backend->ops->close(backend);
	return r;
}
