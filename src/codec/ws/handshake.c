/* RFC 6455 4.2: what a server checks in a client's handshake, and what a client in the answer. */
#include "codec/ws/handshake.h"

#include "base/base64.h"

#define KEY_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* 1.3 */
#define KEY_BYTES 16
#define SHA1_BYTES 20

bool ws_list_has(span list, span token)
{
    while (list.len > 0) {
        if (span_ieq(span_trim(span_cut(&list, ',')), token)) {
            return true;
        }
    }
    return false;
}

bool ws_subprotocol_offered(span list, span name)
{
    while (list.len > 0) {
        if (span_eq(span_trim(span_cut(&list, ',')), name)) {
            return true;
        }
    }
    return false;
}

bool ws_subprotocol_bearer(span list, span *token)
{
    *token = SPAN_NONE;
    while (list.len > 0) {
        if (span_eq(span_trim(span_cut(&list, ',')), SPAN(WS_SUBPROTOCOL_BEARER))) {
            *token = span_trim(span_cut(&list, ','));
            return token->len > 0;
        }
    }
    return false;
}

static bool key_valid(span key)
{
    uint8_t bytes[WS_KEY_LEN / 4 * 3 + 3];
    return key.len == WS_KEY_LEN && base64_decode(key, bytes) == KEY_BYTES;
}

int ws_handshake_check(const struct ws_handshake *h)
{
    if (!ws_list_has(h->upgrade, SPAN("websocket")) ||
        !ws_list_has(h->connection, SPAN("upgrade"))) {
        return WS_HANDSHAKE_E_UPGRADE;
    }
    if (!span_eq(span_trim(h->version), SPAN("13"))) {
        return WS_HANDSHAKE_E_VERSION;
    }
    if (!key_valid(span_trim(h->key))) {
        return WS_HANDSHAKE_E_KEY;
    }
    return 0;
}

void ws_accept_make(span key, ws_sha1 sha1, char out[WS_ACCEPT_LEN])
{
    uint8_t text[WS_KEY_LEN + sizeof KEY_GUID - 1];
    uint8_t digest[SHA1_BYTES];
    key = span_trim(key);
    ASSERT(key.len == WS_KEY_LEN);
    memcpy(text, key.ptr, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, KEY_GUID, sizeof KEY_GUID - 1);
    sha1(text, sizeof text, digest);
    size_t n = base64_encode(span_of(digest, sizeof digest), out);
    ASSERT(n == WS_ACCEPT_LEN);
}

void ws_key_make(const uint8_t entropy[16], char out[WS_KEY_LEN])
{
    size_t n = base64_encode(span_of(entropy, KEY_BYTES), out);
    ASSERT(n == WS_KEY_LEN);
}

bool ws_accept_check(span accept, span key, ws_sha1 sha1)
{
    char expected[WS_ACCEPT_LEN];
    ws_accept_make(key, sha1, expected);
    return span_eq(span_trim(accept), span_of(expected, sizeof expected));
}
