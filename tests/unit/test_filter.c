/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>
#include <seccomp.h>

#include <joblet/job.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "bpf_sim.h"
#include "sandbox/rules.h"
#include "sandbox/sandbox.h"

#define COUNT(table) (int)(sizeof(table) / sizeof((table)[0]))
#define HIGH UINT64_C(0x100000000)

static const char *const families[] = { "x86_64", "aarch64" };

/* ---- programs under test
 * --------------------------------------------------------------- */

struct program {
	uint32_t arch;
	int level;
	struct sock_filter *insns;
	size_t count;
};

/* Each level for each CPU family, whatever this machine is. */
static struct program programs[COUNT(families) * 2];

static void build_programs(void)
{
	for (int i = 0; i < COUNT(programs); i++) {
		struct program *p = &programs[i];
		const char *culprit = NULL;

		p->arch = jl__rules_arch(families[i / 2]);
		p->level = i % 2 ? JL_SECCOMP_STRICT : JL_SECCOMP_DEFAULT;
		ck_assert_uint_ne(p->arch, 0);
		ck_assert_int_eq(jl__rules_compile(p->arch, p->level, &p->insns,
						   &p->count, &culprit),
				 0);
	}
}

static void drop_programs(void)
{
	for (int i = 0; i < COUNT(programs); i++) {
		free(programs[i].insns);
		programs[i].insns = NULL;
	}
}

/* The action as an errno: 0 is allowed, anything a filter must not do fails the test. */
static int run_on(const struct program *p, uint32_t arch, uint32_t nr,
		  const uint64_t args[6])
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	int64_t action;

	memcpy(data.args, args, sizeof(data.args));
	action = bpf_sim_run(p->insns, p->count, &data, NULL);
	if (action == SECCOMP_RET_ALLOW)
		return 0;
	ck_assert_int_eq(action & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
	ck_assert_int_ne(action & SECCOMP_RET_DATA, 0);
	return (int)(action & SECCOMP_RET_DATA);
}

/* Number of a call, -1 where the architecture never had it. */
static int number_of(uint32_t arch, const char *call)
{
	int nr = seccomp_syscall_resolve_name_arch(arch, call);

	if (nr >= 0)
		return nr;
	for (size_t i = 0; nr == __NR_SCMP_ERROR && i < jl__rules_count; i++)
		if (strcmp(jl__rules[i].call, call) == 0 && jl__rules[i].number >= 0)
			return jl__rules[i].number;
	if (nr == __NR_SCMP_ERROR)
		ck_abort_msg("libseccomp does not know %s", call);
	return -1;
}

/* ---- what each call gets
 * --------------------------------------------------------------- */

/* The table needs what is above. */
#include "filter_table.h"

START_TEST(call_gets_what_the_table_says)
{
	const struct expectation *e = &expectations[_i];

	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];
		int nr = number_of(p->arch, e->call);
		int want = p->level == JL_SECCOMP_STRICT ? e->strict : e->normal;

		if (nr < 0)
			continue;
		ck_assert_msg(run_on(p, p->arch, (uint32_t)nr, e->args) == want,
			      "%s(%#jx, %#jx, %#jx) on %s, level %d: %d, not %d", e->call,
			      (uintmax_t)e->args[0], (uintmax_t)e->args[1],
			      (uintmax_t)e->args[2], families[i / 2], p->level,
			      run_on(p, p->arch, (uint32_t)nr, e->args), want);
	}
}
END_TEST

START_TEST(every_rule_is_in_the_table)
{
	for (size_t i = 0; i < jl__rules_count; i++) {
		bool found = false;

		for (int j = 0; j < COUNT(expectations); j++)
			found = found ||
				(strcmp(jl__rules[i].call, expectations[j].call) == 0 &&
				 expectations[j].strict != 0);
		ck_assert_msg(found, "no case for %s", jl__rules[i].call);
	}
}
END_TEST

/* ---- entries that are not the machine's own
 * -------------------------------------------- */

