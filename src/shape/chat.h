/* Rooms and members of chat as JSON objects (CONTRACT 5). Pure; any thread. */
#ifndef SB_SHAPE_CHAT_H
#define SB_SHAPE_CHAT_H

#include "base/buf.h"
#include "domain/chat_types.h"

/* Shown in place of a mute or ban that does not end: 9999-12-31T23:59:59.999Z. */
#define CHAT_EVER_MS INT64_C(253402300799999)

struct chat_member_shape {
    uuid id;
    enum chat_user_type type;
    enum chat_role role;
    bool robot;
    span name;
    bool online;
    int64_t joined_ms;
    int64_t muted_until_ms; /* 0: not muted; at most CHAT_EVER_MS */
    int64_t read_seq;       /* below 0: not shown */
};
/* {userId,userType,role,kind?,name,isOnline,joinedAt,mutedUntil?,lastReadSeq?} */
void chat_put_member(buf *out, const struct chat_member_shape *m);

struct chat_room_shape {
    uuid id;
    span name;
    enum chat_room_type type;
    span settings; /* a JSON object */
    span members;  /* a JSON array; ptr NULL: not shown */
    unsigned member_count;
    int64_t last_seq, unread;
    int64_t created_ms, updated_ms, version;
};
/* {id,name,type,settings,members?,memberCount,lastSeq,unread,createdAt,updatedAt,version} */
void chat_put_room(buf *out, const struct chat_room_shape *r);

struct chat_joined_shape {
    uuid room, user;
    enum chat_user_type type;
    span members;      /* as above */
    bool counts;       /* lastSeq and unread */
    int64_t last_seq, unread;
    bool room_members; /* what follows, for who comes in */
    span name;
    enum chat_room_type room_type;
    bool watching;     /* else role */
    enum chat_role role;
};
/* {roomId,userId,userType,members?,lastSeq?,unread?,name?,type?,role?,watching?} */
void chat_put_joined(buf *out, const struct chat_joined_shape *j);
/* {roomId,userId,userType} */
void chat_put_left(buf *out, uuid room, uuid user, enum chat_user_type type);
/* What the log has of an event: [payload], or with an origin [payload,"sid","requestId"]. */
void chat_put_logged(buf *out, span payload, const struct chat_origin *origin);

#endif
