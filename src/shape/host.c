/* Monitor's objects in JSON; the member names are those of its document. */
#include "shape/host.h"

#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"

#include <math.h>
#include <stdio.h>

#define MIB 1048576.0
#define OFFSET_MIN_MAX (14 * 60) /* the greatest in use, of Kiribati */

static double given(bool has, double value) { return has ? value : NAN; }

struct host_point host_point_of(const struct shape_metrics *m, int64_t now_ms)
{
    const struct shape_used_total *mem = &m->memory, *disk = &m->disk;
    const struct shape_rates *net = &m->network;
    struct host_point p = {
        .at_ms = m->has_recordedAt ? m->recordedAt : m->has_timestamp ? m->timestamp : now_ms,
        .v = {
            [METRIC_CPU] = given(m->has_cpu, m->cpu),
            [METRIC_MEMORY_USED] = given(m->has_memory && mem->has_used, round(mem->used)),
            [METRIC_MEMORY_TOTAL] = given(m->has_memory && mem->has_total, round(mem->total)),
            [METRIC_DOWNLOAD] = given(m->has_network && net->has_download, net->download),
            [METRIC_UPLOAD] = given(m->has_network && net->has_upload, net->upload),
            [METRIC_LOAD] = given(m->has_load, m->load),
            [METRIC_DISK_USED] = given(m->has_disk && disk->has_used, round(disk->used)),
            [METRIC_DISK_TOTAL] = given(m->has_disk && disk->has_total, round(disk->total)),
            [METRIC_SWAP_USED] = given(m->has_swapUsed, round(m->swapUsed)),
            [METRIC_TEMPERATURE] = given(m->has_temperature, m->temperature),
        }};
    return p;
}

static void member_number(struct json_writer *w, const char *name, double value)
{
    if (isfinite(value)) {
        json_member_double(w, name, value);
    } else {
        json_member_null(w, name);
    }
}

static void member_text(struct json_writer *w, const char *name, span text)
{
    if (text.len > 0) {
        json_member_string(w, name, text);
    } else {
        json_member_null(w, name);
    }
}

static void member_count(struct json_writer *w, const char *name, int64_t value)
{
    if (value >= 0) {
        json_member_i64(w, name, value);
    } else {
        json_member_null(w, name);
    }
}

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void put_pair(struct json_writer *w, const char *name, const char *a, double va,
                     const char *b, double vb)
{
    json_member_open(w, name, '{');
    member_number(w, a, va);
    member_number(w, b, vb);
    json_close(w, '}');
}

static void put_point(struct json_writer *w, const struct host_point *p)
{
    const double *v = p->v;
    member_number(w, "cpu", v[METRIC_CPU]);
    put_pair(w, "memory", "used", v[METRIC_MEMORY_USED], "total", v[METRIC_MEMORY_TOTAL]);
    put_pair(w, "network", "download", v[METRIC_DOWNLOAD], "upload", v[METRIC_UPLOAD]);
    member_number(w, "load", v[METRIC_LOAD]);
    put_pair(w, "disk", "used", v[METRIC_DISK_USED], "total", v[METRIC_DISK_TOTAL]);
    member_number(w, "swapUsed", v[METRIC_SWAP_USED]);
    member_number(w, "temperature", v[METRIC_TEMPERATURE]);
}

void host_put_metrics(buf *out, const struct host_point *p)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_point(&w, p);
    member_time(&w, "timestamp", p->at_ms);
    json_close(&w, '}');
}

void host_put_history(buf *out, const struct host_history *h)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_time(&w, "from", h->from_ms);
    member_time(&w, "to", h->to_ms);
    json_member_i64(&w, "resolution_ms", h->resolution_ms);
    json_member_string(&w, "source", span_str(h->source));
    json_member_open(&w, "points", '[');
    for (unsigned i = 0; i < h->count; i++) {
        json_open(&w, '{');
        json_member_i64(&w, "ts", h->points[i].at_ms);
        put_point(&w, &h->points[i]);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

void host_put_moment(buf *out, int64_t at_ms, span processes, bool commands)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_time(&w, "recordedAt", at_ms);
    json_key(&w, "top_processes");
    host_put_processes(out, processes, commands);
    json_close(&w, '}');
}

static void put_system(struct json_writer *w, const struct host_facts *f)
{
    member_text(w, "os", f->os);
    member_text(w, "architecture", f->architecture);
    member_count(w, "uptime", f->uptime_s);
    member_text(w, "hostname", f->hostname);
    member_text(w, "ipAddress", f->ip_address);
    member_text(w, "macAddress", f->mac_address);
    member_count(w, "cpuCores", f->cpu_cores);
    member_text(w, "agentVersion", f->agent_version);
}

void host_put_system(buf *out, const struct host_facts *f)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_system(&w, f);
    json_close(&w, '}');
}

static struct json_writer open_frame(buf *out, const char *type)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(type));
    json_key(&w, "data");
    w.comma = false;
    return w;
}

void host_frame_metrics(buf *out, const struct host_point *p)
{
    struct json_writer w = open_frame(out, "metrics");
    host_put_metrics(out, p);
    json_close(&w, '}');
}

