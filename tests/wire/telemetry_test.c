/* edge/telemetry.h with a wire of its own and a store that fails by plan: who is answered what, and
 * when. What the real wires make of it is shown over them. */
#include "rest_world.h"

#include "adapters/store_faulty/store_faulty.h"
#include "base/mem.h"
#include "domain/device.h"
#include "domain/fleet.h"
#include "domain/telemetry.h"
#include "edge/telemetry.h"

#include <stdio.h>
#include <string.h>

#define GOOD "{\"timestamp\":1,\"sensorType\":\"t\",\"value\":1,\"unit\":\"C\"}"
#define TURNS_MAX 2000

static struct world world;
static struct store_faulty *faulty;
static struct device_link link;

/* What the wire was told. */
static struct {
    unsigned oks;
    unsigned refusals;
    char members[512];
    err error;
    char details[1024];
    bool there;
} said;

static void on_ok(const struct event_call *in, span members)
{
    assert_true(span_eq(in->id, SPAN("7")));
    said.oks++;
    snprintf(said.members, sizeof said.members, "%.*s", SPAN_FMT(members));
}

static void on_refuse(const struct event_call *in, const struct event_refusal *r)
{
    (void)in;
    said.refusals++;
    said.error = r->error;
    snprintf(said.details, sizeof said.details, "%.*s", SPAN_FMT(r->details));
}

static bool again(struct event_call *in)
{
    (void)in;
    return said.there;
}

static const struct event_wire wire = {
    .stats = STATS_MONITOR, .name = "test", .ok = on_ok, .refuse = on_refuse, .again = again};

static void say(const char *payload, bool wants_ack)
{
    struct arena arena = {0};
    span data = span_str(payload);
    struct event_call in = {.wire = &wire,
                            .edge = &world.edge,
                            .arena = &arena,
                            .device = link.device,
                            .data = data,
                            .id = wants_ack ? SPAN("7") : SPAN_NONE,
                            .wants_ack = wants_ack};
    struct event_many m;
    assert_true(event_many_begin(&m, SCHEMA_telemetry_sample, 500, data, &arena, 1));
    telemetry_event(&in, &m, &link);
    arena_reset(&arena);
}

static void turn_until(unsigned answers)
{
    for (unsigned i = 0; i < TURNS_MAX && said.oks + said.refusals < answers; i++) {
        world_turn(&world);
    }
    assert_int_equal(said.oks + said.refusals, answers);
}

static void turn_some(void)
{
    for (unsigned i = 0; i < 20; i++) {
        world_turn(&world);
    }
}

static void what_is_kept_is_acknowledged_when_it_is_on_disk(void **state)
{
    say("[" GOOD ",{},{\"metadata\":{\"__proto__\":1}}]", true);
    store_faulty_hold(faulty);
    turn_some();
    assert_int_equal(said.oks + said.refusals, 0);
    assert_int_equal(store_faulty_held(faulty), 1);
    store_faulty_resume(faulty);
    turn_until(1);
    const char *wanted = "\"accepted\":1,\"duplicates\":0,\"rejected\":[{\"index\":1,\"error\":"
                         "{\"type\":\"TELEMETRY_VALIDATION_FAILED\",";
    assert_memory_equal(said.members, wanted, strlen(wanted));
    assert_non_null(strstr(said.members, "{\"index\":2,"));
    assert_non_null(strstr(said.members, "\"member\":\"metadata\""));
}

static void a_failed_commit_is_a_server_error_with_or_without_ack(void **state)
{
    store_faulty_fail(faulty, 0, 1, ERR_STORE_FULL);
    say(GOOD, true);
    turn_until(1);
    assert_string_equal(err_code(said.error), "SERVER_ERROR");
    store_faulty_fail(faulty, 0, 1, ERR_STORE_FULL);
    say(GOOD, false);
    turn_until(2);
    assert_int_equal(said.refusals, 2);
    say(GOOD, true); /* it is well again */
    turn_until(3);
    assert_int_equal(said.oks, 1);
}

static void what_waits_for_the_store_goes_in_few_requests(void **state)
{
    enum { MESSAGES = 50 };
    say(GOOD, true);
    turn_until(1);
    store_faulty_hold(faulty);
    for (unsigned i = 0; i < MESSAGES; i++) {
        say(GOOD, true);
        if (i % 5 == 4) {
            world_turn(&world);
        }
    }
    turn_some();
    assert_int_equal(store_faulty_held(faulty), 2);
    store_faulty_resume(faulty);
    turn_until(1 + MESSAGES);
    assert_int_equal(said.oks, 1 + MESSAGES);
}

static void count_put(void *owner, const struct telemetry_result *r)
{
    unsigned *counts = owner; /* kept, refused */
    assert_true(r->error == ERR_NONE || r->error == ERR_STORE_BUSY);
    counts[r->error != ERR_NONE]++;
}

