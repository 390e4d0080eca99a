/* SPDX-License-Identifier: MIT */
/* Networks as objects: made, listed, repaired, removed; whoever is killed meanwhile. */
#include "net_lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/net-priv.h"
#include "net_age.h"
#include "sys/wire.h"

static jl_net *must_open(const char *name)
{
	jl_net *net = NULL;

	ck_ok(jl_net_open(ctx, name, &net, &err));
	return net;
}

static void must_create(const char *name, const char *cidr)
{
	ck_ok(jl_net_create(ctx, name, cidr, NULL, &err));
}

/* Nothing of any network in the kernel or on disk. */
static void ck_nothing(void)
{
	char *text = output("nft list tables; ip -o -d link show type bridge; "
			    "ip neigh show nud permanent; ls /run/joblet/net");

	ck_assert_str_eq(text, "lock\n");
	free(text);
}

/* The same where it is asked often: without programs, and without neighbours. */
static void ck_nothing_of_data(void)
{
	int fd = jl__wire_socket(JL__WIRE_NETFILTER);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(jl__nft_present(fd), 0);
	(void)close(fd);
	ck_assert_uint_eq(if_nametoindex("joblet-data"), 0);
	ck_assert_int_lt(access("/run/joblet/net/data", F_OK), 0);
}

/* ---- life ---- */

START_TEST(builtin_networks_are_made_when_first_used)
{
	jl_net_list *list;
	jl_net *net;

	ck_ok(jl_net_list_new(ctx, &list, &err));
	ck_assert_uint_eq(jl_net_list_count(list), 3);
	ck_assert_str_eq(jl_net_get_name(jl_net_list_get(list, 0)), "none");
	ck_assert_str_eq(jl_net_get_cidr(jl_net_list_get(list, 0)), "");
	ck_assert_str_eq(jl_net_get_bridge(jl_net_list_get(list, 0)), "");
	ck_assert_str_eq(jl_net_get_name(jl_net_list_get(list, 1)), "isolated");
	ck_assert_str_eq(jl_net_get_name(jl_net_list_get(list, 2)), "bridge");
	ck_assert_str_eq(jl_net_get_cidr(jl_net_list_get(list, 2)), "172.20.0.0/16");
	ck_assert_ptr_null(jl_net_list_get(list, 3));
	jl_net_list_free(list);
	/* Listing makes nothing. */
	ck_assert(!says("joblet", "nft list tables; ip link"));

	net = must_open("bridge");
	ck_assert_str_eq(jl_net_get_bridge(net), "joblet0");
	ck_assert_str_eq(jl_net_get_device(net), "joblet0");
	ck_assert_int_eq(jl_net_is_builtin(net), 1);
	ck_assert(says("172.20.0.1/16", "ip addr show dev joblet0"));
	ck_assert(says("joblet network bridge", "ip link show dev joblet0"));
	ck_assert(!says("inet6", "ip addr show dev joblet0"));
	jl_net_unref(net);
	/* Once more finds it. */
	net = must_open("bridge");
	jl_net_unref(net);
	ck_fails(jl_net_remove(ctx, "bridge", &err), -EPERM, "by itself");
	ck_fails(jl_net_remove(ctx, "none", &err), -EPERM, "by itself");
	ck_fails(jl_net_open(ctx, "none", &net, &err), -EINVAL, "nothing to open");
	ck_fails(jl_net_create(ctx, "host", "10.1.0.0/16", NULL, &err), -EINVAL,
		 "by itself");
}
END_TEST

