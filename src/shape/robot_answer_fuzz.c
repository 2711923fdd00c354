/*
 * The first line is the media type, the rest the answer. Cut anywhere it is the same answer as
 * whole, and what it says may be stored.
 */
#include "base/utf8.h"
#include "codec/json/scan.h"
#include "domain/chat_types.h"
#include "shape/decode.h"
#include "shape/robot_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_by(struct robot_answer *a, span type, span body, size_t piece)
{
    if (!robot_answer_init(a, type)) {
        return false;
    }
    size_t before = 0;
    for (size_t at = 0; at < body.len; at += piece) {
        if (!robot_answer_feed(a, span_slice(body, at, piece))) {
            return false;
        }
        ASSERT(a->text.len >= before || a->replaced);
        before = a->text.len;
    }
    return robot_answer_end(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span body = span_of(data, size);
    span type = span_cut(&body, '\n');
    struct robot_answer whole, cut;
    bool ok = read_by(&whole, type, body, body.len + 1);
    bool same = read_by(&cut, type, body, 1 + size % 7);
    ASSERT(ok == same && ok == (whole.why == NULL));
    if (ok) {
        buf content = {0};
        robot_answer_content(&whole, &content);
        ASSERT(json_check(buf_span(&content), SHAPE_DEPTH_MAX, 0, NULL) == 0);
        ASSERT(utf8_storable(buf_span(&whole.text)) && whole.characters <= CHAT_TEXT_MAX);
        ASSERT(span_eq(buf_span(&whole.text), buf_span(&cut.text)));
        ASSERT(span_eq(buf_span(&whole.object), buf_span(&cut.object)));
        buf_deinit(&content);
    }
    robot_answer_deinit(&whole);
    robot_answer_deinit(&cut);
    return 0;
}
