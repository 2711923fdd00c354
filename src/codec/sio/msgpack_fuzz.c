/*
 * Input: a packet as msgpack. What is read is valid JSON by every rule, and written and read again
 * it is the same, to the byte. The input is also taken for JSON, which says the same after it was
 * written as msgpack and read back.
 */
#include "codec/sio/msgpack.h"

#include "codec/json/scan.h"
#include "codec/sio/json_same.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define JSON_MAX 4096

static void check_again(const struct sio_packet *p, const span *attachments)
{
    buf bytes = {0}, json = {0};
    span found[SIO_ATTACHMENTS_MAX];
    struct sio_packet back;
    sio_msgpack_put(&bytes, p->type, p->nsp, p->has_id ? (int64_t)p->id : -1, p->payload,
                    attachments, p->attachments);
    ASSERT(sio_msgpack_read(buf_span(&bytes), JSON_DEPTH_MAX, SIZE_MAX, &json, &back, found) ==
           SIO_OK);
    ASSERT(back.type == p->type && back.has_id == p->has_id && back.id == p->id &&
           span_eq(back.nsp, p->nsp) && back.attachments == p->attachments &&
           span_eq(back.payload, p->payload) && span_eq(back.event, p->event));
    for (unsigned i = 0; i < p->attachments; i++) {
        ASSERT(span_eq(found[i], attachments[i]));
    }
    buf_deinit(&bytes);
    buf_deinit(&json);
}

static void check_bytes(span in)
{
    buf json = {0};
    span attachments[SIO_ATTACHMENTS_MAX];
    struct sio_packet p;
    if (sio_msgpack_read(in, JSON_DEPTH_MAX, JSON_MAX, &json, &p, attachments) == SIO_OK) {
        ASSERT(p.type <= SIO_ACK && p.payload.len <= JSON_MAX && p.payload.len <= json.len);
        ASSERT(p.payload.len == 0 ||
               json_check(p.payload, JSON_DEPTH_MAX, JSON_REFUSE_PROTO, NULL) == 0);
        for (unsigned i = 0; i < p.attachments; i++) {
            ASSERT(attachments[i].ptr > in.ptr &&
                   attachments[i].ptr + attachments[i].len <= in.ptr + in.len);
        }
        check_again(&p, attachments);
    }
    buf_deinit(&json);
}

static void check_json(span text)
{
    if (json_check(text, JSON_DEPTH_MAX - 1, JSON_REFUSE_PROTO, NULL) != 0) {
        return;
    }
    buf payload = {0}, bytes = {0}, json = {0};
    span attachments[SIO_ATTACHMENTS_MAX];
    struct sio_packet p;
    buf_append_str(&payload, "[");
    buf_append_span(&payload, json_root(text));
    buf_append_str(&payload, "]");
    sio_msgpack_put(&bytes, SIO_ACK, SPAN("/"), 0, buf_span(&payload), NULL, 0);
    ASSERT(sio_msgpack_read(buf_span(&bytes), JSON_DEPTH_MAX, SIZE_MAX, &json, &p, attachments) ==
           SIO_OK);
    /* Numbers beyond a double are infinite in msgpack, and null again. */
    bool finite = span_find(text, 'e') < 0 && span_find(text, 'E') < 0 && text.len < 300;
    ASSERT(!finite || json_same(p.payload, buf_span(&payload)));
    buf_deinit(&payload);
    buf_deinit(&bytes);
    buf_deinit(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_bytes(span_of(data, size));
    check_json(span_of(data, size));
    return 0;
}
