/*
 * The store's promises as loops see them, over the delaying store: each request is answered once,
 * on its loop; a read that is submitted after a write was answered sees it; a failed write left
 * no trace.
 */
#include "adapters/store_sqlite/store_sqlite.h"
#include "sim/sim.h"
#include "sim/store.h"

#include <stdio.h>

#define WRITES 25 /* of each loop */

struct user {
    struct sim *sim;
    struct loop *loop;
    struct store *store;
    struct timer timer;
    char name[8];
    int64_t written;      /* tried */
    int64_t acknowledged; /* the newest that was answered without an error */
    int64_t expected_min; /* of the read under way */
    unsigned waiting;
    bool read_cancelled;
};

static struct user users[SIM_LOOPS_MAX];

static int64_t number_of(span text)
{
    uint64_t n = 0;
    SIM_CHECK(span_u64(text, INT64_MAX, &n));
    return (int64_t)n;
}

static void on_written(struct store_req *req)
{
    struct user *u = req->owner;
    SIM_CHECK(loop_current() == u->loop && u->waiting == 1);
    u->waiting--;
    SIM_CHECK(req->error == ERR_NONE || req->error == ERR_STORE_FULL);
    if (req->error == ERR_NONE) {
        u->acknowledged = u->written;
    }
    store_req_free(req);
}

static void on_read(struct store_req *req)
{
    struct user *u = req->owner;
    SIM_CHECK(loop_current() == u->loop && u->waiting == 1);
    u->waiting--;
    if (req->error == ERR_NONE) {
        int64_t seen =
            req->steps[0].row_count == 0 ? 0 : number_of(store_text(store_cell(req, 0, 0, 0)));
        SIM_CHECK(seen == u->expected_min);
    } else {
        SIM_CHECK(req->error == ERR_STORE_FULL ||
                  (u->read_cancelled && req->error == ERR_STORE_CANCELLED));
    }
    u->read_cancelled = false;
    store_req_free(req);
}

static void act(struct timer *t)
{
    struct user *u = CONTAINER_OF(t, struct user, timer);
    struct sim_random *r = sim_random(u->sim);
    if (u->waiting == 0 && u->written < WRITES) {
        bool write = sim_random_chance(r, 50);
        struct store_req *req = store_req_new(loop_index(u->loop), 1,
                                              write ? on_written : on_read, u);
        store_step_init(req, 0, write ? QUERY_META_PUT : QUERY_META_GET, 1);
        store_set_text(req, 0, 0, 0, span_str(u->name));
        req->row_max = 1;
        if (write) {
            char text[24];
            snprintf(text, sizeof text, "%lld", (long long)++u->written);
            store_set_text(req, 0, 0, 1, span_str(text));
        } else {
            u->expected_min = u->acknowledged;
        }
        u->waiting++;
        u->store->submit(u->store, req);
        if (!write && sim_random_chance(r, 10)) {
            u->read_cancelled = true;
            u->store->cancel(u->store, req);
        }
    }
    if (u->written < WRITES) {
        timer_start(u->loop, t, (int64_t)sim_random_below(r, 4));
    }
}

static bool all_done(void *arg)
{
    for (unsigned i = 0; i < sim_loop_count(arg); i++) {
        if (users[i].written < WRITES || users[i].waiting > 0) {
            return false;
        }
    }
    return true;
}

static void answers_keep_the_stores_promises(uint64_t seed)
{
    struct sim *s = sim_new(&(struct sim_conf){.seed = seed});
    struct store *inner;
    err e = sqlite_store_open(&(struct sqlite_store_conf){.path = ":memory:",
                                                          .synchronous = STORE_SYNC_OFF},
                              NULL, NULL, &inner);
    SIM_CHECK(e == ERR_NONE);
    struct sim_store *db = sim_store_new(s, inner);
    sim_store_set_failures(db, 10, ERR_STORE_FULL);
    for (unsigned i = 0; i < sim_loop_count(s); i++) {
        users[i] = (struct user){.sim = s, .loop = sim_loop(s, i), .store = sim_store_port(db),
                                 .timer = {.fire = act}};
        snprintf(users[i].name, sizeof users[i].name, "u%u", i);
        timer_start(users[i].loop, &users[i].timer, 0);
    }
    SIM_CHECK(sim_until(s, all_done, s, 60000));
    sim_settle(s);
    SIM_CHECK(sim_store_waiting(db) == 0);
    sim_store_free(db);
    sim_free(s);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"answers_keep_the_stores_promises", answers_keep_the_stores_promises, 60},
    };
    return sim_main(argc, argv, cases, ARRAY_LEN(cases));
}
