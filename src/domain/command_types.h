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
};

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
