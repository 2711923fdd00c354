/* The frames of the agent's side of the Monitor wire. */
#include "agent/frames.h"

#include "base/timefmt.h"
#include "codec/json/write.h"

#include <math.h>

static double rounded(double value, double steps)
{
    return isfinite(value) ? round(value * steps) / steps : 0;
}

static void member_text(struct json_writer *w, const char *name, const char *text)
{
    if (text[0] == '\0') {
        json_member_null(w, name);
    } else {
        json_member_string(w, name, span_str(text));
    }
}

static void member_time(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

/* '{"type":..,"id":..,"data":{' and its end; without an id when it is 0. */
static struct json_writer open_frame(buf *out, const char *type, uint64_t id)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "type", span_str(type));
    if (id != 0) {
        json_member_u64(&w, "id", id);
    }
    return w;
}

static void close_frame(struct json_writer *w)
{
    json_close(w, '}');
    json_close(w, '}');
}

void frame_register(buf *out, uint64_t id)
{
    struct json_writer w = open_frame(out, "register", id);
    json_member_open(&w, "data", '{');
    json_member_open(&w, "capabilities", '[');
    json_write_string(&w, SPAN("host-metrics"));
    json_close(&w, ']');
    json_member_string(&w, "agentVersion", SPAN(SIGNALBOX_VERSION));
    close_frame(&w);
}

void frame_heartbeat(buf *out, int64_t wall_ms)
{
    struct json_writer w = open_frame(out, "heartbeat", 0);
    json_member_open(&w, "data", '{');
    member_time(&w, "timestamp", wall_ms);
    close_frame(&w);
}

static void member_top(struct json_writer *w, const struct host_top *top)
{
    json_member_open(w, "top_processes", '[');
    for (unsigned i = 0; i < top->count; i++) {
        const struct host_process *p = &top->processes[i];
        json_open(w, '{');
        json_member_u64(w, "pid", p->pid);
        json_member_string(w, "name", span_str(p->name));
        json_member_double(w, "cpu", rounded(p->cpu_percent, 100));
        json_member_double(w, "mem", rounded(p->memory_percent, 100));
        json_member_string(w, "user", span_str(p->user));
        json_member_string(w, "command", span_str(p->command));
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void write_interface(struct json_writer *w, const struct host_interface *f)
{
    json_open(w, '{');
    json_member_string(w, "name", span_str(f->name));
    member_text(w, "mac", f->mac);
    json_member_open(w, "addresses", '[');
    for (unsigned i = 0; i < f->address_count; i++) {
        json_write_string(w, span_str(f->addresses[i]));
    }
    json_close(w, ']');
    json_member_bool(w, "up", f->up);
    if (f->speed_mbps < 0) {
        json_member_null(w, "speedMbps");
    } else {
        json_member_i64(w, "speedMbps", f->speed_mbps);
    }
    json_member_u64(w, "rxBytes", f->rx_bytes);
    json_member_u64(w, "txBytes", f->tx_bytes);
    json_member_u64(w, "rxErrors", f->rx_errors);
    json_member_u64(w, "txErrors", f->tx_errors);
    json_close(w, '}');
}

void frame_state(buf *out, uint64_t id, const struct host_state *s, const struct host_top *top)
{
    struct json_writer w = open_frame(out, "state", id);
    json_member_open(&w, "data", '{');
    member_text(&w, "os", s->os);
    member_text(&w, "architecture", s->architecture);
    json_member_u64(&w, "uptime", s->uptime_s);
    member_text(&w, "hostname", s->hostname);
    member_text(&w, "ipAddress", s->ip_address);
    member_text(&w, "macAddress", s->mac_address);
    json_member_u64(&w, "cpuCores", s->cpu_count);
    json_member_string(&w, "agentVersion", SPAN(SIGNALBOX_VERSION));
    json_member_open(&w, "interfaces", '[');
    for (unsigned i = 0; i < s->interface_count; i++) {
        write_interface(&w, &s->interfaces[i]);
    }
    json_close(&w, ']');
    member_top(&w, top);
    close_frame(&w);
}

static void write_sample(struct json_writer *w, const struct host_sample *s)
{
    json_member_double(w, "cpu", rounded(s->cpu_percent, 100));
    json_member_open(w, "memory", '{');
    json_member_u64(w, "used", s->memory.used_bytes);
    json_member_u64(w, "total", s->memory.total_bytes);
    json_close(w, '}');
    json_member_open(w, "network", '{');
    json_member_double(w, "download", rounded(s->download_bytes, 1));
    json_member_double(w, "upload", rounded(s->upload_bytes, 1));
    json_close(w, '}');
    json_member_double(w, "load", rounded(s->load1, 100));
    json_member_open(w, "disk", '{');
    json_member_u64(w, "used", s->disk_used_bytes);
    json_member_u64(w, "total", s->disk_total_bytes);
    json_close(w, '}');
    json_member_u64(w, "swapUsed", s->memory.swap_used_bytes);
    if (s->has_temperature) {
        json_member_double(w, "temperature", rounded(s->temperature_c, 10));
    } else {
        json_member_null(w, "temperature");
    }
    member_time(w, "timestamp", s->at_ms);
}

void frame_sample(buf *out, const struct host_sample *s)
{
    struct json_writer w = open_frame(out, "metrics", 0);
    json_member_open(&w, "data", '{');
    write_sample(&w, s);
    close_frame(&w);
}

void frame_row_data(buf *out, const struct host_sample *row, const struct host_top *top)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    write_sample(&w, row);
    json_member_bool(&w, "row", true);
    member_time(&w, "recordedAt", row->at_ms);
    member_top(&w, top);
    json_close(&w, '}');
}

void frame_row(buf *out, uint64_t id, span data)
{
    struct json_writer w = open_frame(out, "metrics", id);
    json_member_raw(&w, "data", data);
    json_close(&w, '}');
}

void frame_command_refused(buf *out, span request_id, int64_t wall_ms)
{
    struct json_writer w = open_frame(out, "command:response", 0);
    json_member_open(&w, "data", '{');
    json_member_raw(&w, "requestId", request_id);
    json_member_string(&w, "status", SPAN("error"));
    json_member_open(&w, "error", '{');
    json_member_string(&w, "code", SPAN("UNSUPPORTED"));
    json_member_string(&w, "message", SPAN("the host agent takes no commands"));
    json_close(&w, '}');
    member_time(&w, "timestamp", wall_ms);
    close_frame(&w);
}
