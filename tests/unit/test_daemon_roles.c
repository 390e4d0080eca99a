/* SPDX-License-Identifier: MIT */
/* Roles by name, by user and group; and who every method of the daemon is for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "joblet.pb-c.h"
#include "joblet_ext.pb-c.h"
#include "roles.h"
#include "services.h"

/* Last: it has a macro with the name of a function of the daemon. */
#include <check.h>

static const struct {
	const char *text;
	uint32_t role;
} words[] = {
	{ "admin", ROLE_ADMIN },
	{ "ADMIN", ROLE_ADMIN },
	{ "Maintainer", ROLE_MAINTAINER },
	{ "developer", ROLE_DEVELOPER },
	{ "viewer", ROLE_VIEWER },
	{ "ReAdEr", ROLE_VIEWER },
	{ "", 0 },
	{ "admin ", 0 },
	{ " admin", 0 },
	{ "administrator", 0 },
	{ "adm", 0 },
	{ "unknown", 0 },
	{ "Server", 0 },
	{ "CA", 0 },
	{ "admin,viewer", 0 },
};

START_TEST(words_are_roles_or_nothing)
{
	ck_assert_uint_eq(role_by_name(words[_i].text), words[_i].role);
}
END_TEST

START_TEST(every_role_has_a_name_and_none_is_unknown)
{
	ck_assert_str_eq(role_name(ROLE_ADMIN), "admin");
	ck_assert_str_eq(role_name(ROLE_MAINTAINER), "maintainer");
	ck_assert_str_eq(role_name(ROLE_DEVELOPER), "developer");
	ck_assert_str_eq(role_name(ROLE_VIEWER), "viewer");
	ck_assert_str_eq(role_name(0), "unknown");
	ck_assert_str_eq(role_name(1 << ROLE_COUNT), "unknown");
}
END_TEST

/* ---- local users ---- */

static struct jl__server_config *config_of(const char *local)
{
	char text[512], error[JL__CONFIG_ERROR_MAX];
	struct jl__server_config *config;
	int len = snprintf(text, sizeof(text), "security:\n  local: {%s}\n", local);

	ck_assert_int_eq(
		jl__server_config_parse("test", text, (size_t)len, &config, error), 0);
	return config;
}

START_TEST(the_highest_of_a_users_roles_counts)
{
	struct jl__server_config *config =
		config_of("admin: [root, '1001'], developer: ['@50', '1002'], "
			  "viewer: ['1001', '@60', '@50']");
	const gid_t fifty[] = { 7, 50 }, sixty[] = { 60 }, both[] = { 60, 50 };
	struct local_roles roles;
	struct sentence why;

	ck_assert_int_eq(local_roles_load(config, &roles, &why), 0);
	ck_assert_uint_eq(local_roles_of(&roles, 0, NULL, 0), ROLE_ADMIN);
	ck_assert_uint_eq(local_roles_of(&roles, 1001, sixty, 1), ROLE_ADMIN);
	ck_assert_uint_eq(local_roles_of(&roles, 1002, sixty, 1), ROLE_DEVELOPER);
	ck_assert_uint_eq(local_roles_of(&roles, 4711, fifty, 2), ROLE_DEVELOPER);
	ck_assert_uint_eq(local_roles_of(&roles, 4711, both, 2), ROLE_DEVELOPER);
	ck_assert_uint_eq(local_roles_of(&roles, 4711, sixty, 1), ROLE_VIEWER);
	ck_assert_uint_eq(local_roles_of(&roles, 4711, fifty, 1), 0);
	ck_assert_uint_eq(local_roles_of(&roles, 4711, NULL, 0), 0);
	/* A user with the number of a group is another one. */
	ck_assert_uint_eq(local_roles_of(&roles, 50, NULL, 0), 0);
	ck_assert_uint_eq(local_roles_of(&roles, 4711, (gid_t[]){ 1001 }, 1), 0);
	local_roles_free(&roles);
	jl__server_config_free(config);
}
END_TEST

static const struct {
	const char *local, *part;
} nobody[] = {
	{ "admin: [no-such-user-here]", "the user 'no-such-user-here'" },
	{ "viewer: ['@no-such-group-here']", "the group 'no-such-group-here'" },
	/* (uid_t)-1 means "no change" to the kernel and nobody to us. */
	{ "admin: ['4294967295']", "the user '4294967295'" },
	{ "admin: ['@']", "the group ''" },
};

