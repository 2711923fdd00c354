/*
 * The devices of one home loop: those whose id hashes here, loaded from the store when they are
 * first asked for and kept while somebody needs them. domain/device.h changes and shows them,
 * domain/device_link.h connects them, domain/hostmetrics.h answers for their hosts.
 */
#ifndef SB_DOMAIN_FLEET_H
#define SB_DOMAIN_FLEET_H

#include "domain/heard.h"
#include "domain/home.h"

/* Devices that nobody needs now and that stay loaded, a home: a list page of 200 devices finds
 * them again a few seconds later. At the bound the one unused for longest goes (10 KiB each). */
#define FLEET_IDLE_MAX 1024

/* The fleet of one home, with its hub and store in place; owned by the caller. Topics that begin
 * with "m/" or "t/" are its own from now on. Home 0 deletes, a batch at a time, what retention
 * passed. */
struct fleet *fleet_new(struct home *h);
/* The process ends, and the loops do not run by themselves any more: what waits for time to pass is
 * answered as it is. Before the store is closed. */
void fleet_stop(struct fleet *f);
/* Frees everything; no link may be open and no call under way. */
void fleet_free(struct fleet *f);
/* Before the journal starts and the first home is served: nobody is connected, which is an event of
 * everybody who was (device:disconnected), and what a crash left open is closed. Costs some 20 us
 * a device that was connected. Blocks (store_run). ERR_NONE or the store's error. */
err fleet_reset(struct store *s, struct entropy *entropy, int64_t now_ms) MUST_CHECK;

struct fleet_stats {
    unsigned loaded;  /* devices in memory */
    unsigned idle;    /* of them, needed by nobody */
    unsigned followed; /* of them, held for the house, and maybe for others */
    unsigned online;
    unsigned stale;
    unsigned viewers; /* admitted */
    unsigned timers;  /* channels with viewers and an interval */
    unsigned links;   /* open links of this loop */
    unsigned asks;    /* calls of this loop's callers under way */
};
/* Counts of this home; on its loop. */
void fleet_stats(const struct fleet *f, struct fleet_stats *out);
struct fleet_watched {
    uuid device;
    unsigned viewers;
};
/* The devices of this home that are watched most, in no order; returns how many (at most max). On
 * its loop; costs a walk over those that are watched. */
unsigned fleet_watched(const struct fleet *f, struct fleet_watched *out, unsigned max);
/* Adds the ages of the last application messages of this home's connected devices. Any thread,
 * while the fleet is there. */
void fleet_ages(const struct fleet *f, struct heard_ages *sum);

#endif
