/*
 * Sending and reading up to a message over REST (CONTRACT 5, 7).
 *
 * An Idempotency-Key becomes the message's clientId where it names none: so a crash between the
 * message and its stored answer makes no second one. What a principal sends here has a bucket of
 * its own, with the rate of a socket, besides that of requests.
 */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"

#include "hub/ratelimit.h"
#include "shape/chat_message.h"

#include <string.h>

#define PRINCIPALS_MAX 16384 /* whose buckets are kept; then the one used longest ago goes */
#define KEY_PREFIX "key-"

struct posting {
    struct chat_made made;
    struct chat_draft draft;
    char client_id[sizeof KEY_PREFIX + IDEM_NAME_LEN];
};

bool chat_within_rate(struct rest_call *c)
{
    struct edge *e = c->edge;
    bool guest = c->grant->kind == PRINCIPAL_GUEST;
    const struct chat_wire_conf *conf = &e->conf->chat;
    struct bucket_rule rule = {.count = guest ? conf->guest_per_s : conf->messages_per_s,
                               .period_ms = 1000,
                               .burst = guest ? conf->guest_burst : conf->messages_burst};
    struct limiter **l = guest ? &e->rest_chat_guests : &e->rest_chat;
    uint32_t retry_ms = 0;
    if (rule.count == 0 || c->grant->kind == PRINCIPAL_ROBOT) {
        return true; /* its requests are bounded, as all are */
    }
    if (*l == NULL) {
        *l = limiter_new(&rule, PRINCIPALS_MAX);
    }
    if (limiter_take(*l, span_of(&c->grant->principal, sizeof(uuid)), loop_now_ms(e->loop),
                     &retry_ms)) {
        return true;
    }
    rest_retry_later(c, ERR_RATE_LIMIT_EXCEEDED, retry_ms);
    return false;
}

static void post(struct rest_call *c)
{
    struct posting *p = c->user;
    char address[ADDR_TEXT_MAX], name[IDEM_NAME_LEN];
    struct chat_who who = chat_caller(c, address);
    span key = idem_name(c, name);
    if (p->draft.client_id.ptr == NULL && key.len > 0) {
        memcpy(p->client_id, KEY_PREFIX, sizeof KEY_PREFIX - 1);
        memcpy(p->client_id + sizeof KEY_PREFIX - 1, key.ptr, key.len);
        p->draft.client_id = span_of(p->client_id, sizeof KEY_PREFIX - 1 + key.len);
    }
    rest_later(c);
    chat_send(c->edge->home, c->uuids[0], &p->draft, &who, NULL, chat_answer_made, &p->made);
}

void rest_chat_message_post(struct rest_call *c)
{
    struct shape_chat_draft in;
    struct shape_ctx ctx = {.arena = &c->arena};
    if (!chat_within_rate(c) || !device_body(c, SCHEMA_chat_draft, &in)) {
        return;
    }
    struct posting *p = ARENA_NEW(&c->arena, struct posting);
    *p = (struct posting){
        .made = {.call = c, .path = "/api/v1/chat/messages/"},
        .draft = {.type = (enum chat_message_type)in.type,
                  .content = in.content,
                  .client_id = in.has_clientId ? in.clientId : SPAN_NONE,
                  .reply_to = in.has_replyTo ? in.replyTo : UUID_NIL,
                  .metadata = in.has_metadata ? in.metadata : SPAN_NONE},
    };
    if (!chat_draft_check(&p->draft, &ctx)) {
        device_bad_query(c, ctx.path, ctx.why);
        return;
    }
    c->user = p;
    idem_begin(c, post);
}

/* --- read --- */

static void has_read(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok(c, span_str(rest_printf(c, "{%.*s}", SPAN_FMT(r->members))));
    }
}

void rest_chat_read(struct rest_call *c)
{
    struct shape_chat_read in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_chat_read, &in)) {
        return;
    }
    struct chat_who who = chat_caller(c, address);
    rest_later(c);
    chat_read(c->edge->home, c->uuids[0], in.seq, &who, has_read, c);
}
