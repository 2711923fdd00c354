#include "edge/socketio/app_answer.h"

#include "codec/json/read.h"
#include "codec/json/scan.h"

bool app_answer_args(span answer, buf *out)
{
    span root = json_root(answer);
    if (root.len == 0) {
        buf_append_str(out, "[]");
        return true;
    }
    if (json_check(answer, APP_ANSWER_DEPTH_MAX, JSON_REFUSE_PROTO, NULL) != 0) {
        return false;
    }
    bool is_list = json_type(root) == JSON_ARRAY;
    buf_append_str(out, is_list ? "" : "[");
    buf_append_span(out, root);
    buf_append_str(out, is_list ? "" : "]");
    return true;
}
