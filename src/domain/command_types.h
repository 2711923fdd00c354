/* Commands as values (CONTRACT 3). */
#ifndef SB_DOMAIN_COMMAND_TYPES_H
#define SB_DOMAIN_COMMAND_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "base/uuid.h"

#define COMMAND_QUEUED_MAX 50 /* of one device that is offline */
#define COMMAND_TIMEOUT_MS 30000
#define COMMAND_TIMEOUT_MS_MIN 1000
#define COMMAND_TIMEOUT_MS_MAX 300000
#define COMMAND_EXPIRY_MS 86400000 /* of one that waits for its device; also the longest */
/* Of one device, not over: a client at its rate limit reaches as many with a device that hangs. */
#define COMMAND_OPEN_MAX 512
/* And of their parameters: a device that connects gets them all at once, and its outbox has 1 MiB.
 * As many as may be queued, each as large as it may be. */
#define COMMAND_OPEN_BYTES_MAX (COMMAND_QUEUED_MAX * 16384)
#define COMMAND_ERROR_CODE_MAX 100 /* bytes that are kept of what a device says */
#define COMMAND_ERROR_MESSAGE_MAX 500

/* What the documents know, */
enum command_status { COMMAND_PENDING, COMMAND_EXECUTED, COMMAND_FAILED };
/* and what we know besides. */
enum command_phase {
    PHASE_RECORDED, /* pending: on disk, on its way to the device */
    PHASE_QUEUED,   /* pending: its device is offline */
    PHASE_SENT,     /* pending: handed to the device's socket */
    PHASE_ACKNOWLEDGED, /* pending: the device has it */
    PHASE_DONE,     /* executed: from here on nothing follows but a late answer */
    PHASE_FAILED,   /* failed: the device said error */
    PHASE_TIMED_OUT,
    PHASE_EXPIRED,
    PHASE_CANCELLED,
    PHASE_REJECTED, /* failed: offline without queue, disabled, refused */
    PHASE_COUNT
};
static inline enum command_status command_status_of(enum command_phase p)
{
    return p < PHASE_DONE ? COMMAND_PENDING : p == PHASE_DONE ? COMMAND_EXECUTED : COMMAND_FAILED;
}

/* A command as somebody asks for it, checked; empty spans and zeroes take the defaults. */
struct command_draft {
    uuid device;
    span command;      /* 1-100 characters */
    span parameters;   /* JSON value, at most 16 KiB; empty: none */
    span request_id;   /* 1-100 characters, unique for the device; empty: made here */
    int64_t at_ms;     /* the client's timestamp, epoch ms; 0: now */
    uint32_t timeout_ms;
    int64_t expires_ms; /* epoch ms, for one that waits */
    bool queue;        /* waits for an offline device */
    bool no_response;  /* done as soon as the device has it */
    uuid job;          /* of a group command; nil: none */
};

/* What is stored of one; the spans are borrowed from whoever shows it, times are epoch ms and 0 for
 * what has not been. */
struct command_row {
    uuid id;
    uuid device;
    uuid job;
    uuid issued_by;
    span command;
    span parameters; /* JSON; empty: none */
    span request_id;
    enum command_phase phase;
    uint32_t timeout_ms;
    uint32_t attempts; /* how often it was handed to the device's socket */
    bool queue;
    bool no_response;
    bool late;          /* the answer came when it was over */
    int64_t requested_ms;
    int64_t created_ms;
    int64_t expires_ms;
    int64_t due_ms;     /* it ends by itself */
    int64_t sent_ms;    /* first */
    int64_t acked_ms;
    int64_t executed_ms;
    span response;      /* JSON: the newest result of the device; empty: none */
    span error_code;
    span error_message;
};

enum response_status { RESPONSE_SUCCESS, RESPONSE_ERROR, RESPONSE_ACCEPTED, RESPONSE_PROGRESS };

/* What a device answers. */
struct command_response {
    span request_id;
    enum response_status status;
    span result;       /* JSON value; empty: none */
    span error_code;   /* empty: none */
    span error_message;
    int64_t at_ms;
};

#endif
