/* SPDX-License-Identifier: MIT */
/* The queue of what is due: order, moving, and its timer. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include <joblet/sched.h>

#define MANY 5000

static jl_sched *sched;

static void open_queue(void)
{
	ck_assert_int_eq(jl_sched_new(&sched, NULL), 0);
}

static void close_queue(void)
{
	jl_sched_free(sched);
}

static uint64_t clock_usec(void)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int is_readable(int timeout_ms)
{
	struct pollfd poll_fd = { .fd = jl_sched_get_fd(sched), .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms);
}

START_TEST(an_empty_queue_has_nothing)
{
	uint64_t key = 7;

	ck_assert_uint_eq(jl_sched_count(sched), 0);
	ck_assert_uint_eq(jl_sched_next_usec(sched), UINT64_MAX);
	ck_assert_int_eq(jl_sched_take(sched, UINT64_MAX, &key), 0);
	ck_assert_uint_eq(key, 7);
	ck_assert_int_eq(jl_sched_remove(sched, 1), -ENOENT);
	ck_assert_int_eq(is_readable(0), 0);
	jl_sched_free(NULL);
}
END_TEST

START_TEST(keys_come_by_time_then_by_turn)
{
	static const uint64_t wanted[] = { 3, 1, 4, 2 };
	uint64_t key;

	ck_assert_int_eq(jl_sched_add(sched, 1, 200), 0);
	ck_assert_int_eq(jl_sched_add(sched, 2, 300), 0);
	ck_assert_int_eq(jl_sched_add(sched, 3, 100), 0);
	ck_assert_int_eq(jl_sched_add(sched, 4, 200), 0);
	ck_assert_uint_eq(jl_sched_next_usec(sched), 100);
	ck_assert_int_eq(jl_sched_take(sched, 99, &key), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(jl_sched_take(sched, 300, &key), 1);
		ck_assert_uint_eq(key, wanted[i]);
	}
	ck_assert_int_eq(jl_sched_take(sched, UINT64_MAX, &key), 0);
}
END_TEST

START_TEST(only_what_is_due_is_taken)
{
	uint64_t key;

	ck_assert_int_eq(jl_sched_add(sched, 1, 100), 0);
	ck_assert_int_eq(jl_sched_add(sched, 2, 200), 0);
	ck_assert_int_eq(jl_sched_take(sched, 100, &key), 1);
	ck_assert_uint_eq(key, 1);
	ck_assert_int_eq(jl_sched_take(sched, 199, &key), 0);
	ck_assert_uint_eq(jl_sched_count(sched), 1);
}
END_TEST

START_TEST(a_key_that_is_added_again_moves)
{
	uint64_t key;

	ck_assert_int_eq(jl_sched_add(sched, 1, 100), 0);
	ck_assert_int_eq(jl_sched_add(sched, 2, 200), 0);
	ck_assert_int_eq(jl_sched_add(sched, 1, 300), 0);
	ck_assert_uint_eq(jl_sched_count(sched), 2);
	ck_assert_uint_eq(jl_sched_next_usec(sched), 200);
	ck_assert_int_eq(jl_sched_add(sched, 1, 50), 0);
	ck_assert_int_eq(jl_sched_take(sched, 60, &key), 1);
	ck_assert_uint_eq(key, 1);
}
END_TEST

/* What the queue should do, done slowly. */
static uint64_t model_due[MANY];

static uint64_t earliest(void)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < MANY; i++) {
		if (model_due[i] < first)
			first = model_due[i];
	}
	return first;
}

