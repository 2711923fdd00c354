#include "codec/eio/packet.h"

#include "base/base64.h"

#define BASE64_MARK 'b'

bool eio_packet_read(span text, struct eio_packet *out)
{
    *out = (struct eio_packet){0};
    if (text.len == 0 || text.ptr[0] < '0' || text.ptr[0] > '0' + EIO_NOOP) {
        return false;
    }
    out->type = (enum eio_type)(text.ptr[0] - '0');
    out->data = span_of(text.ptr + 1, text.len - 1);
    return true;
}

bool eio_packet_decode(uint8_t *text, size_t len, enum eio_revision revision,
                       struct eio_packet *out)
{
    if (len == 0 || text[0] != BASE64_MARK) {
        return eio_packet_read(span_of(text, len), out);
    }
    *out = (struct eio_packet){0};
    size_t head = 1;
    if (revision == EIO_V3) { /* "b4" names the type, and only messages are binary */
        if (len < 2 || text[1] != '0' + EIO_MESSAGE) {
            return false;
        }
        head = 2;
    }
    ptrdiff_t n = base64_decode(span_of(text + head, len - head), text + head);
    if (n < 0) {
        return false;
    }
    *out = (struct eio_packet){EIO_MESSAGE, true, span_of(text + head, (size_t)n)};
    return true;
}
