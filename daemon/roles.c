/* SPDX-License-Identifier: MIT */
#include "roles.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	uint32_t role;
} names[] = {
	{ "admin", ROLE_ADMIN },	 { "maintainer", ROLE_MAINTAINER },
	{ "developer", ROLE_DEVELOPER }, { "viewer", ROLE_VIEWER },
	{ "reader", ROLE_VIEWER },
};

const char *role_name(uint32_t role)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (names[i].role & role)
			return names[i].name;
	}
	return "unknown";
}

uint32_t role_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcasecmp(names[i].name, name) == 0)
			return names[i].role;
	}
	return 0;
}

static int look_up(const char *text, struct local_role *item, struct sentence *why)
{
	const char *name = *text == '@' ? text + 1 : text;
	uint64_t number;

	item->group = *text == '@';
	if (jl__value_number(name, &number) == 0 && number < UINT32_MAX) {
		item->id = (uint32_t)number;
	} else if (item->group) {
		const struct group *group = getgrnam(name);

		if (!group)
			return fail(
				why, -ENOENT,
				"security.local names the group '%s', and this machine "
				"has no such group",
				name);
		item->id = group->gr_gid;
	} else {
		const struct passwd *user = getpwnam(name);

		if (!user)
			return fail(
				why, -ENOENT,
				"security.local names the user '%s', and this machine "
				"has no such user",
				name);
		item->id = user->pw_uid;
	}
	return 0;
}

int local_roles_load(const struct jl__server_config *config, struct local_roles *ret,
		     struct sentence *why)
{
	struct local_roles roles = { 0 };
	size_t count = 0;

	for (int i = 0; i < ROLE_COUNT; i++)
		count += config->local[i].count;
	roles.items = calloc(count + 1, sizeof(*roles.items));
	if (!roles.items)
		return fail(why, -ENOMEM, "out of memory");
	for (int i = 0; i < ROLE_COUNT; i++) {
		for (size_t j = 0; j < config->local[i].count; j++) {
			struct local_role *item = &roles.items[roles.count++];
			int r = look_up(config->local[i].items[j], item, why);

			item->role = UINT32_C(1) << i;
			if (r < 0) {
				local_roles_free(&roles);
				return r;
			}
		}
	}
	*ret = roles;
	return 0;
}

void local_roles_free(struct local_roles *roles)
{
	free(roles->items);
	*roles = (struct local_roles){ 0 };
}

uint32_t local_roles_of(const struct local_roles *roles, uid_t uid, const gid_t *groups,
			size_t group_count)
{
	uint32_t best = 0;

	for (size_t i = 0; i < roles->count; i++) {
		const struct local_role *item = &roles->items[i];
		bool fits = !item->group && item->id == uid;

		for (size_t j = 0; item->group && j < group_count; j++)
			fits = fits || item->id == groups[j];
		/* The lower the bit, the more the role may do. */
		if (fits && (!best || item->role < best))
			best = item->role;
	}
	return best;
}
