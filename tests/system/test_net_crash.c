/* SPDX-License-Identifier: MIT */
/*
 * Nothing of a network stays behind: jobs killed at random, their caller killed, their
 * supervisor killed, both; addresses come back, places are used once.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net_age.h"
#include "net_world.h"

#define NET "chaos"
#define CIDR "10.80.0.0/24"
#define AT_ONCE 16

static struct run run;
static unsigned int seed;

static unsigned int chance(unsigned int of)
{
	return (unsigned int)rand_r(&seed) % of;
}

static void start_dice(void)
{
	seed = (unsigned int)number_of("JOBLET_TEST_SEED", (long)getpid());
	note("JOBLET_TEST_SEED=%u", seed);
}

static jl_job_spec *in_network(jl_job_spec *spec, const char *network)
{
	ck_ok(jl_job_spec_set_network_name(spec, network, &err));
	return spec;
}

static void make_network(const char *name, const char *cidr)
{
	ck_ok(jl_net_create(ctx, name, cidr, NULL, &err));
}

/* The context first: it has a place ahead. */
static void ck_nothing_left(void)
{
	const char *found;

	close_ctx();
	/* Places of killed programs count as somebody's for ten seconds. */
	found = network_leftovers(20);
	ck_assert_msg(!*found, "left behind: %s", found);
	ctx = open_ctx(0);
}

static void drop_network(const char *name)
{
	ck_nothing_left();
	ck_ok(jl_net_remove(ctx, name, &err));
	ck_assert_msg(!strstr(run_at(false, "nft list ruleset; ip link"), name),
		      "%s is still there", name);
}

/* ---- chaos ---- */

static jl_job *start_something(const char *network)
{
	static unsigned int turn;
	jl_job_spec *spec =
		chance(3) ? command("sleep", "1000", NULL) : command("true", NULL);
	jl_job *job = NULL;
	char port[32], name[32];

	(void)in_network(spec, network);
	(void)snprintf(name, sizeof(name), "job-%u", turn++);
	ck_ok(jl_job_spec_set_name(spec, name, &err));
	(void)snprintf(port, sizeof(port), "%u:80", 20000 + turn % 10000);
	if (chance(4) == 0)
		ck_ok(jl_job_spec_add_publish(spec, port, &err));
	if (chance(4) == 0)
		ck_ok(jl_job_spec_add_allow_net(spec, "192.0.2.0/24:1-99", &err));
	if (chance(8) == 0)
		ck_ok(jl_job_spec_set_net_bps(spec, 1 << 20, &err));
	ck_ok(jl_job_spawn(ctx, spec, &job, &err));
	remember(job);
	jl_job_spec_free(spec);
	return job;
}

static void finish(jl_job **job)
{
	(void)jl_job_kill(*job, NULL);
	ck_ok(jl_job_wait(*job, JL_FOREVER, &err));
	*job = jl_job_unref(*job);
}

START_TEST(jobs_killed_at_random)
{
	long count = number_of("JOBLET_TEST_NET_CHAOS", is_slow() ? 20 : 80);
	jl_job *jobs[AT_ONCE] = { NULL };
	double start = now();

	start_dice();
	make_network(NET, CIDR);
	for (long started = 0; started < count;) {
		unsigned int i = chance(AT_ONCE);

		if (jobs[i]) {
			finish(&jobs[i]);
		} else {
			jobs[i] = start_something(NET);
			started++;
		}
	}
	for (int i = 0; i < AT_ONCE; i++)
		if (jobs[i])
			finish(&jobs[i]);
	note("%ld jobs in %.1f s", count, now() - start);
	drop_network(NET);
}
END_TEST

/* ---- killed ---- */

/* Starts jobs until it is killed, itself or with its supervisor. */
static void caller_main(int pipe)
{
	jl_ctx *own = open_ctx(0);
	bool told = false;

	for (;;) {
		jl_job_spec *spec = command("sleep", "1000", NULL);
		jl_job *job = NULL;
		pid_t pid;

		if (jl_job_spec_set_network_name(spec, NET, NULL) < 0 ||
		    jl_job_spawn(own, spec, &job, NULL) < 0)
			_exit(3);
		jl_job_spec_free(spec);
		remember(job);
		pid = supervisor_of(job);
		if (!told && write(pipe, &pid, sizeof(pid)) != sizeof(pid))
			_exit(4);
		told = true;
		if (chance(2)) {
			(void)jl_job_kill(job, NULL);
			if (jl_job_wait(job, JL_FOREVER, NULL) < 0)
				_exit(5);
		}
		(void)jl_job_unref(job);
	}
}

enum { KILL_CALLER = 1, KILL_SUPERVISOR = 2 };

