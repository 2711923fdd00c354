/* What a simulated device says. */
#include "simulator/words.h"

#include "base/assert.h"
#include "codec/json/write.h"

#include <string.h>

#define VALUE_MODULUS 1000000000 /* values are below 10^9 (CONTRACT 3) */
#define LITERAL(out, text) buf_append((out), "" text, sizeof(text) - 1)

/* Values between 15 and 25 with two decimals, without any arithmetic to speak of. */
#define WALK_STEPS 1000

static void put_time(struct words *w, buf *out, int64_t at_ms)
{
    int64_t second = at_ms / 1000;
    if (second != w->second || w->text[0] == '\0') {
        time_format_ms(second * 1000, w->text);
        w->second = second;
    }
    unsigned ms = (unsigned)(at_ms % 1000);
    char *digits = w->text + TIME_MS_LEN - 4; /* before the Z */
    digits[0] = (char)('0' + ms / 100);
    digits[1] = (char)('0' + ms / 10 % 10);
    digits[2] = (char)('0' + ms % 10);
    buf_append(out, w->text, TIME_MS_LEN);
}

static void put_value(buf *out, const struct words_sample *s, uint64_t number)
{
    if (s->clock_us >= 0) {
        buf_append_u64(out, (uint64_t)(s->clock_us % VALUE_MODULUS));
        return;
    }
    unsigned step = (unsigned)(number * 37 % WALK_STEPS);
    char text[] = {(char)('0' + (1500 + step) / 1000), (char)('0' + (1500 + step) / 100 % 10), '.',
                   (char)('0' + step / 10 % 10), (char)('0' + step % 10)};
    buf_append(out, text, sizeof text);
}

static void put_sample(struct words *w, buf *out, const struct words_sample *s, unsigned i)
{
    uint64_t number = s->number + i;
    LITERAL(out, "{\"deviceId\":\"");
    buf_append_span(out, s->device);
    LITERAL(out, "\",\"timestamp\":\"");
    put_time(w, out, s->at_ms - (int64_t)(s->batch - 1 - i));
    LITERAL(out, "\",\"sensorType\":\"s");
    buf_append_u64(out, number % s->sensors);
    LITERAL(out, "\",\"value\":");
    put_value(out, s, number);
    LITERAL(out, ",\"unit\":\"C\"");
    if (s->run.len > 0) {
        LITERAL(out, ",\"sampleId\":\"");
        buf_append_span(out, s->run);
        buf_append_byte(out, '-');
        buf_append_u64(out, number);
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
}

/* The beginning of a message up to its payload; `id` 0: no acknowledgement is asked for. */
static void begin(buf *out, enum sim_wire wire, const char *event, const char *type, uint64_t id)
{
    if (wire == SIM_SOCKETIO) {
        LITERAL(out, "42");
        if (id != 0) {
            buf_append_u64(out, id);
        }
        LITERAL(out, "[\"");
        buf_append_str(out, event);
        LITERAL(out, "\",");
        return;
    }
    LITERAL(out, "{\"type\":\"");
    buf_append_str(out, type);
    if (id != 0) {
        LITERAL(out, "\",\"id\":");
        buf_append_u64(out, id);
        LITERAL(out, ",\"data\":");
    } else {
        LITERAL(out, "\",\"data\":");
    }
}

static void end(buf *out, enum sim_wire wire)
{
    buf_append_byte(out, wire == SIM_SOCKETIO ? ']' : '}');
}

void words_telemetry(struct words *w, buf *out, enum sim_wire wire, const struct words_sample *s)
{
    ASSERT(s->batch > 0 && s->sensors > 0);
    begin(out, wire, "telemetry:data", "telemetry", s->id);
    if (s->batch == 1) {
        put_sample(w, out, s, 0);
    } else {
        for (unsigned i = 0; i < s->batch; i++) {
            buf_append_byte(out, i == 0 ? '[' : ',');
            put_sample(w, out, s, i);
        }
        buf_append_byte(out, ']');
    }
    end(out, wire);
}

void words_register(buf *out, enum sim_wire wire, span device, uint64_t id)
{
    begin(out, wire, "device:register", "register", id);
    LITERAL(out, "{\"deviceId\":\"");
    buf_append_span(out, device);
    LITERAL(out, "\",\"capabilities\":[\"telemetry\",\"command-ack\"]}");
    end(out, wire);
}

static void put_moment(buf *out, int64_t at_ms)
{
    struct words w = {0};
    LITERAL(out, "\"timestamp\":\"");
    put_time(&w, out, at_ms);
    LITERAL(out, "\"}");
}

void words_heartbeat(buf *out, enum sim_wire wire, int64_t at_ms)
{
    begin(out, wire, "device:heartbeat", "heartbeat", 0);
    buf_append_byte(out, '{');
    put_moment(out, at_ms);
    end(out, wire);
}

void words_command_ack(buf *out, enum sim_wire wire, const struct heard *command)
{
    if (wire == SIM_SOCKETIO) {
        LITERAL(out, "43");
        buf_append_u64(out, command->id);
        LITERAL(out, "[{\"ok\":true}]");
        return;
    }
    LITERAL(out, "{\"type\":\"ack\",\"data\":{\"id\":");
    buf_append_u64(out, command->id);
    LITERAL(out, ",\"ok\":true}}");
}

void words_command_done(buf *out, enum sim_wire wire, span request, uint64_t count, int64_t at_ms)
{
    begin(out, wire, "command:response", "command:response", 0);
    LITERAL(out, "{\"requestId\":");
    buf_append_span(out, request);
    LITERAL(out, ",\"status\":\"success\",\"result\":{\"simulated\":true,\"count\":");
    buf_append_u64(out, count);
    LITERAL(out, "},");
    put_moment(out, at_ms);
    end(out, wire);
}

void words_config_report(buf *out, enum sim_wire wire, int64_t version, span desired)
{
    begin(out, wire, "config:report", "config:report", 0);
    LITERAL(out, "{\"version\":");
    buf_append_i64(out, version);
    LITERAL(out, ",\"reported\":");
    buf_append_span(out, desired);
    buf_append_byte(out, '}');
    end(out, wire);
}

void words_provision(buf *out, span name, uint64_t id)
{
    begin(out, SIM_SOCKETIO, "device:register", "register", id);
    LITERAL(out, "{\"name\":");
    json_put_string(out, name);
    LITERAL(out, ",\"type\":\"simulated\",\"capabilities\":[\"telemetry\",\"command-ack\"]}");
    end(out, SIM_SOCKETIO);
}
