/*
 * Commands to devices: recorded before they are sent, and every one ends (CONTRACT 3).
 *
 *                    offline, queue:true
 *     recorded --------------------------> queued --expiry--> expired
 *        |   \--offline--> rejected           |
 *        | online                             | device connects
 *        v                                    v
 *      sent --ack or any response--> acknowledged --success--> done
 *        |  again after 1, 2, 4 s (capability command-ack)   --error----> failed
 *        +-------------- timeout_ms from sending -----------------------> timed_out
 *     any of the upper four --cancel--> cancelled
 *
 * A command lives at its device's home while it is not over, and in device_commands always; a
 * restart takes it up where the row says. Each change of phase is one transaction with its events:
 * EVENT_COMMAND_RESULT on the device's topic, and EVENT_COMMAND_RESULT_ISSUER, for the sockets of
 * who asked that do not follow the device. requestId is the device's key: a repeat by the same
 * issuer with the same body answers what is stored and runs nothing.
 *
 * Operations start on any home loop and answer once, on that loop, never inside the call. Who may
 * do it is the caller's question.
 */
#ifndef SB_DOMAIN_COMMAND_H
#define SB_DOMAIN_COMMAND_H

#include "domain/audit.h"
#include "domain/command_types.h"
#include "domain/home.h"

/* Where EVENT_COMMAND_RESULT_ISSUER is published: all sockets of Socket.IO's namespace "/", of whom
 * the issuer's get it (edge/socketio/issuer.h). Its payload is {"issuer":<principal's id>,
 * "result":<CommandResult>}; it has the id of the COMMAND_RESULT before it in the same transaction,
 * so that who should come to see both knows the double. */
#define COMMAND_ISSUER_TOPIC "io/%2f"

const char *command_status_name(enum command_status s); /* "pending" */
const char *command_phase_name(enum command_phase p);   /* "timed_out" */
/* Adds how many commands ended with each phase at that home since the start. Any thread. */
void command_counts(const struct home *h, uint64_t counts[PHASE_COUNT]);

/* Borrowed for the call of done. */
struct command_result {
    /* ERR_NONE: it is recorded (or was, by an earlier call: `repeated`), whatever became of it;
     * ERR_DEVICE_NOT_FOUND; ERR_NOT_FOUND: no such command; ERR_CONFLICT: cancelling one that is
     * over; ERR_INVALID_MESSAGE_FORMAT: `why` says what, DUPLICATE_REQUEST among it;
     * ERR_RATE_LIMIT_EXCEEDED: COMMAND_QUEUED_MAX wait, or COMMAND_OPEN_MAX or
     * COMMAND_OPEN_BYTES_MAX are not over; ERR_INVALID_REQUEST: `after` is none of ours; the
     * store's: nothing was recorded. */
    err error;
    const char *why;         /* static text, or NULL */
    bool repeated;
    uuid id;
    span request_id;
    enum command_phase phase;
    const char *reason;      /* of what failed (details.reason): "TIMEOUT", "EXPIRED",
                                "DEVICE_OFFLINE", "REJECTED", "CANCELLED", "DEVICE_ERROR"; else
                                NULL */
    span json;               /* CommandResult; of a list the array */
    span next;               /* command_list: where the next page begins; empty at the end */
};
typedef void (*command_done)(void *owner, const struct command_result *r);

/* Answers when it is recorded. One for a device that is offline without queue, or disabled, is
 * recorded as rejected. */
void command_send(struct home *h, const struct command_draft *in, const struct actor *who,
                  command_done done, void *owner);
/* Answers when the command is over, or after wait_ms with its state then. */
void command_wait(struct home *h, uuid device, uuid command, uint32_t wait_ms, command_done done,
                  void *owner);
void command_get(struct home *h, uuid device, uuid command, command_done done, void *owner);
void command_cancel(struct home *h, uuid device, uuid command, const struct actor *who,
                    command_done done, void *owner);
struct command_filter {
    uuid device;
    int status;     /* enum command_status, -1: any */
    span after;     /* `next` of the page before; empty: from the newest */
    unsigned limit; /* 1-200 */
};
/* Newest first. */
void command_list(struct home *h, const struct command_filter *f, command_done done, void *owner);

#endif
