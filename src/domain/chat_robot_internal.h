/*
 * What the files of robots share. Nobody else includes this.
 *
 *   chat_robot.c         robots of a home in memory; questions to a robot's home
 *   chat_robot_admin.c   create, get, patch, delete, list
 *   chat_robot_room.c    jobs at their room's home: asked, chunks told, ended
 *   chat_robot_run.c     jobs at their robot's home: admitted, stored, given up
 *   chat_robot_call.c    the robot asked, by webhook or socket, and what it says read
 *   chat_robot_owner.c   rooms that a robot owns until a person takes over
 *   chat_robot_stand.c   whether a robot that owns a room is somebody, known at every home
 *   chat_robot_start.c   what an earlier process left open
 */
#ifndef SB_DOMAIN_CHAT_ROBOT_INTERNAL_H
#define SB_DOMAIN_CHAT_ROBOT_INTERNAL_H

#include "domain/breaker.h"
#include "domain/chat_internal.h"
#include "domain/chat_robot.h"
#include "ports/webhook.h"
#include "shape/robot.h"
#include "shape/robot_answer.h"

struct robot_end;

/* Whether a robot can be counted on (chat_robot_stand.c). */
enum robot_stand {
    ROBOT_THERE,  /* enabled, connected if it has a socket, its breaker closed */
    ROBOT_TRIAL,  /* its breaker was open and lets one call through */
    ROBOT_SPARED, /* its breaker is open */
    ROBOT_AWAY    /* disabled, or without its socket */
};
struct robot_stand_of {
    uuid robot;
    enum robot_stand stand;
};

/* A robot, at its home. */
struct robot {
    struct map_node node; /* in robots->map, by id */
    struct chat_robots *robots;
    struct chat_robot_row row; /* its spans owned */
    struct breaker breaker;
    struct list jobs;     /* struct robot_job, by of_robot */
    unsigned job_count;
    unsigned sockets;
    enum chat_robot_state shown; /* in the counts */
    enum robot_stand stand;      /* as every home was told */
    struct deadline lapses;      /* the breaker lets one through */
};

/*
 * A job. Each half is touched by its home's thread alone; what is above both is written before the
 * first mail. It is made and freed at its room's home, and is the robot's home's from the mail that
 * begins it to the one that ends it.
 */
struct robot_job {
    struct home *room_home, *robot_home;
    struct arena arena;         /* of the row's texts and the origin */
    struct chat_job_row row;    /* state, message and error are the room's */
    struct chat_origin origin;
    bool owned;                 /* by a guest's message in a room that the robot owns */
    /* The room's: */
    struct list of_room;        /* in robots->asked */
    struct chat_room *room;     /* held */
    struct chat_ask *ask;       /* to answer when it is stored; NULL: answered */
    struct deadline tell;       /* of chunks that wait */
    buf waiting;                /* text that was not told */
    int64_t index;              /* of the next chunk told */
    int64_t told_ms;            /* monotonic, of the last one */
    bool cancelled;
    bool over;                  /* the robot's home has done with it */
    bool retrying;              /* the store failed: `retry` is set */
    err error;                  /* it failed so, */
    const char *why;            /* for people; static */
    const char *code;           /* of chat:error */
    buf next_prompt;            /* owned: what the guest said meanwhile */
    uuid next_asker;
    struct deadline retry;
    struct robot_ask *final;    /* of a robot's socket, to answer */
    /* The robot's: */
    struct map_node node;       /* in robots->running, by id */
    struct robot *robot;        /* NULL: nobody wants its answer any more */
    struct list of_robot;
    struct breaker_pass pass;
    struct webhook_call call;
    buf kept;                   /* url, ca, secret and body as of its beginning; in the end `why` */
    struct deadline late;       /* of a socket's answer */
    enum {
        ROBOT_JOB_STORING,
        ROBOT_JOB_CALLING,      /* its webhook */
        ROBOT_JOB_WAITING       /* for its socket */
    } way;
    struct robot_answer answer; /* the room's once it is over */
    bool reading;               /* the answer's form is known */
    bool stopped;               /* enough was read: it is whole, or none */
    size_t sent;                /* of its text, to the room's home */
    int64_t next_index;         /* of a socket's pieces */
    struct robot_end *lost;     /* owned: how it ends though its webhook has not answered yet */
};

struct chat_robots {
    struct chat *chat;
    struct map map;       /* struct robot of this home */
    struct map running;   /* struct robot_job at its robot's home */
    struct list asked;    /* struct robot_job at its room's home */
    struct list releases; /* struct robot_release (chat_robot_owner.c) */
    bool stopping;
    bool loading;         /* the loops do not run yet */
    struct robot_stand_of *stands; /* owned: of all homes' robots, those that are not there */
    unsigned stand_count, stand_cap;
    struct robot_left *left; /* chat_robot_start.c; NULL: nothing is left */
    _Atomic unsigned counts[4]; /* robots by state */
    _Atomic unsigned active;
    _Atomic uint64_t ended[4];
};

