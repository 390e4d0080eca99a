/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <check.h>

#include "sandbox/sandbox.h"

START_TEST(job_root_has_file_and_identity_capabilities_only)
{
	static const char *const kept[] = { "chown", "dac_override", "fowner", "fsetid",
					    "kill",  "setgid",	     "setuid" };
	uint64_t mask = jl__caps_job_root();
	unsigned int found = 0;

	for (unsigned int cap = 0; cap < 64; cap++) {
		if (!(mask >> cap & 1))
			continue;
		ck_assert_uint_lt(found, sizeof(kept) / sizeof(kept[0]));
		ck_assert_str_eq(jl__caps_name(cap), kept[found++]);
	}
	ck_assert_uint_eq(found, sizeof(kept) / sizeof(kept[0]));
}
END_TEST

START_TEST(names_cover_all_capabilities_of_the_headers)
{
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		ck_assert_str_ne(jl__caps_name(cap), "unknown");
		for (unsigned int other = 0; other < cap; other++)
			ck_assert_str_ne(jl__caps_name(cap), jl__caps_name(other));
	}
	ck_assert_str_eq(jl__caps_name(CAP_SYS_ADMIN), "sys_admin");
	ck_assert_str_eq(jl__caps_name(CAP_CHECKPOINT_RESTORE), "checkpoint_restore");
}
END_TEST

START_TEST(names_beyond_the_last_are_unknown)
{
	ck_assert_str_eq(jl__caps_name(CAP_LAST_CAP + 1), "unknown");
	ck_assert_str_eq(jl__caps_name(63), "unknown");
	ck_assert_str_eq(jl__caps_name(64), "unknown");
	ck_assert_str_eq(jl__caps_name(UINT32_MAX), "unknown");
}
END_TEST

static uint64_t effective_from_proc(void)
{
	FILE *file = fopen("/proc/thread-self/status", "re");
	uint64_t mask = UINT64_MAX;
	char line[256];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %" SCNx64, &mask) == 1)
			break;
	(void)fclose(file);
	return mask;
}

START_TEST(effective_is_what_proc_says)
{
	ck_assert_uint_eq(jl__caps_effective(), effective_from_proc());
}
END_TEST

START_TEST(effective_follows_the_thread)
{
	struct __user_cap_header_struct header = { .version =
							   _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t high = UINT64_C(1) << CAP_BPF;
	uint64_t all = jl__caps_effective();

	ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1U << CAP_CHOWN);
	data[1].effective &= ~(1U << (CAP_BPF - 32));
	ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
	ck_assert_uint_eq(jl__caps_effective(),
			  all & ~(UINT64_C(1) << CAP_CHOWN) & ~high);
	data[0].effective = 0;
	data[1].effective = 0;
	ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
	ck_assert_uint_eq(jl__caps_effective(), 0);
	/* The permitted set stays: the next test may run in this process. */
	data[0].effective = (uint32_t)all;
	data[1].effective = (uint32_t)(all >> 32);
	ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}
END_TEST

START_TEST(limits_have_names_without_gaps)
{
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		ck_assert_ptr_nonnull(jl__rlimit_name(resource));
		for (int other = 0; other < resource; other++)
			ck_assert_str_ne(jl__rlimit_name(resource),
					 jl__rlimit_name(other));
	}
	ck_assert_str_eq(jl__rlimit_name(RLIMIT_NOFILE), "nofile");
	ck_assert_str_eq(jl__rlimit_name(RLIMIT_CPU), "cpu");
	ck_assert_str_eq(jl__rlimit_name(RLIMIT_RTTIME), "rttime");
}
END_TEST

START_TEST(unknown_limits_have_no_name)
{
	ck_assert_ptr_null(jl__rlimit_name(-1));
	ck_assert_ptr_null(jl__rlimit_name(RLIM_NLIMITS));
	ck_assert_ptr_null(jl__rlimit_name(INT32_MAX));
	ck_assert_ptr_null(jl__rlimit_name(INT32_MIN));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("caps");
	TCase *caps = tcase_create("caps");
	TCase *rlimit = tcase_create("rlimit");
	SRunner *sr;
	int failed;

	tcase_add_test(caps, job_root_has_file_and_identity_capabilities_only);
	tcase_add_test(caps, names_cover_all_capabilities_of_the_headers);
	tcase_add_test(caps, names_beyond_the_last_are_unknown);
	tcase_add_test(caps, effective_is_what_proc_says);
	tcase_add_test(caps, effective_follows_the_thread);
	suite_add_tcase(suite, caps);
	tcase_add_test(rlimit, limits_have_names_without_gaps);
	tcase_add_test(rlimit, unknown_limits_have_no_name);
	suite_add_tcase(suite, rlimit);

	sr = srunner_create(suite);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
