/* SPDX-License-Identifier: MIT */
/* What could stand at the end of a command line of rnx. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/node.h>

#include "complete.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
#define WORDS_MAX 10

/* Of main.c; only its address is asked for. */
int cmd_help(const struct options *opts, char **words)
{
	(void)opts;
	(void)words;
	return 0;
}

static char found[8192];

static void take(void *data, const char *word, const char *text)
{
	(void)data;
	(void)text;
	strcat(found, word);
	strcat(found, " ");
}

static struct complete complete;

static void find(const char *const *words)
{
	unsigned int count = 0;

	while (count < WORDS_MAX && words[count])
		count++;
	complete_find(&complete, words, count);
	found[0] = '\0';
	complete_words(&complete, take, NULL);
}

static const struct {
	const char *words[WORDS_MAX];
	enum complete_kind kind;
	const char *found; /* of words: all of them */
} cases[] = {
	/* commands */
	{ { "st" }, COMPLETE_WORDS, "status stop " },
	{ { "network", "" }, COMPLETE_WORDS, "create list remove " },
	{ { "network", "re" }, COMPLETE_WORDS, "remove " },
	{ { "job", "l" }, COMPLETE_WORDS, "list log " },
	{ { "job", "net" }, COMPLETE_WORDS, "" },
	{ { "net" }, COMPLETE_WORDS, "network " },
	{ { "jo" }, COMPLETE_WORDS, "job " },
	{ { "--json", "sta" }, COMPLETE_WORDS, "status " },
	{ { "--node", "x", "sta" }, COMPLETE_WORDS, "status " },
	{ { "--node=x", "sta" }, COMPLETE_WORDS, "status " },
	{ { "help", "dele" }, COMPLETE_WORDS, "delete delete-all " },
	{ { "completion", "" }, COMPLETE_WORDS, "bash zsh fish " },
	{ { "completion", "bash", "" }, COMPLETE_NOTHING, "" },
	/* flags, of the command and of all */
	{ { "run", "--max-c" }, COMPLETE_WORDS, "--max-cpu " },
	{ { "run", "--upload" }, COMPLETE_WORDS, "--upload --upload-dir " },
	{ { "list", "--st" }, COMPLETE_WORDS, "--status --state-dir " },
	{ { "list", "--max-c" }, COMPLETE_WORDS, "" },
	{ { "--max-c" }, COMPLETE_WORDS, "--max-cpu " },
	{ { "stop", "1", "--fo" }, COMPLETE_WORDS, "--force " },
	{ { "network", "create", "--ci" }, COMPLETE_WORDS, "--cidr " },
	/* values */
	{ { "run", "--upload", "" }, COMPLETE_FILES, "" },
	{ { "run", "--upload=x" }, COMPLETE_FILES, "" },
	{ { "--config", "" }, COMPLETE_FILES, "" },
	{ { "run", "--upload-dir", "x" }, COMPLETE_DIRS, "" },
	{ { "--state-dir=" }, COMPLETE_DIRS, "" },
	{ { "run", "--network", "b" }, COMPLETE_NETWORKS, "" },
	{ { "run", "--network=b" }, COMPLETE_NETWORKS, "" },
	{ { "--node", "" }, COMPLETE_NODES, "" },
	{ { "run", "--seccomp", "" }, COMPLETE_WORDS, "off default strict " },
	{ { "run", "--seccomp=s" }, COMPLETE_WORDS, "strict " },
	{ { "run", "--user", "r" }, COMPLETE_WORDS, "root " },
	{ { "list", "--status", "C" }, COMPLETE_WORDS, "COMPLETED CANCELED " },
	{ { "list", "--status=RUNNING,S" },
	  COMPLETE_WORDS,
	  "RUNNING,SCHEDULED RUNNING,STOPPED " },
	{ { "run", "--max-memory", "" }, COMPLETE_NOTHING, "" },
	{ { "run", "--max-memory=" }, COMPLETE_NOTHING, "" },
	{ { "run", "--init=" }, COMPLETE_NOTHING, "" },
	{ { "run", "--unknown=" }, COMPLETE_NOTHING, "" },
	{ { "run", "-e", "" }, COMPLETE_NOTHING, "" },
	{ { "run", "-eA=b", "--seccomp", "o" }, COMPLETE_WORDS, "off " },
	{ { "run", "--env", "--seccomp", "--user", "" }, COMPLETE_WORDS, "root nobody " },
	/* jobs and networks */
	{ { "status", "" }, COMPLETE_JOBS, "" },
	{ { "job", "log", "1" }, COMPLETE_JOBS, "" },
	{ { "log", "-f", "" }, COMPLETE_JOBS, "" },
	{ { "log", "--tail", "5", "" }, COMPLETE_JOBS, "" },
	{ { "log", "1", "" }, COMPLETE_NOTHING, "" },
	{ { "list", "" }, COMPLETE_NOTHING, "" },
	{ { "network", "remove", "" }, COMPLETE_NETWORKS, "" },
	{ { "network", "remove", "x", "" }, COMPLETE_NOTHING, "" },
	{ { "network", "create", "" }, COMPLETE_NOTHING, "" },
	/* the command to run is on its own */
	{ { "run", "" }, COMPLETE_COMMAND, "" },
	{ { "run", "ls", "--col" }, COMPLETE_COMMAND, "" },
	{ { "run", "--", "--x" }, COMPLETE_COMMAND, "" },
	{ { "job", "run", "--init", "make", "run", "" }, COMPLETE_COMMAND, "" },
	/* nonsense */
	{ { "" }, COMPLETE_WORDS, NULL },
	{ { "-" }, COMPLETE_WORDS, NULL },
	{ { "--" }, COMPLETE_WORDS, NULL },
	{ { "nonsense", "" }, COMPLETE_WORDS, NULL },
	{ { "=", "=" }, COMPLETE_WORDS, "" },
	{ { "-=", "x" }, COMPLETE_WORDS, "" },
	{ { "--=", "=" }, COMPLETE_WORDS, "" },
};

