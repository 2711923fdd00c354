/* Escalations, guests and notifications as JSON objects. Pure; any thread. */
#ifndef SB_SHAPE_CHAT_DESK_H
#define SB_SHAPE_CHAT_DESK_H

#include "base/buf.h"
#include "domain/chat_desk_types.h"

/* {id,roomId,reason,level,status,createdBy,assignedTo?,dueAt,createdAt,takenAt?,concludedAt?,
 *  outcome?,version}; createdBy null: the server; dueAt null: it does not rise. */
void chat_put_escalation(buf *out, const struct chat_escalation_row *row);
/* {level,code,message,roomId?,userId?,until?,reason?} */
void chat_put_notice(buf *out, const struct chat_notice *n);
/* {id,roomId,name,expiresAt,revoked,createdBy,createdAt}, and with a token `token` behind them. */
void chat_put_guest(buf *out, const struct chat_guest_row *row, span token);

#endif
