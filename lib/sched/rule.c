/* SPDX-License-Identifier: MIT */
#define JL_MODULE "sched"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "sched/sched-priv.h"
#include "sched/sched.h"

#define EVERY_HOUR 0xffffffU
#define SEARCH_DAYS (30 * 366)
#define TEXT_MAX 1024

struct jl_rule {
	uint64_t every_usec; /* 0: cron */
	struct jl__cron cron;
	struct jl__zone *zone;
};

static int parse_every(jl_rule *rule, const char *text, jl_error **err)
{
	int r = jl_time_parse_span(text, &rule->every_usec, err);

	if (r < 0) {
		(void)jl__wrap(err, r, "every");
		return r == -ENOMEM ? r : -EINVAL;
	}
	if (rule->every_usec < USEC_PER_SEC)
		return jl__fail(err, -EINVAL,
				"\"every " SHOWN "\" is too often: 1s is the least",
				text);
	return 0;
}

/* "TZ=Europe/Berlin " in front; *text moves behind it. */
static int parse_zone(jl_rule *rule, const char **text, jl_error **err)
{
	_cleanup_free_ char *name = NULL;
	size_t len;

	if (strncmp(*text, "TZ=", 3) != 0)
		return jl__zone_local(&rule->zone, err);
	*text += 3;
	len = strcspn(*text, " \t");
	name = jl__strndup(*text, len);
	if (!name)
		return jl__oom(err);
	*text = jl__skip_blanks(*text + len);
	return jl__zone_named(name, &rule->zone, err);
}

/* "every", also "@every": the word with what stands behind it, or NULL. */
static const char *behind_every(const char *text)
{
	text += *text == '@';
	return jl__starts_word(text, "every") ? jl__skip_blanks(text + 5) : NULL;
}

static int parse(jl_rule *rule, const char *text, jl_error **err)
{
	const char *span;
	int r;

	if (!text || !*jl__skip_blanks(text))
		return jl__fail(err, -EINVAL, "the rule is empty");
	if (strlen(text) > TEXT_MAX)
		return jl__fail(err, -EINVAL, "a rule of %zu bytes: %d are the most",
				strlen(text), TEXT_MAX);
	text = jl__skip_blanks(text);
	span = behind_every(text);
	if (span)
		return parse_every(rule, span, err);
	r = parse_zone(rule, &text, err);
	if (r < 0)
		return r;
	if (behind_every(text))
		return jl__fail(err, -EINVAL,
				"\"every\" counts time that passes and has no time zone: "
				"leave TZ= out");
	return jl__cron_parse(text, &rule->cron, err);
}

int jl_rule_parse(const char *text, jl_rule **ret_rule, jl_error **ret_err)
{
	jl_rule *rule;
	int r;

	jl__error_init(ret_err);
	rule = jl__calloc(1, sizeof(*rule));
	if (!rule)
		return jl__oom(ret_err);
	r = parse(rule, text, ret_err);
	if (r < 0) {
		jl_rule_free(rule);
		return r;
	}
	*ret_rule = rule;
	return 0;
}

void jl_rule_free(jl_rule *rule)
{
	if (!rule)
		return;
	jl__zone_free(rule->zone);
	jl__free(rule);
}

/*
 * By the clock on the wall: local times in order, each with its one moment. Moments come
 * in the same order, so the first one behind after is the next.
 */
static bool next_by_wall(const jl_rule *rule, int64_t after, int64_t last_day,
			 int64_t *ret)
{
	struct jl__zone_span span = jl__zone_span(rule->zone, after);
	int64_t minute = jl__floor_div(after + span.offset, 60);

	while (jl__cron_next(&rule->cron, minute, last_day, &minute)) {
		*ret = jl__zone_to_utc(rule->zone, minute * 60);
		if (*ret > after)
			return true;
		minute++;
	}
	return false;
}

/*
 * By hours that pass: a rule for every hour leaves none out when the clock is put back,
 * and adds none when it is put forward.
 */
static bool next_by_hours(const jl_rule *rule, int64_t after, int64_t last_day,
			  int64_t *ret)
{
	struct jl__zone_span span = jl__zone_span(rule->zone, after);
	int64_t from = after + 1; /* no earlier than this */

	for (;;) {
		int64_t minute = jl__floor_div(from + span.offset + 59, 60);

		if (!jl__cron_next(&rule->cron, minute, last_day, &minute))
			return false;
		*ret = minute * 60 - span.offset;
		if (*ret < span.end)
			return true;
		from = span.end;
		span = jl__zone_span(rule->zone, from);
	}
}

int jl_rule_next(const jl_rule *rule, uint64_t after_usec, uint64_t *ret_usec)
{
	/* Whole seconds: what is due at this second is not behind it. */
	int64_t after = (int64_t)(after_usec / USEC_PER_SEC), next;
	int64_t last_day = after / SEC_PER_DAY + SEARCH_DAYS;
	bool found;

	if (rule->every_usec)
		return __builtin_add_overflow(after_usec, rule->every_usec, ret_usec)
			       ? -ENOENT
			       : 0;
	if (rule->cron.hours == EVERY_HOUR)
		found = next_by_hours(rule, after, last_day, &next);
	else
		found = next_by_wall(rule, after, last_day, &next);
	if (!found || (uint64_t)next > UINT64_MAX / USEC_PER_SEC)
		return -ENOENT;
	*ret_usec = (uint64_t)next * USEC_PER_SEC;
	return 0;
}

int jl__rule_skip(const jl_rule *rule, uint64_t due_usec, uint64_t now_usec,
		  uint64_t *ret_usec)
{
	uint64_t every = rule->every_usec;

	if (every && due_usec < now_usec)
		due_usec += (now_usec - due_usec) / every * every;
	else if (!every && due_usec < now_usec)
		due_usec = now_usec;
	return jl_rule_next(rule, due_usec, ret_usec);
}
