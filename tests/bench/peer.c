/* SPDX-License-Identifier: MIT */
/* Times a command line from posix_spawn to wait4, again and again: peer COMMAND [ARG…] */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

static posix_spawn_file_actions_t streams;

static int once(void *data, uint64_t times[LOOP_TIMES])
{
	char **argv = data;
	uint64_t start = loop_now();
	pid_t pid;
	int status, r = posix_spawnp(&pid, argv[0], &streams, NULL, argv, environ);

	if (r) {
		fprintf(stderr, "peer: %s: %s\n", argv[0], strerror(r));
		return 0;
	}
	times[1] = loop_now() - start;
	while (wait4(pid, &status, 0, NULL) < 0 && errno == EINTR)
		;
	times[0] = loop_now() - start;
	if (status)
		fprintf(stderr, "peer: %s ended with status %#x\n", argv[0], status);
	return status == 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (posix_spawn_file_actions_init(&streams))
		return 1;
	for (int fd = 0; fd < 3; fd++)
		if (fd != 2 && posix_spawn_file_actions_addopen(&streams, fd, "/dev/null",
								O_RDWR, 0))
			return 1;
	return loop_run(once, argv + 1, 2);
}
