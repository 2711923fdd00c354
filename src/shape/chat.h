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
    span mute_reason;       /* empty: none, or not for who asks */
    int64_t read_seq;       /* below 0: not shown */
};
/* {userId,userType,role,kind?,name,isOnline,joinedAt,mutedUntil?,muteReason?,
 *  lastReadSeq?} */
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
    bool invited;  /* of a list: the caller may come in, and is not yet */
};
/* {id,name,type,settings,members?,memberCount,lastSeq,unread,createdAt,updatedAt,version,
 *  invited?} */
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
/* {role,mutedUntil?,reason?}: what the audit log has of a change of a member; until_ms 0: none. */
void chat_put_member_change(buf *out, enum chat_role role, int64_t until_ms, span reason);
/* {reason?}: of a member that was removed or banned. */
void chat_put_reason(buf *out, span reason);
/* {roomId,userId,userType} */
void chat_put_left(buf *out, uuid room, uuid user, enum chat_user_type type);
/* {roomId} */
void chat_put_room_ref(buf *out, uuid room);
/* {name,userId}: of the system message room_renamed. */
void chat_put_renamed(buf *out, span name, uuid by);

struct chat_invitation_shape {
    uuid id, room, principal; /* principal nil: whoever shows the secret */
    bool guest;
    int64_t uses_left, expires_ms;
    int64_t revoked_ms;       /* 0: not */
    uuid created_by;          /* nil: nobody known */
    int64_t created_ms;
    span secret;              /* empty: not shown */
};
/* {id,roomId,kind,userId?,usesLeft,expiresAt,createdBy,createdAt,revokedAt?,invitation?} */
void chat_put_invitation(buf *out, const struct chat_invitation_shape *i);

struct chat_ban_shape {
    uuid user;
    span name, reason;
    int64_t until_ms; /* 0: ever */
    uuid created_by;
    int64_t created_ms;
};
/* {userId,name,until,reason,createdBy,createdAt}; until null: ever */
void chat_put_ban(buf *out, const struct chat_ban_shape *b);

/* What the log has of an event: [payload], or with an origin [payload,"sid","requestId"]. */
void chat_put_logged(buf *out, span payload, const struct chat_origin *origin);

#endif
