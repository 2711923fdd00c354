/*
 * Chat in the namespace "/" (CONTRACT 5), beside devices (product.h):
 *
 *     chat_envelope.c  the argument of every event, both ways; what the log keeps of one
 *     chat_answer.c    acks and chat:error
 *     chat_request.c   a request on its way to its answer
 *     chat_call.c      events whose names begin `chat:`, to dispatch; rates
 *     chat_events.c    handlers of rooms, messages and cursors; files, robots and escalations have
 *                      files of their own
 *     chat_socket.c    the rooms of a socket: subscribed, told, dropped, recovered
 *     chat_rooms.c     each of them: what was missed, then live
 *
 * A handler of an IN row of chat begins a request and hands it to the domain:
 *
 *     void event_chat_leave(struct event_call *in, const struct shape_chat_room_ref *p)
 *     {
 *         struct chat_request *r = chat_request_new(in, NULL);
 *         chat_leave(in->edge->home, p->roomId, &r->who, &r->origin, chat_request_done, r);
 *     }
 *
 * What is wrong before that is refused with event_refuse, as everywhere.
 */
#ifndef SB_EDGE_SOCKETIO_CHAT_H
#define SB_EDGE_SOCKETIO_CHAT_H

#include "domain/chat.h"
#include "edge/dispatch.h"
#include "edge/socketio/socketio.h"
#include "loop/addr.h"

#define CHAT_VERSION "1.0"
/* What PROTOCOL_ERROR says in its details. */
#define CHAT_SUPPORTED "\"supported\":[\"" CHAT_VERSION "\"]"
/* Bytes of a requestId of CHAT_REQUEST_ID_MAX characters. */
#define CHAT_REQUEST_ID_BYTES_MAX (CHAT_REQUEST_ID_MAX * 4)

/* --- the envelope: {event,data,requestId?,version:"1.0"} (chat_envelope.c); pure --- */

struct chat_envelope {
    span data;          /* borrowed from the argument: JSON of whatever type, or empty */
    span request_id;    /* unescaped; empty: none */
    const char *bad;    /* static text: why it is no envelope of ours; NULL: it is */
    const char *member; /* of it */
};
/* Reads the argument of an event of that name. One with a string `version` and an object `data` is
 * an envelope, anything else is the data itself. `arg` is JSON that was accepted, or empty. The
 * arena takes what had to be unescaped. Fuzz target: chat_envelope_fuzz.c. */
struct chat_envelope chat_envelope_read(span arg, span name, struct arena *arena);
/* Appends {"event":name,"data":data,"version":...}; `more`: members to add to data (which must be
 * an object then), without braces; request_id is unescaped, empty: none. */
void chat_envelope_put(buf *out, span name, span data, span more, span request_id);

/* What the log keeps of an event of chat: [payload], or [payload,"sid","requestId"] of a result
 * whose requester is to hear it with the requestId (domain: chat_event_step). */
struct chat_stored {
    span payload;    /* JSON */
    span sid;        /* empty: nobody asked for it */
    span request_id; /* unescaped */
};
struct chat_stored chat_stored_of(span data, struct arena *arena);
/* The payload alone, which has nothing about who asked: for wires without requests. O(1) when
 * nobody did. */
span chat_stored_payload(span data);
/* The seq of the message that it is about; 0: of none. O(its members). */
int64_t chat_stored_seq(span data);

/* --- events (chat_call.c) --- */

/* Whether a name is one of chat: all that begin so are answered in its form. */
bool chat_is_name(span name);
/* From the namespace's on_event, of such a name. May free the socket. */
void chat_event(struct sio_socket *s, const struct sio_event *ev);

/* --- answers (chat_answer.c) --- */

/* As on chat's wire: "ROOM_ACCESS_DENIED". Of static duration. */
const char *chat_error_code(err e);
/* Whether trying again may help. */
bool chat_error_recoverable(err e);
/* {code,message,details,recoverable} without braces, to an object that is open. Of
 * ERR_ROOM_ACCESS_DENIED nothing is said that tells a room that is not there from one that is not
 * theirs. `protocol`: the envelope was wrong, PROTOCOL_ERROR. */
