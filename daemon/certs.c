/* SPDX-License-Identifier: MIT */
#include "certs.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static int check_crl(const char *pem, X509 *authority, struct sentence *why)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_CRL *crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
	int r = 0;

	BIO_free(bio);
	if (!crl)
		r = fail(why, -EINVAL,
			 "security.revoked cannot be read: it is no PEM revocation list");
	else if (X509_CRL_verify(crl, X509_get0_pubkey(authority)) != 1)
		r = fail(
			why, -EINVAL,
			"security.revoked was not made by the authority in security.caCert");
	else if (X509_CRL_get0_nextUpdate(crl) &&
		 X509_cmp_current_time(X509_CRL_get0_nextUpdate(crl)) < 0)
		r = fail(why, -EINVAL,
			 "security.revoked has run out: nobody could connect; make a new "
			 "one with joblet cert revoke, or take it out");
	X509_CRL_free(crl);
	ERR_clear_error();
	return r;
}

static int check_set(const struct jl__server_config *c, struct sentence *why)
{
	const struct {
		const char *name, *text;
	} needed[] = {
		{ "serverCert", c->server_cert },
		{ "serverKey", c->server_key },
		{ "caCert", c->ca_cert },
	};

	if (!*c->server_cert && !*c->server_key && !*c->ca_cert)
		return fail(
			why, -ENOENT,
			"there are no certificates in %s; make some with: joblet cert "
			"init --address HOST",
			c->path ? c->path : "the built-in configuration");
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (!*needed[i].text)
			return fail(why, -EINVAL, "security.%s is missing in %s",
				    needed[i].name,
				    c->path ? c->path : "the configuration");
	}
	return 0;
}

int certs_check(const struct jl__server_config *config, struct sentence *why)
{
	X509 *cert = NULL, *authority = NULL;
	EVP_PKEY *key = NULL;
	int r = check_set(config, why);

	if (r == 0)
		r = cert_read(config->server_cert, "certificate in security.serverCert",
			      &cert, why);
	if (r == 0)
		r = cert_read_key(config->server_key, "key in security.serverKey", &key,
				  why);
	if (r == 0)
		r = cert_read(config->ca_cert, "certificate in security.caCert",
			      &authority, why);
	/* A certificate between the two is fine: then only the key can be looked at. */
	if (r == 0 && X509_check_issued(authority, cert) == X509_V_OK)
		r = cert_check_pair(cert, key, authority, "daemon", why);
	else if (r == 0 && X509_check_private_key(cert, key) != 1)
		r = fail(why, -EINVAL,
			 "security.serverKey does not belong to security.serverCert");
	if (r == 0 && *config->crl)
		r = check_crl(config->crl, authority, why);
	X509_free(cert);
	X509_free(authority);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}

int certs_get_expiry(const struct jl__server_config *config, struct certs_expiry *ret,
		     struct sentence *why)
{
	struct cert_info info;
	X509 *cert = NULL;
	int r = cert_read(config->server_cert, "certificate in security.serverCert",
			  &cert, why);

	if (r < 0)
		return r;
	cert_get_info(cert, &info);
	X509_free(cert);
	ret->server = info.not_after;
	r = cert_read(config->ca_cert, "certificate in security.caCert", &cert, why);
	if (r < 0)
		return r;
	cert_get_info(cert, &info);
	X509_free(cert);
	ret->authority = info.not_after;
	return 0;
}

void certs_expiry_text(char buf[SENTENCE_MAX], const char *what, int64_t when,
		       int64_t now, const char *remedy)
{
	int64_t days = cert_days_left(when, now);
	char until[TIME_TEXT_MAX];

	(void)time_text(until, (uint64_t)when * 1000000);
	if (days < 0)
		(void)snprintf(buf, SENTENCE_MAX, "%s ended at %s: %s", what, until,
			       remedy);
	else
		(void)snprintf(buf, SENTENCE_MAX, "%s ends in %lld day%s, at %s%s%s",
			       what, (long long)days, days == 1 ? "" : "s", until,
			       *remedy ? ": " : "", remedy);
}
