/*
 * Commands to devices over REST (CONTRACT 3).
 *
 * A command is one by its requestId. Who names none but shows an Idempotency-Key gets one that is
 * made of the principal and the key: so the key counts for its principal and device as long as the
 * command is kept, and the store needs nothing besides.
 *
 * Recording is what POST does, so that is its success: 200 with the CommandResult of one that is
 * over, however it ended, 202 of one that is not. One that cannot even begin, for its device is
 * offline or disabled, is COMMAND_EXECUTION_FAILED. Who waits and goes away is forgotten; the
 * command is not.
 */
#include "edge/rest/commands.h"
#include "edge/command.h"
#include "edge/ops/ops.h"
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"

#include "base/base64.h"
#include "base/mem.h"
#include "domain/house.h"
#include "loop/digest.h"

#define WAIT_S_MAX 300
#define WAIT_DECIMALS 3
/* Of the digest; with the prefix well within requestId's 100 characters. */
#define KEY_DIGEST_BYTES 24
#define KEY_PREFIX "key-"

/* --- answers --- */

static bool is_over(const struct command_result *r)
{
    return command_status_of(r->phase) != COMMAND_PENDING;
}

static span location_of(struct rest_call *c, uuid command)
{
    char device[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
    uuid_format(c->uuids[0], device);
    uuid_format(command, id);
    return span_str(rest_printf(c, "/api/v1/devices/%s/commands/%s", device, id));
}

static void answer_failure(struct rest_call *c, err error)
{
    if (error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "cursor", "is not one of ours");
    } else if (error == ERR_RATE_LIMIT_EXCEEDED) {
        rest_retry_later(c, error, COMMAND_RETRY_MS);
    } else {
        rest_error(c, error, error == ERR_CONFLICT ? "the command is over" : NULL);
    }
}

/* False when it was refused, and answered. */
static bool is_good(struct rest_call *c, const struct command_result *r)
{
    if (r->error != ERR_NONE) {
        answer_failure(c, r->error);
    }
    return r->error == ERR_NONE;
}

static void answer_state(struct rest_call *c, const struct command_result *r)
{
    if (is_over(r)) {
        rest_header(c, "Location", location_of(c, r->id));
        rest_ok(c, r->json);
    } else {
        rest_accepted(c, r->json, location_of(c, r->id));
    }
}

/* A command_done that answers with the command. */
static void show(void *owner, const struct command_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && is_good(c, r)) {
        rest_ok(c, r->json);
    }
}

/* --- waiting --- */

/* Who waits for a command's end; in edge.command_waits until the domain has answered, even when the
 * call is gone. */
struct waiter {
    struct list link;
    struct rest_call *call; /* NULL: gone, or waits for another answer */
    uuid command;
    bool posted; /* else it only looks */
};

static void waiter_free(struct waiter *w)
{
    list_remove(&w->link);
    mem_free(w);
}

static void abandoned(struct rest_call *c) { ((struct waiter *)c->user)->call = NULL; }

static void waited(void *owner, const struct command_result *r)
{
    struct waiter *w = owner;
    struct rest_call *c = w->call == NULL ? NULL : rest_resume(w->call);
    bool posted = w->posted;
    waiter_free(w);
    if (c == NULL || !is_good(c, r)) {
        return;
    }
    if (posted) {
        answer_state(c, r);
    } else {
        rest_ok(c, r->json);
    }
}

static struct waiter *waiter_new(struct rest_call *c, uuid command, bool posted)
{
    struct waiter *w = mem_alloc(sizeof *w);
    *w = (struct waiter){.call = c, .command = command, .posted = posted};
    list_push(&c->edge->command_waits, &w->link);
    return w;
}

static void wait_for(struct rest_call *c, uuid command, uint32_t wait_ms, bool posted)
{
    struct waiter *w = waiter_new(c, command, posted);
    rest_wait(c, abandoned, w);
    command_wait(c->edge->home, c->uuids[0], command, wait_ms, waited, w);
}

void commands_drain(struct edge *e)
{
    struct list waits;
    house_hurry(e->home);
    list_init(&waits);
    list_splice(&waits, &e->command_waits);
    LIST_EACH(it, &waits) {
        struct waiter *w = LIST_ITEM(it, struct waiter, link);
        struct rest_call *c = w->call;
        list_remove(&w->link);
        list_push(&e->command_waits, &w->link);
        if (c != NULL) {
            w->call = NULL;
            c->user = waiter_new(c, w->command, w->posted);
            command_get(e->home, c->uuids[0], w->command, waited, c->user);
        }
    }
}

void commands_init(struct edge *e) { list_init(&e->command_waits); }

void commands_deinit(struct edge *e)
{
    while (!list_empty(&e->command_waits)) {
        waiter_free(LIST_ITEM(e->command_waits.next, struct waiter, link));
    }
}

/* Seconds with up to three decimals, as milliseconds. */
static bool read_seconds(span text, uint32_t *ms)
{
    span fraction = text;
    uint64_t seconds, decimals = 0;
    span whole = span_cut(&fraction, '.');
    if (!span_u64(whole, WAIT_S_MAX, &seconds) || fraction.len > WAIT_DECIMALS ||
        (fraction.len > 0 && !span_u64(fraction, 999, &decimals))) {
        return false;
    }
    for (size_t i = fraction.len; i < WAIT_DECIMALS && fraction.len > 0; i++) {
        decimals *= 10;
    }
    *ms = (uint32_t)(seconds * 1000 + decimals);
    return *ms <= WAIT_S_MAX * 1000;
}

