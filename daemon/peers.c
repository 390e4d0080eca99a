/* SPDX-License-Identifier: MIT */
#include "peers.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services.h"

/* The first unit that is a role counts, over all units. */
static uint32_t role_of_units(const struct jl__rpc_peer *peer)
{
	for (unsigned int i = 0; i < peer->n_units; i++) {
		uint32_t role = role_by_name(peer->units[i]);

		if (role)
			return role;
	}
	return 0;
}

static char *name_of_user(uid_t uid)
{
	const struct passwd *user = getpwuid(uid);
	char *name;

	if (user ? asprintf(&name, "%s@local", user->pw_name) < 0
		 : asprintf(&name, "uid %u@local", (unsigned int)uid) < 0)
		return NULL;
	return name;
}

static void identify(void *data, struct jl__rpc_peer *peer)
{
	const struct serving *s = data;

	if (peer->certified) {
		peer->roles = role_of_units(peer);
		peer->data = strdup(peer->common_name);
	} else if (peer->local) {
		/* The primary group is none of the others. */
		gid_t groups[JL__RPC_GROUPS_MAX + 1];
		size_t count = peer->n_groups;

		memcpy(groups, peer->groups, count * sizeof(*groups));
		groups[count++] = peer->gid;
		peer->roles = local_roles_of(&s->local, peer->uid, groups, count);
		peer->data = name_of_user(peer->uid);
	}
	peer->role = role_name(peer->roles);
	/* Who cannot be written down may do nothing. */
	if (!peer->data)
		peer->roles = 0;
}

static void forget(void *data, struct jl__rpc_peer *peer)
{
	(void)data;
	free(peer->data);
	peer->data = NULL;
}

static void refused(void *data, const struct jl__rpc_peer *peer,
		    const struct jl__rpc_method *method)
{
	const struct serving *s = data;
	const struct audit_line line = {
		.user = caller_name(peer),
		.role = role_name(peer->roles),
		.peer = peer->address,
		.serial = peer->serial,
		.call = method ? method->path : "",
		.target = "",
		.detail = "",
		.result = jl__rpc_code_name(JL__RPC_PERMISSION_DENIED),
		.reason = "the role does not allow it",
	};

	journal_audit(s->journal, &line);
}

static void dropped(void *data, const char *address, const char *reason)
{
	const struct serving *s = data;

	journal_log(s->journal, JL_LOG_INFO, "connection from %s dropped: %s", address,
		    reason);
}

void peers_set_hooks(struct serving *s, struct jl__rpc_hooks *hooks)
{
	*hooks = (struct jl__rpc_hooks){
		.identify = identify,
		.forget = forget,
		.refused = refused,
		.dropped = dropped,
		.unknown = methods_unknown,
		.data = s,
	};
}