START_TEST(many_keys_added_moved_and_removed_at_random)
{
	uint32_t count = 0;
	uint64_t key, last = 0;

	srand(1);
	for (int i = 0; i < MANY; i++)
		model_due[i] = UINT64_MAX;
	for (int i = 0; i < 4 * MANY; i++) {
		int k = rand() % MANY;

		if (rand() % 3) {
			count += model_due[k] == UINT64_MAX;
			model_due[k] = 1 + (uint64_t)(rand() % 100000);
			/* Keys far from each other, and next to each other. */
			ck_assert_int_eq(jl_sched_add(sched, (uint64_t)k << (k % 2 * 40),
						      model_due[k]),
					 0);
		} else {
			ck_assert_int_eq(
				jl_sched_remove(sched, (uint64_t)k << (k % 2 * 40)),
				model_due[k] == UINT64_MAX ? -ENOENT : 0);
			count -= model_due[k] != UINT64_MAX;
			model_due[k] = UINT64_MAX;
		}
		ck_assert_uint_eq(jl_sched_count(sched), count);
		if (i % 1000 == 0)
			ck_assert_uint_eq(jl_sched_next_usec(sched), earliest());
	}
	while (jl_sched_take(sched, UINT64_MAX, &key) == 1) {
		int k = (int)(key >= MANY ? key >> 40 : key);

		ck_assert_uint_ge(model_due[k], last);
		ck_assert_uint_ne(model_due[k], UINT64_MAX);
		last = model_due[k];
		model_due[k] = UINT64_MAX;
		count--;
	}
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(the_descriptor_tells_when_something_is_due)
{
	uint64_t key, now = clock_usec();

	ck_assert_int_eq(jl_sched_add(sched, 1, now + UINT64_C(3600000000)), 0);
	ck_assert_int_eq(is_readable(0), 0);
	ck_assert_int_eq(jl_sched_add(sched, 2, now + 20000), 0);
	ck_assert_int_eq(is_readable(5000), 1);
	ck_assert_uint_ge(clock_usec(), now + 20000);
	ck_assert_int_eq(jl_sched_take(sched, clock_usec(), &key), 1);
	ck_assert_uint_eq(key, 2);
	ck_assert_int_eq(jl_sched_take(sched, clock_usec(), &key), 0);
	ck_assert_int_eq(is_readable(0), 0);
}
END_TEST

START_TEST(it_stays_readable_while_more_is_due)
{
	uint64_t key;

	/* 0 is a time like any other. */
	ck_assert_int_eq(jl_sched_add(sched, 1, 0), 0);
	ck_assert_int_eq(jl_sched_add(sched, 2, 5), 0);
	ck_assert_int_eq(is_readable(1000), 1);
	ck_assert_int_eq(jl_sched_take(sched, clock_usec(), &key), 1);
	ck_assert_uint_eq(key, 1);
	ck_assert_int_eq(is_readable(1000), 1);
	ck_assert_int_eq(jl_sched_take(sched, clock_usec(), &key), 1);
	ck_assert_int_eq(jl_sched_take(sched, clock_usec(), &key), 0);
	ck_assert_int_eq(is_readable(0), 0);
}
END_TEST

START_TEST(a_caller_that_is_early_is_told_again)
{
	uint64_t key, now = clock_usec();

	ck_assert_int_eq(jl_sched_add(sched, 1, now), 0);
	ck_assert_int_eq(is_readable(1000), 1);
	ck_assert_int_eq(jl_sched_take(sched, now - 1, &key), 0);
	ck_assert_int_eq(is_readable(1000), 1);
}
END_TEST

START_TEST(what_is_taken_out_does_not_wake)
{
	ck_assert_int_eq(jl_sched_add(sched, 1, 1), 0);
	ck_assert_int_eq(jl_sched_remove(sched, 1), 0);
	ck_assert_int_eq(is_readable(0), 0);
	ck_assert_int_eq(jl_sched_add(sched, 1, 1), 0);
	ck_assert_int_eq(jl_sched_add(sched, 1, UINT64_MAX), 0);
	ck_assert_int_eq(is_readable(0), 0);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("sched_queue");
	TCase *tc = tcase_create("queue");

	tcase_add_checked_fixture(tc, open_queue, close_queue);
	tcase_add_test(tc, an_empty_queue_has_nothing);
	tcase_add_test(tc, keys_come_by_time_then_by_turn);
	tcase_add_test(tc, only_what_is_due_is_taken);
	tcase_add_test(tc, a_key_that_is_added_again_moves);
	tcase_add_test(tc, many_keys_added_moved_and_removed_at_random);
	tcase_add_test(tc, the_descriptor_tells_when_something_is_due);
	tcase_add_test(tc, it_stays_readable_while_more_is_due);
	tcase_add_test(tc, a_caller_that_is_early_is_told_again);
	tcase_add_test(tc, what_is_taken_out_does_not_wake);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