START_TEST(networks_come_and_go)
{
	jl_net_list *list;
	jl_net *net = NULL;

	ck_ok(jl_net_create(ctx, "backend", "10.1.0.0/16", &net, &err));
	ck_assert_str_eq(jl_net_get_name(net), "backend");
	ck_assert_str_eq(jl_net_get_bridge(net), "joblet-backend");
	ck_assert_str_eq(jl_net_get_device(net), "joblet-backend");
	ck_assert_int_eq(jl_net_is_builtin(net), 0);
	jl_net_unref(net);
	/* One character too many for the kernel. */
	ck_ok(jl_net_create(ctx, "analytics", "10.2.0.0/16", &net, &err));
	ck_assert_str_eq(jl_net_get_bridge(net), "joblet-analytics");
	ck_assert_uint_le(strlen(jl_net_get_device(net)), 15);
	ck_assert(says("10.2.0.1/16", "ip addr show dev %s", jl_net_get_device(net)));
	jl_net_unref(net);

	ck_ok(jl_net_list_new(ctx, &list, &err));
	ck_assert_uint_eq(jl_net_list_count(list), 5);
	ck_assert_str_eq(jl_net_get_name(jl_net_list_get(list, 3)), "analytics");
	ck_assert_str_eq(jl_net_get_cidr(jl_net_list_get(list, 3)), "10.2.0.0/16");
	ck_assert_str_eq(jl_net_get_name(jl_net_list_get(list, 4)), "backend");
	jl_net_list_free(list);

	ck_fails(jl_net_create(ctx, "backend", "10.3.0.0/16", NULL, &err), -EEXIST,
		 "10.1.0.0/16");
	ck_fails(jl_net_open(ctx, "nowhere", &net, &err), -ENOENT,
		 "network not found: nowhere");
	ck_fails(jl_net_remove(ctx, "nowhere", &err), -ENOENT,
		 "network not found: nowhere");
	ck_ok(jl_net_remove(ctx, "backend", &err));
	ck_ok(jl_net_remove(ctx, "analytics", &err));
	ck_nothing();
	ck_fails(jl_net_remove(ctx, "backend", &err), -ENOENT, "not found");
	must_create("backend", "10.1.0.0/16");
}
END_TEST

static const struct {
	const char *cidr, *says;
} overlaps[] = {
	{ "10.1.2.0/24", "network \"first\"" },
	{ "10.0.0.0/8", "network \"first\"" },
	{ "172.20.5.0/24", "network \"bridge\"" },
	{ "192.0.2.0/28", "out0" },
	{ "192.0.0.0/16", "out0" },
	{ "100.64.0.0/16", "route to 100.64.0.0/10" },
	{ "203.0.113.0/24", "resolver 203.0.113.53" },
};

START_TEST(subnets_of_others_are_refused)
{
	must_create("first", "10.1.0.0/16");
	run("ip route add 100.64.0.0/10 dev out0");
	run("echo nameserver 203.0.113.53 > /run/joblet/resolv && mount --bind "
	    "/run/joblet/resolv $(readlink -f /etc/resolv.conf)");
	for (size_t i = 0; i < COUNT(overlaps); i++)
		ck_fails(jl_net_create(ctx, "second", overlaps[i].cidr, NULL, &err),
			 -EADDRINUSE, overlaps[i].says);
	must_create("second", "10.2.0.0/16");
}
END_TEST

/* Somebody has the subnet nobody asked for: another is as good. */
START_TEST(isolated_moves_out_of_the_way)
{
	jl_net *net;

	run("ip route add 10.255.0.0/16 dev out0");
	net = must_open("isolated");
	ck_assert_str_eq(jl_net_get_cidr(net), "172.30.0.0/20");
	jl_net_unref(net);
	run("ip addr add 172.20.9.9/24 dev out0");
	ck_fails(jl_net_open(ctx, "bridge", &net, &err), -EADDRINUSE, "172.20.9.9/24");
	ck_assert(!says("bridge", "ls /run/joblet/net"));
}
END_TEST

START_TEST(a_device_of_somebody_else_is_left_alone)
{
	run("ip link add joblet-data type bridge");
	ck_fails(jl_net_create(ctx, "data", "10.1.0.0/16", NULL, &err), -EEXIST,
		 "joblet-data");
	ck_assert(says("joblet-data", "ip link show type bridge"));
	ck_assert(!says("data", "ls /run/joblet/net"));
}
END_TEST

START_TEST(removal_waits_for_the_last_job)
{
	jl_endpoint *one = NULL, *two = NULL;
	jl_net *net;

	must_create("data", "10.1.0.0/24");
	net = must_open("data");
	ck_ok(jl_net_attach(net, "one", &one, &err));
	ck_ok(jl_net_attach(net, "two", &two, &err));
	ck_fails(jl_net_remove(ctx, "data", &err), -EBUSY, "in use by 2 jobs");
	jl_endpoint_free(one);
	ck_fails(jl_net_remove(ctx, "data", &err), -EBUSY, "in use by 1 job");
	jl_endpoint_free(two);
	ck_ok(jl_net_remove(ctx, "data", &err));
	ck_nothing();
	/* The handle is still there, and says so. */
	ck_fails(jl_net_attach(net, NULL, &one, &err), -ENOENT, "removed");
	must_create("data", "10.1.0.0/24");
	ck_fails(jl_net_attach(net, NULL, &one, &err), -ENOENT, "removed");
	jl_net_unref(net);
}
END_TEST

