/* Robots of chat, what they are asked and what they answer, as JSON objects (CONTRACT 5). Pure; any
 * thread. */
#ifndef SB_SHAPE_ROBOT_H
#define SB_SHAPE_ROBOT_H

#include "base/assert.h"
#include "base/buf.h"
#include "domain/chat_robot_types.h"

struct robot_shown {
    int state;   /* enum chat_robot_state; -1: not said */
    bool whole;  /* with webhookUrl: for who may change it */
    span secret; /* of the webhook, once; empty: not */
    span key;    /* for its socket, once; empty: not */
};
/* {id,name,description,kind:"webhook"|"socket",webhookUrl?,enabled,state?,secret?,key?,version,
 *  createdAt,updatedAt} */
void robot_put(buf *out, const struct chat_robot_row *row, const struct robot_shown *shown);
/* {id,roomId,robotId,userId?,prompt,visibility,state,error?,messageId?,content?,createdAt,endedAt?}
 */
void robot_put_job(buf *out, const struct chat_job_row *row);
/* What a robot is asked: {jobId,roomId,robotId,userId?,prompt,visibility,context}, the context
 * oldest first: {seq,type,senderId,name?,content,timestamp}. */
void robot_put_request(buf *out, const struct chat_job_row *row,
                       const struct chat_context_row *context, unsigned count);
/* chat:robot:response {jobId,roomId,robotId,index,chunk,final,messageId?} of the row's job. */
void robot_put_response(buf *out, const struct chat_job_row *row, int64_t index, span chunk,
                        bool final);
/* chat:error {code,message,details:{jobId,roomId,robotId},recoverable:true} */
void robot_put_error(buf *out, const struct chat_job_row *row, const char *code,
                     const char *message);
/* The content of the system message when a robot owns a room no longer: {code,robotId,userId,text}.
 */
void robot_put_released(buf *out, const char *code, uuid robot, uuid by, const char *text);

/* What a message asks of a robot: its text; of an object the JSON itself. */
void robot_put_prompt(buf *out, span content, bool object);

/* The robotId of a room's settings (a JSON object); nil when they name none. False: it is no UUID.
 */
MUST_CHECK bool robot_of_settings(span settings, uuid *out);

#endif
