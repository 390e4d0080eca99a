/* SPDX-License-Identifier: MIT */
/* What the store says to SQLite. Lists of columns are made from one table. */
#include <stdio.h>

#include "base/buf.h"
#include "store/store-priv.h"

const char *const jl__number_columns[JL__N_COUNT] = {
	[JL__N_NUMBER] = "number",
	[JL__N_STATE] = "state",
	[JL__N_PRIORITY] = "priority",
	[JL__N_CREATED] = "created_usec",
	[JL__N_DUE] = "due_usec",
	[JL__N_NOT_BEFORE] = "not_before_usec",
	[JL__N_START] = "start_usec",
	[JL__N_END] = "end_usec",
	[JL__N_EXIT_CODE] = "exit_code",
	[JL__N_REASON] = "reason",
	[JL__N_SIGNAL] = "signal",
	[JL__N_WALL] = "wall_usec",
	[JL__N_CPU] = "cpu_usec",
	[JL__N_MEMORY_PEAK] = "memory_peak_bytes",
	[JL__N_IO_READ] = "io_read_bytes",
	[JL__N_IO_WRITE] = "io_write_bytes",
	[JL__N_NET_RECEIVED] = "net_received_bytes",
	[JL__N_NET_SENT] = "net_sent_bytes",
	[JL__N_NET_RECEIVED_PACKETS] = "net_received_packets",
	[JL__N_NET_SENT_PACKETS] = "net_sent_packets",
	[JL__N_CPU_PERCENT] = "limit_cpu_percent",
	[JL__N_MEMORY] = "limit_memory_bytes",
	[JL__N_IO_BPS] = "limit_io_bps",
	[JL__N_PIDS] = "limit_pids",
	[JL__N_DISK] = "limit_disk_bytes",
	[JL__N_TIMEOUT] = "limit_wall_usec",
	[JL__N_RETRIES] = "retries",
	[JL__N_ATTEMPT] = "attempt",
	[JL__N_RUN] = "run",
	[JL__N_SERIES] = "series",
	[JL__N_UPLOADS] = "uploads",
	[JL__N_LOG] = "log_bytes",
	[JL__N_LOG_CUT] = "log_cut",
	[JL__N_ATTACHED] = "attached",
	[JL__N_STOPPING] = "stopping",
	[JL__N_CHANGE] = "change",
};

const char *const jl__text_columns[JL__T_COUNT] = {
	[JL__T_ID] = "id",	     [JL__T_NAME] = "name",
	[JL__T_NETWORK] = "network", [JL__T_ADDRESS] = "address",
	[JL__T_CPUS] = "cpus",	     [JL__T_WORK_DIR] = "work_dir",
	[JL__T_OWNER] = "owner",     [JL__T_RECURRENCE] = "recurrence",
	[JL__T_FAILURE] = "failure", [JL__T_WARNING] = "warning",
	[JL__T_CLAIM] = "claim",     [JL__T_SOCKET] = "socket",
};

/* "number, state, …, command": the order in which rows are read and bound. */
static void add_columns(struct jl__buf *sql)
{
	for (int i = 0; i < JL__N_COUNT; i++)
		(void)jl__buf_addf(sql, "%s, ", jl__number_columns[i]);
	for (int i = 0; i < JL__T_COUNT; i++)
		(void)jl__buf_addf(sql, "%s, ", jl__text_columns[i]);
	(void)jl__buf_add_str(sql, "command");
}

static void add_select(struct jl__buf *sql, const char *rest)
{
	(void)jl__buf_add_str(sql, "SELECT ");
	add_columns(sql);
	(void)jl__buf_add_str(sql, " FROM jobs ");
	(void)jl__buf_add_str(sql, rest);
}

static void add_insert(struct jl__buf *sql)
{
	(void)jl__buf_add_str(sql, "INSERT INTO jobs (");
	add_columns(sql);
	(void)jl__buf_add_str(sql, ") VALUES (?");
	for (int i = 1; i < JL__N_COUNT + JL__T_COUNT + 1; i++)
		(void)jl__buf_add_str(sql, ", ?");
	(void)jl__buf_add_str(sql, ")");
}

/* Indexes are only touched where their columns have changed, so all of them can be set.
 */
