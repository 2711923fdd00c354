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
 * websocket.c sessions that are a WebSocket, and upgrades of the others
 * polling.c   GET and POST
 * farewell.c  what a polling client still finds after the end
 * beat.c      deadlines
 */
#ifndef SB_EDGE_ENGINEIO_INTERNAL_H
#define SB_EDGE_ENGINEIO_INTERNAL_H

#include "edge/engineio/engine.h"
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
 * label. */
void eio_refuse(struct rest_call *c, enum eio_refusal code, const char *why);
/* Counts something that was refused. */
void eio_count_refused(struct edge *e, const char *why);

/* --- session.c --- */

/* A session's memory and id, not yet in the directory. */
struct eio *session_new(struct engine *g, const struct eio_slot *slot, bool v3);
void session_free(struct eio *s);
/* Into the directory and the queues, counted and logged. */
void session_begin(struct engine *g, struct eio *s);
/* The app's end, the hub's, the directory's; frees it. For on_close of the member's wire. */
void session_end(struct eio *s, close_reason reason);
struct eio *session_find(const struct engine *g, span sid);
/* Appends {"sid":...} as an open packet's data. */
void session_hello(const struct engine *g, const struct eio *s, buf *out);
/* One packet from the client. It may end the session: see engine.current. */
void session_packet(struct eio *s, const struct eio_packet *p);
/* Sends a packet that is no message. */
void session_control(struct eio *s, enum eio_type type, span data);
/* The client broke a rule: logged, counted, closed without a farewell. */
void session_violation(struct eio *s, close_reason reason, const char *why);

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

/* --- websocket.c --- */

/* Fills slot->ws for slot->app. */
void websocket_slot_init(struct engine *g, struct eio_slot *slot);
/* The handshake of a new session. */
void websocket_open(struct engine *g, struct rest_call *c, struct eio_slot *slot, bool v3);

#endif
