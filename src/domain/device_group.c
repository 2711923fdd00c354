/* Groups themselves: made, shown, changed, deleted, listed. */
#include "domain/device_group.h"

#include "domain/device_group_internal.h"
#include "domain/name_cursor.h"

#include "base/mem.h"

#include <string.h>

#define LIMIT_MAX 200

struct group_op *group_op_new(struct home *h, unsigned steps, void (*answer)(struct store_req *),
                              group_done done, void *owner)
{
    struct group_op *o = mem_calloc(1, sizeof *o);
    o->home = h;
    o->req = store_req_new(h->index, steps, answer, o);
    o->done = done;
    o->owner = owner;
    return o;
}

void group_op_submit(struct group_op *o) { o->home->store->submit(o->home->store, o->req); }

void group_op_end(struct group_op *o, struct group_result *r)
{
    o->done(o->owner, r);
    store_req_free(o->req);
    mem_free(o);
}

void group_op_fail(struct group_op *o, err error, const char *why)
{
    group_op_end(o, &(struct group_result){.error = error, .why = why});
}

void group_set_uuid(struct store_req *req, unsigned step, unsigned set, unsigned p, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    store_set_text(req, step, set, p, span_of(text, UUID_TEXT_LEN));
}

static void audit(struct group_op *o, unsigned step, const struct actor *who, const char *action,
                  uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    audit_step(o->home, o->req, step,
               &(struct audit_entry){.who = who,
                                     .action = action,
                                     .target_kind = "group",
                                     .target = span_of(text, UUID_TEXT_LEN)});
}

/* From a row of GROUP_GET. */
static struct group_row read_row(const struct store_value *cells)
{
    struct group_row row = {
        .name = store_text(&cells[1]),
        .description = store_text(&cells[2]),
        .version = store_int(&cells[3]),
        .created_ms = store_int(&cells[4]),
        .updated_ms = store_int(&cells[5]),
        .device_count = store_int(&cells[6]),
    };
    bool ok = uuid_parse(store_text(&cells[0]), &row.id);
    ASSERT(ok); /* only we write it */
    return row;
}

/* Step `step`: the group as it is by then, which must be there. */
static void get_step(struct store_req *req, unsigned step, uuid id)
{
    store_step_init(req, step, QUERY_GROUP_GET, 1);
    req->steps[step].expect = STORE_SOME;
    group_set_uuid(req, step, 0, 0, id);
}

static void answer_one(struct group_op *o, unsigned step)
{
    struct group_row row = read_row(store_cell(o->req, step, 0, 0));
    group_op_end(o, &(struct group_result){.rows = &row, .count = 1});
}

/* --- create --- */

static void created(struct store_req *req)
{
    struct group_op *o = req->owner;
    if (req->error == ERR_STORE_CONSTRAINT) {
        group_op_fail(o, ERR_CONFLICT, "a group of that name exists already");
    } else if (req->error != ERR_NONE) {
        group_op_fail(o, req->error, NULL);
    } else {
        answer_one(o, 2);
    }
}

void group_create(struct home *h, span name, span description, const struct actor *who,
                  group_done done, void *owner)
{
    struct group_op *o = group_op_new(h, 3, created, done, owner);
    uuid id = home_new_id(h);
    store_step_init(o->req, 0, QUERY_GROUP_INSERT, 1);
    group_set_uuid(o->req, 0, 0, 0, id);
    store_set_text(o->req, 0, 0, 1, name);
    store_set_text(o->req, 0, 0, 2, description.len > 0 ? description : SPAN(""));
    store_set_int(o->req, 0, 0, 3, clock_wall_ms(h->clock));
    audit(o, 1, who, "group.create", id);
    get_step(o->req, 2, id);
    group_op_submit(o);
}

/* --- get --- */

static void got(struct store_req *req)
{
    struct group_op *o = req->owner;
    if (req->error == ERR_CONFLICT) {
        group_op_fail(o, ERR_NOT_FOUND, NULL);
    } else if (req->error != ERR_NONE) {
        group_op_fail(o, req->error, NULL);
    } else {
        answer_one(o, 0);
    }
}

void group_get(struct home *h, uuid id, group_done done, void *owner)
{
    struct group_op *o = group_op_new(h, 1, got, done, owner);
    get_step(o->req, 0, id);
    group_op_submit(o);
}

/* --- change --- */