START_TEST(foreign_architectures_get_nothing)
{
	static const uint32_t foreign[] = {
		AUDIT_ARCH_I386,
		AUDIT_ARCH_ARM,
		AUDIT_ARCH_X86_64,
		AUDIT_ARCH_AARCH64,
		0,
		AUDIT_ARCH_RISCV64,
		UINT32_MAX,
	};
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++)
		for (int j = 0; j < COUNT(foreign); j++)
			for (uint32_t nr = 0; nr < 600 && foreign[j] != programs[i].arch;
			     nr++)
				ck_assert_int_eq(
					run_on(&programs[i], foreign[j], nr, none),
					ENOSYS);
}
END_TEST

START_TEST(x32_numbers_get_nothing)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++)
		for (uint32_t nr = 0; nr < 1024; nr++)
			ck_assert_int_eq(run_on(&programs[i], programs[i].arch,
						0x40000000 | nr, none),
					 ENOSYS);
}
END_TEST

START_TEST(calls_of_later_kernels_do_not_exist)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];

		ck_assert_int_eq(run_on(p, p->arch, JL__RULES_LAST_CALL, none), 0);
		for (uint32_t nr = JL__RULES_LAST_CALL + 1; nr < 5000; nr++)
			ck_assert_int_eq(run_on(p, p->arch, nr, none), ENOSYS);
		ck_assert_int_eq(run_on(p, p->arch, INT32_MAX, none), ENOSYS);
		ck_assert_int_eq(run_on(p, p->arch, 0x80000000, none), ENOSYS);
		ck_assert_int_eq(run_on(p, p->arch, UINT32_MAX - 1, none), ENOSYS);
	}
}
END_TEST

START_TEST(call_skipped_by_a_debugger_keeps_its_result)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++)
		ck_assert_int_eq(run_on(&programs[i], programs[i].arch, UINT32_MAX, none),
				 0);
}
END_TEST

/* ---- the documentation
 * ----------------------------------------------------------------- */

struct doc_term {
	unsigned int arg;
	uint64_t mask, low, high;
	bool negated;
};

struct doc_row {
	char call[32];
	struct doc_term terms[2];
	int count; /* 0 for always */
	int level;
	int error;
};

static struct doc_row doc[200];
static int doc_count;

static const struct {
	const char *name;
	int code;
} errors[] = {
	{ "EPERM", EPERM },
	{ "ENOSYS", ENOSYS },
	{ "EAFNOSUPPORT", EAFNOSUPPORT },
	{ "EPROTONOSUPPORT", EPROTONOSUPPORT },
	{ "ESOCKTNOSUPPORT", ESOCKTNOSUPPORT },
	{ "ENOPROTOOPT", ENOPROTOOPT },
};

/* aN [& MASK] (= | != | >=) VALUE [.. VALUE] */
static void read_term(const char *text, struct doc_term *term)
{
	char op[3] = "";
	int used = 0;

	term->mask = UINT64_MAX;
	ck_assert_msg(sscanf(text, "a%u %n", &term->arg, &used) == 1, "'%s'", text);
	ck_assert_uint_lt(term->arg, 6);
	text += used;
	if (*text == '&') {
		ck_assert_int_eq(sscanf(text, "& %ji %n", (intmax_t *)&term->mask, &used),
				 1);
		text += used;
	}
	ck_assert_int_eq(sscanf(text, "%2[!>=] %n", op, &used), 1);
	text += used;
	ck_assert_int_eq(sscanf(text, "%ji%n", (intmax_t *)&term->low, &used), 1);
	text += used;
	term->high = strcmp(op, ">=") == 0 ? UINT64_MAX : term->low;
	term->negated = strcmp(op, "!=") == 0;
	if (sscanf(text, "..%ji%n", (intmax_t *)&term->high, &used) == 1)
		text += used;
	ck_assert_msg(*text == '\0', "'%s'", text);
}

static void read_row(char *line, struct doc_row *row)
{
	char when[128], level[16], error[32];
	char *second;

	ck_assert_msg(sscanf(line, "| %31[^ |] | %127[^|]| %15[^ |] | %31[^ |] |",
			     row->call, when, level, error) == 4,
		      "%s", line);
	when[strlen(when) - 1] = '\0';
	second = strstr(when, " and ");
	if (second) {
		*second = '\0';
		read_term(second + strlen(" and "), &row->terms[1]);
	}
	if (strcmp(when, "always") != 0) {
		read_term(when, &row->terms[0]);
		row->count = second ? 2 : 1;
	}
	ck_assert(strcmp(level, "default") == 0 || strcmp(level, "strict") == 0);
	row->level =
		strcmp(level, "strict") == 0 ? JL_SECCOMP_STRICT : JL_SECCOMP_DEFAULT;
	for (int i = 0; i < COUNT(errors); i++)
		if (strcmp(errors[i].name, error) == 0)
			row->error = errors[i].code;
	ck_assert_msg(row->error != 0, "%s", line);
}

