/* What the agent knows of its host: plain values that readers fill and frames show. */
#ifndef SB_AGENT_HOST_TYPES_H
#define SB_AGENT_HOST_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/proc_meminfo.h"
#include "agent/proc_net_dev.h"
#include "agent/proc_stat.h"

/* Processes shown: the top ten (CONTRACT 6). */
#define HOST_TOP_MAX 10
/* Bytes of a command line that leave the host; the rest is cut. */
#define HOST_COMMAND_BYTES_MAX 256
/* Kernel threads have longer names than TASK_COMM_LEN; 64 holds them all. */
#define HOST_PROCESS_NAME_MAX 64
/* LOGIN_NAME_MAX is 256; what a table can show is cut here. */
#define HOST_USER_NAME_MAX 32
/* Interfaces of a state record; further ones are left out (a host with more is a router, and a
 * frame must stay far below 256 KiB). */
#define HOST_INTERFACES_MAX 64
/* Addresses of one interface; further ones are left out. */
#define HOST_ADDRESSES_MAX 16
/* An IPv6 address with its prefix and a NUL: 39 + 4 + 1, rounded up. */
#define HOST_ADDRESS_TEXT 48
#define HOST_MAC_TEXT 24
#define HOST_OS_TEXT 128
#define HOST_NAME_TEXT 256

/* One reading of all counters and gauges. Counters only ever grow. */
struct host_reading {
    struct proc_stat cpu;
    struct proc_meminfo memory;
    uint64_t rx_bytes; /* of the interfaces that count, since the agent started */
    uint64_t tx_bytes;
    double load1;
    uint64_t disk_used_bytes;
    uint64_t disk_total_bytes;
    bool has_temperature;
    double temperature_c;
};

/* What a frame of type metrics shows. */
struct host_sample {
    int64_t at_ms;         /* epoch; of a row the minute that it ends with */
    double cpu_percent;    /* 0-100 of the host */
    double download_bytes; /* a second */
    double upload_bytes;   /* a second */
    struct proc_meminfo memory;
    double load1;
    uint64_t disk_used_bytes;
    uint64_t disk_total_bytes;
    bool has_temperature;
    double temperature_c;
};

struct host_process {
    uint32_t pid;
    double cpu_percent;    /* of one core: four busy threads show 400 */
    double memory_percent; /* resident share of the host's memory, as ps and top show it */
    char name[HOST_PROCESS_NAME_MAX + 1];
    char user[HOST_USER_NAME_MAX + 1];
    char command[HOST_COMMAND_BYTES_MAX + 1]; /* redacted and storable */
};

struct host_top {
    unsigned count;
    struct host_process processes[HOST_TOP_MAX]; /* the busiest first */
};

struct host_interface {
    char name[PROC_NET_NAME_MAX + 1];
    char mac[HOST_MAC_TEXT]; /* empty: it has none */
    bool up;
    int64_t speed_mbps; /* -1: not known */
    uint64_t rx_bytes;
    uint64_t tx_bytes;
    uint64_t rx_errors;
    uint64_t tx_errors;
    unsigned address_count;
    char addresses[HOST_ADDRESSES_MAX][HOST_ADDRESS_TEXT]; /* "192.0.2.7/24", "2001:db8::7/64" */
};

struct host_state {
    char os[HOST_OS_TEXT];
    char architecture[72]; /* of uname(2) */
    char hostname[HOST_NAME_TEXT];
    char ip_address[HOST_ADDRESS_TEXT]; /* empty: none */
    char mac_address[HOST_MAC_TEXT];    /* empty: none */
    uint64_t uptime_s;
    unsigned cpu_count;
    unsigned interface_count;
    struct host_interface interfaces[HOST_INTERFACES_MAX]; /* in the kernel's order */
};

#endif
