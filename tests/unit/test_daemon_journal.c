/* SPDX-License-Identifier: MIT */
/* The daemon's two records: one line is one line, whatever somebody is called. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Somebody whose name cannot be written down is not left out silently. */
START_TEST(what_cannot_be_written_is_in_the_log)
{
	struct jl__server_config *config = config_of("text");
	const struct audit_line line = line_by("\xff\xfe");
	struct journal *journal = NULL;
	char *audit, *log;

	ck_assert_int_eq(journal_open(&journal, config, audit_path, &why), 0);
	journal_audit(journal, &line);
	journal_close(journal);
	audit = content(audit_path);
	log = content(log_path);
	ck_assert_str_eq(audit, "");
	ck_assert_msg(strstr(log, "RunJob") != NULL, "%s", log);
	free(audit);
	free(log);
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

START_TEST(a_log_line_is_one_line_in_both_forms)
{
	struct jl__server_config *config = config_of(_i ? "json" : "text");
	struct journal *journal = NULL;
	char *log;

	ck_assert_int_eq(journal_open(&journal, config, NULL, &why), 0);
	journal_log(journal, JL_LOG_WARNING, "%s", "one\ntwo\x1b[31m \"three\"");
	journal_log(journal, JL_LOG_DEBUG, "not at this level");
	journal_close(journal);
	log = content(log_path);
	ck_assert_uint_eq(lines_of(log), 1);
	ck_assert_ptr_null(strchr(log, '\x1b'));
	ck_assert_msg(strstr(log, _i ? "\"message\":\"one?two?[31m \\\"three\\\"\"}"
				     : " warning: one?two?[31m \"three\"\n") != NULL,
		      "%s", log);
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
	tcase_add_test(tc, what_cannot_be_written_is_in_the_log);
	tcase_add_test(tc, a_full_disk_moves_the_line_to_the_log);
	tcase_add_loop_test(tc, a_log_line_is_one_line_in_both_forms, 0, 2);
	tcase_add_test(tc, a_link_is_not_followed);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
