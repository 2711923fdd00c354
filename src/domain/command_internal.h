/*
 * What the files of commands share; nobody else includes this.
 *
 *   command.c           sending: recorded once, whatever is repeated
 *   command_row.c       what is stored of one, in memory and in steps of the store
 *   command_run.c       phases, deadlines, the device's link
 *   command_write.c     changes of phase into the store, and who waits for them
 *   command_response.c  what the device says
 *   command_calls.c     wait, cancel, get, list
 *   command_sweep.c     those whose time came while nobody had them in memory
 *
 * A command in memory is one of its device's open ones, recorded or on its way to be. Its changes
 * are true in memory first and follow into the store, one write of it on its way at most, with
 * all phases that it went through meanwhile; what is on disk is told, and nothing before. It holds
 * its device while it has a deadline, a write or somebody who waits; one that is queued needs
 * neither, so a device that is away for long costs nothing. One that is over goes when it is
 * written.
 */
#ifndef SB_DOMAIN_COMMAND_INTERNAL_H
#define SB_DOMAIN_COMMAND_INTERNAL_H

#include "domain/command.h"
#include "domain/fleet_internal.h"

struct commands {
    struct list open; /* struct command, in the order of creation */
};

/* A change of phase that is not on disk yet. */
struct telling {
    struct list link;
    uuid id;       /* of the events */
    int64_t at_ms;
    bool progress; /* no change of phase: the next progress may take its place */
    buf json;      /* CommandResult */
};

struct command {
    struct list link;
    struct device *device;
    struct command_row row; /* spans into text and the bufs below */
    uint8_t *text;          /* owned */
    buf response, error_code, error_message;
    uint64_t token;
    bool recorded; /* its row is on disk */
    bool held;     /* it holds its device */
    unsigned tries; /* how often the live link got it */
    struct deadline timeout;
    struct deadline again;
    struct behind_item write;
    struct list told; /* struct telling, oldest first */
    unsigned told_count;
    unsigned flying;  /* of them, in the write on its way */
    struct actor *canceller; /* owned; its audit entry is not on disk yet */
    bool cancel_flying;
    struct list asks;    /* calls that wait for the next write, or to be recorded */
    struct list answers; /* and for the one on its way */
    struct list waits;   /* calls that wait for the end */
};

enum call_kind { CALL_SEND, CALL_CANCEL, CALL_WAIT, CALL_RESPONSE };

/* A call about commands, from any loop or a link. */
struct command_call {
    struct ask ask;
    enum call_kind kind;
    command_done done;
    struct command_result result; /* spans in the ask's arena */
    struct command_draft draft;
    struct actor who;
    uuid id;               /* the command's */
    struct command *command; /* command_wait: of whose waits it is one */
    struct deadline until;
    uint32_t wait_ms;
    uint64_t link;         /* of a response, and its */
    span ack;
    struct command_response response;
    err otherwise;         /* what a request that is not stored is answered, */
    const char *why;       /* and this */
};

/* --- command.c --- */

/* An ask that answers with its result on the calling loop. */
struct command_call *command_call_new(struct home *h, uuid device,
                                      void (*at_home)(struct ask *, struct device *),
                                      command_done done, void *owner);
void command_call_who(struct command_call *x, const struct actor *who);
/* Ends it; with ERR_NONE `row` becomes the result. */
void command_answer(struct command_call *x, err error, const struct command_row *row);
/* The end of a sending whose row is known: is it a repeat of the same? */
void command_answer_sent(struct command_call *x, const struct command_row *row, bool repeated);

/* --- command_row.c --- */

/* From a row of COMMAND_GET; borrowed from the request. */
void command_row_read(struct command_row *row, const struct store_value *cells);
/* The texts of the result are copied into the arena. */
void command_result_of(struct arena *a, const struct command_row *row, struct command_result *r);
void req_command_insert(struct store_req *req, unsigned step, const struct command_row *row);
void req_command_update(struct store_req *req, unsigned step, unsigned set,
                        const struct command_row *row);
/* Events of the command: one, or two when somebody known has sent it. */
unsigned command_events(const struct command_row *row);
/* Sets that many from set `set` of a step on; returns the next set. */
unsigned req_command_events(struct store_req *req, unsigned step, unsigned set,
                            const struct command_row *row, uuid id, int64_t at_ms, span json);
/* At most `bytes_max` bytes of it, and no half of a character at the end. */
span command_text_cut(span s, size_t bytes_max);

/* --- command_run.c --- */

/* Nothing follows but a late answer. */
bool command_over(const struct command *c);
/* One of the device's; the row's texts are copied. */
struct command *command_new(struct device *d, const struct command_row *row);
/* Nobody waits for it and nothing of it is on its way. */
void command_free(struct command *c);
/* Holds, releases or frees, as its state demands: the last thing that is done with it. The device
 * may be gone after it, unless the caller holds it. */
void command_settle(struct command *c);
struct command *command_by_request(struct device *d, span request_id);
struct command *command_by_id(struct device *d, uuid id);
/* What of the device is not over. */
struct command_load {
    unsigned count;
    unsigned queued; /* of them */
    size_t bytes;    /* of their parameters */
};
struct command_load command_load_of(const struct device *d);
/* It is on disk and may go on: sent, queued or rejected. */
void command_go(struct command *c);
/* The device has it. */
void command_acknowledged(struct command *c);
void command_set_response(struct command *c, span result);
void command_set_error(struct command *c, span code, span message);
void command_set_phase(struct command *c, enum command_phase phase);
/* The same for the last phase. */
void command_finish(struct command *c, enum command_phase phase);
/* A reason of the server's. */
void command_give_up(struct command *c, enum command_phase phase, const char *code);
/* One that is queued and whose time has come ends. */
void command_look(struct command *c);

/* --- command_write.c --- */

extern const struct behind_ops command_writing;
/* It changed: that is written and then told. */
void command_tell(struct command *c, bool progress);
/* The call waits until what is true now is on disk (or the command is recorded). */
void command_await(struct command *c, struct command_call *x);
/* Ends the calls of a list. */
void command_answer_all(struct list *calls, struct command *c, err error);
/* What is to be told is not. */
void command_tell_nothing(struct command *c);

#endif
