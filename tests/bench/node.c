/* SPDX-License-Identifier: MIT */
/*
 * What it costs to ask a node: with many ended jobs in its store ("stored N"), and with
 * many that run ("running N"). A line for each question: its name, and the median of
 * several times in milliseconds. "delete N": the same for deleting all of N ended jobs
 * with their folders, once, and for the longest that a write of another process had to
 * wait meanwhile.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <joblet/node.h>

#include "base/buf.h"
#include "loop.h"
#include "node/uuid.h"
#include "spawn/blob.h"
#include "store/store.h"

#define ROUNDS 19

static char base[] = "/tmp/joblet-bench-node-XXXXXX";
static jl_ctx *ctx;
static jl_node *node;
static jl_error *err;
static char some_id[40]; /* of a job in the middle */

static int complain(const char *what)
{
	(void)fprintf(stderr, "node: %s: %s\n", what, jl_error_message(err));
	return -1;
}

/* ---- questions; each returns 0 or less than that ---- */

static int ask_open(void)
{
	jl_ctx *own = NULL;
	jl_node *other = NULL;
	int r = jl_ctx_new(0, &own, &err);

	if (r == 0)
		r = jl_ctx_set_state_dir(own, base, &err);
	if (r == 0)
		r = jl_node_open(own, NULL, &other, &err);
	jl_node_unref(other);
	jl_ctx_unref(own);
	return r;
}

static int list(uint32_t states, const char *name, uint32_t limit)
{
	jl_job_list *jobs = NULL;
	int r = jl_node_list(node, states, name, 0, limit, &jobs, &err);

	jl_job_list_free(jobs);
	return r;
}

static int ask_list(void)
{
	return list(0, NULL, 0);
}

static int ask_newest(void)
{
	return list(0, NULL, 20);
}

static int ask_state(void)
{
	return list(1U << JL_STATE_STOPPED, NULL, 0);
}

static int ask_name(void)
{
	return list(0, "nobody", 0);
}

static int get(const char *id)
{
	jl_job_info *info = NULL;
	int r = jl_node_get(node, id, &info, &err);

	jl_job_info_free(info);
	return r;
}

static int ask_status(void)
{
	return get(some_id);
}

static int ask_prefix(void)
{
	char prefix[14];

	(void)snprintf(prefix, sizeof(prefix), "%.13s", some_id);
	return get(prefix);
}

static int ask_process(void)
{
	return jl_node_process(node, &err);
}

static int start_job(const char *word, const char *other, jl_job_info **ret_info)
{
	jl_submission *sub = NULL;
	int r = jl_submission_new(node, &sub, &err);

	if (r == 0)
		r = jl_job_spec_add_arg(jl_submission_spec(sub), word, &err);
	if (r == 0 && other)
		r = jl_job_spec_add_arg(jl_submission_spec(sub), other, &err);
	if (r == 0)
		r = jl_job_spec_set_network(jl_submission_spec(sub), JL_NETWORK_NONE,
					    &err);
	if (r == 0) {
		jl_submission_set_attached(sub, 1);
		r = jl_node_submit(node, sub, ret_info, &err);
	}
	jl_submission_free(sub);
	return r;
}

static int ask_job(void)
{
	jl_job_info *info = NULL;
	int r = start_job("true", NULL, &info);

	if (r == 0)
		r = jl_node_wait(node, jl_job_info_get_id(info), JL_FOREVER, &err);
	jl_job_info_free(info);
	return r;
}

static const struct {
	const char *name;
	int (*ask)(void);
} questions[] = {
	{ "open", ask_open },
	{ "list", ask_list },
	{ "list, newest 20", ask_newest },
	{ "list, one state", ask_state },
	{ "list, one name", ask_name },
	{ "status", ask_status },
	{ "status by prefix", ask_prefix },
	{ "process", ask_process },
	{ "a job, start to end", ask_job },
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int ask_all(void)
{
	uint64_t times[ROUNDS], start;

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		for (int k = 0; k < ROUNDS; k++) {
			start = loop_now();
			if (questions[i].ask() < 0)
				return complain(questions[i].name);
			times[k] = loop_now() - start;
		}
		qsort(times, ROUNDS, sizeof(times[0]), compare);
		printf("%s: %.3f\n", questions[i].name, (double)times[ROUNDS / 2] / 1e6);
	}
	return 0;
}

