/* SPDX-License-Identifier: MIT */
/*
 * Using up what is shared. Each of these eats until it is refused or ended, then holds
 * what it got for a while; the harness measures meanwhile that host and neighbours go on.
 */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Where the limit is far away, an attack gives up. */
#define GIVE_UP_SECONDS 12.0

/* How long it goes on, or keeps what it got: the harness says it in milliseconds. */
static double hold_seconds(void)
{
	return (double)fact_number("hold", 3000) / 1e3;
}

/* The harness starts to measure when it sees this line. */
static void eating(void)
{
	(void)printf("eating\n");
	(void)fflush(stdout);
}

static void hold(double since)
{
	while (now() - since < hold_seconds())
		(void)usleep(50000);
}

/* Every process makes more; those that are refused try again until the time is over. */
static void forks(void)
{
	double start = now();
	unsigned int refused = 0, made = 0;

	eating();
	(void)signal(SIGCHLD, SIG_IGN);
	while (now() - start < hold_seconds()) {
		pid_t pid = fork();

		if (pid == 0) {
			/* The children go on for ever: ending them is the sandbox's part.
			 */
			for (unsigned int i = 0; i < 1000000; i++) {
				if (fork() < 0)
					(void)usleep(1000);
			}
			_exit(0);
		}
		if (pid > 0)
			made++;
		else
			refused++;
		if (pid < 0)
			(void)usleep(1000);
	}
	if (refused > 0)
		held("%u forks made, %u refused", made, refused);
	else
		escaped("%u forks and none refused", made);
}

/* Must be killed: coming to the end is the failure. */
static void memory(void)
{
	size_t max = (size_t)fact_number("bytes", 512UL << 20), step = 4UL << 20, got = 0;

	eating();
	while (got < max) {
		char *p = mmap(NULL, step, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 1, step);
		got += step;
	}
	escaped("used %zu MiB and lives", got >> 20);
}

/* The same through files that lie in memory: these count, too. */
static void fill_folder(const char *folder, size_t max)
{
	static char block[1 << 20];
	char path[128];
	size_t got = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/fill", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		held("%s: %s", path, strerror(errno));
		return;
	}
	memset(block, 1, sizeof(block));
	while (got < max) {
		ssize_t n = write(fd, block, sizeof(block));

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (got >= max)
		escaped("wrote %zu MiB to %s", got >> 20, folder);
	else
		held("%zu MiB in %s: %s", got >> 20, folder, strerror(errno));
	(void)close(fd);
}

static void tmpfs(void)
{
	size_t max = (size_t)fact_number("bytes", 512UL << 20);

	eating();
	fill_folder("/tmp", max);
	fill_folder("/work", max);
	fill_folder("/dev/shm", max);
	fill_folder("/dev", max);
	fill_folder("/dev/pts", max);
}

static void inodes(void)
{
	static const char *const folders[] = { "/tmp", "/work", "/dev/shm" };
	unsigned long max = fact_number("files", 2000000);
	double start = now();

	eating();
	for (size_t f = 0; f < sizeof(folders) / sizeof(folders[0]); f++) {
		unsigned long n = 0;

		for (; n < max && now() - start < 2 * GIVE_UP_SECONDS; n++) {
			char path[64];

			(void)snprintf(path, sizeof(path), "%s/%lu", folders[f], n);
			if (mknod(path, S_IFREG | 0600, 0) < 0)
				break;
		}
		if (n == max)
			escaped("%lu files in %s", n, folders[f]);
		else
			held("%lu files in %s: %s", n, folders[f], strerror(errno));
	}
}

static void descriptors(void)
{
	struct rlimit limit = { 0 };
	double start = now();
	unsigned long total = 0;

	eating();
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	(void)signal(SIGCHLD, SIG_IGN);
	/* Epoll sets, pipes and sockets; 64 processes of them. */
	for (int i = 0; i < 64; i++) {
		pid_t pid = fork();
		int fds[2];

		if (pid != 0)
			continue;
		while (now() - start < hold_seconds() &&
		       (epoll_create1(EPOLL_CLOEXEC) >= 0 && pipe2(fds, O_CLOEXEC) == 0 &&
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0))
			total++;
		hold(start);
		_exit(0);
	}
	hold(start);
	held("64 processes with all the descriptors they got");
}

static void watches(void)
{
	double start = now();
	unsigned long n = 0, instances = 0;

	eating();
	for (; instances < 4096; instances++) {
		int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

		if (fd < 0)
			break;
		if (instances > 0)
			continue;
		for (; n < 2000000; n++) {
			char path[64];

			(void)snprintf(path, sizeof(path), "/tmp/w%lu", n);
			if (mkdir(path, 0700) < 0 ||
			    inotify_add_watch(fd, path, IN_ALL_EVENTS) < 0)
				break;
			if (now() - start > GIVE_UP_SECONDS)
				break;
		}
	}
	held("%lu instances, %lu watches: %s", instances, n, strerror(errno));
	hold(start);
}