/* A place wired ahead of time is no job, and of no use once its network is gone. */
START_TEST(spare_places_do_not_keep_a_network)
{
	static const struct jl__net_policy any;
	struct jl__net_place place;
	jl_net *net;

	must_create("data", "10.1.0.0/24");
	net = must_open("data");
	ck_ok(jl__net_place_take(net, 0, &place, &err));
	ck_ok(jl_net_remove(ctx, "data", &err));
	ck_nothing();
	ck_fails(jl__net_place_claim(net, &place, &any, "0123456789abcdef", "x", &err),
		 -ENOENT, "removed");
	/* Nor does giving it back disturb who has the address now. */
	must_create("data", "10.1.0.0/24");
	{
		jl_net *again = must_open("data");
		struct jl__net_place other;

		ck_ok(jl__net_place_take(again, 0, &other, &err));
		ck_assert_str_eq(other.text, place.text);
		jl__net_place_release(net, &place);
		ck_assert(says("10.1.0.2", "nft list set inet joblet members"));
		ck_assert(says("10.1.0.2", "nft list set bridge joblet members"));
		jl__net_place_release(again, &other);
		ck_assert(!says("10.1.0.2", "nft list set inet joblet members"));
		jl_net_unref(again);
	}
	jl_net_unref(net);
}
END_TEST

START_TEST(others_rules_stay_as_they_are)
{
	char *before, *after;
	jl_endpoint *endpoint = NULL;
	jl_net *net;

	run("nft -f - <<'END'\n"
	    "table inet mine {\n"
	    "set s { type ipv4_addr; elements = { 192.0.2.9 } }\n"
	    "chain c { type filter hook forward priority 5; ip saddr @s counter drop; }\n"
	    "}\n"
	    "table bridge joblets {\n"
	    "chain c { type filter hook input priority 0; }\n"
	    "}\n"
	    "table ip joblet {\n"
	    "chain c { }\n"
	    "}\n"
	    "END");
	before = rules_of_others();
	ck_assert_ptr_nonnull(strstr(before, "192.0.2.9"));
	ck_assert_ptr_nonnull(strstr(before, "joblets"));
	must_create("data", "10.1.0.0/24");
	net = must_open("data");
	ck_ok(jl_net_attach(net, "one", &endpoint, &err));
	after = rules_of_others();
	ck_assert_str_eq(before, after);
	free(after);
	jl_endpoint_free(endpoint);
	jl_net_unref(net);
	ck_ok(jl_net_remove(ctx, "data", &err));
	after = rules_of_others();
	ck_assert_str_eq(before, after);
	free(after);
	free(before);
	ck_assert(says("table ip joblet\n", "nft list tables"));
	ck_assert(!says("inet joblet\n", "nft list tables"));
	ck_assert(!says("bridge joblet\n", "nft list tables"));
}
END_TEST

/* ---- addresses and names ---- */

START_TEST(a_full_network_says_so)
{
	struct jl__net_place places[3];
	jl_net *net;

	must_create("tiny", "10.1.0.0/30");
	net = must_open("tiny");
	ck_ok(jl__net_place_take(net, 0, &places[0], &err));
	ck_assert_str_eq(places[0].text, "10.1.0.2");
	ck_fails(jl__net_place_take(net, 0, &places[1], &err), -ENOSPC,
		 "10.1.0.0/30 is for 1 jobs");
	jl__net_place_release(net, &places[0]);
	ck_ok(jl__net_place_take(net, 0, &places[1], &err));
	ck_assert_str_eq(places[1].text, "10.1.0.2");
	jl__net_place_release(net, &places[1]);
	jl_net_unref(net);
}
END_TEST

/* Of this process, the kernel's work for it included. */
static double seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/*
 * Places without namespaces, as many as a bridge has ports; the last cost what the first
 * did. The shortest of many: a busy machine makes any of them longer, none shorter.
 */
