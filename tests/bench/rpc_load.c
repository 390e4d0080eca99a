/* SPDX-License-Identifier: MIT */
/*
 * A client that measures a server: rpc_load ADDRESS CERT KEY CA WHAT …, where WHAT is
 *   calls PATH STREAMS MS   unary calls with a message of four bytes, so many at once:
 *                           calls a second, median and 99th percentile in µs, how many
 *   run N                   JobService.RunJob of /bin/true, one after the other: median
 * in µs logs ID N               a job's log to its end, N connections at once: bytes a
 * second hold N                  connections that do nothing, until standard input ends
 *   stall ID N              readers of a log that never read, until standard input ends
 * and, without a server, "rpc_load node DIR N": the same start by jl_node_submit(), in
 * µs.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <joblet/job.h>
#include <joblet/node.h>

#include "joblet.pb-c.h"
#include "loop.h"
#include "rpc/client.h"
#include "rpc/rpc.h"

#define STREAMS_MAX 1000
#define TIMES_MAX 2000000

static struct jl__rpc_target target;
static double times[TIMES_MAX];
static size_t count;

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "rpc_load: %s: %s\n", what, why);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void took(uint64_t begin)
{
	if (count < TIMES_MAX)
		times[count++] = (double)(loop_now() - begin) / 1000;
}

static double percentile(double part)
{
	qsort(times, count, sizeof(times[0]), compare);
	return count ? times[(size_t)(part * (double)(count - 1))] : 0;
}

static char *file_text(const char *path)
{
	static char data[65536];
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file)
		die(path, strerror(errno));
	n = fread(data, 1, sizeof(data) - 1, file);
	(void)fclose(file);
	data[n] = '\0';
	return strdup(data);
}

static struct jl__rpc_client *connect_one(void)
{
	struct jl__rpc_client *client;
	jl_error *err = NULL;

	if (jl__rpc_client_connect(&target, 30000000, &client, &err) < 0)
		die("connect", jl_error_message(err));
	return client;
}

static void wait_for(struct jl__rpc_client *client)
{
	jl_error *err = NULL;

	if (jl__rpc_client_wait(client, 30000000, &err) < 0)
		die("wait", jl_error_message(err));
}

static struct jl__rpc_stream *ask(struct jl__rpc_client *client, const char *path,
				  const void *data, size_t len)
{
	struct jl__rpc_stream *stream;
	jl_error *err = NULL;

	if (jl__rpc_stream_open(client, path, UINT64_MAX, &stream, &err) < 0)
		die(path, jl_error_message(err));
	if (jl__rpc_stream_write(stream, data, len) < 0)
		die(path, "cannot write");
	jl__rpc_stream_write_end(stream);
	return stream;
}

/* ---- calls ---- */

static void calls(const char *path, unsigned streams, uint64_t ms)
{
	static struct jl__rpc_stream *open[STREAMS_MAX];
	static uint64_t began[STREAMS_MAX];
	struct jl__rpc_client *client = connect_one();
	uint64_t begin = loop_now(), end = begin + ms * 1000000;
	uint64_t done = 0;

	for (unsigned i = 0; i < streams; i++) {
		began[i] = loop_now();
		open[i] = ask(client, path, "\x0a\x02hi", 4);
	}
	while (loop_now() < end) {
		wait_for(client);
		for (unsigned i = 0; i < streams; i++) {
			const uint8_t *data;
			size_t len;
			int r;

			while ((r = jl__rpc_stream_read(open[i], &data, &len)) == 1)
				continue;
			if (r < 0)
				continue;
			if (jl__rpc_stream_status(open[i])->code != 0)
				die(path, jl__rpc_stream_status(open[i])->text);
			took(began[i]);
			done++;
			jl__rpc_stream_close(open[i]);
			began[i] = loop_now();
			open[i] = ask(client, path, "\x0a\x02hi", 4);
		}
	}
	end = loop_now();
	printf("%.0f %.1f %.1f %.0f\n", (double)done * 1e9 / (double)(end - begin),
	       percentile(0.5), percentile(0.99), (double)done);
}

/* ---- starts ---- */

static void run(unsigned n)
{
	struct jl__rpc_client *client = connect_one();
	Joblet__RunJobRequest m = JOBLET__RUN_JOB_REQUEST__INIT;
	uint8_t data[64];
	size_t len;

	m.command = (char *)(uintptr_t) "/bin/true";
	len = joblet__run_job_request__pack(&m, data);
	for (unsigned i = 0; i < n; i++) {
		struct jl__rpc_status status;
		uint8_t *reply = NULL;
		uint64_t begin = loop_now();
		size_t reply_len;

		if (jl__rpc_client_unary(client, "/joblet.JobService/RunJob", data, len,
					 30000000, &reply, &reply_len, &status) < 0 ||
		    status.code != 0)
			die("RunJob", status.text);
		took(begin);
		jl__rpc_message_free(reply);
		/* As a person would: the end of one does not overlap with the next. */
		(void)poll(NULL, 0, 10);
	}
	printf("%.1f %.1f\n", percentile(0.5), percentile(0.1));
}

