/* SPDX-License-Identifier: MIT */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "authority.h"
#include "certs.h"
#include "commands.h"
#include "files.h"
#include "listen.h"
#include "notify.h"
#include "open_node.h"
#include "peers.h"
#include "services.h"

/* Where the audit goes when the configuration does not say. */
#define AUDIT_FILE "audit.log"
#define STATE_DIR "/var/lib/joblet"
#define RETRY_USEC 200000 /* until a node that failed is looked at again */

/* ---- configuration ---- */

static int audit_path(const struct jl__server_config *config, char *to, size_t size,
		      struct sentence *why)
{
	const char *folder = *config->state_dir ? config->state_dir : STATE_DIR;
	int fd, r;

	if (*config->audit_file || !config->audit) {
		(void)snprintf(to, size, "%s", config->audit_file);
		return 0;
	}
	/* The node's folder, which may not be there yet. */
	r = folder_open(folder, 0700, &fd, why);
	if (r < 0)
		return r;
	(void)close(fd);
	(void)snprintf(to, size, "%s/%s", folder, AUDIT_FILE);
	return 0;
}

static void warn_expiry(const struct serving *s)
{
	int64_t now = (int64_t)time(NULL);
	struct certs_expiry expiry;
	struct sentence why;
	char text[SENTENCE_MAX];

	if (s->local_only || certs_get_expiry(s->config, &expiry, &why) < 0)
		return;
	if (cert_days_left(expiry.server, now) < CERT_WARN_DAYS) {
		certs_expiry_text(text, "the certificate of the daemon", expiry.server,
				  now, "renew it with joblet cert server --renew");
		journal_log(s->journal, JL_LOG_WARNING, "%s", text);
	}
	if (cert_days_left(expiry.authority, now) < CERT_WARN_DAYS) {
		certs_expiry_text(text, "the certificate of the authority",
				  expiry.authority, now,
				  "make a new one with joblet cert init --new-authority");
		journal_log(s->journal, JL_LOG_WARNING, "%s", text);
	}
}

static void take_over(struct serving *s, struct jl__server_config *config,
		      struct local_roles local)
{
	jl__server_config_free(s->config);
	local_roles_free(&s->local);
	s->config = config;
	s->local = local;
	for (size_t i = 0; i < config->warnings.count; i++)
		journal_log(s->journal, JL_LOG_WARNING, "%s", config->warnings.items[i]);
	warn_expiry(s);
}

/* Certificates and files of a configuration; those of the old one when that fails. */
static int open_what_it_names(struct serving *s, const struct jl__server_config *config,
			      struct sentence *why)
{
	bool with_tls = s->server && !s->local_only;
	char path[PATH_MAX + 16];
	struct sentence ignored;
	int r = audit_path(config, path, sizeof(path), why);

	if (r == 0 && with_tls)
		r = listen_set_tls(s, config, why);
	if (r < 0)
		return r;
	r = journal_open(&s->journal, config, config->audit ? path : NULL, why);
	if (r < 0 && with_tls)
		(void)listen_set_tls(s, s->config, &ignored);
	return r;
}

/* Reads the file and what belongs to it into a serving object; all or nothing. */
static int take_config(struct serving *s, struct sentence *why)
{
	char error[JL__CONFIG_ERROR_MAX];
	struct jl__server_config *config;
	struct local_roles local = { 0 };
	int r = jl__server_config_load(s->config_path, &config, error);

	if (r < 0)
		return fail(why, r, "%.*s", SENTENCE_MAX - 1, error);
	r = local_roles_load(config, &local, why);
	if (r == 0)
		r = open_what_it_names(s, config, why);
	if (r == 0) {
		take_over(s, config, local);
		return 0;
	}
	local_roles_free(&local);
	jl__server_config_free(config);
	return r;
}

/*
 * SIGHUP: files, levels, roles and certificates are taken up; open streams stay. What the
 * node was opened with needs a restart, and the log says so where it differs.
 */
static void reload(struct serving *s)
{
	struct sentence why;

	notify_reloading();
	if (take_config(s, &why) < 0) {
		journal_log(s->journal, JL_LOG_ERROR,
			    "reload failed, going on as before: %s", why.text);
	} else {
		listen_set_mode(s);
		jl__rpc_server_identify(s->server);
		journal_log(s->journal, JL_LOG_INFO,
			    "configuration reloaded; addresses, limits and places change "
			    "with the next restart");
	}
	notify("READY=1");
}