START_TEST(the_last_place_costs_what_the_first_did)
{
	static const struct jl__net_policy any;
	static struct jl__net_place places[PORTS_MAX], more;
	double first = 1, last = 1, start, took;
	char name[16];
	jl_net *net = must_open("bridge");

	for (uint32_t i = 0; i < PORTS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "job%u", i);
		start = seconds();
		ck_ok(jl__net_place_take(net, 0, &places[i], &err));
		ck_ok(jl__net_place_claim(net, &places[i], &any,
					  "0123456789abcdef0123456789abcdef", name,
					  &err));
		took = seconds() - start;
		if (i < 200 && took < first)
			first = took;
		if (i >= PORTS_MAX - 200 && took < last)
			last = took;
	}
	printf("# the shortest of the first 200: %.0f us, of the last 200 of %u: %.0f us\n",
	       first * 1e6, PORTS_MAX, last * 1e6);
	ck_assert_msg(last < 3 * first, "%f, then %f", first, last);
	ck_fails(jl__net_place_take(net, 0, &more, &err), -ENOSPC, "1023 jobs");
	start = seconds();
	for (uint32_t i = 0; i < PORTS_MAX; i++)
		jl__net_place_release(net, &places[i]);
	printf("# given back: %.0f us each\n", (seconds() - start) * 1e6 / PORTS_MAX);
	ck_ok(jl__net_place_take(net, 0, &more, &err));
	/* On, not back to the start: addresses rest before they are used again. */
	ck_assert_str_eq(more.text, "172.20.4.1");
	jl__net_place_release(net, &more);
	ck_assert(!says("172.20.", "nft list sets; ip neigh"));
	jl_net_unref(net);
}
END_TEST

/* By name, and with nothing of the others published. */
START_TEST(of_many_ports_the_one_that_is_taken_is_named)
{
	static const struct jl__net_publish theirs[] = { { 8082, 80, false },
							 { 8083, 80, true } };
	static const struct jl__net_publish ours[2][3] = {
		{ { 8081, 80, false }, { 8083, 80, false }, { 8082, 81, false } },
		{ { 8081, 80, true }, { 8082, 80, true }, { 8083, 81, true } },
	};
	static const char *const names[] = { "port 8082/tcp", "port 8083/udp" };
	struct jl__net_policy policy = { .publish = theirs, .publish_count = 2 };
	struct jl__net_place one, two;
	jl_net *net = must_open("bridge");

	ck_ok(jl__net_place_take(net, 0, &one, &err));
	ck_ok(jl__net_place_claim(net, &one, &policy, "0123456789", NULL, &err));
	ck_ok(jl__net_place_take(net, 0, &two, &err));
	policy.publish_count = 3;
	for (size_t i = 0; i < COUNT(ours); i++) {
		policy.publish = ours[i];
		ck_fails(
			jl__net_place_claim(net, &two, &policy, "0123456789", NULL, &err),
			-EADDRINUSE, names[i]);
		ck_assert(!says("8081", "nft list maps"));
	}
	/* The place has not become anybody's: free of the one in the way it is given. */
	jl__net_place_release(net, &one);
	ck_ok(jl__net_place_claim(net, &two, &policy, "0123456789", NULL, &err));
	ck_assert(says("8081", "nft list map inet joblet published_udp"));
	jl__net_place_release(net, &two);
	ck_assert(!says("808", "nft list maps"));
	jl_net_unref(net);
}
END_TEST

START_TEST(names_come_and_go_in_place)
{
	jl_endpoint *one = NULL, *two = NULL;
	char *text;
	jl_net *net = must_open("bridge");

	ck_ok(jl_net_attach(net, "api", &one, &err));
	ck_ok(jl_net_attach(net, "db", &two, &err));
	text = file_text("%s/hosts", jl__net_shown(net));
	ck_assert_ptr_nonnull(strstr(text, "\n172.20.0.2 api "));
	ck_assert_ptr_nonnull(strstr(text, "\n172.20.0.3 db "));
	ck_assert_int_eq(strncmp(text, "127.0.0.1 localhost\n", 20), 0);
	free(text);
	jl_endpoint_free(one);
	text = file_text("%s/hosts", jl__net_shown(net));
	ck_assert_ptr_null(strstr(text, "\n172.20.0.2 api"));
	ck_assert_ptr_nonnull(strstr(text, "\n172.20.0.3 db "));
	free(text);
	jl_endpoint_free(two);
	ck_fails(jl_net_attach(net, "a\nb", &one, &err), -EINVAL, "name");
	ck_fails(jl_net_attach(net, "", &one, &err), -EINVAL, "name");
	jl_net_unref(net);
	/* In "isolated" nobody is told of the others. */
	net = must_open("isolated");
	ck_ok(jl_net_attach(net, "api", &one, &err));
	text = file_text("%s/hosts", jl__net_shown(net));
	ck_assert_ptr_null(strstr(text, "api"));
	free(text);
	jl_endpoint_free(one);
	jl_net_unref(net);
}
END_TEST

