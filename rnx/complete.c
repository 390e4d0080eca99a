/* SPDX-License-Identifier: MIT */
#include "complete.h"

#include <stdio.h>
#include <string.h>

#include <joblet/node.h>

#define BIT(state) (UINT32_C(1) << (state))
#define STATES_LIVE                                                                     \
	(BIT(JL_STATE_SCHEDULED) | BIT(JL_STATE_PENDING) | BIT(JL_STATE_INITIALIZING) | \
	 BIT(JL_STATE_RUNNING))
#define STATES_ENDED                                                              \
	(BIT(JL_STATE_COMPLETED) | BIT(JL_STATE_FAILED) | BIT(JL_STATE_STOPPED) | \
	 BIT(JL_STATE_CANCELED))

static const char *const seccomp_words[] = { "off", "default", "strict", NULL };
static const char *const state_words[] = { "SCHEDULED", "PENDING",   "INITIALIZING",
					   "RUNNING",	"COMPLETED", "FAILED",
					   "STOPPED",	"CANCELED",  NULL };
static const char *const user_words[] = { "root", "nobody", NULL };
static const char *const shell_words[] = { "bash", "zsh", "fish", NULL };
static const char *const group_words[][2] = {
	{ "job", "what can be done with jobs" },
	{ "network", "networks for jobs" },
};

static bool begins(const char *word, const char *part)
{
	return strncmp(word, part, strlen(part)) == 0;
}

static bool is_group(const char *word)
{
	return strcmp(word, "job") == 0 || strcmp(word, "network") == 0;
}

/* The flag a word names, whole; FLAG_COUNT for none. */
static enum flag flag_of(const char *word)
{
	size_t len = strcspn(word, "=");

	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		const struct flag_info *info = &flag_table[i];

		if (word[1] == '-' && strlen(info->name) == len - 2 &&
		    memcmp(info->name, word + 2, len - 2) == 0)
			return (enum flag)i;
		if (word[1] != '-' && word[1] && info->letter == word[1])
			return (enum flag)i;
	}
	return FLAG_COUNT;
}

/* Whether the value of this word's flag is the word behind it. */
static bool takes_next(const char *word, enum flag flag)
{
	return flag != FLAG_COUNT && flag_table[flag].value &&
	       (word[1] == '-' ? !strchr(word, '=') : !word[2]);
}

/* A word that is no flag: a group, a command, or for one. */
static void take_word(struct complete *c, const char *word)
{
	if (c->command)
		return;
	if (!c->group && is_group(word)) {
		c->group = word;
		return;
	}
	c->command = command_find(
		c->group && strcmp(c->group, "network") == 0 ? c->group : NULL, word);
}

static void complete_value(struct complete *c, enum flag flag)
{
	c->flag = flag;
	c->kind = COMPLETE_NOTHING;
	switch (flag) {
	case FLAG_UPLOAD:
	case FLAG_CONFIG:
		c->kind = COMPLETE_FILES;
		break;
	case FLAG_UPLOAD_DIR:
	case FLAG_STATE_DIR:
		c->kind = COMPLETE_DIRS;
		break;
	case FLAG_NETWORK:
		c->kind = COMPLETE_NETWORKS;
		c->builtin = true;
		break;
	case FLAG_NODE:
		c->kind = COMPLETE_NODES;
		break;
	case FLAG_SECCOMP:
	case FLAG_STATUS:
	case FLAG_USER:
		c->kind = COMPLETE_WORDS;
		break;
	default:
		break;
	}
}

/* What stands behind a command: given counts the words that are there already. */
static void complete_argument(struct complete *c, unsigned int given)
{
	const struct command *command = c->command;

	c->kind = COMPLETE_NOTHING;
	if (given >= command->most || (given > 0 && command->run == cmd_completion))
		return;
	if (command->run == cmd_help || command->run == cmd_completion) {
		c->kind = COMPLETE_WORDS;
	} else if (command->run == cmd_network_remove) {
		c->kind = COMPLETE_NETWORKS;
		c->builtin = false;
	} else if (strcmp(command->words, "ID") == 0) {
		c->kind = COMPLETE_JOBS;
		if (command->run == cmd_stop)
			c->states = STATES_LIVE;
		else if (command->run == cmd_cancel)
			c->states = BIT(JL_STATE_SCHEDULED);
		else if (command->run == cmd_delete)
			c->states = STATES_ENDED;
	}
}

