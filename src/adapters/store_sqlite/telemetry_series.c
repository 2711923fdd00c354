#include "adapters/store_sqlite/telemetry_series.h"

#define MINUTE_MS 60000
#define HOUR_MS 3600000

static err sums_write(struct settle_sql *q, int64_t series, const struct sums *s)
{
    if (s->n == 0) {
        return ERR_NONE;
    }
    sqlite3_stmt *stmt = sql_statement(q, ST_ROLLUP);
    sqlite3_bind_int64(stmt, 1, series);
    sqlite3_bind_int64(stmt, 2, s->resolution_ms);
    sqlite3_bind_int64(stmt, 3, s->bucket_ms);
    sqlite3_bind_int64(stmt, 4, s->n);
    sqlite3_bind_double(stmt, 5, s->sum);
    sqlite3_bind_double(stmt, 6, s->min);
    sqlite3_bind_double(stmt, 7, s->max);
    sqlite3_bind_double(stmt, 8, s->last);
    sqlite3_bind_int64(stmt, 9, s->last_at);
    return sql_run(q, stmt);
}

static err sums_add(struct settle_sql *q, int64_t series, struct sums *s,
                    const struct round_row *row)
{
    int64_t bucket = row->timestamp - row->timestamp % s->resolution_ms;
    err e = ERR_NONE;
    if (s->n > 0 && s->bucket_ms != bucket) {
        e = sums_write(q, series, s);
        s->n = 0;
    }
    if (s->n == 0) {
        *s = (struct sums){.resolution_ms = s->resolution_ms,
                           .bucket_ms = bucket,
                           .n = 1,
                           .sum = row->value,
                           .min = row->value,
                           .max = row->value,
                           .last = row->value,
                           .last_at = row->timestamp};
        return e;
    }
    s->n++;
    s->sum += row->value;
    s->min = row->value < s->min ? row->value : s->min;
    s->max = row->value > s->max ? row->value : s->max;
    if (row->timestamp > s->last_at) { /* of one time the first stays */
        s->last = row->value;
        s->last_at = row->timestamp;
    }
    return e;
}

static void put_series(sqlite3_stmt *stmt, const struct round_series *s)
{
    sql_bind_text(stmt, 1, s->device_id);
    sql_bind_text(stmt, 2, s->sensor_type);
    sql_bind_text(stmt, 3, s->unit);
}

static err series_make(struct settle_sql *q, const struct round_series *s, struct series_run *out,
                       bool *made)
{
    const struct round_row *row = s->head;
    int64_t ids[2];
    sqlite3_stmt *stmt = sql_statement(q, ST_SERIES_NEW);
    put_series(stmt, s);
    sqlite3_bind_double(stmt, 4, row->value);
    sql_bind_text(stmt, 5, row->metadata);
    sqlite3_bind_int64(stmt, 6, row->timestamp);
    sql_bind_text(stmt, 7, row->sample_id);
    sqlite3_bind_int64(stmt, 8, row->id);
    err e = sql_run_for(q, stmt, ids, made);
    if (e == ERR_NONE && *made) {
        out->series = ids[0];
        out->device = ids[1];
        out->latest_at = row->timestamp;
    }
    return e;
}

err series_begin(struct settle_sql *q, const struct round_series *s, struct series_run *out,
                 bool *found)
{
    *out = (struct series_run){.first_at = INT64_MAX,
                               .oldest_at = INT64_MAX,
                               .minute = {.resolution_ms = MINUTE_MS},
                               .hour = {.resolution_ms = HOUR_MS}};
    *found = false;
    sqlite3_stmt *stmt = sql_statement(q, ST_SERIES);
    put_series(stmt, s);
    int code = stmt == NULL ? SQLITE_ERROR : sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        *found = true;
        out->series = sqlite3_column_int64(stmt, 0);
        out->device = sqlite3_column_int64(stmt, 1);
        out->latest_at = sqlite3_column_int64(stmt, 2);
        out->first_at = sqlite3_column_int64(stmt, 3);
    }
    sqlite3_reset(stmt);
    return code == SQLITE_DONE  ? series_make(q, s, out, found)
           : code == SQLITE_ROW ? ERR_NONE
                                : db_error(q->db, code);
}

err series_add(struct settle_sql *q, struct series_run *r, const struct round_row *row)
{
    sqlite3_stmt *stmt = sql_statement(q, ST_SAMPLE);
    sqlite3_bind_int64(stmt, 1, r->series);
    sqlite3_bind_int64(stmt, 2, row->timestamp);
    sqlite3_bind_int64(stmt, 3, row->id);
    sqlite3_bind_double(stmt, 4, row->value);
    sqlite3_bind_int64(stmt, 5, row->created_at - row->timestamp);
    sql_bind_text(stmt, 6, row->metadata);
    sql_bind_text(stmt, 7, row->sample_id);
    if (row->sample_id.ptr == NULL) {
        sqlite3_bind_null(stmt, 8);
    } else {
        sqlite3_bind_int64(stmt, 8, r->device);
    }
    err e = sql_run(q, stmt);
    if (e != ERR_NONE || sqlite3_changes(q->db->db) == 0) {
        return e;
    }
    if (row->timestamp > (r->newest == NULL ? r->latest_at : r->newest->timestamp)) {
        r->newest = row;
    }
    r->oldest_at = row->timestamp < r->oldest_at ? row->timestamp : r->oldest_at;
    e = sums_add(q, r->series, &r->minute, row);
    return e != ERR_NONE ? e : sums_add(q, r->series, &r->hour, row);
}

err series_end(struct settle_sql *q, const struct series_run *r)
{
    err e = sums_write(q, r->series, &r->minute);
    e = e != ERR_NONE ? e : sums_write(q, r->series, &r->hour);
    if (e == ERR_NONE && r->newest != NULL) {
        sqlite3_stmt *stmt = sql_statement(q, ST_LATEST);
        sqlite3_bind_int64(stmt, 1, r->series);
        sqlite3_bind_double(stmt, 2, r->newest->value);
        sql_bind_text(stmt, 3, r->newest->metadata);
        sqlite3_bind_int64(stmt, 4, r->newest->timestamp);
        sql_bind_text(stmt, 5, r->newest->sample_id);
        sqlite3_bind_int64(stmt, 6, r->newest->id);
        e = sql_run(q, stmt);
    }
    if (e == ERR_NONE && r->oldest_at < r->first_at) {
        sqlite3_stmt *stmt = sql_statement(q, ST_FIRST);
        sqlite3_bind_int64(stmt, 1, r->series);
        sqlite3_bind_int64(stmt, 2, r->oldest_at);
        e = sql_run(q, stmt);
    }
    return e;
}
