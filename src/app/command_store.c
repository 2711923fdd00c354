/* signalbox backup, signalbox check-store: copies of the store, and whether they are any good. */
#include "adapters/store_sqlite/store_sqlite.h"
#include "app/commands.h"
#include "base/mem.h"

#include <stdio.h>
#include <sys/stat.h>

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
    char own[4200];
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
