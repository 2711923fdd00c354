#include "edge/states.h"

#include "base/mem.h"
#include "domain/device_watch.h"
#include "shape/device_states.h"

#include <string.h>

/* The answer that waits for the store. It may outlive the socket. */
struct pending {
    struct event_call in; /* wire, edge, conn, id, data */
    void (*then)(struct event_call *in);
    uint8_t text[];       /* the id, then the data if somebody goes on with it */
};

static void refuse(const struct event_call *in, err error)
{
    in->wire->refuse(in, &(struct event_refusal){.error = error});
}

static void say_moved(const struct event_call *in, unsigned moved)
{
    buf members = {0};
    buf_append_str(&members, "\"moved\":");
    buf_append_u64(&members, moved);
    event_ok(in, buf_span(&members));
    buf_deinit(&members);
}

static void said(void *owner, err error, unsigned moved)
{
    struct pending *p = owner;
    struct event_call *in = &p->in;
    struct arena arena = {0};
    if (in->wire->again == NULL || in->wire->again(in)) {
        in->arena = &arena;
        if (error != ERR_NONE) {
            refuse(in, error);
        } else if (p->then != NULL) {
            p->then(in);
        } else {
            say_moved(in, moved);
        }
    }
    arena_reset(&arena);
    mem_free(p);
}

static struct pending *pending_new(const struct event_call *in,
                                   void (*then)(struct event_call *in))
{
    size_t data = then == NULL ? 0 : in->data.len;
    struct pending *p = mem_alloc(sizeof *p + in->id.len + data);
    p->then = then;
    p->in = (struct event_call){.wire = in->wire,
                                .edge = in->edge,
                                .kind = in->kind,
                                .row = in->row,
                                .conn = in->conn,
                                .wants_ack = in->wants_ack,
                                .now_ms = in->now_ms,
                                .id = span_of(p->text, in->id.len),
                                .data = span_of(p->text + in->id.len, data)};
    if (in->id.len > 0) {
        memcpy(p->text, in->id.ptr, in->id.len);
    }
    if (data > 0) {
        memcpy(p->text + in->id.len, in->data.ptr, data);
    }
    return p;
}

void states_event(struct event_call *in, span states, struct device_link *l,
                  void (*then)(struct event_call *in))
{
    struct shape_ctx ctx = {.arena = in->arena, .now_ms = in->now_ms};
    struct house_say *says;
    unsigned count;
    if (!device_states_read(states, &ctx, &says, &count)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, ctx.path, ctx.why);
        return;
    }
    device_link_says(l, says, count, said, pending_new(in, then));
}
