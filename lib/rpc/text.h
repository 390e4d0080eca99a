/* SPDX-License-Identifier: MIT */
/* Texts of HTTP and gRPC, to and from values. Pure. */
#ifndef JL_RPC_TEXT_H
#define JL_RPC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest text of a status that is sent or kept, with the NUL. */
#define JL__RPC_TEXT_MAX 1024
/* Every byte may become three. */
#define JL__RPC_PERCENT_MAX (3 * JL__RPC_TEXT_MAX)

/* Bytes of the UTF-8 character at text, of which there is at least one byte; 0: none. */
size_t jl__rpc_character(const char *text, size_t left);
/*
 * Makes any bytes fit to be shown: one line of UTF-8, control characters and what is no
 * UTF-8 become "?". Cut at a whole character.
 */
void jl__rpc_showable(char to[JL__RPC_TEXT_MAX], const char *text, size_t len);

/* grpc-message: everything but printable ASCII, and "%", becomes %XX. Returns the length.
 */
size_t jl__rpc_percent_encode(char to[JL__RPC_PERCENT_MAX], const char *text);
/* The other way; a "%" without two digits stays. Showable afterwards. */
void jl__rpc_percent_decode(char to[JL__RPC_TEXT_MAX], const char *text, size_t len);
/*
 * One component of a path: decoded, or -EINVAL when it holds a NUL, a "/", no UTF-8, or
 * does not fit with its NUL.
 */
int jl__rpc_component_decode(char *to, size_t size, const char *text, size_t len);

/* grpc-timeout, "10S", "250m": µs; UINT64_MAX for what is not of that form. */
uint64_t jl__rpc_timeout_parse(const char *text, size_t len);
/* The other way, rounded up. */
void jl__rpc_timeout_format(char to[16], uint64_t usec);

/* Whether a content-type is gRPC with protocol buffers. */
bool jl__rpc_is_grpc_type(const char *text, size_t len);
/* HTTP status for a code, and the code for an HTTP status that came instead of one. */
unsigned jl__rpc_http_status(int code);
int jl__rpc_code_of_http(unsigned status);
/* "Not Found". */
const char *jl__rpc_http_reason(unsigned status);

/*
 * Whether a path fits a pattern with "*" components. The first max of them are stored;
 * *ret_count is how many there are.
 */
struct jl__rpc_span {
	const char *at;
	size_t len;
};
bool jl__rpc_path_match(const char *pattern, const char *path, size_t len,
			struct jl__rpc_span *ret_spans, unsigned max,
			unsigned *ret_count);

#endif
