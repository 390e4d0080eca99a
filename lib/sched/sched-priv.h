/* SPDX-License-Identifier: MIT */
#ifndef JL_SCHED_PRIV_H
#define JL_SCHED_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <joblet/error.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define SEC_PER_DAY 86400
/* What of a caller's text is shown in a sentence. */
#define SHOWN "%.120s"

/* ---- civil.c: the calendar, in days since 1970; valid far beyond any use ---- */

int64_t jl__civil_to_days(int64_t year, unsigned int month, unsigned int day);
void jl__civil_from_days(int64_t days, int64_t *ret_year, unsigned int *ret_month,
			 unsigned int *ret_day);
bool jl__civil_is_leap(int64_t year);
unsigned int jl__civil_month_days(int64_t year, unsigned int month);
/* 0 is Sunday. */
unsigned int jl__civil_weekday(int64_t days);
/* Rounds down, also below zero. */
int64_t jl__floor_div(int64_t value, int64_t by);

/* ---- span.c ---- */

/* Whether text starts with a word, in any case, and a blank or the end follows. */
bool jl__starts_word(const char *text, const char *word);
const char *jl__skip_blanks(const char *text);

/* ---- zone.c, zone_rule.c: time zones ---- */

/* Of a POSIX rule: the moment of a change, in seconds of local time. */
struct jl__zone_change {
	char form; /* 'J' day 1 to 365 without 29 February, 'D' day 0 to 365, 'M' */
	uint16_t day;
	uint8_t month, week;
	int32_t second; /* of the day; -167 h to 167 h */
};

/* What holds behind the last change of the table. */
struct jl__zone_rule {
	int32_t standard, summer; /* seconds east of Greenwich */
	bool has_summer;
	struct jl__zone_change begin, end;
};

struct jl__zone {
	uint32_t count;
	int64_t *at;	 /* ascending: from here on … */
	int32_t *offset; /* … so many seconds east of Greenwich */
	int32_t before;	 /* before the first one */
	bool has_rule;
	struct jl__zone_rule rule;
};

/* Time with one offset: start <= t < end. */
struct jl__zone_span {
	int64_t start, end;
	int32_t offset;
};

/* Bytes of a TZif file (RFC 8536). -EBADMSG: it is none, or has leap seconds. */
int jl__zone_parse(const uint8_t *data, size_t size, struct jl__zone **ret);
/* "CET-1CEST,M3.5.0,M10.5.0/3". -EINVAL. */
int jl__zone_rule_parse(const char *text, struct jl__zone_rule *ret);
struct jl__zone_span jl__zone_rule_span(const struct jl__zone_rule *rule, int64_t utc);
/* By name, below the zone folders of this machine. -EINVAL for a name that is none. */
int jl__zone_named(const char *name, struct jl__zone **ret, jl_error **err);
/* The caller's: TZ, else /etc/localtime, else UTC. */
int jl__zone_local(struct jl__zone **ret, jl_error **err);
void jl__zone_free(struct jl__zone *zone);

struct jl__zone_span jl__zone_span(const struct jl__zone *zone, int64_t utc);
/* A local time that is left out is the moment of the change; of two, the first. */
int64_t jl__zone_to_utc(const struct jl__zone *zone, int64_t local);

/* ---- cron.c ---- */

struct jl__cron {
	uint64_t minutes;
	uint32_t hours, days;	   /* bit n: hour n, day n */
	uint16_t months;	   /* bit n: month n */
	uint8_t weekdays;	   /* bit 0: Sunday */
	bool any_day, any_weekday; /* the field begins with a star */
};

int jl__cron_parse(const char *text, struct jl__cron *ret, jl_error **err);
/* The first time of the rule not before a minute (since 1970, local), within last_day.
 * False when there is none. */
bool jl__cron_next(const struct jl__cron *cron, int64_t minute, int64_t last_day,
		   int64_t *ret_minute);

#endif
