/*
 * Hosts: the channels that viewers subscribe (CONTRACT 6), what hosts without a socket report,
 * and what is stored. Channels are hub topics `m/<uuid>/<name>` at the device's home; a payload
 * is the whole frame {"type":..,"data":..}.
 */
#ifndef SB_DOMAIN_HOSTMETRICS_H
#define SB_DOMAIN_HOSTMETRICS_H

#include "base/buf.h"
#include "domain/device.h"
#include "domain/host_types.h"

enum host_channel {
    HOST_SYSTEM_INFO,   /* every 30 s */
    HOST_PROCESSES,     /* every 60 s, without command lines */
    HOST_HISTORY,       /* every 30 s */
    HOST_INTERFACES,    /* every 30 s */
    HOST_METRICS,       /* as each sample arrives */
    HOST_PROCESSES_ALL, /* every 60 s, with command lines: monitor:commandline:read */
    HOST_CHANNEL_COUNT
};
/* Channels as viewers name them: those before HOST_PROCESSES_ALL. */
#define HOST_CHANNEL_NAMED HOST_PROCESSES_ALL

#define HOST_TOPIC_MAX 64
/* The channel of that name on the wire, or -1. */
int host_channel_of(span name);
/* And back; of the named ones (asserted). */
const char *host_channel_name(enum host_channel c);
/* The topic's text in `text`; its home is home_of(device). */
span host_topic(uuid device, enum host_channel c, char text[HOST_TOPIC_MAX]);

/* A host without a socket reports its state and, unless NULL, a row; stored when answered. */
void host_report(struct home *h, uuid device, const struct host_facts *f,
                 const struct host_point *row, device_done done, void *owner);
/* The newest state as JSON, with or without command lines. ERR_NOT_FOUND while there is none. */
void host_state(struct home *h, uuid device, bool commands, device_done done, void *owner);

enum host_aggregate { HOST_MEAN, HOST_LEAST, HOST_GREATEST, HOST_LAST };
#define HOST_POINTS_MAX 2000 /* of one answer: a chart has no more pixels */
#define HOST_POINTS_DEFAULT 300

struct host_range {
    int64_t from_ms;
    int64_t to_ms;   /* not included; after from_ms (asserted) */
    unsigned points; /* at most; 1-HOST_POINTS_MAX */
    enum host_aggregate aggregate;
};
/* Result: {from,to,resolution_ms,source,points[]}, from rows, minutes or hours, whichever is
 * still kept and gives at most that many points. */
void host_metrics(struct home *h, uuid device, const struct host_range *in, device_done done,
                  void *owner);
/* {recordedAt,top_processes}: what ran at `at_ms`, from the sample at most 2 min older;
 * ERR_NOT_FOUND without one. */
void host_processes_at(struct home *h, uuid device, int64_t at_ms, bool commands, device_done done,
                       void *owner);

#endif