/* Step 0 finds the group, step 1 changes it: a change that found no row had another version. */
static bool changed(struct group_op *o)
{
    err error = o->req->error; /* what fails is freed */
    if (error == ERR_CONFLICT) {
        group_op_fail(o, o->req->failed_step == 0 ? ERR_NOT_FOUND : ERR_PRECONDITION_FAILED, NULL);
    } else if (error == ERR_STORE_CONSTRAINT) {
        group_op_fail(o, ERR_CONFLICT, "a group of that name exists already");
    } else if (error != ERR_NONE) {
        group_op_fail(o, error, NULL);
    }
    return error == ERR_NONE;
}

static void patched(struct store_req *req)
{
    struct group_op *o = req->owner;
    if (changed(o)) {
        answer_one(o, 3);
    }
}

void group_patch(struct home *h, uuid id, const struct group_change *in, const struct actor *who,
                 group_done done, void *owner)
{
    struct group_op *o = group_op_new(h, 4, patched, done, owner);
    get_step(o->req, 0, id);
    store_step_init(o->req, 1, QUERY_GROUP_UPDATE, 1);
    o->req->steps[1].expect = STORE_SOME;
    group_set_uuid(o->req, 1, 0, 0, id);
    if (in->name.ptr != NULL) {
        store_set_text(o->req, 1, 0, 1, in->name);
    }
    if (in->description.ptr != NULL) {
        store_set_text(o->req, 1, 0, 2, in->description);
    }
    store_set_int(o->req, 1, 0, 3, clock_wall_ms(h->clock));
    store_set_int(o->req, 1, 0, 4, in->version);
    audit(o, 2, who, "group.update", id);
    get_step(o->req, 3, id);
    group_op_submit(o);
}

/* --- delete --- */

static void deleted(struct store_req *req)
{
    struct group_op *o = req->owner;
    if (changed(o)) {
        group_settle(o, 2);
    }
}

void group_delete(struct home *h, uuid id, int64_t version, const struct actor *who,
                  group_done done, void *owner)
{
    struct group_op *o = group_op_new(h, 5, deleted, done, owner);
    get_step(o->req, 0, id);
    store_step_init(o->req, 1, QUERY_GROUP_DELETE, 1);
    o->req->steps[1].expect = STORE_SOME;
    group_set_uuid(o->req, 1, 0, 0, id);
    store_set_int(o->req, 1, 0, 1, version);
    group_principals_step(o->req, 2, id);
    store_step_init(o->req, 3, QUERY_BINDING_DELETE_SCOPE, 1);
    store_set_text(o->req, 3, 0, 0, SPAN("device_group"));
    group_set_uuid(o->req, 3, 0, 1, id);
    audit(o, 4, who, "group.delete", id);
    group_op_submit(o);
}

/* --- list --- */

static void listed(struct store_req *req)
{
    struct group_op *o = req->owner;
    struct group_row rows[LIMIT_MAX];
    struct group_result r = {.error = req->error, .rows = rows};
    unsigned found = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    for (r.count = 0; r.count < found && r.count < o->limit; r.count++) {
        rows[r.count] = read_row(store_cell(req, 0, r.count, 0));
    }
    if (found > o->limit) { /* one more was asked for, to know */
        r.next = name_cursor(&req->arena, store_text(store_cell(req, 0, r.count - 1, 0)),
                             rows[r.count - 1].name);
    }
    group_op_end(o, &r);
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

static void refused(struct mail *m)
{
    struct group_op *o = CONTAINER_OF(m, struct group_op, mail);
    group_op_fail(o, ERR_INVALID_REQUEST, NULL);
}

void group_list(struct home *h, const struct group_filter *in, group_done done, void *owner)
{
    ASSERT(in->limit >= 1 && in->limit <= LIMIT_MAX);
    struct group_op *o = group_op_new(h, 1, listed, done, owner);
    bool of_device = !uuid_is_nil(in->device);
    span id, name;
    if (!name_cursor_read(&o->req->arena, in->after, &id, &name)) {
        o->mail.run = refused;
        post_mail(h->post, h->index, &o->mail);
        return;
    }
    o->limit = in->limit;
    o->req->row_max = in->limit + 1;
    store_step_init(o->req, 0, of_device ? QUERY_GROUP_LIST_DEVICE : QUERY_GROUP_LIST, 1);
    if (in->text.len > 0) {
        store_set_text(o->req, 0, 0, 0, lower(&o->req->arena, in->text));
    }
    store_set_text(o->req, 0, 0, 1, name);
    store_set_text(o->req, 0, 0, 2, id);
    store_set_int(o->req, 0, 0, 3, (int64_t)in->limit + 1);
    if (of_device) {
        group_set_uuid(o->req, 0, 0, 4, in->device);
    }
    group_op_submit(o);
}
