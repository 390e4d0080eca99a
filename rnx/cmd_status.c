/* SPDX-License-Identifier: MIT */
#include "rnx.h"

#include <inttypes.h>
#include <stdio.h>

#include <joblet/node.h>

#include "json.h"
#include "on_job.h"
#include "output.h"
#include "show.h"

static void print_line(const char *label, const char *text)
{
	(void)printf("%s: ", label);
	print_text(text);
	(void)putchar('\n');
}

static void print_time(const char *label, uint64_t usec)
{
	char buf[64];

	if (usec != UNKNOWN)
		(void)printf("  %s: %s\n", label, show_local_zone(buf, usec));
}

static void print_bytes(const char *label, uint64_t bytes)
{
	char buf[32];

	if (bytes != UNKNOWN)
		(void)printf("  %s: %s\n", label, show_bytes(buf, bytes));
}

static void print_head(const struct job *job)
{
	(void)printf("Job ID: ");
	print_job_id(job, true);
	(void)putchar('\n');
	if (job->number != UNKNOWN)
		(void)printf("Job Number: %" PRIu64 "\n", job->number);
	if (job->name)
		print_line("Job Name", job->name);
	if (job->node_id)
		print_line("Node ID", job->node_id);
	(void)printf("Command: ");
	print_command(job, 0);
	(void)printf("\nStatus: ");
	print_state(job->state, 0);
	(void)putchar('\n');
	if (job->owner)
		print_line("Owner", job->owner);
	if (job->failure)
		print_line("Failure", job->failure);
	if (job->warning)
		print_line("Warning", job->warning);
}

static void print_schedule(const struct job *job)
{
	uint64_t now = now_usec();
	char buf[64];

	if (job->due_usec == UNKNOWN && !job->recurrence)
		return;
	(void)puts("\nScheduling Information:");
	print_time("Scheduled Time", job->due_usec);
	if (job->state == JL_STATE_SCHEDULED)
		(void)printf("  Time Until Execution: %s\n",
			     job->due_usec > now ? show_span(buf, job->due_usec - now)
						 : "due");
	if (job->recurrence) {
		(void)printf("  Recurrence: ");
		print_text(job->recurrence);
		(void)putchar('\n');
	}
}

static void print_timing(const struct job *job)
{
	uint64_t now = now_usec();
	char buf[64];

	(void)puts("\nTiming:");
	print_time("Created", job->created_usec);
	print_time("Started", job->start_usec);
	print_time("Ended", job->end_usec);
	if (job->wall_usec != UNKNOWN && job->end_usec != UNKNOWN)
		(void)printf("  Duration: %s\n", show_span(buf, job->wall_usec));
	else if (job->state == JL_STATE_RUNNING && job->start_usec != UNKNOWN)
		(void)printf("  Running For: %s\n",
			     show_span(buf, now > job->start_usec ? now - job->start_usec
								  : 0));
	if (job->attempt != UNKNOWN && (job->attempt > 1 || job->retries > 0))
		(void)printf("  Attempt: %" PRIu64 " of %" PRIu64 "\n", job->attempt,
			     job->retries + 1);
}

static bool is_set(uint64_t value)
{
	return value != 0 && value != UNKNOWN;
}

static void print_limits(const struct job *job)
{
	char buf[64];

	(void)puts("\nResource Limits:");
	if (is_set(job->cpu_percent))
		(void)printf("  Max CPU: %" PRIu64 "%%\n", job->cpu_percent);
	if (is_set(job->memory_bytes))
		(void)printf("  Max Memory: %" PRIu64 " MB\n", job->memory_bytes >> 20);
	if (is_set(job->io_bps))
		(void)printf("  Max IO BPS: %" PRIu64 "\n", job->io_bps);
	if (job->cpus) {
		(void)printf("  CPU Cores: ");
		print_text(job->cpus);
		(void)putchar('\n');
	}
	if (is_set(job->pids))
		(void)printf("  Max Processes: %" PRIu64 "\n", job->pids);
	if (is_set(job->disk_bytes)) {
		(void)printf("  Disk: %s", show_bytes(buf, job->disk_bytes));
		if (job->disk_used_bytes != UNKNOWN)
			(void)printf(" (%s used)", show_bytes(buf, job->disk_used_bytes));
		(void)putchar('\n');
	}
	if (is_set(job->timeout_usec))
		(void)printf("  Timeout: %s\n", show_usec(buf, job->timeout_usec));
}

