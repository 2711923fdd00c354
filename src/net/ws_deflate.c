/*
 * permessage-deflate on connections (RFC 7692). All connections of a loop share its streams and
 * buffers: at rest a connection that compresses costs no more than one that does not.
 */
#include "base/mem.h"
#include "base/utf8.h"
#include "net/internal.h"
#include "net/ws.h"

#include <string.h>

/* As of the buffer for inflating: what one large message took is not kept. */
#define PACKED_KEEP_BYTES (256u << 10)

static const struct ws_deflate_memory memory = {.alloc = mem_alloc, .release = mem_free};

static unsigned window_bits(const struct net *n)
{
    unsigned bits = n->limits->ws_deflate_window_bits;
    return bits == 0 ? WS_DEFLATE_WINDOW_BITS_MAX : bits;
}

static struct ws_deflater *deflater_of(struct net *n)
{
    if (n->deflater == NULL) {
        n->deflater = ws_deflater_new(&memory, window_bits(n));
    }
    return n->deflater;
}

void ws_deflate_deinit(struct net *n)
{
    ws_deflater_free(n->deflater);
    n->deflater = NULL;
    buf_deinit(&n->packed);
    buf_deinit(&n->inflated);
}

int ws_offers_read(struct http_exchange *x, const struct ws_wire *wire,
                   struct ws_deflate_agreed *out)
{
    struct net *n = x->conn->net;
    const struct http1_fields *fields = &x->req->fields;
    *out = (struct ws_deflate_agreed){.kind = WS_DEFLATE_NONE};
    if (!wire->deflate || !n->limits->ws_deflate) {
        return 0;
    }
    for (size_t i = 0; i < fields->count; i++) { /* several lines are one list (RFC 6455 9.1) */
        struct ws_deflate_agreed line;
        if (!span_ieq(fields->items[i].name, SPAN("Sec-WebSocket-Extensions"))) {
            continue;
        }
        int rc = ws_deflate_negotiate(fields->items[i].value, window_bits(n), &line);
        if (rc < 0) {
            return rc;
        }
        if (out->kind == WS_DEFLATE_NONE) {
            *out = line;
        }
    }
    return out->kind != WS_DEFLATE_NONE;
}

bool ws_inflate(struct conn *c, enum ws_opcode op, span payload, buf *out, close_reason *why)
{
    struct ws_deflater *d = deflater_of(c->net);
    size_t bytes_max = conn_wire(c)->limits.message_bytes_max;
    ws_inflate_begin(d);
    int rc = ws_inflate_feed(d, payload, bytes_max, out);
    if (rc == 0) {
        rc = ws_inflate_end(d, bytes_max, out);
    }
    if (rc == WS_INFLATE_E_TOO_BIG) {
        *why = CLOSE_TOO_BIG;
    } else if (rc < 0) {
        *why = CLOSE_BAD_DATA;
    } else if (op == WS_OP_TEXT && !utf8_valid(buf_span(out))) {
        *why = CLOSE_BAD_UTF8;
    } else {
        return true;
    }
    return false;
}

enum ws_deflate_kind ws_deflate_kind_of(const struct conn *c)
{
    if (!ws_rest_deflates(c->ws)) {
        return WS_DEFLATE_NONE;
    }
    return c->flags & CONN_SMALL_WINDOW ? WS_DEFLATE_SMALL : WS_DEFLATE_FULL;
}

/* Compresses the frame at `at`; returns where the next one begins. */
static size_t deflate_frame(struct net *n, enum ws_deflate_kind kind, buf *out, size_t at)
{
    struct ws_frame f;
    int head = ws_frame_decode(span_of(out->ptr + at, out->len - at), 0, &f);
    ASSERT(head > 0 && f.len <= out->len - at - (size_t)head);
    size_t end = at + (size_t)head + (size_t)f.len;
    bool whole = f.fin && (f.opcode == WS_OP_TEXT || f.opcode == WS_OP_BINARY);
    if (!whole || f.len < n->limits->ws_deflate_bytes_min) {
        return end;
    }
    buf_clear(&n->packed);
    span payload = span_of(out->ptr + at + head, (size_t)f.len);
    if (!ws_deflate_encode(deflater_of(n), kind, payload, &n->packed)) {
        return end;
    }
    uint8_t bytes[WS_HEAD_BYTES_MAX];
    size_t len = ws_frame_encode_head(bytes, true, (enum ws_opcode)f.opcode, n->packed.len, NULL);
    bytes[0] |= WS_FRAME_RSV1;
    memcpy(out->ptr + at, bytes, len);
    memcpy(out->ptr + at + len, n->packed.ptr, n->packed.len);
    size_t made = at + len + n->packed.len;
    memmove(out->ptr + made, out->ptr + end, out->len - end);
    out->len -= end - made;
    return made;
}

void ws_deflate_frames(struct net *n, enum ws_deflate_kind kind, buf *out, size_t from)
{
    if (kind == WS_DEFLATE_NONE) {
        return;
    }
    for (size_t at = from; at < out->len;) {
        at = deflate_frame(n, kind, out, at);
    }
    if (n->packed.cap > PACKED_KEEP_BYTES) {
        buf_deinit(&n->packed);
    }
}
