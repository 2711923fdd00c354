/* signalbox backup, check-store, repair-store: copies of the store, whether they are any good, and
 * what can be saved of one that is not. */
#include "adapters/store_sqlite/store_sqlite.h"
#include "app/commands.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4200

/* --- backup: a copy while the store is in use, made on a worker --- */

struct backup {
    struct job job;
    struct command_call *call;
    const char *path;
    err error;
};

static void copy(struct job *j)
{
    struct backup *b = CONTAINER_OF(j, struct backup, job);
    struct store *store = b->call->home->store;
    b->error = store->backup(store, b->path);
}

static void refuse(struct command_call *call, const char *path, err e)
{
    const char *why = e == ERR_CONFLICT          ? "exists already, and nothing is overwritten"
                      : e == ERR_STORE_READ_ONLY ? "cannot be made: is its folder there, writable?"
                                                 : err_text(e);
    buf_printf(&call->err, "signalbox: %s %s\n", path, why);
    command_end(call, EXIT_FAILED, NULL);
}

static void copied(struct job *j)
{
    struct backup *b = CONTAINER_OF(j, struct backup, job);
    struct command_call *call = b->call;
    struct stat st;
    if (b->error != ERR_NONE) {
        refuse(call, b->path, b->error);
    } else {
        int64_t bytes = stat(b->path, &st) == 0 ? (int64_t)st.st_size : 0;
        buf_printf(&call->out, "backup %s %lld bytes\n", b->path, (long long)bytes);
        command_end(call, EXIT_OK, NULL);
    }
    mem_free(b);
}

void command_backup(struct command_call *call)
{
    if (call->options.word_count != 1) {
        command_end(call, EXIT_USAGE, "backup FILE");
        return;
    }
    command_audit(call, "store.backup", "file", call->options.words[0]);
    struct backup *b = mem_calloc(1, sizeof *b);
    *b = (struct backup){.job = {.loop = call->home->index, .work = copy, .done = copied},
                         .call = call,
                         .path = call->options.words[0]};
    if (!offload_submit(call->home->offload, &b->job)) {
        mem_free(b);
        command_end(call, EXIT_FAILED, "the server is too busy");
    }
}

/* --- check-store --- */

int command_check_store(const struct options *o, struct settings *s)
{
    char own[PATH_BYTES_MAX];
    const char *path = own;
    snprintf(own, sizeof own, "%s/signalbox.db", config_str(&s->config, CONFIG_data_dir));
    if (o->word_count > 1) {
        fprintf(stderr, "signalbox: check-store [FILE]\n");
        return EXIT_USAGE;
    }
    if (o->word_count == 1) {
        path = o->words[0];
    }
    struct sqlite_report *r = mem_calloc(1, sizeof *r);
    err e = sqlite_store_check(path, r);
    if (e != ERR_NONE) {
        fprintf(stderr, "signalbox: %s does not serve as a store: %s\n", path, r->why);
    } else {
        for (unsigned i = 0; i < r->table_count; i++) {
            printf("%-24s %lld\n", r->tables[i].name, (long long)r->tables[i].rows);
        }
        printf("%s is sound: schema %u of %u, %llu bytes%s\n", path, r->schema, r->known_schema,
               (unsigned long long)r->bytes,
               r->schema < r->known_schema ? "; the next start migrates it" : "");
    }
    mem_free(r);
    return e == ERR_NONE ? EXIT_OK : EXIT_FAILED;
}

/* --- repair-store --- */

/* Whether a server (or a command without one) holds the folder that the file is in. */
static bool in_use(const char *path)
{
    char name[PATH_BYTES_MAX + 8];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%.*slock", slash == NULL ? 0 : (int)(slash - path + 1), path);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0) {
        close(fd);
    }
    return held;
}

static void print_repair(const struct sqlite_repair *r, const char *to, const char *aside)
{
    bool old = false;
    printf("%-24s %10s %10s %10s\n", "table", "rows", "refused", "lost");
    for (unsigned i = 0; i < r->table_count; i++) {
        char lost[24] = "unknown";
        if (r->tables[i].lost >= 0) {
            snprintf(lost, sizeof lost, "%lld", (long long)r->tables[i].lost);
        }
        printf("%-24s %10llu %10llu %10s\n", r->tables[i].name,
               (unsigned long long)r->tables[i].rows, (unsigned long long)r->tables[i].refused,
               lost);
        old = old || (r->free_lost && r->tables[i].strays > 0);
    }
    printf("%llu pages read, %llu of them in the write-ahead log; schema %u\n",
           (unsigned long long)r->pages, (unsigned long long)r->log_frames, r->schema);
    if (r->unknown_pages > 0) {
        printf("%llu pages belong to no table that can be told\n",
               (unsigned long long)r->unknown_pages);
    }
    if (old) {
        puts("rows that had been deleted or replaced may have come back: look at users and keys");
    }
    if (r->refused > 0) {
        printf("%llu rows that break a rule of the schema are kept aside in %s\n",
               (unsigned long long)r->refused, aside);
    }
    printf("%s is a new store\n", to);
}

int command_repair_store(const struct options *o, struct settings *s)
{
    (void)s;
    char aside[PATH_BYTES_MAX + 16];
    if (o->word_count != 2 || strlen(o->words[1]) >= PATH_BYTES_MAX ||
        strlen(o->words[0]) >= PATH_BYTES_MAX) {
        fprintf(stderr, "signalbox: repair-store FILE NEW\n");
        return EXIT_USAGE;
    }
    if (in_use(o->words[0])) {
        fprintf(stderr, "signalbox: %s is in use: stop the server first\n", o->words[0]);
        return EXIT_FAILED;
    }
    snprintf(aside, sizeof aside, "%s.refused.jsonl", o->words[1]);
    struct sqlite_repair *r = mem_calloc(1, sizeof *r);
    err e = sqlite_store_repair(o->words[0], o->words[1], aside, r);
    if (e != ERR_NONE) {
        fprintf(stderr, "signalbox: %s cannot be repaired into %s: %s\n", o->words[0],
                o->words[1], r->why);
    } else {
        print_repair(r, o->words[1], aside);
    }
    mem_free(r);
    return e == ERR_NONE ? EXIT_OK : EXIT_FAILED;
}
