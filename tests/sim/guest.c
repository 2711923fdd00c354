/* See guest.h. */
#include "sim/guest.h"

#include "base/buf.h"

#include <stddef.h>
#include <string.h>

/* RFC 6455 1.3's example. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void guest_join(struct guest *g, struct sim *s, unsigned port, const char *target,
                const char *fields)
{
    *g = (struct guest){.client = sim_connect(s, port), .sim = s};
    SIM_CHECK(g->client != NULL);
    buf out = {0};
    buf_printf(&out,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
               "Sec-WebSocket-Version: 13\r\n%s\r\n",
               target, port, fields);
    sim_client_send(g->client, buf_span(&out));
    buf_deinit(&out);
}

void guest_send(struct guest *g, unsigned opcode, span payload)
{
    buf out = {0};
    buf_append_byte(&out, (uint8_t)(0x80 | opcode));
    if (payload.len < 126) {
        buf_append_byte(&out, (uint8_t)(0x80 | payload.len));
    } else if (payload.len < 65536) {
        buf_append_byte(&out, 0x80 | 126);
        buf_append_byte(&out, (uint8_t)(payload.len >> 8));
        buf_append_byte(&out, (uint8_t)payload.len);
    } else {
        buf_append_byte(&out, 0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) {
            buf_append_byte(&out, (uint8_t)((uint64_t)payload.len >> shift));
        }
    }
    uint8_t mask[4];
    uint64_t random = sim_random_next(sim_random(g->sim));
    memcpy(mask, &random, sizeof mask);
    buf_append(&out, mask, sizeof mask);
    for (size_t i = 0; i < payload.len; i++) {
        buf_append_byte(&out, payload.ptr[i] ^ mask[i % 4]);
    }
    sim_client_send(g->client, buf_span(&out));
    buf_deinit(&out);
}

/* Reads the answer to the handshake once its head is whole. */
static bool read_head(struct guest *g)
{
    span in = sim_client_received(g->client);
    const uint8_t *end = in.len == 0 ? NULL : memmem(in.ptr, in.len, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    size_t len = (size_t)(end - in.ptr) + 4;
    span version = SPAN("HTTP/1.1 ");
    SIM_CHECK(len > 12 && span_starts(in, version));
    uint64_t status;
    SIM_CHECK(span_u64(span_slice(in, version.len, 3), 599, &status));
    g->status = (int)status;
    if (status == 101) {
        SIM_CHECK(memmem(in.ptr, len, ACCEPT, sizeof ACCEPT - 1) != NULL);
        g->open = true;
    }
    sim_client_consume(g->client, len);
    return g->open;
}

bool guest_next(struct guest *g, unsigned *opcode, span *payload)
{
    if (g->client == NULL) {
        return false;
    }
    sim_client_consume(g->client, g->used);
    g->used = 0;
    if (!g->open && (g->status != 0 || !read_head(g))) {
        return false;
    }
    span in = sim_client_received(g->client);
    if (in.len < 2) {
        return false;
    }
    SIM_CHECK((in.ptr[0] & 0x70) == 0 && (in.ptr[1] & 0x80) == 0);
    size_t head = in.ptr[1] < 126 ? 2 : in.ptr[1] == 126 ? 4 : 10;
    if (in.len < head) {
        return false;
    }
    uint64_t len = head == 2 ? in.ptr[1] : 0;
    for (size_t i = 2; i < head; i++) {
        len = len << 8 | in.ptr[i];
    }
    SIM_CHECK(len >= (head == 2 ? 0 : head == 4 ? 126 : 65536));
    if (in.len - head < len) {
        return false;
    }
    *opcode = in.ptr[0] & 0x0f;
    *payload = span_slice(in, head, (size_t)len);
    g->used = head + (size_t)len;
    return true;
}

bool guest_over(struct guest *g)
{
    return g->client == NULL ||
           (sim_client_ended(g->client) && sim_client_received(g->client).len == g->used);
}

void guest_leave(struct guest *g, bool hard)
{
    if (g->client == NULL) {
        return;
    }
    if (hard) {
        sim_client_abort(g->client);
    } else {
        sim_client_close(g->client);
    }
    g->client = NULL;
}
