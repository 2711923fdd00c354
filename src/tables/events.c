#include "tables/events.h"

#include <stdlib.h>
#include <string.h>

#define P(peer) (1u << PEER_##peer)

static const struct peer_row peers[PEER_COUNT] = {
#define PEER(name, wire, count, burst, text) {#name, wire, count, burst, text},
#include "tables/peers.def"
#undef PEER
};

static const struct event_out_row ordered[EVENT_COUNT] = {
#define E(name, text, to, answer, description)                                                     \
    {text, to, ANSWER_##answer, CLASS_ORDERED, description},
#include "tables/events.def"
};

static const struct event_out_row outs[OUT_COUNT] = {
#define OUT(name, text, to, answer, class, description)                                            \
    {text, to, ANSWER_##answer, CLASS_##class, description},
#include "tables/events.def"
};

static const struct event_in_row ins[IN_COUNT] = {
#define IN(name, text, from, schema, acked, permission, scope, limit, bytes, handler, description) \
    IN_MANY(name, text, from, schema, 0, acked, permission, scope, limit, bytes, handler,          \
            description)
#define IN_MANY(name, text, from, schema, most, acked, permission, scope, limit, bytes, handler,   \
                description)                                                                       \
    {text,                                                                                         \
     from,                                                                                         \
     SCHEMA_##schema,                                                                              \
     most,                                                                                         \
     ANSWER_##acked,                                                                               \
     PERM_##permission,                                                                            \
     EVENT_SCOPE_##scope,                                                                          \
     EVENT_LIMIT_##limit,                                                                          \
     bytes,                                                                                        \
     description},
#include "tables/events.def"
};

const struct peer_row *peer_row(enum event_peer p) { return &peers[p]; }
const struct event_in_row *event_in_row(enum event_in e) { return &ins[e]; }
const struct event_out_row *event_out_row(enum event_out e) { return &outs[e]; }
const struct event_out_row *event_row(enum event e) { return &ordered[e]; }

const char *event_class_name(enum event_class c)
{
    static const char *const names[] = {[CLASS_ORDERED] = "ordered",
                                        [CLASS_DIRECT] = "direct",
                                        [CLASS_STATE] = "state",
                                        [CLASS_EPHEMERAL] = "ephemeral"};
    return names[c];
}

const char *event_name(enum event e) { return ordered[e].name; }
enum event event_spoken(enum event e)
{
    return e == EVENT_COMMAND_RESULT_ISSUER ? EVENT_COMMAND_RESULT
           : e == EVENT_HOME_BROADCAST_SOME ? EVENT_HOME_BROADCAST
                                            : e;
}
const char *event_description(enum event e) { return ordered[e].text; }

bool event_for_some(enum event e)
{
    return e == EVENT_APP_EMIT_SOME || e == EVENT_COMMAND_RESULT_ISSUER ||
           e == EVENT_HOME_BROADCAST_SOME || e == EVENT_CHAT_MESSAGE_UPDATED;
}

bool event_is_chat(enum event e) { return strncmp(ordered[e].name, "chat:", 5) == 0; }

static bool is_name(const char *text, const char *name, size_t len)
{
    return strlen(text) == len && memcmp(text, name, len) == 0;
}

enum event event_by_name(const char *name, size_t len)
{
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        if (is_name(ordered[i].name, name, len)) {
            return (enum event)i;
        }
    }
    return EVENT_COUNT;
}

bool event_is_spoken(enum event_peer peer, const char *name, size_t len)
{
    bool found = false;
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        found = found || ((ordered[i].to & 1u << peer) != 0 && is_name(ordered[i].name, name, len));
    }
    for (unsigned i = 0; i < OUT_COUNT; i++) {
        found = found || ((outs[i].to & 1u << peer) != 0 && is_name(outs[i].name, name, len));
    }
    for (unsigned i = 0; i < IN_COUNT; i++) {
        found = found || ((ins[i].from & 1u << peer) != 0 && is_name(ins[i].name, name, len));
    }
    return found;
}

/* Longer names are nobody's: hashing one costs no more than this. */
#define NAME_BYTES_MAX 64

/* FNV-1a. The names in the index are ours, so nobody can choose collisions. */
static unsigned slot_of(const char *name, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (uint8_t)name[i]) * 16777619u;
    }
    return (h ^ h >> 16) % EVENT_INDEX_SLOTS;
}

_Static_assert(IN_COUNT * 2 <= EVENT_INDEX_SLOTS && IN_COUNT < UINT8_MAX, "the index is too small");

void event_index_init(struct event_index *ix)
{
    memset(ix, 0, sizeof *ix);
    for (unsigned i = 0; i < IN_COUNT; i++) {
        size_t len = strlen(ins[i].name);
        unsigned at = slot_of(ins[i].name, len);
        if (len > NAME_BYTES_MAX) {
            abort(); /* this layer is below base/assert.h */
        }
        ix->first[i] = (uint8_t)i;
        for (; ix->slots[at] != 0; at = (at + 1) % EVENT_INDEX_SLOTS) {
            unsigned other = ix->slots[at] - 1u;
            if (strcmp(ins[other].name, ins[i].name) == 0) {
                ix->first[i] = ix->first[other];
            }
        }
        ix->slots[at] = (uint8_t)(i + 1);
    }
}

enum event_in event_in_find(const struct event_index *ix, enum event_peer peer, const char *name,
                            size_t len)
{
    if (len > NAME_BYTES_MAX) {
        return IN_COUNT;
    }
    for (unsigned at = slot_of(name, len); ix->slots[at] != 0; at = (at + 1) % EVENT_INDEX_SLOTS) {
        unsigned i = ix->slots[at] - 1u;
        if ((ins[i].from & 1u << peer) != 0 && is_name(ins[i].name, name, len)) {
            return (enum event_in)i;
        }
    }
    return IN_COUNT;
}
