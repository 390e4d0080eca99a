/* SPDX-License-Identifier: MIT */
/* Every method there is, and who may call it. What has no handler yet is here all the
 * same: its role is checked, and it answers UNIMPLEMENTED. */
#include <stdlib.h>
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "rpc/pb.h"
#include "services.h"

#define UPLOAD_MAX ((size_t)128 << 20)
/* Of one part of a stream: the description of a job is the largest. */
#define PART_MAX ((size_t)9 << 20)
/*
 * Of requests that are not said to be larger: ids, names, filters. Decoding makes up to a
 * hundred bytes of one, and nobody else is served meanwhile.
 */
#define SMALL_MAX ((size_t)64 << 10)

#define JOB(name) "/joblet.JobService/" name
#define NETWORK(name) "/joblet.NetworkService/" name
#define VOLUME(name) "/joblet.VolumeService/" name
#define MONITORING(name) "/joblet.MonitoringService/" name
#define RUNTIME(name) "/joblet.RuntimeService/" name
#define EXTENSION(name) "/joblet.x.v1.JobExtension/" name

#define UNARY JL__RPC_UNARY
#define STREAM JL__RPC_STREAM

static const struct jl__rpc_method table[] = {
	{ JOB("RunJob"), "run_job", FOR_DEVELOPER, UNARY, UPLOAD_MAX, &run_job, NULL },
	{ JOB("GetJobStatus"), "get_job", FOR_ALL, UNARY, 0, &get_job_status, NULL },
	{ JOB("StopJob"), "stop_job", FOR_DEVELOPER, UNARY, 0, &stop_job, NULL },
	{ JOB("CancelJob"), "stop_job", FOR_DEVELOPER, UNARY, 0, &cancel_job, NULL },
	{ JOB("DeleteJob"), "delete_job", FOR_DEVELOPER, UNARY, 0, &delete_job, NULL },
	{ JOB("DeleteAllJobs"), "delete_job", FOR_DEVELOPER, UNARY, 0, &delete_all_jobs,
	  NULL },
	{ JOB("GetJobLogs"), "stream_jobs", FOR_ALL, STREAM, 0, &get_job_logs, NULL },
	{ JOB("ListJobs"), "list_jobs", FOR_ALL, UNARY, 0, &list_jobs, NULL },
	{ JOB("StreamJobMetrics"), "get_metrics", FOR_ALL, STREAM, 0, NULL, NULL },
	{ JOB("GetJobMetrics"), "get_metrics", FOR_ALL, STREAM, 0, NULL, NULL },
	{ JOB("StreamJobTelematics"), "get_metrics", FOR_ALL, STREAM, 0, NULL, NULL },
	{ JOB("GetJobTelematics"), "get_metrics", FOR_ALL, STREAM, 0, NULL, NULL },

	{ NETWORK("CreateNetwork"), "create_network", FOR_MAINTAINER, UNARY, 0,
	  &create_network, NULL },
	{ NETWORK("ListNetworks"), "list_networks", FOR_ALL, UNARY, 0, &list_networks,
	  NULL },
	{ NETWORK("RemoveNetwork"), "remove_network", FOR_ADMIN, UNARY, 0,
	  &remove_network, NULL },

	{ VOLUME("CreateVolume"), "create_volume", FOR_MAINTAINER, UNARY, 0, NULL, NULL },
	{ VOLUME("ListVolumes"), "list_volumes", FOR_ALL, UNARY, 0, NULL, NULL },
	{ VOLUME("RemoveVolume"), "remove_volume", FOR_ADMIN, UNARY, 0, NULL, NULL },

	{ MONITORING("GetSystemStatus"), "get_system_status", FOR_ALL, UNARY, 0,
	  &get_system_status, NULL },
	{ MONITORING("StreamSystemMetrics"), "get_system_status", FOR_ALL, STREAM, 0,
	  NULL, NULL },

	{ RUNTIME("ListRuntimes"), "list_runtimes", FOR_ALL, UNARY, 0, NULL, NULL },
	{ RUNTIME("GetRuntimeInfo"), "list_runtimes", FOR_ALL, UNARY, 0, NULL, NULL },
	{ RUNTIME("TestRuntime"), "test_runtime", FOR_DEVELOPER, UNARY, 0, NULL, NULL },
	{ RUNTIME("RemoveRuntime"), "remove_runtime", FOR_ADMIN, UNARY, 0, NULL, NULL },
	{ RUNTIME("BuildRuntime"), "build_runtime", FOR_MAINTAINER, STREAM, 0, NULL,
	  NULL },
	{ RUNTIME("ValidateRuntimeYAML"), "build_runtime", FOR_MAINTAINER, UNARY, 0, NULL,
	  NULL },

	{ EXTENSION("Submit"), "run_job", FOR_DEVELOPER, JL__RPC_UPLOAD, PART_MAX,
	  &submit_job, NULL },
	{ EXTENSION("List"), "list_jobs", FOR_ALL, UNARY, 0, &list_extended, NULL },
	{ EXTENSION("Signal"), "stop_job", FOR_DEVELOPER, UNARY, 0, &signal_job, NULL },
	{ EXTENSION("Wait"), "get_job", FOR_ALL, UNARY, 0, &wait_job, NULL },
	{ EXTENSION("Who"), "who", FOR_ALL, UNARY, 0, &who, NULL },

	{ "/healthz", "health", FOR_ALL, JL__RPC_GET, 0, &http_health, NULL },
	{ "/v1/jobs", "list_jobs", FOR_ALL, JL__RPC_GET, 0, &http_jobs, NULL },
	{ "/v1/jobs/*", "get_job", FOR_ALL, JL__RPC_GET, 0, &http_job, NULL },
	{ "/v1/jobs/*/log", "stream_jobs", FOR_ALL, JL__RPC_GET, 0, &http_log, NULL },
};

#define COUNT (sizeof(table) / sizeof(*table))

struct jl__rpc_method *methods_new(const struct serving *s)
{
	struct jl__rpc_method *methods = calloc(COUNT + 1, sizeof(*methods));

	if (!methods)
		return NULL;
	memcpy(methods, table, sizeof(table));
	for (size_t i = 0; i < COUNT; i++) {
		methods[i].data = s;
		if (!methods[i].request_max)
			methods[i].request_max = SMALL_MAX;
	}
	return methods;
}

const char *methods_unknown(void *data, const char *path)
{
	(void)data;
	/* Its numbers mean other things: arguments would be run as the command. */
	if (strncmp(path, "/joblet.JobletService/", 22) == 0)
		return "joblet.JobletService is of an earlier version with other messages; "
		       "use joblet.JobService";
	if (strncmp(path, "/joblet.JobService/", 19) == 0 && strstr(path, "Workflow"))
		return "there are no workflows: submit jobs with joblet.JobService/RunJob";
	return NULL;
}

bool decoded(struct jl__rpc_call *call, const ProtobufCMessage *message)
{
	const char *bad = "";

	if (!message) {
		jl__rpc_call_finish(call, JL__RPC_INVALID_ARGUMENT,
				    "invalid request: it cannot be decoded");
		return false;
	}
	if (jl__pb_texts_ok(message, &bad))
		return true;
	jl__rpc_call_finishf(call, JL__RPC_INVALID_ARGUMENT,
			     "invalid request: %s is not UTF-8", bad);
	return false;
}
