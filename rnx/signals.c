/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int forwarded[] = { SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
				 SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT };

int signals_open(void)
{
	struct sigaction old;
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++) {
		/* A blocked signal would be delivered here even when it is ignored. */
		if (sigaction(forwarded[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		(void)sigaddset(&set, forwarded[i]);
	}
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return fd;
}

/* In a handler: nothing but system calls. */
static void leave(int number)
{
	static const char text[] =
		"rnx: left before it was told how the job ended; see rnx list\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(128 + number);
}

void signals_leave(bool may_leave)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = leave }, old;
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		(void)sigaddset(&set, ends[i]);
		if (may_leave)
			(void)sigaction(ends[i], &action, NULL);
	}
	(void)sigprocmask(may_leave ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

int signals_next(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}