static void read_doc(void)
{
	const char *root = getenv("JOBLET_SOURCE_DIR");
	_cleanup_free_ char *path = jl__format("%s/doc/seccomp.md", root ? root : ".");
	bool inside = false;
	char line[512];
	FILE *file;

	build_programs();
	doc_count = 0;
	memset(doc, 0, sizeof(doc));
	file = fopen(path, "re");
	ck_assert_msg(file != NULL, "cannot open %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "| call |", 8) == 0)
			inside = true;
		else if (line[0] != '|')
			inside = false;
		else if (inside && line[1] != '-')
			read_row(line, &doc[doc_count++]);
		ck_assert_int_lt(doc_count, COUNT(doc));
	}
	(void)fclose(file);
}

static bool holds(const struct doc_row *row, const uint64_t args[6])
{
	for (int i = 0; i < row->count; i++) {
		const struct doc_term *term = &row->terms[i];
		uint64_t value = args[term->arg] & term->mask;
		bool within = value >= term->low && value <= term->high;

		if (within == term->negated)
			return false;
	}
	return true;
}

/* Whether the documentation agrees with a result. */
static bool is_documented(const struct program *p, const char *call,
			  const uint64_t args[6], int result)
{
	bool refused = false;

	for (int i = 0; i < doc_count; i++) {
		if (doc[i].level > p->level || strcmp(doc[i].call, call) != 0 ||
		    !holds(&doc[i], args))
			continue;
		if (result == doc[i].error)
			return true;
		refused = true;
	}
	return !refused && result == 0;
}

START_TEST(documentation_lists_the_rules)
{
	ck_assert_int_eq(doc_count, (int)jl__rules_count);
	for (int i = 0; i < doc_count; i++) {
		ck_assert_str_eq(doc[i].call, jl__rules[i].call);
		ck_assert_int_eq(doc[i].level, jl__rules[i].level);
		ck_assert_int_eq(doc[i].error, jl__rules[i].error);
	}
}
END_TEST

START_TEST(every_number_does_what_the_documentation_says)
{
	static const uint64_t none[6];

	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];

		for (uint32_t nr = 0; nr <= JL__RULES_LAST_CALL; nr++) {
			char *known = seccomp_syscall_resolve_num_arch(p->arch, (int)nr);
			const char *call = known ? known : "";

			for (int j = 0; j < doc_count && !known; j++)
				if (number_of(p->arch, doc[j].call) == (int)nr)
					call = doc[j].call;
			ck_assert_msg(is_documented(p, call, none,
						    run_on(p, p->arch, nr, none)),
				      "%u (%s) on %s, level %d: %d", nr, call,
				      families[i / 2], p->level,
				      run_on(p, p->arch, nr, none));
			free(known);
		}
	}
}
END_TEST

