/* SPDX-License-Identifier: MIT */
#include "main.h"

#include <stdlib.h>

#include "harness.h"

int main(void)
{
	/* Once, and not in each of the processes the tests run in. */
	const struct authority *all = authority();
	SRunner *runner = srunner_create(test_suite());
	int failed;

	(void)all;
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
