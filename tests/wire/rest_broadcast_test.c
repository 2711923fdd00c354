/* POST /api/v1/websocket/broadcast and GET .../stats over a real socket: what is refused and why,
 * what is logged, the rate. Clients themselves are in tests/e2e/home_broadcast.test.mjs. */
#include "rest_world.h"

#include "hub/journal.h"

#include <stdio.h>

#define HOST "Host: localhost:{port}\r\n"
#define BROADCAST "/api/v1/websocket/broadcast"
#define CLIENT "01900000-0000-7000-8000-00000000000"
#define TURNS_MAX 5000

static struct world world;
static struct answer a;
static char admin[4096]; /* an access token */

static void post(const char *target, const char *lines, const char *body)
{
    static char text[300000];
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\n" HOST "Authorization: Bearer %s\r\n%s"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             target, admin, lines, strlen(body), body);
    world_ask(&world, text, &a);
}

static void get(const char *target)
{
    char text[8192];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "Authorization: Bearer %s\r\n\r\n",
             target, admin);
    world_ask(&world, text, &a);
}

static void expect(int status, const char *text)
{
    if (a.status != status || strstr(a.body, text) == NULL) {
        fail_msg("%d %s, expected %d with %s", a.status, a.body, status, text);
    }
}

static void say(const char *body) { post(BROADCAST, "", body); }

/* --- what is in the log --- */

static struct store_req *read_log;

static void on_log(struct store_req *req) { read_log = req; }

/* The newest event as "type topic data". */
static const char *newest_event(void)
{
    static char text[40000];
    struct store_req *req = store_req_new(0, 1, on_log, NULL);
    store_step_init(req, 0, QUERY_EVENT_AFTER, 1);
    store_set_int(req, 0, 0, 0, 0);
    store_set_int(req, 0, 0, 1, 1000);
    read_log = NULL;
    world.store->submit(world.store, req);
    for (unsigned i = 0; i < TURNS_MAX && read_log == NULL; i++) {
        world_turn(&world);
    }
    assert_non_null(read_log);
    unsigned count = (unsigned)req->steps[0].row_count;
    text[0] = '\0';
    if (count > 0) {
        const struct store_value *cells = store_cell(req, 0, count - 1, 0);
        snprintf(text, sizeof text, "%.*s %.*s %.*s", SPAN_FMT(store_text(&cells[3])),
                 SPAN_FMT(store_text(&cells[4])), SPAN_FMT(store_text(&cells[5])));
    }
    store_req_free(req);
    return text;
}

