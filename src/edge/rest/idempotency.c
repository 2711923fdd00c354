/*
 * A key's way: held at its principal's home (mail there and back), then looked for in the store,
 * then the work; then it is let go. One object goes along: it is the mail and stands in the home's
 * map, by what does not change; the rest belongs to the loop of the request.
 */
#include "edge/rest/idempotency.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/mem.h"
#include "loop/digest.h"

#define RETRY_MS 1000

struct idem {
    struct mail mail;
    struct map_node node; /* of the home, while it is held */
    struct edge *edge;    /* the request's, */
    struct edge *home;    /* and where it is held */
    struct rest_call *call;
    void (*proceed)(struct rest_call *c);
    bool busy; /* somebody else holds it */
    uint8_t body_hash[DIGEST_SHA256_BYTES]; /* of what the path names too */
    uuid principal;
    enum route route;
    uint8_t key_len;
    char key[IDEM_KEY_BYTES_MAX];
};
_Static_assert(IDEM_KEY_BYTES_MAX <= UINT8_MAX, "key_len is a byte");

static span key_of(const struct idem *i) { return span_of(i->key, i->key_len); }

/* --- at the home --- */

static bool same(const struct map_node *node, const void *key)
{
    const struct idem *a = CONTAINER_OF(node, struct idem, node);
    const struct idem *b = key;
    return a->route == b->route && uuid_eq(a->principal, b->principal) &&
           span_eq(key_of(a), key_of(b));
}

static void on_held(struct mail *m);

static void on_hold(struct mail *m)
{
    struct idem *i = CONTAINER_OF(m, struct idem, mail);
    uint64_t hash = hash_bytes(key_of(i));
    i->busy = map_get(&i->home->idem_held, hash, same, i) != NULL;
    if (!i->busy) {
        map_put(&i->home->idem_held, hash, &i->node);
    }
    i->mail.run = on_held;
    post_mail(i->home->home->post, loop_index(i->edge->loop), &i->mail);
}

static void on_release(struct mail *m)
{
    struct idem *i = CONTAINER_OF(m, struct idem, mail);
    map_remove(&i->home->idem_held, &i->node);
    mem_free(i);
}

static void post_home(struct idem *i, void (*run)(struct mail *m))
{
    i->mail.run = run;
    post_mail(i->edge->home->post, loop_index(i->home->loop), &i->mail);
}

void idem_deinit(struct edge *e)
{
    for (struct map_node *n = map_pop(&e->idem_held); n != NULL; n = map_pop(&e->idem_held)) {
        mem_free(CONTAINER_OF(n, struct idem, node));
    }
    map_deinit(&e->idem_held);
}

/* --- the request --- */

static void on_found(struct store_req *req);

static void look(struct idem *i)
{
    char principal[UUID_TEXT_LEN + 1];
    uuid_format(i->principal, principal);
    struct store_req *req = store_req_new(loop_index(i->edge->loop), 1, on_found, i);
    store_step_init(req, 0, QUERY_IDEMPOTENCY_GET, 1);
    store_set_text(req, 0, 0, 0, span_str(principal));
    store_set_text(req, 0, 0, 1, span_str(route_row(i->route)->pattern));
    store_set_text(req, 0, 0, 2, key_of(i));
    i->edge->home->store->submit(i->edge->home->store, req);
}

static void on_held(struct mail *m)
{
    struct idem *i = CONTAINER_OF(m, struct idem, mail);
    if (!i->busy) {
        look(i);
        return;
    }
    struct rest_call *c = rest_resume(i->call);
    mem_free(i);
    if (c != NULL) {
        rest_retry_later(c, ERR_KEY_BUSY, RETRY_MS);
    }
}

/* Answers what was stored: body_hash, status, response, created_at, n of the event or 0. */
static void answer_stored(struct rest_call *c, const struct store_req *req, const uint8_t *hash)
{
    const struct store_value *cells = store_cell(req, 0, 0, 0);
    struct pos pos = {.epoch = journal_now(c->edge->home->journal).epoch,
                      .n = (uint64_t)store_int(&cells[4])};
    if (!span_eq(store_text(&cells[0]), span_of(hash, DIGEST_SHA256_BYTES))) {
        rest_error(c, ERR_KEY_REUSED, NULL);
        return;
    }
    rest_header(c, "Idempotency-Replayed", SPAN("true"));
    idem_ok(c, store_text(&cells[2]), pos.n == 0 ? NULL : &pos);
}

static void on_found(struct store_req *req)
{
    struct idem *i = req->owner;
    struct rest_call *c = i->call;
    bool found = req->error == ERR_NONE && req->steps[0].row_count > 0;
    if (found || req->error != ERR_NONE || c->x == NULL) {
        uint8_t hash[DIGEST_SHA256_BYTES];
        memcpy(hash, i->body_hash, sizeof hash);
        post_home(i, on_release);
        c = rest_resume(c);
        if (c != NULL && found) {
            answer_stored(c, req, hash);
        } else if (c != NULL) {
            rest_error(c, req->error, NULL);
        }
    } else {
        c = rest_resume(c);
        ASSERT(c != NULL);
        c->idem = i;
        i->proceed(c);
    }
    store_req_free(req);
}

