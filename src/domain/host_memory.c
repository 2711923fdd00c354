/* The newest values of a host: what live channels show without asking the store. */
#include "domain/fleet_internal.h"

#include "base/mem.h"
#include "shape/host.h"

#include <math.h>
#include <string.h>

struct host *host_of(struct device *d)
{
    if (d->host == NULL) {
        d->host = mem_calloc(1, sizeof *d->host);
    }
    return d->host;
}

void host_free(struct device *d)
{
    if (d->host != NULL) {
        mem_free(d->host->facts_text);
        buf_deinit(&d->host->processes);
        mem_free(d->host);
        d->host = NULL;
    }
}

static double real_or_nan(const struct store_value *v)
{
    return v->type == STORE_NULL ? NAN : store_real(v);
}

struct host_point host_point_row(const struct store_value *cells)
{
    struct host_point p = {.at_ms = store_int(&cells[0])};
    for (int m = 0; m < METRIC_COUNT; m++) {
        p.v[m] = real_or_nan(&cells[1 + m]);
    }
    return p;
}

static int64_t count_or_none(const struct store_value *v)
{
    return v->type == STORE_NULL ? -1 : store_int(v);
}

static struct host_facts facts_of(const struct store_value *c)
{
    return (struct host_facts){
        .os = store_text(&c[1]),
        .architecture = store_text(&c[2]),
        .uptime_s = count_or_none(&c[3]),
        .hostname = store_text(&c[4]),
        .ip_address = store_text(&c[5]),
        .mac_address = store_text(&c[6]),
        .processes = store_text(&c[7]),
        .interfaces = store_text(&c[8]),
        .at_ms = store_int(&c[9]),
        .cpu_cores = count_or_none(&c[10]),
        .agent_version = store_text(&c[11]),
    };
}

void host_load(struct device *d, const struct store_req *req, unsigned step)
{
    unsigned rows = req->steps[step + 1].row_count;
    for (unsigned i = rows; i > 0; i--) { /* newest first in the answer, oldest first here */
        struct host *h = host_of(d);
        h->rows[h->row_count++] = host_point_row(store_cell(req, step + 1, i - 1, 0));
        h->point = h->rows[h->row_count - 1];
        h->has_point = true;
    }
    if (req->steps[step].row_count > 0) {
        struct host_facts f = facts_of(store_cell(req, step, 0, 0));
        host_take_facts(d, &f);
        d->host->stored_ms = f.at_ms;
        (void)host_take_processes(d, f.processes, f.at_ms);
    }
    if (req->steps[step + 2].row_count > 0) {
        int64_t at_ms = store_int(store_cell(req, step + 2, 0, 0));
        (void)host_take_processes(d, store_text(store_cell(req, step + 2, 0, 1)), at_ms);
        d->host->processes_stored_ms = at_ms;
    }
}

bool host_take_point(struct device *d, const struct host_point *p)
{
    struct host *h = host_of(d);
    if (h->has_point && p->at_ms <= h->point.at_ms) {
        return false;
    }
    h->point = *p;
    h->has_point = true;
    return true;
}

void host_take_row(struct device *d, const struct host_point *p)
{
    struct host *h = host_of(d);
    unsigned at = h->row_count;
    while (at > 0 && h->rows[at - 1].at_ms > p->at_ms) {
        at--;
    }
    if (h->row_count == HOST_ROWS_MAX) {
        if (at == 0) {
            return; /* older than all that is shown */
        }
        at--;
        memmove(&h->rows[0], &h->rows[1], at * sizeof h->rows[0]);
    } else {
        memmove(&h->rows[at + 1], &h->rows[at], (h->row_count - at) * sizeof h->rows[0]);
        h->row_count++;
    }
    h->rows[at] = *p;
}

static span keep(uint8_t **to, span s)
{
    if (s.len > 0) {
        memcpy(*to, s.ptr, s.len);
    }
    span kept = span_of(*to, s.len);
    *to += s.len;
    return kept;
}

void host_take_facts(struct device *d, const struct host_facts *f)
{
    struct host *h = host_of(d);
    struct host_facts kept = *f;
    size_t bytes = f->os.len + f->architecture.len + f->hostname.len + f->ip_address.len +
                   f->mac_address.len + f->agent_version.len + f->interfaces.len;
    uint8_t *text = mem_alloc(bytes), *to = text;
    kept.os = keep(&to, f->os);
    kept.architecture = keep(&to, f->architecture);
    kept.hostname = keep(&to, f->hostname);
    kept.ip_address = keep(&to, f->ip_address);
    kept.mac_address = keep(&to, f->mac_address);
    kept.agent_version = keep(&to, f->agent_version);
    kept.interfaces = keep(&to, f->interfaces);
    kept.processes = SPAN_NONE; /* host->processes has the newest */
    mem_free(h->facts_text);
    h->facts_text = text;
    h->facts = kept;
    h->has_facts = true;
}

bool host_take_processes(struct device *d, span processes, int64_t at_ms)
{
    struct host *h = host_of(d);
    if (processes.len == 0 || at_ms < h->processes_ms) {
        return false;
    }
    buf_clear(&h->processes);
    buf_append_span(&h->processes, processes);
    h->processes_ms = at_ms;
    return true;
}

bool host_facts_same(const struct host_facts *a, const struct host_facts *b)
{
    return span_eq(a->os, b->os) && span_eq(a->architecture, b->architecture) &&
           span_eq(a->hostname, b->hostname) && span_eq(a->ip_address, b->ip_address) &&
           span_eq(a->mac_address, b->mac_address) &&
           span_eq(a->agent_version, b->agent_version) && a->cpu_cores == b->cpu_cores &&
           host_interfaces_same(a->interfaces, b->interfaces);
}
