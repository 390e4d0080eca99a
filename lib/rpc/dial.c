/* SPDX-License-Identifier: MIT */
#define JL_MODULE "rpc"

#include "rpc/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "rpc/timer.h"
#include "rpc/tls.h"

static void addrinfo_free(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

static int bad_address(const char *address, jl_error **err)
{
	return jl__fail(
		err, -EINVAL,
		"\"%s\" is no address of a server: write HOST:PORT, [IPV6]:PORT or "
		"unix:/PATH",
		address);
}

int jl__rpc_where_parse(const char *address, struct jl__rpc_where *ret, jl_error **err)
{
	const char *port = NULL, *host = address;
	size_t len = strlen(address);
	uint32_t number = JL__RPC_PORT;

	*ret = (struct jl__rpc_where){ 0 };
	if (len >= sizeof(ret->shown))
		return bad_address("…", err);
	(void)snprintf(ret->shown, sizeof(ret->shown), "%s", address);
	if (strncmp(address, "unix:", 5) == 0) {
		if (len == 5 || len - 5 >= sizeof(ret->path))
			return bad_address(address, err);
		memcpy(ret->path, address + 5, len - 4);
		return 0;
	}
	if (address[0] == '[') {
		const char *close = strchr(address, ']');

		if (!close || (close[1] && close[1] != ':'))
			return bad_address(address, err);
		port = close[1] ? close + 2 : NULL;
		host = address + 1;
		len = (size_t)(close - host);
	} else if (strchr(address, ':') == strrchr(address, ':') &&
		   strchr(address, ':')) {
		port = strchr(address, ':') + 1;
		len = (size_t)(port - 1 - address);
	} /* several colons and no brackets: IPv6 without a port */
	if (len == 0 || len >= sizeof(ret->host) ||
	    (port && jl__parse_u32(port, 1, 65535, &number) < 0))
		return bad_address(address, err);
	memcpy(ret->host, host, len);
	(void)snprintf(ret->port, sizeof(ret->port), "%u", number);
	/* Who left the port out may not know which one that means. */
	if (!port)
		(void)snprintf(ret->shown, sizeof(ret->shown),
			       strchr(ret->host, ':') ? "[%s]:%s" : "%s:%s", ret->host,
			       ret->port);
	return 0;
}

int jl__rpc_dial_poll(int fd, short events, uint64_t until_usec)
{
	for (;;) {
		struct pollfd one = { fd, events, 0 };
		uint64_t now = jl__rpc_now_usec(), left;
		int r;

		if (now >= until_usec)
			return -ETIMEDOUT;
		left = (until_usec - now + 999) / 1000;
		r = poll(&one, 1, left > 3600000 ? 3600000 : (int)left);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_to(int family, const struct sockaddr *addr, socklen_t len,
		      uint64_t until_usec, int *ret_fd)
{
	_cleanup_close_ int fd =
		socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(int);
	int r, failure = 0, one = 1;

	if (fd < 0)
		return -errno;
	if (connect(fd, addr, len) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		r = jl__rpc_dial_poll(fd, POLLOUT, until_usec);
		if (r < 0)
			return r;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0)
			return -errno;
		if (failure)
			return -failure;
	}
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*ret_fd = jl__fd_steal(&fd);
	return 0;
}

static int dial_unix(const struct jl__rpc_where *where, uint64_t until_usec, int *ret_fd,
		     jl_error **err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r;

	memcpy(addr.sun_path, where->path, strlen(where->path) + 1);
	r = connect_to(AF_UNIX, (const struct sockaddr *)&addr, sizeof(addr), until_usec,
		       ret_fd);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return jl__fail(
			err, r,
			"no daemon listens on %s: start it, or leave --server out",
			where->path);
	if (r == -EACCES)
		return jl__fail(err, r,
				"you may not use %s: ask for the group it belongs to",
				where->path);
	if (r < 0)
		return jl__fail_errno(err, r, "cannot connect to %s", where->path);
	return 0;
}

/* Every address in turn; each gets its share of the time that is left. */
static int dial_tcp(const struct jl__rpc_where *where, uint64_t until_usec, int *ret_fd,
		    jl_error **err)
{
	_cleanup_(addrinfo_free) struct addrinfo *list = NULL;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICSERV };
	unsigned left = 0;
	int r = getaddrinfo(where->host, where->port, &hints, &list);

	if (r != 0)
		return jl__fail(err, -EHOSTUNREACH,
				"cannot find the server \"%s\": %s; check its address",
				where->host, gai_strerror(r));
	for (const struct addrinfo *one = list; one; one = one->ai_next)
		left++;
	r = -EHOSTUNREACH;
	for (const struct addrinfo *one = list; one; one = one->ai_next, left--) {
		uint64_t now = jl__rpc_now_usec();
		uint64_t share = now < until_usec ? (until_usec - now) / left : 0;

		r = connect_to(one->ai_family, one->ai_addr, one->ai_addrlen, now + share,
			       ret_fd);
		if (r == 0)
			return 0;
	}
	if (r == -ECONNREFUSED)
		return jl__fail(
			err, r,
			"no daemon listens at %s: check address and port, and that "
			"joblet is running there",
			where->shown);
	if (r == -ETIMEDOUT)
		return jl__fail(
			err, r,
			"%s does not answer: check the address, and firewalls on the "
			"way",
			where->shown);
	return jl__fail_errno(err, r, "cannot connect to %s", where->shown);
}

/* Whom the certificate must name, and SNI, which addresses do not get. */
static int set_name(SSL *ssl, const char *name)
{
	unsigned char raw[16];

	if (inet_pton(AF_INET, name, raw) == 1 || inet_pton(AF_INET6, name, raw) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
			       ? 0
			       : -EINVAL;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1
		       ? 0
		       : -EINVAL;
}

static int explain_verify(long verify, const char *shown, jl_error **err)
{
	switch (verify) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return jl__fail(
			err, -EKEYEXPIRED,
			"the certificate of %s has expired: renew it there with joblet "
			"cert server --renew",
			shown);
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return jl__fail(
			err, -EKEYEXPIRED,
			"the certificate of %s is not valid yet: compare the clocks",
			shown);
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return jl__fail(
			err, -EBADMSG,
			"the certificate of %s is for another name: use the name it was "
			"made for, or renew it with joblet cert server --renew --address",
			shown);
	default:
		return jl__fail(
			err, -EBADMSG,
			"the certificate of %s is not of the CA in the configuration "
			"(%s): fetch the configuration of that server again",
			shown, X509_verify_cert_error_string(verify));
	}
}

static int explain_alert(unsigned long code, const char *shown, jl_error **err)
{
	const char *what = NULL;

	switch (ERR_GET_REASON(code)) {
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
		return jl__fail(
			err, -EKEYEXPIRED,
			"%s refuses our certificate: it has expired; get a new one "
			"(joblet cert client)",
			shown);
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
		what = "it has been revoked";
		break;
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
		what = "it is of another CA";
		break;
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		what = "it got none";
		break;
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
		what = "it cannot be used";
		break;
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_UNSUPPORTED_PROTOCOL:
		return jl__fail(err, -EBADMSG, "%s does not speak TLS 1.3", shown);
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
		return jl__fail(err, -EBADMSG,
				"%s does not speak TLS: is this the port of joblet?",
				shown);
	default:
		break;
	}
	if (what)
		return jl__fail(
			err, -EKEYREJECTED,
			"%s refuses our certificate: %s; get one from there (joblet cert "
			"client)",
			shown, what);
	what = ERR_reason_error_string(code);
	return jl__fail(err, -EBADMSG, "no TLS connection with %s: %s", shown,
			what ? what : "unknown reason");
}

int jl__rpc_dial_explain(const struct jl__rpc_io *io, int r, const char *shown,
			 jl_error **err)
{
	long verify = io->ssl ? SSL_get_verify_result(io->ssl) : X509_V_OK;

	if (r == -EPROTO && verify != X509_V_OK)
		return explain_verify(verify, shown, err);
	if (r == -EPROTO && io->code)
		return explain_alert(io->code, shown, err);
	if (r == 0 || r == -ECONNRESET || r == -EPIPE)
		return jl__fail(err, -ECONNRESET, "%s closed the connection", shown);
	if (r == -ETIMEDOUT)
		return jl__fail(err, r, "%s does not answer any more", shown);
	return jl__fail_errno(err, r, "the connection to %s failed", shown);
}

static int shake_hands(struct jl__rpc_io *io, const char *shown, uint64_t until_usec,
		       jl_error **err)
{
	const unsigned char *name = NULL;
	unsigned len = 0;
	int r;

	while ((r = jl__rpc_io_handshake(io)) == -EAGAIN) {
		r = jl__rpc_dial_poll(io->fd, io->read_waits ? POLLOUT : POLLIN,
				      until_usec);
		if (r < 0)
			break;
	}
	if (r == -ETIMEDOUT)
		return jl__fail(
			err, r,
			"%s accepts connections but does not speak: is this the port of "
			"joblet?",
			shown);
	if (r < 0)
		return jl__rpc_dial_explain(io, r, shown, err);
	SSL_get0_alpn_selected(io->ssl, &name, &len);
	if (len != 2 || memcmp(name, "h2", 2) != 0)
		return jl__fail(
			err, -EBADMSG,
			"%s speaks TLS but not HTTP/2: is this the port of joblet?",
			shown);
	return 0;
}

int jl__rpc_dial(const struct jl__rpc_target *target, const struct jl__rpc_where *where,
		 uint64_t until_usec, struct jl__rpc_io *ret_io, jl_error **err)
{
	bool local = where->path[0] != '\0';
	SSL_CTX *ctx = NULL;
	SSL *ssl = NULL;
	int fd = -EBADF, r;

	if (!local && (!target->cert || !target->key || !target->ca))
		return jl__fail(
			err, -EINVAL,
			"a server is reached with a certificate, a key and the CA's "
			"certificate; the configuration of %s lacks one",
			where->shown);
	/* Bad PEM is found before anybody is bothered. */
	if (!local) {
		r = jl__rpc_tls_client(target->cert, target->key, target->ca, &ctx, err);
		if (r < 0)
			return jl__wrap(err, r, "configuration of %s", where->shown);
	}
	r = local ? dial_unix(where, until_usec, &fd, err)
		  : dial_tcp(where, until_usec, &fd, err);
	if (r == 0 && !local) {
		ssl = SSL_new(ctx);
		if (!ssl || !jl__rpc_io_attach(ssl, fd) ||
		    set_name(ssl, target->name ? target->name : where->host) < 0)
			r = jl__oom(err);
		else
			SSL_set_connect_state(ssl);
	}
	SSL_CTX_free(ctx);
	jl__rpc_io_init(ret_io, fd, ssl);
	if (r == 0 && !local)
		r = shake_hands(ret_io, where->shown, until_usec, err);
	if (r < 0)
		jl__rpc_io_done(ret_io);
	return r;
}
