/*
 * A message between threads. The sender embeds a `mail` in its own struct, fills `run` and
 * posts it (ports/post.h); the target's thread calls run(mail) exactly once, in the order of
 * posting from one sender to one target. Ownership of the embedding struct passes with it.
 */
#ifndef SB_BASE_MAIL_H
#define SB_BASE_MAIL_H

struct mail {
    struct mail *next; /* the mailbox's, while posted */
    void (*run)(struct mail *m);
};

#endif
