/* SPDX-License-Identifier: MIT */
#include "net_world.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Into /work first: the root of jobs has only what the host has. */
#define BRING "cat >/work/peer && chmod 700 /work/peer && exec /work/peer \"$@\" </dev/null"

const char *peer_path;
static int outside_ns = -1;
static pid_t services[2];

/* ---- commands ---- */

void go_outside(void)
{
	if (setns(outside_ns, CLONE_NEWNET) < 0)
		_exit(99);
}

const char *run_at(bool outside, const char *format, ...)
{
	static char text[1 << 20];
	char command[4096];
	size_t len = 0;
	ssize_t got = 1;
	int pipes[2], status;
	va_list ap;
	pid_t pid;

	va_start(ap, format);
	(void)vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		if (outside)
			go_outside();
		(void)dup2(pipes[1], 1);
		(void)dup2(pipes[1], 2);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)close(pipes[1]);
	while (got > 0 && len < sizeof(text) - 1) {
		got = read(pipes[0], text + len, sizeof(text) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	(void)close(pipes[0]);
	text[len] = '\0';
	(void)waitpid(pid, &status, 0);
	return text;
}

static bool shell_ok(const char *command)
{
	return system(command) == 0;
}

/* ---- the world ---- */

static pid_t start_service(const char *name, bool outside)
{
	int pipes[2];
	char byte;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (outside)
			go_outside();
		(void)dup2(pipes[1], 1);
		execl(peer_path, peer_path, "serve", name, PORT, OTHER_PORT,
		      (char *)NULL);
		_exit(127);
	}
	(void)close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1)
		pid = -1;
	(void)close(pipes[0]);
	return pid;
}

/* The other end of a pipe keeps it in its namespace until we have that open. */
static bool make_outside(void)
{
	char path[64];
	int pipes[2];
	bool made;
	pid_t pid;
	char byte = 0;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		byte = unshare(CLONE_NEWNET) == 0;
		(void)!write(pipes[1], &byte, 1);
		(void)close(pipes[1]);
		(void)pause();
		_exit(0);
	}
	(void)close(pipes[1]);
	made = read(pipes[0], &byte, 1) == 1 && byte;
	(void)close(pipes[0]);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	outside_ns = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path),
		       "ip link add out0 type veth peer name eth0 netns %d", (int)pid);
	made = made && outside_ns >= 0 && shell_ok(path);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return made;
}

/* The machine asks somebody outside for names, who does not answer such questions. */
static bool own_resolver(void)
{
	static const char path[] = "/run/joblet/net/.resolv.conf";
	static const char text[] = "nameserver " OUTSIDE "\n";
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	/* A link into a folder that is not there is what some containers have. */
	return written && (access("/etc/resolv.conf", F_OK) < 0 ||
			   mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0) &&
	       unlink(path) == 0;
}

/* A runtime folder of its own for networks, which live in this namespace only; ids stay
 * shared with everybody who runs jobs on this machine. */
static bool own_state(void)
{
	(void)mkdir("/run/joblet", 0700);
	(void)mkdir("/run/joblet/net", 0700);
	return unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("test", "/run/joblet/net", "tmpfs", 0, "mode=700") == 0;
}

static bool world_make(void)
{
	if (!own_state() || !own_resolver() || !shell_ok("ip link set lo up") || !make_outside())
		return false;
	if (!shell_ok("ip addr add " MACHINE "/24 dev out0 && ip link set out0 up && "
		      "ip route add default via " OUTSIDE))
		return false;
	/* No way back to the machine's networks: answers come only to who was hidden. */
	(void)run_at(true, "ip link set lo up; ip link set eth0 up;"
			   "ip addr add " OUTSIDE "/24 dev eth0;"
			   "ip addr add " FARAWAY "/32 dev lo;"
			   "ip addr add " METADATA "/32 dev lo;"
			   /* Every refusal counts: who waits for one waits for seconds. */
			   "sysctl -qw net.ipv4.icmp_ratelimit=0");
	services[0] = start_service("machine", false);
	services[1] = start_service("outside", true);
	return services[0] > 0 && services[1] > 0;
}

static void world_end(void)
{
	for (int i = 0; i < 2; i++)
		if (services[i] > 0) {
			(void)kill(services[i], SIGKILL);
			(void)waitpid(services[i], NULL, 0);
		}
}

int world_main(int argc, char **argv, const char *name, double seconds,
	       void (*add)(TCase *tcase))
{
	int code;

	if (geteuid() == 0) {
		peer_path = argc > 1 ? argv[1] : "net_peer";
		if (!world_make()) {
			(void)printf("1..1\nnot ok 1 - a network namespace with an outside\n");
			world_end();
			return EXIT_FAILURE;
		}
	}
	code = harness_main(name, seconds, add);
	world_end();
	return code;
}

