/*
 * Port: carries mail to a loop. Mail from one thread to one loop arrives in the order posted,
 * each exactly once, never inside the call. Callable from any thread (loops batch their own
 * mail and hand it over once a turn; other threads hand it over at once).
 */
#ifndef SB_PORTS_POST_H
#define SB_PORTS_POST_H

#include "base/mail.h"

struct post {
    void (*send)(struct post *self, unsigned loop, struct mail *m);
    unsigned loop_count;
};

static inline void post_mail(struct post *p, unsigned loop, struct mail *m)
{
    p->send(p, loop, m);
}

#endif
