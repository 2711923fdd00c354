/* The ordered events of devices: their topics, their payloads (CONTRACT 3), and the steps that
 * record them with the change. */
#include "domain/fleet_internal.h"

#include "shape/device.h"

#include <string.h>

span device_events_topic(uuid id, char out[DEVICE_EVENTS_TOPIC_MAX])
{
    static const char head[] = "device/", tail[] = "/events";
    memcpy(out, head, sizeof head - 1);
    uuid_format(id, out + sizeof head - 1);
    memcpy(out + sizeof head - 1 + UUID_TEXT_LEN, tail, sizeof tail);
    return span_of(out, sizeof head - 1 + UUID_TEXT_LEN + sizeof tail - 1);
}

static void record(struct home *h, struct store_req *req, unsigned step, enum event event, uuid id,
                   buf *data)
{
    char topic[DEVICE_EVENTS_TOPIC_MAX];
    journal_step(req, step,
                 &(struct journal_event){.id = home_new_id(h),
                                         .time_ms = clock_wall_ms(h->clock),
                                         .event = event,
                                         .topic = device_events_topic(id, topic),
                                         .data = buf_span(data)});
    buf_deinit(data);
}

void req_event_device(struct home *h, struct store_req *req, unsigned step, enum event event,
                      const struct device_row *row)
{
    buf data = {0};
    device_put(&data, row, NULL, NULL);
    record(h, req, step, event, row->id, &data);
}

void req_event_status(struct home *h, struct store_req *req, unsigned step,
                      const struct device_row *row)
{
    buf data = {0};
    device_put_status(&data, row);
    record(h, req, step, EVENT_DEVICE_STATUS_CHANGED, row->id, &data);
}

void req_event_deleted(struct home *h, struct store_req *req, unsigned step, uuid id)
{
    buf data = {0};
    device_put_id(&data, id, NULL, 0);
    record(h, req, step, EVENT_DEVICE_DELETED, id, &data);
}

void req_event_connection(struct home *h, struct store_req *req, unsigned step, bool connected,
                          uuid id, int64_t at_ms)
{
    buf data = {0};
    device_put_id(&data, id, connected ? "connectedAt" : "disconnectedAt", at_ms);
    record(h, req, step, connected ? EVENT_DEVICE_CONNECTED : EVENT_DEVICE_DISCONNECTED, id, &data);
}

void req_publish(struct home *h, const struct store_req *req)
{
    for (unsigned i = 0; req->error == ERR_NONE && h->journal != NULL && i < req->step_count; i++) {
        if (req->steps[i].query == QUERY_EVENT_INSERT) {
            journal_publish(h->journal, req, i);
        }
    }
}
