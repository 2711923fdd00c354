/*
 * Migrations: the numbered steps of migrations.def that a file has not seen yet, each in one
 * transaction with its row in schema_migration.
 */
#include "adapters/store_sqlite/state.h"

#include <stdio.h>

#define SQL_UUID "TEXT"
#define SQL_TIME "INTEGER"
#define SQL_JSON "TEXT"
#define SQL_INT "INTEGER"
#define SQL_REAL "REAL"
#define SQL_BYTES "BLOB"
#define SQL_ROW_ID "INTEGER PRIMARY KEY"
#define SQL_COUNTED_ID "INTEGER PRIMARY KEY AUTOINCREMENT"
#define SQL_CLUSTERED "WITHOUT ROWID"

/* `last` is the value of the newest row, whatever the order of arrival. */
#define MERGE(m)                                                                                   \
    m "_n = " m "_n + excluded." m "_n,"                                                           \
    m "_sum = coalesce(" m "_sum + excluded." m "_sum, " m "_sum, excluded." m "_sum),"            \
    m "_min = min(coalesce(" m "_min, excluded." m "_min), coalesce(excluded." m "_min, " m        \
      "_min)),"                                                                                    \
    m "_max = max(coalesce(" m "_max, excluded." m "_max), coalesce(excluded." m "_max, " m        \
      "_max)),"                                                                                    \
    m "_last = CASE WHEN excluded.last_at >= last_at THEN excluded." m "_last ELSE " m "_last END,"
#define COLUMNS(m) m "_n, " m "_sum, " m "_min, " m "_max, " m "_last, "
#define VALUES(m) "NEW." m " IS NOT NULL, NEW." m ", NEW." m ", NEW." m ", NEW." m ", "
#define EACH_METRIC(X)                                                                             \
    X("cpu_usage") X("memory_usage") X("network_rx") X("network_tx") X("load1") X("disk_used")
#define NEWEST(column)                                                                             \
    column " = CASE WHEN excluded.last_at >= last_at THEN excluded." column " ELSE " column " END,"

#define SQL_ROLLUP_TRIGGER(name, resolution_ms)                                                    \
    "CREATE TRIGGER " name " AFTER INSERT ON device_metrics BEGIN"                                 \
    " INSERT INTO device_metrics_rollup (device_uuid, resolution_ms, bucket_ms, n, last_at, "      \
    EACH_METRIC(COLUMNS) "memory_total, disk_total)"                                               \
    " VALUES (NEW.device_uuid, " resolution_ms ","                                                 \
    " NEW.recorded_at - NEW.recorded_at % " resolution_ms ", 1, NEW.recorded_at, "                 \
    EACH_METRIC(VALUES) "NEW.memory_total, NEW.disk_total)"                                        \
    " ON CONFLICT (device_uuid, resolution_ms, bucket_ms) DO UPDATE SET "                          \
    EACH_METRIC(MERGE) NEWEST("memory_total") NEWEST("disk_total")                                 \
    " n = n + 1, last_at = max(last_at, excluded.last_at); END;"

/*
 * Full text of chat messages: the words of a text, or of all texts in an object, and a word that
 * stands for the room, so that a search in some rooms does not look at what others say. The index
 * holds no text of its own: what it reads back is the view.
 */
#define SEARCH_ROOM(row) "'r' || replace(" row ".room_id, '-', '')"
#define SEARCH_TEXT(row)                                                                           \
    "CASE WHEN substr(" row ".content, 1, 1) = '\"' THEN json_extract(" row ".content, '$')"       \
    " ELSE (SELECT group_concat(atom, ' ') FROM json_tree(" row ".content)"                        \
    " WHERE type = 'text') END"
#define SEARCH_ADD                                                                                 \
    " INSERT INTO chat_search (rowid, room, text)"                                                 \
    " VALUES (NEW.n, " SEARCH_ROOM("NEW") ", " SEARCH_TEXT("NEW") ");"
#define SEARCH_TAKE                                                                                \
    " INSERT INTO chat_search (chat_search, rowid, room, text)"                                    \
    " VALUES ('delete', OLD.n, " SEARCH_ROOM("OLD") ", " SEARCH_TEXT("OLD") ");"
