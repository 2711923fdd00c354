/* Robots and their receivers do whatever they like, by a seed. */
#include "chat_robots_fixture.h"

#include <string.h>

#define CHAOS_JOBS 200
#define CHAOS_STEPS 160

static uint64_t chance;

static unsigned any_of(unsigned n)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance >> 33) % n;
}

static void receiver_changes(void)
{
    static const struct {
        int status;
        const char *body, *type;
        enum webhook_result result;
    } ways[] = {
        {200, "{\"content\":\"ok\"}", "application/json", WEBHOOK_OK},
        {200, "{\"content\":\"ok\"}", "application/json", WEBHOOK_OK},
        {200, "{\"chunk\":\"a\"}\n{\"final\":true}\n", "application/x-ndjson", WEBHOOK_OK},
        {204, "", "", WEBHOOK_OK},
        {503, "", "", WEBHOOK_OK},
        {404, "", "", WEBHOOK_OK},
        {0, "", "", WEBHOOK_TIMEOUT},
        {200, "?", "application/json", WEBHOOK_OK},
    };
    unsigned i = any_of(ARRAY_LEN(ways));
    webhook_twin_type(twin, ways[i].type);
    webhook_twin_answers(twin, ways[i].status, ways[i].body, ways[i].result);
}

static struct chat_who anna;
static uuid room;
static struct socket *one;

struct chaos {
    struct chat_who hook, own;
    struct socket *its;
    uuid jobs[CHAOS_JOBS];
    bool private[CHAOS_JOBS];
    unsigned count;
};

static void chaos_ask(struct chaos *x)
{
    bool private = any_of(4) == 0;
    struct chat_robot_question q = {.robot = any_of(3) == 0 ? x->own.actor.id : x->hook.actor.id,
                                    .prompt = SPAN("go"),
                                    .visibility =
                                        private ? CHAT_VISIBLE_PRIVATE : CHAT_VISIBLE_ROOM};
    chat_robot_interact(any_home(), room, &q, &anna, NULL, on_told, &t);
    for (unsigned i = 0; i < 100 && !t.done; i++) {
        turns();
    }
    assert_true(t.done);
    t.done = false;
    if (t.error == ERR_NONE && x->count < CHAOS_JOBS) {
        x->private[x->count] = private;
        x->jobs[x->count++] = t.id;
    }
}

static void chaos_answer(struct chaos *x)
{
    struct chat_robot_piece in = {.job = x->count == 0 ? room : x->jobs[any_of(x->count)],
                                  .chunk = any_of(5) == 0 ? SPAN("\a") : SPAN("by socket"),
                                  .final = any_of(2) == 0};
    chat_robot_answer(any_home(), &in, &x->own, on_told, &t);
    for (unsigned i = 0; i < 100 && !t.done; i++) {
        turns();
    }
    assert_true(t.done);
    t.done = false;
}

static void chaos_step(struct chaos *x)
{
    switch (any_of(10)) {
    case 0:
        receiver_changes();
        break;
    case 1:
        webhook_twin_hold(twin, any_of(2) == 0);
        break;
    case 2:
        time_passes(any_of(4) * 100);
        break;
    case 3:
        if (x->its != NULL) {
            socket_close(x->its);
        }
        x->its = any_of(3) == 0 ? NULL : socket_open(any_of(w.count), &x->own);
        turns();
        break;
    case 4:
        patch(x->hook.actor.id, &(struct chat_robot_change){.enabled = any_of(3) != 0}, ERR_NONE);
        break;
    case 5:
        chaos_answer(x);
        break;
    default:
        chaos_ask(x);
        break;
    }
}

/* Whatever a robot does, each job ends once, and a message is there for each that is done. */
static void every_job_ends_once(void **state)
{
    (void)state;
    struct chaos x = {.count = 0};
    unsigned done = 0, ended = 0, failed = 0;
    anna = employee("Anna");
    x.hook = robot_made("Hook", "http://twin/bot");
    x.own = robot_made("Own", "");
    room = room_made(CHAT_GROUP, "Team", &anna, &x.hook, &x.own, NULL);
    one = socket_open(0, &anna);
    turns();
    for (unsigned seed = 1; seed <= 3; seed++) {
        chance = seed;
        for (unsigned i = 0; i < CHAOS_STEPS / 3; i++) {
            chaos_step(&x);
        }
    }
    webhook_twin_hold(twin, false);
    time_passes(40000); /* what waits for a socket is late */
    for (unsigned i = 0; i < x.count; i++) {
        job(room, x.jobs[i], &anna, ERR_NONE);
        not_told("\"state\":\"open\"");
        bool is_done = strstr(t.json, "\"state\":\"done\"") != NULL;
        ended++;
        failed += strstr(t.json, "\"state\":\"failed\"") != NULL;
        done += is_done && strstr(t.json, "\"messageId\"") != NULL;
        assert_false(x.private[i] && strstr(t.json, "\"messageId\"") != NULL);
    }
    assert_int_equal(heard_count(one, "chat:message:received"), done);
    assert_int_equal(heard_count(one, "\"final\":true"), ended);
    assert_int_equal(heard_count(one, "chat:error {"), failed);
    assert_true(done > 0 && failed > 0);
    for (unsigned i = 0; i < w.count; i++) {
        struct chat_robot_stats s;
        chat_robot_stats(&w.homes[i], &s);
        assert_int_equal(s.active, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"every_job_ends_once on 1", every_job_ends_once, setup_1, teardown, NULL},
        {"every_job_ends_once on 5", every_job_ends_once, setup_5, teardown, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