START_TEST(resolvers_are_the_real_ones)
{
	char *text;
	jl_net *net;

	run("mkdir -p /run/systemd/resolve && mount -t tmpfs t /run/systemd/resolve && "
	    "echo nameserver 192.0.2.53 > /run/systemd/resolve/resolv.conf && "
	    "printf 'nameserver 127.0.0.53\\nsearch lan\\n' > /run/joblet/resolv && "
	    "mount --bind /run/joblet/resolv $(readlink -f /etc/resolv.conf)");
	net = must_open("bridge");
	text = file_text("%s/resolv.conf", jl__net_shown(net));
	ck_assert_str_eq(text, "nameserver 192.0.2.53\n");
	free(text);
	jl_net_unref(net);
	/* And follow when they change. */
	run("echo nameserver 192.0.2.54 > /run/joblet/resolv");
	net = must_open("bridge");
	text = file_text("%s/resolv.conf", jl__net_shown(net));
	ck_assert_str_eq(text, "nameserver 192.0.2.54\n");
	free(text);
	jl_net_unref(net);
}
END_TEST

/* ---- repair ---- */

START_TEST(flushed_rules_come_back)
{
	struct jl__net_place one, two;
	static const struct jl__net_policy any;
	struct jl__net_allow allow = { 0x0a000000, 8, 0, 65535 };
	struct jl__net_policy some = { .allow = &allow, .allow_count = 1 };
	jl_net *net = must_open("bridge");

	ck_ok(jl__net_place_take(net, 0, &one, &err));
	ck_ok(jl__net_place_claim(net, &one, &some, "0123456789", NULL, &err));
	run("nft flush ruleset");
	/* By whoever needs them next. */
	ck_ok(jl__net_place_take(net, 0, &two, &err));
	ck_ok(jl__net_place_claim(net, &two, &any, "0123456789", NULL, &err));
	ck_assert(says(one.text, "nft list set inet joblet members"));
	ck_assert(says(two.text, "nft list set inet joblet members"));
	/* Where it might go is not known any more: nowhere. */
	ck_assert(says(one.text, "nft list set inet joblet restricted"));
	run("nft delete table bridge joblet");
	jl_net_unref(must_open("bridge"));
	ck_assert(says(two.text, "nft list set bridge joblet members"));
	jl__net_place_release(net, &one);
	jl__net_place_release(net, &two);
	ck_assert(!says("172.20.0.", "nft list sets"));
	jl_net_unref(net);
}
END_TEST

START_TEST(a_deleted_bridge_comes_back)
{
	jl_endpoint *endpoint = NULL;
	jl_net *net = must_open("bridge");

	run("ip link del joblet0");
	jl_net_unref(net);
	net = must_open("bridge");
	ck_ok(jl_net_attach(net, NULL, &endpoint, &err));
	jl_endpoint_free(endpoint);
	run("ip link set joblet0 down");
	jl_net_unref(net);
	net = must_open("bridge");
	ck_assert(says("UP", "ip link show dev joblet0 | grep -o '[<,]UP'"));
	jl_net_unref(net);
}
END_TEST

/* Kernels before 6.13 hand on that a line is up a moment later, whoever asks. */
static bool tells_at_once(void)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 13));
}

