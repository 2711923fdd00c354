/* chat:file:upload: a file is announced, and a small one comes along (CONTRACT 5). */
#include "edge/socketio/chat_socket.h"

#include "domain/chat_file.h"

/* What may come with the event; more goes by PUT. */
#define BYTES_MAX 262144

void event_chat_upload(struct event_call *in, const struct shape_chat_upload *p)
{
    struct chat_file_draft draft = {.name = p->name,
                                    .mime = p->mime,
                                    .size = p->size,
                                    .sha256 = p->has_sha256 ? p->sha256 : SPAN_NONE};
    if (p->has_bytes && (!chat_bytes(in, p->bytes, &draft.bytes) || draft.bytes.len == 0)) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, "bytes", "are neither binary nor base64");
        return;
    }
    if (draft.bytes.len > BYTES_MAX) {
        event_refuse(in, ERR_INVALID_MESSAGE_FORMAT, "bytes", "are more than 256 KiB: use PUT");
        return;
    }
    struct chat_request *r = chat_request_new(in, NULL);
    chat_file_announce(in->edge->home, p->roomId, &draft, &r->who, &r->origin, chat_request_done,
                       r);
}