static uint64_t random_bits(void)
{
	static uint64_t state = 88172645463325252U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Values near what the rules ask for: one changed bit or a step away, with or without
 * dirt in the upper half. */
static uint64_t near_value(const struct doc_row *row)
{
	const struct doc_term *term = &row->terms[random_bits() % 2];
	uint64_t value = 0;

	switch (random_bits() % 8) {
	case 0:
		value = random_bits();
		break;
	case 1:
		value = random_bits() % 64;
		break;
	case 2:
		value = UINT64_C(1) << (random_bits() % 64);
		break;
	case 3:
		value = term->mask & random_bits() & random_bits() & random_bits();
		break;
	case 4:
		value = 0xffffffff ^
			(random_bits() % 2 ? UINT64_C(1) << random_bits() % 32 : 0);
		break;
	case 5:
		value = ~term->mask & random_bits();
		break;
	default:
		value = term->low + random_bits() % 3 - 1;
	}
	if (random_bits() % 4 == 0)
		value ^= random_bits() << 32;
	return value;
}

START_TEST(arguments_do_what_the_documentation_says)
{
	for (int i = 0; i < COUNT(programs) * doc_count; i++) {
		const struct program *p = &programs[i % COUNT(programs)];
		const struct doc_row *row = &doc[i / COUNT(programs)];
		int nr = number_of(p->arch, row->call);

		for (int n = 0; nr >= 0 && n < (row->count ? 5000 : 20); n++) {
			uint64_t args[6];
			int result;

			for (int j = 0; j < 6; j++)
				args[j] = near_value(row);
			if (row->count && random_bits() % 2)
				args[row->terms[0].arg] = row->terms[0].low;
			result = run_on(p, p->arch, (uint32_t)nr, args);
			ck_assert_msg(is_documented(p, row->call, args, result),
				      "%s(%#jx, %#jx, %#jx) on %s, level %d: %d",
				      row->call, (uintmax_t)args[0], (uintmax_t)args[1],
				      (uintmax_t)args[2], families[(p - programs) / 2],
				      p->level, result);
		}
	}
}
END_TEST

/* ---- what the library hands out
 * -------------------------------------------------------- */

START_TEST(compile_gives_the_programs_of_this_machine)
{
	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];
		struct jl__filter filter = { 0 };
		jl_error *err = NULL;

		if (p->arch != seccomp_arch_native())
			continue;
		ck_assert_int_eq(jl__filter_compile(p->level, &filter, &err), 0);
		ck_assert_ptr_null(err);
		ck_assert_uint_eq(filter.count, p->count);
		ck_assert_mem_eq(filter.insns, p->insns, p->count * sizeof(*p->insns));
		jl__free(filter.insns);
	}
}
END_TEST

START_TEST(level_off_has_no_program)
{
	struct jl__filter filter = { (struct sock_filter *)-1, 1 };

	ck_assert_int_eq(jl__filter_compile(JL_SECCOMP_OFF, &filter, NULL), 0);
	ck_assert_ptr_null(filter.insns);
	ck_assert_uint_eq(filter.count, 0);
}
END_TEST

START_TEST(unknown_level_is_refused)
{
	struct jl__filter filter = { NULL, 7 };
	jl_error *err = NULL;

	ck_assert_int_eq(jl__filter_compile(3, &filter, &err), -EINVAL);
	ck_assert_str_eq(jl_error_message(err), "3 is not a seccomp level");
	ck_assert_str_eq(jl_error_module(err), "sandbox");
	ck_assert_uint_eq(filter.count, 7);
	jl_error_free(err);
	ck_assert_int_eq(jl__filter_compile(-1, &filter, NULL), -EINVAL);
}
END_TEST

static void *no_alloc(size_t bytes)
{
	(void)bytes;
	return NULL;
}

static void *no_resize(void *ptr, size_t bytes)
{
	(void)ptr;
	(void)bytes;
	return NULL;
}

START_TEST(compile_without_memory_says_so)
{
	struct jl__filter filter = { 0 };
	jl_error *err = NULL;

	ck_assert_int_eq(jl_set_allocator(no_alloc, no_resize, free), 0);
	ck_assert_int_eq(jl__filter_compile(JL_SECCOMP_DEFAULT, &filter, &err), -ENOMEM);
	ck_assert_int_eq(jl_set_allocator(NULL, NULL, NULL), 0);
	ck_assert_int_eq(jl_error_code(err), -ENOMEM);
	ck_assert_ptr_null(filter.insns);
	jl_error_free(err);
}
END_TEST

START_TEST(levels_have_names)
{
	ck_assert_str_eq(jl__filter_level_name(JL_SECCOMP_OFF), "off");
	ck_assert_str_eq(jl__filter_level_name(JL_SECCOMP_DEFAULT), "default");
	ck_assert_str_eq(jl__filter_level_name(JL_SECCOMP_STRICT), "strict");
	ck_assert_ptr_null(jl__filter_level_name(3));
	ck_assert_ptr_null(jl__filter_level_name(-1));
}
END_TEST