static void node(const char *dir, unsigned n)
{
	jl_node *node = NULL;
	jl_ctx *ctx = NULL;
	jl_error *err = NULL;
	jl_job_info *info;

	if (jl_ctx_new(0, &ctx, &err) < 0 || jl_ctx_set_state_dir(ctx, dir, &err) < 0 ||
	    jl_node_open(ctx, NULL, &node, &err) < 0)
		die("node", jl_error_message(err));
	for (unsigned i = 0; i < n; i++) {
		jl_submission *sub = NULL;
		uint64_t begin = loop_now();

		if (jl_submission_new(node, &sub, &err) < 0 ||
		    jl_job_spec_set_network(jl_submission_spec(sub), JL_NETWORK_NONE,
					    &err) < 0 ||
		    jl_job_spec_add_arg(jl_submission_spec(sub), "/bin/true", &err) < 0 ||
		    jl_node_submit(node, sub, &info, &err) < 0)
			die("submit", jl_error_message(err));
		took(begin);
		if (jl_node_wait(node, jl_job_info_get_id(info), JL_FOREVER, &err) < 0)
			die("wait", jl_error_message(err));
		jl_job_info_free(info);
		(void)poll(NULL, 0, 10);
	}
	printf("%.1f %.1f\n", percentile(0.5), percentile(0.1));
	jl_node_unref(node);
	jl_ctx_unref(ctx);
}

/* ---- logs ---- */

static struct jl__rpc_stream *ask_log(struct jl__rpc_client *client, const char *id)
{
	Joblet__GetJobLogsRequest m = JOBLET__GET_JOB_LOGS_REQUEST__INIT;
	uint8_t data[128];

	m.uuid = (char *)(uintptr_t)id;
	return ask(client, "/joblet.JobService/GetJobLogs", data,
		   joblet__get_job_logs_request__pack(&m, data));
}

static void logs(const char *id, unsigned n)
{
	static struct jl__rpc_client *clients[STREAMS_MAX];
	static struct jl__rpc_stream *streams[STREAMS_MAX];
	static struct pollfd fds[STREAMS_MAX];
	uint64_t begin, bytes = 0;
	unsigned left = n;

	for (unsigned i = 0; i < n; i++)
		clients[i] = connect_one();
	begin = loop_now();
	for (unsigned i = 0; i < n; i++) {
		streams[i] = ask_log(clients[i], id);
		(void)jl__rpc_client_process(clients[i], NULL);
	}
	while (left) {
		int wait_msec = 1000;

		for (unsigned i = 0; i < n; i++) {
			const uint8_t *data;
			size_t len;
			int r = -EAGAIN;

			fds[i] = (struct pollfd){ -1, 0, 0 };
			if (!streams[i])
				continue;
			(void)jl__rpc_client_process(clients[i], NULL);
			while ((r = jl__rpc_stream_read(streams[i], &data, &len)) == 1)
				bytes += len;
			/* What has come by then is read before anything is waited for. */
			if (jl__rpc_client_timeout_usec(clients[i]) == 0)
				wait_msec = 0;
			fds[i] = (struct pollfd){ jl__rpc_client_fd(clients[i]),
						  jl__rpc_client_events(clients[i]), 0 };
			if (r != 0)
				continue;
			if (jl__rpc_stream_status(streams[i])->code != 0)
				die("logs", jl__rpc_stream_status(streams[i])->text);
			jl__rpc_stream_close(streams[i]);
			streams[i] = NULL;
			left--;
		}
		if (left)
			(void)poll(fds, n, wait_msec);
	}
	printf("%.0f\n", (double)bytes * 1e9 / (double)(loop_now() - begin));
}

/* ---- those who stay ---- */

static void hold(unsigned n, const char *id)
{
	static struct jl__rpc_client *clients[STREAMS_MAX];
	char byte;

	for (unsigned i = 0; i < n; i++) {
		clients[i] = connect_one();
		if (id)
			(void)ask_log(clients[i], id);
	}
	/* Until their windows are full. */
	for (unsigned round = 0; id && round < 100; round++)
		for (unsigned i = 0; i < n; i++)
			(void)jl__rpc_client_wait(clients[i], 1000, NULL);
	printf("ready\n");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
}

int main(int argc, char **argv)
{
	const char *what = argc > 5 ? argv[5] : "";
	unsigned n = argc > 6 ? (unsigned)strtoul(argv[argc - 1], NULL, 10) : 0;

	if (argc == 4 && strcmp(argv[1], "node") == 0) {
		node(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
		return 0;
	}
	if (argc < 7 || n == 0)
		die("usage", "ADDRESS CERT KEY CA WHAT …");
	target = (struct jl__rpc_target){ argv[1], file_text(argv[2]), file_text(argv[3]),
					  file_text(argv[4]), NULL };
	if (strcmp(what, "calls") == 0 && argc == 9) {
		unsigned streams = (unsigned)strtoul(argv[7], NULL, 10);

		calls(argv[6], streams < STREAMS_MAX ? streams : STREAMS_MAX, n);
	} else if (n > STREAMS_MAX) {
		die(what, "too many");
	} else if (strcmp(what, "run") == 0) {
		run(n);
	} else if (strcmp(what, "logs") == 0 && argc == 8) {
		logs(argv[6], n);
	} else if (strcmp(what, "hold") == 0) {
		hold(n, NULL);
	} else if (strcmp(what, "stall") == 0 && argc == 8) {
		hold(n, argv[6]);
	} else {
		die(what, "there is no such measurement");
	}
	return 0;
}
