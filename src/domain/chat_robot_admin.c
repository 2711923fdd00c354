/* Robots made, shown, changed, deleted, listed. Each change is one transaction with its audit row,
 * made at the robot's home, whose memory follows it. */
#include "domain/chat_robot_internal.h"
#include "domain/identity_ops.h"
#include "domain/name_cursor.h"

#include "base/base64.h"

#include <string.h>

#define SECRET_BYTES 32
#define SECRET_LEN 43   /* base64url of it */
#define LIST_MAX 200
#define ROOMS_PAGE 50   /* that a deleted robot leaves at a time */

static const char *const taken = "a robot of that name exists already";

struct admin {
    struct robot_ask ask; /* first */
    int64_t version;
    span name, description, url;
    char secret[SECRET_LEN + 1]; /* "" unless it is a new one */
    char key[DEVICE_KEY_LEN + 1];
    bool new_secret, whole;
    int enabled;
    struct chat_result left;  /* of a room that was left */
    unsigned rooms;           /* of a page, that it still is in */
};

static struct admin *admin_of(struct store_req *req) { return req->owner; }

static struct store_req *request(struct admin *x, unsigned steps, void (*done)(struct store_req *))
{
    if (x->ask.req != NULL) {
        store_req_free(x->ask.req);
    }
    x->ask.req = store_req_new(x->ask.at->index, steps, done, x);
    return x->ask.req;
}

static void submit(struct admin *x) { x->ask.at->store->submit(x->ask.at->store, x->ask.req); }

static void audit(struct admin *x, unsigned step, const char *action)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(x->ask.id, text);
    audit_step(x->ask.at, x->ask.req, step,
               &(struct audit_entry){.who = &x->ask.who,
                                     .action = action,
                                     .target_kind = "robot",
                                     .target = span_of(text, UUID_TEXT_LEN)});
}

static void make_secret(struct admin *x)
{
    uint8_t bytes[SECRET_BYTES];
    entropy_fill(x->ask.at->entropy, bytes, sizeof bytes);
    x->secret[base64url_encode(span_of(bytes, sizeof bytes), x->secret)] = '\0';
    explicit_bzero(bytes, sizeof bytes);
}

/* False: the ask was answered. */
static bool url_fits(struct admin *x)
{
    const char *why = "cannot be called: there is nobody to call it";
    struct home *h = x->ask.at;
    if (x->url.len == 0) {
        return true;
    }
    span url = arena_dup(&x->ask.arena, x->url); /* with a NUL */
    if (x->url.len <= CHAT_ROBOT_URL_MAX && h->webhook != NULL &&
        webhook_check(h->webhook, (const char *)url.ptr, &why)) {
        return true;
    }
    robot_ask_refuse(&x->ask, ERR_INVALID_REQUEST, "webhookUrl", why);
    return false;
}

static void answer_robot(struct admin *x, const struct robot *r)
{
    struct robot_shown shown = {.state = (int)robot_state(r),
                                .whole = x->whole,
                                .secret = span_str(x->secret),
                                .key = span_str(x->key)};
    robot_put(&x->ask.json, &r->row, &shown);
    x->ask.result.id = r->row.id;
    x->ask.result.version = r->row.version;
    robot_ask_answer(&x->ask, ERR_NONE);
    explicit_bzero(x->secret, sizeof x->secret);
    explicit_bzero(x->key, sizeof x->key);
}

/* The row as step `step` read it back, taken over. */
static struct robot *take_over(struct admin *x, unsigned step)
{
    struct chat_robot_row row = robot_row(store_cell(x->ask.req, step, 0, 0));
    return robot_set(x->ask.at->chat->robots, &row);
}

static void get_step(struct admin *x, unsigned step)
{
    store_step_init(x->ask.req, step, QUERY_ROBOT_GET, 1);
    x->ask.req->steps[step].expect = STORE_SOME;
    robot_set_uuid(x->ask.req, step, 0, x->ask.id);
}

/* --- create --- */

#define CREATE_STEPS 5

static void created(struct store_req *req)
{
    struct admin *x = admin_of(req);
    if (req->error == ERR_CONFLICT) {
        robot_ask_refuse(&x->ask, ERR_CONFLICT, NULL, "there are chat_robots_max robots already");
    } else if (req->error == ERR_STORE_CONSTRAINT) {
        robot_ask_refuse(&x->ask, ERR_CONFLICT, "name", taken);
    } else if (req->error != ERR_NONE) {
        robot_ask_answer(&x->ask, req->error);
    } else {
        x->ask.result.created = true;
        answer_robot(x, take_over(x, CREATE_STEPS - 1));
    }
}

