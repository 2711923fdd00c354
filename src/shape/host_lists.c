/* A host's lists as it sent them, written again in our own form: known members in a fixed order,
 * so that equal lists have equal bytes. */
#include "shape/host.h"

#include "codec/json/read.h"
#include "codec/json/write.h"

#include <math.h>

static span text_or_none(bool has, span text) { return has ? text : SPAN_NONE; }

static void put_process(struct json_writer *w, const struct shape_process *p)
{
    json_open(w, '{');
    json_member_i64(w, "pid", p->pid);
    json_member_string(w, "name", p->name);
    json_member_double(w, "cpu", p->has_cpu ? p->cpu : 0);
    json_member_double(w, "mem", p->has_mem ? p->mem : 0);
    json_member_string(w, "user", text_or_none(p->has_user, p->user));
    json_member_string(w, "command", text_or_none(p->has_command, p->command));
    json_close(w, '}');
}

static void member_count(struct json_writer *w, const char *name, bool has, int64_t value)
{
    if (has) {
        json_member_i64(w, name, value);
    } else {
        json_member_null(w, name);
    }
}

static void put_interface(struct json_writer *w, const struct shape_interface *f)
{
    json_open(w, '{');
    json_member_string(w, "name", f->name);
    if (f->has_mac) {
        json_member_string(w, "mac", f->mac);
    } else {
        json_member_null(w, "mac");
    }
    json_member_raw(w, "addresses", f->has_addresses ? f->addresses : SPAN("[]"));
    json_member_bool(w, "up", f->has_up && f->up);
    member_count(w, "speedMbps", f->has_speedMbps, f->speedMbps);
    member_count(w, "rxBytes", f->has_rxBytes, f->rxBytes);
    member_count(w, "txBytes", f->has_txBytes, f->txBytes);
    member_count(w, "rxErrors", f->has_rxErrors, f->rxErrors);
    member_count(w, "txErrors", f->has_txErrors, f->txErrors);
    json_close(w, '}');
}

static span keep(buf *text, struct arena *arena)
{
    span kept = arena_dup(arena, buf_span(text));
    buf_deinit(text);
    return kept;
}

span host_processes_of(span list, struct arena *arena)
{
    struct json_iter it;
    span element;
    struct shape_ctx ctx = {.arena = arena};
    struct shape_process p;
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    if (!json_array_begin(&it, list)) {
        return SPAN_NONE;
    }
    json_open(&w, '[');
    for (unsigned n = 0; n < HOST_PROCESSES_MAX && json_array_next(&it, &element); n++) {
        if (shape_decode(SCHEMA_process, element, &ctx, &p)) {
            put_process(&w, &p);
        }
    }
    json_close(&w, ']');
    return keep(&out, arena);
}

static span interfaces_of(span list, struct arena *arena)
{
    struct json_iter it;
    span element;
    struct shape_ctx ctx = {.arena = arena};
    struct shape_interface f;
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    if (!json_array_begin(&it, list)) {
        return SPAN_NONE;
    }
    json_open(&w, '[');
    while (json_array_next(&it, &element)) {
        if (shape_decode(SCHEMA_interface, element, &ctx, &f)) {
            put_interface(&w, &f);
        }
    }
    json_close(&w, ']');
    return keep(&out, arena);
}

bool host_facts_given(const struct shape_state *s)
{
    return s->has_os || s->has_architecture || s->has_uptime || s->has_hostname ||
           s->has_ipAddress || s->has_macAddress || s->has_cpuCores || s->has_agentVersion ||
           s->has_interfaces || s->has_top_processes || s->has_metrics || !s->has_states;
}

struct host_facts host_facts_of(const struct shape_state *s, struct arena *arena, int64_t now_ms)
{
    return (struct host_facts){
        .os = text_or_none(s->has_os, s->os),
        .architecture = text_or_none(s->has_architecture, s->architecture),
        .hostname = text_or_none(s->has_hostname, s->hostname),
        .ip_address = text_or_none(s->has_ipAddress, s->ipAddress),
        .mac_address = text_or_none(s->has_macAddress, s->macAddress),
        .agent_version = text_or_none(s->has_agentVersion, s->agentVersion),
        .uptime_s = s->has_uptime ? (int64_t)floor(s->uptime) : -1,
        .cpu_cores = s->has_cpuCores ? s->cpuCores : -1,
        .interfaces = s->has_interfaces ? interfaces_of(s->interfaces, arena) : SPAN_NONE,
        .processes = s->has_top_processes ? host_processes_of(s->top_processes, arena) : SPAN_NONE,
        .at_ms = s->has_recordedAt ? s->recordedAt : s->has_timestamp ? s->timestamp : now_ms,
    };
}

/* Our form has its members in a fixed order with the counters last. */
static span without_counters(span interface)
{
    span counters;
    return json_get(interface, "rxBytes", &counters)
               ? span_of(interface.ptr, (size_t)(counters.ptr - interface.ptr))
               : interface;
}

bool host_interfaces_same(span a, span b)
{
    struct json_iter ia, ib;
    span fa, fb;
    if (!json_array_begin(&ia, a) || !json_array_begin(&ib, b)) {
        return span_eq(a, b);
    }
    for (;;) {
        bool more_a = json_array_next(&ia, &fa), more_b = json_array_next(&ib, &fb);
        if (more_a != more_b) {
            return false;
        }
        if (!more_a) {
            return true;
        }
        if (!span_eq(without_counters(fa), without_counters(fb))) {
            return false;
        }
    }
}
