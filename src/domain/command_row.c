/* What is stored of a command: rows, results, steps of the store. */
#include "domain/command_internal.h"

#include "shape/command.h"
#include "shape/decode.h"

const char *command_status_name(enum command_status s)
{
    return shape_command_status_name((int)s);
}

const char *command_phase_name(enum command_phase p) { return shape_command_phase_name((int)p); }

span command_text_cut(span s, size_t bytes_max)
{
    size_t len = s.len < bytes_max ? s.len : bytes_max;
    while (len > 0 && len < s.len && (s.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return span_of(s.ptr, len);
}

static uuid read_uuid(const struct store_value *v)
{
    uuid id = UUID_NIL;
    return uuid_parse(store_text(v), &id) ? id : UUID_NIL;
}

void command_row_read(struct command_row *row, const struct store_value *c)
{
    int phase = shape_command_phase_of(store_text(&c[8]));
    *row = (struct command_row){
        .id = read_uuid(&c[0]),
        .device = read_uuid(&c[1]),
        .command = store_text(&c[2]),
        .parameters = store_text(&c[3]),
        .request_id = store_text(&c[4]),
        .response = store_text(&c[5]),
        .created_ms = store_int(&c[6]),
        .executed_ms = store_int(&c[7]),
        .phase = phase < 0 ? PHASE_FAILED : (enum command_phase)phase,
        .job = read_uuid(&c[9]),
        .issued_by = read_uuid(&c[10]),
        .no_response = store_int(&c[11]) == 0,
        .timeout_ms = (uint32_t)store_int(&c[12]),
        .queue = store_int(&c[13]) != 0,
        .requested_ms = store_int(&c[14]),
        .expires_ms = store_int(&c[15]),
        .due_ms = store_int(&c[16]),
        .attempts = (uint32_t)store_int(&c[17]),
        .sent_ms = store_int(&c[18]),
        .acked_ms = store_int(&c[19]),
        .error_code = store_text(&c[20]),
        .error_message = store_text(&c[21]),
        .late = store_int(&c[22]) != 0,
    };
}

static const char *reason_of(const struct command_row *row)
{
    switch (row->phase) {
    case PHASE_FAILED:
        return "DEVICE_ERROR";
    case PHASE_TIMED_OUT:
        return "TIMEOUT";
    case PHASE_EXPIRED:
        return "EXPIRED";
    case PHASE_CANCELLED:
        return "CANCELLED";
    case PHASE_REJECTED:
        return span_eq(row->error_code, SPAN("DEVICE_OFFLINE")) ? "DEVICE_OFFLINE" : "REJECTED";
    case PHASE_RECORDED:
    case PHASE_QUEUED:
    case PHASE_SENT:
    case PHASE_ACKNOWLEDGED:
    case PHASE_DONE:
    case PHASE_COUNT:
        break;
    }
    return NULL;
}

void command_result_of(struct arena *a, const struct command_row *row, struct command_result *r)
{
    buf json = {0};
    command_put_result(&json, row, true);
    r->id = row->id;
    r->request_id = arena_dup(a, row->request_id);
    r->phase = row->phase;
    r->reason = reason_of(row);
    r->json = arena_dup(a, buf_span(&json));
    buf_deinit(&json);
}

/* --- steps --- */

static void set_uuid(struct store_req *req, unsigned step, unsigned p, uuid id)
{
    if (!uuid_is_nil(id)) {
        req_set_uuid(req, step, 0, p, id);
    }
}

static void set_text(struct store_req *req, unsigned step, unsigned set, unsigned p, span text)
{
    if (text.len > 0) {
        store_set_text(req, step, set, p, text);
    }
}

static void set_time(struct store_req *req, unsigned step, unsigned set, unsigned p, int64_t ms)
{
    if (ms != 0) {
        store_set_int(req, step, set, p, ms);
    }
}

static void set_phase(struct store_req *req, unsigned step, unsigned set, unsigned status,
                      unsigned phase, enum command_phase p)
{
    store_set_text(req, step, set, status, span_str(command_status_name(command_status_of(p))));
    store_set_text(req, step, set, phase, span_str(command_phase_name(p)));
}

void req_command_insert(struct store_req *req, unsigned step, const struct command_row *row)
{
    store_step_init(req, step, QUERY_COMMAND_INSERT, 1);
    req->steps[step].expect = STORE_SOME;
    req_set_uuid(req, step, 0, 0, row->id);
    req_set_uuid(req, step, 0, 1, row->device);
    store_set_text(req, step, 0, 2, row->command);
    set_text(req, step, 0, 3, row->parameters);
    set_phase(req, step, 0, 4, 7, row->phase);
    store_set_text(req, step, 0, 5, row->request_id);
    store_set_int(req, step, 0, 6, row->created_ms);
    set_uuid(req, step, 8, row->job);
    set_uuid(req, step, 9, row->issued_by);
    store_set_int(req, step, 0, 10, !row->no_response);
    store_set_int(req, step, 0, 11, row->timeout_ms);
    store_set_int(req, step, 0, 12, row->queue);
    store_set_int(req, step, 0, 13, row->requested_ms);
    set_time(req, step, 0, 14, row->expires_ms);
    set_time(req, step, 0, 15, row->due_ms);
    set_text(req, step, 0, 16, row->error_code);
    set_text(req, step, 0, 17, row->error_message);
}

void req_command_update(struct store_req *req, unsigned step, unsigned set,
                        const struct command_row *row)
{
    req_set_uuid(req, step, set, 0, row->id);
    set_phase(req, step, set, 1, 2, row->phase);
    set_text(req, step, set, 3, row->response);
    set_time(req, step, set, 4, row->executed_ms);
    set_time(req, step, set, 5, row->due_ms);
    store_set_int(req, step, set, 6, row->attempts);
    set_time(req, step, set, 7, row->sent_ms);
    set_time(req, step, set, 8, row->acked_ms);
    set_text(req, step, set, 9, row->error_code);
    set_text(req, step, set, 10, row->error_message);
    store_set_int(req, step, set, 11, row->late);
}

unsigned command_events(const struct command_row *row)
{
    return uuid_is_nil(row->issued_by) ? 1 : 2;
}

unsigned req_command_events(struct store_req *req, unsigned step, unsigned set,
                            const struct command_row *row, uuid id, int64_t at_ms, span json)
{
    char topic[DEVICE_EVENTS_TOPIC_MAX];
    struct journal_event e = {.id = id,
                              .time_ms = at_ms,
                              .event = EVENT_COMMAND_RESULT,
                              .topic = device_events_topic(row->device, topic),
                              .data = json};
    journal_set(req, step, set++, &e);
    if (!uuid_is_nil(row->issued_by)) {
        buf data = {0};
        command_put_issuer(&data, row->issued_by, json);
        e.event = EVENT_COMMAND_RESULT_ISSUER;
        e.topic = SPAN(COMMAND_ISSUER_TOPIC);
        e.data = buf_span(&data);
        journal_set(req, step, set++, &e);
        buf_deinit(&data);
    }
    return set;
}