/* A call that is looked up often must not walk the whole program. */
START_TEST(lookup_is_short)
{
	for (int i = 0; i < COUNT(programs); i++) {
		const struct program *p = &programs[i];
		unsigned int steps = 0;

		for (int nr = 0; nr <= (int)JL__RULES_LAST_CALL; nr++) {
			struct seccomp_data data = { .nr = nr, .arch = p->arch };

			/* These look at many bits of their argument. */
			if (nr == number_of(p->arch, "personality") ||
			    nr == number_of(p->arch, "unshare") ||
			    nr == number_of(p->arch, "clone"))
				continue;
			ck_assert_int_ge(bpf_sim_run(p->insns, p->count, &data, &steps),
					 0);
			ck_assert_uint_le(steps, 60);
		}
	}
}
END_TEST

/* ---- the kernel
 * ------------------------------------------------------------------------ */

/* Runs inside a child with the filter installed; a failed expectation ends it. */
#define EXPECT(condition)                                                        \
	do {                                                                     \
		if (!(condition)) {                                              \
			(void)fprintf(stderr, "%s:%d: %s, errno %d\n", __FILE__, \
				      __LINE__, #condition, errno);              \
			_exit(1);                                                \
		}                                                                \
	} while (0)

#define FAILS(call, error) EXPECT((errno = 0, (call) == -1) && errno == (error))

static void *set_flag(void *flag)
{
	*(int *)flag = 1;
	return NULL;
}

static void try_processes(void)
{
	pthread_t thread;
	int flag = 0;
	int status;
	pid_t pid;

	FAILS(unshare(CLONE_NEWUSER), EPERM);
	FAILS(unshare(CLONE_NEWNS), EPERM);
	EXPECT(unshare(CLONE_FS) == 0);
	FAILS(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM);
	FAILS(syscall(SYS_clone3, NULL, 0), ENOSYS);
	FAILS(syscall(SYS_setns, -1, 0), EPERM);
	EXPECT(pthread_create(&thread, NULL, set_flag, &flag) == 0);
	EXPECT(pthread_join(thread, NULL) == 0 && flag == 1);
	pid = fork();
	if (pid == 0)
		_exit(7);
	EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	EXPECT(pid > 0 && waitpid(pid, NULL, 0) == pid);
}

static void try_sockets(int level)
{
	int error = level == JL_SECCOMP_STRICT ? EPERM : 0;
	struct ifaddrs *list;
	int fd, pair[2];

	FAILS(socket(AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
	FAILS(syscall(SYS_socket, HIGH | AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
	FAILS(socket(AF_PACKET, SOCK_DGRAM, 0), EAFNOSUPPORT);
	FAILS(socket(AF_INET, SOCK_PACKET, 0), EAFNOSUPPORT);
	FAILS(socket(AF_NETLINK, SOCK_RAW, 12), EPROTONOSUPPORT);
	EXPECT(getifaddrs(&list) == 0);
	freeifaddrs(list);
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	EXPECT((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
	(void)close(fd);
	/* The level above takes it from those who have the capability, too. */
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	EXPECT(fd >= 0 || errno == EPERM);
	EXPECT(fd < 0 || error == 0);
}

static void try_terminal(void)
{
	struct winsize size;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	EXPECT(ioctl(fd, TIOCGWINSZ, &size) == 0);
	FAILS(ioctl(fd, TIOCSTI, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, fd, HIGH | TIOCSTI, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, fd, HIGH | TIOCLINUX, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, -1, TIOCSTI, "x"), EPERM);
	FAILS(syscall(SYS_ioctl, -1, TCGETS, NULL), EBADF);
}

static void try_rest(int level)
{
	bool strict = level == JL_SECCOMP_STRICT;
	char data;
	struct iovec byte = { &data, 1 };

	FAILS(syscall(SYS_bpf, 0, NULL, 0), EPERM);
	FAILS(syscall(SYS_fsopen, NULL, 0), EPERM);
	FAILS(syscall(SYS_keyctl, 0, 0), EPERM);
	FAILS(syscall(SYS_io_uring_setup, 1, NULL), EPERM);
	FAILS(syscall(467, -1, NULL, 0, NULL, 0), EPERM);
	FAILS(syscall(470), ENOSYS);
	FAILS(personality(READ_IMPLIES_EXEC), EPERM);
	if (strict)
		FAILS(personality(0xffffffff), EPERM);
	else
		EXPECT(personality(0xffffffff) >= 0);
	FAILS(syscall(SYS_process_vm_readv, -1, &byte, 1, &byte, 1, 0),
	      strict ? EPERM : ESRCH);
	FAILS(syscall(SYS_seccomp, 99, 0, NULL), EINVAL);
	EXPECT(prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER);
#ifdef __x86_64__
	FAILS(syscall(0x40000000 | SYS_getpid), ENOSYS);
#endif
}

static void install(int level)
{
	struct jl__filter filter = { 0 };
	struct sock_fprog program;

	EXPECT(jl__filter_compile(level, &filter, NULL) == 0);
	program = (struct sock_fprog){ filter.count, filter.insns };
	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
	jl__free(filter.insns);
}

static int wait_for(pid_t pid)
{
	int status = 0;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(kernel_takes_the_program_and_obeys)
{
	int level = _i ? JL_SECCOMP_STRICT : JL_SECCOMP_DEFAULT;
	pid_t pid = fork();

	if (pid == 0) {
		install(level);
		try_processes();
		try_sockets(level);
		try_terminal();
		try_rest(level);
		_exit(0);
	}
	ck_assert_int_eq(wait_for(pid), 0);
}
END_TEST

#ifdef __x86_64__
/* getpid through the 32-bit entry. */
static long getpid_32(void)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"(20L)
			 : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)result;
}

static int run_getpid_32(int level)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (level != JL_SECCOMP_OFF)
			install(level);
		_exit(getpid_32() == (level == JL_SECCOMP_OFF ? getpid() : -ENOSYS) ? 0
										    : 1);
	}
	return wait_for(pid);
}

START_TEST(entry_of_32_bit_programs_is_closed)
{
	/* Kernels without it kill the caller: then there is nothing to close. */
	if (run_getpid_32(JL_SECCOMP_OFF) != 0)
		return;
	ck_assert_int_eq(run_getpid_32(JL_SECCOMP_DEFAULT), 0);
	ck_assert_int_eq(run_getpid_32(JL_SECCOMP_STRICT), 0);
}
END_TEST
#endif

static Suite *filter_suite(void)
{
	Suite *suite = suite_create("filter");
	TCase *rules = tcase_create("rules");
	TCase *written = tcase_create("documentation");
	TCase *library = tcase_create("library");
	TCase *kernel = tcase_create("kernel");

	/* Unchecked: once, and not in the process of each test. */
	tcase_add_unchecked_fixture(rules, build_programs, drop_programs);
	tcase_add_loop_test(rules, call_gets_what_the_table_says, 0, COUNT(expectations));
	tcase_add_test(rules, every_rule_is_in_the_table);
	tcase_add_test(rules, foreign_architectures_get_nothing);
	tcase_add_test(rules, x32_numbers_get_nothing);
	tcase_add_test(rules, calls_of_later_kernels_do_not_exist);
	tcase_add_test(rules, call_skipped_by_a_debugger_keeps_its_result);
	tcase_add_test(rules, compile_gives_the_programs_of_this_machine);
	tcase_add_test(rules, lookup_is_short);
	suite_add_tcase(suite, rules);

	tcase_add_unchecked_fixture(written, read_doc, drop_programs);
	tcase_set_timeout(written, 60);
	tcase_add_test(written, documentation_lists_the_rules);
	tcase_add_test(written, every_number_does_what_the_documentation_says);
	tcase_add_test(written, arguments_do_what_the_documentation_says);
	suite_add_tcase(suite, written);

	tcase_add_test(library, level_off_has_no_program);
	tcase_add_test(library, unknown_level_is_refused);
	tcase_add_test(library, compile_without_memory_says_so);
	tcase_add_test(library, levels_have_names);
	suite_add_tcase(suite, library);

	tcase_add_loop_test(kernel, kernel_takes_the_program_and_obeys, 0, 2);
#ifdef __x86_64__
	tcase_add_test(kernel, entry_of_32_bit_programs_is_closed);
#endif
	suite_add_tcase(suite, kernel);
	return suite;
}

int main(void)
{
	SRunner *sr = srunner_create(filter_suite());
	int failed;

	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
