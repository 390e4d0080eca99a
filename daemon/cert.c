/* SPDX-License-Identifier: MIT */
#include "cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define SERIAL_BYTES 16

static int failed(struct sentence *why, const char *what)
{
	char text[256] = "unknown reason";
	unsigned long code = ERR_get_error();

	if (code)
		ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return fail(why, -EIO, "cannot make %s: %s", what, text);
}

void cert_pair_done(struct cert_pair *pair)
{
	EVP_PKEY_free(pair->key);
	X509_free(pair->cert);
	*pair = (struct cert_pair){ 0 };
}

int cert_make_key(EVP_PKEY **ret, struct sentence *why)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return failed(why, "a key");
	*ret = key;
	return 0;
}

/* Serial numbers are random, so that none has to be remembered. */
static bool set_serial(X509 *cert)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *number;
	bool good;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, full length */
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	return good;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
	return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
					  (const unsigned char *)value, -1, -1, 0) == 1;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;
	bool good;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = extension && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return good;
}

/* All that certificates have in common. */
static X509 *begin(EVP_PKEY *key, const char *unit, const char *name, unsigned int days)
{
	X509 *cert = X509_new();

	if (!cert)
		return NULL;
	if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -CERT_SKEW_SECONDS) ||
	    !X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, 0, NULL) ||
	    X509_set_pubkey(cert, key) != 1 ||
	    !add_name(X509_get_subject_name(cert), "O", "Joblet") ||
	    !add_name(X509_get_subject_name(cert), "OU", unit) ||
	    !add_name(X509_get_subject_name(cert), "CN", name)) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

int cert_make_authority(EVP_PKEY *key, unsigned int days, X509 **ret,
			struct sentence *why)
{
	X509 *cert = begin(key, "CA", "Joblet-CA", days);

	if (!cert || X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
	    !add_extension(cert, cert, NID_basic_constraints,
			   "critical,CA:TRUE,pathlen:0") ||
	    !add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
	    !add_extension(cert, cert, NID_subject_key_identifier, "hash") ||
	    X509_sign(cert, key, EVP_sha256()) == 0) {
		X509_free(cert);
		return failed(why, "the certificate of the authority");
	}
	*ret = cert;
	return 0;
}

/* What is no name could end the list, or add to it. */
static bool is_name(const char *text)
{
	return *text &&
	       text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789.-*_")] == 0;
}

/* "DNS:name,IP:address,…", or NULL: no memory, or something that is neither. */
static char *alternative_names(const struct cert_wish *wish)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool good = true;

	if (!out)
		return NULL;
	for (size_t i = 0; i < wish->address_count; i++) {
		unsigned char binary[sizeof(struct in6_addr)];
		const char *address = wish->addresses[i];
		bool is_ip = inet_pton(AF_INET, address, binary) == 1 ||
			     inet_pton(AF_INET6, address, binary) == 1;

		good = good && (is_ip || is_name(address));
		(void)fprintf(out, "%s%s:%s", i ? "," : "", is_ip ? "IP" : "DNS",
			      address);
	}
	if (fclose(out) != 0 || !good) {
		free(text);
		return NULL;
	}
	return text;
}

static bool add_server(X509 *cert, X509 *issuer, const struct cert_wish *wish)
{
	char *names = alternative_names(wish);
	bool good = names &&
		    add_extension(cert, issuer, NID_ext_key_usage, "serverAuth") &&
		    add_extension(cert, issuer, NID_subject_alt_name, names);

	free(names);
	return good;
}

int cert_issue(const struct cert_pair *authority, const struct cert_wish *wish,
	       struct cert_pair *ret, struct sentence *why)
{
	struct cert_pair pair = { 0 };
	int r = cert_make_key(&pair.key, why);
	bool good;

	if (r < 0)
		return r;
	pair.cert = begin(pair.key, wish->unit, wish->name, wish->days);
	good = pair.cert &&
	       X509_set_issuer_name(pair.cert, X509_get_subject_name(authority->cert)) ==
		       1 &&
	       add_extension(pair.cert, authority->cert, NID_basic_constraints,
			     "critical,CA:FALSE") &&
	       add_extension(pair.cert, authority->cert, NID_key_usage,
			     "critical,digitalSignature") &&
	       add_extension(pair.cert, authority->cert, NID_subject_key_identifier,
			     "hash") &&
	       add_extension(pair.cert, authority->cert, NID_authority_key_identifier,
			     "keyid:always");
	if (good && wish->use == CERT_SERVER)
		good = add_server(pair.cert, authority->cert, wish);
	else if (good)
		good = add_extension(pair.cert, authority->cert, NID_ext_key_usage,
				     "clientAuth");
	if (!good || X509_sign(pair.cert, authority->key, EVP_sha256()) == 0) {
		cert_pair_done(&pair);
		return failed(why, "a certificate");
	}
	*ret = pair;
	return 0;
}

static bool add_revoked(X509_CRL *crl, const struct cert_revoked *item)
{
	X509_REVOKED *revoked = X509_REVOKED_new();
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)item->when);
	ASN1_INTEGER *serial = NULL;
	BIGNUM *number = NULL;
	bool good;

	good = revoked && when && BN_hex2bn(&number, item->serial) > 0;
	serial = good ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
	good = serial && X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
	       X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
	       X509_CRL_add0_revoked(crl, revoked) == 1;
	if (!good)
		X509_REVOKED_free(revoked);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	BN_free(number);
	return good;
}

static char *to_text(BIO *bio)
{
	char *data, *text;
	long len = BIO_get_mem_data(bio, &data);

	text = len > 0 ? strndup(data, (size_t)len) : NULL;
	/* A key may be in it. */
	if (len > 0)
		OPENSSL_cleanse(data, (size_t)len);
	return text;
}

