/*
 * Backup: VACUUM INTO reads one snapshot, so writers go on meanwhile and the copy is consistent
 * and compact. (sqlite3_backup_step would start over after every commit.) While it runs the
 * write-ahead log cannot be emptied and grows by what is written.
 */
#include "adapters/store_sqlite/state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static err vacuum_into(struct db *c, const char *path)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(c->db, "VACUUM INTO ?1", -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
        code = sqlite3_step(stmt);
    }
    err e = code == SQLITE_DONE ? ERR_NONE : db_error(c, code);
    sqlite3_finalize(stmt);
    return e;
}

static err copy(struct sqlite_store *s, const char *path)
{
    err e;
    if (s->memory) {
        pthread_mutex_lock(&s->conn_lock);
        e = vacuum_into(&s->conn, path);
        pthread_mutex_unlock(&s->conn_lock);
        return e;
    }
    struct db c = {0};
    e = db_open(&c, &s->conf, DB_WRITER);
    if (e == ERR_NONE) {
        e = vacuum_into(&c, path);
        db_close(&c);
    }
    return e;
}

err sqlite_store_disown(const char *path)
{
    struct db c = {0};
    int code = sqlite3_open_v2(path, &c.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    err e = code == SQLITE_OK ? ERR_NONE : db_error(&c, code);
    if (e == ERR_NONE) { /* both or neither: a journal that a crash left would be rolled back */
        e = db_exec(&c, "BEGIN; DELETE FROM store_meta WHERE name = '" STORE_META_EPOCH "';"
                        " DELETE FROM recovery_session; COMMIT");
    }
    sqlite3_close(c.db);
    return e;
}

err backup_run(struct store *self, const char *path)
{
    struct sqlite_store *s = CONTAINER_OF(self, struct sqlite_store, port);
    /* Made here, empty, so that nothing is overwritten and the mode is right from the start. */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST                      ? ERR_CONFLICT
               : errno == ENOSPC || errno == EDQUOT ? ERR_STORE_FULL
                                                    : ERR_STORE_READ_ONLY;
    }
    close(fd);
    err e = copy(s, path);
    if (e == ERR_NONE) {
        e = sqlite_store_disown(path);
    }
    if (e == ERR_NONE && !file_sync(path)) {
        e = ERR_STORE_FAILED;
    }
    if (e != ERR_NONE) {
        unlink(path);
    }
    return e;
}
