/* Get, create, change. */
#include "domain/fleet_internal.h"
#include "domain/identity_ops.h"

#include "base/mem.h"
#include "shape/device.h"
#include "shape/merge.h"

/* A change that nobody tied to a version is tried again when another one came first. */
#define PATCH_TRIES_MAX 3

static void at_home_get(struct ask *a, struct device *d)
{
    ask_result_device(a, d);
    ask_answer(a, ERR_NONE);
}

void device_get(struct home *h, uuid id, device_done done, void *owner)
{
    ask_start(ask_new(h, sizeof(struct ask), id, at_home_get, done, owner));
}

static void at_home_viewers(struct ask *a, struct device *d)
{
    a->result.viewers = d->viewers;
    ask_answer(a, ERR_NONE);
}

void device_viewers(struct home *h, uuid id, device_done done, void *owner)
{
    ask_start(ask_new(h, sizeof(struct ask), id, at_home_viewers, done, owner));
}

/* --- create: nobody knows the id yet, so any loop may do it --- */

struct creation {
    struct mail mail;
    struct home *home;
    struct store_req *req;
    struct device_row row; /* spans into the request's arena */
    char key[DEVICE_KEY_LEN + 1];
    uuid credential;
    bool provisioned; /* step 0 takes a use of the provisioning key */
    bool id_given;
    device_done done;
    void *owner;
};

static err creation_error(const struct creation *c, const struct store_req *req)
{
    if (c->provisioned && req->error == ERR_CONFLICT && req->failed_step == 0) {
        return ERR_AUTHENTICATION_FAILED;
    }
    return c->id_given && req->error == ERR_STORE_CONSTRAINT ? ERR_CONFLICT : req->error;
}

static void created(struct store_req *req)
{
    struct creation *c = req->owner;
    struct device_result r = {.error = creation_error(c, req), .id = c->row.id, .version = 1};
    req_publish(c->home, req);
    buf json = {0};
    if (r.error == ERR_NONE) {
        if (c->id_given) {
            identity_changed(c->home, c->row.id); /* somebody may have asked for it before */
        }
        device_put(&json, &c->row, NULL, NULL);
        r.status = c->row.status;
        r.json = buf_span(&json);
        r.key = span_of(c->key, DEVICE_KEY_LEN);
        r.credential = c->credential;
    }
    c->done(c->owner, &r);
    buf_deinit(&json);
    store_req_free(req);
    mem_free(c);
}

static void create_device_step(struct store_req *req, unsigned i, const struct device_row *row)
{
    store_step_init(req, i, QUERY_DEVICE_INSERT, 1);
    req_set_uuid(req, i, 0, 0, row->id);
    store_set_text(req, i, 0, 1, row->name);
    store_set_text(req, i, 0, 2, row->type);
    store_set_text(req, i, 0, 3, span_str(shape_device_status_name((int)row->status)));
    store_set_text(req, i, 0, 4, row->capabilities);
    store_set_text(req, i, 0, 5, row->tags);
    store_set_text(req, i, 0, 6, row->metadata);
    store_set_int(req, i, 0, 7, row->created_ms);
}

static void create_principal_step(struct store_req *req, unsigned i, const struct device_row *row)
{
    store_step_init(req, i, QUERY_PRINCIPAL_INSERT, 1);
    req_set_uuid(req, i, 0, 0, row->id);
    store_set_text(req, i, 0, 1, SPAN(""));
    req_set_uuid(req, i, 0, 2, row->id);
    store_set_text(req, i, 0, 3, SPAN("device"));
    store_set_text(req, i, 0, 4, row->name);
    store_set_text(req, i, 0, 5,
                   row->status == DEVICE_DISABLED ? SPAN("disabled") : SPAN("active"));
    store_set_int(req, i, 0, 6, row->created_ms);
}

static void create_key_step(struct store_req *req, unsigned i, struct creation *c)
{
    uint8_t hash[32];
    identity_key_generate(c->home, c->key, hash);
    store_step_init(req, i, QUERY_CREDENTIAL_INSERT, 1);
    req_set_uuid(req, i, 0, 0, c->credential);
    req_set_uuid(req, i, 0, 1, c->row.id);
    store_set_text(req, i, 0, 2, SPAN("device_key"));
    store_set_blob(req, i, 0, 3, span_of(hash, sizeof hash));
    store_set_text(req, i, 0, 4, SPAN("first"));
    store_set_int(req, i, 0, 8, c->row.created_ms);
}

static void use_provision_step(struct store_req *req, unsigned i, uuid key, int64_t now)
{
    store_step_init(req, i, QUERY_CREDENTIAL_USE, 1);
    req->steps[i].expect = STORE_SOME;
    req_set_uuid(req, i, 0, 0, key);
    store_set_int(req, i, 0, 1, now);
}

static span or_default(struct store_req *req, span s, span fallback)
{
    return arena_dup(&req->arena, s.len > 0 ? s : fallback);
}

