#include "app/reload.h"

#include "app/certificates.h"
#include "app/options.h"
#include "base/mem.h"

#include <semaphore.h>
#include <string.h>

struct snapshot {
    struct settings settings;
    struct net_limits limits;
    struct domain_conf domain;
    struct edge_conf edge;
    struct tls_server *tls; /* a reference; NULL without a TLS listener */
};

struct reload {
    struct process *process;
    const struct settings *settings; /* in force */
    const struct config *first;      /* the process's own, of the start */
    struct snapshot *snapshot;       /* owned; NULL until the first reload */
};

struct reload *reload_new(struct process *p, const struct settings *settings)
{
    struct reload *r = mem_calloc(1, sizeof *r);
    *r = (struct reload){.process = p, .settings = settings, .first = p->config};
    return r;
}

static void snapshot_free(struct snapshot *s)
{
    if (s != NULL) {
        settings_deinit(&s->settings);
        tls_server_unref(s->tls);
        mem_free(s);
    }
}

static void name(buf *to, const struct config_row *row)
{
    buf_printf(to, "%s%s", to->len > 0 ? "," : "", row->name);
}

static const char *copy(struct settings *s, const char *text)
{
    return (const char *)arena_dup(&s->arena, span_str(text)).ptr;
}

void reload_merge(struct settings *next, const struct settings *now, buf *changed, buf *restart)
{
    for (enum config_key k = 0; k < CONFIG_KEY_COUNT; k++) {
        const struct config_row *row = config_row(k);
        struct config_value *v = &next->config.values[k];
        if (strcmp(v->text, now->config.values[k].text) == 0) {
            continue;
        }
        if (row->flags & CONFIG_LIVE) {
            name(changed, row);
            continue;
        }
        if (!(row->flags & CONFIG_AGENT)) {
            name(restart, row);
        }
        *v = now->config.values[k];
        v->text = copy(next, v->text);
        next->sources[k] = copy(next, now->sources[k]);
    }
}

/* False: `why` says which line. */
static bool read_again(const struct reload *r, struct settings *next, buf *changed, buf *restart,
                       buf *why)
{
    const struct settings_origin *from = &r->settings->origin;
    struct options none;
    settings_init(next);
    next->origin = *from;
    if (!settings_load(next, from->path, from->env, why) ||
        !options_parse(&none, next, NULL, from->argc, from->argv, 2, why) ||
        !settings_check(next, why)) {
        return false;
    }
    reload_merge(next, r->settings, changed, restart);
    return settings_check(next, why);
}

struct swap {
    struct mail mail;
    struct process *process;
    unsigned index;
    const struct snapshot *to;
    sem_t *done;
};

static void on_swap(struct mail *m)
{
    struct swap *s = CONTAINER_OF(m, struct swap, mail);
    struct process *p = s->process;
    net_set_limits(p->edges[s->index]->net, &s->to->limits);
    net_set_tls(p->edges[s->index]->net, s->to->tls);
    p->edges[s->index]->conf = &s->to->edge;
    p->homes[s->index]->conf = &s->to->domain;
    sem_post(s->done);
}

/* Every loop takes the snapshot as mail: nothing of the old one is being read then. */
static void publish(struct process *p, const struct snapshot *to)
{
    struct swap swaps[LOOP_COUNT_MAX];
    sem_t done;
    sem_init(&done, 0, 0);
    for (unsigned i = 0; i < p->count; i++) {
        swaps[i] = (struct swap){.mail.run = on_swap,
                                 .process = p,
                                 .index = i,
                                 .to = to,
                                 .done = &done};
        loop_post_foreign(p->loops[i], &swaps[i].mail);
    }
    for (unsigned i = 0; i < p->count;) {
        i += sem_wait(&done) == 0; /* a signal only interrupts */
    }
    sem_destroy(&done);
}

static void take(struct reload *r, struct snapshot *s)
{
    struct process *p = r->process;
    const struct config *c = &s->settings.config;
    s->edge = (struct edge_conf){.listeners = p->listeners,
                                 .listener_count = p->edge.listener_count};
    process_limits(c, &s->limits, &s->edge);
    process_domain_conf(c, &s->domain);
    publish(p, s);
    p->ops.connections_max = s->limits.connections_max;
    p->config = c;
    tls_server_unref(p->tls);
    p->tls = s->tls == NULL ? NULL : tls_server_ref(s->tls);
    snapshot_free(r->snapshot);
    r->snapshot = s;
    r->settings = &s->settings;
}

void reload_run(struct reload *r)
{
    struct log *log = r->process->log;
    struct snapshot *s = mem_calloc(1, sizeof *s);
    buf changed = {0};
    buf restart = {0};
    buf why = {0};
    if (!read_again(r, &s->settings, &changed, &restart, &why) ||
        !certificates_load(&s->settings.config, r->process->clock, r->process->tls, &s->tls,
                           &why)) {
        LOG(log, LOG_ERROR, "settings.refused", LOG_SPAN("why", buf_span(&why)));
        snapshot_free(s);
    } else {
        enum log_level level = (enum log_level)config_int(&s->settings.config, CONFIG_log_level);
        take(r, s);
        if (level < log_level_min(log)) {
            log_set_level(log, level); /* a line that says so means that it is so */
        }
        certificates_log(log, s->tls, clock_wall_ms(r->process->clock));
        LOG(log, LOG_INFO, "settings.reloaded", LOG_SPAN("changed", buf_span(&changed)));
        if (restart.len > 0) {
            LOG(log, LOG_WARN, "settings.need_restart", LOG_SPAN("settings", buf_span(&restart)));
        }
        log_set_level(log, level); /* fewer lines only now, so that these are still written */
    }
    buf_deinit(&changed);
    buf_deinit(&restart);
    buf_deinit(&why);
}

void reload_free(struct reload *r)
{
    r->process->config = r->first;
    snapshot_free(r->snapshot);
    mem_free(r);
}
