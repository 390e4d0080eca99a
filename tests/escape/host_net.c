/* SPDX-License-Identifier: MIT */
/*
 * A machine of our own: this process moves into a new network namespace, which stands for
 * the machine, with a second one behind it that answers to everything a job must not
 * reach there. Networks that jobs make live and die with it; the real machine's stay as
 * they are.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATE_OF_NETWORKS "/run/joblet/net"
#define MACHINE "203.0.113.1"
#define METADATA "169.254.169.254"

pid_t host_outside;

/* What is written down about networks belongs to the namespace they are in. */
static bool leave_the_machine(void)
{
	(void)mkdir("/run/joblet", 0700);
	(void)mkdir(STATE_OF_NETWORKS, 0700);
	return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("escape", STATE_OF_NETWORKS, "tmpfs", MS_NOSUID, "mode=0700") == 0;
}

/* Takes every connection and drops it: that it came about is what counts. */
static void answer(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(80) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 64) < 0)
		_exit(1);
	for (;;)
		(void)close(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

static void be_outside(int ready, int wired)
{
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) < 0 || write(ready, "n", 1) != 1 ||
	    read(wired, &byte, 1) != 1)
		_exit(1);
	if (system("ip link set lo up && ip link set eth0 up &&"
		   " ip addr add " HOST_OUTSIDE "/24 dev eth0 &&"
		   " ip addr add " METADATA "/32 dev lo") != 0)
		_exit(1);
	if (fork() == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		answer();
	}
	/* Connections wait in the kernel until they are taken. */
	(void)!write(ready, "a", 1);
	(void)close(ready);
	(void)pause();
	_exit(0);
}

static bool make_outside(void)
{
	char command[128], byte;
	int ready[2], wired[2];
	bool made = false;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(wired, O_CLOEXEC) < 0)
		return false;
	(void)fflush(stdout);
	host_outside = fork();
	if (host_outside == 0)
		be_outside(ready[1], wired[0]);
	(void)close(ready[1]);
	(void)close(wired[0]);
	(void)snprintf(command, sizeof(command),
		       "ip link add out0 type veth peer name eth0 netns %d",
		       (int)host_outside);
	made = host_outside > 0 && read(ready[0], &byte, 1) == 1 &&
	       system(command) == 0 && write(wired[1], "w", 1) == 1 &&
	       read(ready[0], &byte, 1) == 1;
	(void)close(ready[0]);
	(void)close(wired[1]);
	return made;
}

bool host_net_make(void)
{
	return leave_the_machine() && system("ip link set lo up") == 0 &&
	       make_outside() &&
	       system("ip addr add " MACHINE "/24 dev out0 && ip link set out0 up &&"
		      " ip route add default via " HOST_OUTSIDE) == 0;
}

void host_net_end(void)
{
	if (host_outside > 0) {
		(void)kill(host_outside, SIGKILL);
		(void)waitpid(host_outside, NULL, 0);
	}
	host_outside = 0;
}

/* ---- what is left ---- */

static unsigned int ports_left(char *names, size_t size)
{
	struct if_nameindex *list = if_nameindex();
	unsigned int n = 0;

	for (struct if_nameindex *i = list; i != NULL && i->if_index != 0; i++) {
		if (strncmp(i->if_name, "jv", 2) != 0)
			continue;
		n++;
		if (strlen(names) + strlen(i->if_name) + 2 < size) {
			(void)strcat(names, " ");
			(void)strcat(names, i->if_name);
		}
	}
	if (list != NULL)
		if_freenameindex(list);
	return n;
}

/* Elements of the rules are named after the ports. */
static unsigned int elements_left(void)
{
	FILE *f = popen("nft list ruleset", "re");
	char line[4096];
	unsigned int n = 0;

	if (f == NULL)
		return 1;
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "\"jv") != NULL;
	return pclose(f) == 0 ? n : n + 1;
}

unsigned int host_net_left(char *names, size_t size)
{
	unsigned int n = ports_left(names, size);

	return n > 0 ? n : elements_left();
}
