/* SPDX-License-Identifier: MIT */
/* Networks of a node outlive a restart of the machine, which forgets all of them. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <joblet/node.h>

#include "net_world.h"

#define NAME "mynet"
#define CIDR "10.77.0.0/24"

static char state[64];
static jl_ctx *own;
static jl_node *node;

static void open_node(void)
{
	own = open_ctx(0);
	ck_ok(jl_ctx_set_state_dir(own, state, &err));
	ck_ok(jl_node_open(own, NULL, &node, &err));
}

static void close_node(void)
{
	node = jl_node_unref(node);
	own = jl_ctx_unref(own);
}

/* One that knows no networks: the files in /run and the kernel's part are gone. */
static void fresh_machine(void)
{
	ck_assert_int_eq(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("test", "/run/joblet/net", "tmpfs", 0, "mode=700"), 0);
	ck_assert_int_eq(system("ip link set lo up"), 0);
}

static void set_up(void)
{
	(void)snprintf(state, sizeof(state), "/tmp/joblet-node-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state));
	fresh_machine();
	open_node();
}

static void restart_machine(void)
{
	close_node();
	fresh_machine();
}

static void tear_down(void)
{
	char command_line[128];

	close_node();
	(void)snprintf(command_line, sizeof(command_line), "rm -rf %s", state);
	ck_assert_int_eq(system(command_line), 0);
}

static int look_for(const char *name)
{
	jl_net *net = NULL;
	int r = jl_net_open(own, name, &net, NULL);

	(void)jl_net_unref(net);
	return r;
}

START_TEST(networks_are_made_again_after_a_restart)
{
	jl_submission *sub;
	jl_job_info *info;
	jl_job_spec *spec;

	ck_ok(jl_node_create_net(node, NAME, CIDR, &err));
	ck_ok(jl_node_create_net(node, "other", "10.78.0.0/24", &err));
	restart_machine();
	ck_assert_str_eq(run_at(false, "ip -o link | grep -v ' lo:'"), "");
	open_node();
	ck_ok(look_for(NAME));
	ck_ok(look_for("other"));
	/* And can be used. */
	ck_ok(jl_submission_new(node, &sub, &err));
	spec = jl_submission_spec(sub);
	put_mark(spec);
	ck_ok(jl_job_spec_add_arg(spec, "true", &err));
	ck_ok(jl_job_spec_set_network_name(spec, NAME, &err));
	ck_ok(jl_node_submit(node, sub, &info, &err));
	jl_submission_free(sub);
	ck_assert_str_eq(jl_job_info_get_text(info, JL_INFO_ADDRESS), "10.77.0.2");
	ck_ok(jl_node_wait(node, jl_job_info_get_id(info), (uint64_t)(30e6 * patience), &err));
	jl_job_info_free(info);
	/* Opened once more they are what they were. */
	close_node();
	open_node();
	ck_ok(look_for(NAME));
	/* What was removed stays away. */
	ck_ok(jl_node_remove_net(node, NAME, &err));
	restart_machine();
	open_node();
	ck_assert_int_eq(look_for(NAME), -ENOENT);
	ck_ok(look_for("other"));
	ck_ok(jl_node_remove_net(node, "other", &err));
}
END_TEST

START_TEST(one_that_cannot_be_made_keeps_nobody_out)
{
	jl_submission *sub;
	jl_job_info *info = NULL;
	jl_job_spec *spec;

	ck_ok(jl_node_create_net(node, NAME, CIDR, &err));
	restart_machine();
	/* Meanwhile the machine got a place in there. */
	ck_assert_int_eq(system("ip link add taken type veth peer name peer && "
				"ip addr add 10.77.0.9/24 dev taken && "
				"ip link set taken up"),
			 0);
	open_node();
	ck_assert_int_eq(look_for(NAME), -ENOENT);
	ck_ok(jl_submission_new(node, &sub, &err));
	spec = jl_submission_spec(sub);
	ck_ok(jl_job_spec_add_arg(spec, "true", &err));
	ck_ok(jl_job_spec_set_network_name(spec, NAME, &err));
	ck_fails(jl_node_submit(node, sub, &info, &err), -ENOENT, NAME);
	jl_submission_free(sub);
	/* It is there all the same, and has failed. */
	ck_assert_uint_eq(jl_job_info_get_number(info, JL_INFO_STATE), JL_STATE_FAILED);
	jl_job_info_free(info);
	/* It is not forgotten: when there is room, it is made. */
	ck_assert_int_eq(system("ip link del taken"), 0);
	close_node();
	open_node();
	ck_ok(look_for(NAME));
	ck_ok(jl_node_remove_net(node, NAME, &err));
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, networks_are_made_again_after_a_restart);
	tcase_add_test(tcase, one_that_cannot_be_made_keeps_nobody_out);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, "net_node", 60, add);
}