static void kill_after(double seconds, int who)
{
	int pipes[2], status;
	pid_t supervisor = 0, caller;

	ck_assert_int_eq(pipe(pipes), 0);
	caller = fork();
	if (caller == 0)
		caller_main(pipes[1]);
	(void)close(pipes[1]);
	/* Before its first job there is no supervisor anybody could kill. */
	if (who & KILL_SUPERVISOR)
		ck_assert_int_eq(read(pipes[0], &supervisor, sizeof(supervisor)),
				 sizeof(supervisor));
	pause_for(seconds);
	if (supervisor > 1)
		(void)kill(supervisor, SIGKILL);
	(void)kill(caller, SIGKILL);
	ck_assert_int_eq(waitpid(caller, &status, 0), caller);
	if (!supervisor && read(pipes[0], &supervisor, sizeof(supervisor)) < 0)
		supervisor = 0;
	(void)close(pipes[0]);
	if (supervisor > 1)
		ck_assert(gone_within(supervisor, 20));
}

static const struct {
	const char *who;
	int kill;
} deaths[] = {
	{ "the caller", KILL_CALLER },
	{ "caller and supervisor", KILL_CALLER | KILL_SUPERVISOR },
};

START_TEST(killed_at_any_moment)
{
	long rounds = number_of("JOBLET_TEST_NET_KILLS", is_slow() ? 2 : 5);
	jl_net *net = NULL;

	start_dice();
	make_network(NET, CIDR);
	for (long i = 0; i < rounds; i++)
		kill_after(chance(60000) / 1e6 * patience, deaths[_i].kill);
	/* Who opens it next removes what nobody is there for any more. */
	net_age(NET);
	ck_ok(jl_net_open(ctx, NET, &net, &err));
	net = jl_net_unref(net);
	run_spec(&run, in_network(command("true", NULL), NET));
	ck_ended(&run, JL_REASON_EXITED, 0);
	run_done(&run);
	note("%s killed %ld times", deaths[_i].who, rounds);
	drop_network(NET);
}
END_TEST

START_TEST(the_supervisor_alone_is_killed)
{
	jl_job_spec *spec = in_network(command("sleep", "1000", NULL), NET);
	struct run runs[3];

	make_network(NET, CIDR);
	for (int i = 0; i < 3; i++)
		run_start(&runs[i], spec);
	(void)kill(supervisor_of(runs[0].job), SIGKILL);
	for (int i = 0; i < 3; i++) {
		run_end(&runs[i]);
		ck_ended(&runs[i], JL_REASON_LOST, 128 + SIGKILL);
		run_done(&runs[i]);
	}
	/* The same context goes on, with another one. */
	run_start(&run, spec);
	serve_end(&run);
	jl_job_spec_free(spec);
	drop_network(NET);
}
END_TEST

/* What it had not sent yet keeps nothing of it alive for long. */
START_TEST(killed_in_the_middle_of_a_sentence)
{
	struct run server;

	make_network(NET, CIDR);
	serve(&server, NET, "server");
	for (int i = 0; i < 3; i++) {
		jl_job_spec *spec = peer(NET, NULL, "put",
					 i % 2 ? OUTSIDE : jl_job_get_address(server.job),
					 PORT, "100000000000", NULL);

		run_start(&run, spec);
		jl_job_spec_free(spec);
		pause_for(0.05 * patience);
		serve_end(&run);
	}
	serve_end(&server);
	drop_network(NET);
}
END_TEST

/* ---- addresses ---- */

START_TEST(addresses_come_back)
{
	jl_job_spec *spec = in_network(command("sleep", "1000", NULL), "tiny");
	struct run runs[5];
	jl_job *job = NULL;

	/* Six hosts, one of them the gateway. */
	make_network("tiny", "10.81.0.0/29");
	for (int i = 0; i < 20; i++) {
		run_spec(&run, in_network(command("true", NULL), "tiny"));
		ck_ended(&run, JL_REASON_EXITED, 0);
		run_done(&run);
	}
	for (int i = 0; i < 5; i++) {
		run_start(&runs[i], spec);
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(jl_job_get_address(runs[i].job),
					 jl_job_get_address(runs[k].job));
		ck_assert_str_ne(jl_job_get_address(runs[i].job), "10.81.0.0");
		ck_assert_str_ne(jl_job_get_address(runs[i].job), "10.81.0.1");
		ck_assert_str_ne(jl_job_get_address(runs[i].job), "10.81.0.7");
	}
	ck_fails(jl_job_spawn(ctx, spec, &job, &err), -ENOSPC, "tiny");
	ck_fails(jl_net_remove(ctx, "tiny", &err), -EBUSY, "5");
	serve_end(&runs[2]);
	run_start(&runs[2], spec);
	for (int i = 0; i < 5; i++)
		serve_end(&runs[i]);
	jl_job_spec_free(spec);
	drop_network("tiny");
}
END_TEST

