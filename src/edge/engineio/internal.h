/*
 * What the files of edge/engineio share: one loop's sessions and their deadlines.
 *
 *              handshake polling             handshake websocket
 *                     |                               |
 *                  POLLING --probe--> PROBING         |
 *                     ^   <--failed--    | 5          |
 *                     |                  v            v
 *                     |               UPGRADED     (no struct eio_polling)
 *                     +--- GETs: get != NULL while one waits
 *
 * engine.c    requests: which app, which session, which loop, or why not
 * session.c   sessions: opening, packets in, packets out, the end
 * websocket.c sessions on a WebSocket
 * polling.c   GET and POST
 * upgrade.c   from polling to a WebSocket
 * farewell.c  what a polling client still finds after the end
 * beat.c      deadlines
 */
#ifndef SB_EDGE_ENGINEIO_INTERNAL_H
#define SB_EDGE_ENGINEIO_INTERNAL_H

#include "edge/engineio/engine.h"
#include "net/detached.h"
#include "net/ws.h"

#define EIO_APPS_MAX 4

/* struct eio's state. */
enum eio_state {
    EIO_STATE_OPENING, /* on_open runs: what the app sends waits in engine.early */
    EIO_STATE_OPEN,
    EIO_STATE_ENDING, /* the peer has ended it or broken a rule: there is no farewell */
};

/* What answers say about a request that was refused (engine.io: Server.errors). */
enum eio_refusal {
    EIO_UNKNOWN_TRANSPORT,
    EIO_UNKNOWN_SID,
    EIO_BAD_METHOD,
    EIO_BAD_REQUEST,
    EIO_FORBIDDEN,
    EIO_BAD_VERSION,
    EIO_FINE,
};

/* One app on one loop. */
struct eio_slot {
    const struct eio_app *app;
    struct ws_wire ws; /* its sessions' WebSockets, probes too; user is the session, or NULL */
    struct detached_wire polling; /* its sessions' records; user is the session */
};

/* A GET that waits, and what it is going to be answered. */
struct poll {
    struct list link;       /* in engine.answers while there is an answer */
    struct rest_call *get;  /* rest_wait: the call's user is this; NULL: none waits */
    struct eio *session;    /* NULL: it has ended */
    buf out;                /* a payload of revision 4 */
    bool v3;                /* which it leaves as, */
    bool b64;               /* without bytes that are no text */
};

enum eio_step { EIO_POLLING, EIO_PROBING, EIO_UPGRADED };

/* A session that began with polling. */
struct eio_polling {
    struct poll poll;
    struct conn *ws;       /* the WebSocket that probes, or the carrier; NULL: none */
    struct eio_due upgrade; /* in engine.upgrades while it probes */
    struct rest_call *second; /* a GET that came while another one waited; NULL: none */
    struct eio_due overlap;   /* in engine.overlaps with it */
    uint8_t step;          /* enum eio_step */
    bool probed;           /* the probe was answered: GETs are sent away at once */
    bool collecting;       /* what the hub has goes to poll.out, whoever waits */
};

/* What a session that ended leaves to its polling client. */
struct farewell {
    struct poll poll;
    struct map_node by_sid;
    struct eio_due due; /* in engine.farewells while no GET has come */
    bool owes_close;    /* the messages go first, `1` with the GET after */
    bool probed;        /* its client may upgrade instead of asking: */
    bool upgraded;      /* or has */
    struct conn_ref ws; /* with `probed` */
    close_reason reason; /* why it ended, for that WebSocket */
    uint8_t sid[EIO_SID_LEN];
};

/* All of Engine.IO on one loop. */
struct engine {
    struct edge *edge; /* borrowed */
    struct eio_slot slots[EIO_APPS_MAX];
    unsigned slot_count;
    struct map sessions; /* struct eio by sid */
    /* Queues of struct eio_due. Intervals are the same for all sessions, so a new one goes to the
     * end, and one timer serves the heads. */
    struct list pings;
    struct list pongs;   /* awaited; of revision 3, pings */
    struct timer timer;
    struct list upgrades;
    struct list farewells;
    struct list overlaps;
    struct list holds; /* WebSockets of revision 3 before their first packet */
    struct map farewells_by_sid;
    size_t farewell_bytes;
    struct list answers; /* struct poll: what leaves at the end of the turn */
    struct loop_hook turn_end;
    const struct rest_call *posting; /* the POST whose packets are being read */
    uint64_t timer_ms;   /* when it fires, while it runs */
    uint32_t ping_ms;    /* as of the start: what clients were told stays true */
    uint32_t timeout_ms;
    uint32_t payload_bytes_max;
    struct eio *current; /* whose packets are being read; NULL once it has gone */
    buf early;           /* what an app sends before its session's handshake is answered */
};

static inline struct engine *engine_of(const struct eio *s) { return eio_edge(s)->engine; }

/* --- engine.c --- */

/* Answers as the reference does: JSON, or text to a WebSocket handshake. Counts `why`, a static
 * label, unless it is NULL. */
void eio_refuse(struct rest_call *c, enum eio_refusal code, const char *why);
/* Counts something that was refused. */
void eio_count_refused(struct edge *e, const char *why);

/* --- session.c --- */

