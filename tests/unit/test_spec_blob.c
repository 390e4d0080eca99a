/* SPDX-License-Identifier: MIT */
/* Descriptions as bytes: everything comes back, and damaged bytes give a sentence. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "spawn/blob.h"

static jl_error *err;

#define ck_ok(call)                                                                    \
	do {                                                                           \
		int r_ = (call);                                                       \
		ck_assert_msg(r_ >= 0, "%s: %d %s", #call, r_, jl_error_message(err)); \
	} while (0)

/* Every setter there is. */
static jl_job_spec *full(void)
{
	jl_job_spec *spec = NULL;
	jl_limits *limits;

	ck_ok(jl_job_spec_new(&spec));
	ck_ok(jl_job_spec_add_arg(spec, "sh", &err));
	ck_ok(jl_job_spec_add_arg(spec, "", &err));
	ck_ok(jl_job_spec_add_arg(spec, "with \n and \xff", &err));
	ck_ok(jl_job_spec_set_env(spec, "A", "", &err));
	ck_ok(jl_job_spec_set_env(spec, "B", "b=c", &err));
	ck_ok(jl_job_spec_set_secret_env(spec, "S", "secret", &err));
	ck_ok(jl_job_spec_set_name(spec, "name", &err));
	ck_ok(jl_job_spec_set_hostname(spec, "host", &err));
	ck_ok(jl_job_spec_set_work_dir(spec, "/tmp", &err));
	ck_ok(jl_job_spec_set_user(spec, 1000, 100, &err));
	limits = jl_job_spec_limits(spec);
	ck_ok(jl_limits_set_cpu_percent(limits, 150, &err));
	ck_ok(jl_limits_set_memory_bytes(limits, 64 << 20, &err));
	ck_ok(jl_limits_set_pids(limits, 77, &err));
	ck_ok(jl_limits_set_io_bps(limits, 2048, 4096, &err));
	ck_ok(jl_limits_set_cpus(limits, "0", &err));
	ck_ok(jl_job_spec_set_timeout(spec, 5000000, &err));
	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/tmp", 65536, &err));
	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/work", 131072, &err));
	ck_ok(jl_job_spec_set_tmpfs_bytes(spec, "/dev/shm", 262144, &err));
	ck_ok(jl_job_spec_set_network_name(spec, "backend", &err));
	ck_ok(jl_job_spec_add_allow_net(spec, "10.0.0.0/8", &err));
	ck_ok(jl_job_spec_add_allow_net(spec, "192.0.2.7:443", &err));
	ck_ok(jl_job_spec_add_allow_net(spec, "192.0.2.0/24:8000-8999", &err));
	ck_ok(jl_job_spec_add_publish(spec, "8080:80", &err));
	ck_ok(jl_job_spec_add_publish(spec, "5353:53/udp", &err));
	ck_ok(jl_job_spec_set_net_bps(spec, 1 << 20, &err));
	ck_ok(jl_job_spec_set_seccomp(spec, JL_SECCOMP_STRICT, &err));
	ck_ok(jl_job_spec_set_init(spec, 1, &err));
	ck_ok(jl_job_spec_set_rlimit(spec, RLIMIT_NOFILE, 64, 128, &err));
	ck_ok(jl_job_spec_set_rlimit(spec, RLIMIT_FSIZE, UINT64_MAX, UINT64_MAX, &err));
	return spec;
}

static void pack(const jl_job_spec *spec, struct jl__buf *buf)
{
	*buf = (struct jl__buf)JL__BUF_SECRET(JL__BLOB_MAX);
	ck_ok(jl__spec_pack(spec, buf, &err));
}

START_TEST(everything_comes_back)
{
	jl_job_spec *spec = full(), *back;
	struct jl__buf first, second;

	pack(spec, &first);
	ck_ok(jl__spec_unpack(first.data, first.len, &back, &err));
	pack(back, &second);
	ck_assert_uint_eq(first.len, second.len);
	ck_assert_mem_eq(first.data, second.data, first.len);
	ck_assert_uint_eq(jl__spec_arg_count(back), 3);
	ck_assert_str_eq(jl__spec_arg(back, 1), "");
	ck_assert_str_eq(jl__spec_env_value(back, 2), "secret");
	ck_assert_int_eq(jl__spec_env_secret(back, 2), 1);
	ck_assert_int_eq(jl__spec_env_secret(back, 1), 0);
	ck_assert_str_eq(jl__spec_network(back), "backend");
	ck_assert_uint_eq(jl__spec_work_bytes(back), 131072);
	jl_job_spec_free(spec);
	jl_job_spec_free(back);
	jl__buf_done(&first);
	jl__buf_done(&second);
}
END_TEST

