/*
 * An immutable published message: payload, class, topic position. Refcounted (the only
 * refcounted thing in the program): one reference a loop, taken by the poster; within a loop a
 * plain count. The payload is canonical JSON; each wire wraps it in its own envelope once a loop.
 */
#ifndef SB_HUB_BLOB_H
#define SB_HUB_BLOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

enum blob_class {
    BLOB_ORDERED,   /* never dropped: an overflowing queue closes 1013 */
    BLOB_STATE,     /* newest value of its key wins for a slow reader; merges are counted */
    BLOB_EPHEMERAL, /* best effort: dropped for a slow reader */
};

struct blob {
    _Atomic uint32_t refs;
    uint8_t class;      /* enum blob_class */
    bool some;          /* only for those of a topic's members whom hub_sink.wants names; set
                           before it is published. Of what is logged: event_for_some() */
    bool own;           /* it may say something else to one member, whom hub_sink.own names; set
                           before it is published. Of what is logged: event_is_chat() */
    bool barrier;       /* STATE: in an outbox no later value takes the place of one that is in
                           front of it: a snapshot that says both is between them */
    uint16_t event;     /* what it is, for the wire's envelope: the publisher's row number */
    uint64_t state_key; /* STATE: equal keys replace each other in a queue. 0: those of
                           one topic and event; direct messages never */
    int64_t time_ms;    /* epoch ms when it was made */
    uint64_t pos;       /* its number in the log: then `event` is a row of tables/events.def, and
                           the wire shows both (hub/journal.h). 0: it is not logged */
    uuid id;            /* of what is logged: by it a client knows doubles; else nil */
    uint32_t made_us;   /* monotonic, modulo 2^32: when the message of which it was made came in;
                           0: not known, and its delivery is not measured */
    uint32_t len;
    uint8_t payload[];  /* len bytes */
};

/* A blob with one reference, owned by the caller; the payload is copied. */
struct blob *blob_new(enum blob_class cls, uint16_t event, int64_t time_ms, span payload);
struct blob *blob_ref(struct blob *b);
/* Frees the blob with its last reference. Any thread. */
void blob_unref(struct blob *b);
static inline span blob_payload(const struct blob *b) { return span_of(b->payload, b->len); }

#endif
