/* SPDX-License-Identifier: MIT */
/* A plan in words: the list of what will be done, and the sentence for what went wrong.
 */
#define JL_MODULE "spawn"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/parse.h"
#include "rootfs/rootfs.h"
#include "sandbox/sandbox.h"
#include "spawn/plan.h"

/* ---- printing ---- */

static void print_attrs(struct jl__buf *out, uint32_t attrs)
{
	static const char *const names[] = { "ro", "nosuid", "nodev", "noexec" };

	for (uint32_t i = 0; i < 4; i++)
		if (attrs & 1U << i)
			(void)jl__buf_addf(out, " %s", names[i]);
}

static void print_op(struct jl__buf *out, const struct jl__op *op, const char *base)
{
	const char *path = base + op->path, *text = base + op->text;

	(void)jl__buf_addf(out, "  %-9s /%s", jl__op_name(op->type), path);
	switch (op->type) {
	case JL__OP_LINK:
		(void)jl__buf_addf(out, " -> %s", text);
		break;
	case JL__OP_COPY:
	case JL__OP_BIND:
		(void)jl__buf_addf(out, " from %s", text);
		break;
	case JL__OP_MASK:
		(void)jl__buf_addf(out, " behind /%s", text);
		break;
	case JL__OP_FILE:
		(void)jl__buf_addf(out, " %" PRIu32 " bytes", op->length);
		break;
	case JL__OP_NODE:
		(void)jl__buf_addf(out, " %" PRIu64 ":%" PRIu64, op->number >> 8 & 0xfff,
				   op->number & 0xff);
		break;
	case JL__OP_SCRATCH:
		if (op->number)
			(void)jl__buf_addf(out, " size %" PRIu64, op->number);
		break;
	default:
		break;
	}
	if (op->mode)
		(void)jl__buf_addf(out, " mode %04" PRIo32, op->mode);
	print_attrs(out, op->attrs);
	(void)jl__buf_add_str(out, "\n");
}

static bool is_secret(const jl_job_spec *spec, const char *text, size_t name_len)
{
	for (uint32_t i = 0; i < spec->env_count; i++)
		if (spec->env[i].secret && strlen(spec->env[i].name) == name_len &&
		    memcmp(spec->env[i].name, text, name_len) == 0)
			return true;
	return false;
}

static void print_env(struct jl__buf *out, const struct jl__plan *plan,
		      const jl_job_spec *spec)
{
	const uint32_t *list = jl__plan_items(plan, plan->envp);

	for (uint32_t i = 0; i < plan->envp.count; i++) {
		const char *text = jl__plan_text(plan, list[i]);
		size_t name = strcspn(text, "=");

		if (is_secret(spec, text, name))
			(void)jl__buf_addf(out, "  %.*s=***\n", (int)name, text);
		else
			(void)jl__buf_addf(out, "  %s\n", text);
	}
}

static void print_limits(struct jl__buf *out, const struct jl__plan *plan)
{
	const struct jl__plan_write *writes = jl__plan_items(plan, plan->writes);
	const struct jl__plan_rlimit *rlimits = jl__plan_items(plan, plan->rlimits);

	(void)jl__buf_add_str(out, "limits:\n");
	for (uint32_t i = 0; i < plan->writes.count; i++)
		(void)jl__buf_addf(out, "  %s %s\n", jl__plan_text(plan, writes[i].file),
				   jl__plan_text(plan, writes[i].value));
	for (uint32_t i = 0; i < plan->rlimits.count; i++) {
		const char *name = jl__rlimit_name((int)rlimits[i].resource);

		(void)jl__buf_addf(out, "  rlimit %s %" PRIu64 " %" PRIu64 "\n",
				   name ? name : "?", rlimits[i].soft, rlimits[i].hard);
	}
	if (plan->timeout_usec)
		(void)jl__buf_addf(out, "  timeout %" PRIu64 " us\n", plan->timeout_usec);
}

static void print_network(struct jl__buf *out, const jl_job_spec *spec)
{
	(void)jl__buf_addf(out, "network: %s\n", jl__spec_network_name(spec));
	for (uint32_t i = 0; i < spec->allow_count; i++) {
		const struct jl__net_allow *allow = &spec->allow[i];

		(void)jl__buf_addf(out, "  allowed %u.%u.%u.%u/%" PRIu32,
				   allow->address >> 24, allow->address >> 16 & 255,
				   allow->address >> 8 & 255, allow->address & 255,
				   allow->prefix);
		if (allow->port_first != 0 || allow->port_last != UINT16_MAX)
			(void)jl__buf_addf(out, " ports %u to %u", allow->port_first,
					   allow->port_last);
		(void)jl__buf_add_str(out, "\n");
	}
	for (uint32_t i = 0; i < spec->publish_count; i++)
		(void)jl__buf_addf(out, "  port %u of the host is port %u of the job, %s\n",
				   spec->publish[i].host_port, spec->publish[i].job_port,
				   spec->publish[i].udp ? "udp" : "tcp");
	if (spec->net_bps)
		(void)jl__buf_addf(out, "  %" PRIu64 " bytes per second each way\n",
				   spec->net_bps);
}

