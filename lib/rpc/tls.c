/* SPDX-License-Identifier: MIT */
#define JL_MODULE "tls"

#include "rpc/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

static void bio_free(BIO **bio)
{
	BIO_free_all(*bio);
}

static void x509_free(X509 **cert)
{
	X509_free(*cert);
}

static void key_free(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void ctx_free(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

static const char *last_reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text ? text : "unknown reason";
}

/* A key with a pass phrase is refused instead of asking on the terminal. */
static int no_pass_phrase(char *buf, int size, int writing, void *data)
{
	(void)buf, (void)size, (void)writing;
	*(bool *)data = true;
	return -1;
}

/* Pieces of a PEM text have been read as far as that went: to its end, or to one that is
 * damaged and must not be passed over in silence. */
static int read_all(const char *what, unsigned count, jl_error **err)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return jl__fail(err, -EINVAL,
				"%s %u of several in one text cannot be read (%s)", what,
				count + 1, last_reason());
	ERR_clear_error();
	return 0;
}

static int use_cert(SSL_CTX *ctx, const char *pem, jl_error **err)
{
	_cleanup_(bio_free) BIO *bio = BIO_new_mem_buf(pem, -1);
	_cleanup_(x509_free) X509 *cert = NULL;
	unsigned count = 1;

	if (!bio)
		return jl__oom(err);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (!cert)
		return jl__fail(err, -EINVAL,
				"the certificate is no PEM certificate (%s): it begins "
				"with -----BEGIN CERTIFICATE-----",
				last_reason());
	if (SSL_CTX_use_certificate(ctx, cert) != 1)
		return jl__fail(err, -EINVAL, "the certificate cannot be used: %s",
				last_reason());
	for (;; count++) {
		X509 *more = PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (!more)
			break;
		if (SSL_CTX_add0_chain_cert(ctx, more) != 1) {
			X509_free(more);
			return jl__fail(err, -EINVAL,
					"a certificate between ours and the CA cannot be "
					"used: %s",
					last_reason());
		}
	}
	return read_all("certificate", count, err);
}

static int use_key(SSL_CTX *ctx, const char *pem, jl_error **err)
{
	_cleanup_(bio_free) BIO *bio = BIO_new_mem_buf(pem, -1);
	_cleanup_(key_free) EVP_PKEY *key = NULL;
	bool asked = false;

	if (!bio)
		return jl__oom(err);
	key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &asked);
	if (!key && asked)
		return jl__fail(err, -EINVAL,
				"the key has a pass phrase: remove it (openssl pkey)");
	if (!key)
		return jl__fail(err, -EINVAL,
				"the key is no PEM private key (%s): it begins with "
				"-----BEGIN PRIVATE KEY----- or alike",
				last_reason());
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return jl__fail(err, -EINVAL,
				"the key is not the one of the certificate (%s)",
				last_reason());
	return 0;
}

static int use_ca(SSL_CTX *ctx, const char *pem, bool announce, jl_error **err)
{
	_cleanup_(bio_free) BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	unsigned count = 0;

	if (!bio)
		return jl__oom(err);
	for (;; count++) {
		_cleanup_(x509_free) X509 *cert =
			PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (!cert)
			break;
		if (X509_STORE_add_cert(store, cert) != 1 ||
		    (announce && SSL_CTX_add_client_CA(ctx, cert) != 1))
			return jl__fail(err, -EINVAL,
					"the CA certificate cannot be used: %s",
					last_reason());
	}
	if (count == 0)
		return jl__fail(err, -EINVAL,
				"the CA certificate is no PEM certificate (%s)",
				last_reason());
	return read_all("CA certificate", count, err);
}

/* An outdated list would refuse everybody; better not to start with it. */
static bool is_outdated(const X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	return next && X509_cmp_current_time(next) < 0;
}

static int add_crl(X509_STORE *store, X509_CRL *crl, jl_error **err)
{
	if (is_outdated(crl))
		return jl__fail(err, -EINVAL,
				"the revocation list is outdated: make a new one");
	if (X509_STORE_add_crl(store, crl) != 1 ||
	    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1)
		return jl__fail(err, -EINVAL, "the revocation list cannot be used: %s",
				last_reason());
	return 0;
}