static void create_submit(struct mail *m)
{
    struct creation *c = CONTAINER_OF(m, struct creation, mail);
    req_submit(c->home, c->req);
}

/* At the home of an id that was given: who had rights for a device that had it before is told. */
static void create_part(struct mail *m)
{
    struct creation *c = CONTAINER_OF(m, struct creation, mail);
    struct home *at = c->home->peers[home_of(c->home, c->row.id)];
    if (at->fleet != NULL) { /* NULL: nobody has deleted anything here */
        partings_end(at->fleet, c->row.id);
    }
    m->run = create_submit;
    post_mail(at->post, c->home->index, m);
}

void device_create(struct home *h, const struct device_draft *in, const struct actor *who,
                   device_done done, void *owner)
{
    struct creation *c = mem_calloc(1, sizeof *c);
    unsigned paid = uuid_is_nil(in->provision) ? 0 : 1, step = paid;
    struct store_req *req = store_req_new(h->index, 5 + paid, created, c);
    int64_t now = clock_wall_ms(h->clock);
    c->home = h;
    c->provisioned = paid;
    c->id_given = !uuid_is_nil(in->id);
    c->done = done;
    c->owner = owner;
    c->credential = home_new_id(h);
    c->row = (struct device_row){
        .id = c->id_given ? in->id : home_new_id(h),
        .name = arena_dup(&req->arena, in->name),
        .type = or_default(req, in->type, SPAN("host")),
        .status = in->status,
        .connection = CONNECTION_OFFLINE,
        .capabilities = or_default(req, in->capabilities, SPAN("[]")),
        .tags = or_default(req, in->tags, SPAN("[]")),
        .metadata = or_default(req, in->metadata, SPAN("{}")),
        .version = 1,
        .created_ms = now,
        .updated_ms = now,
    };
    if (paid) {
        use_provision_step(req, 0, in->provision, now);
    }
    create_principal_step(req, step++, &c->row);
    create_device_step(req, step++, &c->row);
    create_key_step(req, step++, c);
    req_audit(h, req, step++, who, "device.create", c->row.id);
    req_event_device(h, req, step, EVENT_DEVICE_CREATED, &c->row);
    c->req = req;
    c->mail.run = create_part;
    if (c->id_given) {
        post_mail(h->post, home_of(h, c->row.id), &c->mail);
    } else {
        req_submit(h, req);
    }
}

/* --- change --- */

struct patch {
    struct ask ask;
    struct device_change in;
    struct actor who;
    struct device_row next; /* spans into the ask's arena */
    unsigned tries;
};

static void at_home_patch(struct ask *a, struct device *d);

/* The parts that are a device's own doing: its socket and its principal. */
static void apply(struct patch *p, struct device *d)
{
    struct home *h = d->fleet->home;
    bool was_disabled = d->row.status == DEVICE_DISABLED;
    p->next.last_seen_ms = d->row.last_seen_ms; /* may have moved meanwhile */
    device_row_set(d, &p->next);
    if ((d->row.status == DEVICE_DISABLED) != was_disabled) {
        if (!was_disabled) {
            presence_close(d, CLOSE_DISABLED);
            commands_disabled(d);
            if (d->watch != NULL) {
                watch_presence(d); /* also of one that flaps */
            }
        }
        identity_changed(h, d->id);
    }
}

static void patched(struct store_req *req)
{
    struct patch *p = req->owner;
    struct device *d = p->ask.device;
    err error = req->error;
    req_publish(d->fleet->home, req);
    store_req_free(req);
    if (d->state == DEVICE_GONE) {
        error = ERR_DEVICE_NOT_FOUND;
    }
    if (error == ERR_NONE) {
        apply(p, d);
        ask_result_device(&p->ask, d);
    } else if (error == ERR_CONFLICT && p->in.version == 0 && ++p->tries < PATCH_TRIES_MAX) {
        d->changing = false; /* it goes on at once, before others */
        at_home_patch(&p->ask, d);
        if (!d->changing) {
            change_end(d);
        }
        device_release(d);
        return;
    }
    ask_answer(&p->ask, error);
    change_end(d);
    device_release(d);
}

static void merge(struct patch *p, const struct device *d)
{
    const struct device_change *in = &p->in;
    p->next = d->row;
    if (in->has_name) {
        p->next.name = in->name;
    }
    if (in->has_type) {
        p->next.type = in->type;
    }
    if (in->has_status) {
        p->next.status = in->status;
    }
    if (in->has_capabilities) {
        p->next.capabilities = in->capabilities;
    }
    if (in->has_tags) {
        p->next.tags = in->tags;
    }
    if (in->metadata_patch.len > 0) {
        p->next.metadata = merge_apply(d->row.metadata, in->metadata_patch, &p->ask.arena);
    }
    p->next.name = ask_copy(&p->ask, p->next.name);
    p->next.type = ask_copy(&p->ask, p->next.type);
    p->next.capabilities = ask_copy(&p->ask, p->next.capabilities);
    p->next.tags = ask_copy(&p->ask, p->next.tags);
    p->next.metadata = ask_copy(&p->ask, p->next.metadata);
}

