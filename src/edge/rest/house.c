/* What the routes of rooms, entities and scenes share. */
#include "edge/rest/house.h"

#include "edge/rest/audit.h"
#include "edge/rest/internal.h"

/* When to come back after a limit of the house: rows have to go first, or the store has to take
 * what waits for it. */
#define HOUSE_RETRY_S "1"

struct house_who house_caller(const struct rest_call *c, enum permission p,
                              char text[ADDR_TEXT_MAX])
{
    struct actor who = rest_actor(c, text);
    return house_who_of(c->grant, p, who.address);
}

static void refuse(struct rest_call *c, const struct house_result *r, const char *missing)
{
    const char *why = r->why;
    if (r->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, r->member != NULL ? r->member : "cursor",
                         why != NULL ? why : "is not one of ours");
        return;
    }
    if (r->member != NULL) {
        struct rest_fault fault = {.member = r->member,
                                   .detail = why != NULL ? why : err_text(r->error)};
        answer_error(c, r->error, (unsigned)err_status(r->error), why, &fault, 1);
        return;
    }
    if (r->error == ERR_NOT_FOUND && why == NULL) {
        why = missing;
    } else if (r->error == ERR_RATE_LIMIT_EXCEEDED) {
        rest_header(c, "Retry-After", SPAN(HOUSE_RETRY_S));
    } else if (r->error == ERR_COMMAND_EXECUTION_FAILED) {
        c->details = r->json;
    }
    rest_error(c, r->error, why);
}

struct rest_call *house_answer_call(void *owner, const struct house_result *r,
                                    const char *missing)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && r->error != ERR_NONE) {
        refuse(c, r, missing);
        return NULL;
    }
    return c;
}

struct matching {
    struct rest_call *call;
    const char *missing;
    int64_t *version;
    void (*change)(struct rest_call *c, void *arg);
    void *arg;
};

/* If-Match names a version that only the house knows. */
static void matched(void *owner, const struct house_result *r)
{
    struct matching *m = owner;
    struct rest_call *c = house_answer_call(m->call, r, m->missing);
    if (c == NULL) {
        return;
    }
    err error = rest_if_match(c, r->version);
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
        return;
    }
    *m->version = r->version;
    m->change(c, m->arg);
}

void house_if_match(struct rest_call *c, house_read read, const char *missing, int64_t *version,
                    void (*change)(struct rest_call *c, void *arg), void *arg)
{
    if (http1_field(c->x->req, "If-Match").len == 0) {
        change(c, arg);
        return;
    }
    struct matching *m = ARENA_NEW(&c->arena, struct matching);
    *m = (struct matching){.call = c, .missing = missing, .version = version, .change = change,
                           .arg = arg};
    rest_later(c);
    read(c, matched, m);
}

bool house_patch_removes(const struct rest_call *c, const char *member)
{
    span value;
    return json_get(c->json, member, &value) && json_type(value) == JSON_NULL;
}

span house_patch_text(const struct rest_call *c, const char *member, bool has, span text)
{
    return house_text(has || house_patch_removes(c, member), text);
}

unsigned house_query_limit(struct rest_call *c)
{
    unsigned limit = rest_query_limit(c);
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
    }
    return limit;
}
