/*
 * How long ago the connected devices of a home were last heard: a count of devices for each second
 * in which one was. Nothing is walked: a message moves its device from one second to another, and
 * ages are made of the counts when somebody asks. One thread writes, any reads: relaxed atomics,
 * so a reader may see a device a moment late, or in neither second while it moves.
 */
#ifndef SB_DOMAIN_HEARD_H
#define SB_DOMAIN_HEARD_H

#include <stdatomic.h>
#include <stdint.h>

/* Seconds that are told apart, more than the largest bound; what was heard before is one count. */
#define HEARD_SECONDS 512
#define HEARD_BUCKETS 9

struct heard {
    _Atomic uint32_t slots[HEARD_SECONDS]; /* by second mod HEARD_SECONDS */
    _Atomic uint32_t before;               /* the seconds before those */
    _Atomic int64_t newest_s;              /* the last second of the slots */
    _Atomic int64_t count;
    _Atomic int64_t sum_ms; /* of all times */
};

/* Times are monotonic milliseconds. A device is heard for the first time, again, and no more: `at`
 * is what was given for it before. O(1), but for a gap in which nobody was heard: its seconds. */
void heard_add(struct heard *h, int64_t now_ms);
void heard_again(struct heard *h, int64_t at_ms, int64_t now_ms);
void heard_remove(struct heard *h, int64_t at_ms);

struct heard_ages {
    uint64_t buckets[HEARD_BUCKETS]; /* [i]: not in [i - 1], at most heard_bound_s(i) old */
    uint64_t count;
    double sum_s;
};
uint32_t heard_bound_s(unsigned i); /* whole seconds, rounded down; the last is UINT32_MAX */
/* Adds the ages as of now. Any thread. */
void heard_sum(const struct heard *h, int64_t now_ms, struct heard_ages *sum);

#endif
