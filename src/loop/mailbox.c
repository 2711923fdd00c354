/*
 * See mailbox.h. Acquire and release on one word are enough: every push is a read-modify-write of
 * `top`, so all pushes since the last take form one release sequence, and the owner's acquiring
 * exchange sees what each of the senders wrote before it pushed. The stack is only ever pushed
 * to or emptied whole, so a top that left and came back is harmless.
 */
#include "loop/mailbox.h"

#include <stddef.h>

/* Never run; only its address matters. */
static struct mail asleep_mark;
#define ASLEEP (&asleep_mark)

bool mailbox_push(struct mailbox *b, struct mail *newest, struct mail *oldest)
{
    struct mail *top = atomic_load_explicit(&b->top, memory_order_relaxed);
    do {
        oldest->next = top == ASLEEP ? NULL : top;
    } while (!atomic_compare_exchange_weak_explicit(&b->top, &top, newest, memory_order_release,
                                                    memory_order_relaxed));
    return top == ASLEEP;
}

struct mail *mailbox_take(struct mailbox *b)
{
    if (atomic_load_explicit(&b->top, memory_order_relaxed) == NULL) {
        return NULL; /* the usual case costs no locked instruction */
    }
    struct mail *top = atomic_exchange_explicit(&b->top, NULL, memory_order_acquire);
    return top == ASLEEP ? NULL : mail_reverse(top);
}

bool mailbox_sleep(struct mailbox *b)
{
    struct mail *none = NULL;
    return atomic_compare_exchange_strong_explicit(&b->top, &none, ASLEEP, memory_order_relaxed,
                                                   memory_order_relaxed);
}

bool mailbox_empty(const struct mailbox *b)
{
    struct mail *top = atomic_load_explicit(&b->top, memory_order_relaxed);
    return top == NULL || top == ASLEEP;
}

struct mail *mail_reverse(struct mail *m)
{
    struct mail *out = NULL;
    while (m != NULL) {
        struct mail *next = m->next;
        m->next = out;
        out = m;
        m = next;
    }
    return out;
}