static char *crl_pem(X509_CRL *crl)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;

	if (bio && PEM_write_bio_X509_CRL(bio, crl) == 1)
		text = to_text(bio);
	BIO_free(bio);
	return text;
}

/*
 * The list is good until the authority's certificate ends: it changes when somebody is
 * revoked, and a list that ran out would lock everybody out at a time nobody chose.
 */
static bool fill_crl(X509_CRL *crl, const struct cert_pair *authority,
		     const struct cert_revoked *revoked, size_t count)
{
	ASN1_TIME *now = X509_gmtime_adj(NULL, -CERT_SKEW_SECONDS);
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	bool good =
		now && number && ASN1_INTEGER_set_uint64(number, (uint64_t)time(NULL)) &&
		X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		X509_CRL_set_issuer_name(crl, X509_get_subject_name(authority->cert)) ==
			1 &&
		X509_CRL_set1_lastUpdate(crl, now) == 1 &&
		X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(authority->cert)) == 1;

	for (size_t i = 0; good && i < count; i++)
		good = add_revoked(crl, &revoked[i]);
	good = good && X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1 &&
	       X509_CRL_sort(crl) == 1 &&
	       X509_CRL_sign(crl, authority->key, EVP_sha256()) != 0;
	ASN1_TIME_free(now);
	ASN1_INTEGER_free(number);
	return good;
}

int cert_make_crl(const struct cert_pair *authority, const struct cert_revoked *revoked,
		  size_t count, char **ret, struct sentence *why)
{
	X509_CRL *crl = X509_CRL_new();
	char *text = NULL;

	if (crl && fill_crl(crl, authority, revoked, count))
		text = crl_pem(crl);
	X509_CRL_free(crl);
	if (!text)
		return failed(why, "the revocation list");
	*ret = text;
	return 0;
}

char *cert_pem(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;

	if (bio && PEM_write_bio_X509(bio, cert) == 1)
		text = to_text(bio);
	BIO_free(bio);
	return text;
}

char *cert_key_pem(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;

	if (bio &&
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		text = to_text(bio);
	BIO_free(bio);
	return text;
}

/* Keys with a passphrase are not for a service: nobody is there to type it. */
static int no_passphrase(char *buf, int size, int rwflag, void *data)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)data;
	return -1;
}

int cert_read(const char *pem, const char *what, X509 **ret, struct sentence *why)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (!cert)
		return fail(why, -EINVAL,
			    "the %s cannot be read: it is no PEM certificate", what);
	*ret = cert;
	return 0;
}

int cert_read_key(const char *pem, const char *what, EVP_PKEY **ret, struct sentence *why)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (!key)
		return fail(
			why, -EINVAL,
			"the %s cannot be read: it is no PEM key without a passphrase",
			what);
	*ret = key;
	return 0;
}

static void name_entry(const X509 *cert, int nid, char *to, size_t size)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, nid, -1);
	unsigned char *text = NULL;
	int len;

	*to = 0;
	if (at < 0)
		return;
	len = ASN1_STRING_to_UTF8(
		&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len >= 0)
		(void)snprintf(to, size, "%.*s", len, (const char *)text);
	OPENSSL_free(text);
	for (char *p = to; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	}
}

static int64_t to_seconds(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

void cert_get_info(const X509 *cert, struct cert_info *ret)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = number ? BN_bn2hex(number) : NULL;

	name_entry(cert, NID_commonName, ret->name, sizeof(ret->name));
	name_entry(cert, NID_organizationalUnitName, ret->unit, sizeof(ret->unit));
	(void)snprintf(ret->serial, sizeof(ret->serial), "%s", hex ? hex : "");
	ret->not_before = to_seconds(X509_get0_notBefore(cert));
	ret->not_after = to_seconds(X509_get0_notAfter(cert));
	OPENSSL_free(hex);
	BN_free(number);
}

int64_t cert_days_left(int64_t not_after, int64_t now)
{
	int64_t left = not_after - now;

	return left >= 0 ? left / 86400 : -((-left + 86399) / 86400);
}

int cert_check_pair(X509 *cert, EVP_PKEY *key, X509 *authority, const char *what,
		    struct sentence *why)
{
	bool own = X509_check_private_key(cert, key) == 1;
	bool ours = X509_check_issued(authority, cert) == X509_V_OK &&
		    X509_verify(cert, X509_get0_pubkey(authority)) == 1;

	ERR_clear_error();
	if (!own)
		return fail(why, -EINVAL,
			    "key and certificate of the %s do not belong "
			    "together",
			    what);
	if (!ours)
		return fail(why, -EINVAL,
			    "the certificate of the %s was not made by this authority",
			    what);
	return 0;
}

static bool address_text(const GENERAL_NAME *name, char *to, size_t size)
{
	const ASN1_STRING *value;
	int type;

	value = GENERAL_NAME_get0_value(name, &type);
	*to = 0;
	if (type == GEN_DNS) {
		(void)snprintf(to, size, "%.*s", ASN1_STRING_length(value),
			       (const char *)ASN1_STRING_get0_data(value));
	} else if (type == GEN_IPADD) {
		int len = ASN1_STRING_length(value);

		if (len == 4 || len == 16)
			(void)inet_ntop(len == 4 ? AF_INET : AF_INET6,
					ASN1_STRING_get0_data(value), to,
					(socklen_t)size);
	}
	return *to != 0;
}

int cert_each_address(const X509 *cert, int (*add)(void *data, const char *address),
		      void *data)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int r = 0;

	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(names); i++) {
		char text[256];

		if (address_text(sk_GENERAL_NAME_value(names, i), text, sizeof(text)))
			r = add(data, text);
	}
	GENERAL_NAMES_free(names);
	return r;
}