static void terminals(void)
{
	double start = now();
	unsigned int n = 0;

	eating();
	(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1 << 16, 1 << 16 });
	while (n < 100000 && posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0)
		n++;
	if (n >= 100000)
		escaped("%u terminals", n);
	else
		held("%u terminals: %s", n, strerror(errno));
	hold(start);
}

static void ipc(void)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	double start = now();
	unsigned int queues = 0, segments = 0, attached = 0;

	eating();
	for (; queues < 100000; queues++) {
		char name[32];
		mqd_t mq;

		(void)snprintf(name, sizeof(name), "/escape%u", queues);
		mq = mq_open(name, O_RDWR | O_CREAT, 0600, &attr);
		if (mq == (mqd_t)-1)
			break;
		(void)mq_close(mq);
	}
	/* Memory that nobody maps still counts. */
	for (; segments < 100000; segments++) {
		int id = shmget(IPC_PRIVATE, 16UL << 20, IPC_CREAT | 0600);
		char *p;

		if (id < 0)
			break;
		p = shmat(id, NULL, 0);
		if (p == (char *)-1)
			break;
		memset(p, 1, 16UL << 20);
		(void)shmdt(p);
		attached++;
		if (attached >= fact_number("bytes", 512UL << 20) / (16UL << 20)) {
			escaped("%u MiB of shared memory", attached * 16);
			break;
		}
	}
	held("%u queues, %u segments: %s", queues, segments, strerror(errno));
	hold(start);
}

/* Kernel memory by sockets: filled to the brim and never read. */
static void socket_memory(void)
{
	static char block[65536];
	double start = now();
	unsigned long long bytes = 0, max = fact_number("bytes", 512UL << 20);

	eating();
	while (bytes < max && now() - start < GIVE_UP_SECONDS) {
		int fds[2];
		ssize_t n;

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			       fds) < 0)
			break;
		while ((n = write(fds[0], block, sizeof(block))) > 0)
			bytes += (unsigned long long)n;
	}
	if (bytes >= max)
		escaped("%llu MiB in sockets", bytes >> 20);
	else
		held("%llu MiB in sockets: %s", bytes >> 20, strerror(errno));
	hold(start);
}

/*
 * Quotas that the kernel counts per user, and for a user of a user namespace also for who
 * made that namespace: a job must not use up those of root, nor of other jobs.
 */
static void quotas(void)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	unsigned int watchers = 0, queues = 0, signals = 0, timers = 0, terminals = 0;
	sigset_t blocked;
	double start;
	timer_t timer;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGRTMIN);
	(void)sigprocmask(SIG_BLOCK, &blocked, NULL);
	while (watchers < 20000 && inotify_init1(IN_CLOEXEC) >= 0)
		watchers++;
	for (; queues < 2000; queues++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "/quota%u", queues);
		if (mq_open(name, O_RDWR | O_CREAT, 0600, &attr) == (mqd_t)-1)
			break;
	}
	while (terminals < 20000 && posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0)
		terminals++;
	while (timers < 100000 && timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0)
		timers++;
	while (signals < 2000000 &&
	       sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0)
		signals++;
	held("%u inotify instances, %u queues, %u terminals, %u timers, %u signals",
	     watchers, queues, terminals, timers, signals);
	eating();
	start = now();
	hold(start);
}

/* A neighbour meanwhile: one of each must be there for it. */
static void quotas_neighbour(void)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	if (inotify_init1(IN_CLOEXEC) < 0)
		escaped("no inotify instance: %s", strerror(errno));
	if (mq_open("/neighbour", O_RDWR | O_CREAT, 0600, &attr) == (mqd_t)-1)
		escaped("no message queue: %s", strerror(errno));
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
		escaped("no timer: %s", strerror(errno));
	if (posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) < 0)
		escaped("no terminal: %s", strerror(errno));
	held("one of each was asked for");
}

static void processor(void)
{
	double start = now();

	eating();
	for (int i = 0; i < 64; i++) {
		if (fork() == 0) {
			while (now() - start < hold_seconds())
				;
			_exit(0);
		}
	}
	while (now() - start < hold_seconds())
		;
	held("64 busy processes");
}

/* As much output as goes. */
static void output(void)
{
	static char block[65536];
	double start = now();
	unsigned long long bytes = 0;

	eating();
	memset(block, '\n', sizeof(block));
	while (now() - start < hold_seconds() && bytes < (256ULL << 20)) {
		ssize_t n = write(2, block, sizeof(block));

		if (n <= 0)
			break;
		bytes += (unsigned long long)n;
	}
	held("%llu MiB of output", bytes >> 20);
}

const struct attack exhaust_attacks[] = {
	{ "exhaust-forks", forks, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-memory", memory, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-tmpfs", tmpfs, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-inodes", inodes, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-descriptors", descriptors, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-watches", watches, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-terminals", terminals, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-ipc", ipc, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-socket-memory", socket_memory, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-quotas", quotas, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-quotas-neighbour", quotas_neighbour, BY_HARNESS },
	{ "exhaust-processor", processor, BY_HARNESS | IN_SANDBOX },
	{ "exhaust-output", output, BY_HARNESS | IN_SANDBOX },
	{ NULL, NULL, 0 },
};
