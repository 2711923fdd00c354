#include "adapters/store_sqlite/telemetry_sql.h"

static const char *const statement_sql[ST_COUNT] = {
    [ST_STATE] = "SELECT upto, device_id, sensor_type, unit, timestamp, id, deleted,"
                 " (SELECT coalesce(max(id), 0) FROM telemetry_tail),"
                 " (SELECT coalesce(min(id), 0) FROM telemetry_tail) FROM telemetry_settling",
    [ST_SAVE] = "UPDATE telemetry_settling SET upto = ?1, device_id = ?2, sensor_type = ?3,"
                " unit = ?4, timestamp = ?5, id = ?6",
    [ST_LOAD] = "SELECT id, device_id, sensor_type, unit, timestamp, created_at, value, metadata,"
                " sample_id FROM telemetry_tail WHERE id > ?1 AND id <= ?2 AND device_id <> ''"
                " ORDER BY id",
    [ST_SERIES] = "SELECT id, device, timestamp, coalesce(first_at, 9223372036854775807)"
                  " FROM telemetry_latest WHERE device_id = ?1 AND sensor_type = ?2 AND unit = ?3",
    [ST_SERIES_NEW] =
        "INSERT INTO telemetry_latest (id, device_id, sensor_type, unit, value, metadata,"
        " timestamp, sample_id, sample, device) SELECT n.id, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
        " coalesce((SELECT device FROM telemetry_latest WHERE device_id = ?1 LIMIT 1), n.id)"
        " FROM (SELECT coalesce(max(id), 0) + 1 AS id FROM telemetry_latest) AS n"
        " WHERE EXISTS (SELECT 1 FROM devices WHERE id = ?1) RETURNING id, device",
    /* One with the id is there already when a repaired file has it twice. */
    [ST_SAMPLE] = "INSERT INTO telemetry_sample (series, timestamp, id, value, delay_ms, metadata,"
                  " sample_id, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                  " ON CONFLICT DO NOTHING",
    [ST_ROLLUP] =
        "INSERT INTO telemetry_rollup (series, resolution_ms, bucket_ms, n, sum, min, max, last,"
        " last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (series, resolution_ms,"
        " bucket_ms) DO UPDATE SET n = n + excluded.n, sum = sum + excluded.sum,"
        " min = min(min, excluded.min), max = max(max, excluded.max),"
        " last = CASE WHEN excluded.last_at > last_at THEN excluded.last ELSE last END,"
        " last_at = max(last_at, excluded.last_at)",
    [ST_LATEST] = "UPDATE telemetry_latest SET value = ?2, metadata = ?3, timestamp = ?4,"
                  " sample_id = ?5, sample = ?6 WHERE id = ?1",
    [ST_FIRST] = "UPDATE telemetry_latest SET first_at = ?2 WHERE id = ?1",
    [ST_CLEAR] = "DELETE FROM telemetry_tail WHERE id <= ?1"
                 " AND id < (SELECT max(id) FROM telemetry_tail)",
};

sqlite3_stmt *sql_statement(struct settle_sql *q, enum statement which)
{
    sqlite3_stmt **stmt = &q->statements[which];
    if (*stmt == NULL) { /* NULL again on an error, which the step then tells */
        sqlite3_prepare_v3(q->db->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT, stmt,
                           NULL);
    }
    return *stmt;
}

void sql_bind_text(sqlite3_stmt *stmt, int at, span s)
{
    if (s.ptr == NULL) {
        sqlite3_bind_null(stmt, at);
    } else {
        sqlite3_bind_text64(stmt, at, (const char *)s.ptr, s.len, SQLITE_STATIC, SQLITE_UTF8);
    }
}

err sql_run_for(struct settle_sql *q, sqlite3_stmt *stmt, int64_t out[2], bool *found)
{
    int code = stmt == NULL ? sqlite3_extended_errcode(q->db->db) : sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        out[0] = sqlite3_column_int64(stmt, 0);
        out[1] = sqlite3_column_int64(stmt, 1);
        *found = true;
        code = sqlite3_step(stmt);
    }
    sqlite3_reset(stmt);
    return code == SQLITE_DONE ? ERR_NONE
                               : db_error(q->db, code == SQLITE_OK ? SQLITE_ERROR : code);
}

err sql_run(struct settle_sql *q, sqlite3_stmt *stmt)
{
    int64_t ignored[2];
    bool found = false;
    return sql_run_for(q, stmt, ignored, &found);
}

void sql_deinit(struct settle_sql *q)
{
    for (unsigned i = 0; i < ST_COUNT; i++) {
        sqlite3_finalize(q->statements[i]);
    }
}
