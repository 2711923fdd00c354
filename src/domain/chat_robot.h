/*
 * Robots of chat (CONTRACT 5): principals of kind robot that answer when they are asked. One has a
 * webhook, to which each question is posted, signed, or a socket of its own. What is asked is a
 * job:
 *
 *     room's home: may it? --mail--> robot's home: breaker, limits, row of the job --commit-->
 *          ack {jobId} <------mail------'    |
 *                                            webhook (30 s) or chat:robot:request
 *     chat:robot:response <---mail--- chunks-'
 *     a message of type robot, which closes the job in its transaction <---mail--- final
 *
 * A robot lives at home_of(its id) with its breaker, and every robot is in memory; a job lives at
 * both homes until it is over. A private answer is no message: its chunks go to the asker's sockets
 * alone, and its whole stands in the job.
 *
 * Operations start on any home loop and answer once, on that loop, never inside the call; arguments
 * are copied, results borrowed for the call of `done`.
 */
#ifndef SB_DOMAIN_CHAT_ROBOT_H
#define SB_DOMAIN_CHAT_ROBOT_H

#include "domain/chat.h"
#include "domain/chat_robot_types.h"

#define CHAT_ROBOT_URL_MAX 2048

/* --- robots: who may do it is the caller's question --- */

struct chat_robot_draft {
    span name;        /* 1-100 characters; unique */
    span description; /* 0-500 */
    span url;         /* https, or http to this machine; empty: it has a socket of its own */
};
/* result.json: the robot (shape/robot.h), with `secret` of its webhook or `key` for its socket,
 * which nobody shows again. ERR_CONFLICT: the name is taken, or there are chat_robots_max;
 * ERR_INVALID_REQUEST: the URL. */
void chat_robot_create(struct home *h, const struct chat_robot_draft *in, const struct actor *who,
                       chat_done done, void *owner);
/* `whole`: with the URL, for who may change it; both with `state`. */
void chat_robot_get(struct home *h, uuid id, bool whole, chat_done done, void *owner);
struct chat_robot_change {
    int64_t version;  /* that must be stored; 0: any */
    span name;        /* ptr NULL: unchanged, as what follows */
    span description;
    span url;         /* empty: a socket of its own from now on */
    bool new_secret;  /* of the webhook; a first webhook gets one anyway */
    int enabled;      /* -1: unchanged; 0 ends its sockets and its jobs */
};
void chat_robot_patch(struct home *h, uuid id, const struct chat_robot_change *in,
                      const struct actor *who, chat_done done, void *owner);
/* With its keys; it leaves its rooms, what it said stays. version 0: any. */
void chat_robot_delete(struct home *h, uuid id, int64_t version, const struct actor *who,
                       chat_done done, void *owner);
struct chat_robot_filter {
    span text;      /* part of the name in any case; empty: any */
    span after;     /* `next` of the page before; empty: from the start */
    unsigned limit; /* 1-200 */
    bool whole;
};
/* By name; without `state`. */
void chat_robot_list(struct home *h, const struct chat_robot_filter *in, chat_done done,
                     void *owner);

/* --- jobs --- */

struct chat_robot_question {
    uuid robot;
    span prompt;    /* 1 to CHAT_PROMPT_MAX characters */
    enum chat_visibility visibility;
};
/* Answered when the job is on disk: id, members {"jobId":...}. The caller and the robot must be
 * members of the room. ERR_NOT_FOUND: no such robot in the room; ERR_CONFLICT: it is disabled;
 * ERR_CONNECTION_LOST: it has neither webhook nor socket now; ERR_RATE_LIMIT_EXCEEDED: too many
 * jobs of the robot or the room; ERR_SERVER_ERROR with retry_after_ms: its breaker is open. */
void chat_robot_interact(struct home *h, uuid room, const struct chat_robot_question *in,
                         const struct chat_who *who, const struct chat_origin *origin,
                         chat_done done, void *owner);
/* result.json: the job (shape/robot.h). A private one is for who asked; the others for who sees the
 * room. */
void chat_robot_job_get(struct home *h, uuid room, uuid job, const struct chat_who *who,
                        chat_done done, void *owner);

/* A piece of an answer by a robot's socket. */
struct chat_robot_piece {
    uuid job;
    int64_t index;  /* 0, 1, 2 ... */
    span chunk;     /* may be empty */
    bool final;
    span content;   /* with the final one: the whole as JSON; ptr NULL: the chunks joined */
    span error;     /* ptr NULL; else it gives up */
};
/* Of the final one answered when the message is on disk: id of it. ERR_NOT_FOUND: it has no such
 * job under way; ERR_INVALID_REQUEST: another index is next, or it is no answer, which ends the
 * job. */
void chat_robot_answer(struct home *h, const struct chat_robot_piece *in,
                       const struct chat_who *who, chat_done done, void *owner);
/* A socket of a robot hears chat/user/<its id> from now on (+1), or has gone (-1). With the last
 * one its jobs under way are lost. Any loop. */
void chat_robot_socket(struct home *h, uuid robot, int delta);

struct chat_robot_stats {
    unsigned robots;  /* that are enabled, */
    unsigned away;    /* of them without webhook and socket, */
    unsigned spared;  /* and with a breaker that is open */
    unsigned active;  /* jobs under way */
    uint64_t ended[4]; /* by enum chat_job_state; [CHAT_JOB_OPEN]: begun */
};
/* Of the robots that live on this home. Any thread. */
void chat_robot_stats(const struct home *h, struct chat_robot_stats *out);

#endif
