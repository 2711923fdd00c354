#include "edge/telemetry.h"

#include "base/mem.h"
#include "domain/telemetry.h"
#include "shape/telemetry.h"

#include <string.h>

/* The answer that waits for the store. It may outlive the socket. */
struct pending {
    struct event_call in; /* wire, edge, conn, id */
    size_t rejected_len;
    uint8_t text[];       /* the id, then the rejected as a JSON array */
};

static void put_rejected(buf *out, const struct event_many *m, const char *member, const char *why)
{
    struct json_writer w = json_writer_of(out);
    buf_append_byte(out, out->len == 0 ? '[' : ',');
    json_open(&w, '{');
    json_member_u64(&w, "index", m->index);
    json_member_open(&w, "error", '{');
    event_error_members(&w, &(struct event_refusal){.error = ERR_TELEMETRY_VALIDATION_FAILED,
                                                    .member = member,
                                                    .why = why});
    json_close(&w, '}');
    json_close(&w, '}');
}

/* Reads the elements into `samples`; how many are good. The others are in `rejected`, a JSON array
 * but for its end, or empty. */
static unsigned read_samples(struct event_call *in, struct event_many *m,
                             struct telemetry_sample *samples, buf *rejected)
{
    struct shape_telemetry_sample s;
    unsigned n = 0;
    for (enum event_element e; (e = event_next(m, &s)) != EVENT_END;) {
        const char *member = m->member, *why = m->why;
        if (e == EVENT_READ && telemetry_sample_of(&s, in->device, &samples[n], &member, &why)) {
            n++;
        } else {
            put_rejected(rejected, m, member, why);
        }
    }
    return n;
}

static void refuse_rejected(const struct event_call *in, const buf *rejected)
{
    buf details = {0};
    buf_append_str(&details, "\"rejected\":");
    buf_append_span(&details, buf_span(rejected));
    buf_append_byte(&details, ']');
    in->wire->refuse(in, &(struct event_refusal){.error = ERR_TELEMETRY_VALIDATION_FAILED,
                                                 .details = buf_span(&details)});
    buf_deinit(&details);
}

static void say_stored(const struct pending *p, const struct telemetry_result *r)
{
    buf members = {0};
    buf_append_str(&members, "\"accepted\":");
    buf_append_u64(&members, r->accepted);
    buf_append_str(&members, ",\"duplicates\":");
    buf_append_u64(&members, r->duplicates);
    buf_append_str(&members, ",\"rejected\":");
    buf_append_str(&members, p->rejected_len == 0 ? "[" : "");
    buf_append(&members, p->text + p->in.id.len, p->rejected_len);
    buf_append_byte(&members, ']');
    event_ok(&p->in, buf_span(&members));
    buf_deinit(&members);
}

static void stored(void *owner, const struct telemetry_result *r)
{
    struct pending *p = owner;
    p->in.id.ptr = p->text;
    if (p->in.wire->again != NULL && !p->in.wire->again(&p->in)) {
        mem_free(p);
        return;
    }
    if (r->error != ERR_NONE) {
        p->in.wire->refuse(&p->in, &(struct event_refusal){.error = r->error,
                                                           .retry_after_ms = r->retry_after_ms});
    } else if (p->in.wants_ack) {
        say_stored(p, r);
    }
    mem_free(p);
}

static struct pending *pending_new(const struct event_call *in, const buf *rejected)
{
    struct pending *p = mem_alloc(sizeof *p + in->id.len + rejected->len);
    p->in = (struct event_call){.wire = in->wire,
                                .edge = in->edge,
                                .kind = in->kind,
                                .row = in->row,
                                .conn = in->conn,
                                .wants_ack = in->wants_ack,
                                .id = span_of(p->text, in->id.len)};
    if (in->id.len > 0) {
        memcpy(p->text, in->id.ptr, in->id.len);
    }
    p->rejected_len = rejected->len;
    if (rejected->len > 0) {
        memcpy(p->text + in->id.len, rejected->ptr, rejected->len);
    }
    return p;
}

void telemetry_event(struct event_call *in, struct event_many *m, struct device_link *l)
{
    struct telemetry_sample *samples = ARENA_ARRAY(in->arena, struct telemetry_sample, m->count);
    buf rejected = {0};
    unsigned n = read_samples(in, m, samples, &rejected);
    if (n > 0) {
        telemetry_put_linked(l, samples, n, stored, pending_new(in, &rejected));
    }
    if (rejected.len > 0 && (n == 0 || !in->wants_ack)) {
        refuse_rejected(in, &rejected);
    }
    buf_deinit(&rejected);
}
