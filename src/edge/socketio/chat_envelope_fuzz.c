/* Any JSON as the argument of an event: what is taken is borrowed or short, and what is put into an
 * envelope is found there again. */
#include "edge/socketio/chat.h"

#include "codec/json/read.h"
#include "codec/json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME SPAN("chat:room:join")
#define DEPTH_MAX 32

static bool objects_again(span data, span request_id, struct arena *arena)
{
    buf out = {0};
    chat_envelope_put(&out, NAME, data, SPAN_NONE, request_id);
    struct chat_envelope again = chat_envelope_read(buf_span(&out), NAME, arena);
    bool same = again.bad == NULL && span_eq(again.data, data) &&
                span_eq(again.request_id, request_id);
    buf_deinit(&out);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    span text = span_of(data, size);
    if (json_check(text, DEPTH_MAX, 0, NULL) == 0) {
        span arg = json_root(text);
        struct chat_envelope e = chat_envelope_read(arg, NAME, &arena);
        ASSERT(e.request_id.len <= CHAT_REQUEST_ID_BYTES_MAX);
        ASSERT(e.bad == NULL || e.member != NULL);
        if (e.bad == NULL && json_type(e.data) == JSON_OBJECT) {
            ASSERT(objects_again(e.data, e.request_id, &arena));
        }
        (void)chat_stored_payload(text);
        (void)chat_stored_of(text, &arena);
    }
    arena_reset(&arena);
    return 0;
}
