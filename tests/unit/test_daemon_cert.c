/* SPDX-License-Identifier: MIT */
/* Keys and certificates: made, written, read back, counted in days. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cert.h"
#include "certs.h"

/* Last: it has a macro with the name of a function of the daemon. */
#include <check.h>

static struct sentence why;

static struct cert_pair authority_for(unsigned int days)
{
	struct cert_pair pair = { 0 };

	ck_assert_int_eq(cert_make_key(&pair.key, &why), 0);
	ck_assert_int_eq(cert_make_authority(pair.key, days, &pair.cert, &why), 0);
	return pair;
}

static struct cert_pair client_of(const struct cert_pair *authority, const char *name,
				  unsigned int days)
{
	const struct cert_wish wish = {
		.use = CERT_CLIENT, .unit = "viewer", .name = name, .days = days
	};
	struct cert_pair pair;

	ck_assert_int_eq(cert_issue(authority, &wish, &pair, &why), 0);
	return pair;
}

#define DAY INT64_C(86400)

static const struct {
	int64_t left, days;
} spans[] = {
	{ 0, 0 },	    { 1, 0 },		{ DAY - 1, 0 }, { DAY, 1 },
	{ 2 * DAY - 1, 1 }, { 365 * DAY, 365 }, { -1, -1 },	{ -DAY, -1 },
	{ -DAY - 1, -2 },   { -30 * DAY, -30 },
};

START_TEST(days_are_whole_and_never_too_many)
{
	ck_assert_int_eq(cert_days_left(1000000 + spans[_i].left, 1000000),
			 spans[_i].days);
}
END_TEST

static int add(void *data, const char *address)
{
	char *text = data;

	(void)strcat(strcat(text, address), " ");
	return 0;
}

START_TEST(what_is_made_is_what_was_wished)
{
	static const char *const addresses[] = { "joblet", "192.0.2.7", "2001:db8::1" };
	const struct cert_wish wish = { .use = CERT_SERVER,
					.unit = "Server",
					.name = "joblet-server",
					.addresses = addresses,
					.address_count = 3,
					.days = 10 };
	struct cert_pair authority = authority_for(20), pair;
	int64_t now = (int64_t)time(NULL);
	struct cert_info info;
	char seen[256] = "";

	ck_assert_int_eq(cert_issue(&authority, &wish, &pair, &why), 0);
	cert_get_info(pair.cert, &info);
	ck_assert_str_eq(info.name, "joblet-server");
	ck_assert_str_eq(info.unit, "Server");
	ck_assert_uint_eq(strlen(info.serial), 32);
	/* Clocks differ: it begins a little before. */
	ck_assert_int_le(info.not_before, now - CERT_SKEW_SECONDS + 60);
	ck_assert_int_ge(cert_days_left(info.not_after, now), 9);
	ck_assert_int_le(cert_days_left(info.not_after, now), 10);
	ck_assert_int_eq(cert_each_address(pair.cert, add, seen), 0);
	ck_assert_str_eq(seen, "joblet 192.0.2.7 2001:db8::1 ");
	ck_assert_int_eq(
		cert_check_pair(pair.cert, pair.key, authority.cert, "daemon", &why), 0);
	cert_pair_done(&pair);
	cert_pair_done(&authority);
}
END_TEST

/* A name with commas could add others. */
START_TEST(an_address_that_means_something_is_no_address)
{
	static const char *const addresses[] = { "a,IP:192.0.2.1" };
	const struct cert_wish wish = { .use = CERT_SERVER,
					.unit = "Server",
					.name = "x",
					.addresses = addresses,
					.address_count = 1,
					.days = 1 };
	struct cert_pair authority = authority_for(2), pair;

	ck_assert_int_lt(cert_issue(&authority, &wish, &pair, &why), 0);
	cert_pair_done(&authority);
}
END_TEST

START_TEST(pairs_that_do_not_belong_together_are_told)
{
	struct cert_pair one = authority_for(2), other = authority_for(2);
	struct cert_pair a = client_of(&one, "a", 1), b = client_of(&one, "b", 1);

	ck_assert_int_eq(cert_check_pair(a.cert, a.key, one.cert, "client", &why), 0);
	ck_assert_int_eq(cert_check_pair(a.cert, b.key, one.cert, "client", &why),
			 -EINVAL);
	ck_assert_msg(strstr(why.text, "do not belong") != NULL, "%s", why.text);
	/* Of the same name, and of another key. */
	ck_assert_int_eq(cert_check_pair(a.cert, a.key, other.cert, "client", &why),
			 -EINVAL);
	ck_assert_msg(strstr(why.text, "not made by this authority") != NULL, "%s",
		      why.text);
	cert_pair_done(&a);
	cert_pair_done(&b);
	cert_pair_done(&one);
	cert_pair_done(&other);
}
END_TEST

