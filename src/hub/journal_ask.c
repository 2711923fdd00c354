/* What a reader asks of the gate: from here on, live. One mail there, the same mail back. */
#include "base/assert.h"
#include "base/mem.h"
#include "hub/internal.h"
#include "hub/journal_internal.h"
#include "hub/pattern.h"

#include <string.h>

bool journal_wanted(const struct journal_topic *topics, unsigned count, uint64_t n, uint64_t hash,
                    span topic)
{
    bool wanted = false;
    for (unsigned i = 0; i < count; i++) {
        const struct journal_topic *t = &topics[i];
        if (t->pattern ? pattern_match(t->name, topic)
                       : t->hash == hash && span_eq(t->name, topic)) {
            if (n <= t->floor) {
                return false;
            }
            wanted = true;
        }
    }
    return wanted;
}

static struct journal_ask *ask_new(const struct journal_reader_state *s, uint64_t position)
{
    size_t names = 0;
    for (uint32_t i = 0; i < s->topic_count; i++) {
        names += s->topics[i].name.len;
    }
    size_t topics = s->topic_count * sizeof(struct journal_topic);
    struct journal_ask *a = mem_calloc(1, sizeof *a + topics + names);
    struct journal *j = s->journal;
    a->from = j;
    a->who = (struct hub_ticket){.loop = j->conf.loop, .member = s->reader->member};
    a->reader = s->id;
    a->position = position;
    a->topic_count = s->topic_count;
    a->highest = position;
    uint8_t *at = (uint8_t *)(a->topics + s->topic_count);
    for (uint32_t i = 0; i < s->topic_count; i++) {
        a->topics[i] = s->topics[i];
        a->highest = a->topics[i].floor > a->highest ? a->topics[i].floor : a->highest;
        a->topics[i].name = span_of(at, s->topics[i].name.len);
        memcpy(at, s->topics[i].name.ptr, s->topics[i].name.len);
        at += s->topics[i].name.len;
    }
    return a;
}

static void on_answer(struct mail *m)
{
    reader_answered(CONTAINER_OF(m, struct journal_ask, mail));
}

static void on_ask(struct mail *m)
{
    struct journal_ask *a = CONTAINER_OF(m, struct journal_ask, mail);
    struct journal *home = a->from->conf.peers[JOURNAL_HOME];
    gate_answer(home, a);
    a->mail.run = on_answer;
    post_mail(home->conf.post, a->who.loop, &a->mail);
}

void ask_post(struct journal_reader_state *s, uint64_t position)
{
    struct journal *j = s->journal;
    struct journal_ask *a = ask_new(s, position);
    if (j->gate != NULL) { /* at once: between mail to itself the gate would go on publishing */
        gate_answer(j, a);
        reader_answered(a);
    } else {
        a->mail.run = on_ask;
        post_mail(j->conf.post, JOURNAL_HOME, &a->mail);
    }
}

void ask_drop(struct journal_ask *a)
{
    for (unsigned i = 0; i < a->given_count; i++) {
        blob_unref(a->given[i]);
    }
    for (unsigned i = 0; a->answer == ASK_JOINED && i < a->topic_count; i++) {
        local_decline(a->from->conf.hub, a->who, JOURNAL_HOME, a->topics[i].name);
    }
    mem_free(a);
}