/* ---- peers ---- */

jl_job_spec *peer(const char *network, const char *name, const char *first, ...)
{
	jl_job_spec *spec = command("sh", "-c", BRING, "sh", NULL);
	int fd = open(peer_path, O_RDONLY | O_CLOEXEC);
	va_list ap;

	va_start(ap, first);
	for (const char *arg = first; arg; arg = va_arg(ap, const char *))
		ck_ok(jl_job_spec_add_arg(spec, arg, &err));
	va_end(ap);
	ck_ok(jl_job_spec_set_stdio(spec, 0, fd, &err));
	(void)close(fd);
	ck_ok(jl_job_spec_set_network_name(spec, network, &err));
	ck_ok(jl_job_spec_set_name(spec, name, &err));
	return spec;
}

void serve(struct run *run, const char *network, const char *name)
{
	jl_job_spec *spec = peer(network, name, "serve", name, PORT, OTHER_PORT, NULL);

	run_start(run, spec);
	jl_job_spec_free(spec);
	run_until(run, "ready\n");
}

void serve_end(struct run *run)
{
	ck_ok(jl_job_kill(run->job, &err));
	run_end(run);
	run_done(run);
}

void add_targets(jl_job_spec *spec, const char *address, const char *port, bool answers)
{
	static const char *const kinds[] = { "tcp", "udp" };
	char text[64];

	for (int i = 0; i < 2; i++) {
		(void)snprintf(text, sizeof(text), "%s%s:%s:%s", answers ? "+" : "",
			       kinds[i], address, port);
		ck_ok(jl_job_spec_add_arg(spec, text, &err));
	}
}

const char *answer_of(const struct run *run, const char *kind, const char *address,
		      const char *port)
{
	static char answer[256];
	char want[64];
	const char *at;

	(void)snprintf(want, sizeof(want), "%s:%s:%s ", kind, address, port);
	at = strstr(run->text[0], want);
	ck_assert_msg(at != NULL, "nothing about %s in \"%s\" \"%s\"", want, run->text[0],
		      run->text[1]);
	at += strlen(want);
	(void)snprintf(answer, sizeof(answer), "%.*s", (int)strcspn(at, "\n"), at);
	return answer;
}

void ck_answers(const struct run *run, const char *address, const char *port,
		const char *name)
{
	static const char *const kinds[] = { "tcp", "udp" };

	for (int i = 0; i < 2; i++) {
		const char *answer = answer_of(run, kinds[i], address, port);
		size_t len = name ? strlen(name) : 1;

		ck_assert_msg(strncmp(answer, name ? name : "-", len) == 0 &&
				      answer[len] == ' ',
			      "%s %s:%s: \"%s\", not %s", kinds[i], address, port, answer,
			      name ? name : "nobody");
	}
}

/* ---- what is left ---- */

/* Opening repairs: where both caller and supervisor were killed nobody else does. */
static void open_all(jl_ctx *fresh, const jl_net_list *list)
{
	for (uint32_t i = 0; i < jl_net_list_count(list); i++) {
		const jl_net *listed = jl_net_list_get(list, i);
		jl_net *net = NULL;

		if (!jl_net_is_builtin(listed) &&
		    jl_net_open(fresh, jl_net_get_name(listed), &net, NULL) == 0)
			(void)jl_net_unref(net);
	}
}

static const char *look_for_leftovers(jl_ctx *fresh)
{
	static char text[4096];
	jl_net_list *list = NULL;
	const char *found;

	text[0] = '\0';
	ck_ok(jl_net_list_new(fresh, &list, &err));
	open_all(fresh, list);
	found = run_at(false, "ip -o link | grep -o ': jv[^@:]*' | head -5");
	if (*found)
		(void)snprintf(text, sizeof(text), "interfaces%.200s", found);
	found = run_at(false, "nft list ruleset | grep -o '\"jv[0-9a-f]*\"' | head -5");
	if (!*text && *found)
		(void)snprintf(text, sizeof(text), "elements %.200s", found);
	for (uint32_t i = 0; !*text && i < jl_net_list_count(list); i++)
		if (jl_net_get_jobs(jl_net_list_get(list, i)))
			(void)snprintf(text, sizeof(text), "%u leases of %s",
				       jl_net_get_jobs(jl_net_list_get(list, i)),
				       jl_net_get_name(jl_net_list_get(list, i)));
	jl_net_list_free(list);
	return text;
}

const char *network_leftovers(double seconds)
{
	double end = now() + seconds * patience;
	jl_ctx *fresh = open_ctx(0);
	const char *found = look_for_leftovers(fresh);

	while (*found && now() < end) {
		pause_for(0.05);
		found = look_for_leftovers(fresh);
	}
	(void)jl_ctx_unref(fresh);
	return found;
}
