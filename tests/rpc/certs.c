/* SPDX-License-Identifier: MIT */
/* Certificates for the tests: one CA, another one, and everything that can be wrong. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define DAY 86400

/* Called before there is a test that could fail. */
#define need(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static long next_serial = 100;

static char *text_of(BIO *bio)
{
	char *data, *text;
	long len = BIO_get_mem_data(bio, &data);

	text = calloc(1, (size_t)len + 1);
	need(text != NULL);
	memcpy(text, data, (size_t)len);
	BIO_free(bio);
	return text;
}

static char *pem_of_cert(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	need(PEM_write_bio_X509(bio, cert) == 1);
	return text_of(bio);
}

static char *pem_of_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	need(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	return text_of(bio);
}

struct maker {
	X509 *cert;
	EVP_PKEY *key;
};

static void add_name(X509_NAME *name, const char *field, const void *value, int len)
{
	need(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, value, len, -1, 0) ==
	     1);
}

static void add_extension(X509 *cert, int what, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, what, value);

	need(extension != NULL);
	need(X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

/* units: values of OU, separated by '|'; '@' in one stands for a NUL. */
static struct maker make(const struct maker *ca, const char *name, const char *units,
			 const char *alternatives, long from, long to)
{
	struct maker made = { X509_new(), EVP_EC_gen("P-256") };
	X509_NAME *subject = X509_get_subject_name(made.cert);

	need(made.key != NULL);
	(void)X509_set_version(made.cert, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(made.cert), ++next_serial);
	(void)X509_gmtime_adj(X509_getm_notBefore(made.cert), from);
	(void)X509_gmtime_adj(X509_getm_notAfter(made.cert), to);
	(void)X509_set_pubkey(made.cert, made.key);
	while (units && *units) {
		size_t len = strcspn(units, "|");
		char unit[64];

		memcpy(unit, units, len);
		for (size_t i = 0; i < len; i++)
			if (unit[i] == '@')
				unit[i] = '\0';
		add_name(subject, "OU", unit, (int)len);
		units += len + (units[len] == '|');
	}
	add_name(subject, "CN", name, -1);
	(void)X509_set_issuer_name(made.cert,
				   X509_get_subject_name(ca ? ca->cert : made.cert));
	if (!ca)
		add_extension(made.cert, NID_basic_constraints, "critical,CA:TRUE");
	if (alternatives)
		add_extension(made.cert, NID_subject_alt_name, alternatives);
	need(X509_sign(made.cert, ca ? ca->key : made.key, EVP_sha256()) > 0);
	return made;
}

static struct pem finish(struct maker made)
{
	struct pem pem = { pem_of_cert(made.cert), pem_of_key(made.key) };

	X509_free(made.cert);
	EVP_PKEY_free(made.key);
	return pem;
}

static char *list_of(const struct maker *ca, X509 *revoked)
{
	X509_CRL *list = X509_CRL_new();
	ASN1_TIME *time = X509_gmtime_adj(NULL, 0);
	BIO *bio = BIO_new(BIO_s_mem());

	(void)X509_CRL_set_version(list, 1);
	(void)X509_CRL_set_issuer_name(list, X509_get_subject_name(ca->cert));
	(void)X509_CRL_set1_lastUpdate(list, time);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();

		(void)X509_REVOKED_set_serialNumber(entry,
						    X509_get_serialNumber(revoked));
		(void)X509_REVOKED_set_revocationDate(entry, time);
		(void)X509_CRL_add0_revoked(list, entry);
	}
	(void)X509_gmtime_adj(time, 10 * DAY);
	(void)X509_CRL_set1_nextUpdate(list, time);
	ASN1_TIME_free(time);
	need(X509_CRL_sign(list, ca->key, EVP_sha256()) > 0);
	need(PEM_write_bio_X509_CRL(bio, list) == 1);
	X509_CRL_free(list);
	return text_of(bio);
}

static struct authority made;
static struct maker signer;

static void make_all(void)
{
	static const char here[] = "DNS:joblet,DNS:localhost,IP:127.0.0.1,IP:::1";
	struct maker ca = make(NULL, "Test CA", NULL, NULL, -DAY, 30 * DAY);
	struct maker other = make(NULL, "Other CA", NULL, NULL, -DAY, 30 * DAY);
	struct maker revoked = make(&ca, "revoked", "admin", NULL, -DAY, DAY);

	made.crl = list_of(&ca, revoked.cert);
	made.no_crl = list_of(&ca, NULL);
	made.other_crl = list_of(&other, NULL);
	made.revoked = finish(revoked);
	made.server = finish(make(&ca, "server", NULL, here, -DAY, DAY));
	made.wrong_name =
		finish(make(&ca, "elsewhere", NULL, "DNS:elsewhere.example", -DAY, DAY));
	made.old_server = finish(make(&ca, "old", NULL, here, -3 * DAY, -DAY));
	made.foreign_server = finish(make(&other, "server", NULL, here, -DAY, DAY));
	made.admin = finish(make(&ca, "admin-client", "admin", NULL, -DAY, DAY));
	made.viewer = finish(make(&ca, "viewer-client", "viewer", NULL, -DAY, DAY));
	made.nobody = finish(make(&ca, "nobody-client", "nobody", NULL, -DAY, DAY));
	made.expired = finish(make(&ca, "expired", "admin", NULL, -3 * DAY, -DAY));
	made.foreign = finish(make(&other, "foreign", "admin", NULL, -DAY, DAY));
	made.tricky = finish(make(&ca, "tricky\x01", "admin@x|viewer", NULL, -DAY, DAY));
	signer = ca;
	made.ca = (struct pem){ pem_of_cert(ca.cert), pem_of_key(ca.key) };
	made.other_ca = finish(other);
}

const struct authority *authority(void)
{
	if (!made.ca.cert)
		make_all();
	return &made;
}

const struct pem *authority_brief(void)
{
	static struct pem brief;

	(void)authority();
	if (!brief.cert)
		brief = finish(make(&signer, "brief", "admin", NULL, -DAY, 2));
	return &brief;
}
