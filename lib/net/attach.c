/* SPDX-License-Identifier: MIT */
/*
 * A place for somebody who is not a job. The namespace is made by a child that shares our
 * memory and descriptors, so that no thread of the calling program ever leaves its own.
 */
#define JL_MODULE "net"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "net/net-priv.h"
#include "sys/sys.h"
#include "sys/wire.h"

#define STACK_BYTES ((size_t)64 << 10)

struct jl_endpoint {
	jl_net *net;
	int fd;
	struct jl__net_place place;
};

/* A network namespace, and a socket in it. */
struct space {
	int fd;
	int route;
	int code;
};

/* Where it cannot be switched off the rules let nothing of it through all the same. */
static void no_ipv6(const char *setting)
{
	long fd = jl__sys_openat(AT_FDCWD, setting, O_WRONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	(void)jl__sys_write((int)fd, "1", 1);
	(void)jl__sys_close((int)fd);
}

/* System calls only: the rest of the program stands still or goes on, as it likes. */
static int enter(void *arg)
{
	struct space *space = arg;

	no_ipv6("/proc/sys/net/ipv6/conf/all/disable_ipv6");
	no_ipv6("/proc/sys/net/ipv6/conf/default/disable_ipv6");
	space->route = jl__wire_socket(JL__WIRE_ROUTE);
	space->fd = (int)jl__sys_openat(AT_FDCWD, "/proc/self/ns/net",
					O_RDONLY | O_CLOEXEC, 0);
	space->code = space->route < 0 ? space->route : space->fd < 0 ? space->fd : 0;
	return 0;
}

static int run_child(struct space *space)
{
	uint64_t all = ~UINT64_C(0), old = 0;
	_cleanup_close_ int pidfd = -EBADF;
	struct clone_args args = {
		.flags =
			CLONE_NEWNET | CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.stack_size = STACK_BYTES,
	};
	siginfo_t info;
	long stack, r;

	stack = jl__sys_mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack < 0 && stack > -4096)
		return (int)stack;
	args.stack = (uint64_t)stack;
	/* A handler of the host program must not run in the child. */
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &all, &old, 8);
	r = jl__sys_clone3_call(&args, sizeof(args), enter, space);
	(void)jl__sys_rt_sigprocmask(SIG_SETMASK, &old, NULL, 8);
	if (r >= 0)
		while (jl__sys_waitid(P_PIDFD, pidfd, &info, WEXITED | __WALL, NULL) ==
		       -EINTR)
			;
	(void)jl__sys_munmap((void *)stack, STACK_BYTES);
	return r < 0 ? (int)r : 0;
}

static int wire_failed(const jl_net *net, uint32_t step, int r, jl_error **err)
{
	if (step == JL__WIRE_PAIR && r == -ENODEV)
		return jl__fail(err, -ENOENT, "network \"%s\" has been removed",
				net->name);
	if (step == JL__WIRE_PAIR && r == -EXFULL)
		return jl__fail(
			err, -ENOSPC,
			"network \"%s\" is full: %u jobs are what a bridge of the kernel takes",
			net->name, PORTS_MAX);
	return jl__fail_errno(err, r, "cannot connect a namespace to network \"%s\"",
			      net->name);
}

static int connect_namespace(jl_endpoint *endpoint, jl_error **err)
{
	struct space space = { .fd = -EBADF, .route = -EBADF, .code = -EINTR };
	_cleanup_close_ int proc = -EBADF, route = -EBADF;
	struct jl__wire_ends ends = { .host = endpoint->net->route };
	uint32_t step = 0;
	int r = run_child(&space);

	endpoint->fd = ends.netns = space.fd;
	route = ends.inside = space.route;
	if (r == -EPERM)
		return jl__fail(
			err, r,
			"cannot make a network namespace: it needs CAP_SYS_ADMIN");
	if (r < 0 || space.code < 0)
		return jl__fail_errno(err, r < 0 ? r : space.code,
				      "cannot make a network namespace");
	proc = ends.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = jl__wire_lay(&endpoint->place.wire, &ends, &step);
	return r < 0 ? wire_failed(endpoint->net, step, r, err) : 0;
}

static int check_name(const char *name, jl_error **err)
{
	size_t len = name ? strnlen(name, 65) : 1;

	if (!name)
		return 0;
	for (size_t i = 0; i < len; i++) {
		bool alnum = (name[i] >= 'a' && name[i] <= 'z') ||
			     (name[i] >= 'A' && name[i] <= 'Z') ||
			     (name[i] >= '0' && name[i] <= '9');

		if (!alnum && (i == 0 || i == len - 1 || !strchr("_.-", name[i])))
			len = 0;
	}
	if (len == 0 || len > 63)
		return jl__fail(
			err, -EINVAL,
			"the name of an endpoint is 1 to 63 letters, digits, \"_\", \".\" and \"-\", first and last a letter or digit");
	return 0;
}

int jl_net_attach(jl_net *net, const char *name, jl_endpoint **ret_endpoint,
		  jl_error **ret_err)
{
	static const struct jl__net_policy everything;
	jl_endpoint *endpoint;
	int r;

	jl__error_init(ret_err);
	r = check_name(name, ret_err);
	if (r < 0)
		return r;
	endpoint = jl__calloc(1, sizeof(*endpoint));
	if (!endpoint)
		return jl__oom(ret_err);
	endpoint->fd = -EBADF;
	r = jl__net_place_take(net, 0, &endpoint->place, ret_err);
	if (r < 0) {
		jl__free(endpoint);
		return r;
	}
	endpoint->net = jl_net_ref(net);
	r = jl__net_place_claim(net, &endpoint->place, &everything, NULL, name, ret_err);
	if (r == 0)
		r = connect_namespace(endpoint, ret_err);
	if (r < 0)
		jl_endpoint_free(endpoint);
	else
		*ret_endpoint = endpoint;
	return r;
}

void jl_endpoint_free(jl_endpoint *endpoint)
{
	if (!endpoint)
		return;
	jl__net_place_release(endpoint->net, &endpoint->place);
	(void)jl__close(endpoint->fd);
	jl_net_unref(endpoint->net);
	jl__free(endpoint);
}

int jl_endpoint_get_fd(const jl_endpoint *endpoint)
{
	return endpoint->fd;
}

const char *jl_endpoint_get_address(const jl_endpoint *endpoint)
{
	return endpoint->place.text;
}
