#include "edge/monitor/viewers.h"

#include "base/assert.h"
#include "codec/json/write.h"
#include "tables/events.h"

#include <stdio.h>

/* No channel of theirs: what is not logged is named by its publisher. */
#define NO_CHANNEL UINT16_MAX
#define TOPIC_MAX (2 + UUID_TEXT_LEN + 1)

static span topic_of(uuid device, char text[TOPIC_MAX])
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(device, id);
    int len = snprintf(text, TOPIC_MAX, "v/%s", id);
    ASSERT(len > 0 && len < TOPIC_MAX);
    return span_of(text, (size_t)len);
}

void viewers_join(struct edge *e, uint32_t member, uuid device)
{
    char text[TOPIC_MAX];
    (void)hub_subscribe(e->hub, member, home_of(e->home, device), topic_of(device, text));
}

bool viewers_name_is_product(span name)
{
    const uint32_t wire = 1u << PEER_VIEWER | 1u << PEER_HOST;
    for (unsigned i = 0; i < OUT_COUNT; i++) {
        const struct event_out_row *row = event_out_row((enum event_out)i);
        if ((row->to & wire) != 0 && span_eq(name, span_str(row->name))) {
            return true;
        }
    }
    return event_by_name((const char *)name.ptr, name.len) != EVENT_COUNT;
}

void viewers_frame(buf *out, span name, span data)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_key(&w, "type");
    json_write_string(&w, name);
    json_member_raw(&w, "data", data);
    json_close(&w, '}');
}

void viewers_publish(struct edge *e, uuid device, span frame, enum blob_class cls)
{
    char text[TOPIC_MAX];
    struct blob *b = blob_new(cls, NO_CHANNEL, loop_wall_ms(e->loop), frame);
    hub_publish(e->hub, home_of(e->home, device), topic_of(device, text), b);
}