static void what_cannot_be_said_is_refused_by_the_member_that_is_wrong(void **state)
{
    static char large[17000];
    static const struct {
        const char *body;
        const char *why;
    } rows[] = {
        {"{}", "type is missing"},
        {"[]", "the body"},
        {"{\"type\":\"x\"}", "data is missing"},
        {"{\"data\":{}}", "type is missing"},
        {"{\"type\":\"Alarm\",\"data\":{}}", "type must be a letter"},
        {"{\"type\":\"9\",\"data\":{}}", "type must be a letter"},
        {"{\"type\":\"heartbeat\",\"data\":{}}", "type must be a letter"},
        {"{\"type\":\"room_updated\",\"data\":{}}", "type must be a letter"},
        {"{\"type\":\"x\",\"data\":1,\"room_id\":0}", "room_id"},
        {"{\"type\":\"x\",\"data\":1,\"room_id\":\"1\"}", "room_id"},
        {"{\"type\":\"x\",\"data\":1,\"client_ids\":[]}", "client_ids"},
        {"{\"type\":\"x\",\"data\":1,\"client_ids\":[\"me\"]}", "client_ids must be UUIDs"},
        {"{\"type\":\"x\",\"data\":{\"expires_at\":\"soon\"}}", "data.expires_at must be a time"},
        {"{\"type\":\"x\",\"data\":{\"__proto__\":1}}", "not valid JSON"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        say(rows[i].body);
        expect(400, rows[i].why);
        expect(400, "\"code\":\"INVALID_REQUEST\"");
    }
    int len = snprintf(large, sizeof large, "{\"type\":\"x\",\"data\":\"");
    memset(large + len, 'a', 16384);
    memcpy(large + len + 16384, "\"}", 3);
    say(large);
    expect(400, "data");
    say("{\"type\":\"x\",\"data\":1,\"room_id\":77}");
    expect(404, "there is no such room");
    assert_string_equal(newest_event(), "");
}

static void what_is_said_is_logged_with_whom_it_is_for(void **state)
{
    say("{\"type\":\"custom_notification\",\"data\":{\"message\":\"System maintenance scheduled\","
        "\"level\":\"warning\"}}");
    expect(200, "{\"message\":\"Message broadcasted successfully\",\"clients_count\":0,"
                "\"message_type\":\"custom_notification\",\"pos\":\"");
    assert_string_equal(newest_event(),
                        "home:broadcast home/event/all {\"type\":\"custom_notification\",\"data\":"
                        "{\"message\":\"System maintenance scheduled\",\"level\":\"warning\"}}");
    say("{\"type\":\"x\",\"data\":{\"expires_at\":\"2025-07-16T22:00:00Z\"}}");
    expect(200, "\"clients_count\":0");
    assert_string_equal(newest_event(),
                        "home:broadcast-some home/event/all {\"type\":\"x\",\"data\":"
                        "{\"expires_at\":\"2025-07-16T22:00:00Z\"}}");
    say("{\"type\":\"x\",\"data\":null,\"client_ids\":[\"" CLIENT "2\",\"" CLIENT "1\"]}");
    expect(200, "\"clients_count\":0");
    assert_string_equal(newest_event(),
                        "home:broadcast-some home/event/all {\"type\":\"x\",\"data\":null,"
                        "\"client_ids\":[\"" CLIENT "1\",\"" CLIENT "2\"]}");
    get("/api/v1/audit?action=home.broadcast");
    expect(200, "custom_notification");
}

static void a_key_says_it_once(void **state)
{
    char pos[64];
    post(BROADCAST, "Idempotency-Key: once\r\n", "{\"type\":\"x\",\"data\":1}");
    expect(200, "\"clients_count\":0");
    snprintf(pos, sizeof pos, "%s", answer_data(&a, "pos"));
    post(BROADCAST, "Idempotency-Key: once\r\n", "{\"type\":\"x\",\"data\":1}");
    expect(200, "\"clients_count\":0");
    assert_string_equal(pos, answer_data(&a, "pos"));
    assert_string_equal(answer_field(&a, "Idempotency-Replayed"), "true");
    post(BROADCAST, "Idempotency-Key: once\r\n", "{\"type\":\"x\",\"data\":2}");
    expect(422, "\"success\":false");
}

static void who_says_too_much_is_told_when_to_come_back(void **state)
{
    unsigned said = 0;
    world.edge_conf.home.broadcasts_per_min = 3;
    for (unsigned i = 0; i < 5; i++) {
        say("{\"type\":\"x\",\"data\":1}");
        said += a.status == 200;
    }
    expect(429, "RATE_LIMIT_EXCEEDED");
    assert_int_equal(said, 3);
    assert_string_not_equal(answer_field(&a, "Retry-After"), "");
    post(BROADCAST, "Idempotency-Key: refused\r\n", "{\"type\":\"x\",\"data\":1}");
    expect(429, "RATE_LIMIT_EXCEEDED");
    world.edge_conf.home.broadcasts_per_min = 1000; /* a reload counts at once */
    post(BROADCAST, "Idempotency-Key: refused\r\n", "{\"type\":\"x\",\"data\":1}");
    expect(200, "\"clients_count\":0");
}

static void statistics_of_a_wire_that_nobody_used(void **state)
{
    get("/api/v1/websocket/stats");
    expect(200, "\"data\":{\"connected_clients\":0,\"total_connections\":0,\"messages_sent\":0,"
                "\"messages_received\":0,\"last_activity\":null}");
}

static int open_world(void **state)
{
    char body[512];
    world_open(&world);
    world.edge_conf.home.broadcasts_per_min = 1000;
    snprintf(body, sizeof body, "{\"username\":\"admin\",\"password\":\"%s\"}", world.password);
    post("/api/v1/auth/login", "", body);
    snprintf(admin, sizeof admin, "%s", answer_data(&a, "access_token"));
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
        cmocka_unit_test(what_cannot_be_said_is_refused_by_the_member_that_is_wrong),
        cmocka_unit_test(what_is_said_is_logged_with_whom_it_is_for),
        cmocka_unit_test(a_key_says_it_once),
        cmocka_unit_test(who_says_too_much_is_told_when_to_come_back),
        cmocka_unit_test(statistics_of_a_wire_that_nobody_used),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
