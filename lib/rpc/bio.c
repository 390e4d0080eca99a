/* SPDX-License-Identifier: MIT */
/*
 * The socket as OpenSSL sees it. OpenSSL's own writes with write(), and a peer that is
 * gone would end the program by SIGPIPE, which a command that prints into a pipe must not
 * ignore.
 */
#include <errno.h>
#include <openssl/bio.h>
#include <sys/socket.h>

#include "rpc/io.h"

static int fd_of(BIO *bio)
{
	return (int)(intptr_t)BIO_get_data(bio);
}

static bool is_later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static int put(BIO *bio, const char *data, int len)
{
	ssize_t n = send(fd_of(bio), data, (size_t)len, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && is_later())
		BIO_set_retry_write(bio);
	return (int)n;
}

static int get(BIO *bio, char *to, int size)
{
	ssize_t n = recv(fd_of(bio), to, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (n < 0 && is_later())
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static long control(BIO *bio, int what, long number, void *data)
{
	(void)number, (void)data;
	if (what == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return what == BIO_CTRL_FLUSH;
}

/* Made once, kept for good: it is a table of functions. */
static BIO_METHOD *method(void)
{
	static BIO_METHOD *made;

	if (made)
		return made;
	made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "joblet socket");
	if (made &&
	    (BIO_meth_set_write(made, put) != 1 || BIO_meth_set_read(made, get) != 1 ||
	     BIO_meth_set_ctrl(made, control) != 1)) {
		BIO_meth_free(made);
		made = NULL;
	}
	return made;
}

bool jl__rpc_io_attach(SSL *ssl, int fd)
{
	BIO_METHOD *how = method();
	BIO *bio = how ? BIO_new(how) : NULL;

	if (!bio)
		return false;
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	return true;
}