START_TEST(lines_are_completed)
{
	find(cases[_i].words);
	ck_assert_int_eq(complete.kind, cases[_i].kind);
	if (cases[_i].found)
		ck_assert_str_eq(found, cases[_i].found);
}
END_TEST

static const struct {
	const char *words[WORDS_MAX];
	unsigned int first;
} own[] = {
	{ { "run", "" }, 1 },
	{ { "run", "ls", "-l" }, 1 },
	{ { "job", "run", "--name", "x", "ls", "" }, 4 },
	{ { "run", "--", "ls", "" }, 2 },
	{ { "run", "--", "" }, 2 },
};

START_TEST(the_command_to_run_begins_at_its_word)
{
	find(own[_i].words);
	ck_assert_int_eq(complete.kind, COMPLETE_COMMAND);
	ck_assert_uint_eq(complete.first, own[_i].first);
}
END_TEST

START_TEST(only_jobs_that_fit_the_command)
{
	static const char *const cancel[] = { "cancel", "", NULL };
	static const char *const remove[] = { "delete", "", NULL };
	static const char *const stop[] = { "stop", "", NULL };
	static const char *const status[] = { "status", "", NULL };

	find(cancel);
	ck_assert_uint_eq(complete.states, 1U << JL_STATE_SCHEDULED);
	find(remove);
	ck_assert(complete.states >> JL_STATE_FAILED & 1);
	ck_assert(!(complete.states >> JL_STATE_RUNNING & 1));
	find(stop);
	ck_assert(complete.states >> JL_STATE_RUNNING & 1);
	ck_assert(!(complete.states >> JL_STATE_FAILED & 1));
	find(status);
	ck_assert_uint_eq(complete.states, 0);
}
END_TEST

START_TEST(networks_of_a_job_are_more_than_those_to_remove)
{
	static const char *const run[] = { "run", "--network=br", NULL };
	static const char *const remove[] = { "network", "remove", "br", NULL };

	find(run);
	ck_assert(complete.builtin);
	ck_assert_str_eq(complete.part, "br");
	ck_assert_int_eq(complete.prefix, 10);
	find(remove);
	ck_assert(!complete.builtin);
	ck_assert_int_eq(complete.prefix, 0);
}
END_TEST

/* All there is can be written, and completes to itself. */
START_TEST(every_command_and_flag_is_found)
{
	const char *words[4] = { NULL };
	char flag[64];

	for (unsigned int i = 0; i < command_count; i++) {
		unsigned int at = 0;

		if (commands[i].group)
			words[at++] = commands[i].group;
		words[at++] = commands[i].name;
		words[at] = NULL;
		find(words);
		ck_assert_int_eq(complete.kind, COMPLETE_WORDS);
		ck_assert_ptr_nonnull(strstr(found, commands[i].name));
		for (unsigned int k = 0; k < FLAG_COUNT; k++) {
			if (!(flag_table[k].scope & (commands[i].scope | SCOPE_ANY)))
				continue;
			(void)snprintf(flag, sizeof(flag), "--%s", flag_table[k].name);
			words[at] = flag;
			words[at + 1] = NULL;
			find(words);
			ck_assert_ptr_nonnull(strstr(found, flag));
		}
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("rnx_complete");
	TCase *tc = tcase_create("complete");

	tcase_add_loop_test(tc, lines_are_completed, 0, COUNT(cases));
	tcase_add_loop_test(tc, the_command_to_run_begins_at_its_word, 0, COUNT(own));
	tcase_add_test(tc, only_jobs_that_fit_the_command);
	tcase_add_test(tc, networks_of_a_job_are_more_than_those_to_remove);
	tcase_add_test(tc, every_command_and_flag_is_found);
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
