/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/node.h>

#include "options.h"
#include "output.h"
#include "values.h"

#define WORDS_MAX 12
#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static struct options opts;
static char error[OPTIONS_ERROR_MAX];

/* Parses a NULL terminated list; returns the number of words taken, or what the parser
 * said. */
static int parse(const char *const *words)
{
	char *argv[WORDS_MAX + 1] = { NULL };
	int argc = 0, index = 0, r;

	for (; words[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	options_done(&opts);
	options_init(&opts);
	error[0] = 0;
	r = options_parse(&opts, argc, argv, &index, error);
	return r < 0 ? r : index;
}

static const struct {
	const char *words[WORDS_MAX];
	int taken;
} good[] = {
	{ { "--max-cpu=50", "ls" }, 1 },
	{ { "--max-cpu", "50", "ls" }, 2 },
	{ { "--max-cpu=0" }, 1 },
	{ { "--max-cpu=10000" }, 1 },
	{ { "--max-memory=64" }, 1 },
	{ { "--max-memory", "512K" }, 2 },
	{ { "--max-memory=2GiB" }, 1 },
	{ { "--max-memory=2gb" }, 1 },
	{ { "--max-iobps=5242880" }, 1 },
	{ { "--max-iobps=5M" }, 1 },
	{ { "--max-pids=0" }, 1 },
	{ { "--cpu-cores", "0-1,4-5" }, 2 },
	{ { "--timeout=2h30m" }, 1 },
	{ { "--timeout=366d" }, 1 },
	{ { "-e", "A=B", "-eC=D", "-e=E=F", "--env=G=", "--env", "H==" }, 7 },
	{ { "-s", "A=B", "--secret-env=C=D" }, 3 },
	{ { "--user=root", "--user", "nobody:0", "--user=65534:65534" }, 4 },
	{ { "--network=none", "--network", "backend" }, 3 },
	{ { "--disk=64", "--disk", "2G", "--max-net-bps=5M" }, 4 },
	{ { "--allow-net=10.0.0.0/8", "-p", "8080:80", "-p8081:81" }, 4 },
	{ { "--upload=a", "--upload", "b:c", "--upload-dir=." }, 4 },
	{ { "-d", "-i", "--detach=false", "--follow", "--wait" }, 5 },
	{ { "--schedule=2h30m", "--every", "15min", "--cron=0 2 * * *" }, 4 },
	{ { "--retries=0", "--retries=100", "--priority=-100", "--priority", "-5" }, 5 },
	{ { "--status=running,FAILED", "--limit=1", "-n", "5", "-n=0" }, 5 },
	{ { "--server=h:1", "--node", "n", "--config=/x", "--state-dir=/y", "--json" },
	  6 },
	{ { "--seccomp=off", "--seccomp=default", "--seccomp", "strict" }, 4 },
	{ { "--init", "--rm", "-q", "--quiet", "--explain", "ls" }, 5 },
	{ { "--init=false", "--rm=yes" }, 2 },
	{ { "--work-dir=/", "--hostname=h", "--name=n" }, 3 },
	{ { "--", "--max-cpu=1" }, 1 },
	{ { "ls", "--max-cpu=x", "-h" }, 0 },
	{ { "-", "-h" }, 0 },
	{ { "" }, 0 },
	{ { "--help", "--nonsense" }, 1 },
	{ { "-v", "--nonsense" }, 1 },
	{ { NULL }, 0 },
};

START_TEST(flags_end_at_the_first_word)
{
	int r = parse(good[_i].words);

	ck_assert_msg(r == good[_i].taken, "case %d: %d instead of %d: %s", _i, r,
		      good[_i].taken, error);
}
END_TEST

static const struct {
	const char *words[WORDS_MAX];
	const char *says;
} bad[] = {
	{ { "--max-cpu=abc" }, "--max-cpu=abc: must be" },
	{ { "--max-cpu", "abc" }, "--max-cpu=abc: must be" },
	{ { "--max-cpu=" }, "--max-cpu=: must be" },
	{ { "--max-cpu=-1" }, "--max-cpu=-1: must be" },
	{ { "--max-cpu=+1" }, "--max-cpu=+1: must be" },
	{ { "--max-cpu= 1" }, "--max-cpu= 1: must be" },
	{ { "--max-cpu=1.5" }, "--max-cpu=1.5: must be" },
	{ { "--max-cpu=0x10" }, "--max-cpu=0x10: must be" },
	{ { "--max-cpu=10001" }, "--max-cpu=10001: must be" },
	{ { "--max-cpu=18446744073709551616" },
	  "--max-cpu=18446744073709551616: must be" },
	{ { "--max-cpu=50%" }, "--max-cpu=50%: must be" },
	{ { "--max-cpu=\xff\xfe" }, "--max-cpu=\\xff\\xfe: must be" },
	{ { "--max-cpu=1\n2" }, "--max-cpu=1\\x0a2: must be" },
	{ { "--max-cpu=\xe2\x80\xae" }, "--max-cpu=\\xe2\\x80\\xae: must be" },
	{ { "--max-cpu" }, "--max-cpu: a value is missing; it must be" },
	{ { "--max-memory=64X" }, "--max-memory=64X: must be" },
	{ { "--max-memory=64MM" }, "--max-memory=64MM: must be" },
	{ { "--max-memory=M" }, "--max-memory=M: must be" },
	{ { "--max-memory=1.5G" }, "--max-memory=1.5G: must be" },
	{ { "--max-memory=18446744073709551615" },
	  "--max-memory=18446744073709551615: is too large" },
	{ { "--max-memory=99999999999999T" },
	  "--max-memory=99999999999999T: is too large" },
	{ { "--max-iobps=18446744073709551616" },
	  "--max-iobps=18446744073709551616: is too large" },
	{ { "--max-iobps=fast" }, "--max-iobps=fast: must be" },
	{ { "--max-pids=4194305" }, "--max-pids=4194305: must be" },
	{ { "--cpu-cores=" }, "--cpu-cores=: must be a list of cores such as" },
	{ { "--timeout=30" }, "--timeout=30: the unit is missing, for instance 30s" },
	{ { "--timeout=30x" }, "--timeout=30x: must be" },
	{ { "--timeout=2h30" }, "--timeout=2h30: must be" },
	{ { "--timeout=h" }, "--timeout=h: must be" },
	{ { "--timeout=-5s" }, "--timeout=-5s: must be" },
	{ { "--timeout=" }, "--timeout=: must be" },
	{ { "--timeout=367d" }, "--timeout=367d: must be" },
	{ { "--timeout=99999999999999999999s" },
	  "--timeout=99999999999999999999s: must be" },
	{ { "--env=NOVALUE" }, "--env=NOVALUE: must be NAME=VALUE" },
	{ { "-e", "" }, "--env=: must be NAME=VALUE" },
	{ { "-e", "=x" }, "--env==x: must be NAME=VALUE" },
	{ { "-e" }, "--env: a value is missing; it must be NAME=VALUE" },
	{ { "-s", "hunter2" }, "--secret-env=***: must be NAME=VALUE" },
	{ { "--user=bob" }, "--user=bob: must be" },
	{ { "--user=65535" }, "--user=65535: must be" },
	{ { "--user=0:" }, "--user=0:: must be" },
	{ { "--user=:0" }, "--user=:0: must be" },
	{ { "--user=1:2:3" }, "--user=1:2:3: must be" },
	{ { "--user=" }, "--user=: must be" },
	{ { "--user=00000000000000000001" }, "--user=00000000000000000001: must be" },
	{ { "--network=" }, "--network=: must be none, isolated, bridge, host or" },
	{ { "--disk=big" }, "--disk=big: must be a whole number of MiB" },
	{ { "--disk=99999999999999T" }, "--disk=99999999999999T: is too large" },
	{ { "--max-net-bps=-1" }, "--max-net-bps=-1: must be a whole number of bytes" },
	{ { "--allow-net=" }, "--allow-net=: must be a subnet such as 10.0.0.0/8" },
	{ { "-p", "" }, "--publish=: must be HOST:JOB" },
	{ { "--upload=" }, "--upload=: must be a file" },
	{ { "--upload-dir" }, "--upload-dir: a value is missing; it must be a folder" },
	{ { "--retries=101" }, "--retries=101: must be a whole number from 0 to 100" },
	{ { "--retries=-1" }, "--retries=-1: must be" },
	{ { "--priority=101" }, "--priority=101: must be a whole number from -100" },
	{ { "--priority=--5" }, "--priority=--5: must be" },
	{ { "--priority=-" }, "--priority=-: must be" },
	{ { "--limit=0" }, "--limit=0: must be a whole number from 1" },
	{ { "--tail=some" }, "--tail=some: must be a whole number of lines" },
	{ { "--status=" }, "--status=: must be states such as" },
	{ { "--status=RUNING" },
	  "--status=RUNING: there is no such state, did you mean "
	  "RUNNING?" },
	{ { "--status=RUNNING,dead" }, "--status=RUNNING,dead: must be states" },
	{ { "--detach=x" }, "--detach=x: must be true or false" },
	{ { "--server=" }, "--server=: must be an address" },
	{ { "--seccomp=max" }, "--seccomp=max: must be off, default or strict" },
	{ { "--init=maybe" }, "--init=maybe: must be true or false" },
	{ { "--rm=" }, "--rm=: must be true or false" },
	{ { "--work-dir=" }, "--work-dir=: must be" },
	{ { "--hostname=" }, "--hostname=: must be" },
	{ { "--name=" }, "--name=: must be" },
	{ { "--max-cpus=3" }, "unknown flag: --max-cpus, did you mean --max-cpu?" },
	{ { "--secret-enf=A=hunter2" },
	  "unknown flag: --secret-enf, did you mean --secret-env?" },
	{ { "--memory=64" }, "unknown flag: --memory, did you mean --max-memory?" },
	{ { "--max-mem", "64" }, "unknown flag: --max-mem, did you mean --max-memory?" },
	{ { "--cpus=2" }, "unknown flag: --cpus, did you mean --max-cpu?" },
	{ { "--net=host" }, "unknown flag: --net, did you mean --network?" },
	{ { "--username=x" }, "unknown flag: --username, did you mean --user?" },
	{ { "--workdir=/" }, "unknown flag: --workdir, did you mean --work-dir?" },
	{ { "-max-memory=64" }, "unknown flag: -max-memory, did you mean --max-memory?" },
	{ { "-xA=hunter2" }, "unknown flag: -xA, see rnx help" },
	{ { "-v", "/a:/b", "ls" }, "--volume: this version does not have it yet" },
	{ { "-v/a:/b", "ls" }, "--volume: this version does not have it yet" },
	{ { "-v=data:/b", "ls" }, "--volume: this version does not have it yet" },
	{ { "--xyzzy" }, "unknown flag: --xyzzy, see rnx help" },
	{ { "-x" }, "unknown flag: -x" },
	{ { "-qx" }, "unknown flag: -qx" },
	{ { "--=x" }, "unknown flag: --" },
	{ { "--runtime=x" }, "--runtime: this version does not have it yet" },
	{ { "--gpu=1" }, "--gpu: this version does not have it yet" },
};

START_TEST(mistakes_name_flag_and_value)
{
	int r = parse(bad[_i].words);

	ck_assert_msg(r == -EINVAL, "case %d: %d", _i, r);
	ck_assert_msg(strncmp(error, bad[_i].says, strlen(bad[_i].says)) == 0,
		      "case %d: '%s' instead of '%s'", _i, error, bad[_i].says);
	ck_assert_ptr_null(strchr(error, '\n'));
	ck_assert_ptr_null(strstr(error, "hunter2"));
}
END_TEST

START_TEST(values_arrive)
{
	const char *const words[] = { "--max-cpu=150",
				      "--max-memory=64",
				      "--max-iobps=5M",
				      "--max-pids=7",
				      "--timeout=1m500ms",
				      "--user=7:8",
				      "--network=host",
				      "--seccomp=strict",
				      "--init=1",
				      "--init=0",
				      NULL };

	ck_assert_int_eq(parse(words), 10);
	ck_assert_uint_eq(opts.cpu_percent, 150);
	ck_assert_uint_eq(opts.memory_bytes, 64 << 20);
	ck_assert_uint_eq(opts.io_bps, 5 << 20);
	ck_assert_uint_eq(opts.pids, 7);
	ck_assert_uint_eq(opts.timeout_usec, 60500000);
	ck_assert_uint_eq(opts.uid, 7);
	ck_assert_uint_eq(opts.gid, 8);
	ck_assert_str_eq(opts.network, "host");
	ck_assert_int_eq(opts.seccomp, JL_SECCOMP_STRICT);
	ck_assert(!opts.init);
	ck_assert(options_has(&opts, FLAG_INIT));
	ck_assert(!options_has(&opts, FLAG_NAME));
	ck_assert_str_eq(opts.given[FLAG_MAX_MEMORY], "64");
}
END_TEST

START_TEST(values_of_the_node_arrive)
{
	const char *const words[] = { "--disk=64",
				      "--retries=3",
				      "--priority=-7",
				      "--status=running,FAILED",
				      "--tail=9",
				      "-d",
				      "--publish=1:2",
				      "--json",
				      "--schedule=1h",
				      "--state-dir=/s",
				      NULL };

	ck_assert_int_eq(parse(words), 10);
	ck_assert_uint_eq(opts.disk_bytes, 64 << 20);
	ck_assert_uint_eq(opts.retries, 3);
	ck_assert_int_eq(opts.priority, -7);
	ck_assert_uint_eq(opts.states, 1 << JL_STATE_RUNNING | 1 << JL_STATE_FAILED);
	ck_assert_uint_eq(opts.tail, 9);
	ck_assert(opts.detach && opts.json && !opts.interactive);
	ck_assert_str_eq(opts.schedule, "1h");
	ck_assert_str_eq(opts.state_dir, "/s");
	ck_assert_int_eq(opts.repeated[0].flag, FLAG_PUBLISH);
}
END_TEST

/* Flags of the table above 32 must not fall out of the set. */
START_TEST(every_flag_is_remembered)
{
	ck_assert_int_le(FLAG_COUNT, 64);
	for (unsigned int i = 0; i < FLAG_COUNT; i++) {
		ck_assert_ptr_nonnull(flag_table[i].name);
		ck_assert_uint_ne(flag_table[i].scope, 0);
		for (unsigned int j = 0; j < i; j++) {
			ck_assert_str_ne(flag_table[i].name, flag_table[j].name);
			ck_assert(!flag_table[i].letter ||
				  flag_table[i].letter != flag_table[j].letter);
		}
	}
}
END_TEST

START_TEST(words_behind_two_dashes_are_told)
{
	char *argv[] = { (char *)(uintptr_t) "--", (char *)(uintptr_t) "-x", NULL };
	int index = 0;

	options_init(&opts);
	ck_assert_int_eq(options_parse(&opts, 2, argv, &index, error), 1);
	ck_assert_int_eq(index, 1);
}
END_TEST

START_TEST(the_last_of_two_counts_and_env_adds_up)
{
	const char *const words[] = { "--max-cpu=1", "-e", "A=1", "--max-cpu=2", "-s",
				      "B=x=y",	     "-e", "A=3", NULL };

	ck_assert_int_eq(parse(words), 8);
	ck_assert_uint_eq(opts.cpu_percent, 2);
	ck_assert_uint_eq(opts.repeated_count, 3);
	ck_assert_str_eq(opts.repeated[1].text, "B=x=y");
	ck_assert_int_eq(opts.repeated[1].flag, FLAG_SECRET_ENV);
	ck_assert_int_eq(opts.repeated[2].flag, FLAG_ENV);
	ck_assert_uint_eq(options_count(&opts, FLAG_ENV), 2);
	ck_assert_uint_eq(options_count(&opts, FLAG_UPLOAD), 0);
}
END_TEST

START_TEST(a_huge_value_is_cut_in_the_message)
{
	static char huge[100000];
	const char *const words[] = { "--max-cpu", huge, NULL };

	memset(huge, '\x01', sizeof(huge) - 1);
	ck_assert_int_eq(parse(words), -EINVAL);
	ck_assert_uint_lt(strlen(error), 400);
	ck_assert_ptr_nonnull(strstr(error, "\\x01...: must be"));
}
END_TEST

START_TEST(run_flags_are_outside_of_other_commands)
{
	const char *const words[] = { "--quiet", "--max-pids=3", NULL };

	ck_assert_int_eq(parse(words), 2);
	ck_assert_int_eq(options_outside(&opts, SCOPE_ANY), FLAG_MAX_PIDS);
	ck_assert_int_eq(options_outside(&opts, SCOPE_ANY | SCOPE_RUN), FLAG_COUNT);
}
END_TEST

static const struct {
	const char *text;
	uint64_t usec;
} times[] = {
	{ "45s", 45000000 },
	{ "30 s", 30000000 },
	{ "5min", 300000000 },
	{ "1hour", 3600000000 },
	{ "2H30M", 9000000000 },
	{ "2h30m", 9000000000 },
	{ "500ms", 500000 },
	{ "1m 30 secs", 90000000 },
	{ " 2 hours ", 7200000000 },
	{ "1d", 86400000000 },
	{ "0", 0 },
	{ "0s", 0 },
};

START_TEST(times_are_read_to_the_end)
{
	uint64_t usec = 1;

	ck_assert_int_eq(value_usec(times[_i].text, &usec), 0);
	ck_assert_uint_eq(usec, times[_i].usec);
}
END_TEST

START_TEST(amounts_are_shown_with_a_unit)
{
	char buf[64];

	ck_assert_str_eq(show_bytes(buf, 0), "0 bytes");
	ck_assert_str_eq(show_bytes(buf, 1023), "1023 bytes");
	ck_assert_str_eq(show_bytes(buf, 64 << 20), "64 MiB");
	ck_assert_str_eq(show_bytes(buf, 1536 << 20), "1.5 GiB");
	ck_assert_str_eq(show_bytes(buf, UINT64_MAX), "15.9 EiB");
	ck_assert_str_eq(show_usec(buf, 0), "0s");
	ck_assert_str_eq(show_usec(buf, 2000000), "2s");
	ck_assert_str_eq(show_usec(buf, 9000500000), "2h30m500ms");
}
END_TEST

START_TEST(a_near_word_is_found_and_a_far_one_not)
{
	static const char *const list[] = { "run", "job", "doctor", NULL };

	ck_assert_str_eq(closest("rnu", list), "run");
	ck_assert_str_eq(closest("docter", list), "doctor");
	ck_assert_ptr_null(closest("status", list));
	ck_assert_ptr_null(closest("", list));
	ck_assert_ptr_null(
		closest("a word that is longer than any command there is", list));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rnx");
	TCase *tc = tcase_create("options");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, flags_end_at_the_first_word, 0, COUNT(good));
	tcase_add_loop_test(tc, mistakes_name_flag_and_value, 0, COUNT(bad));
	tcase_add_test(tc, values_arrive);
	tcase_add_test(tc, values_of_the_node_arrive);
	tcase_add_test(tc, every_flag_is_remembered);
	tcase_add_test(tc, words_behind_two_dashes_are_told);
	tcase_add_test(tc, the_last_of_two_counts_and_env_adds_up);
	tcase_add_test(tc, a_huge_value_is_cut_in_the_message);
	tcase_add_test(tc, run_flags_are_outside_of_other_commands);
	tcase_add_loop_test(tc, times_are_read_to_the_end, 0, COUNT(times));
	tcase_add_test(tc, amounts_are_shown_with_a_unit);
	tcase_add_test(tc, a_near_word_is_found_and_a_far_one_not);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	options_done(&opts);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
