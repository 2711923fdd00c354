/*
 * What the house follows of devices (house_device.c): a device's home tells it, in the order in
 * which it happened, whether the device is there, the newest values of watched sensors, what the
 * device says of states, and that it is deleted. A watched device stays loaded.
 *
 *     house --watch--> home of the device: held; newest value and presence --news--> house
 *                                          whatever changes, gathered once a turn --news--> house
 */
#ifndef SB_DOMAIN_DEVICE_WATCH_H
#define SB_DOMAIN_DEVICE_WATCH_H

#include "domain/device_link.h"
#include "domain/home.h"
#include "domain/house_types.h"

/* From HOUSE_HOME, any time after its fleet is made. A capability of the device is watched from now
 * on: the house is told the device's presence, the newest value of the sensor of that name if it
 * has one, and then all that changes. Twice is once, and told again. A device that does not exist
 * is told as gone; one that cannot be loaded is tried again. */
void device_watch(struct home *h, uuid device, span capability);
void device_unwatch(struct home *h, uuid device, span capability);

struct device_says;
enum news_kind {
    NEWS_PRESENCE,
    NEWS_VALUE, /* of a sensor: each that is newer than the one before */
    NEWS_SAYS,
    NEWS_GONE,
};
/* Borrowed for the call. */
struct device_news {
    struct device_news *next;
    enum news_kind kind;
    uuid device;
    bool available; /* NEWS_PRESENCE: connected and not disabled; while it flaps: as it was */
    span capability; /* NEWS_VALUE, as below */
    double value;
    span unit;
    int64_t at_ms;
    const struct house_say *says; /* NEWS_SAYS */
    unsigned count;
    struct device_says *report; /* whom to tell with device_says_done; NULL: nobody */
};
/* The house's: takes the news of a turn, the oldest first. At HOUSE_HOME. */
void house_news(struct house *s, const struct device_news *first);

/* --- what a device says of its states --- */

/* ERR_NONE, `moved` of them are the state of an entity and on disk; ERR_PERMISSION_DENIED: the
 * device is disabled; ERR_DEVICE_NOT_FOUND; the store's: they are true, and written when it can. */
typedef void (*device_said)(void *owner, err error, unsigned moved);
/* Everything is copied; answers once, on this loop, never inside the call. The first is from the
 * device's own socket: it counts as heard. */
void device_link_says(struct device_link *l, const struct house_say *says, unsigned count,
                      device_said done, void *owner);
void device_says(struct home *h, uuid device, const struct house_say *says, unsigned count,
                 device_said done, void *owner);
/* Of NEWS_SAYS, once, at HOUSE_HOME, any time after house_news began. */
void device_says_done(struct device_says *r, err error, unsigned moved);

#endif
