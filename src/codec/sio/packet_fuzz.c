/* Input: the text of a packet. What is accepted is what its type asks for, within every limit, and
 * written again by sio_packet_head it reads back the same. */
#include "codec/sio/packet.h"

#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Counts the placeholders of each number below `value`, the slow way. */
static void count(span value, unsigned counts[SIO_ATTACHMENTS_MAX])
{
    struct json_iter it;
    span key, item;
    unsigned num;
    if (sio_placeholder(value, &num)) {
        counts[num]++;
    }
    if (json_object_begin(&it, value)) {
        while (json_object_next(&it, &key, &item)) {
            count(item, counts);
        }
    } else if (json_array_begin(&it, value)) {
        while (json_array_next(&it, &item)) {
            count(item, counts);
        }
    }
}

static void check(const struct sio_packet *p)
{
    ASSERT(p->type != SIO_CONNECT_ERROR && p->type <= SIO_CONNECT_ERROR);
    ASSERT(p->attachments <= SIO_ATTACHMENTS_MAX);
    ASSERT(p->nsp.len > 0 && p->nsp.len <= SIO_NAMESPACE_BYTES_MAX && p->nsp.ptr[0] == '/');
    ASSERT(utf8_valid(p->nsp) && span_find(p->nsp, ',') < 0 && span_find(p->nsp, '?') < 0);
    ASSERT(!p->has_id || p->id <= SIO_ACK_ID_MAX);
    ASSERT((p->event.len > 0) == (p->type == SIO_EVENT));
    ASSERT(p->payload.len == 0 ||
           json_check(p->payload, JSON_DEPTH_MAX, JSON_REFUSE_PROTO | JSON_LONE_SURROGATES,
                      NULL) == (p->refused_names ? JSON_E_PROTO : 0));
    if (p->attachments > 0) {
        unsigned counts[SIO_ATTACHMENTS_MAX] = {0};
        count(p->payload, counts);
        for (unsigned i = 0; i < SIO_ATTACHMENTS_MAX; i++) {
            ASSERT(counts[i] <= (i < p->attachments));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sio_packet p, back;
    enum sio_fault f = sio_packet_read(span_of(data, size), JSON_DEPTH_MAX, &p);
    ASSERT(sio_fault_name(f)[0] != 'u');
    if (f != SIO_OK) {
        return 0;
    }
    check(&p);
    buf text = {0};
    sio_packet_head(&text, p.type, p.attachments, p.nsp, p.has_id ? (int64_t)p.id : -1);
    buf_append_span(&text, p.payload);
    ASSERT(sio_packet_read(buf_span(&text), JSON_DEPTH_MAX, &back) == SIO_OK);
    ASSERT(back.type == p.type && back.attachments == p.attachments && back.has_id == p.has_id &&
           back.id == p.id && span_eq(back.nsp, p.nsp) && span_eq(back.payload, p.payload) &&
           span_eq(back.event, p.event) && back.query.len == 0);
    buf_deinit(&text);
    return 0;
}
