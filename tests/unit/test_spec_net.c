/* SPDX-License-Identifier: MIT */
/* The network of a description, without making any. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spawn/plan.h"

static jl_job_spec *spec;
static jl_error *err;

static void set_up(void)
{
	ck_assert_int_eq(jl_job_spec_new(&spec), 0);
	ck_assert_int_eq(jl_job_spec_add_arg(spec, "true", NULL), 0);
}

static void tear_down(void)
{
	jl_job_spec_free(spec);
	jl_error_free(err);
	err = NULL;
}

static const struct {
	const char *name;
	int network;
	bool networked;
} known[] = {
	{ "none", JL_NETWORK_NONE, false },
	{ "host", JL_NETWORK_HOST, false },
	{ "isolated", JL_NETWORK_ISOLATED, true },
	{ "bridge", JL_NETWORK_BRIDGE, true },
	{ "mine-1_a", JL__NETWORK_NAMED, true },
	{ "a", JL__NETWORK_NAMED, true },
	{ "abcdefghijklmnopqrstuvwxyz012345", JL__NETWORK_NAMED, true },
};

START_TEST(names_are_networks)
{
	ck_assert_int_eq(jl_job_spec_set_network_name(spec, known[_i].name, &err), 0);
	ck_assert_int_eq(spec->network, known[_i].network);
	ck_assert_str_eq(jl__spec_network_name(spec), known[_i].name);
	ck_assert_int_eq(jl__spec_is_networked(spec), known[_i].networked);
	/* The number wins over a name given before. */
	ck_assert_int_eq(jl_job_spec_set_network(spec, JL_NETWORK_BRIDGE, &err), 0);
	ck_assert_str_eq(jl__spec_network_name(spec), "bridge");
}
END_TEST

static const char *const bad_names[] = {
	NULL, "", "-a", "a-", "_a", "a/b", "a b", "a.b", "\303\244",
	"abcdefghijklmnopqrstuvwxyz0123456", "../bridge", "a\n",
};

START_TEST(what_cannot_be_a_name)
{
	ck_assert_int_eq(jl_job_spec_set_network_name(spec, bad_names[_i], &err),
			 -EINVAL);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "network"));
	ck_assert_int_eq(spec->network, JL_NETWORK_NONE);
}
END_TEST

/* Without rules nothing would hold them. */
static const char *const without_rules[] = { "none", "host" };

START_TEST(restrictions_need_a_network)
{
	const char *name = without_rules[_i / 3];

	ck_assert_int_eq(jl_job_spec_set_network_name(spec, name, &err), 0);
	if (_i % 3 == 0)
		ck_assert_int_eq(jl_job_spec_add_allow_net(spec, "10.0.0.0/8", &err), 0);
	else if (_i % 3 == 1)
		ck_assert_int_eq(jl_job_spec_add_publish(spec, "80:80", &err), 0);
	else
		ck_assert_int_eq(jl_job_spec_set_net_bps(spec, 1024, &err), 0);
	ck_assert_int_eq(jl_job_spec_check(spec, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), name));
	jl_error_free(err);
	ck_assert_int_eq(jl_job_spec_set_network_name(spec, "bridge", &err), 0);
	ck_assert_int_eq(jl_job_spec_check(spec, &err), 0);
}
END_TEST

START_TEST(lists_have_an_end)
{
	char text[32];

	for (unsigned int i = 0; i < JL__NET_ALLOW_MAX; i++)
		ck_assert_int_eq(jl_job_spec_add_allow_net(spec, "10.0.0.0/8:80", &err),
				 0);
	ck_assert_int_eq(jl_job_spec_add_allow_net(spec, "10.0.0.0/8", &err), -E2BIG);
	jl_error_free(err);
	for (unsigned int i = 1; i <= JL__NET_PUBLISH_MAX; i++) {
		(void)snprintf(text, sizeof(text), "%u:80", i);
		ck_assert_int_eq(jl_job_spec_add_publish(spec, text, &err), 0);
	}
	ck_assert_int_eq(jl_job_spec_add_publish(spec, "99:80", &err), -E2BIG);
	jl_error_free(err);
	ck_assert_int_eq(jl_job_spec_add_publish(spec, "5:81", &err), -EINVAL);
	jl_error_free(err);
	ck_assert_int_eq(jl_job_spec_add_publish(spec, NULL, &err), -EINVAL);
	jl_error_free(err);
	ck_assert_int_eq(jl_job_spec_add_allow_net(spec, NULL, &err), -EINVAL);
	jl_error_free(err);
	ck_assert_int_eq(jl_job_spec_set_net_bps(spec, 1023, &err), -ERANGE);
	jl_error_free(err);
	ck_assert_int_eq(jl_job_spec_set_net_bps(spec, UINT64_MAX, &err), -ERANGE);
}
END_TEST

/* It comes through as it is, in a plan that is whole again. */
START_TEST(plans_carry_wires)
{
	union {
		struct jl__wire wire;
		char bytes[200 + sizeof(struct jl__wire)];
	} wire;
	struct jl__buf buf = JL__BUF_INIT(JL__PLAN_MAX);
	struct jl__plan head = { .magic = JL__PLAN_MAGIC };
	const struct jl__plan *plan;

	memset(&wire, 'a', sizeof(wire));
	wire.wire.size = (uint32_t)(sizeof(struct jl__wire) + 100 + (uint32_t)_i);
	ck_assert_int_eq(jl__buf_add(&buf, &head, sizeof(head)), 0);
	ck_assert_int_eq(jl__buf_add(&buf, "odd", 3), 0);
	ck_assert_int_eq(jl__plan_add_wire(&buf, &wire.wire, &err), 0);
	plan = (const struct jl__plan *)buf.data;
	ck_assert_uint_eq(plan->size, buf.len);
	ck_assert_uint_eq(plan->wire.count, wire.wire.size);
	ck_assert_int_ne(jl__array_fits(plan->wire, 1, plan->size), 0);
	ck_assert_int_eq(memcmp(buf.data + plan->wire.offset, &wire, wire.wire.size), 0);
	jl__buf_done(&buf);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spec_net");
	TCase *tcase = tcase_create("spec_net");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, names_are_networks, 0,
			    (int)(sizeof(known) / sizeof(known[0])));
	tcase_add_loop_test(tcase, what_cannot_be_a_name, 0,
			    (int)(sizeof(bad_names) / sizeof(bad_names[0])));
	tcase_add_loop_test(tcase, restrictions_need_a_network, 0, 6);
	tcase_add_test(tcase, lists_have_an_end);
	tcase_add_loop_test(tcase, plans_carry_wires, 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
