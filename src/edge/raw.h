/*
 * What the raw WebSocket wires share, whose frames are JSON objects {type,data,...}: /ws
 * (edge/home/) and the Monitor wire (edge/monitor/).
 *
 *     raw_admit     what a client shows: since, session             before the upgrade
 *     raw_claimed   the session that it has back, or not            before the upgrade, later
 *     raw_message   a frame that it says, to its handler
 *     raw_frame     a frame that it is sent
 *     raw_change    its session has changed
 *
 * A wire keeps its client in memory of its own and says here in a const struct how its frames
 * differ. Everything on the connection's loop.
 */
#ifndef SB_EDGE_RAW_H
#define SB_EDGE_RAW_H

#include "domain/identity.h"
#include "edge/dispatch.h"
#include "edge/rest/rest.h"
#include "edge/resume.h"

/* How the frames of a wire are written. */
struct raw_wire {
    enum stats_wire stats; /* counted and logged as these */
    enum frame ok;         /* answers a request by its id */
    void (*format_time)(int64_t epoch_ms, char *text); /* time_format_ms or time_format_s */
    bool stamped;          /* beside the data of each stands when it left: `timestamp` */
};

/* --- admission --- */

/* How somebody is let in; while it waits it lies in the call's arena. All is borrowed. */
struct raw_admission {
    struct rest_call *call;
    struct edge *edge;
    uuid principal;
    struct resume_ask ask;
    bool claimed;    /* it has a session back */
    struct pos kept; /* with which it was kept */
    span state;      /* JSON, as it was kept: the wire's own */
};

/* Fills *a by the call and its query. False: answered, 426 without an upgrade and 400 with a
 * `since` that is no position. */
bool raw_admit(struct rest_call *c, struct raw_admission *a) MUST_CHECK;
/* Whether it shows a session that may be claimed (resume_claim); only a principal has one. */
bool raw_may_claim(const struct raw_admission *a);
/* From resume_claim's `done`, with a copy of what waited: the call, and what it owns, ends at the
 * upgrade. The call goes on, and a->state points into *state, which is the caller's to deinit once
 * the client is open. False: the call has gone; give back what was taken. */
bool raw_claimed(struct raw_admission *a, const struct recovery_result *r, buf *state) MUST_CHECK;
/* The session that was claimed may be claimed again, and nobody has it here; harmless without. */
void raw_give_back(struct raw_admission *a);

/* --- what a client says --- */

/* One message, from its bytes to its handler. Of *in the wire has filled what it knows of the peer
 * (wire, peer, kind, grant, device, buckets); what the connection knows is filled here, and `parse`
 * reads the envelope into name, data and id, or says with raw_bad why not. The connection may be
 * closed and the peer's memory gone then. */
void raw_message(struct conn *c, span payload, struct event_call *in,
                 void (*parse)(struct event_call *in, span payload));
/* The frame cannot be read. Both texts outlive the call; `member` NULL or empty is the wire's. */
void raw_bad(struct event_call *in, const char *member, const char *why);
/* `type` of the frame becomes the call's name; false: it is bad. */
bool raw_type(struct event_call *in, span root) MUST_CHECK;
/* As in struct event_wire; the peer is the user of its WebSocket. */
void raw_flooding(const struct event_call *in);
bool raw_again(struct event_call *in);

/* --- what a client is sent --- */

/* A frame that is being written; between its opening and its end the caller adds members. It stays
 * where it is, for the writer points to its bytes. */
struct raw_frame {
    struct json_writer w;
    buf out;
    const struct raw_wire *wire;
    struct conn *conn;
};
/* {"type":... to a connection of the wire; counted and logged. */
void raw_frame_begin(struct raw_frame *f, const struct raw_wire *wire, struct conn *c,
                     enum frame type);
/* Ends the object and sends it; its memory is given back. */
void raw_frame_end(struct raw_frame *f, enum blob_class cls);
/* The same with "data":{ begun, and ended, with the wire's timestamp behind it. */
void raw_frame_open(struct raw_frame *f, const struct raw_wire *wire, struct conn *c,
                    enum frame type);
void raw_frame_close(struct raw_frame *f, enum blob_class cls);
/* Members: a time as the wire writes it, a position as text. */
void raw_member_time(struct raw_frame *f, const char *name, int64_t epoch_ms);
void raw_member_pos(struct raw_frame *f, const char *name, struct pos p);

/* {from,to}: the ordered events between the two are not kept any more. */
void raw_gap(const struct raw_wire *wire, struct conn *c, struct pos from, struct pos to);
/* What ping is answered with. */
void raw_pong(const struct raw_wire *wire, struct conn *c);
/* {id,ok:true,members...} of type wire->ok; nothing without an id. `members` is JSON members
 * without braces, or empty. */
void raw_ok(const struct raw_wire *wire, struct conn *c, span id, span members);

/* --- rights --- */

/* From session.on_change; `c` NULL: there is no connection yet. What ends the session closes it, a
 * token that is about to end is told. True: it is open and its rights are other ones, which have
 * been counted; the wire judges what they still allow. */
bool raw_change(const struct raw_wire *wire, struct conn *c, const struct session *s,
                enum session_change change) MUST_CHECK;

#endif
