/* Configuration under every order of loops, mail and answers of the store: people change what is
 * desired, devices come, go, are replaced, and report. */
#include "domain/device_config.h"

#include "codec/json/read.h"
#include "shape/merge.h"
#include "sim/fleet_world.h"

#include <stdio.h>
#include <string.h>

#define THINGS_MAX 40

/* A device's socket that does what it is told. */
struct thing {
    struct device_link link;
    struct world *w;
    unsigned loop;
    bool open;
    bool honest;         /* reports what it is pushed */
    unsigned pushes;
    int64_t pushed;      /* the version of the newest */
    unsigned acks;
    err last;
    int64_t version;     /* to be reported */
    char reported[80];
};

static int64_t member_int(span object, const char *name)
{
    span value;
    int64_t n = -1;
    SIM_CHECK(json_get(object, name, &value) && json_i64(value, &n));
    return n;
}

static void deliver(struct device_link *l, const struct link_delivery *d)
{
    struct thing *t = CONTAINER_OF(l, struct thing, link);
    span desired;
    SIM_CHECK(d->event == OUT_DEVICE_CONFIG_UPDATE);
    if (!t->open) {
        return; /* it is about to close */
    }
    int64_t version = member_int(d->payload, "version");
    SIM_CHECK(version >= t->pushed); /* never an older one */
    t->pushed = version;
    t->pushes++;
    SIM_CHECK(json_get(d->payload, "desired", &desired));
    if (t->honest) {
        device_link_config(l, SPAN("1"), version, desired);
    }
}

static void ended(struct device_link *l, close_reason reason)
{
    CONTAINER_OF(l, struct thing, link)->open = false;
    device_link_close(l, reason);
}

static void answered(struct device_link *l, span ack, err error)
{
    struct thing *t = CONTAINER_OF(l, struct thing, link);
    if (span_eq(ack, SPAN("1"))) {
        t->acks++;
        t->last = error;
    }
}

static void do_open(void *arg)
{
    struct thing *t = arg;
    t->link.on_close = ended;
    t->link.on_answer = answered;
    t->link.on_deliver = deliver;
    device_link_open(&t->w->homes[t->loop], &t->link,
                     &(struct device_link_conf){.device = t->link.device,
                                                .wire = "monitor",
                                                .socket_id = SPAN("1-2-3"),
                                                .remote_address = SPAN("::1")});
    device_link_register(&t->link, SPAN("2"), SPAN_NONE);
}

static void thing_open(struct world *w, struct thing *t, uuid id, bool honest)
{
    *t = (struct thing){.link.device = id, .w = w, .loop = world_loop(w), .open = true,
                        .honest = honest};
    sim_on_loop(w->sim, t->loop, do_open, t);
}

static void do_close(void *arg)
{
    struct thing *t = arg;
    device_link_close(&t->link, CLOSE_PEER_CLOSED);
}

static void thing_close(struct thing *t)
{
    if (t->open) {
        t->open = false;
        sim_on_loop(t->w->sim, t->loop, do_close, t);
    }
}

static void do_report(void *arg)
{
    struct thing *t = arg;
    if (t->open) {
        device_link_config(&t->link, SPAN("1"), t->version, span_str(t->reported));
    }
}

static void thing_report(struct thing *t, int64_t version, const char *reported)
{
    t->version = version;
    snprintf(t->reported, sizeof t->reported, "%s", reported);
    sim_on_loop(t->w->sim, t->loop, do_report, t);
}

/* --- people --- */

struct patch {
    struct world *w;
    uuid id;
    unsigned loop;
    int64_t version;
    char text[80];
    struct result r;
};

static void do_patch(void *arg)
{
    struct patch *p = arg;
    struct config_change in = {.version = p->version, .patch = span_str(p->text)};
    struct actor who = {.name = SPAN("tester"), .address = SPAN("::1")};
    device_config_patch(&p->w->homes[p->loop], p->id, &in, &who, result_take, &p->r);
}

/* Returns at once. */
static void patch_start(struct world *w, struct patch *p, uuid id, int64_t version,
                        const char *text)
{
    *p = (struct patch){.w = w, .id = id, .loop = world_loop(w), .version = version};
    snprintf(p->text, sizeof p->text, "%s", text);
    sim_on_loop(w->sim, p->loop, do_patch, p);
}

static void patch_do(struct world *w, uuid id, const char *text)
{
    struct patch p;
    patch_start(w, &p, id, -1, text);
    result_wait(w, &p.r);
    SIM_CHECK(p.r.error == ERR_NONE);
    result_deinit(&p.r);
}

static void do_show(void *arg)
{
    struct patch *p = arg;
    device_config_get(&p->w->homes[p->loop], p->id, result_take, &p->r);
}

/* What is known of the configuration now; `r` is emptied first. */
static void show(struct world *w, uuid id, struct result *r)
{
    struct patch p = {.w = w, .id = id, .loop = world_loop(w)};
    result_deinit(r);
    sim_on_loop(w->sim, p.loop, do_show, &p);
    result_wait(w, &p.r);
    *r = p.r;
    SIM_CHECK(r->error == ERR_NONE);
}