/* Its only address is not kept for a job that may never come. */
START_TEST(a_small_network_has_nothing_to_spare)
{
	jl_job_spec *spec = in_network(command("true", NULL), "tiny");
	jl_ctx *other = open_ctx(0);
	jl_job *job = NULL;

	make_network("tiny", "10.81.0.0/30");
	for (int i = 0; i < 6; i++) {
		ck_ok(jl_job_spawn(i % 4 < 3 ? ctx : other, spec, &job, &err));
		remember(job);
		ck_ok(jl_job_wait(job, JL_FOREVER, &err));
		job = jl_job_unref(job);
	}
	jl_job_spec_free(spec);
	(void)jl_ctx_unref(other);
	drop_network("tiny");
}
END_TEST

/* Ports nobody knows of but the kernel, which is who says that there are no more. */
START_TEST(a_bridge_without_ports_says_so)
{
	jl_job_spec *spec = in_network(command("true", NULL), NET);
	jl_endpoint *endpoint = NULL;
	jl_job *job = NULL;
	jl_net *net = NULL;

	ck_ok(jl_net_create(ctx, NET, "10.80.0.0/16", &net, &err));
	ck_assert_str_eq(
		run_at(false,
		       "i=0; while [ $i -lt 511 ]; do "
		       "echo link add pa$i group 77 master %1$s type veth peer name pb$i; "
		       "echo link set pb$i master %1$s; i=$((i+1)); done | ip -batch - && "
		       "ip link add last master %1$s type veth peer name other",
		       jl_net_get_device(net)),
		"");
	ck_fails(jl_net_attach(net, "one", &endpoint, &err), -ENOSPC,
		 "1023 jobs are what a bridge of the kernel takes");
	ck_fails(jl_job_spawn(ctx, spec, &job, &err), -ENOSPC,
		 "1023 jobs are what a bridge of the kernel takes");
	jl_job_spec_free(spec);
	/* Neither has left anything, and with one port there is room for one. */
	(void)run_at(false, "ip link del last");
	ck_ok(jl_net_attach(net, "one", &endpoint, &err));
	jl_endpoint_free(endpoint);
	net = jl_net_unref(net);
	drop_network(NET);
	/* At once: one by one it takes half a minute. */
	(void)run_at(false, "ip link del group 77");
}
END_TEST

/* The number of the machine's end, which the kernel never gives out twice. */
static void see_place(const char *network, char seen[64])
{
	run_spec(&run, in_network(shell("ip -o link show eth0 | grep -o '@if[0-9]*'"),
				  network));
	ck_ended(&run, JL_REASON_EXITED, 0);
	(void)snprintf(seen, 64, "%s", run.text[0]);
	run_done(&run);
}

/* Ready ones too: the namespace of a job is its own, from the first to the last. */
START_TEST(no_place_is_used_twice)
{
	static const char *const networks[] = { "bridge",   "bridge",	"bridge",
						"bridge",   "none",	"bridge",
						"isolated", "isolated", "isolated",
						"bridge" };
	char seen[COUNT(networks)][64];

	for (size_t i = 0; i < COUNT(networks); i++) {
		if (strcmp(networks[i], "none") == 0) {
			ck_prints(shell("ip -o link show eth0 2>/dev/null || echo none"),
				  "none\n");
			(void)snprintf(seen[i], sizeof(seen[i]), "none");
			continue;
		}
		see_place(networks[i], seen[i]);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(seen[i], seen[k]);
	}
	ck_nothing_left();
}
END_TEST

START_TEST(a_network_that_was_made_anew)
{
	jl_job_spec *spec = in_network(command("true", NULL), NET);
	jl_ctx *other = open_ctx(0);

	make_network(NET, CIDR);
	for (int i = 0; i < 3; i++) {
		run_spec(&run, in_network(command("true", NULL), NET));
		run_done(&run);
	}
	/* With a place of ours in it that nobody uses. */
	ck_ok(jl_net_remove(other, NET, &err));
	ck_fails(jl_job_spawn(ctx, spec, &run.job, &err), -ENOENT, NET);
	jl_job_spec_free(spec);
	ck_ok(jl_net_create(other, NET, "10.82.0.0/24", NULL, &err));
	for (int i = 0; i < 3; i++) {
		run_spec(&run, in_network(command("cat", "/etc/hosts", NULL), NET));
		ck_assert_msg(strstr(run.text[0], jl_job_get_address(run.job)) != NULL,
			      "%s: %s", jl_job_get_address(run.job), run.text[0]);
		ck_assert_int_eq(strncmp(jl_job_get_address(run.job), "10.82.0.", 8), 0);
		run_done(&run);
	}
	(void)jl_ctx_unref(other);
	drop_network(NET);
}
END_TEST