/* What is sent before the bridge forwards is lost, and comes a second later. */
START_TEST(a_place_is_open_when_it_is_there)
{
	static const char seen[] = "/run/joblet/sys",
			  ports[] = "/run/joblet/sys/class/net";
	jl_net *net = must_open("bridge");
	jl_endpoint *endpoints[200];
	unsigned int open = 0, late = 0;

	ck_assert_int_eq(mkdir(seen, 0700), 0);
	ck_assert_int_eq(mount("sysfs", seen, "sysfs", MS_RDONLY, NULL), 0);
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		struct dirent *entry;
		DIR *dir;

		ck_ok(jl_net_attach(net, NULL, &endpoints[i], &err));
		dir = opendir(ports);
		while (dir && (entry = readdir(dir))) {
			char *state =
				file_text("%s/%s/brport/state", ports, entry->d_name);

			if (state)
				(*(strcmp(state, "3\n") == 0 ? &open : &late))++;
			free(state);
		}
		(void)closedir(dir);
	}
	for (size_t i = 0; i < COUNT(endpoints); i++)
		jl_endpoint_free(endpoints[i]);
	ck_assert_int_eq(umount(seen), 0);
	ck_assert_int_eq(rmdir(seen), 0);
	ck_assert_uint_gt(open, 0);
	if (tells_at_once())
		ck_assert_uint_eq(late, 0);
	jl_net_unref(net);
}
END_TEST

START_TEST(places_of_the_dead_are_freed)
{
	jl_net *net = must_open("bridge");
	jl_endpoint *mine = NULL;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct jl__net_allow allow = { 0x0a000000, 8, 0, 65535 };
		struct jl__net_publish publish = { 8080, 80, false };
		struct jl__net_policy policy = { &allow, 1, &publish, 1, 0 };
		struct jl__net_place place;
		jl_endpoint *endpoint;
		jl_net *own;

		if (jl_net_open(ctx, "bridge", &own, NULL) < 0 ||
		    jl_net_attach(own, "dead", &endpoint, NULL) < 0 ||
		    jl__net_place_take(own, 0, &place, NULL) < 0 ||
		    jl__net_place_claim(own, &place, &policy, "0123456789", "gone",
					NULL) < 0)
			_exit(1);
		(void)raise(SIGKILL);
	}
	{
		int status;

		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
	}
	ck_ok(jl_net_attach(net, "alive", &mine, &err));
	jl_net_unref(net);
	/* Just taken: its wire may be on its way. */
	net = must_open("bridge");
	ck_assert_uint_eq(jl_net_get_jobs(net), 3);
	ck_assert(says("8080", "nft list map inet joblet published_tcp"));
	jl_net_unref(net);
	net_age("bridge");
	/* The kernel takes interfaces away when it has time to. */
	for (int i = 0;
	     i < 3000 && says("@if", "ip link show master joblet0 | grep -v "
				    "$(ip -o link show master joblet0 | tail -1 | "
				    "cut -d: -f2 | cut -d@ -f1)");
	     i++)
		(void)usleep(10000);
	net = must_open("bridge");
	ck_assert_uint_eq(jl_net_get_jobs(net), 1);
	ck_assert(!says("8080", "nft list map inet joblet published_tcp"));
	ck_assert(!says("172.20.0.3", "nft list sets; ip neigh"));
	ck_assert(!says("172.20.0.2", "nft list sets; ip neigh"));
	ck_assert(says("172.20.0.4", "nft list sets"));
	{
		char *text = file_text("%s/hosts", jl__net_shown(net));

		ck_assert_ptr_null(strstr(text, "\n172.20.0.2 dead"));
		ck_assert_ptr_null(strstr(text, "\n172.20.0.3 gone"));
		ck_assert_ptr_nonnull(strstr(text, "\n172.20.0.4 alive"));
		free(text);
	}
	jl_endpoint_free(mine);
	jl_net_unref(net);
}
END_TEST

/* ---- killed at every step ---- */

enum action { CREATE, OPEN, REMOVE };

static void act(enum action action)
{
	jl_ctx *own;

	if (jl_ctx_new(0, &own, NULL) < 0)
		_exit(2);
	if (action == CREATE && jl_net_create(own, "data", "10.1.0.0/24", NULL, NULL) < 0)
		_exit(3);
	if (action == OPEN) {
		jl_net *net;

		if (jl_net_open(own, "bridge", &net, NULL) < 0)
			_exit(4);
	}
	if (action == REMOVE && jl_net_remove(own, "data", NULL) < 0)
		_exit(5);
	_exit(0);
}

/* Runs it up to the entry of its n-th system call, then kills it. False when it has ended
 * before. */
static bool killed_at(enum action action, int n)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		(void)raise(SIGSTOP);
		act(action);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSTOPPED(status));
	ck_assert_int_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
	for (int i = 0; i < 2 * n; i++) {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			ck_assert_int_eq(WEXITSTATUS(status), 0);
			return false;
		}
	}
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return true;
}