static void put_principal(struct admin *x, unsigned step, int64_t now_ms)
{
    struct store_req *req = x->ask.req;
    store_step_init(req, step, QUERY_PRINCIPAL_INSERT, 1);
    robot_set_uuid(req, step, 0, x->ask.id);
    store_set_text(req, step, 0, 1, SPAN(""));
    robot_set_uuid(req, step, 2, x->ask.id);
    store_set_text(req, step, 0, 3, SPAN("robot"));
    store_set_text(req, step, 0, 4, x->name);
    store_set_text(req, step, 0, 5, SPAN("active"));
    store_set_int(req, step, 0, 6, now_ms);
}

static void put_key(struct admin *x, unsigned step, int64_t now_ms)
{
    uint8_t hash[32];
    struct store_req *req = x->ask.req;
    identity_key_generate(x->ask.at, x->key, hash);
    store_step_init(req, step, QUERY_CREDENTIAL_INSERT, 1);
    robot_set_uuid(req, step, 0, home_new_id(x->ask.at));
    robot_set_uuid(req, step, 1, x->ask.id);
    store_set_text(req, step, 0, 2, SPAN("device_key"));
    store_set_blob(req, step, 0, 3, span_of(hash, sizeof hash));
    store_set_text(req, step, 0, 4, SPAN("first"));
    store_set_int(req, step, 0, 8, now_ms);
}

static void put_robot(struct admin *x, unsigned step, int64_t now_ms)
{
    struct store_req *req = x->ask.req;
    store_step_init(req, step, QUERY_ROBOT_INSERT, 1);
    robot_set_uuid(req, step, 0, x->ask.id);
    store_set_text(req, step, 0, 1, x->name);
    store_set_text(req, step, 0, 2, x->description);
    if (x->url.len > 0) {
        store_set_text(req, step, 0, 3, x->url);
        store_set_text(req, step, 0, 4, span_str(x->secret));
    }
    store_set_int(req, step, 0, 5, now_ms);
}

static void create_at_home(struct robot_ask *a, struct robot *r)
{
    struct admin *x = CONTAINER_OF(a, struct admin, ask);
    int64_t now_ms = clock_wall_ms(a->at->clock);
    bool socket = x->url.len == 0;
    ASSERT(r == NULL);
    if (!url_fits(x)) {
        return;
    }
    struct store_req *req = request(x, socket ? CREATE_STEPS + 1 : CREATE_STEPS, created);
    store_step_init(req, 0, QUERY_ROBOT_ROOM, 1);
    req->steps[0].expect = STORE_SOME;
    store_set_int(req, 0, 0, 0, a->at->conf->chat_robots_max);
    put_principal(x, 1, now_ms);
    if (!socket) {
        make_secret(x);
    }
    put_robot(x, 2, now_ms);
    audit(x, 3, "robot.create");
    get_step(x, CREATE_STEPS - 1);
    if (socket) {
        put_key(x, CREATE_STEPS, now_ms);
    }
    submit(x);
}

static span text_of(struct admin *x, span s)
{
    return s.ptr == NULL ? SPAN_NONE : s.len == 0 ? SPAN("") : arena_dup(&x->ask.arena, s);
}

void chat_robot_create(struct home *h, const struct chat_robot_draft *in, const struct actor *who,
                       chat_done done, void *owner)
{
    struct admin *x = robot_ask_new(h, sizeof *x, home_new_id(h), create_at_home, who, done, owner);
    x->name = text_of(x, in->name);
    x->description = in->description.len > 0 ? text_of(x, in->description) : SPAN("");
    x->url = text_of(x, in->url);
    x->whole = true;
    robot_ask_start(&x->ask);
}

/* --- get --- */

static void get_at_home(struct robot_ask *a, struct robot *r)
{
    struct admin *x = CONTAINER_OF(a, struct admin, ask);
    if (r == NULL) {
        robot_ask_answer(a, ERR_NOT_FOUND);
    } else {
        answer_robot(x, r);
    }
}

void chat_robot_get(struct home *h, uuid id, bool whole, chat_done done, void *owner)
{
    struct admin *x = robot_ask_new(h, sizeof *x, id, get_at_home, NULL, done, owner);
    x->whole = whole;
    robot_ask_start(&x->ask);
}

/* --- change --- */

/* Step 0 finds the robot, step 1 changes it: no row means another version. */
static bool changed(struct admin *x)
{
    const struct store_req *req = x->ask.req;
    if (req->error == ERR_CONFLICT) {
        robot_ask_answer(&x->ask, req->failed_step == 0 ? ERR_NOT_FOUND : ERR_PRECONDITION_FAILED);
    } else if (req->error == ERR_STORE_CONSTRAINT) {
        robot_ask_refuse(&x->ask, ERR_CONFLICT, "name", taken);
    } else if (req->error != ERR_NONE) {
        robot_ask_answer(&x->ask, req->error);
    }
    return req->error == ERR_NONE;
}