/* A session's memory and id, not yet in the directory. */
struct eio *session_new(struct engine *g, const struct eio_slot *slot, bool v3);
void session_free(struct eio *s);
/* Into the directory and the queues, counted and logged. */
void session_begin(struct engine *g, struct eio *s);
/* The app's end, the hub's, the directory's; frees it, but not its struct eio_polling. For on_close
 * of the member's wire. */
void session_end(struct eio *s, close_reason reason);
struct eio *session_find(const struct engine *g, span sid);
/* Appends {"sid":...} as an open packet's data. */
void session_hello(const struct engine *g, const struct eio *s, buf *out);
/* One packet from the client. It may end the session: see engine.current. */
void session_packet(struct eio *s, const struct eio_packet *p);
/* Sends what the app said in on_open (engine.early). */
void session_early(struct engine *g, struct eio *s);
/* Sends a packet that is no message. */
void session_control(struct eio *s, enum eio_type type, span data);
/* The client broke a rule: logged, counted, closed without a farewell. */
void session_violation(struct eio *s, close_reason reason, const char *why);

/* How messages to it are compressed. */
enum ws_deflate_kind session_deflate(const struct eio *s);
/* Appends a packet that is no message as a WebSocket gets it. */
void session_put_control(buf *out, enum eio_type type, span data);

/* --- beat.c --- */

/* Takes the times of the settings. */
void beat_init(struct engine *g);
/* Stops the timer. */
void beat_deinit(struct engine *g);
/* Does what is due. Also before each request: who is late is gone, whoever comes first. */
void beat_run(struct engine *g);
/* A session opens: the first ping is due, or (revision 3) awaited, after an interval. */
void beat_begin(struct engine *g, struct eio *s);
/* A pong, or the ping of revision 3. */
void beat_heard(struct engine *g, struct eio *s);
void beat_end(struct eio *s);
/* Puts a deadline so many milliseconds from now into a queue. */
void beat_put(struct engine *g, struct list *queue, struct eio_due *d, uint32_t in_ms);

/* --- websocket.c --- */

/* Fills slot->ws for slot->app. */
void websocket_slot_init(struct engine *g, struct eio_slot *slot);
/* The handshake of a new session. */
void websocket_open(struct engine *g, struct rest_call *c, struct eio_slot *slot, bool v3);

/* It is time for the first packet of a WebSocket of revision 3. */
void websocket_release(struct engine *g, struct eio_due *d);
/* At the end: frees those that wait for that. */
void websocket_deinit(struct engine *g);

/* --- upgrade.c --- */

/* A WebSocket handshake with the id of a session. */
void upgrade_open(struct rest_call *c, struct eio_slot *slot, struct eio *s);
/* A frame of the WebSocket before it carries the session. */
void upgrade_message(struct eio *s, enum ws_opcode op, span payload);
/* The session's WebSocket has gone. */
void upgrade_closed(struct eio *s, close_reason reason);
/* It took too long. */
void upgrade_expired(struct engine *g, struct eio_due *d);

/* Appends the messages of a payload of revision 4 as frames; of other packets only with
 * `controls`. */
void upgrade_frames(bool v3, bool controls, buf *payload, buf *frames);
/* Sends whole frames. */
void upgrade_send(struct conn *ws, buf *frames);

/* --- polling.c --- */

/* Fills slot->polling for slot->app. */
void polling_slot_init(struct eio_slot *slot);
/* The handshake of a new session. */
void polling_open(struct engine *g, struct rest_call *c, struct eio_slot *slot, bool v3);
/* A request with its id. */
void polling_request(struct eio *s, struct rest_call *c);
/* Whoever waits is answered with what has come together, at the end of the turn. */
void polling_answer(struct engine *g, struct poll *q);
/* The same, with a noop if nothing has: a client that upgrades stops polling. */
void polling_send_away(struct eio *s);
/* Two GETs it is: nobody has given one of them up. */
void polling_overlap(struct engine *g, struct eio_due *d);
/* Everything that the hub has for the session is in poll.out afterwards. */
void polling_collect(struct eio *s);

/* --- farewell.c --- */

/* Makes the queues and the hook that answers GETs. */
void farewell_init(struct engine *g);
/* Frees what nobody has come for. */
void farewell_deinit(struct engine *g);
/* For a session about to end; farewell_begin follows. */
struct farewell *farewell_new(const struct eio *s);
/* Takes over what a session leaves in `q`: answers the GET that waits, with `last` as its last
 * packet (a noop only if there is none), or keeps it for the next one for so long (0: only who
 * waits is told). */
void farewell_begin(struct engine *g, struct farewell *f, struct poll *q, enum eio_type last,
                    uint32_t keep_ms);
/* That of a session, or NULL. */
struct farewell *farewell_find(const struct engine *g, span sid);
/* The WebSocket of a probe that was answered: its client may have stopped polling for ever, and
 * then says `5` there. It is told there, too, and closed with the farewell. Before
 * farewell_begin. */
void farewell_probe(struct farewell *f, struct conn *ws, close_reason reason);
/* A frame of a WebSocket without a session. */
void farewell_frame(struct engine *g, struct conn *ws, enum ws_opcode op, span payload);
/* A request with the id of a session that has ended. */
void farewell_request(struct engine *g, struct farewell *f, struct rest_call *c);
/* Nobody came for it. */
void farewell_expired(struct engine *g, struct eio_due *d);
/* For rest_wait, with a struct poll: the peer has gone. */
void poll_abandoned(struct rest_call *c);

#endif