/* Whatever was left: it can be used, or made again, and removed without a trace. */
static void ck_data_usable(bool may_be_gone)
{
	jl_endpoint *endpoint = NULL;
	jl_net *net = NULL;
	int r = jl_net_open(ctx, "data", &net, &err);

	if (r == -ENOENT && may_be_gone) {
		jl_error_free(err);
		err = NULL;
		ck_nothing_of_data();
		ck_ok(jl_net_create(ctx, "data", "10.1.0.0/24", &net, &err));
	} else {
		ck_ok(r);
	}
	ck_ok(jl_net_attach(net, "one", &endpoint, &err));
	ck_assert(says("10.1.0.1/24", "ip addr show dev joblet-data"));
	ck_assert(says("\"joblet-data\" . \"joblet-data\"",
		       "nft list set inet joblet pairs"));
	jl_endpoint_free(endpoint);
	jl_net_unref(net);
}

/* 1: at every system call; more: only at some, beginning anywhere. */
static int stride(void)
{
	const char *text = getenv("JOBLET_TEST_KILL_STRIDE");
	int number = text ? atoi(text) : 8;

	return number > 0 ? number : 1;
}

START_TEST(a_maker_killed_anywhere_leaves_what_can_be_repaired)
{
	int step = stride(), n = 1 + getpid() % step;

	while (killed_at(CREATE, n)) {
		ck_data_usable(true);
		ck_ok(jl_net_remove(ctx, "data", &err));
		ck_nothing_of_data();
		n += step;
	}
	printf("# killed at system call %d to %d, every %d\n", 1 + getpid() % step, n,
	       step);
	ck_assert_int_gt(n, 40);
}
END_TEST

START_TEST(a_remover_killed_anywhere_is_taken_up)
{
	int step = stride(), n = 1 + getpid() % step, turn = 0;

	for (;; n += step) {
		must_create("data", "10.1.0.0/24");
		if (!killed_at(REMOVE, n))
			break;
		if (turn++ % 2) {
			ck_data_usable(true);
			ck_ok(jl_net_remove(ctx, "data", &err));
		} else {
			int r = jl_net_remove(ctx, "data", &err);

			ck_assert(r == 0 || r == -ENOENT);
			jl_error_free(err);
			err = NULL;
		}
		ck_nothing_of_data();
	}
	printf("# killed at system call %d to %d, every %d\n", 1 + getpid() % step, n,
	       step);
	ck_assert_int_gt(n, 30);
}
END_TEST

/* ---- without memory ---- */

static long allocations_left = -1; /* -1: as many as are asked for */
static long allocations_held;

static bool may_allocate(void)
{
	if (allocations_left == 0)
		return false;
	if (allocations_left > 0)
		allocations_left--;
	return true;
}

static void *test_alloc(size_t bytes)
{
	void *ptr = may_allocate() ? malloc(bytes) : NULL;

	allocations_held += ptr != NULL;
	return ptr;
}

static void *test_resize(void *old, size_t bytes)
{
	void *ptr = may_allocate() ? realloc(old, bytes) : NULL;

	allocations_held += ptr && !old;
	return ptr;
}

static void test_release(void *ptr)
{
	allocations_held -= ptr != NULL;
	free(ptr);
}

static int use_network(void)
{
	jl_endpoint *endpoint = NULL;
	jl_net_list *list = NULL;
	jl_net *net = NULL;
	int r = jl_net_create(ctx, "data", "10.1.0.0/24", NULL, &err);

	if (r == 0)
		r = jl_net_open(ctx, "data", &net, &err);
	if (r == 0)
		r = jl_net_attach(net, "one", &endpoint, &err);
	if (r == 0)
		r = jl_net_list_new(ctx, &list, &err);
	jl_net_list_free(list);
	jl_endpoint_free(endpoint);
	jl_net_unref(net);
	return r < 0 ? r : jl_net_remove(ctx, "data", &err);
}