static bool is_visible(span key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] <= ' ' || key.ptr[i] > '~') {
            return false;
        }
    }
    return key.len > 0 && key.len <= IDEM_KEY_BYTES_MAX;
}

/* Of the body, and of what the path names: the same for another object is another request. */
static void hash_request(const struct rest_call *c, uint8_t out[DIGEST_SHA256_BYTES])
{
    uint8_t all[DIGEST_SHA256_BYTES + sizeof c->uuids];
    size_t named = c->uuid_count * sizeof c->uuids[0];
    digest_sha256(c->json.ptr, c->json.len, out);
    if (named > 0) {
        memcpy(all, out, DIGEST_SHA256_BYTES);
        memcpy(all + DIGEST_SHA256_BYTES, c->uuids, named);
        digest_sha256(all, DIGEST_SHA256_BYTES + named, out);
    }
}

bool idem_key_ok(struct rest_call *c, span key)
{
    if (is_visible(key) && http1_field_count(c->x->req, "Idempotency-Key") == 1) {
        return true;
    }
    rest_error(c, ERR_INVALID_REQUEST,
               "Idempotency-Key must be 1 to 200 visible characters of ASCII");
    return false;
}

void idem_begin(struct rest_call *c, void (*proceed)(struct rest_call *c))
{
    ASSERT(c->grant != NULL && c->idem == NULL);
    span key = http1_field(c->x->req, "Idempotency-Key");
    if (key.ptr == NULL || uuid_is_nil(c->grant->principal)) {
        proceed(c);
        return;
    }
    if (!idem_key_ok(c, key)) {
        return;
    }
    struct edge *e = c->edge;
    struct idem *i = mem_calloc(1, sizeof *i);
    i->edge = e;
    i->home = e->peers[home_of(e->home, c->grant->principal)];
    i->call = c;
    i->proceed = proceed;
    i->principal = c->grant->principal;
    i->route = c->route_index;
    i->key_len = (uint8_t)key.len;
    memcpy(i->key, key.ptr, key.len);
    hash_request(c, i->body_hash);
    rest_later(c);
    post_home(i, on_hold);
}

unsigned idem_steps(const struct rest_call *c) { return c->idem != NULL; }

void idem_step(const struct rest_call *c, struct store_req *req, unsigned step, span response,
               bool logged)
{
    const struct idem *i = c->idem;
    char principal[UUID_TEXT_LEN + 1];
    uuid_format(i->principal, principal);
    store_step_init(req, step, QUERY_IDEMPOTENCY_INSERT, 1);
    req->steps[step].expect = STORE_SOME;
    store_set_text(req, step, 0, 0, span_str(principal));
    store_set_text(req, step, 0, 1, span_str(route_row(i->route)->pattern));
    store_set_text(req, step, 0, 2, key_of(i));
    store_set_blob(req, step, 0, 3, span_of(i->body_hash, sizeof i->body_hash));
    store_set_int(req, step, 0, 4, 200);
    store_set_text(req, step, 0, 5, response);
    store_set_int(req, step, 0, 6, loop_wall_ms(c->edge->loop));
    store_set_int(req, step, 0, 7, logged);
}

span idem_name(const struct rest_call *c, char out[IDEM_NAME_LEN])
{
    const struct idem *i = c->idem;
    uint8_t all[sizeof i->principal + sizeof i->body_hash + IDEM_KEY_BYTES_MAX];
    uint8_t digest[DIGEST_SHA256_BYTES];
    if (i == NULL) {
        return SPAN_NONE;
    }
    uint8_t *at = all;
    memcpy(at, &i->principal, sizeof i->principal);
    at += sizeof i->principal;
    memcpy(at, i->body_hash, sizeof i->body_hash);
    at += sizeof i->body_hash;
    memcpy(at, i->key, i->key_len);
    digest_sha256(all, (size_t)(at - all) + i->key_len, digest);
    hex_encode(span_of(digest, IDEM_NAME_LEN / 2), out);
    return span_of(out, IDEM_NAME_LEN);
}

void idem_end(struct rest_call *c)
{
    if (c->idem != NULL) {
        post_home(c->idem, on_release);
        c->idem = NULL;
    }
}

void idem_ok(struct rest_call *c, span response, const struct pos *pos)
{
    char text[POS_TEXT_MAX];
    if (pos == NULL) {
        rest_ok(c, response);
        return;
    }
    ASSERT(response.len > 2 && response.ptr[response.len - 1] == '}');
    buf_clear(&c->data);
    buf_append(&c->data, response.ptr, response.len - 1);
    buf_printf(&c->data, ",\"pos\":\"%.*s\"}", (int)pos_text(*pos, text), text);
    rest_ok(c, buf_span(&c->data));
}