void complete_find(struct complete *ret, const char *const *words, unsigned int count)
{
	struct complete c = { .flag = FLAG_COUNT, .part = words[count - 1] };
	unsigned int given = 0;
	bool words_only = false;

	for (unsigned int i = 0; i + 1 < count; i++) {
		const char *word = words[i];
		enum flag flag;

		if (words_only || word[0] != '-' || !word[1]) {
			given += c.command != NULL;
			/* What follows the command to run is its own. */
			if (c.command && c.command->run == cmd_run) {
				c.kind = COMPLETE_COMMAND;
				c.first = i;
				*ret = c;
				return;
			}
			take_word(&c, word);
			continue;
		}
		if (strcmp(word, "--") == 0) {
			words_only = true;
			continue;
		}
		flag = flag_of(word);
		if (takes_next(word, flag) && i + 2 == count) {
			complete_value(&c, flag);
			*ret = c;
			return;
		}
		i += takes_next(word, flag);
	}
	c.kind = COMPLETE_WORDS;
	if (!words_only && c.part[0] == '-') {
		const char *equals = begins(c.part, "--") ? strchr(c.part, '=') : NULL;
		enum flag flag = equals ? flag_of(c.part) : FLAG_COUNT;

		if (equals) {
			c.prefix = (int)(equals + 1 - c.part);
			c.part = equals + 1;
			c.kind = COMPLETE_NOTHING;
			if (flag != FLAG_COUNT && flag_table[flag].value)
				complete_value(&c, flag);
		}
	} else if (c.command && c.command->run == cmd_run) {
		c.kind = COMPLETE_COMMAND;
		c.first = count - 1;
	} else if (c.command) {
		complete_argument(&c, given);
	}
	*ret = c;
}

/* ---- words ---- */

static void give(const struct complete *c, complete_take take, void *data,
		 const char *word, const char *text)
{
	if (begins(word, c->part))
		take(data, word, text);
}

static void give_flags(const struct complete *c, complete_take take, void *data)
{
	/* Flags may stand in front of the verb; most of them are those of run. */
	uint32_t scope = SCOPE_ANY | (c->command ? c->command->scope : SCOPE_RUN);
	char word[64];

	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		const struct flag_info *info = &flag_table[i];

		if (!(info->scope & scope))
			continue;
		(void)snprintf(word, sizeof(word), "--%s", info->name);
		give(c, take, data, word, flag_help((enum flag)i, scope));
	}
}

static void give_commands(const struct complete *c, complete_take take, void *data)
{
	bool network = c->group && strcmp(c->group, "network") == 0;

	for (unsigned int i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];

		if (network ? command->group != NULL
			    : !command->group && (!c->group || command->verb))
			give(c, take, data, command->name, command->brief);
	}
	for (unsigned int i = 0; i < 2 && !c->group; i++)
		give(c, take, data, group_words[i][0], group_words[i][1]);
}

/* Lists: the last one of them is being written. */
static void give_states(const struct complete *c, complete_take take, void *data)
{
	const char *comma = strrchr(c->part, ',');
	size_t len = comma ? (size_t)(comma + 1 - c->part) : 0;
	char word[256];

	for (unsigned int i = 0; state_words[i]; i++) {
		if (len < 200) {
			(void)snprintf(word, sizeof(word), "%.*s%s", (int)len, c->part,
				       state_words[i]);
			give(c, take, data, word, "");
		}
	}
}

void complete_words(const struct complete *c, complete_take take, void *data)
{
	const char *const *list = NULL;

	if (c->kind != COMPLETE_WORDS)
		return;
	if (c->flag == FLAG_STATUS) {
		give_states(c, take, data);
	} else if (c->flag == FLAG_SECCOMP) {
		list = seccomp_words;
	} else if (c->flag == FLAG_USER) {
		list = user_words;
	} else if (c->part[0] == '-') {
		give_flags(c, take, data);
	} else if (c->command && c->command->run == cmd_completion) {
		list = shell_words;
	} else if (!c->command || c->command->run == cmd_help) {
		give_commands(c, take, data);
	}
	for (; list && *list; list++)
		give(c, take, data, *list, "");
}
