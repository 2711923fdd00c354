/*
 * The host that the agent runs on: its /proc and /sys, kept open, and what has to be remembered
 * between two readings. The folders are given, so tests read fixtures. One thread. Reading
 * blocks as procfs and sysfs do: microseconds.
 */
#ifndef SB_AGENT_HOST_H
#define SB_AGENT_HOST_H

#include "agent/host_types.h"
#include "agent/net_counters.h"
#include "agent/temperature.h"
#include "base/assert.h"
#include "base/buf.h"

struct host_roots {
    const char *proc; /* "/proc" */
    const char *sys;  /* "/sys" */
    const char *etc;  /* "/etc" */
    const char *disk; /* "/": the file system whose space is reported */
};

/* The real ones. */
extern const struct host_roots host_roots_default;

struct host {
    struct host_roots roots; /* borrowed strings */
    int proc_fd;
    int sys_fd; /* -1: no /sys; everything it would tell is unknown */
    buf text;   /* the file being read */
    struct net_counters net;
    struct temperature temperature;
};

/* Opens the folders; -errno when /proc cannot be opened. `h` must stay where it is until
 * host_close. */
MUST_CHECK int host_open(struct host *h, const struct host_roots *roots);
void host_close(struct host *h);

/* Reads every counter and gauge; false when the CPU or memory cannot be read (nothing else is
 * indispensable: what is missing is 0). About ten system calls. */
MUST_CHECK bool host_read(struct host *h, struct host_reading *out);

/* Seconds since boot; 0 when /proc/uptime cannot be read. */
uint64_t host_uptime_s(struct host *h);
/* Has the interface hardware behind it? By where its link in /sys/class/net points. */
bool host_net_physical(const struct host *h, const char *name);

#endif
