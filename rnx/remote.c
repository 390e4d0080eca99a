/* SPDX-License-Identifier: MIT */
/*
 * Whether a daemon is asked for, without loading what it takes to talk to one: that is in
 * a module of its own, opened only then.
 */
#include "remote.h"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include "remote/module.h"

/* The module, found by the program's own run path; opened once. */
static int load(const struct remote_module **ret, struct fault *fault)
{
	static const struct remote_module *module;
	void *handle;

	if (!module) {
		handle = dlopen(REMOTE_MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
		if (!handle)
			return fault_set(fault, -EOPNOTSUPP,
					 "cannot load the client of servers: %s",
					 dlerror());
		module = dlsym(handle, REMOTE_MODULE_SYMBOL);
		if (!module || module->version != REMOTE_MODULE_VERSION) {
			module = NULL;
			(void)dlclose(handle);
			return fault_set(fault, -EOPNOTSUPP,
					 REMOTE_MODULE_FILE
					 " is of another version: install "
					 "rnx and it together");
		}
	}
	*ret = module;
	return 0;
}

int remote_open(const struct options *opts, struct backend **ret_backend,
		struct fault *fault)
{
	const struct remote_module *module;
	int r;

	/* Or where the daemon of this machine would be. */
	if (!remote_asked(opts) && access(REMOTE_SOCKET, F_OK) < 0)
		return 0;
	r = load(&module, fault);
	return r < 0 ? r : module->open(opts, ret_backend, fault);
}

int remote_nodes(const struct options *opts, struct node_entries *ret_nodes,
		 struct fault *fault)
{
	const struct remote_module *module;
	int r = load(&module, fault);

	return r < 0 ? r : module->nodes(opts, ret_nodes, fault);
}

void remote_nodes_done(struct node_entries *nodes)
{
	const struct remote_module *module;
	struct fault fault;

	if (load(&module, &fault) == 0)
		module->nodes_done(nodes);
}
