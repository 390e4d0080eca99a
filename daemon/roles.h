/* SPDX-License-Identifier: MIT */
/* Who may do what: the four roles, from a certificate's units or a local user. Pure but
 * for the look-up of users and groups. */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/server.h"
#include "text.h"

/* Each role may do all that the ones below it may. */
enum {
	ROLE_ADMIN = 1 << 0,
	ROLE_MAINTAINER = 1 << 1,
	ROLE_DEVELOPER = 1 << 2,
	ROLE_VIEWER = 1 << 3,
	ROLE_COUNT = 4
};

/* Who a method is for. */
#define FOR_ADMIN ROLE_ADMIN
#define FOR_MAINTAINER (ROLE_ADMIN | ROLE_MAINTAINER)
#define FOR_DEVELOPER (FOR_MAINTAINER | ROLE_DEVELOPER)
#define FOR_ALL (FOR_DEVELOPER | ROLE_VIEWER)

/* "admin", "maintainer", "developer", "viewer"; "unknown" for 0. Static. */
const char *role_name(uint32_t role);
/* admin, maintainer, developer, viewer or reader, in any case; 0 for others. */
uint32_t role_by_name(const char *name);

/* Local users and groups with a role, looked up once. */
struct local_role {
	bool group;
	uint32_t id;
	uint32_t role;
};
struct local_roles {
	struct local_role *items;
	size_t count;
};
/*
 * Looks up what security.local says. A name nobody has is a failure: it would open the
 * door to whoever is given that name later, or hide a typing error.
 */
int local_roles_load(const struct jl__server_config *config, struct local_roles *ret,
		     struct sentence *why);
void local_roles_free(struct local_roles *roles);
/* The highest role that this user or one of its groups has; 0 for none. */
uint32_t local_roles_of(const struct local_roles *roles, uid_t uid, const gid_t *groups,
			size_t group_count);

#endif