/* ---- the loop's handlers ---- */

static void drain(struct serving *s, int number)
{
	if (s->draining) {
		/* Asked twice: at once. */
		jl__rpc_server_drain(s->server, 0);
		return;
	}
	journal_log(s->journal, JL_LOG_INFO,
		    "%s: no more calls; those under way have %llu s, jobs go on",
		    strsignal(number),
		    (unsigned long long)(s->config->drain_usec / 1000000));
	notify("STOPPING=1");
	s->draining = true;
	jl__rpc_server_drain(s->server, s->config->drain_usec);
}

static void signals_ready(struct watch *watch, uint32_t events)
{
	struct serving *s =
		(struct serving *)(void *)((char *)watch -
					   offsetof(struct serving, signal_watch));
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(s);
		else
			drain(s, (int)info.ssi_signo);
	}
}

/* Whether there were any. */
static bool take_changes(struct serving *s)
{
	jl_error *err = NULL;
	jl_job_info *info;
	bool any = false;
	int r;

	while ((r = jl_node_next_change(s->node, &info, &err)) > 0) {
		journal_log(
			s->journal, JL_LOG_DEBUG, "job %s: %s", jl_job_info_get_id(info),
			jl_state_name((int)jl_job_info_get_number(info, JL_INFO_STATE)));
		wait_changed(s, info);
		jl_job_info_free(info);
		any = true;
	}
	if (r < 0)
		journal_log(s->journal, JL_LOG_ERROR, "%s", jl_error_message(err));
	jl_error_free(err);
	return any;
}

static void node_retry_due(struct timer *timer)
{
	/* Being awake is all: idle() does it. */
	(void)timer;
}

/*
 * What the node could not take up (its disk is full, for instance) leaves its descriptor
 * ready, so that is not looked at for a while; and what stays wrong is logged once.
 */
static void node_failed(struct serving *s, const char *why)
{
	if (strncmp(why, s->node_error, sizeof(s->node_error) - 1) != 0)
		journal_log(s->journal, JL_LOG_ERROR, "%s", why);
	(void)snprintf(s->node_error, sizeof(s->node_error), "%s", why);
	loop_unwatch(s->loop, &s->node_watch);
	s->node_waits = true;
	s->node_retry.due = node_retry_due;
	loop_set_timer(s->loop, &s->node_retry, monotonic_usec() + RETRY_USEC);
}

static void node_is_well(struct serving *s)
{
	int r = 0;

	if (s->node_watch.fd < 0)
		r = loop_watch(s->loop, &s->node_watch, jl_node_get_fd(s->node), EPOLLIN);
	if (r < 0) {
		node_failed(s, strerror(-r));
		return;
	}
	s->node_waits = false;
	s->node_error[0] = '\0';
}

/*
 * Lets the node do what is due, when there is something: asking it costs a dozen looks at
 * its store, and most turns of the loop are about bytes of a connection. Whether any job
 * changed.
 */
static bool process_node(struct serving *s)
{
	struct pollfd one = { jl_node_get_fd(s->node), POLLIN, 0 };
	jl_error *err = NULL;
	int r;

	if (!s->node_waits && poll(&one, 1, 0) == 0)
		return false;
	if (s->node_retry.at_usec)
		return take_changes(s);
	r = jl_node_process(s->node, &err);
	if (r < 0)
		node_failed(s, jl_error_message(err));
	else
		node_is_well(s);
	jl_error_free(err);
	return take_changes(s);
}

static void ready(struct watch *watch, uint32_t events)
{
	/* The work is done in idle(), for this and for what handlers began. */
	(void)watch;
	(void)events;
}

static void idle(void *data)
{
	struct serving *s = data;
	int r;

	later_turn(s);
	(void)process_node(s);
	do {
		r = jl__rpc_server_process(s->server);
		if (r < 0)
			journal_log(s->journal, JL_LOG_ERROR, "cannot serve: %s",
				    strerror(-r));
		/*
		 * Handlers use the node, and what they were not looking for they leave to
		 * be taken up here; calls that are answered by that are to be sent.
		 */
	} while (process_node(s) && r == 0);
}

static void watchdog_due(struct timer *timer)
{
	struct serving *s =
		(struct serving *)(void *)((char *)timer -
					   offsetof(struct serving, watchdog));

	notify("WATCHDOG=1");
	loop_set_timer(s->loop, timer, monotonic_usec() + s->watchdog_usec);
}

/* ---- opening and closing ---- */

