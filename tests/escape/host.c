/* SPDX-License-Identifier: MIT */
/* What the host has that must not be reached, and what must not be left on it. */
#include "harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FACTS_MAX 150
#define ABSTRACT_MAX 40
#define PIDS_MAX 20
#define MOUNTS_MAX 12

const char *host_facts[FACTS_MAX];
size_t host_facts_count;
char host_mark[64], host_secret[64], host_folder[128], host_secret_path[160];

static char host_name_before[128], key_name[64], shm_path[96], socket_path[160];
static int shm_id = -1, listeners[3] = { -1, -1, -1 };
double host_slowness = 1;
bool host_quick;
static char state_folder[64];
static char environment_secret[128];

static void add_fact(const char *key, const char *value)
{
	char *text;

	if (host_facts_count < FACTS_MAX && asprintf(&text, "%s=%s", key, value) > 0)
		host_facts[host_facts_count++] = text;
}

static void add_hex(const char *key, const char *bytes, size_t len)
{
	char text[256];

	for (size_t i = 0; i < len && i < 120; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
	if (len > 0 && len <= 107)
		add_fact(key, text);
}

/* ---- what is there ---- */

static void abstract_names(void)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	unsigned int n = 0;

	while (f != NULL && n < ABSTRACT_MAX && fgets(line, sizeof(line), f) != NULL) {
		char *at = strstr(line, " @");

		if (at == NULL)
			continue;
		at += 2;
		at[strcspn(at, "\n")] = '\0';
		add_hex("abstract", at, strlen(at));
		n++;
	}
	if (f != NULL)
		(void)fclose(f);
}

