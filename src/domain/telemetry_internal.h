/*
 * What the files of telemetry share. Nobody else includes this.
 *
 *   telemetry.c          samples from any loop to their home, into the store, and the answers back
 *   telemetry_memory.c   the newest value of each sensor of a device
 *   telemetry_topics.c   who hears them: topics, rates, first values
 */
#ifndef SB_DOMAIN_TELEMETRY_INTERNAL_H
#define SB_DOMAIN_TELEMETRY_INTERNAL_H

#include "domain/fleet_internal.h"
#include "domain/telemetry.h"
#include "hub/ratelimit.h"

/* The newest value of a sensor. */
struct sensor {
    struct map_node node;           /* by its name */
    struct list used;               /* in device_telemetry.used */
    unsigned index;                 /* its place in each rate's slots; below `indices` */
    uint64_t state_key;             /* of its messages */
    struct telemetry_sample newest; /* spans into text */
    uint8_t *text;                  /* owned */
    size_t text_cap;
};

struct rate;

/* What a device's home knows of its telemetry, from the first question on. */
struct device_telemetry {
    bool ready;          /* loaded */
    struct list waiting; /* struct wait, until it is */
    struct map sensors;
    struct list used;    /* the one told longest ago first */
    unsigned count;
    unsigned indices;    /* given so far; who makes room passes its own on */
    unsigned wanted;     /* bit per rate whose topic has subscribers; holds the device */
    struct rate *rates[TELEMETRY_RATES]; /* owned; of those but rate 0 */
    struct bucket bucket; /* of messages over all its connections */
    uint32_t heard_turn;  /* presence was told */
};

/* --- telemetry_memory.c --- */

/* As device_need, with d->telemetry ready besides. Hold the device. */
void telemetry_need(struct device *d, struct wait *w);
/* Takes the sample if it is newer than what is known of its sensor, which is returned then; NULL:
 * it is not. */
struct sensor *telemetry_take(struct device *d, const struct telemetry_sample *s);
/* The sensor of that name; NULL: nothing is known of it. d->telemetry is ready. */
struct sensor *telemetry_sensor(struct device *d, span name);

/* --- telemetry_topics.c --- */

/* A sensor's newest value has changed. */
void telemetry_publish(struct device *d, struct sensor *sensor);
/* Its place will be another sensor's: what waits for its time is told now. */
void telemetry_flush_sensor(struct device *d, struct sensor *sensor);
void telemetry_rates_free(struct device_telemetry *t);

#endif