/* In anything but its status. */
static bool differs(const struct device_row *a, const struct device_row *b)
{
    return !span_eq(a->name, b->name) || !span_eq(a->type, b->type) ||
           !span_eq(a->capabilities, b->capabilities) || !span_eq(a->tags, b->tags) ||
           !span_eq(a->metadata, b->metadata);
}

static const char *patch_action(const struct device_row *from, const struct device_row *to)
{
    return from->status == to->status          ? "device.update"
           : to->status == DEVICE_DISABLED     ? "device.disable"
           : from->status == DEVICE_DISABLED   ? "device.enable"
                                               : "device.update";
}

static void patch_device_step(struct store_req *req, unsigned i, const struct device_row *next,
                              int64_t version)
{
    store_step_init(req, i, QUERY_DEVICE_UPDATE, 1);
    req->steps[i].expect = STORE_SOME;
    req_set_uuid(req, i, 0, 0, next->id);
    store_set_text(req, i, 0, 1, next->name);
    store_set_text(req, i, 0, 2, next->type);
    store_set_text(req, i, 0, 3, span_str(shape_device_status_name((int)next->status)));
    store_set_text(req, i, 0, 4, next->capabilities);
    store_set_text(req, i, 0, 5, next->tags);
    store_set_text(req, i, 0, 6, next->metadata);
    store_set_int(req, i, 0, 7, next->updated_ms);
    store_set_int(req, i, 0, 8, version);
}

static void submit_patch(struct patch *p, struct device *d, bool updated, bool status)
{
    struct home *h = d->fleet->home;
    p->next.version = d->row.version + 1;
    p->next.updated_ms = clock_wall_ms(h->clock);
    struct store_req *req = store_req_new(h->index, 4u + updated + status, patched, p);
    patch_device_step(req, 0, &p->next, d->row.version);
    store_step_init(req, 1, QUERY_PRINCIPAL_SET_STATUS, 1);
    req_set_uuid(req, 1, 0, 0, d->id);
    store_set_text(req, 1, 0, 1,
                   p->next.status == DEVICE_DISABLED ? SPAN("disabled") : SPAN("active"));
    store_set_int(req, 1, 0, 2, p->next.updated_ms);
    store_step_init(req, 2, QUERY_PRINCIPAL_SET_NAME, 1);
    req_set_uuid(req, 2, 0, 0, d->id);
    store_set_text(req, 2, 0, 1, p->next.name);
    store_set_int(req, 2, 0, 2, p->next.updated_ms);
    req_audit(h, req, 3, &p->who, patch_action(&d->row, &p->next), d->id);
    p->ask.device = d;
    device_hold(d);
    struct device_row row;
    presence_told_row(d, &row);
    row.name = p->next.name;
    row.type = p->next.type;
    row.status = p->next.status;
    row.capabilities = p->next.capabilities;
    row.tags = p->next.tags;
    row.metadata = p->next.metadata;
    row.version = p->next.version;
    row.updated_ms = p->next.updated_ms;
    unsigned step = 4;
    if (updated) {
        req_event_device(h, req, step++, EVENT_DEVICE_UPDATED, &row);
    }
    if (status) {
        req_event_status(h, req, step++, &row);
    }
    req_submit(h, req);
}

static void at_home_patch(struct ask *a, struct device *d)
{
    struct patch *p = (struct patch *)a;
    if (d->changing || d->write.writing) {
        bool begun = change_begin(a, d);
        ASSERT(!begun);
        return;
    }
    if (p->in.version != 0 && p->in.version != d->row.version) {
        ask_answer(a, ERR_PRECONDITION_FAILED);
        return;
    }
    merge(p, d);
    bool updated = differs(&d->row, &p->next), status = d->row.status != p->next.status;
    if (!updated && !status) {
        ask_result_device(a, d);
        ask_answer(a, ERR_NONE);
        return;
    }
    bool begun = change_begin(a, d);
    ASSERT(begun);
    submit_patch(p, d, updated, status);
}

void device_patch(struct home *h, uuid id, const struct device_change *in, const struct actor *who,
                  device_done done, void *owner)
{
    struct patch *p = ask_new(h, sizeof *p, id, at_home_patch, done, owner);
    p->in = *in;
    p->in.name = ask_copy(&p->ask, in->name);
    p->in.type = ask_copy(&p->ask, in->type);
    p->in.capabilities = ask_copy(&p->ask, in->capabilities);
    p->in.tags = ask_copy(&p->ask, in->tags);
    p->in.metadata_patch = ask_copy(&p->ask, in->metadata_patch);
    p->who = *who;
    p->who.name = ask_copy(&p->ask, who->name);
    p->who.address = ask_copy(&p->ask, who->address);
    ask_start(&p->ask);
}