#define SQL_CHAT_SEARCH                                                                            \
    "CREATE VIEW chat_message_text AS SELECT n, " SEARCH_ROOM("m") " AS room, " SEARCH_TEXT("m")   \
    " AS text FROM chat_message m;"                                                                \
    "CREATE VIRTUAL TABLE chat_search USING fts5 (room, text, content = 'chat_message_text',"      \
    " content_rowid = 'n', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2');"           \
    "CREATE TRIGGER chat_search_insert AFTER INSERT ON chat_message BEGIN" SEARCH_ADD " END;"      \
    "CREATE TRIGGER chat_search_delete AFTER DELETE ON chat_message BEGIN" SEARCH_TAKE " END;"     \
    "CREATE TRIGGER chat_search_update AFTER UPDATE OF content ON chat_message BEGIN" SEARCH_TAKE  \
        SEARCH_ADD " END;"
/* From schema 13 on words are added behind (word_index.h): what has none in the index yet is not
 * taken out of it. */
#define SEARCH_INDEXED " WHEN OLD.n <= (SELECT upto FROM chat_search_at) BEGIN"
#define SQL_CHAT_SEARCH_BEHIND                                                                     \
    "DROP TRIGGER chat_search_insert;"                                                             \
    "DROP TRIGGER chat_search_delete;"                                                             \
    "DROP TRIGGER chat_search_update;"                                                             \
    "CREATE TABLE chat_search_at (one INTEGER PRIMARY KEY CHECK (one = 1),"                        \
    " upto INTEGER NOT NULL);"                                                                     \
    "INSERT INTO chat_search_at SELECT 1, coalesce(max(n), 0) FROM chat_message;"                  \
    "CREATE TRIGGER chat_search_delete AFTER DELETE ON chat_message" SEARCH_INDEXED SEARCH_TAKE    \
    " END;"                                                                                        \
    "CREATE TRIGGER chat_search_update AFTER UPDATE OF content ON chat_message" SEARCH_INDEXED     \
        SEARCH_TAKE SEARCH_ADD " END;"

static const struct step {
    unsigned version;
    const char *name;
    const char *sql;
} steps[] = {
#define M(version_, name_, sql_) {version_, name_, sql_},
#include "adapters/store_sqlite/migrations.def"
#undef M
};

unsigned sqlite_store_schema_version(void) { return steps[ARRAY_LEN(steps) - 1].version; }

err migrate_version(struct db *c, unsigned *out)
{
    int64_t n;
    *out = 0;
    if (!db_int(c, "SELECT count(*) FROM sqlite_master WHERE name = 'schema_migration'", &n)) {
        return db_error(c, sqlite3_extended_errcode(c->db));
    }
    if (n > 0 && !db_int(c, query_sql(QUERY_SCHEMA_VERSION), &n)) {
        return db_error(c, sqlite3_extended_errcode(c->db));
    }
    *out = (unsigned)n;
    return ERR_NONE;
}

static err record(struct db *c, const struct step *step)
{
    char sql[250];
    snprintf(sql, sizeof sql,
             "INSERT INTO schema_migration (version, name, applied_at)"
             " VALUES (%u, '%s', CAST(strftime('%%s', 'now') AS INTEGER) * 1000)",
             step->version, step->name);
    return db_exec(c, sql);
}

static err run_pending(struct db *c, unsigned last, struct log *log)
{
    unsigned version;
    err e = db_exec(c, "CREATE TABLE IF NOT EXISTS schema_migration ("
                         " version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                         " applied_at INTEGER NOT NULL)");
    e = e != ERR_NONE ? e : migrate_version(c, &version);
    for (unsigned i = 0; i < ARRAY_LEN(steps) && e == ERR_NONE; i++) {
        if (steps[i].version > version && steps[i].version <= last) {
            e = db_exec(c, steps[i].sql);
            e = e != ERR_NONE ? e : record(c, &steps[i]);
            LOG(log, LOG_INFO, "store.migrated", LOG_U64("version", steps[i].version),
                LOG_STR("name", steps[i].name), LOG_STR("result", err_name(e)));
        }
    }
    return e;
}

err migrate_run(struct db *c, unsigned last, struct log *log)
{
    unsigned version;
    err e = migrate_version(c, &version);
    if (e != ERR_NONE || version >= last) {
        return e;
    }
    /* All pending steps in one transaction: a crash or a full disk leaves the old schema. */
    e = db_control(c, DB_BEGIN);
    if (e != ERR_NONE) {
        return e;
    }
    e = run_pending(c, last, log);
    e = e != ERR_NONE ? e : db_control(c, DB_COMMIT);
    if (e != ERR_NONE && db_in_transaction(c)) {
        err ignored = db_control(c, DB_ROLLBACK);
        (void)ignored;
    }
    return e;
}