static void add_update(struct jl__buf *sql)
{
	(void)jl__buf_add_str(sql, "UPDATE jobs SET ");
	for (int i = 1; i < JL__N_COUNT; i++)
		(void)jl__buf_addf(sql, "%s = ?%d, ", jl__number_columns[i], i + 1);
	for (int i = 1; i < JL__T_COUNT; i++)
		(void)jl__buf_addf(sql, "%s = ?%d%s", jl__text_columns[i],
				   JL__N_COUNT + i + 1, i + 1 < JL__T_COUNT ? ", " : "");
	(void)jl__buf_add_str(sql, " WHERE number = ?1");
}

static const char *const plain[ST_KINDS] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
	[ST_DATA_VERSION] = "PRAGMA data_version",
	[ST_INSERT_DETAILS] =
		"INSERT INTO details (number, spec, uploads) VALUES (?1, ?2, ?3)",
	[ST_DELETE] = "DELETE FROM jobs WHERE number = ?1",
	[ST_DELETE_DETAILS] = "DELETE FROM details WHERE number = ?1",
	[ST_DELETE_ATTEMPTS] = "DELETE FROM attempts WHERE number = ?1",
	[ST_GET_DETAILS] = "SELECT spec, uploads FROM details WHERE number = ?1",
	[ST_FIND_PREFIX] =
		"SELECT id FROM jobs WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 4",
	[ST_COUNT_STATE] = "SELECT count(*) FROM jobs WHERE state = ?1",
	[ST_COUNT_SERIES] = "SELECT count(*) FROM jobs WHERE series = ?1 AND state < 4",
	[ST_COUNT_NEXT] =
		"SELECT min(t) FROM (SELECT min(due_usec) AS t FROM jobs WHERE state = 0"
		" UNION ALL SELECT min(not_before_usec) FROM jobs WHERE state = 1"
		" AND not_before_usec > ?1)",
	[ST_COUNT_CHANGE] = "SELECT change FROM counter",
	[ST_BUMP] = "UPDATE counter SET change = change + 1",
	[ST_ADD_ATTEMPT] =
		"INSERT OR REPLACE INTO attempts (number, run, attempt, start_usec, end_usec,"
		" exit_code, reason, signal, failure) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[ST_ADD_NET] = "INSERT OR REPLACE INTO networks (name, cidr) VALUES (?1, ?2)",
	[ST_REMOVE_NET] = "DELETE FROM networks WHERE name = ?1",
	[ST_NETS] = "SELECT name, cidr FROM networks ORDER BY name",
};

/* What follows "SELECT … FROM jobs". States from 4 on are final. */
static const char *const rows[ST_KINDS] = {
	[ST_GET] = "WHERE number = ?1",
	[ST_GET_ID] = "WHERE id = ?1",
	[ST_LIST] = "WHERE number < ?3 AND (?1 >> state) & 1"
		    " AND (?2 IS NULL OR name = ?2) ORDER BY number DESC LIMIT ?4",
	[ST_LIST_ACTIVE] = "WHERE state IN (2, 3) OR (state = 1 AND claim IS NOT NULL)"
			   " ORDER BY number",
	[ST_LIST_OLD] =
		"WHERE state >= 4 AND (end_usec < ?2 OR number IN (SELECT number FROM jobs"
		" WHERE state >= 4 ORDER BY end_usec DESC, number DESC LIMIT -1 OFFSET ?1))"
		" LIMIT ?3",
	[ST_NEXT_PENDING] = "WHERE state = 1 AND (not_before_usec IS NULL OR"
			    " not_before_usec <= ?1) AND (claim IS NULL OR claim = ?2)"
			    " ORDER BY priority DESC, number LIMIT 1",
	[ST_NEXT_DUE] =
		"WHERE state = 0 AND due_usec <= ?1 ORDER BY due_usec, number LIMIT 1",
	[ST_NEXT_CHANGE] = "WHERE change > ?1 ORDER BY change, number LIMIT 1",
};

char *jl__store_sql(enum statement which)
{
	struct jl__buf sql = JL__BUF_INIT(16384);

	if (rows[which])
		add_select(&sql, rows[which]);
	else if (which == ST_INSERT)
		add_insert(&sql);
	else if (which == ST_UPDATE)
		add_update(&sql);
	else
		(void)jl__buf_add_str(&sql, plain[which]);
	if (sql.failed)
		jl__buf_done(&sql);
	return jl__buf_steal(&sql);
}