/* ---- what is not ours ---- */

#define THEIRS                                                                         \
	"nft list table inet others; nft list table bridge others; nft list table ip " \
	"joblets"

START_TEST(rules_of_others_stay)
{
	char *before;

	(void)run_at(false,
		     "nft add table inet others; nft add chain inet others forward "
		     "'{ type filter hook forward priority 10; }'; "
		     "nft add rule inet others forward tcp dport 25 drop; "
		     "nft add set inet others s '{ type ipv4_addr; }'; "
		     "nft add element inet others s '{ 192.0.2.1 }'; "
		     "nft add table bridge others; nft add table ip joblets");
	before = strdup(run_at(false, THEIRS));
	ck_assert_ptr_nonnull(strstr(before, "dport 25"));
	make_network(NET, CIDR);
	run_spec(&run, in_network(command("true", NULL), NET));
	run_done(&run);
	ck_assert_str_eq(run_at(false, THEIRS), before);
	drop_network(NET);
	ck_assert_str_eq(run_at(false, THEIRS), before);
	free(before);
	(void)run_at(false, "nft delete table inet others; nft delete table bridge "
			    "others; nft delete table ip joblets");
}
END_TEST

/* ---- refusals ---- */

START_TEST(what_cannot_be_is_refused)
{
	jl_job_spec *spec = command("true", NULL);
	jl_job *job = NULL;

	ck_fails(jl_job_spec_set_network_name(spec, "", &err), -EINVAL, "name");
	ck_fails(jl_job_spec_set_network_name(spec, "a/b", &err), -EINVAL, "a/b");
	ck_fails(jl_job_spec_set_network_name(spec, "-a", &err), -EINVAL, "-a");
	ck_fails(jl_job_spec_set_network(spec, 4, &err), -EINVAL, "4");
	ck_fails(jl_job_spec_add_allow_net(spec, "10.0.0.1/8", &err), -EINVAL,
		 "10.0.0.1/8");
	ck_fails(jl_job_spec_add_publish(spec, "80", &err), -EINVAL, "80");
	ck_fails(jl_job_spec_set_net_bps(spec, 1023, &err), -ERANGE, "1023");
	ck_ok(jl_job_spec_add_allow_net(spec, "10.0.0.0/8", &err));
	ck_fails(jl_job_spec_check(spec, &err), -EINVAL, "none");
	ck_fails(jl_job_spawn(ctx, spec, &job, &err), -EINVAL, "none");
	ck_ok(jl_job_spec_set_network(spec, JL_NETWORK_HOST, &err));
	ck_fails(jl_job_spawn(ctx, spec, &job, &err), -EINVAL, "host");
	ck_ok(jl_job_spec_set_network_name(spec, "nowhere", &err));
	ck_fails(jl_job_spawn(ctx, spec, &job, &err), -ENOENT, "nowhere");
	ck_ok(jl_job_spec_add_publish(spec, "80:80", &err));
	ck_fails(jl_job_spec_add_publish(spec, "80:81", &err), -EINVAL, "80");
	ck_ok(jl_job_spec_add_publish(spec, "80:81/udp", &err));
	jl_job_spec_free(spec);
	/* A command that does not exist gives its place back. */
	spec = in_network(command("no-such-command", NULL), "bridge");
	for (int i = 0; i < 3; i++)
		ck_fails(jl_job_spawn(ctx, spec, &job, &err), -ENOENT, "no-such-command");
	jl_job_spec_free(spec);
	ck_nothing_left();
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, jobs_killed_at_random);
	tcase_add_loop_test(tcase, killed_at_any_moment, 0, (int)COUNT(deaths));
	tcase_add_test(tcase, the_supervisor_alone_is_killed);
	tcase_add_test(tcase, killed_in_the_middle_of_a_sentence);
	tcase_add_test(tcase, addresses_come_back);
	tcase_add_test(tcase, a_small_network_has_nothing_to_spare);
	tcase_add_test(tcase, a_bridge_without_ports_says_so);
	tcase_add_test(tcase, no_place_is_used_twice);
	tcase_add_test(tcase, a_network_that_was_made_anew);
	tcase_add_test(tcase, rules_of_others_stay);
	tcase_add_test(tcase, what_cannot_be_is_refused);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, "net_crash", 120, add);
}
