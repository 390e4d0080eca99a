/* SPDX-License-Identifier: MIT */
/* A job with its uploads, sent as a stream: nothing of a file is held in memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <joblet/job.h>

#include "remote-priv.h"

#define SUBMIT "/joblet.x.v1.JobExtension/Submit"
#define CONTENT_MOST ((size_t)256 * 1024)

struct remote_submission {
	struct submission base;
	struct remote *owner;
	struct jl__rpc_stream *stream;
	const struct request *request;
	char **uploads; /* for what is shown of the job */
	size_t upload_count;
};

static struct remote_submission *self_of(struct submission *submission)
{
	return (struct remote_submission *)(void *)submission;
}

static char *text_of(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* ---- the stream ---- */

static int stream_over(const struct remote_submission *self, struct fault *fault)
{
	const struct jl__rpc_status *status = jl__rpc_stream_status(self->stream);

	if (status->code == JL__RPC_OK || status->code < 0)
		return remote_bad_reply(fault);
	return remote_fault(fault, status);
}

static int wait_a_little(const struct remote_submission *self, struct fault *fault)
{
	jl_error *err = NULL;
	int r = jl__rpc_client_wait(self->owner->client, LONG_USEC, &err);

	/* What became of the stream says more than what became of the connection. */
	if (r < 0 && jl__rpc_stream_status(self->stream)->code < 0)
		return remote_error(fault, r, err);
	jl_error_free(err);
	return 0;
}

static int send_part(struct remote_submission *self,
		     const Joblet__X__V1__SubmitPart *part, struct fault *fault)
{
	size_t len = joblet__x__v1__submit_part__get_packed_size(part);
	uint8_t *data = malloc(len + 1);
	int r;

	if (!data)
		return fault_set(fault, -ENOMEM, "out of memory");
	(void)joblet__x__v1__submit_part__pack(part, data);
	while ((r = jl__rpc_stream_write(self->stream, data, len)) == -EAGAIN) {
		r = wait_a_little(self, fault);
		if (r < 0)
			break;
	}
	free(data);
	if (r == -EPIPE)
		return stream_over(self, fault);
	return r < 0 && r != fault->code ? fault_set(fault, r, "%s", strerror(-r)) : r;
}

/* ---- the description ---- */

/* Variables of one kind; each is an entry of a type of its own with the same layout rule.
 */
struct lists {
	Joblet__RunJobRequest__EnvironmentEntry *env;
	Joblet__RunJobRequest__EnvironmentEntry **env_list;
	Joblet__RunJobRequest__SecretEnvironmentEntry *secret;
	Joblet__RunJobRequest__SecretEnvironmentEntry **secret_list;
	char **names; /* NAME of NAME=VALUE */
	char **allow, **publish;
};

static void lists_done(struct lists *lists, size_t count)
{
	for (size_t i = 0; lists->names && i < count; i++)
		free(lists->names[i]);
	free(lists->names);
	free(lists->env);
	free(lists->env_list);
	free(lists->secret);
	free(lists->secret_list);
	free(lists->allow);
	free(lists->publish);
}

static int lists_init(struct lists *lists, size_t count)
{
	*lists = (struct lists){
		.env = calloc(count + 1, sizeof(*lists->env)),
		.env_list = calloc(count + 1, sizeof(*lists->env_list)),
		.secret = calloc(count + 1, sizeof(*lists->secret)),
		.secret_list = calloc(count + 1, sizeof(*lists->secret_list)),
		.names = calloc(count + 1, sizeof(*lists->names)),
		.allow = calloc(count + 1, sizeof(*lists->allow)),
		.publish = calloc(count + 1, sizeof(*lists->publish)),
	};
	return lists->env && lists->env_list && lists->secret && lists->secret_list &&
			       lists->names && lists->allow && lists->publish
		       ? 0
		       : -ENOMEM;
}

static int add_variable(struct lists *lists, Joblet__RunJobRequest *m, size_t i,
			const struct repeated *item)
{
	const char *equals = strchr(item->text, '=');

	lists->names[i] = equals ? strndup(item->text, (size_t)(equals - item->text))
				 : strdup(item->text);
	if (!lists->names[i])
		return -ENOMEM;
	if (item->flag == FLAG_ENV) {
		Joblet__RunJobRequest__EnvironmentEntry *entry =
			&lists->env[m->n_environment];

		joblet__run_job_request__environment_entry__init(entry);
		entry->key = lists->names[i];
		entry->value = text_of(equals ? equals + 1 : "");
		lists->env_list[m->n_environment++] = entry;
	} else {
		Joblet__RunJobRequest__SecretEnvironmentEntry *entry =
			&lists->secret[m->n_secret_environment];

		joblet__run_job_request__secret_environment_entry__init(entry);
		entry->key = lists->names[i];
		entry->value = text_of(equals ? equals + 1 : "");
		lists->secret_list[m->n_secret_environment++] = entry;
	}
	return 0;
}

static int add_lists(struct lists *lists, Joblet__RunJobRequest *m,
		     Joblet__X__V1__RunOptions *o, const struct options *opts)
{
	for (size_t i = 0; i < opts->repeated_count; i++) {
		const struct repeated *item = &opts->repeated[i];

		if (item->flag == FLAG_ALLOW_NET)
			lists->allow[o->n_allow_net++] = text_of(item->text);
		else if (item->flag == FLAG_PUBLISH)
			lists->publish[o->n_publish++] = text_of(item->text);
		else if ((item->flag == FLAG_ENV || item->flag == FLAG_SECRET_ENV) &&
			 add_variable(lists, m, i, item) < 0)
			return -ENOMEM;
	}
	m->environment = lists->env_list;
	m->secret_environment = lists->secret_list;
	o->allow_net = lists->allow;
	o->publish = lists->publish;
	return 0;
}

static void describe(Joblet__RunJobRequest *m, Joblet__X__V1__RunOptions *o,
		     const struct request *request)
{
	static const char *const levels[] = { "off", "default", "strict" };
	const struct options *opts = request->opts;

	m->command = text_of(request->words[0]);
	m->args = request->words + 1;
	while (m->args[m->n_args])
		m->n_args++;
	m->max_cpu = (int32_t)opts->cpu_percent;
	m->cpu_cores = text_of(opts->cpu_cores ? opts->cpu_cores : "");
	m->network = text_of(opts->network ? opts->network : "");
	m->work_dir = text_of(opts->work_dir ? opts->work_dir : "");
	o->name = text_of(opts->name ? opts->name : "");
	o->hostname = text_of(opts->hostname ? opts->hostname : "");
	o->memory_bytes = opts->memory_bytes;
	o->io_bps = opts->io_bps;
	o->pids = opts->pids;
	o->disk_bytes = opts->disk_bytes;
	o->net_bps = opts->net_bps;
	o->timeout_usec = opts->timeout_usec;
	o->retries = opts->retries;
	o->priority = opts->priority;
	o->init = opts->init;
	o->attached = request->attached;
	o->has_user = options_has(opts, FLAG_USER);
	o->uid = opts->uid;
	o->gid = opts->gid;
	if (options_has(opts, FLAG_SECCOMP) && opts->seccomp >= 0 && opts->seccomp <= 2)
		o->seccomp = text_of(levels[opts->seccomp]);
	o->due_usec = request->due_usec;
	o->recurrence = text_of(request->recurrence ? request->recurrence : "");
	m->options = o;
}

static int send_description(struct remote_submission *self, struct fault *fault)
{
	const struct options *opts = self->request->opts;
	Joblet__RunJobRequest m = JOBLET__RUN_JOB_REQUEST__INIT;
	Joblet__X__V1__RunOptions o = JOBLET__X__V1__RUN_OPTIONS__INIT;
	Joblet__X__V1__SubmitPart part;
	struct lists lists;
	int r = lists_init(&lists, opts->repeated_count);

	joblet__x__v1__submit_part__init(&part);
	describe(&m, &o, self->request);
	if (r == 0)
		r = add_lists(&lists, &m, &o, opts);
	part.part_case = JOBLET__X__V1__SUBMIT_PART__PART_RUN;
	if (r == 0) {
		part.run.len = joblet__run_job_request__get_packed_size(&m);
		part.run.data = malloc(part.run.len + 1);
		r = part.run.data ? 0 : -ENOMEM;
	}
	if (r == 0) {
		(void)joblet__run_job_request__pack(&m, part.run.data);
		r = send_part(self, &part, fault);
		/* Secrets were in it. */
		explicit_bzero(part.run.data, part.run.len);
	} else {
		(void)fault_set(fault, r, "out of memory");
	}
	free(part.run.data);
	lists_done(&lists, opts->repeated_count);
	return r;
}

int remote_begin(struct backend *backend, const struct request *request,
		 struct submission **ret_submission, struct fault *fault)
{
	struct remote_submission *self = calloc(1, sizeof(*self));
	jl_error *err = NULL;
	int r;

	if (!self)
		return fault_set(fault, -ENOMEM, "out of memory");
	self->base.ops = backend->ops;
	self->owner = remote_of(backend);
	self->request = request;
	r = jl__rpc_stream_open(self->owner->client, SUBMIT, UINT64_MAX, &self->stream,
				&err);
	if (r < 0)
		r = remote_error(fault, r, err);
	else
		r = send_description(self, fault);
	if (r < 0) {
		remote_abort(&self->base);
		return r;
	}
	*ret_submission = &self->base;
	return 0;
}

/* ---- uploads ---- */

static int send_file(struct remote_submission *self, Joblet__X__V1__SubmitFile *file,
		     struct fault *fault)
{
	Joblet__X__V1__SubmitPart part;
	char **uploads =
		realloc(self->uploads, (self->upload_count + 1) * sizeof(*uploads));

	joblet__x__v1__submit_part__init(&part);
	if (!uploads)
		return fault_set(fault, -ENOMEM, "out of memory");
	self->uploads = uploads;
	uploads[self->upload_count] = strdup(file->path);
	if (!uploads[self->upload_count])
		return fault_set(fault, -ENOMEM, "out of memory");
	self->upload_count++;
	part.part_case = JOBLET__X__V1__SUBMIT_PART__PART_FILE;
	part.file = file;
	return send_part(self, &part, fault);
}

int remote_add_dir(struct submission *submission, const char *path, uint32_t mode,
		   struct fault *fault)
{
	Joblet__X__V1__SubmitFile file = JOBLET__X__V1__SUBMIT_FILE__INIT;

	file.path = text_of(path);
	file.mode = mode;
	file.is_directory = 1;
	return send_file(self_of(submission), &file, fault);
}

int remote_add_file(struct submission *submission, const char *path, uint32_t mode,
		    uint64_t size, struct fault *fault)
{
	Joblet__X__V1__SubmitFile file = JOBLET__X__V1__SUBMIT_FILE__INIT;

	file.path = text_of(path);
	file.mode = mode;
	file.has_size = size != UINT64_MAX;
	file.size = file.has_size ? size : 0;
	return send_file(self_of(submission), &file, fault);
}

int remote_add_link(struct submission *submission, const char *path, const char *target,
		    struct fault *fault)
{
	Joblet__X__V1__SubmitFile file = JOBLET__X__V1__SUBMIT_FILE__INIT;

	file.path = text_of(path);
	file.link_target = text_of(target);
	return send_file(self_of(submission), &file, fault);
}

int remote_write(struct submission *submission, const void *data, size_t len,
		 struct fault *fault)
{
	const uint8_t *at = data;

	while (len > 0) {
		size_t n = len < CONTENT_MOST ? len : CONTENT_MOST;
		Joblet__X__V1__SubmitPart part;
		int r;

		joblet__x__v1__submit_part__init(&part);
		part.part_case = JOBLET__X__V1__SUBMIT_PART__PART_CONTENT;
		part.content.data = (uint8_t *)(uintptr_t)at;
		part.content.len = n;
		r = send_part(self_of(submission), &part, fault);
		if (r < 0)
			return r;
		at += n;
		len -= n;
	}
	return 0;
}

/* ---- the end of it ---- */

/* What the caller said himself need not come back over the wire. */
static int fill_said(const struct remote_submission *self, struct job *job)
{
	const struct options *opts = self->request->opts;
	int r = 0;

	for (char **word = self->request->words; r == 0 && *word; word++)
		r = job_add_arg(job, *word);
	for (size_t i = 0; r == 0 && i < opts->repeated_count; i++) {
		const struct repeated *item = &opts->repeated[i];
		bool secret = item->flag == FLAG_SECRET_ENV;
		const char *equals = strchr(item->text, '=');
		char *name;

		if ((item->flag != FLAG_ENV && !secret) || !equals)
			continue;
		name = strndup(item->text, (size_t)(equals - item->text));
		r = name ? job_add_env(job, name, secret ? "***" : equals + 1, secret)
			 : -ENOMEM;
		free(name);
	}
	for (size_t i = 0; r == 0 && i < self->upload_count; i++)
		r = job_add_upload(job, self->uploads[i]);
	return r;
}

static int take_reply(const struct remote_submission *self, const uint8_t *data,
		      size_t len, struct job *job, struct fault *fault)
{
	Joblet__X__V1__SubmitReply *m =
		joblet__x__v1__submit_reply__unpack(NULL, len, data);
	int r;

	if (!m || !*m->job_uuid) {
		joblet__x__v1__submit_reply__free_unpacked(m, NULL);
		return remote_bad_reply(fault);
	}
	/* The exit code is not known when it has just begun. */
	r = remote_fill_details(job, m->job_uuid, m->status, m->details, 0);
	if (r == 0)
		r = fill_said(self, job);
	if (r < 0) {
		job_done(job);
		(void)fault_set(fault, r, "out of memory");
	} else {
		(void)snprintf(self->owner->submitted, sizeof(self->owner->submitted),
			       "%s", m->job_uuid);
	}
	if (r == 0 && m->failure_errno > 0 && m->failure_errno < 4096) {
		r = fault_set(fault, -m->failure_errno, "%s", m->failure);
		fault->command = strcmp(m->failure_module, "command") == 0;
	}
	joblet__x__v1__submit_reply__free_unpacked(m, NULL);
	return r;
}

int remote_submit(struct submission *submission, struct job *job, struct fault *fault)
{
	struct remote_submission *self = self_of(submission);
	const uint8_t *data;
	size_t len;
	int r;

	jl__rpc_stream_write_end(self->stream);
	while ((r = jl__rpc_stream_read(self->stream, &data, &len)) == -EAGAIN) {
		r = wait_a_little(self, fault);
		if (r < 0)
			break;
	}
	if (r > 0)
		r = take_reply(self, data, len, job, fault);
	else if (r == 0)
		r = stream_over(self, fault);
	else if (!fault->code)
		r = fault_set(fault, r, "%s", strerror(-r));
	remote_abort(submission);
	return r;
}

void remote_abort(struct submission *submission)
{
	struct remote_submission *self = self_of(submission);

	/* An open stream is cancelled: the daemon removes what came. */
	jl__rpc_stream_close(self->stream);
	for (size_t i = 0; i < self->upload_count; i++)
		free(self->uploads[i]);
	free(self->uploads);
	free(self);
}