static bool is_draining(const struct edge *e)
{
    return e->ops != NULL && atomic_load_explicit(&e->ops->draining, memory_order_relaxed);
}

bool commands_wait_ms(struct rest_call *c, uint32_t *ms)
{
    span text = rest_query(c, "wait");
    *ms = 0;
    if (text.ptr != NULL && !read_seconds(text, ms)) {
        device_bad_query(c, "wait", "must be seconds from 0 to 300");
        return false;
    }
    *ms = is_draining(c->edge) ? 0 : *ms;
    return true;
}

/* --- POST --- */

struct order {
    struct rest_call *call;
    uint32_t wait_ms;
    bool keyed; /* its requestId is that of a key */
};

static void refuse(struct rest_call *c, const struct order *o, const struct event_refusal *r)
{
    if (r->error == ERR_INVALID_MESSAGE_FORMAT && o->keyed) {
        rest_error(c, ERR_KEY_REUSED, NULL);
        return;
    }
    if (r->why != NULL) {
        struct json_writer w = json_writer_of(&c->data);
        json_open(&w, '{');
        json_member_string(&w, "reason", span_str(r->why));
        if (r->details.len > 0) {
            buf_append_byte(&c->data, ',');
            buf_append_span(&c->data, r->details);
        }
        json_close(&w, '}');
        c->details = buf_span(&c->data);
    }
    answer_failure(c, r->error);
}

static void recorded(void *owner, const struct command_result *r)
{
    struct order *o = owner;
    struct rest_call *c = rest_resume(o->call);
    struct event_refusal refusal;
    buf details = {0};
    if (c == NULL) {
        return;
    }
    if (r->error == ERR_NONE && r->repeated) {
        rest_header(c, "Idempotency-Replayed", SPAN("true"));
    }
    if (command_refused(r, &details, &refusal)) {
        refuse(c, o, &refusal);
    } else if (is_over(r) || o->wait_ms == 0) {
        answer_state(c, r);
    } else {
        wait_for(c, r->id, o->wait_ms, true);
    }
    buf_deinit(&details);
}

/* A requestId of the principal and its key. False when the key is none, and answered. */
static bool read_key(struct rest_call *c, span *request_id)
{
    uint8_t digest[DIGEST_SHA256_BYTES];
    span key = http1_field(c->x->req, "Idempotency-Key");
    if (key.ptr == NULL) {
        return true;
    }
    if (!idem_key_ok(c, key)) {
        return false;
    }
    uint8_t *text = arena_alloc(&c->arena, sizeof(uuid) + key.len);
    memcpy(text, &c->grant->principal, sizeof(uuid));
    memcpy(text + sizeof(uuid), key.ptr, key.len);
    digest_sha256(text, sizeof(uuid) + key.len, digest);
    char *id = arena_alloc(&c->arena, sizeof KEY_PREFIX + BASE64_SIZE(KEY_DIGEST_BYTES));
    size_t prefix = sizeof KEY_PREFIX - 1;
    memcpy(id, KEY_PREFIX, prefix);
    size_t len = base64url_encode(span_of(digest, KEY_DIGEST_BYTES), id + prefix);
    *request_id = span_of(id, prefix + len);
    return true;
}

void rest_command_post(struct rest_call *c)
{
    struct shape_command_post in;
    struct order *o = ARENA_NEW(&c->arena, struct order);
    char address[ADDR_TEXT_MAX];
    span made = SPAN_NONE;
    o->call = c;
    if (!device_body(c, SCHEMA_command_post, &in) || !commands_wait_ms(c, &o->wait_ms) ||
        !read_key(c, &made)) {
        return;
    }
    struct command_draft draft = COMMAND_DRAFT(&in);
    o->keyed = !in.has_requestId && made.len > 0;
    draft.device = c->uuids[0];
    draft.request_id = in.has_requestId ? in.requestId : made;
    struct actor who = rest_actor(c, address);
    rest_later(c);
    command_send(c->edge->home, &draft, &who, recorded, o);
}

/* --- the others --- */

void rest_command_get(struct rest_call *c)
{
    uint32_t wait_ms;
    if (!commands_wait_ms(c, &wait_ms)) {
        return;
    }
    if (wait_ms > 0) {
        wait_for(c, c->uuids[1], wait_ms, false);
    } else {
        rest_later(c);
        command_get(c->edge->home, c->uuids[0], c->uuids[1], show, c);
    }
}

void rest_command_cancel(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    command_cancel(c->edge->home, c->uuids[0], c->uuids[1], &who, show, c);
}

static void listed(void *owner, const struct command_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && is_good(c, r)) {
        rest_ok_list(c, r->json, r->next);
    }
}

void rest_command_list(struct rest_call *c)
{
    struct command_filter f = {.device = c->uuids[0],
                               .status = -1,
                               .after = rest_query(c, "cursor"),
                               .limit = rest_query_limit(c)};
    span status = rest_query(c, "status");
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (status.len > 0 && (f.status = shape_command_status_of(status)) < 0) {
        device_bad_query(c, "status", "is none of the choices");
        return;
    }
    rest_later(c);
    command_list(c->edge->home, &f, listed, c);
}