/* ---- jobs ---- */

/* What is stored with each: the description. */
static int pack(struct jl__buf *buf)
{
	jl_job_spec *spec = NULL;
	int r = jl_job_spec_new(&spec);

	for (int i = 0; r == 0 && i < 10; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "VAR%d", i);
		r = jl_job_spec_set_env(spec, name, "a value of some length", &err);
	}
	if (r == 0)
		r = jl_job_spec_add_arg(spec, "python3", &err);
	if (r == 0)
		r = jl__spec_pack(spec, buf, &err);
	jl_job_spec_free(spec);
	return r;
}

/* What a job leaves in its folder. */
static int put_folder(const char *id)
{
	static const char *const files[] = { "begun", "started", "log", "log.index",
					     "result" };
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/jobs", base);
	(void)mkdir(path, 0700);
	(void)snprintf(path, sizeof(path), "%s/jobs/%s", base, id);
	if (mkdir(path, 0700) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/jobs/%s/1", base, id);
	if (mkdir(path, 0700) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char text[256] = { 0 };
		int fd;

		(void)snprintf(path, sizeof(path), "%s/jobs/%s/1/%s", base, id, files[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || (i && write(fd, text, sizeof(text)) < 0))
			return -1;
		(void)close(fd);
	}
	return 0;
}

static int put_row(struct jl__store *store, uint32_t i, uint32_t count, uint64_t now,
		   const struct jl__buf *spec, bool folders)
{
	static const char command[] = "python3\0train.py\0--epochs=10";
	struct jl__details details = { .spec = spec->data, .spec_len = spec->len };
	struct jl__row row;
	char id[JL__UUID_MAX];
	int r = jl__uuid_make(id, &err);

	jl__row_init(&row);
	row.number[JL__N_STATE] = i % 50 == 0 ? JL_STATE_STOPPED : JL_STATE_COMPLETED;
	row.number[JL__N_CREATED] = row.number[JL__N_START] = now - count + i;
	row.number[JL__N_END] = now + i;
	row.number[JL__N_EXIT_CODE] = row.number[JL__N_SIGNAL] = 0;
	row.number[JL__N_RUN] = row.number[JL__N_ATTEMPT] = 1;
	row.text[JL__T_ID] = id;
	row.text[JL__T_NAME] = "training";
	row.text[JL__T_NETWORK] = "bridge";
	row.text[JL__T_WORK_DIR] = "/work";
	row.command = command;
	row.command_len = sizeof(command);
	if (i == count / 2)
		(void)snprintf(some_id, sizeof(some_id), "%s", id);
	if (r == 0 && folders)
		r = put_folder(id);
	return r < 0 ? r : jl__store_insert(store, &row, &details, &err);
}

static int fill_store(uint32_t count, bool folders)
{
	struct jl__buf spec = JL__BUF_INIT(JL__BLOB_MAX);
	struct timespec clock;
	struct jl__store *store = NULL;
	char path[64];
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &clock);
	(void)snprintf(path, sizeof(path), "%s/node.db", base);
	r = jl__store_open(path, &store, &err);
	if (r == 0)
		r = pack(&spec);
	if (r == 0)
		r = jl__store_begin(store, false, &err);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = put_row(store, i, count, (uint64_t)clock.tv_sec * 1000000, &spec,
			    folders);
	if (r == 0)
		r = jl__store_commit(store, &err);
	jl__buf_done(&spec);
	(void)jl__store_close(store);
	return r;
}

static int start_jobs(uint32_t count)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < count; i++) {
		jl_job_info *info = NULL;

		r = start_job("sleep", "1000", &info);
		if (r == 0 && i == count / 2)
			(void)snprintf(some_id, sizeof(some_id), "%s",
				       jl_job_info_get_id(info));
		jl_job_info_free(info);
	}
	return r;
}