static void a_store_that_hangs_is_not_waited_for_in_memory(void **state)
{
    enum { PUTS = 40, SAMPLES = 500, METADATA = 4096 }; /* 2.3 MB each */
    unsigned counts[2] = {0};
    struct telemetry_sample samples[SAMPLES];
    char *metadata = mem_alloc(METADATA);
    memset(metadata, ' ', METADATA);
    memcpy(metadata, "{}", 2);
    for (unsigned i = 0; i < SAMPLES; i++) {
        samples[i] = (struct telemetry_sample){.sensor_type = SPAN("t"),
                                               .unit = SPAN("C"),
                                               .metadata = span_of(metadata, METADATA),
                                               .at_ms = 1};
    }
    store_faulty_hold(faulty);
    for (unsigned i = 0; i < PUTS; i++) {
        telemetry_put(&world.home, link.device, samples, SAMPLES, count_put, counts);
    }
    turn_some();
    assert_int_equal(counts[0], 0);
    assert_in_range(counts[1], 5, 15);
    store_faulty_resume(faulty);
    for (unsigned i = 0; i < TURNS_MAX && counts[0] + counts[1] < PUTS; i++) {
        world_turn(&world);
    }
    assert_int_equal(counts[0] + counts[1], PUTS);
    say(GOOD, true);
    turn_until(1);
    assert_int_equal(said.oks, 1);
    mem_free(metadata);
}

static void nothing_that_can_be_kept_is_refused_at_once(void **state)
{
    say("[{},7]", true);
    assert_int_equal(said.refusals, 1);
    assert_int_equal(said.error, ERR_TELEMETRY_VALIDATION_FAILED);
    assert_memory_equal(said.details, "\"rejected\":[{\"index\":0,", 23);
    assert_true(said.details[strlen(said.details) - 1] == ']');
}

static void without_an_ack_only_refusals_are_told(void **state)
{
    say("[" GOOD ",{}]", false);
    assert_int_equal(said.refusals, 1);
    assert_non_null(strstr(said.details, "{\"index\":1,"));
    say(GOOD, false);
    turn_some();
    assert_int_equal(said.oks + said.refusals, 1);
}

static void who_has_gone_is_told_nothing(void **state)
{
    said.there = false;
    say(GOOD, true);
    turn_some();
    assert_int_equal(said.oks + said.refusals, 0);
}

static void link_over(struct device_link *l, close_reason reason)
{
    (void)l;
    (void)reason;
    assert_true(false);
}

static void link_answered(struct device_link *l, span ack, err error)
{
    (void)l;
    (void)ack;
    (void)error;
}

static void made(void *owner, const struct device_result *r)
{
    assert_int_equal(r->error, ERR_NONE);
    *(uuid *)owner = r->id;
}

static int fresh(void **state)
{
    memset(&said, 0, sizeof said);
    said.there = true;
    return 0;
}

static int open_world(void **state)
{
    struct actor who = {0};
    struct device_draft draft = {.name = SPAN("one")};
    uuid id = UUID_NIL;
    world_open_with(&world, &rest_handler);
    faulty = store_faulty_new(world.store, world.post);
    world.home.store = world.store = store_faulty_port(faulty);
    (void)fleet_new(&world.home);
    device_create(&world.home, &draft, &who, made, &id);
    for (unsigned i = 0; i < TURNS_MAX && uuid_is_nil(id); i++) {
        world_turn(&world);
    }
    assert_false(uuid_is_nil(id));
    link = (struct device_link){.on_close = link_over, .on_answer = link_answered};
    device_link_open(&world.home, &link, &(struct device_link_conf){.device = id,
                                                                    .wire = "test",
                                                                    .socket_id = SPAN("s"),
                                                                    .remote_address = SPAN("")});
    turn_some();
    fresh(NULL);
    say(GOOD, true); /* the device's telemetry is loaded */
    turn_until(1);
    return 0;
}

static int close_world(void **state)
{
    struct store_stats stats = {.unanswered = 1};
    device_link_close(&link, CLOSE_PEER_CLOSED);
    for (unsigned i = 0; i < TURNS_MAX && stats.unanswered > 0; i++) {
        turn_some();
        world.store->stats(world.store, &stats);
    }
    assert_int_equal(stats.unanswered, 0);
    turn_some();
    fleet_free(world.home.fleet);
    world_close(&world);
    return 0;
}

#define T(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_kept_is_acknowledged_when_it_is_on_disk),
        T(a_failed_commit_is_a_server_error_with_or_without_ack),
        T(what_waits_for_the_store_goes_in_few_requests),
        T(a_store_that_hangs_is_not_waited_for_in_memory),
        T(nothing_that_can_be_kept_is_refused_at_once),
        T(without_an_ack_only_refusals_are_told),
        T(who_has_gone_is_told_nothing),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
