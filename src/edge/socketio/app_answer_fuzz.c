/* Any answer of a receiver: what is taken is a JSON array, and taken again it is the same. */
#include "edge/socketio/app_answer.h"

#include "codec/json/read.h"
#include "codec/json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    buf once = {0};
    buf again = {0};
    if (app_answer_args(span_of(data, size), &once)) {
        ASSERT(json_check(buf_span(&once), APP_ANSWER_DEPTH_MAX + 1, JSON_REFUSE_PROTO, NULL) == 0);
        ASSERT(json_type(buf_span(&once)) == JSON_ARRAY);
        if (app_answer_args(buf_span(&once), &again)) { /* it may be one level too deep now */
            ASSERT(span_eq(buf_span(&once), buf_span(&again)));
        }
    } else {
        ASSERT(once.len == 0);
    }
    buf_deinit(&once);
    buf_deinit(&again);
    return 0;
}