START_TEST(a_name_nobody_has_is_refused)
{
	struct jl__server_config *config = config_of(nobody[_i].local);
	struct local_roles roles;
	struct sentence why;

	ck_assert_int_eq(local_roles_load(config, &roles, &why), -ENOENT);
	ck_assert_msg(strstr(why.text, nobody[_i].part) != NULL, "%s", why.text);
	jl__server_config_free(config);
}
END_TEST

/* ---- the methods ---- */

/* Plain HTTP: GET only, for looking only. By hand: one more of them is one more here. */
static const char *const routes[] = {
	"/healthz",
	"/v1/jobs",
	"/v1/jobs/*",
	"/v1/jobs/*/log",
};

static const ProtobufCServiceDescriptor *const services[] = {
	&joblet__job_service__descriptor,     &joblet__network_service__descriptor,
	&joblet__volume_service__descriptor,  &joblet__monitoring_service__descriptor,
	&joblet__runtime_service__descriptor, &joblet__x__v1__job_extension__descriptor,
};

static bool is_route(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		if (strcmp(routes[i], path) == 0)
			return true;
	}
	return false;
}

static bool is_described(const char *path)
{
	char other[256];

	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		for (unsigned int j = 0; j < services[i]->n_methods; j++) {
			(void)snprintf(other, sizeof(other), "/%s/%s", services[i]->name,
				       services[i]->methods[j].name);
			if (strcmp(other, path) == 0)
				return true;
		}
	}
	return false;
}

static const struct jl__rpc_method *method_of(const struct jl__rpc_method *all,
					      const char *path)
{
	for (; all->path; all++) {
		if (strcmp(all->path, path) == 0)
			return all;
	}
	return NULL;
}

START_TEST(every_method_of_the_proto_is_in_the_table)
{
	struct jl__rpc_method *all = methods_new(NULL);
	size_t count = 0;

	ck_assert_ptr_nonnull(all);
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		for (unsigned int j = 0; j < services[i]->n_methods; j++) {
			char path[256];

			(void)snprintf(path, sizeof(path), "/%s/%s", services[i]->name,
				       services[i]->methods[j].name);
			ck_assert_msg(method_of(all, path) != NULL, "%s", path);
			count++;
		}
	}
	/* tests/daemon/test_roles.py asks for each of them what role it takes. */
	ck_assert_uint_eq(count, 31);
	free(all);
}
END_TEST

START_TEST(every_row_of_the_table_is_known_here_and_for_somebody)
{
	struct jl__rpc_method *all = methods_new(NULL);

	ck_assert_ptr_nonnull(all);
	for (const struct jl__rpc_method *m = all; m->path; m++) {
		ck_assert_msg(is_route(m->path) != is_described(m->path), "%s", m->path);
		ck_assert_msg((m->kind == JL__RPC_GET) == is_route(m->path), "%s",
			      m->path);
		ck_assert_msg(m->roles == FOR_ALL || m->roles == FOR_DEVELOPER ||
				      m->roles == FOR_MAINTAINER || m->roles == FOR_ADMIN,
			      "%s", m->path);
		ck_assert_msg(m->kind != JL__RPC_GET || m->roles == FOR_ALL, "%s",
			      m->path);
		ck_assert_msg(m->operation && *m->operation, "%s", m->path);
		ck_assert_ptr_eq(method_of(all, m->path), m);
	}
	free(all);
}
END_TEST

/* What a viewer may call begins like this; anything else changes something. */
START_TEST(viewers_have_methods_for_looking_only)
{
	static const char *const looks[] = { "Get", "List", "Stream", "Wait", "Who" };
	struct jl__rpc_method *all = methods_new(NULL);

	ck_assert_ptr_nonnull(all);
	for (const struct jl__rpc_method *m = all; m->path; m++) {
		const char *name = strrchr(m->path, '/') + 1;
		bool look = m->kind == JL__RPC_GET;

		for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++)
			look = look || strncmp(name, looks[i], strlen(looks[i])) == 0;
		ck_assert_msg(((m->roles & ROLE_VIEWER) != 0) == look, "%s", m->path);
	}
	free(all);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon_roles");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_loop_test(tc, words_are_roles_or_nothing, 0,
			    sizeof(words) / sizeof(*words));
	tcase_add_test(tc, every_role_has_a_name_and_none_is_unknown);
	tcase_add_test(tc, the_highest_of_a_users_roles_counts);
	tcase_add_loop_test(tc, a_name_nobody_has_is_refused, 0,
			    sizeof(nobody) / sizeof(*nobody));
	tcase_add_test(tc, every_method_of_the_proto_is_in_the_table);
	tcase_add_test(tc, every_row_of_the_table_is_known_here_and_for_somebody);
	tcase_add_test(tc, viewers_have_methods_for_looking_only);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