#define PATCH_STEPS 6

static void patched(struct store_req *req)
{
    struct admin *x = admin_of(req);
    if (changed(x)) {
        struct robot *r = take_over(x, PATCH_STEPS - 1);
        identity_changed(x->ask.at, x->ask.id); /* disabled: its sockets end */
        answer_robot(x, r);
    }
}

static void put_change(struct admin *x, unsigned step, int64_t now_ms)
{
    struct store_req *req = x->ask.req;
    store_step_init(req, step, QUERY_ROBOT_UPDATE, 1);
    req->steps[step].expect = STORE_SOME;
    robot_set_uuid(req, step, 0, x->ask.id);
    if (x->name.ptr != NULL) {
        store_set_text(req, step, 0, 1, x->name);
    }
    if (x->description.ptr != NULL) {
        store_set_text(req, step, 0, 2, x->description);
    }
    store_set_int(req, step, 0, 3, x->url.ptr != NULL);
    if (x->url.len > 0) {
        store_set_text(req, step, 0, 4, x->url);
    }
    bool none = x->url.ptr != NULL && x->url.len == 0;
    store_set_int(req, step, 0, 5, x->secret[0] != '\0' || none);
    if (x->secret[0] != '\0') {
        store_set_text(req, step, 0, 6, span_str(x->secret));
    }
    if (x->enabled >= 0) {
        store_set_int(req, step, 0, 7, x->enabled);
    }
    store_set_int(req, step, 0, 8, now_ms);
    store_set_int(req, step, 0, 9, x->version);
}

static void patch_at_home(struct robot_ask *a, struct robot *r)
{
    struct admin *x = CONTAINER_OF(a, struct admin, ask);
    int64_t now_ms = clock_wall_ms(a->at->clock);
    if (r == NULL) {
        robot_ask_answer(a, ERR_NOT_FOUND);
        return;
    }
    if (!url_fits(x)) {
        return;
    }
    bool calls = x->url.ptr != NULL ? x->url.len > 0 : r->row.url.len > 0;
    if (calls && (x->new_secret || r->row.secret.len == 0)) {
        make_secret(x);
    }
    struct store_req *req = request(x, PATCH_STEPS, patched);
    get_step(x, 0);
    put_change(x, 1, now_ms);
    bool enabled = x->enabled >= 0 ? x->enabled == 1 : r->row.enabled;
    store_step_init(req, 2, QUERY_PRINCIPAL_SET_STATUS, 1);
    robot_set_uuid(req, 2, 0, a->id);
    store_set_text(req, 2, 0, 1, enabled ? SPAN("active") : SPAN("disabled"));
    store_set_int(req, 2, 0, 2, now_ms);
    store_step_init(req, 3, QUERY_PRINCIPAL_SET_NAME, 1);
    robot_set_uuid(req, 3, 0, a->id);
    store_set_text(req, 3, 0, 1, x->name.ptr != NULL ? x->name : r->row.name);
    store_set_int(req, 3, 0, 2, now_ms);
    audit(x, 4, "robot.update");
    get_step(x, PATCH_STEPS - 1);
    submit(x);
}

void chat_robot_patch(struct home *h, uuid id, const struct chat_robot_change *in,
                      const struct actor *who, chat_done done, void *owner)
{
    struct admin *x = robot_ask_new(h, sizeof *x, id, patch_at_home, who, done, owner);
    x->version = in->version;
    x->name = text_of(x, in->name);
    x->description = text_of(x, in->description);
    x->url = text_of(x, in->url);
    x->new_secret = in->new_secret;
    x->enabled = in->enabled;
    x->whole = true;
    robot_ask_start(&x->ask);
}

/* --- delete --- */

static void deleted(struct store_req *req)
{
    struct admin *x = admin_of(req);
    if (changed(x)) {
        struct robot *r = robot_find(x->ask.at->chat->robots, x->ask.id);
        if (r != NULL) {
            robot_drop(r);
        }
        identity_changed(x->ask.at, x->ask.id);
        robot_ask_answer(&x->ask, ERR_NONE);
    }
}

static void delete_row(struct admin *x)
{
    struct store_req *req = request(x, 3, deleted);
    get_step(x, 0);
    store_step_init(req, 1, QUERY_ROBOT_DELETE, 1);
    req->steps[1].expect = STORE_SOME;
    robot_set_uuid(req, 1, 0, x->ask.id);
    store_set_int(req, 1, 0, 1, x->version);
    audit(x, 2, "robot.delete");
    submit(x);
}