void chat_error_members(struct json_writer *w, const struct event_refusal *r, bool protocol);

/* The ack {ok:true,requestId?,members...}; nothing when none is wanted. */
void chat_answer_ok(struct edge *e, const struct sio_answer *to, span request_id, span members);
/* chat:error in the envelope; counts nothing. request_id empty: none. */
void chat_say_error(struct sio_socket *s, span request_id, const struct event_refusal *r,
                    bool protocol);
/* The ack {ok:false,requestId?,error}, or without an ack id chat:error; one error more. */
void chat_answer_refusal(struct edge *e, const struct sio_answer *to, span request_id,
                         const struct event_refusal *r, bool protocol);

/* --- requests (chat_request.c) --- */

/* One event of a peer between its handler and its answer. Owned by whoever answers: each of the
 * three below answers and frees it. It may outlive its socket; then nobody is told. On its loop. */
struct chat_request {
    struct edge *edge;
    struct chat_who who;       /* for the domain; its spans are the request's */
    struct chat_origin origin; /* likewise */
    /* Members of the ack besides r->members; NULL: none. */
    void (*ok)(const struct chat_result *r, struct json_writer *w);
    struct sio_answer to;
    uuid room;                 /* for the handler's own use */
    void *user;                /* likewise */
    char address[ADDR_TEXT_MAX];
    uint8_t sid[EIO_SID_LEN];
    uint8_t request_id[];
};
struct chat_request *chat_request_new(const struct event_call *in,
                                      void (*ok)(const struct chat_result *r,
                                                 struct json_writer *w));
/* A chat_done; `owner` is the request. */
void chat_request_done(void *owner, const struct chat_result *r);
/* `members` is JSON members without braces, or empty. */
void chat_request_ok(struct chat_request *r, span members);
void chat_request_refuse(struct chat_request *r, const struct event_refusal *why);

/* "name":"<uuid>" of an object that is open. */
void chat_member_uuid(struct json_writer *w, const char *name, uuid id);

/* A value that is binary: an attachment's placeholder, or text of base64 (either alphabet), which
 * the call's arena takes. False: it is neither. Only chat:file:upload comes with attachments; all
 * others were refused with them, and the row's size counts them. */
bool chat_bytes(const struct event_call *in, span value, span *out) MUST_CHECK;

/* Sends an event to one socket in the envelope: `data` is an object, request_id unescaped or
 * empty. Ordered. */
void chat_emit(struct sio_socket *s, span name, span data, span request_id);

/* --- hub_sink.wants of a message that was changed (chat_rooms.c) --- */

/* Whether it says that, as the log has it. */
bool chat_is_changed(const struct blob *b);
/* A guest hears of what came after it. Of a member that is an Engine.IO session. */
bool chat_wants(struct edge *e, uint32_t member, const struct blob *b);

/* --- a socket's own (chat_socket.h) --- */

/* sio_nsp_ops of the same names. */
void chat_connect(struct sio_socket *s);
void chat_disconnect(struct sio_socket *s);
void chat_rights(struct sio_socket *s);
void chat_closing(struct sio_socket *s, close_reason reason);
void chat_writable(struct sio_socket *s);
void chat_keep(const struct sio_socket *s, struct json_writer *w);
void chat_restore(struct sio_socket *s, span state);
bool chat_holds(struct sio_socket *s, span state);
/* Nothing older than what it has been sent is still to come. */
bool chat_is_settled(const struct sio_socket *s);
/* Its peer has all that was published up to this journal number. */
void chat_received(struct sio_socket *s, uint64_t n);
/* Calls visit for each room that it hears. */
void chat_each_room(const struct sio_socket *s, void (*visit)(void *arg, uuid room), void *arg);

/* Rates of principals, of a loop (chat_call.c). */
struct chat_rates;
void chat_rates_free(struct chat_rates *r);

#endif
