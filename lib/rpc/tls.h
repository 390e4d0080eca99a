/* SPDX-License-Identifier: MIT */
/* TLS 1.3 contexts from PEM text, and what certificates say. Opens no files. */
#ifndef JL_RPC_TLS_H
#define JL_RPC_TLS_H

#include <openssl/ssl.h>

#include "rpc/rpc.h"

/* Both sides: 1.3 only, no tickets, no session cache. */
int jl__rpc_tls_server(const struct jl__rpc_tls *tls, SSL_CTX **ret_ctx, jl_error **err);
/* cert, key, ca as in struct jl__rpc_target. */
int jl__rpc_tls_client(const char *cert, const char *key, const char *ca,
		       SSL_CTX **ret_ctx, jl_error **err);
/* Whether the context accepts the certificate of a client that came in by another one. */
bool jl__rpc_tls_accepts(SSL_CTX *ctx, SSL *ssl);
/* Whether the context's revocation list has this certificate. */
bool jl__rpc_tls_revoked(SSL_CTX *ctx, X509 *cert);

/* What a certificate says of its holder, into a peer. */
void jl__rpc_identity_of_cert(X509 *cert, struct jl__rpc_peer *peer);
/* Who is behind a unix socket, into a peer. 0 or -errno. */
int jl__rpc_identity_of_socket(int fd, struct jl__rpc_peer *peer);
/* Address of the other side of a TCP connection, into peer->address. */
struct sockaddr;
void jl__rpc_identity_address(const struct sockaddr *addr, struct jl__rpc_peer *peer);

/* A failed handshake in words, for the server's log. */
void jl__rpc_tls_explain(SSL *ssl, int r, unsigned long code, char to[256]);

#endif