static void print_sandbox(struct jl__buf *out, const struct jl__plan *plan,
			  const jl_job_spec *spec)
{
	(void)jl__buf_addf(out, "user: %" PRIu32 ":%" PRIu32 "\ncapabilities:", plan->uid,
			   plan->gid);
	for (unsigned int i = 0; i < 64; i++)
		if (plan->caps & UINT64_C(1) << i)
			(void)jl__buf_addf(out, " %s", jl__caps_name(i));
	(void)jl__buf_addf(out, "\nseccomp: %" PRIu32 " instructions\n",
			   plan->filter.count);
	print_network(out, spec);
	(void)jl__buf_addf(out, "init: %s\n", plan->flags & JL__PLAN_INIT ? "yes" : "no");
}

int jl__plan_print(const struct jl__plan *plan, const jl_job_spec *spec,
		   struct jl__buf *out)
{
	const uint32_t *args = jl__plan_items(plan, plan->argv);
	const uint32_t *commands = jl__plan_items(plan, plan->commands);
	const struct jl__op *ops = jl__plan_items(plan, plan->ops);
	const struct jl__tree *tree = jl__plan_items(plan, plan->tree);

	(void)jl__buf_add_str(out, "command:");
	for (uint32_t i = 0; i < plan->argv.count; i++)
		(void)jl__buf_addf(out, " %s", jl__plan_text(plan, args[i]));
	(void)jl__buf_add_str(out, "\ntried:");
	for (uint32_t i = 0; i < plan->commands.count; i++)
		(void)jl__buf_addf(out, " %s", jl__plan_text(plan, commands[i]));
	(void)jl__buf_addf(out, "\nworking directory: %s\nhost name: %s\n",
			   jl__plan_text(plan, plan->work_dir),
			   jl__plan_text(plan, plan->hostname));
	print_sandbox(out, plan, spec);
	print_limits(out, plan);
	(void)jl__buf_add_str(out, "environment:\n");
	print_env(out, plan, spec);
	(void)jl__buf_add_str(out, "root:\n");
	for (uint32_t i = 0; i < tree->count; i++)
		print_op(out, &tree->ops[i], (const char *)tree);
	(void)jl__buf_add_str(out, "for this job:\n");
	for (uint32_t i = 0; i < plan->ops.count; i++)
		print_op(out, &ops[i], (const char *)plan);
	return out->failed;
}

/* ---- sentences ---- */

static int fail_op(const struct jl__op *op, const char *base, int code, jl_error **err)
{
	const char *path = base + op->path, *text = base + op->text;

	if (code == -ESTALE)
		return jl__fail(err, code,
				"%s changed while the job was prepared; try again", text);
	if (op->type == JL__OP_BIND || op->type == JL__OP_COPY)
		return jl__fail_errno(err, code, "cannot show %s of the host at /%s",
				      text, path);
	return jl__fail_errno(err, code, "cannot make %s at /%s", jl__op_name(op->type),
			      path);
}

/* The last part of the folder is the network's name. */
static int fail_full(const struct jl__plan *plan, jl_error **err)
{
	const struct jl__wire *wire = jl__plan_items(plan, plan->wire);

	return jl__fail(
		err, -ENOSPC,
		"network \"%s\" is full: 1023 jobs are what a bridge of the kernel takes",
		strrchr(wire->folder, '/') + 1);
}

/* Module of such failures: callers tell "not found" from everything else by it. */
#define COMMAND "command"

static int fail_command(const struct jl__plan *plan, int code, jl_error **err)
{
	const uint32_t *args = jl__plan_items(plan, plan->argv);
	const char *command = jl__plan_text(plan, args[0]);

	switch (code) {
	case -ENOENT:
		if (strchr(command, '/'))
			return jl__fail_in(
				err, code, COMMAND,
				"cannot run %s: there is no such file in the job, or its interpreter is missing",
				command);
		return jl__fail_in(err, code, COMMAND,
				   "cannot run %s: command not found in the job's PATH",
				   command);
	case -ENOEXEC:
		return jl__fail_in(
			err, code, COMMAND,
			"cannot run %s: it is neither a program of this machine nor a script with #!",
			command);
	case -ELOOP:
		return jl__fail_in(
			err, -EACCES, COMMAND,
			"cannot run %s: the path leads through a magic link of /proc",
			command);
	default:
		return jl__fail_errno_in(err, code, COMMAND, "cannot run %s", command);
	}
}