/* One list, or one of each CA there is. */
static int use_crl(SSL_CTX *ctx, const char *pem, jl_error **err)
{
	_cleanup_(bio_free) BIO *bio = BIO_new_mem_buf(pem, -1);
	unsigned count = 0;
	int r = 0;

	if (!bio)
		return jl__oom(err);
	for (; r == 0; count++) {
		X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);

		if (!crl)
			break;
		r = add_crl(SSL_CTX_get_cert_store(ctx), crl, err);
		X509_CRL_free(crl);
	}
	if (r == 0 && count == 0)
		return jl__fail(err, -EINVAL,
				"the revocation list is no PEM list (%s): it begins with "
				"-----BEGIN X509 CRL-----",
				last_reason());
	return r < 0 ? r : read_all("revocation list", count, err);
}

static SSL_CTX *new_ctx(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	/*
	 * No resumption: it would skip looking at the certificate again, which may have
	 * been revoked or have ended since.
	 */
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					       SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_set_num_tickets(ctx, 0);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					    SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_verify_depth(ctx, 4);
	return ctx;
}

/* h2 before http/1.1, whatever the peer likes better; neither of them: no connection. */
static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
		       const unsigned char *in, unsigned len, void *data)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1";

	(void)ssl, (void)data;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_len, ours,
				  sizeof(ours) - 1, in, len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

int jl__rpc_tls_server(const struct jl__rpc_tls *tls, SSL_CTX **ret_ctx, jl_error **err)
{
	_cleanup_(ctx_free) SSL_CTX *ctx = NULL;
	int r;

	ERR_clear_error();
	ctx = new_ctx(TLS_server_method());
	if (!ctx)
		return jl__oom(err);
	r = use_cert(ctx, tls->cert, err);
	if (r == 0)
		r = use_key(ctx, tls->key, err);
	if (r == 0)
		r = use_ca(ctx, tls->ca, true, err);
	if (r == 0 && tls->crl)
		r = use_crl(ctx, tls->crl, err);
	if (r < 0)
		return r;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	*ret_ctx = jl__steal(ctx);
	return 0;
}

int jl__rpc_tls_client(const char *cert, const char *key, const char *ca,
		       SSL_CTX **ret_ctx, jl_error **err)
{
	static const unsigned char h2[] = "\x02h2";
	_cleanup_(ctx_free) SSL_CTX *ctx = NULL;
	int r;

	/* A command ends soon; taking OpenSSL apart then is 4 % of all it does. */
	(void)OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	ERR_clear_error();
	ctx = new_ctx(TLS_client_method());
	if (!ctx)
		return jl__oom(err);
	r = use_cert(ctx, cert, err);
	if (r == 0)
		r = use_key(ctx, key, err);
	if (r == 0)
		r = use_ca(ctx, ca, false, err);
	if (r < 0)
		return r;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* 0 is success in this one function. */
	if (SSL_CTX_set_alpn_protos(ctx, h2, sizeof(h2) - 1) != 0)
		return jl__oom(err);
	*ret_ctx = jl__steal(ctx);
	return 0;
}

bool jl__rpc_tls_accepts(SSL_CTX *ctx, SSL *ssl)
{
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	bool good = check &&
		    X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ctx),
					SSL_get0_peer_certificate(ssl),
					SSL_get_peer_cert_chain(ssl)) == 1 &&
		    X509_STORE_CTX_set_default(check, "ssl_client") == 1 &&
		    X509_verify_cert(check) == 1;

	X509_STORE_CTX_free(check);
	ERR_clear_error();
	return good;
}

bool jl__rpc_tls_revoked(SSL_CTX *ctx, X509 *cert)
{
	STACK_OF(X509_OBJECT) *objects =
		X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509_CRL *crl =
			X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
		X509_REVOKED *entry;

		if (crl &&
		    X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(cert)) ==
			    0 &&
		    X509_CRL_get0_by_cert(crl, &entry, cert) == 1)
			return true;
	}
	return false;
}
