/* SPDX-License-Identifier: MIT */
#ifndef JOBLET_SCHED_H
#define JOBLET_SCHED_H

/**
 * @file
 * Times people write, and a queue of what is due.
 *
 * Times are µs since 1970. Nothing here reads the clock but jl_sched; "now" is always
 * given, so that tests do not wait.
 */

#include <joblet/base.h>
#include <joblet/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A rule that names time after time. */
typedef struct jl_rule jl_rule;
/** Keys ordered by the time they are due. */
typedef struct jl_sched jl_sched;

/**
 * Read a span: "45s", "5min", "2h30m", "1 hour 30 minutes", also "500ms".
 *
 * @param text           Numbers with units ms, s, sec, secs, second, seconds, m, min, mins,
 *                       minute, minutes, h, hour, hours, d, day, days; any case; blanks
 *                       between them.
 * @param[out] ret_usec  The span, at most 366 days.
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ERANGE.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_time_parse_span(const char *text, uint64_t *ret_usec,
					    jl_error **ret_err);
/**
 * Read a time: a span from now (1 s to 365 days, also with "+" in front), or an absolute
 * one as "2025-07-18T20:02:48", with an optional fraction, "Z" or "+02:00" behind; a blank
 * for the "T", no seconds, and no zone (then the caller's local time: TZ, else
 * /etc/localtime) are fine. Ten digits are seconds since 1970, thirteen milliseconds.
 *
 * A local time that does not exist (the clock was put forward) is taken as the moment of
 * the change; of one that exists twice the first is meant.
 *
 * @param text           What was written.
 * @param now_usec       Now.
 * @param[out] ret_usec  The time; it may have passed.
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ERANGE, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_time_parse(const char *text, uint64_t now_usec,
				       uint64_t *ret_usec, jl_error **ret_err);

/**
 * Read a rule: "every SPAN" (at least 1 s), or a cron expression ("0 2 * * *", with names,
 * ranges, lists, steps, @hourly … @yearly), the latter optionally with "TZ=ZONE " in
 * front; default is the local zone. Sunday is 0 and 7; of a day of month and a day of week
 * that are both restricted (begin with no star), one is enough.
 *
 * @param text           The rule.
 * @param[out] ret_rule  The rule, released with jl_rule_free().
 * @param[out] ret_err   Reason of a failure; may be NULL.
 * @return 0, -EINVAL, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_rule_parse(const char *text, jl_rule **ret_rule,
				       jl_error **ret_err);
/** Release a rule. @param rule Rule; NULL is fine. @since 0.1 */
JL_API void jl_rule_free(jl_rule *rule);
/**
 * The first time of a rule after another. Of cron, a local time that does not exist (the
 * clock was put forward) is taken as the moment of the change; one that exists twice
 * counts once, the first time. A rule for every hour ("*" or all of them) goes by the
 * hours that pass instead: what does not exist is left out, what exists twice counts
 * twice.
 *
 * @param rule        Rule.
 * @param after_usec  The time before; for "every", the time the last run was due, or the
 *                    moment the rule was made.
 * @param[out] ret_usec  The time.
 * @return 0, or -ENOENT when there is none within 30 years (30 February).
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_rule_next(const jl_rule *rule, uint64_t after_usec,
				      uint64_t *ret_usec);

/**
 * A queue with a timer on the wall clock, that notices when the clock is set.
 *
 * @param[out] ret_sched  The queue, released with jl_sched_free().
 * @param[out] ret_err    Reason of a failure; may be NULL.
 * @return 0, -EMFILE, -ENFILE, -ENOMEM.
 * @since 0.1
 */
JL_API JL_MUST_CHECK int jl_sched_new(jl_sched **ret_sched, jl_error **ret_err);
/** Release a queue. @param sched Queue; NULL is fine. @since 0.1 */
JL_API void jl_sched_free(jl_sched *sched);
/** Add a key, or move it. @param sched Queue. @param key Key. @param due_usec When.
 *  @return 0 or -ENOMEM. @since 0.1 */
JL_API JL_MUST_CHECK int jl_sched_add(jl_sched *sched, uint64_t key, uint64_t due_usec);
/** Take a key out. @param sched Queue. @param key Key. @return 0 or -ENOENT. @since 0.1 */
JL_API int jl_sched_remove(jl_sched *sched, uint64_t key);
/** Keys in the queue. @param sched Queue. @return the number. @since 0.1 */
JL_API uint32_t jl_sched_count(const jl_sched *sched);
/** When the first one is due. @param sched Queue. @return the time; UINT64_MAX when it is
 *  empty. @since 0.1 */
JL_API uint64_t jl_sched_next_usec(const jl_sched *sched);
/** A descriptor that polls readable when something is due or the clock was set.
 *  @param sched Queue. @return the descriptor, borrowed. @since 0.1 */
JL_API int jl_sched_get_fd(const jl_sched *sched);
/** Take the next key that is due, in order of time, then of being added. @param sched
 *  Queue. @param now_usec Now. @param[out] ret_key The key. @return 1 with a key, 0
 *  without. @since 0.1 */
JL_API JL_MUST_CHECK int jl_sched_take(jl_sched *sched, uint64_t now_usec,
				       uint64_t *ret_key);

#ifdef __cplusplus
}
#endif

#endif