START_TEST(what_was_not_asked_for_stays_so)
{
	jl_job_spec *spec = NULL, *back;
	struct jl__buf buf;

	ck_ok(jl_job_spec_new(&spec));
	pack(spec, &buf);
	ck_ok(jl__spec_unpack(buf.data, buf.len, &back, &err));
	ck_assert_ptr_null(jl__spec_network(back));
	ck_assert_ptr_null(jl__spec_name(back));
	ck_assert_uint_eq(jl_limits_get(jl_job_spec_limits(back), JL_LIMIT_PIDS), 4096);
	jl_job_spec_free(spec);
	jl_job_spec_free(back);
	jl__buf_done(&buf);
}
END_TEST

/* Cut anywhere, or with any byte changed: never a crash, and no job of nonsense. */
START_TEST(damage_is_noticed)
{
	jl_job_spec *spec = full(), *back;
	struct jl__buf buf;
	char *copy;

	pack(spec, &buf);
	for (size_t len = 0; len < buf.len; len++) {
		int r;

		back = NULL;
		/* Its own allocation, so that a sanitizer sees the end. */
		copy = malloc(len ? len : 1);
		memcpy(copy, buf.data, len);
		r = jl__spec_unpack(copy, len, &back, &err);
		ck_assert(r == 0 || r == -EIO || r == -ESTALE);
		ck_assert(r == 0 || *jl_error_message(err));
		jl_error_free(err);
		err = NULL;
		jl_job_spec_free(back);
		free(copy);
	}
	for (size_t at = 0; at < buf.len; at++) {
		char was = buf.data[at];
		int r;

		back = NULL;
		buf.data[at] = (char)~was;
		r = jl__spec_unpack(buf.data, buf.len, &back, &err);
		ck_assert(r == 0 || r == -EIO || r == -ESTALE);
		buf.data[at] = was;
		jl_error_free(err);
		err = NULL;
		jl_job_spec_free(back);
	}
	jl_job_spec_free(spec);
	jl__buf_done(&buf);
}
END_TEST

/* Each name is compared with all others: 2 MiB of small ones would take minutes. */
START_TEST(variables_have_a_number_that_is_enough)
{
	jl_job_spec *spec = NULL;
	char name[16];

	ck_ok(jl_job_spec_new(&spec));
	for (unsigned i = 0; i < 4096; i++) {
		(void)snprintf(name, sizeof(name), "V%u", i);
		ck_ok(jl_job_spec_set_env(spec, name, "", &err));
	}
	ck_ok(jl_job_spec_set_env(spec, "V7", "again", &err));
	ck_assert_int_eq(jl_job_spec_set_secret_env(spec, "W", "", &err), -E2BIG);
	ck_assert_str_eq(jl_error_message(err),
			 "the environment has more than 4096 variables; put some of "
			 "them into a file");
	jl_error_free(err);
	err = NULL;
	jl_job_spec_free(spec);
}
END_TEST

START_TEST(a_newer_version_says_so)
{
	jl_job_spec *back;

	ck_assert_int_eq(jl__spec_unpack("\x02\0\0\0", 4, &back, &err), -ESTALE);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "version 2"));
	jl_error_free(err);
	err = NULL;
	ck_assert_int_eq(jl__spec_unpack("\x01\0\0\0\xff\0\0\0\0\0\0\0", 12, &back, &err),
			 -ESTALE);
	ck_assert_ptr_nonnull(strstr(jl_error_message(err), "255"));
	jl_error_free(err);
	err = NULL;
}
END_TEST

START_TEST(standard_input_is_handed_on)
{
	jl_job_spec *from = full(), *to = full();
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	ck_ok(jl_job_spec_set_stdio(from, 0, fd, &err));
	(void)close(fd);
	ck_assert_int_eq(jl__spec_has_stdin(to), 0);
	jl__spec_move_stdin(from, to);
	ck_assert_int_eq(jl__spec_has_stdin(from), 0);
	ck_assert_int_eq(jl__spec_has_stdin(to), 1);
	jl_job_spec_free(from);
	jl_job_spec_free(to);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spec_blob");
	TCase *tcase = tcase_create("spec_blob");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, everything_comes_back);
	tcase_add_test(tcase, what_was_not_asked_for_stays_so);
	tcase_add_test(tcase, damage_is_noticed);
	tcase_add_test(tcase, variables_have_a_number_that_is_enough);
	tcase_add_test(tcase, a_newer_version_says_so);
	tcase_add_test(tcase, standard_input_is_handed_on);
	suite_add_tcase(suite, tcase);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
