/* SPDX-License-Identifier: MIT */
/*
 * Inotify instances that nobody uses at the moment. Closing one that has watched
 * something until now waits for a grace period of the kernel, 12 to 15 ms in which a
 * daemon would do nothing else, so those of followers that have gone are kept for others
 * to come.
 */
#include "logs/watcher.h"

#include <errno.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A user has 128 of them, as a rule. */
#define IDLE_MAX 16

static struct {
	pthread_mutex_t lock;
	pid_t owner; /* a child after fork shares the instances, and what they tell */
	unsigned int users;
	unsigned int count;
	int fds[IDLE_MAX];
} idle = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Under lock. */
static void close_all(void)
{
	while (idle.count > 0)
		(void)jl__close(idle.fds[--idle.count]);
}

static void lock_idle(void)
{
	(void)pthread_mutex_lock(&idle.lock);
	if (idle.owner == getpid())
		return;
	close_all();
	idle.owner = getpid();
}

int jl__watcher_take(void)
{
	int fd = -EBADF;

	lock_idle();
	if (idle.count > 0)
		fd = idle.fds[--idle.count];
	(void)pthread_mutex_unlock(&idle.lock);
	if (fd < 0)
		fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

void jl__watcher_drain(int fd)
{
	char news[4096];

	while (read(fd, news, sizeof(news)) > 0)
		;
}

int jl__watcher_give(int fd)
{
	if (fd < 0)
		return -EBADF;
	/* That its watches are gone is news as well. */
	jl__watcher_drain(fd);
	lock_idle();
	if (idle.users > 0 && idle.count < IDLE_MAX) {
		idle.fds[idle.count++] = fd;
		fd = -EBADF;
	}
	(void)pthread_mutex_unlock(&idle.lock);
	return jl__close(fd);
}

void jl__watchers_keep(void)
{
	lock_idle();
	idle.users++;
	(void)pthread_mutex_unlock(&idle.lock);
}

void jl__watchers_close(void)
{
	lock_idle();
	if (--idle.users == 0)
		close_all();
	(void)pthread_mutex_unlock(&idle.lock);
}