static bool holds(const struct result *r, const char *text) { return json_holds(r, text); }

/* Its members say one thing. */
static void check_sound(const struct result *r)
{
    struct arena arena = {0};
    span all = buf_span(&r->json), desired, reported, delta, drift;
    SIM_CHECK(json_get(all, "desired", &desired) && json_get(all, "reported", &reported));
    SIM_CHECK(json_get(all, "delta", &delta) && json_get(all, "drift", &drift));
    SIM_CHECK(merge_same(merge_apply(reported, delta, &arena), desired));
    SIM_CHECK(span_eq(drift, SPAN("true")) == !merge_same(reported, desired));
    SIM_CHECK(member_int(all, "reportedVersion") <= member_int(all, "desiredVersion"));
    arena_reset(&arena);
}

/* --- cases --- */

static void an_honest_device_comes_to_have_what_is_desired(uint64_t seed)
{
    enum { PATCHES = 30 };
    struct world w;
    static struct thing things[THINGS_MAX];
    struct patch patches[PATCHES];
    struct watcher x;
    struct result r = {0};
    char text[60];
    unsigned used = 0, made = 0;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    watcher_open(&w, &x, world_loop(&w));
    watcher_subscribe_events(&x);
    for (unsigned i = 0; i < PATCHES; i++) {
        snprintf(text, sizeof text, "{\"k%u\":%u,\"o\":{\"k%u\":%s}}", i % 3, i, i % 2,
                 world_chance(&w, 30) ? "null" : "[1]");
        patch_start(&w, &patches[i], id, -1, text);
        if (world_chance(&w, 25) && used < THINGS_MAX) {
            thing_open(&w, &things[used++], id, true); /* an older one is replaced */
        } else if (world_chance(&w, 20) && used > 0) {
            thing_close(&things[used - 1]);
        }
        sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 30));
    }
    struct thing last; /* or one whose mail comes later */
    thing_open(&w, &last, id, true);
    world_settle(&w);
    sim_run_ms(w.sim, 500);
    for (unsigned i = 0; i < PATCHES; i++) {
        SIM_CHECK(patches[i].r.done && patches[i].r.error == ERR_NONE);
        check_sound(&patches[i].r);
        made = (unsigned)patches[i].r.version > made ? (unsigned)patches[i].r.version : made;
        result_deinit(&patches[i].r);
    }
    show(&w, id, &r);
    check_sound(&r);
    SIM_CHECK(holds(&r, "\"drift\":false") && r.version == made && made == PATCHES);
    snprintf(text, sizeof text, "\"reportedVersion\":%u", made);
    SIM_CHECK(holds(&r, text));
    snprintf(text, sizeof text, "{\"desiredVersion\":%u,\"reportedVersion\":%u,\"drift\":false}",
             made, made);
    span event = watcher_last(&x); /* and followers know */
    SIM_CHECK(memmem(event.ptr, event.len, text, strlen(text)) != NULL);
    thing_close(&last);
    for (unsigned i = 0; i < used; i++) {
        thing_close(&things[i]);
    }
    world_settle(&w);
    watcher_close(&x);
    result_deinit(&r);
    world_stop(&w);
}

static void of_patches_tied_to_one_version_one_is_made(uint64_t seed)
{
    enum { PATCHES = 8 };
    struct world w;
    struct patch patches[PATCHES];
    struct result r = {0};
    unsigned good = 0;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    patch_do(&w, id, "{\"a\":0}");
    for (unsigned i = 0; i < PATCHES; i++) {
        char text[40];
        snprintf(text, sizeof text, "{\"a\":%u}", i + 1);
        patch_start(&w, &patches[i], id, 1, text);
    }
    world_settle(&w);
    for (unsigned i = 0; i < PATCHES; i++) {
        result_wait(&w, &patches[i].r);
        good += patches[i].r.error == ERR_NONE;
        SIM_CHECK(patches[i].r.error == ERR_NONE ||
                  patches[i].r.error == ERR_PRECONDITION_FAILED);
        result_deinit(&patches[i].r);
    }
    show(&w, id, &r);
    SIM_CHECK(good == 1 && r.version == 2);
    patch_do(&w, id, "{\"b\":null}"); /* changes nothing */
    show(&w, id, &r);
    SIM_CHECK(r.version == 2);
    result_deinit(&r);
    world_stop(&w);
}

