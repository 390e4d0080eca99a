/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/keys.h"
#include "text.h"

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MOST 64

void notify(const char *state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int fd;

	/* An absolute path, or one in the abstract namespace. */
	if (len < 2 || len >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		     (const struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}

void notify_reloading(void)
{
	char state[96];

	(void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		       (unsigned long long)monotonic_usec());
	notify(state);
}

/* Whether a variable that names a process names this one. */
static int is_me(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t pid;

	return !text || (jl__value_number(text, &pid) == 0 && pid == (uint64_t)getpid());
}

uint64_t notify_watchdog_usec(void)
{
	const char *text = getenv("WATCHDOG_USEC");
	uint64_t usec;

	if (!text || !is_me("WATCHDOG_PID") || jl__value_number(text, &usec) < 0)
		return 0;
	return usec / 2;
}

int notify_listen_fds(void)
{
	const char *text = getenv("LISTEN_FDS");
	uint64_t count;

	if (!text || !getenv("LISTEN_PID") || !is_me("LISTEN_PID") ||
	    jl__value_number(text, &count) < 0 || count > LISTEN_FDS_MOST)
		return 0;
	for (int fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + (int)count; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return (int)count;
}
