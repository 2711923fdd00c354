/*
 * Monitor's objects: what a host's frames mean, and the frames that viewers get, byte for byte.
 * Pure; any thread. Fuzzed with decode_fuzz.c.
 */
#ifndef SB_SHAPE_HOST_H
#define SB_SHAPE_HOST_H

#include "base/buf.h"
#include "domain/host_types.h"
#include "shape/decode.h"

/* Processes of a list that are kept: the top ten (CONTRACT 6). */
#define HOST_PROCESSES_MAX 10

/* The reading of a `metrics` object: its time is recordedAt for rows, else timestamp, else now. */
struct host_point host_point_of(const struct shape_metrics *m, int64_t now_ms);
/* The facts of a `state` object; interfaces and processes are written in their own form into the
 * arena. at_ms is recordedAt, timestamp or now. */
struct host_facts host_facts_of(const struct shape_state *s, struct arena *arena, int64_t now_ms);
/* Whether the object says anything of the host, and not of its capabilities only. */
bool host_facts_given(const struct shape_state *s);
/* A list that was decoded, in its own form, at most HOST_PROCESSES_MAX, in the arena. Empty when
 * the list is not given. */
span host_processes_of(span list, struct arena *arena);

/* Whether two lists in our form are the same but for their counters. */
bool host_interfaces_same(span a, span b);

/* {cpu,memory:{used,total},network:{download,upload},load,disk:{used,total},swapUsed,
 *  temperature,timestamp}; what is not known is null. */
void host_put_metrics(buf *out, const struct host_point *p);
/* {from,to,resolution_ms,source,points:[{ts,cpu,...}]}: an answer about the past. */
struct host_history {
    int64_t from_ms;
    int64_t to_ms;
    int64_t resolution_ms;
    const char *source; /* "raw", "1m", "1h" */
    const struct host_point *points;
    unsigned count;
};
void host_put_history(buf *out, const struct host_history *h);
/* {recordedAt,top_processes} */
void host_put_moment(buf *out, int64_t at_ms, span processes, bool commands);
/* {os,architecture,uptime,hostname,ipAddress,macAddress,cpuCores,agentVersion} */
void host_put_system(buf *out, const struct host_facts *f);
/* The array, with or without each process's `command`; "[]" when there is none. */
void host_put_processes(buf *out, span processes, bool commands);

/* Viewer frames: {"type":..,"data":{..}}. */
void host_frame_metrics(buf *out, const struct host_point *p);
void host_frame_system(buf *out, const struct host_facts *f);
void host_frame_interfaces(buf *out, span interfaces);
void host_frame_processes(buf *out, span processes, bool commands);
/* `count` rows, oldest first; clock labels are UTC + offset_min. */
void host_frame_history(buf *out, const struct host_point *rows, unsigned count, int offset_min);

/* {...system,interfaces,top_processes,recordedAt}: the newest state for REST. */
void host_put_state(buf *out, const struct host_facts *f, span processes, bool commands);

/* "UTC", "Z" or +hh:mm, -hh:mm up to 14 hours, in minutes. False for anything else. */
bool host_timezone(span text, int *offset_min);

#endif
