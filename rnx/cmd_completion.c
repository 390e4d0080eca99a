/* SPDX-License-Identifier: MIT */
/*
 * rnx completion bash|zsh|fish prints what to load into a shell. Those scripts ask back
 * with "rnx completion words -- WORD...", which prints what could stand in place of the
 * last word: one line each, with a tab and an explanation behind it. A first line that
 * begins with ':' names what the shell itself knows better: files, folders, commands.
 */
#include <stdio.h>
#include <string.h>

#include <joblet/node.h>

#include "backend.h"
#include "complete.h"
#include "completion-scripts.h"
#include "output.h"
#include "remote.h"

#define JOBS_MAX 200
#define TEXT_WIDTH 60

/* A value that would break a line, or a shell's idea of one, is left out; and one that a
 * terminal must not get. */
static bool is_plain(const char *word)
{
	char buf[SHOWN_MAX];

	return *word && !strchr(word, ' ') && strcmp(shown(buf, word), word) == 0;
}

static void print_word(void *data, const char *word, const char *text)
{
	const struct complete *c = data;
	char buf[SHOWN_MAX];

	if (!is_plain(word) || strncmp(word, c->part, strlen(c->part)) != 0)
		return;
	if (text && *text)
		(void)printf("%s\t%.*s\n", word, TEXT_WIDTH, shown(buf, text));
	else
		(void)printf("%s\n", word);
}

static void print_job(const struct complete *c, const struct job *job)
{
	const char *state = state_name(job->state);
	char number[24], text[SHOWN_MAX];

	(void)snprintf(text, sizeof(text), "%s %s", state,
		       job->name	    ? job->name
		       : job->arg_count > 0 ? job->args[0]
					    : "");
	if (job->number != UNKNOWN) {
		(void)snprintf(number, sizeof(number), "%llu",
			       (unsigned long long)job->number);
		print_word((void *)(uintptr_t)c, number, text);
	}
	/* UUIDs are for those who began to write one. */
	if (job->number == UNKNOWN || strlen(c->part) >= 2)
		print_word((void *)(uintptr_t)c, job->uuid, text);
}

static void print_jobs(const struct options *opts, const struct complete *c)
{
	struct list_query query = { .states = c->states, .limit = JOBS_MAX };
	struct job_list list = { 0 };
	struct backend *backend;
	struct fault fault;

	if (backend_open(opts, &backend, &fault) < 0)
		return;
	if (backend->ops->job_list(backend, &query, &list, &fault) == 0) {
		for (size_t i = 0; i < list.count; i++)
			print_job(c, &list.jobs[i]);
		job_list_done(&list);
	}
	backend->ops->close(backend);
}

static void print_networks(const struct options *opts, const struct complete *c)
{
	static const char *const builtin[] = { "none", "isolated", "bridge", "host" };
	struct network_list list = { 0 };
	struct backend *backend;
	struct fault fault;

	for (size_t i = 0; c->builtin && i < sizeof(builtin) / sizeof(builtin[0]); i++)
		print_word((void *)(uintptr_t)c, builtin[i], "");
	if (backend_open(opts, &backend, &fault) < 0)
		return;
	if (backend->ops->network_list(backend, &list, &fault) == 0) {
		for (size_t i = 0; i < list.count; i++) {
			if (!list.networks[i].builtin)
				print_word((void *)(uintptr_t)c, list.networks[i].name,
					   list.networks[i].cidr);
		}
		network_list_done(&list);
	}
	backend->ops->close(backend);
}

static void print_nodes(const struct options *opts, const struct complete *c)
{
	struct node_entries nodes = { 0 };
	struct fault fault;

	if (remote_nodes(opts, &nodes, &fault) < 0)
		return;
	for (size_t i = 0; i < nodes.count; i++)
		print_word((void *)(uintptr_t)c, nodes.nodes[i].name,
			   nodes.nodes[i].address);
	remote_nodes_done(&nodes);
}

/*
 * Where to ask is what the line says so far. Mistakes in it are the user's business once
 * he is done: here they are no reason to say anything.
 */
static void read_flags(struct options *opts, const char *const *words, unsigned int count)
{
	static const struct {
		const char *name;
		size_t offset;
	} wanted[] = {
		{ "--server", offsetof(struct options, server) },
		{ "--node", offsetof(struct options, node) },
		{ "--config", offsetof(struct options, config) },
		{ "--state-dir", offsetof(struct options, state_dir) },
	};

	for (unsigned int i = 0; i + 1 < count; i++) {
		for (size_t k = 0; k < sizeof(wanted) / sizeof(wanted[0]); k++) {
			const char **slot =
				(const char **)((char *)opts + wanted[k].offset);
			size_t len = strlen(wanted[k].name);

			if (strncmp(words[i], wanted[k].name, len) != 0)
				continue;
			if (words[i][len] == '=')
				*slot = words[i] + len + 1;
			else if (!words[i][len] && i + 2 < count)
				*slot = words[i + 1];
		}
	}
}

static int print_words(const struct options *opts, const char *const *words,
		       unsigned int count)
{
	struct options where = *opts;
	struct complete c;

	if (count == 0)
		return EXIT_USAGE;
	complete_find(&c, words, count);
	if (c.kind != COMPLETE_COMMAND)
		read_flags(&where, words, count);
	switch (c.kind) {
	case COMPLETE_NOTHING:
		break;
	case COMPLETE_WORDS:
		complete_words(&c, print_word, &c);
		break;
	case COMPLETE_FILES:
		(void)printf(":files\n");
		break;
	case COMPLETE_DIRS:
		(void)printf(":folders\n");
		break;
	case COMPLETE_COMMAND:
		(void)printf(":command %u\n", c.first);
		break;
	case COMPLETE_JOBS:
		print_jobs(&where, &c);
		break;
	case COMPLETE_NETWORKS:
		print_networks(&where, &c);
		break;
	case COMPLETE_NODES:
		print_nodes(&where, &c);
		break;
	}
	return EXIT_OK;
}

int cmd_completion(const struct options *opts, char **words)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = {
		{ "bash", completion_bash },
		{ "zsh", completion_zsh },
		{ "fish", completion_fish },
	};
	unsigned int count = 0;
	char buf[SHOWN_MAX];

	if (strcmp(words[0], "words") == 0) {
		while (words[1 + count])
			count++;
		return print_words(opts, (const char *const *)words + 1, count);
	}
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strcmp(words[0], scripts[i].shell) == 0 && !words[1]) {
			(void)fputs(scripts[i].script, stdout);
			return finish_stdout();
		}
	}
	say("completion: '%s': must be bash, zsh or fish", shown(buf, words[0]));
	return EXIT_USAGE;
}