static int stop_jobs(void)
{
	jl_job_list *jobs = NULL;
	int r = jl_node_list(node, 1U << JL_STATE_RUNNING, NULL, 0, 0, &jobs, &err);
	uint32_t left = 1;

	for (uint32_t i = 0; r == 0 && i < jl_job_list_count(jobs); i++)
		r = jl_node_stop(node, jl_job_info_get_id(jl_job_list_get(jobs, i)), 0,
				 &err);
	jl_job_list_free(jobs);
	while (r == 0 && left > 0) {
		r = jl_node_process(node, &err);
		if (r == 0)
			r = jl_node_list(node, 1U << JL_STATE_RUNNING, NULL, 0, 0, &jobs,
					 &err);
		left = r == 0 ? jl_job_list_count(jobs) : 0;
		if (r == 0)
			jl_job_list_free(jobs);
	}
	return r;
}

static int open_here(void)
{
	jl_node_config *config = NULL;
	int r = jl_ctx_new(JL_CTX_MOVE_SELF, &ctx, &err);

	if (r == 0)
		r = jl_ctx_set_state_dir(ctx, base, &err);
	if (r == 0)
		r = jl_node_config_new(&config);
	if (r == 0)
		r = jl_node_config_set_number(config, JL_NODE_MAX_JOBS, 0, &err);
	if (r == 0)
		r = jl_node_open(ctx, config, &node, &err);
	jl_node_config_free(config);
	return r;
}

/* ---- deleting ---- */

static bool deleted;

/* Another process, as far as the store is concerned. */
static void *write_meanwhile(void *data)
{
	uint64_t *longest = data;
	struct jl__store *store = NULL;
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "%s/node.db", base);
	r = jl__store_open(path, &store, NULL);
	while (r == 0 && !__atomic_load_n(&deleted, __ATOMIC_RELAXED)) {
		uint64_t start = loop_now(), took;

		r = jl__store_begin(store, false, NULL);
		if (r == 0)
			r = jl__store_add_net(store, "bench", "10.0.0.0/24", NULL);
		if (r == 0)
			r = jl__store_commit(store, NULL);
		jl__store_rollback(store);
		took = loop_now() - start;
		if (took > *longest)
			*longest = took;
		(void)usleep(5000);
	}
	(void)jl__store_close(store);
	if (r < 0)
		*longest = UINT64_MAX;
	return NULL;
}

static int delete_all(void)
{
	uint32_t gone = 0, skipped = 0;
	uint64_t longest = 0, start;
	pthread_t writer;
	int r;

	if (pthread_create(&writer, NULL, write_meanwhile, &longest) != 0)
		return -1;
	start = loop_now();
	r = jl_node_delete_all(node, &gone, &skipped, &err);
	start = loop_now() - start;
	__atomic_store_n(&deleted, true, __ATOMIC_RELAXED);
	(void)pthread_join(writer, NULL);
	printf("delete all %u: %.3f\nlongest wait of others: %.3f\n", gone,
	       (double)start / 1e6, (double)longest / 1e6);
	return r;
}

static int measure(const char *what, uint32_t count)
{
	bool folders = strcmp(what, "delete") == 0;
	int stopped, r;

	if (!mkdtemp(base))
		return -1;
	if (strcmp(what, "running") != 0) {
		r = fill_store(count, folders);
		if (r == 0)
			r = open_here();
		if (r < 0)
			return complain("cannot fill the store");
		return folders ? delete_all() : ask_all();
	}
	r = open_here();
	if (r == 0)
		r = start_jobs(count);
	if (r < 0)
		(void)complain("cannot start");
	else
		r = ask_all();
	stopped = node ? stop_jobs() : 0;
	return stopped < 0 ? complain("cannot stop") : r;
}

int main(int argc, char **argv)
{
	char line[96];
	int r;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: node stored|running|delete COUNT\n");
		return 2;
	}
	r = measure(argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
	jl_node_unref(node);
	jl_ctx_unref(ctx);
	(void)snprintf(line, sizeof(line), "rm -rf %s", base);
	return system(line) == 0 && r >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