static void only_the_live_socket_says_what_the_device_has(uint64_t seed)
{
    struct world w;
    struct thing old, live;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    patch_do(&w, id, "{\"a\":{\"b\":1}}");
    thing_open(&w, &old, id, false);
    world_settle(&w);
    SIM_CHECK(old.pushes == 1 && old.pushed == 1); /* it registered, and is behind */
    thing_report(&old, 2, "{}");
    world_settle(&w);
    SIM_CHECK(old.acks == 1 && old.last == ERR_INVALID_MESSAGE_FORMAT);
    thing_open(&w, &live, id, false);
    thing_report(&old, 1, "{\"stale\":1}"); /* before or after it is replaced */
    world_settle(&w);
    thing_report(&live, 1, "{\"a\":{\"b\":2,\"c\":null}}");
    world_settle(&w);
    SIM_CHECK(live.last == ERR_NONE && !old.open);
    show(&w, id, &r);
    check_sound(&r);
    SIM_CHECK(holds(&r, "\"reported\":{\"a\":{\"b\":2}}") && holds(&r, "\"drift\":true"));
    SIM_CHECK(holds(&r, "\"delta\":{\"a\":{\"b\":1}}"));
    unsigned pushes = live.pushes;
    thing_report(&live, 0, "{}"); /* it was reset: that is taken, too */
    world_settle(&w);
    patch_do(&w, id, "{\"a\":null}");
    world_settle(&w);
    SIM_CHECK(live.pushes == pushes + 1 && live.pushed == 2);
    show(&w, id, &r);
    SIM_CHECK(holds(&r, "\"reportedVersion\":0") && holds(&r, "\"drift\":false"));
    thing_close(&live);
    world_settle(&w);
    result_deinit(&r);
    world_stop(&w);
}

static void what_was_answered_is_there_after_a_crash(uint64_t seed)
{
    struct world w;
    struct thing t;
    struct patch last;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    thing_open(&w, &t, id, true);
    patch_do(&w, id, "{\"a\":1}");
    world_settle(&w);
    SIM_CHECK(t.acks >= 1 && t.last == ERR_NONE);
    patch_start(&w, &last, id, -1, "{\"a\":2}");
    sim_run_ms(w.sim, (int64_t)sim_random_below(sim_random(w.sim), 5));
    bool known = last.r.done;
    world_crash(&w);
    world_settle(&w);
    show(&w, id, &r);
    check_sound(&r);
    SIM_CHECK(r.version == 2 || (!known && r.version == 1));
    SIM_CHECK(holds(&r, "\"reportedVersion\":1") || holds(&r, "\"reportedVersion\":2"));
    result_deinit(&last.r);
    result_deinit(&r);
    world_stop(&w);
}

static void do_delete(void *arg)
{
    struct patch *p = arg;
    struct actor who = {.name = SPAN("tester")};
    device_delete(&p->w->homes[p->loop], p->id, &who, result_take, &p->r);
}

static void a_device_that_is_deleted_takes_it_along(uint64_t seed)
{
    struct world w;
    struct thing t;
    struct patch p;
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    thing_open(&w, &t, id, true);
    patch_do(&w, id, "{\"a\":1}");
    patch_start(&w, &p, id, -1, "{\"a\":2}");
    struct patch gone = {.w = &w, .id = id, .loop = world_loop(&w)};
    sim_on_loop(w.sim, gone.loop, do_delete, &gone);
    result_wait(&w, &gone.r);
    result_wait(&w, &p.r);
    world_settle(&w);
    SIM_CHECK(gone.r.error == ERR_NONE);
    SIM_CHECK(p.r.error == ERR_NONE || p.r.error == ERR_DEVICE_NOT_FOUND);
    SIM_CHECK(!t.open);
    result_deinit(&p.r);
    result_deinit(&gone.r);
    world_stop(&w);
}

static void a_store_that_fails_changes_nothing(uint64_t seed)
{
    struct world w;
    struct patch p;
    struct result r = {0};
    world_start(&w, seed, 0);
    uuid id = world_create(&w, "d");
    patch_do(&w, id, "{\"a\":1}");
    sim_store_set_failures(w.db, 100, ERR_STORE_FULL);
    patch_start(&w, &p, id, -1, "{\"a\":2}");
    result_wait(&w, &p.r);
    SIM_CHECK(p.r.error != ERR_NONE);
    sim_store_set_failures(w.db, 0, ERR_NONE);
    show(&w, id, &r);
    SIM_CHECK(r.version == 1 && holds(&r, "\"desired\":{\"a\":1}"));
    patch_do(&w, id, "{\"a\":3}");
    show(&w, id, &r);
    SIM_CHECK(r.version == 2);
    result_deinit(&p.r);
    result_deinit(&r);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"an_honest_device_comes_to_have_what_is_desired",
         an_honest_device_comes_to_have_what_is_desired, 20},
        {"of_patches_tied_to_one_version_one_is_made", of_patches_tied_to_one_version_one_is_made,
         10},
        {"only_the_live_socket_says_what_the_device_has",
         only_the_live_socket_says_what_the_device_has, 20},
        {"what_was_answered_is_there_after_a_crash", what_was_answered_is_there_after_a_crash, 20},
        {"a_device_that_is_deleted_takes_it_along", a_device_that_is_deleted_takes_it_along, 20},
        {"a_store_that_fails_changes_nothing", a_store_that_fails_changes_nothing, 10},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
