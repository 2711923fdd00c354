/* Commands of the pubsub protocol as Socket.IO packets, and what comes back as its answers. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_HEAD_BYTES 64

static _Noreturn void unexpected(const struct client *c, const uint8_t *text, size_t len)
{
    fprintf(stderr, "client %u: unexpected packet %.*s\n", c->index,
            (int)(len < 200 ? len : 200), (const char *)text);
    exit(1);
}

/* 42[ack]["EVENT" and, where there are any, its strings. */
static void queue_event(struct client *c, bool ack, const char *event, const char *room,
                        size_t room_len, const char *data, size_t data_len)
{
    char text[65536 + 2 * PACKET_HEAD_BYTES];
    int n = ack ? snprintf(text, sizeof text, "42%u[\"%s\"", c->ack_next++, event)
                : snprintf(text, sizeof text, "42[\"%s\"", event);
    if (room != NULL) {
        n += snprintf(text + n, sizeof text - (size_t)n, ",\"%.*s\"", (int)room_len, room);
    }
    size_t at = (size_t)n;
    if (data != NULL) {
        memcpy(text + at, ",\"", 2);
        memcpy(text + at + 2, data, data_len);
        text[at + 2 + data_len] = '"';
        at += data_len + 3;
    }
    text[at++] = ']';
    client_queue_frame(c, text, at);
}

void sio_queue(struct client *c, const char *command, size_t len)
{
    const char *rest = command + 2;
    size_t rest_len = len > 2 ? len - 2 : 0;
    if (len > 65536) {
        abort();
    }
    switch (command[0]) {
    case 's':
        queue_event(c, true, "join", rest, rest_len, NULL, 0);
        break;
    case 'p': {
        const char *space = memchr(rest, ' ', rest_len);
        size_t room_len = (size_t)(space - rest);
        queue_event(c, false, "broadcast", rest, room_len, space + 1, rest_len - room_len - 1);
        break;
    }
    case 'e':
        queue_event(c, true, "message-with-ack", NULL, 0, rest, rest_len);
        break;
    case 'i':
        queue_event(c, false, "count", NULL, 0, rest, rest_len);
        break;
    default:
        queue_event(c, true, "counted", NULL, 0, NULL, 0);
    }
}

/* The one string between `at` and the closing bracket. */
static void told(struct pool *p, struct client *c, const uint8_t *text, size_t len, size_t at)
{
    if (len < at + 3 || text[at] != '"' || text[len - 2] != '"' || text[len - 1] != ']') {
        unexpected(c, text, len);
    }
    p->on_text(p, c, text + at + 1, len - at - 3);
}

static void acked(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    uint32_t id = 0;
    size_t at = 2;
    for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
        id = id * 10 + (uint32_t)(text[at] - '0');
    }
    if (id != c->ack_heard++ || at == len || text[at] != '[') {
        unexpected(c, text, len);
    }
    told(p, c, text, len, at + 1);
}

void sio_hear(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    static const char message[] = "42[\"message\",";
    if (len >= sizeof message && memcmp(text, message, sizeof message - 1) == 0) {
        told(p, c, text, len, sizeof message - 1);
    } else if (len > 2 && memcmp(text, "43", 2) == 0) {
        acked(p, c, text, len);
    } else if (len == 1 && text[0] == '2') {
        client_queue_frame(c, "3", 1);
        p->pings++;
    } else if (len > 2 && memcmp(text, "0{", 2) == 0) {
        client_queue_frame(c, "40", 2);
    } else if (len > 3 && memcmp(text, "40{", 3) == 0) {
        p->opened++;
    } else if (len < 8 || memcmp(text, "42[\"auth", 8) != 0) { /* the fixture's greeting */
        unexpected(c, text, len);
    }
}