/* With the first, the second, the third … allocation failing, until all are had. */
START_TEST(without_memory_nothing_is_left_half_done)
{
	long held = allocations_held, n = 0;
	int r;

	do {
		allocations_left = n;
		r = use_network();
		allocations_left = -1;
		ck_assert_msg(r == 0 || r == -ENOMEM, "allocation %ld: %d %s", n, r,
			      jl_error_message(err));
		jl_error_free(err);
		err = NULL;
		ck_assert_msg(allocations_held == held, "allocation %ld leaks", n);
		if (r < 0) {
			r = jl_net_remove(ctx, "data", &err);
			ck_assert_msg(r == 0 || r == -ENOENT, "allocation %ld: %s", n,
				      jl_error_message(err));
			jl_error_free(err);
			err = NULL;
			r = -ENOMEM;
		}
		ck_nothing_of_data();
		n++;
	} while (r < 0);
	ck_nothing();
	printf("# %ld allocations\n", n - 1);
	ck_assert_int_gt(n, 20);
}
END_TEST

/* ---- at once ---- */

static pid_t start_create(const int gate[2], const char *name, const char *cidr)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char byte;
		int r;

		(void)close(gate[1]);
		if (read(gate[0], &byte, 1) != 0)
			_exit(1);
		r = jl_net_create(ctx, name, cidr, NULL, NULL);
		_exit(r == 0 ? 0 : r == -EEXIST ? 10 : r == -EADDRINUSE ? 11 : 1);
	}
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(two_at_once_are_one_after_the_other)
{
	for (int i = 0; i < 6; i++) {
		const char *other = i % 2 ? "data" : "else";
		int gate[2], one, two;
		pid_t first, second;

		ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
		first = start_create(gate, "data", "10.1.0.0/24");
		second = start_create(gate, other, "10.1.0.0/24");
		(void)close(gate[0]);
		(void)close(gate[1]);
		one = end_of(first);
		two = end_of(second);
		ck_assert_msg((one == 0) != (two == 0), "%d and %d", one, two);
		ck_assert_int_eq(one + two, i % 2 ? 10 : 11);
		ck_ok(jl_net_remove(ctx, one == 0 ? "data" : other, &err));
		ck_nothing();
	}
}
END_TEST

START_TEST(both_open_the_same_builtin)
{
	pid_t pids[4];

	for (size_t i = 0; i < COUNT(pids); i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (pids[i] == 0)
			act(OPEN);
	}
	for (size_t i = 0; i < COUNT(pids); i++)
		ck_assert_int_eq(end_of(pids[i]), 0);
}
END_TEST

/* JOBLET_TEST_DRILLS=0 leaves out what is done again and again, or as often as it goes.
 */
static bool has_time_for_drills(void)
{
	const char *text = getenv("JOBLET_TEST_DRILLS");

	return !text || strcmp(text, "0") != 0;
}

static void add(TCase *tcase)
{
	tcase_add_test(tcase, builtin_networks_are_made_when_first_used);
	tcase_add_test(tcase, networks_come_and_go);
	tcase_add_test(tcase, subnets_of_others_are_refused);
	tcase_add_test(tcase, isolated_moves_out_of_the_way);
	tcase_add_test(tcase, a_device_of_somebody_else_is_left_alone);
	tcase_add_test(tcase, removal_waits_for_the_last_job);
	tcase_add_test(tcase, spare_places_do_not_keep_a_network);
	tcase_add_test(tcase, others_rules_stay_as_they_are);
	tcase_add_test(tcase, a_full_network_says_so);
	tcase_add_test(tcase, of_many_ports_the_one_that_is_taken_is_named);
	tcase_add_test(tcase, names_come_and_go_in_place);
	tcase_add_test(tcase, resolvers_are_the_real_ones);
	tcase_add_test(tcase, flushed_rules_come_back);
	tcase_add_test(tcase, a_deleted_bridge_comes_back);
	tcase_add_test(tcase, both_open_the_same_builtin);
	tcase_add_test(tcase, a_place_is_open_when_it_is_there);
	if (!has_time_for_drills())
		return;
	tcase_add_test(tcase, the_last_place_costs_what_the_first_did);
	tcase_add_test(tcase, places_of_the_dead_are_freed);
	tcase_add_test(tcase, a_maker_killed_anywhere_leaves_what_can_be_repaired);
	tcase_add_test(tcase, a_remover_killed_anywhere_is_taken_up);
	tcase_add_test(tcase, without_memory_nothing_is_left_half_done);
	tcase_add_test(tcase, two_at_once_are_one_after_the_other);
}

int main(void)
{
	if (jl_set_allocator(test_alloc, test_resize, test_release) < 0)
		return EXIT_FAILURE;
	return lab_main("net_engine", 120, add);
}
