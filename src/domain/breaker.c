#include "domain/breaker.h"

static const char *const names[] = {"closed", "open", "half_open"};

const char *breaker_state_name(enum breaker_state s) { return names[s]; }

static void set_state(struct breaker *b, enum breaker_state to, int64_t now_ms)
{
    b->state = to;
    b->era++;
    b->probing = false;
    b->count = b->next = 0;
    if (to == BREAKER_OPEN) {
        b->opened_ms = now_ms;
    }
}

bool breaker_ask(struct breaker *b, const struct breaker_conf *conf, int64_t now_ms,
                 struct breaker_pass *pass, int64_t *retry_ms)
{
    if (b->state == BREAKER_OPEN) {
        int64_t left_ms = b->opened_ms + conf->open_ms - now_ms;
        if (left_ms > 0) {
            *retry_ms = left_ms;
            return false;
        }
        set_state(b, BREAKER_HALF_OPEN, now_ms);
    }
    if (b->state == BREAKER_HALF_OPEN) {
        if (b->probing) {
            *retry_ms = 1; /* the probe may end at any time */
            return false;
        }
        b->probing = true;
    }
    pass->era = b->era;
    return true;
}

/* Whether, with this one, as many failures as it takes lie within the window. */
static bool note_failure(struct breaker *b, const struct breaker_conf *conf, int64_t now_ms)
{
    if (conf->failures == 0) {
        return false;
    }
    ASSERT(conf->failures <= BREAKER_FAILURES_MAX);
    b->failed_ms[b->next] = now_ms;
    b->next = (b->next + 1) % BREAKER_FAILURES_MAX;
    b->count += b->count < BREAKER_FAILURES_MAX;
    if (b->count < conf->failures) {
        return false;
    }
    unsigned first = (b->next + BREAKER_FAILURES_MAX - conf->failures) % BREAKER_FAILURES_MAX;
    return now_ms - b->failed_ms[first] <= conf->window_ms;
}

bool breaker_report(struct breaker *b, const struct breaker_conf *conf, struct breaker_pass pass,
                    bool ok, int64_t now_ms)
{
    if (pass.era != b->era) {
        return false;
    }
    ASSERT(b->state != BREAKER_OPEN); /* it gives no passes */
    if (b->state == BREAKER_HALF_OPEN) {
        set_state(b, ok ? BREAKER_CLOSED : BREAKER_OPEN, now_ms);
        return true;
    }
    if (ok || !note_failure(b, conf, now_ms)) {
        return false;
    }
    set_state(b, BREAKER_OPEN, now_ms);
    return true;
}

void breaker_return(struct breaker *b, struct breaker_pass pass)
{
    if (pass.era == b->era) {
        b->probing = false;
    }
}