static void print_network(const struct job *job)
{
	if (!job->network)
		return;
	(void)printf("\nNetwork Configuration:\n  Network: ");
	print_text(job->network);
	(void)putchar('\n');
	if (job->address) {
		(void)printf("  Address: ");
		print_text(job->address);
		(void)putchar('\n');
	}
	print_bytes("Received", job->net_received_bytes);
	print_bytes("Sent", job->net_sent_bytes);
}

static void print_surroundings(const struct job *job)
{
	if (job->work_dir) {
		(void)printf("\nWorking Directory: ");
		print_text(job->work_dir);
		(void)putchar('\n');
	}
	if (job->upload_count > 0)
		(void)puts("\nUploaded Files:");
	for (size_t i = 0; i < job->upload_count; i++) {
		(void)printf("  ");
		print_text(job->uploads[i]);
		(void)putchar('\n');
	}
	if (job->env_count > 0)
		(void)puts("\nEnvironment Variables:");
	for (size_t i = 0; i < job->env_count; i++) {
		(void)printf("  ");
		print_text(job->env[i].name);
		(void)putchar('=');
		print_text(job->env[i].value);
		if (job->env[i].secret)
			(void)printf(" (secret)");
		(void)putchar('\n');
	}
}

static void print_result(const struct job *job)
{
	char buf[64];

	if (!jl_state_is_final(job->state))
		return;
	(void)puts("\nResult:");
	if (job->exit_code != UNKNOWN)
		(void)printf("  Exit Code: %" PRIu64 "\n", job->exit_code);
	if (job->reason != UNKNOWN)
		(void)printf("  Reason: %s\n", jl_reason_name((int64_t)job->reason));
	if (is_set(job->signal))
		(void)printf("  Signal: %" PRIu64 "\n", job->signal);
	if (job->cpu_usec != UNKNOWN)
		(void)printf("  CPU Time: %s\n", show_span(buf, job->cpu_usec));
	print_bytes("Peak Memory", job->memory_peak_bytes);
	print_bytes("IO Read", job->io_read_bytes);
	print_bytes("IO Written", job->io_write_bytes);
	print_bytes("Log", job->log_bytes);
	if (job->log_cut)
		(void)puts("  Log Cut: the log reached its cap");
}

static void print_action(const struct job *job, const char *verb, const char *what)
{
	(void)printf("  rnx %s ", verb);
	print_job_id(job, false);
	(void)printf("  %s\n", what);
}

static void print_actions(const struct job *job)
{
	(void)puts("\nAvailable Actions:");
	if (job->state == JL_STATE_SCHEDULED) {
		print_action(job, "cancel", "cancel it");
		return;
	}
	print_action(job, "log", "show its output");
	if (jl_state_is_final(job->state))
		print_action(job, "delete", "delete it and its output");
	else
		print_action(job, "stop", "end it");
}

static int look(const struct options *opts, struct backend *backend, const char *id,
		struct job *job, struct fault *fault)
{
	(void)opts;
	return backend->ops->job_get(backend, id, job, fault);
}

static int print_job(const struct options *opts, const struct job *job)
{
	if (opts->json)
		return json_print(json_status(job));
	print_head(job);
	print_schedule(job);
	print_timing(job);
	print_limits(job);
	print_network(job);
	print_surroundings(job);
	print_result(job);
	print_actions(job);
	return finish_stdout();
}

int cmd_status(const struct options *opts, char **words)
{
	return on_job(opts, words[0], look, print_job);
}