static int open_signals(struct serving *s, struct sentence *why)
{
	sigset_t set;
	int fd, r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return fail(why, -errno, "cannot watch for signals: %s", strerror(errno));
	s->signal_watch.ready = signals_ready;
	r = loop_watch(s->loop, &s->signal_watch, fd, EPOLLIN);
	if (r < 0) {
		(void)close(fd);
		return fail(why, r, "cannot watch for signals: %s", strerror(-r));
	}
	return 0;
}

static int open_server(struct serving *s, struct sentence *why)
{
	const struct jl__server_config *c = s->config;
	const struct jl__rpc_limits limits = {
		.connections = (uint32_t)c->max_connections,
		.connections_of_peer = (uint32_t)c->max_peer_connections,
		.streams = (uint32_t)c->max_streams,
		.header_bytes = c->max_header_bytes,
		.upload_budget = c->upload_budget_bytes,
		.handshake_usec = c->handshake_usec,
		.idle_usec = c->idle_usec,
		.keepalive_usec = c->ping_usec,
		.keepalive_timeout_usec = c->ping_timeout_usec,
	};
	struct jl__rpc_hooks hooks;
	jl_error *err = NULL;
	int r;

	peers_set_hooks(s, &hooks);
	s->methods = methods_new(s);
	if (!s->methods)
		return fail(why, -ENOMEM, "out of memory");
	r = jl__rpc_server_new(s->methods, &limits, &hooks, &s->server, &err);
	if (r < 0) {
		(void)fail(why, r, "cannot serve: %s", jl_error_message(err));
		jl_error_free(err);
		return r;
	}
	s->server_watch.ready = ready;
	r = loop_watch(s->loop, &s->server_watch, jl__rpc_server_fd(s->server), EPOLLIN);
	if (r == 0) {
		s->node_watch.ready = ready;
		r = loop_watch(s->loop, &s->node_watch, jl_node_get_fd(s->node), EPOLLIN);
	}
	if (r < 0)
		return fail(why, r, "cannot serve: %s", strerror(-r));
	return listen_open(s, why);
}

static int open_all(struct serving *s, const struct serve_options *options,
		    struct sentence *why)
{
	int r;

	s->config_path = jl__server_config_find(options->config);
	if (!s->config_path)
		return fail(why, -ENOMEM, "out of memory");
	s->local_only = options->local_only;
	r = loop_new(&s->loop);
	if (r < 0)
		return fail(why, r, "cannot start: %s", strerror(-r));
	r = take_config(s, why);
	if (r == 0)
		r = open_signals(s, why);
	if (r == 0)
		r = open_node(s, why);
	if (r == 0)
		r = open_server(s, why);
	return r;
}

static void close_all(struct serving *s)
{
	jl__rpc_server_free(s->server);
	(void)jl_node_unref(s->node);
	(void)jl_ctx_unref(s->ctx);
	if (s->signal_watch.fd >= 0)
		(void)close(s->signal_watch.fd);
	loop_free(s->loop);
	free(s->methods);
	local_roles_free(&s->local);
	journal_close(s->journal);
	jl__server_config_free(s->config);
	free(s->config_path);
}

static int run(struct serving *s)
{
	s->watchdog_usec = notify_watchdog_usec();
	s->watchdog.due = watchdog_due;
	if (s->watchdog_usec)
		loop_set_timer(s->loop, &s->watchdog, monotonic_usec());
	loop_set_idle(s->loop, idle, s);
	notify("READY=1\nSTATUS=Serving");
	/* What was due while nobody was there. */
	s->node_waits = true;
	idle(s);
	while (!s->draining || !jl__rpc_server_drained(s->server)) {
		int r = loop_turn(s->loop);

		if (r < 0) {
			journal_log(s->journal, JL_LOG_ERROR, "cannot go on: %s",
				    strerror(-r));
			return EXIT_FAILED;
		}
	}
	journal_log(s->journal, JL_LOG_INFO, "stopped; running jobs go on");
	return EXIT_OK;
}

int serve(const struct serve_options *options)
{
	static struct serving serving = { .node_watch = { .fd = -1 },
					  .server_watch = { .fd = -1 },
					  .signal_watch = { .fd = -1 } };
	struct sentence why;
	int code;

	if (open_all(&serving, options, &why) < 0) {
		say("%s", why.text);
		code = EXIT_FAILED;
	} else {
		code = run(&serving);
	}
	close_all(&serving);
	return code;
}