/* --- chat_robot.c --- */

/* One of this home; NULL: there is none. */
struct robot *robot_find(struct chat_robots *rs, uuid id);
/* As the row says, made if it is new. Its jobs go on, unless it is disabled. */
struct robot *robot_set(struct chat_robots *rs, const struct chat_robot_row *row);
/* It is no more: its jobs are lost. */
void robot_drop(struct robot *r);
/* After whatever changes its state. */
void robot_show(struct robot *r);
enum chat_robot_state robot_state(const struct robot *r);
/* From cells of ROBOT_GET. */
struct chat_robot_row robot_row(const struct store_value *cells);
void robot_set_uuid(struct store_req *req, unsigned step, unsigned p, uuid id);

/* A question to a robot's home: at_home runs there with the robot (NULL: there is none), and ends
 * with robot_answer_ask, now or later; `done` on the loop that asked; then it is freed. */
struct robot_ask {
    struct mail mail;
    struct home *from, *at;
    uuid id;
    void (*at_home)(struct robot_ask *a, struct robot *r);
    struct arena arena;
    struct actor who;     /* in the arena */
    struct chat_result result;
    buf json;             /* of the result */
    struct store_req *req; /* freed with the ask */
    chat_done done;
    void *owner;
};
void *robot_ask_new(struct home *h, size_t bytes, uuid id,
                    void (*at_home)(struct robot_ask *, struct robot *), const struct actor *who,
                    chat_done done, void *owner);
void robot_ask_start(struct robot_ask *a);
void robot_ask_answer(struct robot_ask *a, err error);
void robot_ask_refuse(struct robot_ask *a, err error, const char *member, const char *why);

/* --- between a job's homes --- */

/* A new job in a room, of its home, held by it; `ask` NULL: nobody waits. */
struct robot_job *robot_job_new(struct chat_room *r, const struct chat_robot_question *in,
                                uuid asker, const struct chat_origin *origin, bool owned);
/* Its way begins; the ask is answered when it is stored, or refused. */
void robot_job_begin(struct robot_job *j, struct chat_ask *ask);
/* At the room's home: what is under way of a robot in a room ends without an answer; its row is the
 * caller's to close. */
void robot_jobs_cancel(struct chat_room *r, uuid robot);
/* At the room's home: the job of a guest's message that is under way; NULL: none. */
struct robot_job *robot_job_owned(struct chat_room *r);

/* From the room's home to the robot's. */
void robot_run_begin(struct robot_job *j);
void robot_run_cancel(struct home *from, struct home *to, uuid job);
/* And back: it is stored; a piece of text; it ended, with an answer, or with `error`. The robot's
 * home does not touch the job after the last. */
void robot_job_stored(struct robot_job *j);
void robot_job_piece(struct robot_job *j, span text);
struct robot_end {
    err error;               /* ERR_NONE: the answer */
    const char *why;         /* of an error; static, or in the job */
    uint32_t retry_after_ms;
    bool stored;             /* there is a row of it */
    bool closing;            /* the process ends: the row stays open for the next one */
    bool empty;              /* it chose to say nothing */
    struct robot_ask *final; /* the robot's, to answer when all is done */
};
void robot_job_over(struct robot_job *j, const struct robot_end *end);

/* At the room's home: nobody waits for the store any more. */
void robot_jobs_stop(struct chat_robots *rs);
void robot_jobs_free(struct chat_robots *rs);

/* At the robot's home: every job of it ends so. */
void robot_run_lose(struct robot *r, err error, const char *why);
void robot_run_stop(struct chat_robots *rs);
/* A job that is under way; NULL: it is not. */
struct robot_job *robot_run_find(struct chat_robots *rs, uuid id);
/* It ended so, which the room's home is told: the job is that home's from then. */
void robot_run_over(struct robot_job *j, const struct robot_end *end);
struct breaker_conf robot_breaker_conf(const struct home *h);

/* --- chat_robot_call.c --- */
/* Asks the robot of a job that is stored, `request` copied; then robot_run_over, now or later. */
void robot_call(struct robot_job *j, const buf *request);

/* --- chat_robot_stand.c --- */
/* At the robot's home, after whatever may change it: told to every home. */
void robot_stand_show(struct robot *r);
/* It is no more: forgotten at every home. */
void robot_stand_end(struct robot *r);
/* At any home: as it stands. */
void robot_stand_put(struct chat_robots *rs, uuid robot, enum robot_stand stand);
enum robot_stand robot_stand(const struct chat_robots *rs, uuid robot);

/* --- chat_robot_owner.c --- */
void robot_releases_free(struct chat_robots *rs);

/* --- chat_robot_start.c --- */
/* Every robot of the home, and which jobs are open. Blocks (store_run). */
void robots_load(struct chat_robots *rs);
void robots_left_free(struct chat_robots *rs);

#endif
