#include "app/server.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/entropy_system/entropy_system.h"
#include "adapters/log_json/log_json.h"
#include "app/admin.h"
#include "app/command.h"
#include "app/control.h"
#include "app/data_dir.h"
#include "app/process.h"
#include "base/hash.h"
#include "base/mem.h"
#include "domain/identity_ops.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct server {
    struct settings *settings;
    struct process process;
    struct control *control; /* owned */
    int lock_fd;
    int admin_fd;
    int signal_fd;
};

/* SIGTERM, SIGINT and SIGHUP are read from a descriptor; threads inherit the mask. SIGPIPE is an
 * error of one write, and so is SIGXFSZ, of a file that may not grow. */
static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

struct first_admin {
    struct mail mail;
    struct home *home;
    bool done;
    err error;
    buf line;
};

static void first_admin_done(void *owner, const struct identity_result *r)
{
    struct first_admin *f = owner;
    f->error = r->error;
    if (r->error == ERR_NONE && r->secret.len > 0) {
        buf_printf(&f->line,
                   "{\"event\":\"first_admin\",\"username\":\"%.*s\",\"password\":\"%.*s\"}\n",
                   SPAN_FMT(r->username), SPAN_FMT(r->secret));
    }
    f->done = true;
}

static void first_admin_begin(struct mail *m)
{
    struct first_admin *f = CONTAINER_OF(m, struct first_admin, mail);
    identity_first_admin(f->home, first_admin_done, f);
}

/* Before any thread runs: the loops are turned here until the answer is there. */
static bool make_first_admin(struct server *s, buf *why)
{
    struct process *p = &s->process;
    struct first_admin f = {.mail.run = first_admin_begin, .home = p->homes[0]};
    loop_post_foreign(p->loops[0], &f.mail);
    while (!f.done) {
        for (unsigned i = 0; i < p->count; i++) {
            loop_turn(p->loops[i], 1);
        }
    }
    if (f.error != ERR_NONE) {
        buf_printf(why, "the first admin cannot be made: %s", err_text(f.error));
    } else if (f.line.len > 0) {
        fwrite(f.line.ptr, 1, f.line.len, stdout);
        fflush(stdout);
        explicit_bzero(f.line.ptr, f.line.len);
    }
    buf_deinit(&f.line);
    return f.error == ERR_NONE;
}

static bool server_open(struct server *s, buf *why)
{
    const struct config *c = &s->settings->config;
    const char *dir = config_str(c, CONFIG_data_dir);
    s->lock_fd = s->admin_fd = -1;
    descriptors_raise_limit();
    s->signal_fd = block_signals();
    if (!data_dir_make(dir, why)) {
        return false;
    }
    s->lock_fd = data_dir_lock(dir, why);
    if (s->lock_fd < 0) {
        return false;
    }
    struct log_json_conf lc = {.fd = STDERR_FILENO,
                               .node = config_str(c, CONFIG_node),
                               .clock = clock_system(),
                               .level_min = (enum log_level)config_int(c, CONFIG_log_level)};
    struct process *p = &s->process;
    p->config = c;
    p->log = log_json_open(&lc);
    if (!process_build(p, why) || !make_first_admin(s, why)) {
        return false;
    }
    s->admin_fd = admin_listen(dir, why);
    if (s->admin_fd < 0) { /* serving is more important than the convenience */
        LOG(p->log, LOG_WARN, "admin.off", LOG_SPAN("reason", buf_span(why)));
        buf_clear(why);
    }
    return true;
}

static void server_close(struct server *s)
{
    process_free(&s->process);
    if (s->control != NULL) {
        control_free(s->control);
    }
    if (s->admin_fd >= 0) {
        char path[4200];
        snprintf(path, sizeof path, "%s/admin.sock",
                 config_str(&s->settings->config, CONFIG_data_dir));
        (void)unlink(path);
        close(s->admin_fd);
    }
    if (s->process.log != NULL) {
        log_json_close(s->process.log);
    }
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    close(s->signal_fd);
}

static void say_capacity(const struct process *p)
{
    const struct descriptors *d = &p->descriptors;
    uint64_t wanted = (uint64_t)config_int(p->config, CONFIG_connections_max);
    bool enough = descriptors_possible(d) >= wanted;
    LOG(p->log, enough ? LOG_INFO : LOG_WARN, "server.capacity",
        LOG_U64("connections_max", wanted), LOG_U64("possible", descriptors_possible(d)),
        LOG_U64("loops", d->loops), LOG_U64("connections_per_loop", d->per_loop),
        LOG_U64("descriptors", d->limit), LOG_STR("tables", d->own ? "loop" : "process"));
}

int server_main(struct settings *settings)
{
    struct server *s = mem_calloc(1, sizeof *s);
    buf why = {0};
    buf addresses = {0};
    uint64_t seed = 0;
    s->settings = settings;
    entropy_fill(entropy_system(), &seed, sizeof seed);
    hash_seed(seed);
    bool ok = server_open(s, &why) && process_listen(&s->process, &addresses, &why);
    if (ok) {
        struct control_conf conf = {.settings = s->settings,
                                    .process = &s->process,
                                    .signal_fd = s->signal_fd,
                                    .admin_fd = s->admin_fd};
        s->control = control_new(&conf); /* before the loops: they wake it (app/descriptors.h) */
        process_start(&s->process);
        say_capacity(&s->process);
        LOG(s->process.log, LOG_INFO, "server.ready", LOG_SPAN("listen", buf_span(&addresses)),
            LOG_STR("version", SIGNALBOX_VERSION), LOG_U64("loops", s->process.count));
        printf("{\"event\":\"ready\",\"listen\":[%.*s]}\n", (int)addresses.len,
               (const char *)addresses.ptr);
        fflush(stdout);
        control_run(s->control);
        process_drain(&s->process);
    } else {
        fprintf(stderr, "signalbox: %.*s\n", (int)why.len, (const char *)why.ptr);
    }
    server_close(s);
    buf_deinit(&why);
    buf_deinit(&addresses);
    mem_free(s);
    return ok ? EXIT_OK : EXIT_FAILED;
}