static void leave_rooms(struct admin *x);

/* A room that will not let it go now (it is being deleted) does not hold up the rest. */
static void left_room(void *owner, const struct chat_result *r)
{
    struct admin *x = owner;
    x->left.error = r->error != ERR_NONE ? r->error : x->left.error;
    if (--x->rooms > 0) {
        return;
    }
    if (x->left.error == ERR_NONE) {
        leave_rooms(x);
    } else {
        delete_row(x);
    }
}

static void rooms_found(struct store_req *req)
{
    struct admin *x = admin_of(req);
    unsigned count = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    if (req->error != ERR_NONE) {
        robot_ask_answer(&x->ask, req->error);
        return;
    }
    if (count == 0) {
        delete_row(x);
        return;
    }
    struct chat_who who = {
        .actor = x->ask.who, .kind = PRINCIPAL_USER, .type = CHAT_SUPERVISOR, .monitors = true};
    x->rooms = count;
    for (unsigned i = 0; i < count; i++) {
        uuid room = UUID_NIL;
        (void)uuid_parse(store_text(store_cell(req, 0, i, 0)), &room);
        chat_member_remove(x->ask.at, room, x->ask.id, 0, SPAN("the robot was removed"), &who,
                           left_room, x);
    }
}

static void leave_rooms(struct admin *x)
{
    struct store_req *req = request(x, 1, rooms_found);
    req->row_max = ROOMS_PAGE;
    store_step_init(req, 0, QUERY_ROBOT_ROOMS, 1);
    robot_set_uuid(req, 0, 0, x->ask.id);
    store_set_int(req, 0, 0, 1, ROOMS_PAGE);
    submit(x);
}

static void delete_at_home(struct robot_ask *a, struct robot *r)
{
    struct admin *x = CONTAINER_OF(a, struct admin, ask);
    if (r == NULL) {
        robot_ask_answer(a, ERR_NOT_FOUND);
    } else if (x->version != 0 && x->version != r->row.version) {
        robot_ask_answer(a, ERR_PRECONDITION_FAILED);
    } else {
        leave_rooms(x);
    }
}

void chat_robot_delete(struct home *h, uuid id, int64_t version, const struct actor *who,
                       chat_done done, void *owner)
{
    struct admin *x = robot_ask_new(h, sizeof *x, id, delete_at_home, who, done, owner);
    x->version = version;
    robot_ask_start(&x->ask);
}

/* --- list --- */

static void listed(struct store_req *req)
{
    struct admin *x = admin_of(req);
    unsigned limit = (unsigned)x->version; /* of the page */
    unsigned found = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    unsigned shown = found < limit ? found : limit;
    struct robot_shown how = {.state = -1, .whole = x->whole};
    buf_append_byte(&x->ask.json, '[');
    for (unsigned i = 0; i < shown; i++) {
        struct chat_robot_row row = robot_row(store_cell(req, 0, i, 0));
        if (i > 0) {
            buf_append_byte(&x->ask.json, ',');
        }
        robot_put(&x->ask.json, &row, &how);
    }
    buf_append_byte(&x->ask.json, ']');
    if (found > limit) { /* one more was asked for, to know */
        x->ask.result.next =
            name_cursor(&x->ask.arena, store_text(store_cell(req, 0, shown - 1, 0)),
                        store_text(store_cell(req, 0, shown - 1, 1)));
    }
    robot_ask_answer(&x->ask, req->error);
}

/* As SQL's lower(): ASCII only. */
static span lower(struct arena *arena, span text)
{
    uint8_t *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    return span_of(out, text.len);
}

void chat_robot_list(struct home *h, const struct chat_robot_filter *in, chat_done done,
                     void *owner)
{
    ASSERT(in->limit >= 1 && in->limit <= LIST_MAX);
    struct admin *x = robot_ask_new(h, sizeof *x, UUID_NIL, NULL, NULL, done, owner);
    span id, name;
    x->ask.at = h;
    x->version = in->limit;
    x->whole = in->whole;
    if (!name_cursor_read(&x->ask.arena, in->after, &id, &name)) {
        robot_ask_refuse(&x->ask, ERR_INVALID_REQUEST, "cursor", "is not one of ours");
        return;
    }
    struct store_req *req = request(x, 1, listed);
    req->row_max = in->limit + 1;
    store_step_init(req, 0, QUERY_ROBOT_LIST, 1);
    if (in->text.len > 0) {
        store_set_text(req, 0, 0, 0, lower(&x->ask.arena, in->text));
    }
    store_set_text(req, 0, 0, 1, name);
    store_set_text(req, 0, 0, 2, id);
    store_set_int(req, 0, 0, 3, (int64_t)in->limit + 1);
    submit(x);
}