START_TEST(text_and_back_is_the_same)
{
	struct cert_pair authority = authority_for(2);
	struct cert_revoked revoked = { .when = 1000000000 };
	char *cert = cert_pem(authority.cert), *key = cert_key_pem(authority.key), *crl;
	struct cert_info info;
	X509 *x509;
	EVP_PKEY *pkey;

	ck_assert_int_eq(cert_read(cert, "c", &x509, &why), 0);
	ck_assert_int_eq(X509_cmp(x509, authority.cert), 0);
	ck_assert_int_eq(cert_read_key(key, "k", &pkey, &why), 0);
	ck_assert_int_eq(EVP_PKEY_eq(pkey, authority.key), 1);
	cert_get_info(x509, &info);
	(void)strcpy(revoked.serial, info.serial);
	ck_assert_int_eq(cert_make_crl(&authority, &revoked, 1, &crl, &why), 0);
	ck_assert_int_eq(strncmp(crl, "-----BEGIN X509 CRL-----\n", 25), 0);
	X509_free(x509);
	EVP_PKEY_free(pkey);
	free(cert);
	free(key);
	free(crl);
	cert_pair_done(&authority);
}
END_TEST

static const char *const nonsense[] = {
	"",
	"nothing",
	"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
	"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
	"-----BEGIN CERTIFICATE-----\nMIIB",
	"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
};

START_TEST(what_is_no_pem_is_refused_by_its_name)
{
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;

	ck_assert_int_eq(cert_read(nonsense[_i], "thing of a test", &cert, &why),
			 -EINVAL);
	ck_assert_msg(strstr(why.text, "thing of a test") != NULL, "%s", why.text);
	ck_assert_ptr_null(cert);
	ck_assert_int_eq(cert_read_key(nonsense[_i], "thing of a test", &key, &why),
			 -EINVAL);
	ck_assert_msg(strstr(why.text, "thing of a test") != NULL, "%s", why.text);
	ck_assert_ptr_null(key);
}
END_TEST

/* A name from somewhere else may hold anything: it is shown on terminals. */
START_TEST(names_are_made_showable)
{
	struct cert_pair authority = authority_for(2);
	struct cert_pair pair = client_of(&authority, "a\x1b[31mb\nc", 1);
	struct cert_info info;

	cert_get_info(pair.cert, &info);
	ck_assert_str_eq(info.name, "a?[31mb?c");
	cert_pair_done(&pair);
	cert_pair_done(&authority);
}
END_TEST

static const struct {
	int64_t left;
	const char *text;
} ends[] = {
	{ 40 * DAY, "it ends in 40 days, at 1970-02-10T00:00:01Z: do so" },
	{ DAY, "it ends in 1 day, at 1970-01-02T00:00:01Z: do so" },
	{ 10, "it ends in 0 days, at 1970-01-01T00:00:11Z: do so" },
};

START_TEST(ends_are_told_with_what_to_do)
{
	char text[SENTENCE_MAX];

	certs_expiry_text(text, "it", 1 + ends[_i].left, 1, "do so");
	ck_assert_str_eq(text, ends[_i].text);
	certs_expiry_text(text, "it", 1, 1 + ends[_i].left, "do so");
	ck_assert_str_eq(text, "it ended at 1970-01-01T00:00:01Z: do so");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon_cert");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, days_are_whole_and_never_too_many, 0,
			    sizeof(spans) / sizeof(*spans));
	tcase_add_test(tc, what_is_made_is_what_was_wished);
	tcase_add_test(tc, an_address_that_means_something_is_no_address);
	tcase_add_test(tc, pairs_that_do_not_belong_together_are_told);
	tcase_add_test(tc, text_and_back_is_the_same);
	tcase_add_loop_test(tc, what_is_no_pem_is_refused_by_its_name, 0,
			    sizeof(nonsense) / sizeof(*nonsense));
	tcase_add_test(tc, names_are_made_showable);
	tcase_add_loop_test(tc, ends_are_told_with_what_to_do, 0,
			    sizeof(ends) / sizeof(*ends));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
