/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "rpc/client.h"
#include "rpc/text.h"
#include "rpc/tls.h"

/* A value of the subject by its own length: a NUL inside must not end it early. */
static void take_text(X509_NAME_ENTRY *entry, char *to, size_t size)
{
	char shown[JL__RPC_TEXT_MAX];
	unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));

	to[0] = '\0';
	if (len < 0)
		return;
	jl__rpc_showable(shown, (const char *)utf8, (size_t)len);
	OPENSSL_free(utf8);
	/* Too long is no shorter name: it must not become somebody else's. */
	if (strlen(shown) < size)
		memcpy(to, shown, strlen(shown) + 1);
	else
		(void)snprintf(to, size, "(too long)");
}

static void take_serial(X509 *cert, struct jl__rpc_peer *peer)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *text = number ? BN_bn2hex(number) : NULL;

	if (text)
		(void)snprintf(peer->serial, sizeof(peer->serial), "%s", text);
	OPENSSL_free(text);
	BN_free(number);
}

int jl__rpc_cert_end(const char *pem, uint64_t *ret_usec)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	struct tm end;
	int r = -EINVAL;

	if (cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end) == 1 &&
	    timegm(&end) >= 0) {
		*ret_usec = (uint64_t)timegm(&end) * 1000000;
		r = 0;
	}
	X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return r;
}

static void take_end(X509 *cert, struct jl__rpc_peer *peer)
{
	struct tm end;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &end) == 1)
		peer->not_after_usec = (int64_t)timegm(&end) * 1000000;
}

void jl__rpc_identity_of_cert(X509 *cert, struct jl__rpc_peer *peer)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	peer->certified = true;
	for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
		X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
		int what = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));

		if (what == NID_commonName && !peer->common_name[0])
			take_text(entry, peer->common_name, sizeof(peer->common_name));
		if (what == NID_organizationalUnitName &&
		    peer->n_units < JL__RPC_UNITS_MAX)
			take_text(entry, peer->units[peer->n_units++],
				  sizeof(peer->units[0]));
	}
	take_serial(cert, peer);
	take_end(cert, peer);
	if (X509_digest(cert, EVP_sha256(), digest, &len) == 1)
		for (unsigned i = 0; i < len && i < 32; i++)
			(void)snprintf(peer->fingerprint + 2 * (size_t)i, 3, "%02x",
				       digest[i]);
	ERR_clear_error();
}

int jl__rpc_identity_of_socket(int fd, struct jl__rpc_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	peer->local = true;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	peer->pid = cred.pid;
	(void)snprintf(peer->address, sizeof(peer->address), "local:uid=%u,pid=%d",
		       cred.uid, cred.pid);
	/* More groups than there is room for: only the main one counts then. */
	len = sizeof(peer->groups);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->groups, &len) == 0) {
		peer->n_groups = (unsigned)(len / sizeof(gid_t));
	} else {
		peer->groups[0] = cred.gid;
		peer->n_groups = 1;
	}
	return 0;
}

void jl__rpc_identity_address(const struct sockaddr *addr, struct jl__rpc_peer *peer)
{
	const struct sockaddr_in *v4 = (const void *)addr;
	const struct sockaddr_in6 *v6 = (const void *)addr;
	char text[INET6_ADDRSTRLEN] = "?";

	if (addr->sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		(void)snprintf(peer->address, sizeof(peer->address), "%s:%u", text,
			       ntohs(v4->sin_port));
	} else if (addr->sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		(void)snprintf(peer->address, sizeof(peer->address), "[%s]:%u", text,
			       ntohs(v6->sin6_port));
	} else {
		(void)snprintf(peer->address, sizeof(peer->address), "unknown");
	}
}

void jl__rpc_tls_explain(SSL *ssl, int r, unsigned long code, char to[256])
{
	long verify = SSL_get_verify_result(ssl);
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (verify != X509_V_OK)
		(void)snprintf(to, 256, "its certificate was refused: %s",
			       X509_verify_cert_error_string(verify));
	else if (reason)
		(void)snprintf(to, 256, "no TLS connection: %s", reason);
	else
		(void)snprintf(to, 256, "it left during the TLS handshake: %s",
			       strerror(r < 0 ? -r : r));
}
