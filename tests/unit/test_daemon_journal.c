/* SPDX-License-Identifier: MIT */
/* The daemon's two records: one line is one line, whatever somebody is called. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "journal.h"

/* Last: it has a macro with the name of a function of the daemon. */
#include <check.h>

static char folder[] = "/tmp/joblet-journal-XXXXXX";
static char log_path[64], audit_path[64];
static struct sentence why;

static void make_folder(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
	(void)snprintf(audit_path, sizeof(audit_path), "%s/audit", folder);
}

static void remove_folder(void)
{
	(void)unlink(log_path);
	(void)unlink(audit_path);
	(void)rmdir(folder);
}

static struct jl__server_config *config_of(const char *format)
{
	char text[256], error[JL__CONFIG_ERROR_MAX];
	struct jl__server_config *config;
	int len = snprintf(text, sizeof(text), "logging: {output: %s, format: %s}\n",
			   log_path, format);

	ck_assert_int_eq(jl__server_config_parse("f", text, (size_t)len, &config, error),
			 0);
	return config;
}

static char *content(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 65536);

	ck_assert_ptr_nonnull(text);
	if (file) {
		(void)!fread(text, 1, 65535, file);
		(void)fclose(file);
	}
	return text;
}

static size_t lines_of(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static struct audit_line line_by(const char *user)
{
	return (struct audit_line){ .user = user,
				    .role = "admin",
				    .peer = "192.0.2.1:4711",
				    .serial = "0A",
				    .call = "/joblet.JobService/RunJob",
				    .target = "",
				    .detail = user,
				    .result = "OK",
				    .reason = "" };
}

/* What would make two lines of one, or another line of it. */
static const char *const users[] = {
	"alice",
	"a\nb",
	"a\r\nb",
	"\"}\n{\"user\":\"root\",\"result\":\"OK",
	"back\\slash \"quote\"",
	"tab\there",
	"\x1b[2J\x07",
	"caf\xc3\xa9 \xe2\x80\xa8 \xe2\x80\xae",
	"",
};

START_TEST(an_audit_line_is_one_line_and_says_who_it_was)
{
	struct jl__server_config *config = config_of("text");
	const struct audit_line line = line_by(users[_i]);
	struct journal *journal = NULL;
	struct stat st;
	json_t *object;
	char *text;

	ck_assert_int_eq(journal_open(&journal, config, audit_path, &why), 0);
	journal_audit(journal, &line);
	journal_audit(journal, &line);
	journal_close(journal);
	text = content(audit_path);
	ck_assert_uint_eq(lines_of(text), 2);
	for (const char *p = text; *p; p++)
		ck_assert_msg(*p == '\n' || (*p >= ' ' && *p <= '~'), "%s", text);
	text[strcspn(text, "\n")] = 0;
	object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(object);
	ck_assert_str_eq(json_string_value(json_object_get(object, "user")), users[_i]);
	ck_assert_str_eq(json_string_value(json_object_get(object, "detail")), users[_i]);
	ck_assert_str_eq(json_string_value(json_object_get(object, "result")), "OK");
	ck_assert_uint_eq(json_object_size(object), 10);
	json_decref(object);
	free(text);
	ck_assert_int_eq(stat(audit_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	jl__server_config_free(config);
}
END_TEST

/* Somebody whose name is no text is not left out, and no text is longer than it must be.
 */
START_TEST(what_is_no_text_or_too_much_of_it_is_written_all_the_same)
{
	static char large[100001];
	struct jl__server_config *config = config_of("text");
	struct audit_line line = line_by("\xff\xfe");
	struct journal *journal = NULL;
	char *audit;

	memset(large, 'x', sizeof(large) - 1);
	line.target = large;
	ck_assert_int_eq(journal_open(&journal, config, audit_path, &why), 0);
	journal_audit(journal, &line);
	journal_close(journal);
	audit = content(audit_path);
	ck_assert_msg(strstr(audit, "\"user\":\"??\"") != NULL, "%s", audit);
	ck_assert_uint_lt(strlen(audit), 2000);
	ck_assert_uint_eq(lines_of(audit), 1);
	free(audit);
	jl__server_config_free(config);
}
END_TEST

/* Who may nothing could fill the disk with being told so. */
START_TEST(of_many_failures_some_are_written_and_the_rest_is_counted)
{
	struct jl__server_config *config = config_of("text");
	struct audit_line good = line_by("alice"), bad = line_by("mallory");
	struct journal *journal = NULL;
	unsigned long long left = 0;
	const char *told;
	char *audit;
	size_t lines;

	bad.result = "PERMISSION_DENIED";
	ck_assert_int_eq(journal_open(&journal, config, audit_path, &why), 0);
	for (int i = 0; i < 10000; i++)
		journal_audit(journal, &bad);
	for (int i = 0; i < 3; i++)
		journal_audit(journal, &good);
	journal_close(journal);
	audit = content(audit_path);
	lines = lines_of(audit);
	ck_assert_uint_ge(lines, 201 + 1 + 3);
	/* One more each 50 ms, however slow this machine is. */
	ck_assert_uint_lt(lines, 2000);
	for (told = audit; (told = strstr(told, "\"reason\":\"")) != NULL; told++)
		left += strtoull(told + 10, NULL, 10);
	ck_assert_uint_ge(left, 8000);
	told = strstr(audit, "calls that failed are left out here");
	ck_assert_ptr_nonnull(told);
	ck_assert_ptr_nonnull(strstr(told, "alice"));
	free(audit);
	jl__server_config_free(config);
}
END_TEST

START_TEST(a_full_disk_moves_the_line_to_the_log)
{
	struct jl__server_config *config = config_of("text");
	const struct audit_line line = line_by("alice");
	struct journal *journal = NULL;
	char *log;

	ck_assert_int_eq(journal_open(&journal, config, "/dev/full", &why), 0);
	journal_audit(journal, &line);
	journal_close(journal);
	log = content(log_path);
	ck_assert_msg(strstr(log, "cannot write the audit log: No space left") != NULL,
		      "%s", log);
	ck_assert_msg(strstr(log, "alice") != NULL, "%s", log);
	ck_assert_uint_eq(lines_of(log), 1);
	free(log);
	jl__server_config_free(config);
}
END_TEST

/* A line that was cut off does not take the next one with it. */
START_TEST(after_half_a_line_comes_a_whole_one)
{
	struct jl__server_config *config = config_of("text");
	const struct audit_line line = line_by("alice");
	struct rlimit old, small;
	struct journal *journal = NULL;
	char *audit, *second;
	json_t *object;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 100, old.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(journal_open(&journal, config, audit_path, &why), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	journal_audit(journal, &line);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	journal_audit(journal, &line);
	journal_close(journal);
	audit = content(audit_path);
	ck_assert_uint_eq(lines_of(audit), 2);
	second = strchr(audit, '\n') + 1;
	ck_assert_int_eq(second - audit, 101);
	object = json_loads(second, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(object);
	json_decref(object);
	free(audit);
	jl__server_config_free(config);
}
END_TEST

START_TEST(a_log_line_is_one_line_in_both_forms)
{
	struct jl__server_config *config = config_of(_i ? "json" : "text");
	struct journal *journal = NULL;
	char *log;

	ck_assert_int_eq(journal_open(&journal, config, NULL, &why), 0);
	journal_log(journal, JL_LOG_WARNING, "%s",
		    "one\ntwo\x1b[31m\xc2\x9b \"three\" \xff");
	journal_log(journal, JL_LOG_DEBUG, "not at this level");
	journal_close(journal);
	log = content(log_path);
	ck_assert_uint_eq(lines_of(log), 1);
	ck_assert_ptr_null(strchr(log, '\x1b'));
	ck_assert_msg(strstr(log, _i ? "\"message\":\"one two?[31m? \\\"three\\\" ?\"}"
				     : " warning: one two?[31m? \"three\" ?\n") != NULL,
		      "%s", log);
	free(log);
	jl__server_config_free(config);
}
END_TEST

/* Twice as long when its quotes are marked, and still one line that can be read. */
START_TEST(a_long_line_of_json_is_whole)
{
	struct jl__server_config *config = config_of("json");
	struct journal *journal = NULL;
	char quotes[1500], *log;
	json_t *object;

	memset(quotes, '"', sizeof(quotes) - 1);
	quotes[sizeof(quotes) - 1] = 0;
	ck_assert_int_eq(journal_open(&journal, config, NULL, &why), 0);
	journal_log(journal, JL_LOG_WARNING, "%s", quotes);
	journal_log(journal, JL_LOG_WARNING, "next");
	journal_close(journal);
	log = content(log_path);
	ck_assert_uint_eq(lines_of(log), 2);
	log[strcspn(log, "\n")] = 0;
	object = json_loads(log, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(object);
	json_decref(object);
	free(log);
	jl__server_config_free(config);
}
END_TEST

/* A link put where the file would be must not lead anywhere. */
START_TEST(a_link_is_not_followed)
{
	struct jl__server_config *config = config_of("text");
	struct journal *journal = NULL;
	char target[80];

	(void)snprintf(target, sizeof(target), "%s/target", folder);
	ck_assert_int_eq(symlink(target, audit_path), 0);
	ck_assert_int_eq(journal_open(&journal, config, audit_path, &why), -ELOOP);
	ck_assert_int_ne(access(target, F_OK), 0);
	ck_assert_msg(strstr(why.text, audit_path) != NULL, "%s", why.text);
	ck_assert_ptr_null(journal);
	jl__server_config_free(config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon_journal");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, make_folder, remove_folder);
	tcase_add_loop_test(tc, an_audit_line_is_one_line_and_says_who_it_was, 0,
			    sizeof(users) / sizeof(*users));
	tcase_add_test(tc, what_is_no_text_or_too_much_of_it_is_written_all_the_same);
	tcase_add_test(tc, of_many_failures_some_are_written_and_the_rest_is_counted);
	tcase_add_test(tc, a_long_line_of_json_is_whole);
	tcase_add_test(tc, a_full_disk_moves_the_line_to_the_log);
	tcase_add_test(tc, after_half_a_line_comes_a_whole_one);
	tcase_add_loop_test(tc, a_log_line_is_one_line_in_both_forms, 0, 2);
	tcase_add_test(tc, a_link_is_not_followed);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
