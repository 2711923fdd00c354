#include "home_peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX 5000

void peer_hear(struct peer *p)
{
    world_turn(p->world);
    ssize_t got = recv(p->fd, buf_reserve(&p->in, 65536), 65536, MSG_DONTWAIT);
    p->ended = p->ended || got == 0;
    p->in.len += got > 0 ? (size_t)got : 0;
}

/* The next whole frame of the server, if it is there: its payload into p->text. */
static bool take_frame(struct peer *p)
{
    span in = span_slice(buf_span(&p->in), p->at, p->in.len);
    if (in.len < 2) {
        return false;
    }
    size_t head = 2, len = in.ptr[1] & 0x7f;
    if (len == 126 && in.len >= 4) {
        len = (size_t)in.ptr[2] << 8 | in.ptr[3];
        head = 4;
    }
    if (in.len < head + len) {
        return false;
    }
    assert_true(len < sizeof p->text);
    memcpy(p->text, in.ptr + head, len);
    p->text[len] = '\0';
    if ((in.ptr[0] & 0x0f) == WS_OP_CLOSE) {
        p->code = len >= 2 ? (unsigned)in.ptr[head] << 8 | in.ptr[head + 1] : 1005;
    }
    p->at += head + len;
    return true;
}

const char *peer_next(struct peer *p)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        if (take_frame(p)) {
            return p->text;
        }
        peer_hear(p);
    }
    fail_msg("nothing came");
    return "";
}

unsigned peer_closed(struct peer *p)
{
    for (unsigned i = 0; i < TURNS_MAX && p->code == 0; i++) {
        if (!take_frame(p)) {
            peer_hear(p);
        }
    }
    return p->code;
}

bool peer_is_there(const char *text, const char *part) { return strstr(text, part) != NULL; }

void peer_expect(struct peer *p, const char *part)
{
    const char *text = peer_next(p);
    if (!peer_is_there(text, part)) {
        fail_msg("%s is not in %s", part, text);
    }
}

struct peer peer_connect(struct world *w, const char *query, const char *lines)
{
    char request[8192];
    snprintf(request, sizeof request, "GET /ws%s HTTP/1.1\r\n" PEER_HOST_LINE PEER_UPGRADE "%s\r\n",
             query, lines);
    struct peer p = {.world = w, .fd = world_send(w, request)};
    const uint8_t *end = NULL;
    for (unsigned i = 0; i < TURNS_MAX && end == NULL; i++) {
        peer_hear(&p);
        end = p.in.len == 0 ? NULL : memmem(p.in.ptr, p.in.len, "\r\n\r\n", 4);
    }
    assert_non_null(end);
    assert_memory_equal(p.in.ptr, "HTTP/1.1 101 ", 13);
    p.at = (size_t)(end - p.in.ptr) + 4;
    peer_expect(&p, "{\"type\":\"connection\",\"data\":{\"status\":\"connected\",\"client_id\":\"");
    return p;
}

static uint64_t sockets(const struct world *w)
{
    return atomic_load(&w->edge.stats.open[STATS_HOME][STATS_CLIENT]);
}

void peer_leave(struct peer *p)
{
    uint64_t before = sockets(p->world);
    bool closed = p->code != 0; /* the server knows already */
    close(p->fd);
    buf_deinit(&p->in);
    for (unsigned i = 0; i < TURNS_MAX && !closed && sockets(p->world) == before; i++) {
        world_turn(p->world);
    }
}

buf peer_frame(enum ws_opcode op, span payload)
{
    buf out = {0};
    buf_append_byte(&out, (uint8_t)(0x80 | op));
    if (payload.len < 126) {
        buf_append_byte(&out, (uint8_t)(0x80 | payload.len));
    } else {
        buf_append_byte(&out, 0x80 | 126);
        buf_append_byte(&out, (uint8_t)(payload.len >> 8));
        buf_append_byte(&out, (uint8_t)payload.len);
    }
    buf_append(&out, "\0\0\0", 4);
    buf_append_span(&out, payload);
    return out;
}

void peer_say_as(struct peer *p, enum ws_opcode op, span payload)
{
    buf out = peer_frame(op, payload);
    assert_int_equal(send(p->fd, out.ptr, out.len, MSG_NOSIGNAL), out.len);
    buf_deinit(&out);
}

void peer_say(struct peer *p, const char *text) { peer_say_as(p, WS_OP_TEXT, span_str(text)); }

const char *peer_member(const struct peer *p, const char *name)
{
    static char value[512];
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    const char *at = strstr(p->text, wanted);
    assert_non_null(at);
    at += strlen(wanted);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\""), at);
    return value;
}