void host_frame_system(buf *out, const struct host_facts *f)
{
    struct json_writer w = open_frame(out, "system-info");
    host_put_system(out, f);
    json_close(&w, '}');
}

static span array_or_empty(span array) { return array.len > 0 ? array : SPAN("[]"); }

void host_frame_interfaces(buf *out, span interfaces)
{
    struct json_writer w = open_frame(out, "network-interfaces");
    json_open(&w, '{');
    json_member_raw(&w, "interfaces", array_or_empty(interfaces));
    json_close(&w, '}');
    json_close(&w, '}');
}

void host_frame_processes(buf *out, span processes, bool commands)
{
    struct json_writer w = open_frame(out, "processes");
    json_open(&w, '{');
    json_key(&w, "top_processes");
    host_put_processes(out, processes, commands);
    json_close(&w, '}');
    json_close(&w, '}');
}

void host_put_processes(buf *out, span processes, bool commands)
{
    struct json_iter list, members;
    span process, key, value;
    if (commands || !json_array_begin(&list, processes)) {
        buf_append_span(out, array_or_empty(processes));
        return;
    }
    struct json_writer w = json_writer_of(out);
    json_open(&w, '[');
    while (json_array_next(&list, &process)) {
        json_open(&w, '{');
        bool is_object = json_object_begin(&members, process);
        while (is_object && json_object_next(&members, &key, &value)) {
            if (!json_string_eq(key, SPAN("command"))) {
                buf name = {0};
                (void)json_string(key, &name);
                json_key_span(&w, buf_span(&name));
                json_write_raw(&w, value);
                buf_deinit(&name);
            }
        }
        json_close(&w, '}');
    }
    json_close(&w, ']');
}

/* `08:05 PM`, as toLocaleTimeString('en-US', {hour: '2-digit', minute: '2-digit'}) with U+0020. */
static void member_clock(struct json_writer *w, int64_t at_ms, int offset_min)
{
    char text[16];
    int64_t minutes = at_ms / 60000 + offset_min;
    int64_t of_day = ((minutes % 1440) + 1440) % 1440;
    unsigned hour = (unsigned)(of_day / 60);
    (void)snprintf(text, sizeof text, "%02u:%02u %s", hour % 12 == 0 ? 12 : hour % 12,
                   (unsigned)(of_day % 60), hour < 12 ? "AM" : "PM");
    json_member_string(w, "time", span_str(text));
}

static double or_zero(double v) { return isfinite(v) ? v : 0; }

static void put_history_item(struct json_writer *w, const struct host_point *p, int which)
{
    const double *v = p->v;
    double used = or_zero(v[METRIC_MEMORY_USED]), total = or_zero(v[METRIC_MEMORY_TOTAL]);
    if (which == 0) {
        json_member_double(w, "value", round(or_zero(v[METRIC_CPU])));
    } else if (which == 1) {
        json_member_double(w, "used", round(used / MIB));
        json_member_double(w, "available", round(fmax(total - used, 0) / MIB));
    } else {
        json_member_double(w, "download", or_zero(v[METRIC_DOWNLOAD]));
        json_member_double(w, "upload", or_zero(v[METRIC_UPLOAD]));
    }
}

void host_frame_history(buf *out, const struct host_point *rows, unsigned count, int offset_min)
{
    static const char *const names[] = {"cpu", "memory", "network"};
    struct json_writer w = open_frame(out, "history");
    json_open(&w, '{');
    for (int which = 0; which < 3; which++) {
        json_member_open(&w, names[which], '[');
        for (unsigned i = 0; i < count; i++) {
            json_open(&w, '{');
            member_clock(&w, rows[i].at_ms, offset_min);
            put_history_item(&w, &rows[i], which);
            json_member_i64(&w, "ts", rows[i].at_ms);
            json_close(&w, '}');
        }
        json_close(&w, ']');
    }
    json_close(&w, '}');
    json_close(&w, '}');
}

void host_put_state(buf *out, const struct host_facts *f, span processes, bool commands)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    put_system(&w, f);
    json_member_raw(&w, "interfaces", array_or_empty(f->interfaces));
    json_key(&w, "top_processes");
    host_put_processes(out, processes, commands);
    w.comma = true;
    member_time(&w, "recordedAt", f->at_ms);
    json_close(&w, '}');
}

bool host_timezone(span text, int *offset_min)
{
    uint64_t h, m;
    *offset_min = 0;
    if (span_eq(text, SPAN("UTC")) || span_eq(text, SPAN("Z"))) {
        return true;
    }
    if (text.len != 6 || (text.ptr[0] != '+' && text.ptr[0] != '-') || text.ptr[3] != ':' ||
        !span_u64(span_slice(text, 1, 2), 14, &h) || !span_u64(span_slice(text, 4, 2), 59, &m) ||
        h * 60 + m > OFFSET_MIN_MAX) {
        return false;
    }
    *offset_min = (text.ptr[0] == '-' ? -1 : 1) * (int)(h * 60 + m);
    return true;
}
