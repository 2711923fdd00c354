/* Telemetry over REST on a real socket: what is refused and why, pages, and that a key stores a
 * batch once even if its answer could not be stored. Values and buckets themselves are in
 * tests/e2e/telemetry_follow.test.mjs. */
#include "rest_world.h"

#include "domain/fleet.h"

#include <stdio.h>
#include <time.h>

#define HOST "Host: localhost:{port}\r\n"
#define KEY(k) "Idempotency-Key: " k "\r\n"
#define NOWHERE "01900000-0000-7000-8000-000000000000"

static struct world world;
static struct answer a;
static char admin[4096]; /* an access token */
static char path[100];   /* of the device's telemetry */
static char text[300000];
static char body[200000];

static void ask(const char *method, const char *target, const char *lines, const char *json)
{
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\n" HOST "Authorization: Bearer %s\r\n%s"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, target, admin, lines, strlen(json), json);
    world_ask(&world, text, &a);
}

static void get(const char *query)
{
    char target[300];
    snprintf(target, sizeof target, "%s%s", path, query);
    ask("GET", target, "", "");
}

static void expect(int status, const char *wanted)
{
    if (a.status != status || strstr(a.body, wanted) == NULL) {
        fail_msg("%d %s, expected %d with %s", a.status, a.body, status, wanted);
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A sample, with `at` ms since the epoch and more members. */
static const char *sample(int64_t at, double value, const char *more)
{
    static char out[4][400];
    static unsigned turn;
    char *to = out[turn++ % 4];
    snprintf(to, sizeof out[0],
             "{\"timestamp\":%lld,\"sensorType\":\"a\",\"value\":%g,\"unit\":\"C\"%s}",
             (long long)at, value, more);
    return to;
}

static void post_two(const char *lines, int64_t at)
{
    snprintf(body, sizeof body, "[%s,%s]", sample(at, 1, ""), sample(at + 1, 2, ""));
    ask("POST", path, lines, body);
}

static void what_cannot_be_kept_is_refused_by_the_member_that_is_wrong(void **state)
{
    static const struct {
        const char *body, *member, *why;
    } rows[] = {
        {"{}", "\"timestamp\"", "is missing"},
        {"[{}]", "\"[0].timestamp\"", "is missing"},
        {"[7,\"x\"]", "\"[1]\"", "must be an object"},
        {"{\"timestamp\":1,\"sensorType\":\"a\",\"value\":\"1\",\"unit\":\"C\"}", "\"value\"",
         "must be a finite number"},
        {"{\"timestamp\":1,\"sensorType\":\"a\",\"value\":1e9,\"unit\":\"C\"}", "\"value\"", ""},
        {"{\"timestamp\":1,\"sensorType\":\"\",\"value\":1,\"unit\":\"C\"}", "\"sensorType\"",
         "must not be empty"},
        {"{\"timestamp\":\"soon\",\"sensorType\":\"a\",\"value\":1,\"unit\":\"C\"}",
         "\"timestamp\"", "must be a time"},
        {"{\"timestamp\":1,\"sensorType\":\"a\",\"value\":1,\"unit\":\"C\",\"metadata\":7}",
         "\"metadata\"", "must be an object"},
        {"{\"timestamp\":1,\"sensorType\":\"a\",\"value\":1,\"unit\":\"C\",\"deviceId\":\"" NOWHERE
         "\"}",
         "\"deviceId\"", "is another device's"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        ask("POST", path, "", rows[i].body);
        expect(422, "\"code\":\"TELEMETRY_VALIDATION_FAILED\"");
        expect(422, rows[i].member);
        expect(422, rows[i].why);
    }
    ask("POST", path, "", "[]");
    expect(400, "1 to 500 samples");
    size_t len = 0;
    for (unsigned i = 0; i < 501; i++) {
        len += (size_t)snprintf(body + len, sizeof body - len, "%s{}", i == 0 ? "[" : ",");
    }
    snprintf(body + len, sizeof body - len, "]");
    ask("POST", path, "", body);
    expect(400, "1 to 500 samples");
    ask("POST", path, "", "{");
    expect(400, "not valid JSON");
    get("");
    expect(200, "\"data\":[]");
}

static void some_of_a_batch_may_be_bad(void **state)
{
    snprintf(body, sizeof body, "[{},%s]", sample(now_ms(), 5, ",\"sampleId\":\"one\""));
    ask("POST", path, "", body);
    expect(200, "{\"accepted\":1,\"duplicates\":0,\"rejected\":[{\"index\":0,\"error\":"
                "{\"type\":\"TELEMETRY_VALIDATION_FAILED\"");
    expect(200, "\"code\":422,\"details\":{\"member\":\"timestamp\",\"reason\":\"is missing\"}");
    ask("POST", path, "", body);
    expect(200, "{\"accepted\":0,\"duplicates\":1,");
    get("/latest");
    expect(200, "\"value\":5,\"unit\":\"C\",\"sampleId\":\"one\"}]");
}

static void a_device_that_is_not_there_has_nothing(void **state)
{
    char kept[sizeof path];
    memcpy(kept, path, sizeof path);
    snprintf(path, sizeof path, "/api/v1/devices/" NOWHERE "/telemetry");
    post_two("", now_ms());
    expect(404, "DEVICE_NOT_FOUND");
    for (unsigned i = 0; i < 3; i++) {
        static const char *const queries[] = {"", "?points=5", "/latest"};
        get(queries[i]);
        expect(404, "DEVICE_NOT_FOUND");
    }
    memcpy(path, kept, sizeof path);
}

static void bad_queries_are_named(void **state)
{
    static const struct {
        const char *query, *why;
    } rows[] = {
        {"?limit=0", "limit must be a whole number from 1"},
        {"?limit=x", "limit must be a whole number from 1"},
        {"?from=never", "from must be a time"},
        {"?to=never", "to must be a time"},
        {"?from=5&to=5", "from must be before to"},
        {"?to=1960-01-01T00:00:00Z", "from must be before to"},
        {"?points=0", "points must be a whole number from 1"},
        {"?points=-1", "points must be a whole number from 1"},
        {"?agg=median", "agg is avg, min, max or last"},
        {"?cursor=AAAAAAAAAAAAAAAAAAAAAAA", "cursor is not one of ours"},
        {"?cursor=%20", "cursor is not one of ours"},
        {"?cursor=dAAAAAAAAAAAAAAAAAAAAAA&agg=max", "cursor is for samples"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        get(rows[i].query);
        expect(400, rows[i].why);
    }
}

static void pages_go_on_where_the_one_before_ended(void **state)
{
    char query[200];
    int64_t at = now_ms() - 2 * 3600000; /* older than what is shown without `from` */
    post_two("", at);
    expect(200, "\"accepted\":2");
    snprintf(query, sizeof query, "?from=%lld&limit=1", (long long)at);
    get(query);
    expect(200, "\"value\":1,");
    assert_null(strstr(a.body, "\"value\":2,"));
    snprintf(query, sizeof query, "?limit=1&cursor=%s", answer_member(&a, "next_cursor"));
    get(query);
    expect(200, "\"value\":2,");
    snprintf(query, sizeof query, "?from=%lld&to=%lld&points=2000", (long long)at,
             (long long)at + 2);
    get(query);
    expect(200, "\"sensorType\":\"a\",\"unit\":\"C\",\"resolution_ms\":1,\"points\":[{");
}

/* --- Idempotency-Key --- */

/* A store whose next answer to a key fails. */
static struct {
    struct store port;
    struct store *inner;
    bool fails;
} twin;

static void submit(struct store *self, struct store_req *req)
{
    if (twin.fails && req->steps[0].query == QUERY_IDEMPOTENCY_INSERT) {
        twin.fails = false;
        req->error = ERR_SERVER_ERROR;
        store_complete(world.post, req);
        return;
    }
    twin.inner->submit(twin.inner, req);
}

static unsigned rows_from(int64_t at)
{
    char query[100];
    unsigned count = 0;
    snprintf(query, sizeof query, "?from=%lld&to=%lld", (long long)at, (long long)at + 2);
    get(query);
    expect(200, "\"data\":[");
    for (const char *p = a.body; (p = strstr(p, "\"value\"")) != NULL; p++) {
        count++;
    }
    return count;
}

static void a_key_stores_a_batch_once(void **state)
{
    int64_t at = now_ms() - 1000000;
    post_two(KEY("once"), at);
    expect(200, "{\"accepted\":2,\"duplicates\":0,\"rejected\":[]}");
    post_two(KEY("once"), at);
    expect(200, "{\"accepted\":2,\"duplicates\":0,\"rejected\":[]}");
    assert_string_equal(answer_field(&a, "Idempotency-Replayed"), "true");
    post_two(KEY("once"), at + 10);
    expect(422, "IDEMPOTENCY_KEY_REUSED");
    assert_int_equal(rows_from(at), 2);
    post_two("", at);
    post_two("", at); /* without a key or sampleId nothing says that they are the same */
    assert_int_equal(rows_from(at), 6);
}

static void a_repeat_is_harmless_when_the_answer_could_not_be_stored(void **state)
{
    int64_t at = now_ms() - 2000000;
    twin.port = *world.store;
    twin.port.submit = submit;
    twin.inner = world.store;
    world.home.store = &twin.port;
    twin.fails = true;
    post_two(KEY("lost"), at);
    expect(503, "SERVER_ERROR");
    assert_int_equal(rows_from(at), 2);
    post_two(KEY("lost"), at);
    expect(200, "{\"accepted\":0,\"duplicates\":2,\"rejected\":[]}");
    assert_int_equal(rows_from(at), 2);
    post_two(KEY("other"), at);
    expect(200, "{\"accepted\":2,");
    world.home.store = world.store;
}

static int open_world(void **state)
{
    world_open(&world);
    world.home.fleet = fleet_new(&world.home);
    snprintf(body, sizeof body, "{\"username\":\"admin\",\"password\":\"%s\"}", world.password);
    ask("POST", "/api/v1/auth/login", "", body);
    snprintf(admin, sizeof admin, "%s", answer_data(&a, "access_token"));
    ask("POST", "/api/v1/devices", "", "{\"name\":\"one\"}");
    expect(201, "\"device\":{\"id\":\"");
    snprintf(path, sizeof path, "/api/v1/devices/%.36s/telemetry", strstr(a.body, "\"id\":\"") + 6);
    return 0;
}

static int close_world(void **state)
{
    world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_kept_is_refused_by_the_member_that_is_wrong),
        cmocka_unit_test(some_of_a_batch_may_be_bad),
        cmocka_unit_test(a_device_that_is_not_there_has_nothing),
        cmocka_unit_test(bad_queries_are_named),
        cmocka_unit_test(pages_go_on_where_the_one_before_ended),
        cmocka_unit_test(a_key_stores_a_batch_once),
        cmocka_unit_test(a_repeat_is_harmless_when_the_answer_could_not_be_stored),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