static void some_pids(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	unsigned int n = 0;
	char text[32];

	(void)snprintf(text, sizeof(text), "%d", (int)getpid());
	add_fact("pid", text);
	while (dir != NULL && n < PIDS_MAX && (e = readdir(dir)) != NULL) {
		/* The attacker tries the smaller ones in any case. */
		if (atol(e->d_name) >= 65536) {
			add_fact("pid", e->d_name);
			n++;
		}
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static void some_mounts(void)
{
	static const char *const shared[] = { "/",	    "/usr",	"/etc",
					      "/proc",	    "/dev",	"/tmp",
					      "/work",	    "/dev/pts", "/dev/shm",
					      "/dev/mqueue" };
	FILE *f = fopen("/proc/self/mounts", "re");
	char line[1024], point[512];
	unsigned int n = 0;

	while (f != NULL && n < MOUNTS_MAX && fgets(line, sizeof(line), f) != NULL) {
		bool both = false;

		if (sscanf(line, "%*s %511s", point) != 1)
			continue;
		for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
			both = both || strcmp(point, shared[i]) == 0;
		if (both || strncmp(point, "/usr/", 5) == 0)
			continue;
		add_fact("hostmount", point);
		n++;
	}
	if (f != NULL)
		(void)fclose(f);
}

static void addresses(void)
{
	struct ifaddrs *list, *i;
	unsigned int n = 0;

	if (getifaddrs(&list) < 0)
		return;
	for (i = list; i != NULL && n < 4; i = i->ifa_next) {
		char text[64];

		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
		    strcmp(i->ifa_name, "lo") == 0)
			continue;
		(void)inet_ntop(AF_INET,
				&((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr,
				text, sizeof(text));
		add_fact("address", text);
		n++;
	}
	freeifaddrs(list);
}

static bool listen_everywhere(void)
{
	struct sockaddr_un abstract = { .sun_family = AF_UNIX },
			   path = { .sun_family = AF_UNIX };
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t len = sizeof(any);
	char text[64];
	int n;

	n = snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "%s",
		     host_mark);
	listeners[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listeners[0], (struct sockaddr *)&abstract,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) <
		    0 ||
	    listen(listeners[0], 64) < 0)
		return false;
	add_hex("abstract", abstract.sun_path + 1, (size_t)n);

	(void)snprintf(path.sun_path, sizeof(path.sun_path), "%.90s/socket", host_folder);
	listeners[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listeners[1], (struct sockaddr *)&path, sizeof(path)) < 0 ||
	    chmod(path.sun_path, 0777) < 0 || listen(listeners[1], 64) < 0)
		return false;
	(void)snprintf(socket_path, sizeof(socket_path), "%s", path.sun_path);
	add_fact("socket", socket_path);

	listeners[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listeners[2], (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    listen(listeners[2], 64) < 0 ||
	    getsockname(listeners[2], (struct sockaddr *)&any, &len) < 0)
		return false;
	(void)snprintf(text, sizeof(text), "%u", (unsigned int)ntohs(any.sin_port));
	add_fact("tcp", text);
	return true;
}

static bool write_new(const char *path, mode_t mode, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
		    fchmod(fd, mode) == 0;

	if (fd >= 0)
		(void)close(fd);
	return good;
}

/* Jobs are kept; here in a folder that goes with the tests, and holds their secrets. */
static bool own_state(void)
{
	char path[80];

	(void)snprintf(state_folder, sizeof(state_folder),
		       "/tmp/joblet-escape-state-XXXXXX");
	if (mkdtemp(state_folder) == NULL ||
	    setenv("JOBLET_STATE_DIR", state_folder, 1) < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s/node.db", state_folder);
	add_fact("hostfile", path);
	(void)snprintf(path, sizeof(path), "%s/jobs", state_folder);
	add_fact("hostfile", path);
	/* No configuration of this user sends jobs elsewhere. */
	return unsetenv("JOBLET_SERVER") == 0 && unsetenv("JOBLET_NODE") == 0 &&
	       unsetenv("RNX_CONFIG") == 0 && unsetenv("RNX_CONFIG_PATH") == 0;
}

static void remove_state(void)
{
	char command[96];

	(void)snprintf(command, sizeof(command), "rm -rf %s", state_folder);
	if (*state_folder != '\0' && system(command) != 0)
		tap_note("cannot remove %s", state_folder);
}

bool host_prepare(void)
{
	unsigned char random[16];
	char reversed[64], text[160];
	double seconds;
	const char *quick;
	key_t key;
	size_t len;

	quick = getenv("JOBLET_ESCAPE_QUICK");
	host_quick = quick != NULL && strcmp(quick, "0") != 0;
	if (!host_net_make()) {
		tap_note("a machine of our own: the program ip, network namespaces");
		return false;
	}
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(host_secret + 2 * i, 3, "%02x", random[i]);
	len = strlen(host_secret);
	for (size_t i = 0; i < len; i++)
		reversed[i] = host_secret[len - 1 - i];
	reversed[len] = '\0';
	add_fact("secret", reversed);
	(void)snprintf(environment_secret, sizeof(environment_secret), "ESCAPE_TOKEN=%s",
		       host_secret);
	(void)snprintf(host_mark, sizeof(host_mark), "ESCAPE_RUN=%d-%.8s", (int)getpid(),
		       reversed);
	(void)snprintf(key_name, sizeof(key_name), "escape-%.8s", reversed);
	add_fact("key", key_name);

	/* Readable for everybody: a wall that is only made of modes is none. */
	(void)snprintf(host_folder, sizeof(host_folder), "/tmp/joblet-escape-XXXXXX");
	if (mkdtemp(host_folder) == NULL || chmod(host_folder, 0777) < 0)
		return false;
	(void)snprintf(host_secret_path, sizeof(host_secret_path), "%s/secret",
		       host_folder);
	(void)snprintf(text, sizeof(text), "%s\n", host_secret);
	if (!write_new(host_secret_path, 0666, text))
		return false;
	add_fact("hostfile", host_secret_path);
	add_fact("hostfile", host_folder);
	add_fact("hostfile", attack_path);

	(void)snprintf(shm_path, sizeof(shm_path), "/dev/shm/%s", key_name);
	if (write_new(shm_path, 0666, "x"))
		add_fact("shmfile", key_name);
	key = (key_t)(0x6a000000 | (getpid() & 0xffffff));
	shm_id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0666);
	(void)snprintf(text, sizeof(text), "%d", (int)key);
	add_fact("ipckey", text);

	if (!own_state() || !listen_everywhere())
		return false;
	abstract_names();
	some_pids();
	some_mounts();
	add_fact("outside", HOST_OUTSIDE);
	(void)gethostname(host_name_before, sizeof(host_name_before) - 1);
	host_cgroups_enter();
	seconds = host_neighbour_seconds();
	/* 50 ms are a slow start; an emulated machine takes several times that. */
	if (seconds > 0.05)
		host_slowness = seconds / 0.05 < 20 ? seconds / 0.05 : 20;
	/* With that job the bridge has come, whose address is one of the host's. */
	addresses();
	/* Whatever rnx leaves running becomes our child, and so is found. */
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

void host_done(void)
{
	char name[128] = "";

	(void)gethostname(name, sizeof(name) - 1);
	tap_result(strcmp(name, host_name_before) == 0, "the host's name is what it was");
	host_cgroups_leave();
	for (size_t i = 0; i < 3; i++) {
		if (listeners[i] >= 0)
			(void)close(listeners[i]);
	}
	if (shm_id >= 0)
		(void)shmctl(shm_id, IPC_RMID, NULL);
	(void)unlink(shm_path);
	(void)unlink(socket_path);
	(void)unlink(host_secret_path);
	(void)rmdir(host_folder);
	remove_state();
	host_net_end();
}

void host_burden(void)
{
	int fds[2] = { -1, -1 };

	/* Descriptors without close-on-exec: a folder, a path handle, a file, a socket.
	 */
	(void)dup2(open("/", O_RDONLY | O_DIRECTORY), 7);
	(void)dup2(open("/", O_PATH | O_DIRECTORY), 8);
	(void)dup2(open(host_secret_path, O_RDWR), 9);
	(void)dup2(open("/proc", O_RDONLY | O_DIRECTORY), 12);
	(void)dup2(open("/root", O_RDONLY | O_DIRECTORY), 13);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0)
		(void)dup2(fds[0], 250);
	(void)putenv(environment_secret);
	/* A session keyring of its own, so that ours stays as it is, with a key. */
	if (syscall(SYS_keyctl, 1L /* JOIN_SESSION_KEYRING */, NULL) >= 0)
		(void)syscall(SYS_add_key, "user", key_name, host_secret,
			      strlen(host_secret), -3L);
}

/* ---- what is left ---- */

static bool has_mark(const char *pid)
{
	static char text[1 << 17];
	char path[300];
	size_t len = 0;
	ssize_t n = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	(void)close(fd);
	return memmem(text, len, host_mark, strlen(host_mark)) != NULL;
}

unsigned int host_count_processes(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	unsigned int n = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (atol(e->d_name) > 0 && has_mark(e->d_name))
			n++;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return n;
}

/* Children that are not ours by fork but by inheritance. */
static unsigned int orphans(char *names, size_t size)
{
	char path[64], text[4096] = "";
	unsigned int n = 0;
	char *save = NULL;
	FILE *f;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	(void)fclose(f);
	*names = '\0';
	for (char *pid = strtok_r(text, " ", &save); pid != NULL;
	     pid = strtok_r(NULL, " ", &save)) {
		char comm[64] = "?";

		if (atol(pid) == host_outside)
			continue;
		n++;
		(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
		f = fopen(path, "re");
		if (f != NULL) {
			if (fgets(comm, sizeof(comm), f) != NULL)
				comm[strcspn(comm, "\n")] = '\0';
			(void)fclose(f);
		}
		if (strlen(names) + 100 < size)
			(void)snprintf(names + strlen(names), 100, " %s (%s)", pid, comm);
	}
	return n;
}

bool host_is_clean(const char *after)
{
	double end = host_now() + 5 * host_slowness * CROWDED;
	char names[1024] = "", nests[1024] = "", ports[256] = "";
	unsigned int marked, left, nested, wires = 0;

	do {
		left = orphans(names, sizeof(names));
		marked = host_count_processes();
		nests[0] = '\0';
		nested = host_cgroups_left(nests, sizeof(nests));
		ports[0] = '\0';
		if (left == 0 && marked == 0 && nested == 0) {
			wires = host_net_left(ports, sizeof(ports));
			if (wires == 0)
				return true;
		}
		(void)usleep(20000);
	} while (host_now() < end);
	tap_note("after %s: %u processes of jobs, %u orphans:%s, %u cgroups:%s, %u ports "
		 "or elements of networks:%s",
		 after, marked, left, names, nested, nests, wires, ports);
	return false;
}

/* ---- how long others take ---- */

static double seconds_of(char *const *argv)
{
	double start = host_now();
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)dup2(null, 2);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (host_now() - start > 60) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			return -1;
		}
		(void)usleep(1000);
	}
	return status == 0 ? host_now() - start : -1;
}

double host_neighbour_seconds(void)
{
	char *argv[] = { (char *)(uintptr_t)rnx_path, (char *)"run", (char *)"/bin/true",
			 NULL };

	return seconds_of(argv);
}

double host_program_seconds(void)
{
	char *argv[] = { (char *)"/bin/true", NULL };

	return seconds_of(argv);
}
