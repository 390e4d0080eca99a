/* SPDX-License-Identifier: MIT */
/*
 * PID 1 of a job that asked for one: starts the command, hands on signals, reaps whatever
 * is left to it, and ends with the command's status. Runs inside the job with the job's
 * rights.
 */
#include "supervisor/supervisor.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/signal.h>
#include <linux/wait.h>

#define CLD_EXITED_ 1

static int parse_fd(const char *text)
{
	int fd = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		fd = fd * 10 + (*text - '0');
	return fd;
}

static void run(char **argv, char **envp, int status)
{
	struct jl__failure failure;
	uint64_t none = 0;
	long r;

	(void)jl__sys_setsid();
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &none, NULL, sizeof(none));
	r = jl__sys_execveat(AT_FDCWD, argv[2], argv + 3, envp, 0);
	failed(&failure, JL__STEP_COMMAND, 0, r);
	(void)jl__sys_write(status, &failure, sizeof(failure));
	jl__sys_exit(126);
}

/* Reaps all that is ready. Returns 1 with the command's exit code once it has ended. */
static int reap(int child, int *code)
{
	for (;;) {
		struct wait_info info = { 0 };

		if (jl__sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG | __WALL, NULL) <
			    0 ||
		    info.pid == 0)
			return 0;
		if (info.pid != child)
			continue;
		*code = info.code == CLD_EXITED_ ? info.status : 128 + info.status;
		return 1;
	}
}

int init_main(char **argv, char **envp)
{
	uint64_t all = ~(uint64_t)0;
	int status = parse_fd(argv[1]), code = 0;
	long child;

	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &all, NULL, sizeof(all));
	(void)jl__sys_fcntl(status, F_SETFD, 1 /* FD_CLOEXEC */);
#ifdef __NR_fork
	child = jl__sys0_(__NR_fork);
#else
	child = jl__sys5_(__NR_clone, SIGCHLD, 0, 0, 0, 0);
#endif
	if (child < 0) {
		struct jl__failure failure;

		failed(&failure, JL__STEP_INIT, 0, child);
		(void)jl__sys_write(status, &failure, sizeof(failure));
		return 126;
	}
	if (child == 0)
		run(argv, envp, status);
	(void)jl__sys_close(status);
	for (;;) {
		struct wait_info info;
		long signal;

		if (reap((int)child, &code))
			return code;
		signal = jl__sys4_(__NR_rt_sigtimedwait, &all, &info, NULL, sizeof(all));
		if (signal > 0 && signal != SIGCHLD)
			(void)jl__sys_kill((int)child, (int)signal);
	}
}
