#include "edge/monitor/wrap.h"

#include "net/ws.h"

void monitor_wrap(const struct blob *b, buf *out)
{
    ws_frame_append(out, WS_OP_TEXT, blob_payload(b));
}
