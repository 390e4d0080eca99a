/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <protobuf-c/protobuf-c.h>

#include "remote-priv.h"

#define CONNECT_USEC UINT64_C(10000000)
#define RECONNECT_USEC UINT64_C(2000000)
#define PAUSE_USEC UINT64_C(200000)

uint64_t remote_now_usec(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int remote_fault(struct fault *fault, const struct jl__rpc_status *status)
{
	static const struct {
		int code, error;
	} table[] = {
		{ JL__RPC_INVALID_ARGUMENT, -EINVAL },
		{ JL__RPC_OUT_OF_RANGE, -ERANGE },
		{ JL__RPC_NOT_FOUND, -ENOENT },
		{ JL__RPC_ALREADY_EXISTS, -EEXIST },
		{ JL__RPC_PERMISSION_DENIED, -EPERM },
		{ JL__RPC_UNAUTHENTICATED, -EKEYREJECTED },
		{ JL__RPC_RESOURCE_EXHAUSTED, -EDQUOT },
		{ JL__RPC_FAILED_PRECONDITION, -EBUSY },
		{ JL__RPC_DEADLINE_EXCEEDED, -ETIMEDOUT },
		{ JL__RPC_UNAVAILABLE, -ECONNRESET },
		{ JL__RPC_UNIMPLEMENTED, -EOPNOTSUPP },
		{ JL__RPC_CANCELLED, -ECANCELED },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (table[i].code == status->code)
			return fault_set(fault, table[i].error, "%s",
					 *status->text ? status->text
						       : jl__rpc_code_name(status->code));
	}
	return fault_set(fault, -EIO, "%s",
			 *status->text ? status->text : jl__rpc_code_name(status->code));
}

int remote_error(struct fault *fault, int code, jl_error *err)
{
	const char *text = jl_error_message(err);

	(void)fault_set(fault, code, "%s", *text ? text : strerror(-code));
	jl_error_free(err);
	return code;
}

static struct jl__rpc_target target_of(const struct remote *self)
{
	return (struct jl__rpc_target){
		.address = self->address,
		.cert = self->cert,
		.key = self->key,
		.ca = self->ca,
	};
}

/* Every command makes a call next, which can be on its way while the server still looks
 * at our certificate. */
int remote_connect(struct remote *self, struct fault *fault)
{
	struct jl__rpc_target target = target_of(self);
	jl_error *err = NULL;
	int r = jl__rpc_client_dial(&target, CONNECT_USEC, &self->client, &err);

	return r < 0 ? remote_error(fault, r, err) : 0;
}

static int connect_again(struct remote *self, struct fault *fault)
{
	struct jl__rpc_target target = target_of(self);
	jl_error *err = NULL;
	int r = jl__rpc_client_connect(&target, RECONNECT_USEC, &self->client, &err);

	return r < 0 ? remote_error(fault, r, err) : 0;
}

int remote_reconnect(struct remote *self, struct fault *fault)
{
	uint64_t now = remote_now_usec();
	int r;

	if (!self->lost_usec)
		self->lost_usec = now;
	remote_log_lose_all(self);
	remote_end_lose(self);
	jl__rpc_client_free(self->client);
	self->client = NULL;
	r = connect_again(self, fault);
	if (r == 0) {
		self->lost_usec = 0;
		return 0;
	}
	/* Only what a restart looks like is waited for. */
	if (r != -ECONNREFUSED && r != -ENOENT && r != -ECONNRESET && r != -ETIMEDOUT &&
	    r != -EPIPE)
		return r;
	return now - self->lost_usec < LOST_USEC ? -EAGAIN : r;
}

int remote_bad_reply(struct fault *fault)
{
	return fault_set(fault, -EBADMSG, "the server's answer cannot be read");
}

static int pack(const ProtobufCMessage *message, uint8_t **ret, size_t *ret_len)
{
	*ret_len = protobuf_c_message_get_packed_size(message);
	*ret = malloc(*ret_len + 1);
	if (!*ret)
		return -ENOMEM;
	(void)protobuf_c_message_pack(message, *ret);
	return 0;
}

static int ask(struct remote *self, const char *path, const uint8_t *data, size_t len,
	       uint64_t timeout_usec, uint8_t **ret_reply, size_t *ret_len,
	       struct fault *fault)
{
	struct jl__rpc_status status = { .code = -1 };
	int r = jl__rpc_client_unary(self->client, path, data, len, timeout_usec,
				     ret_reply, ret_len, &status);

	if (r < 0)
		return fault_set(fault, r, "%s", strerror(-r));
	return status.code == JL__RPC_OK ? 0 : remote_fault(fault, &status);
}

static void pause_a_little(void)
{
	const struct timespec ts = { .tv_nsec = PAUSE_USEC * 1000 };

	(void)nanosleep(&ts, NULL);
}

int remote_call(struct remote *self, const char *path, const ProtobufCMessage *request,
		uint64_t timeout_usec, bool again, uint8_t **ret_reply, size_t *ret_len,
		struct fault *fault)
{
	uint8_t *data, *reply = NULL;
	size_t len, reply_len = 0;
	int r = pack(request, &data, &len);

	if (r < 0)
		return fault_set(fault, r, "out of memory");
	if (!self->client)
		r = remote_reconnect(self, fault);
	if (r == 0)
		r = ask(self, path, data, len, timeout_usec, &reply, &reply_len, fault);
	/* A server that never spoke to us was not restarted. */
	if (r < 0 && self->client && !jl__rpc_client_greeted(self->client))
		again = false;
	while (again && (r == -ECONNRESET || r == -EAGAIN)) {
		bool lost = r == -ECONNRESET || !self->client;

		if (!lost)
			break; /* the server's own refusal */
		r = remote_reconnect(self, fault);
		if (r == -EAGAIN)
			pause_a_little();
		else if (r == 0)
			r = ask(self, path, data, len, timeout_usec, &reply, &reply_len,
				fault);
	}
	free(data);
	if (r < 0)
		return r;
	if (ret_reply) {
		*ret_reply = reply;
		*ret_len = reply_len;
	} else {
		jl__rpc_message_free(reply);
	}
	return 0;
}