static int fail_work_dir(const struct jl__plan *plan, int code, jl_error **err)
{
	const char *path = jl__plan_text(plan, plan->work_dir);

	if (code == -ELOOP)
		return jl__fail(
			err, -EACCES,
			"cannot enter working directory %s: it leads through a magic link of /proc",
			path);
	return jl__fail_errno(err, code, "cannot enter working directory %s of the job",
			      path);
}

static int fail_limit(const struct jl__plan *plan, const struct jl__failure *f,
		      jl_error **err)
{
	const struct jl__plan_write *writes = jl__plan_items(plan, plan->writes);
	const char *file, *value;

	if (f->op >= plan->writes.count)
		return jl__fail_errno(err, f->code, "cannot apply a limit");
	file = jl__plan_text(plan, writes[f->op].file);
	value = jl__plan_text(plan, writes[f->op].value);
	if (f->step == JL__STEP_READBACK)
		return jl__fail(
			err, f->code,
			"the kernel took %s for %s and made something else of it; the limit would not hold",
			value, file);
	return jl__fail_errno(err, f->code, "cannot set %s to %s", file, value);
}

static int fail_rlimit(const struct jl__plan *plan, const struct jl__failure *f,
		       jl_error **err)
{
	const struct jl__plan_rlimit *list = jl__plan_items(plan, plan->rlimits);
	const char *name;

	if (f->op >= plan->rlimits.count)
		return jl__fail_errno(err, f->code, "cannot set a resource limit");
	name = jl__rlimit_name((int)list[f->op].resource);
	return jl__fail_errno(err, f->code,
			      "cannot set the limit of %s to %" PRIu64 " (hard %" PRIu64
			      "); the caller's own hard limit is the most",
			      name, list[f->op].soft, list[f->op].hard);
}

/* Steps whose name says it all. */
static const char *const step_texts[] = {
	[JL__STEP_PLAN] = "the supervisor does not understand the plan of the job",
	[JL__STEP_IDS] = "no range of user ids is free for the job",
	[JL__STEP_USERNS] =
		"cannot make a user namespace for the job (rnx doctor tells why)",
	[JL__STEP_NETNS] = "cannot make the job's network namespace",
	[JL__STEP_WIRE] = "cannot connect the job to its network",
	[JL__STEP_CLONE_TREE] = "cannot clone the root for the job",
	[JL__STEP_CGROUP] = "cannot make the job's cgroup",
	[JL__STEP_OOM_EVENT] = "cannot watch the memory of the job's cgroup",
	[JL__STEP_WORK] = "cannot make the job's /work on disk",
	[JL__STEP_CLONE] = "cannot clone the job into its namespaces",
	[JL__STEP_JOIN] = "the job cannot enter its cgroup",
	[JL__STEP_SESSION] =
		"cannot give the job a session and keyring of its own (see kernel.keys.maxkeys)",
	[JL__STEP_ROOT] = "cannot attach the job's root",
	[JL__STEP_PIVOT] = "cannot change to the job's root",
	[JL__STEP_HOSTNAME] = "cannot set the host name of the job",
	[JL__STEP_STDIO] = "cannot connect the job's standard streams",
	[JL__STEP_USER] = "cannot become the job's user",
	[JL__STEP_CAPS] = "cannot give up capabilities",
	[JL__STEP_VERIFY_PID] =
		"the job is not alone in its pid namespace; it was not started",
	[JL__STEP_VERIFY_CGROUP] = "the job is not in its cgroup; it was not started",
	[JL__STEP_VERIFY_CAPS] = "the job still has privileges; it was not started",
	[JL__STEP_SECCOMP] = "cannot install the system call filter",
	[JL__STEP_COMMAND] = "cannot run the command",
	[JL__STEP_WORK_DIR] = "cannot enter the working directory of the job",
	[JL__STEP_MOUNT] = "cannot mount what the job sees",
	[JL__STEP_TREE] = "cannot show the job its root",
	[JL__STEP_LIMIT] = "cannot apply a limit",
	[JL__STEP_READBACK] = "a limit does not hold",
	[JL__STEP_RLIMIT] = "cannot set a resource limit",
	[JL__STEP_DIED] =
		"the job was killed before its command ran; is its memory limit too small?",
	[JL__STEP_INIT] = "the job's init cannot start the command",
};

