/* Devices made with a provisioning key. */
#include "simulator/registrar.h"

#include "codec/json/read.h"
#include "simulator/words.h"

#include <stdio.h>
#include <string.h>

/* Clients may ask 20 times a second; a little less is never refused. */
#define PACE_MS 55
#define KEY_TEXT_MAX 255

static void on_joined(struct link *l);
static void on_heard(struct link *l, const struct heard *h);
static void on_closed(struct link *l, const struct link_end *end);

static const struct link_ops link_ops = {
    .on_joined = on_joined, .on_heard = on_heard, .on_closed = on_closed};

static void wait(struct registrar *r, int64_t ms)
{
    timer_start(r->link.side->loop, &r->again, ms);
}

static void retry(struct registrar *r)
{
    uint64_t random;
    entropy_fill(r->link.side->entropy, &random, sizeof random);
    wait(r, backoff_next_ms(&r->backoff, RECONNECT_FREE, random));
}

static void done(struct registrar *r, const char *why)
{
    r->ended = true;
    timer_stop(r->link.side->loop, &r->again);
    link_close(&r->link, CLOSE_NORMAL);
    r->on_done(r, why);
}

static void ask(struct registrar *r)
{
    char name[128];
    buf text = {0};
    snprintf(name, sizeof name, "%s%u", r->prefix, r->first + r->made);
    words_provision(&text, span_str(name), ++r->next_id);
    link_put(&r->link, buf_span(&text));
    link_flush(&r->link);
    buf_deinit(&text);
}

static void on_again(struct timer *t)
{
    struct registrar *r = CONTAINER_OF(t, struct registrar, again);
    if (r->link.state == LINK_JOINED) {
        ask(r);
    } else if (r->link.state == LINK_IDLE && !link_open(&r->link)) {
        retry(r);
    }
}

void registrar_start(struct registrar *r)
{
    r->link.ops = &link_ops;
    r->again.fire = on_again;
    if (r->wanted == 0) {
        done(r, NULL);
    } else {
        wait(r, 0);
    }
}

void registrar_stop(struct registrar *r)
{
    r->ended = true;
    if (r->again.fire != NULL) {
        timer_stop(r->link.side->loop, &r->again);
    }
    link_close(&r->link, CLOSE_NORMAL);
}

static void on_joined(struct link *l)
{
    ask(CONTAINER_OF(l, struct registrar, link));
}

static bool text_of(span object, const char *name, char *out, size_t room)
{
    span value;
    buf text = {0};
    bool ok = json_get(object, name, &value) && json_string(value, &text) && text.len < room;
    if (ok) {
        memcpy(out, text.ptr, text.len);
        out[text.len] = '\0';
    }
    buf_deinit(&text);
    return ok;
}

static void on_made(struct registrar *r, span ack)
{
    span device;
    char id[UUID_TEXT_LEN + 1];
    char key[KEY_TEXT_MAX + 1];
    if (!json_get(ack, "device", &device) || !text_of(device, "id", id, sizeof id) ||
        !text_of(ack, "key", key, sizeof key)) {
        done(r, "the server's answer to device:register has no device or key");
        return;
    }
    r->made++;
    r->backoff.attempts = 0;
    r->on_made(r, id, key);
    explicit_bzero(key, sizeof key);
    if (r->made == r->wanted) {
        done(r, NULL);
    } else {
        wait(r, PACE_MS);
    }
}

static void on_heard(struct link *l, const struct heard *h)
{
    struct registrar *r = CONTAINER_OF(l, struct registrar, link);
    if (h->kind != HEARD_ACK || h->id != r->next_id) {
        return;
    }
    if (h->ok) {
        on_made(r, h->data);
    } else if (h->retry_after_ms > 0) {
        wait(r, h->retry_after_ms);
    } else {
        LOG(loop_log(l->side->loop), LOG_ERROR, "simulator.provision", LOG_STR("code", h->code));
        done(r, "the server refuses to make a device with the provisioning key");
    }
}

static void on_closed(struct link *l, const struct link_end *end)
{
    struct registrar *r = CONTAINER_OF(l, struct registrar, link);
    if (r->ended) {
        return;
    }
    if (end->refused != NULL && strcmp(end->refused, "AUTHENTICATION_FAILED") == 0) {
        done(r, "the server refuses the provisioning key");
    } else {
        retry(r);
    }
}
