/*
 * What happens to the file before anything is written to it. Every refusal leaves its bytes as
 * they were and says in one log line what was found and what to do.
 */
#include "adapters/store_sqlite/state.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The database header, https://www.sqlite.org/fileformat2.html section 1.3. */
#define HEADER_BYTES 100
#define HEADER_MAGIC "SQLite format 3"
#define HEADER_PAGE_SIZE 16
#define HEADER_CHANGES 24
#define HEADER_PAGES 28
#define HEADER_PAGES_VALID_FOR 92

#define ADVICE_RESTORE                                                                             \
    "restore a backup, or save what can be read with signalbox repair-store; the file is unchanged"
#define ADVICE_WRITABLE "make the file and its directory writable for this user"
#define ADVICE_SPACE "free some space and start again"

void file_refuse(struct log *log, const struct sqlite_store_conf *conf, err e, const char *why,
                 const char *advice)
{
    LOG(log, LOG_ERROR, "store.refused", LOG_STR("path", conf->path), LOG_STR("error", err_name(e)),
        LOG_STR("why", why), LOG_STR("advice", advice));
}

static err errno_error(int code)
{
    switch (code) {
    case EROFS:
    case EACCES:
    case EPERM:
    case ENOENT:
    case ENOTDIR:
        return ERR_STORE_READ_ONLY;
    case ENOSPC:
    case EDQUOT:
        return ERR_STORE_FULL;
    default:
        return ERR_STORE_FAILED;
    }
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool has_log(const char *path)
{
    char *name = mem_alloc(strlen(path) + sizeof "-wal");
    snprintf(name, strlen(path) + sizeof "-wal", "%s-wal", path);
    struct stat st;
    bool found = stat(name, &st) == 0 && st.st_size > 0;
    mem_free(name);
    return found;
}

/* The cheap signs of damage, for a file of any size. NULL when there is none. */
static const char *header_fault(int fd, uint64_t size, const char *path)
{
    uint8_t h[HEADER_BYTES];
    if (size < sizeof h || pread(fd, h, sizeof h, 0) != (ssize_t)sizeof h) {
        return "the file is too short to be a database";
    }
    if (memcmp(h, HEADER_MAGIC, sizeof HEADER_MAGIC) != 0) {
        return "the file is not a database";
    }
    uint32_t page = (uint32_t)h[HEADER_PAGE_SIZE] << 8 | h[HEADER_PAGE_SIZE + 1];
    page = page == 1 ? 65536 : page;
    bool pages_valid = be32(h + HEADER_CHANGES) == be32(h + HEADER_PAGES_VALID_FOR);
    /* With a write-ahead log the missing part may be in there. */
    if (pages_valid && (uint64_t)be32(h + HEADER_PAGES) * page > size && !has_log(path)) {
        return "the file is shorter than it says: it was cut off";
    }
    return NULL;
}

/*
 * Opens and closes the file; safe only while this process has no connection to it, because
 * closing a descriptor drops the process's POSIX locks on the file.
 */
err file_prepare(const struct sqlite_store_conf *conf, struct log *log, bool *created)
{
    *created = false;
    int fd = open(conf->path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        fd = open(conf->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        *created = fd >= 0;
    }
    if (fd < 0) {
        int code = errno;
        err e = errno_error(code);
        char why[128];
        snprintf(why, sizeof why, "the file cannot be opened for writing: %s",
                 strerrordesc_np(code));
        file_refuse(log, conf, e, why, e == ERR_STORE_FULL ? ADVICE_SPACE : ADVICE_WRITABLE);
        return e;
    }
    struct stat st;
    const char *fault = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        fault = "the path is not a regular file";
    } else if (st.st_size > 0) {
        fault = header_fault(fd, (uint64_t)st.st_size, conf->path);
    }
    close(fd);
    if (fault != NULL) {
        file_refuse(log, conf, ERR_STORE_CORRUPT, fault, ADVICE_RESTORE);
        return ERR_STORE_CORRUPT;
    }
    return ERR_NONE;
}

static bool quick_check(struct db *c, char why[256])
{
    sqlite3_stmt *stmt = NULL;
    bool ok = false;
    if (sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        ok = text != NULL && strcmp(text, "ok") == 0;
        snprintf(why, 256, "damaged: %s", text == NULL ? "" : text);
    } else {
        snprintf(why, 256, "damaged: %s", sqlite3_errmsg(c->db));
    }
    sqlite3_finalize(stmt);
    return ok;
}

static err unreadable(struct db *c, const struct sqlite_store_conf *conf, struct log *log)
{
    err e = db_error(c, sqlite3_extended_errcode(c->db));
    char why[256];
    snprintf(why, sizeof why, "the schema cannot be read: %s", sqlite3_errmsg(c->db));
    file_refuse(log, conf, e, why, e == ERR_STORE_CORRUPT ? ADVICE_RESTORE : ADVICE_WRITABLE);
    return e;
}

err file_verify(struct db *c, const struct sqlite_store_conf *conf, struct log *log)
{
    if (sqlite3_db_readonly(c->db, "main") == 1) {
        file_refuse(log, conf, ERR_STORE_READ_ONLY, "the file cannot be written", ADVICE_WRITABLE);
        return ERR_STORE_READ_ONLY;
    }
    int64_t tables;
    int64_t pages;
    unsigned version;
    if (!db_int(c, "SELECT count(*) FROM sqlite_master", &tables) ||
        !db_int(c, "PRAGMA page_count", &pages) || migrate_version(c, &version) != ERR_NONE) {
        return unreadable(c, conf, log);
    }
    if (version > sqlite_store_schema_version()) {
        char why[100];
        snprintf(why, sizeof why, "the file has schema %u, this program knows %u", version,
                 sqlite_store_schema_version());
        file_refuse(log, conf, ERR_STORE_SCHEMA_NEWER, why,
                    "run the release that wrote it, or a later one");
        return ERR_STORE_SCHEMA_NEWER;
    }
    if (tables > 0 && version == 0) {
        file_refuse(log, conf, ERR_STORE_CORRUPT, "the database belongs to another program",
                    "set another path");
        return ERR_STORE_CORRUPT;
    }
    int64_t page_bytes = 4096;
    char why[256];
    db_int(c, "PRAGMA page_size", &page_bytes);
    if ((uint64_t)(pages * page_bytes) <= conf->verify_bytes_max && !quick_check(c, why)) {
        file_refuse(log, conf, ERR_STORE_CORRUPT, why, ADVICE_RESTORE);
        return ERR_STORE_CORRUPT;
    }
    return ERR_NONE;
}

bool file_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL ? mem_strndup(".", 1)
                              : mem_strndup(path, (size_t)(slash - path) + (slash == path));
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = ok && fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    mem_free(dir);
    return ok;
}
