/* SPDX-License-Identifier: MIT */
/* Changing a configuration by lines: keys change, what people wrote around them stays. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/server.h"
#include "edit.h"

/* Last: it has a macro with the name of a function of the daemon. */
#include <check.h>

#define PEM "-----BEGIN X-----\nAAAA\n-----END X-----\n"

static const struct {
	const char *before;
	struct edit edits[2];
	size_t count;
	const char *after;
} cases[] = {
	/* A section that is not there is made, behind everything. */
	{ "", { { "crl", "x" } }, 1, "\nsecurity:\n  crl: \"x\"\n" },
	{ "version: 1",
	  { { "crl", "x" } },
	  1,
	  "version: 1\n\nsecurity:\n  crl: \"x\"\n" },
	/* A key is set, changed, taken out. */
	{ "security:\n  a: 1\n",
	  { { "crl", "x" } },
	  1,
	  "security:\n  crl: \"x\"\n  a: 1\n" },
	{ "security:\n  crl: old\n  a: 1\n",
	  { { "crl", "x" } },
	  1,
	  "security:\n  crl: \"x\"\n  a: 1\n" },
	{ "security:\n  crl: old\n  a: 1\n",
	  { { "crl", NULL } },
	  1,
	  "security:\n  a: 1\n" },
	{ "security:\n  crl: old\n  a: 1\n",
	  { { "crl", "" } },
	  1,
	  "security:\n  a: 1\n" },
	/* Blocks go as a whole, empty lines in them included, and come with an indent. */
	{ "security:\n  serverKey: |\n    one\n\n    two\n  a: 1\nnext: 2\n",
	  { { "serverKey", PEM } },
	  1,
	  "security:\n  serverKey: |\n    -----BEGIN X-----\n    AAAA\n    -----END X-----\n"
	  "  a: 1\nnext: 2\n" },
	{ "security:\n    serverKey: |\n        one\n    a: 1\n",
	  { { "serverKey", PEM } },
	  1,
	  "security:\n    serverKey: |\n      -----BEGIN X-----\n      AAAA\n"
	  "      -----END X-----\n    a: 1\n" },
	/* Both ways to write a name, quotes, and a name that only begins like it. */
	{ "security:\n  server_key: old\n",
	  { { "serverKey", "x" } },
	  1,
	  "security:\n  serverKey: \"x\"\n" },
	{ "security:\n  \"serverKey\": old\n",
	  { { "serverKey", "x" } },
	  1,
	  "security:\n  serverKey: \"x\"\n" },
	{ "security:\n  serverKeyFile: mine\n",
	  { { "serverKey", "x" } },
	  1,
	  "security:\n  serverKey: \"x\"\n  serverKeyFile: mine\n" },
	{ "security:\n  server: mine\n",
	  { { "serverKey", "x" } },
	  1,
	  "security:\n  serverKey: \"x\"\n  server: mine\n" },
	/* The same key elsewhere is another one. */
	{ "other:\n  crl: mine\nsecurity:\n  b:\n    crl: mine\n  crl: old\n",
	  { { "crl", "x" } },
	  1,
	  "other:\n  crl: mine\nsecurity:\n  crl: \"x\"\n  b:\n    crl: mine\n" },
	{ "a:\n  security:\n    crl: mine\n",
	  { { "crl", "x" } },
	  1,
	  "a:\n  security:\n    crl: mine\n\nsecurity:\n  crl: \"x\"\n" },
	/* Comments stay, and a section's name may have one. */
	{ "# top\nsecurity: # here\n  # mine\n  crl: old\n  # about a\n  a: 1 # too\n# end\n",
	  { { "crl", "x" } },
	  1,
	  "# top\nsecurity: # here\n  crl: \"x\"\n  # mine\n  # about a\n  a: 1 # too\n# end\n" },
	/* Several at once. */
	{ "security:\n  crl: 1\n  ca: 2\n  z: 3\n",
	  { { "crl", "x" }, { "ca", "y" } },
	  2,
	  "security:\n  crl: \"x\"\n  ca: \"y\"\n  z: 3\n" },
	/* No line end at the end of the file. */
	{ "security:\n  crl: old", { { "crl", "x" } }, 1, "security:\n  crl: \"x\"\n" },
};

START_TEST(keys_change_and_the_rest_stays)
{
	struct sentence why;
	char *after = NULL;

	ck_assert_int_eq(edit_section(cases[_i].before, "security", cases[_i].edits,
				      cases[_i].count, &after, &why),
			 0);
	ck_assert_str_eq(after, cases[_i].after);
	free(after);
}
END_TEST

START_TEST(a_second_time_changes_nothing)
{
	struct sentence why;
	char *once = NULL, *twice = NULL;

	ck_assert_int_eq(edit_section(cases[_i].before, "security", cases[_i].edits,
				      cases[_i].count, &once, &why),
			 0);
	ck_assert_int_eq(edit_section(once, "security", cases[_i].edits, cases[_i].count,
				      &twice, &why),
			 0);
	ck_assert_str_eq(twice, once);
	free(once);
	free(twice);
}
END_TEST

/* Written so that lines do not show what is in it: not touched, with a sentence. */
static const char *const other_forms[] = {
	"security: {crl: old}\n",
	"security: &anchor\n  crl: old\n",
	"security: !!map\n  crl: old\n",
	"security: text\n",
};

START_TEST(another_form_is_refused)
{
	const struct edit edit = { "crl", "x" };
	struct sentence why = { "" };
	char *after = NULL;

	ck_assert_int_eq(
		edit_section(other_forms[_i], "security", &edit, 1, &after, &why),
		-EINVAL);
	ck_assert_ptr_null(after);
	ck_assert_msg(strstr(why.text, "security") != NULL, "%s", why.text);
}
END_TEST

/* What comes out is read as it was meant. */
START_TEST(the_result_is_a_configuration)
{
	static const char before[] =
		"version: \"3.0\"\nsecurity:\n  local:\n    viewer: [a, b]\n"
		"  serverCert: |\n    old\n";
	const struct edit edits[] = { { "serverCert", PEM }, { "caCert", PEM } };
	struct jl__server_config *config;
	char error[JL__CONFIG_ERROR_MAX];
	struct sentence why;
	char *after = NULL;

	ck_assert_int_eq(edit_section(before, "security", edits, 2, &after, &why), 0);
	ck_assert_int_eq(
		jl__server_config_parse("f", after, strlen(after), &config, error), 0);
	ck_assert_str_eq(config->server_cert, PEM);
	ck_assert_str_eq(config->ca_cert, PEM);
	ck_assert_uint_eq(config->local[3].count, 2);
	ck_assert_uint_eq(config->warnings.count, 0);
	jl__server_config_free(config);
	free(after);
}
END_TEST

int main(void)
{
	const int count = sizeof(cases) / sizeof(*cases);
	Suite *suite = suite_create("daemon_edit");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, keys_change_and_the_rest_stays, 0, count);
	tcase_add_loop_test(tc, a_second_time_changes_nothing, 0, count);
	tcase_add_loop_test(tc, another_form_is_refused, 0,
			    sizeof(other_forms) / sizeof(*other_forms));
	tcase_add_test(tc, the_result_is_a_configuration);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
