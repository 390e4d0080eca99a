/* SPDX-License-Identifier: MIT */
/* The handlers behind the method table. */
#ifndef DAEMON_SERVICES_H
#define DAEMON_SERVICES_H

#include "serving.h"

/* service_job.c */
extern const struct jl__rpc_handler get_job_status, stop_job, cancel_job, delete_job;
/* service_run.c */
extern const struct jl__rpc_handler run_job;
/* service_sweep.c */
extern const struct jl__rpc_handler delete_all_jobs;
/* service_list.c */
extern const struct jl__rpc_handler list_jobs, list_extended;
/* service_log.c */
extern const struct jl__rpc_handler get_job_logs;
/* service_submit.c */
extern const struct jl__rpc_handler submit_job;
/* service_ext.c */
extern const struct jl__rpc_handler signal_job, wait_job, who;
/* service_net.c */
extern const struct jl__rpc_handler create_network, list_networks, remove_network;
/* service_monitor.c */
extern const struct jl__rpc_handler get_system_status;
/* service_http.c, service_sse.c */
extern const struct jl__rpc_handler http_jobs, http_job, http_health, http_log;

/* The table, ended as rpc.h wants it; data of each is s. Released with free(). */
struct jl__rpc_method *methods_new(const struct serving *s);
/* For hooks of the server: what to say of a method of earlier versions. */
const char *methods_unknown(void *data, const char *path);

/*
 * Calls that are answered when a job has ended. done() gets the job as it is then, or as
 * it is when the time is over; it ends the call. Released when the call is closed.
 */
int wait_for_end(struct jl__rpc_call *call, const char *uuid, uint64_t timeout_usec,
		 void (*done)(struct jl__rpc_call *call, const jl_job_info *info));
void wait_closed(struct jl__rpc_call *call);
/* For serve.c: a job has changed. */
void wait_changed(struct serving *s, const jl_job_info *info);

/*
 * A request's message by its protobuf-c functions: decoded and with texts that are UTF-8,
 * or the call is ended. The macro declares a variable of that name, released with
 * Type##_free.
 */
#define DECODE(call, data, len, type, lower, name)          \
	type *name = lower##__unpack(NULL, len, data);      \
	if (!decoded(call, name ? &name->base : NULL)) {    \
		if (name)                                   \
			lower##__free_unpacked(name, NULL); \
		return;                                     \
	}
bool decoded(struct jl__rpc_call *call, const struct ProtobufCMessage *message);

#endif