/* Size of /work in memory; 0: on a disk, or not told. */
static uint64_t work_bytes(const struct jl__plan *plan)
{
	const struct jl__op *ops = plan ? jl__plan_items(plan, plan->ops) : NULL;

	for (uint32_t i = 0; plan && i < plan->ops.count; i++)
		if (ops[i].type == JL__OP_SCRATCH &&
		    strcmp(jl__plan_text(plan, ops[i].path), "work") == 0)
			return ops[i].number;
	return 0;
}

/* Names may be any bytes; sentences are text. */
static void put_name(char *out, size_t size, const char *name)
{
	bool utf8 = jl__is_utf8(name, strlen(name));

	while (*name && size-- > 1) {
		unsigned char c = (unsigned char)*name++;

		*out++ = (char)(c < ' ' || c == 127 || (c > 127 && !utf8) ? '?' : c);
	}
	*out = '\0';
}

static int fail_upload(const struct jl__plan *plan, const struct jl__failure *f,
		       const char *name, jl_error **err)
{
	uint64_t bytes = work_bytes(plan);
	char text[JL__FAILURE_TEXT_MAX + 1];

	put_name(text, sizeof(text), name);
	if (f->code == -EINVAL)
		return jl__fail(
			err, f->code,
			"uploaded \"%s\" is neither a file nor a folder nor a link",
			text);
	if (f->code == -ENOSPC && bytes)
		return jl__fail(err, f->code,
				"cannot copy uploaded \"%s\" into /work: its %" PRIu64
				" bytes are used up; a larger disk limit helps",
				text, bytes);
	if (f->code == -ENOSPC || f->code == -EDQUOT)
		return jl__fail(err, f->code,
				"cannot copy uploaded \"%s\" into /work, which is full",
				text);
	return jl__fail_errno(err, f->code, "cannot copy uploaded \"%s\" into /work",
			      text);
}

static int fail_record(const struct jl__failure *f, jl_error **err)
{
	if (f->step == JL__STEP_LOG)
		return jl__fail_errno(err, f->code, "cannot make the log of the job");
	if (f->op == 0 && f->code == -EEXIST)
		return jl__fail(err, f->code,
				"the job has been started already, by somebody else");
	return jl__fail_errno(err, f->code, "cannot write into the folder of the job");
}

static int fail_plain(const struct jl__failure *f, jl_error **err)
{
	if (f->step == JL__STEP_RESOURCES && f->code == -ECONNRESET)
		return jl__fail(err, f->code,
				"the supervisor died while it started the job");
	if (f->step == JL__STEP_RESOURCES)
		return jl__fail_errno(err, f->code,
				      "the supervisor is short of resources");
	if (f->step < sizeof(step_texts) / sizeof(step_texts[0]) && step_texts[f->step])
		return jl__fail_errno(err, f->code, "%s", step_texts[f->step]);
	return jl__fail_errno(err, f->code, "cannot start the job (step %" PRIu32 ")",
			      f->step);
}

int jl__plan_fail(const struct jl__plan *plan, const struct jl__failure *f,
		  const char *text, jl_error **err)
{
	const struct jl__tree *tree;
	const struct jl__op *ops;

	if (f->step == JL__STEP_UPLOAD)
		return fail_upload(plan, f, text && *text ? text : "files", err);
	if (f->step == JL__STEP_LOG || f->step == JL__STEP_RECORD)
		return fail_record(f, err);
	if (!plan)
		return fail_plain(f, err);
	tree = jl__plan_items(plan, plan->tree);
	ops = jl__plan_items(plan, plan->ops);
	switch (f->step) {
	case JL__STEP_TREE:
		if (f->op < tree->count)
			return fail_op(&tree->ops[f->op], (const char *)tree, f->code,
				       err);
		break;
	case JL__STEP_MOUNT:
		if (f->op < plan->ops.count)
			return fail_op(&ops[f->op], (const char *)plan, f->code, err);
		break;
	case JL__STEP_LIMIT:
	case JL__STEP_READBACK:
		return fail_limit(plan, f, err);
	case JL__STEP_RLIMIT:
		return fail_rlimit(plan, f, err);
	case JL__STEP_WIRE:
		if (f->code == -EXFULL)
			return fail_full(plan, err);
		break;
	case JL__STEP_COMMAND:
		return fail_command(plan, f->code, err);
	case JL__STEP_WORK_DIR:
		return fail_work_dir(plan, f->code, err);
	default:
		break;
	}
	return fail_plain(f, err);
}
