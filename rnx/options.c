/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/job.h>

#include "job.h"
#include "output.h"
#include "values.h"

#define TIMEOUT_MAX_USEC (UINT64_C(366) * 24 * 3600 * 1000000)

static int fail(char error[OPTIONS_ERROR_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(char error[OPTIONS_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, OPTIONS_ERROR_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static int bad_value(char error[OPTIONS_ERROR_MAX], enum flag flag, const char *value)
{
	char buf[SHOWN_MAX];

	return fail(error, "--%s=%s: must be %s", flag_table[flag].name,
		    shown(buf, value), flag_table[flag].rule);
}

/* What is wrong with a number, where that can be told better than by the rule. */
static int bad_number(char error[OPTIONS_ERROR_MAX], enum flag flag, const char *value,
		      int code)
{
	size_t len = value ? strlen(value) : 0;
	char buf[SHOWN_MAX];

	if (code == -ERANGE && (flag == FLAG_MAX_MEMORY || flag == FLAG_MAX_IOBPS ||
				flag == FLAG_DISK || flag == FLAG_MAX_NET_BPS))
		return fail(error, "--%s=%s: is too large", flag_table[flag].name,
			    shown(buf, value));
	if (flag == FLAG_TIMEOUT && len > 0 && len < 20 &&
	    strspn(value, "0123456789") == len)
		return fail(error, "--timeout=%s: the unit is missing, for instance %ss",
			    value, value);
	return bad_value(error, flag, value);
}

static int add_repeated(struct options *opts, enum flag flag, const char *value,
			char error[OPTIONS_ERROR_MAX])
{
	struct repeated *list;

	if (flag == FLAG_ENV || flag == FLAG_SECRET_ENV) {
		/* A secret without a name is still a secret: it is not shown. */
		if (!strchr(value, '=') || *value == '=')
			return bad_value(error, flag,
					 flag == FLAG_SECRET_ENV ? "***" : value);
	} else if (!*value) {
		return bad_value(error, flag, value);
	}
	list = realloc(opts->repeated, (opts->repeated_count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	list[opts->repeated_count].flag = flag;
	list[opts->repeated_count].text = value;
	opts->repeated = list;
	opts->repeated_count++;
	return 0;
}

/* States, separated by commas; given twice they add up. */
static int set_states(struct options *opts, const char *value,
		      char error[OPTIONS_ERROR_MAX])
{
	static const char *const names[] = { "SCHEDULED", "PENDING",   "INITIALIZING",
					     "RUNNING",	  "COMPLETED", "FAILED",
					     "STOPPED",	  "CANCELED",  NULL };
	const char *rest = value;

	while (*rest) {
		size_t len = strcspn(rest, ",");
		char word[32], upper[32], buf[SHOWN_MAX];
		const char *meant;
		int state;

		(void)snprintf(word, sizeof(word), "%.*s", (int)(len < 31 ? len : 31),
			       rest);
		state = state_by_name(word);
		if (state < 0) {
			for (size_t i = 0; i < sizeof(upper); i++)
				upper[i] = (char)toupper((unsigned char)word[i]);
			meant = closest(upper, names);
			if (!meant)
				break;
			return fail(error,
				    "--status=%s: there is no such state, did you "
				    "mean %s?",
				    shown(buf, word), meant);
		}
		opts->states |= UINT32_C(1) << state;
		rest += len;
		if (*rest)
			rest++;
	}
	return *rest || !*value ? bad_value(error, FLAG_STATUS, value) : 0;
}

static int set_seccomp(struct options *opts, const char *value)
{
	if (strcmp(value, "off") == 0)
		opts->seccomp = JL_SECCOMP_OFF;
	else if (strcmp(value, "default") == 0)
		opts->seccomp = JL_SECCOMP_DEFAULT;
	else if (strcmp(value, "strict") == 0)
		opts->seccomp = JL_SECCOMP_STRICT;
	else
		return -EINVAL;
	return 0;
}

static int set_text(const char **slot, const char *value)
{
	if (!*value)
		return -EINVAL;
	*slot = value;
	return 0;
}

/* Where a text goes, or NULL. */
static const char **text_of(struct options *opts, enum flag flag)
{
	switch (flag) {
	case FLAG_CPU_CORES:
		return &opts->cpu_cores;
	case FLAG_WORK_DIR:
		return &opts->work_dir;
	case FLAG_HOSTNAME:
		return &opts->hostname;
	case FLAG_NAME:
		return &opts->name;
	case FLAG_NETWORK:
		return &opts->network;
	case FLAG_SCHEDULE:
		return &opts->schedule;
	case FLAG_EVERY:
		return &opts->every;
	case FLAG_CRON:
		return &opts->cron;
	case FLAG_SINCE:
		return &opts->since;
	case FLAG_CIDR:
		return &opts->cidr;
	case FLAG_SERVER:
		return &opts->server;
	case FLAG_NODE:
		return &opts->node;
	case FLAG_CONFIG:
		return &opts->config;
	case FLAG_STATE_DIR:
		return &opts->state_dir;
	default:
		return NULL;
	}
}

/* Where a switch goes, or NULL for one that changes nothing. */
static bool *switch_of(struct options *opts, enum flag flag)
{
	switch (flag) {
	case FLAG_HELP:
		return &opts->help;
	case FLAG_VERSION:
		return &opts->version;
	case FLAG_JSON:
		return &opts->json;
	case FLAG_QUIET:
		return &opts->quiet;
	case FLAG_INIT:
		return &opts->init;
	case FLAG_RM:
		return &opts->rm;
	case FLAG_EXPLAIN:
		return &opts->explain;
	case FLAG_DETACH:
		return &opts->detach;
	case FLAG_INTERACTIVE:
		return &opts->interactive;
	case FLAG_FOLLOW:
		return &opts->follow;
	case FLAG_NO_FOLLOW:
		return &opts->no_follow;
	case FLAG_TIMESTAMPS:
		return &opts->timestamps;
	case FLAG_STDOUT:
		return &opts->only_stdout;
	case FLAG_STDERR:
		return &opts->only_stderr;
	case FLAG_FORCE:
		return &opts->force;
	case FLAG_VERBOSE:
		return &opts->verbose;
	default:
		return NULL;
	}
}

/* value is NULL for a switch without one. */
static int set_flag(struct options *opts, enum flag flag, const char *value,
		    char error[OPTIONS_ERROR_MAX])
{
	uint64_t number = 0;
	const char **text;
	bool on = true;
	int r = 0;

	if (!flag_table[flag].value && value)
		r = value_bool(value, &on);

	switch (r < 0 ? FLAG_COUNT : flag) {
	case FLAG_MAX_CPU:
		r = value_number(value, 10000, &number);
		opts->cpu_percent = (uint32_t)number;
		break;
	case FLAG_MAX_MEMORY:
		r = value_bytes(value, 1024 * 1024, &opts->memory_bytes);
		break;
	case FLAG_DISK:
		r = value_bytes(value, 1024 * 1024, &opts->disk_bytes);
		break;
	case FLAG_MAX_IOBPS:
		r = value_bytes(value, 1, &opts->io_bps);
		break;
	case FLAG_MAX_NET_BPS:
		r = value_bytes(value, 1, &opts->net_bps);
		break;
	case FLAG_MAX_PIDS:
		r = value_number(value, 4194304, &opts->pids);
		break;
	case FLAG_TIMEOUT:
		r = value_usec(value, &opts->timeout_usec);
		if (r == 0 && opts->timeout_usec > TIMEOUT_MAX_USEC)
			r = -ERANGE;
		break;
	case FLAG_RETRIES:
		r = value_number(value, 100, &number);
		opts->retries = (uint32_t)number;
		break;
	case FLAG_PRIORITY:
		r = value_number(value + (*value == '-'), 100, &number);
		opts->priority = *value == '-' ? -(int)number : (int)number;
		break;
	case FLAG_LIMIT:
		r = value_number(value, 1000000, &number);
		opts->limit = (uint32_t)number;
		if (r == 0 && number == 0)
			r = -ERANGE;
		break;
	case FLAG_TAIL:
	case FLAG_LINES:
		r = value_number(value, UINT64_MAX - 1, &opts->tail);
		break;
	case FLAG_ENV:
	case FLAG_SECRET_ENV:
	case FLAG_UPLOAD:
	case FLAG_UPLOAD_DIR:
	case FLAG_ALLOW_NET:
	case FLAG_PUBLISH:
		return add_repeated(opts, flag, value, error);
	case FLAG_STATUS:
		return set_states(opts, value, error);
	case FLAG_USER:
		r = value_user(value, &opts->uid, &opts->gid);
		break;
	case FLAG_SECCOMP:
		r = set_seccomp(opts, value);
		break;
	case FLAG_COUNT:
		break;
	default:
		text = text_of(opts, flag);
		if (text)
			r = set_text(text, value);
		else if (switch_of(opts, flag))
			*switch_of(opts, flag) = on;
		break;
	}
	return r < 0 ? bad_number(error, flag, value, r) : 0;
}

static int not_yet(char error[OPTIONS_ERROR_MAX], const char *name)
{
	return fail(error, "--%s: this version does not have it yet", name);
}

static int unknown_flag(const struct options *opts, const char *word,
			char error[OPTIONS_ERROR_MAX])
{
	size_t dashes = word[1] == '-' ? 2 : 1;
	const char *text = word + dashes, *meant = NULL;
	size_t len = strcspn(text, "=");
	char buf[SHOWN_MAX], name[61];

	/* What stands behind '=' may be a secret. */
	(void)snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), text);
	if (dashes == 2) {
		for (size_t i = 0; flags_not_here[i]; i++) {
			if (strcmp(name, flags_not_here[i]) == 0)
				return not_yet(error, name);
		}
	}
	/* With one dash, of a letter nothing can be guessed. */
	if (dashes == 2 || len > 1)
		meant = flag_meant(name);
	if (meant)
		return fail(error, "unknown flag: %.*s%s, did you mean --%s?",
			    (int)dashes, word, shown(buf, name), meant);
	return fail(error, "unknown flag: %.*s%s, see rnx help%s%s", (int)dashes, word,
		    shown(buf, name), opts->command ? " " : "",
		    opts->command ? opts->command : "");
}

/* Whether -v is followed by, or holds, SOURCE:TARGET: other tools take volumes so. */
static bool means_volume(const char *word, const char *next)
{
	return word[1] == 'v' &&
	       (strchr(word, ':') || (!word[2] && next && strchr(next, ':')));
}

/*
 * Finds the flag of a word and the value written into the word itself, if any. Returns
 * FLAG_COUNT for an unknown one.
 */
static enum flag find_flag(const char *word, const char **ret_value)
{
	bool is_long = word[1] == '-';
	size_t len = is_long ? strcspn(word + 2, "=") : 1;

	*ret_value = NULL;
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		const struct flag_info *info = &flag_table[i];

		if (is_long) {
			if (strlen(info->name) != len ||
			    memcmp(info->name, word + 2, len) != 0)
				continue;
			if (word[2 + len] == '=')
				*ret_value = word + 2 + len + 1;
			return (enum flag)i;
		}
		if (info->letter == 0 || info->letter != word[1])
			continue;
		/* -eNAME=VALUE and -e=NAME=VALUE; a switch takes nothing of that kind. */
		if (word[2] && !info->value)
			return FLAG_COUNT;
		if (word[2])
			*ret_value = word + 2 + (word[2] == '=');
		return (enum flag)i;
	}
	return FLAG_COUNT;
}

int options_parse(struct options *opts, int argc, char **argv, int *index,
		  char error[OPTIONS_ERROR_MAX])
{
	while (*index < argc) {
		const char *word = argv[*index], *value;
		enum flag flag;
		int r;

		/* A lone "-" is a word. */
		if (word[0] != '-' || !word[1])
			return 0;
		(*index)++;
		if (strcmp(word, "--") == 0)
			return 1;
		if (means_volume(word, *index < argc ? argv[*index] : NULL))
			return not_yet(error, "volume");
		flag = find_flag(word, &value);
		if (flag == FLAG_COUNT)
			return unknown_flag(opts, word, error);
		if (flag_table[flag].value && !value) {
			if (*index >= argc)
				return fail(error,
					    "--%s: a value is missing; it must be %s",
					    flag_table[flag].name, flag_table[flag].rule);
			value = argv[(*index)++];
		}
		r = set_flag(opts, flag, value, error);
		if (r < 0)
			return r;
		opts->seen |= UINT64_C(1) << flag;
		opts->given[flag] = value;
		if (opts->help || opts->version)
			return 0;
	}
	return 0;
}

enum flag options_outside(const struct options *opts, uint32_t scope)
{
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		if ((opts->seen >> i & 1) && !(flag_table[i].scope & scope))
			return (enum flag)i;
	}
	return FLAG_COUNT;
}

size_t options_count(const struct options *opts, enum flag flag)
{
	size_t count = 0;

	for (size_t i = 0; i < opts->repeated_count; i++)
		count += opts->repeated[i].flag == flag;
	return count;
}

void options_init(struct options *opts)
{
	*opts = (struct options){ .seccomp = JL_SECCOMP_DEFAULT, .tail = UNKNOWN };
}

void options_done(struct options *opts)
{
	free(opts->repeated);
	opts->repeated = NULL;
	opts->repeated_count = 0;
}
