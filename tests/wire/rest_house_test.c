/* REST of Home on a real socket: its envelopes have times of whole seconds, whoever refuses, and
 * what the store does not take is not answered as if it had. What the routes do is in
 * tests/e2e/house_rest.test.mjs. */
#include "rest_world.h"

#include "base/timefmt.h"
#include "domain/fleet.h"
#include "edge/rest/internal.h"

#include <stdio.h>
#include <unistd.h>

#define HOST "Host: localhost:{port}\r\n"

static struct world world;
static struct answer a;
static char admin[4096]; /* an access token */
static char text[100000];

static void ask(const char *method, const char *target, const char *lines, const char *json)
{
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\n" HOST "Authorization: Bearer %s\r\n%s"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, target, admin, lines, strlen(json), json);
    world_ask(&world, text, &a);
}

static void get(const char *target) { ask("GET", target, "", ""); }

static void expect(int status, const char *part)
{
    if (a.status != status || strstr(a.body, part) == NULL) {
        fail_msg("not %d with %s: %d %s", status, part, a.status, a.body);
    }
}

/* The body's own time is whole or has parts. */
static void expect_whole(int status, bool whole)
{
    const char *at = answer_member(&a, "timestamp");
    if (a.status != status || strlen(at) != (whole ? TIME_S_LEN : TIME_MS_LEN)) {
        fail_msg("%d: %s", a.status, a.body);
    }
}

static void refusals_before_any_handler_have_whole_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        bool whole;
    } rows[] = {
        {"GET /api/v1/rooms/nothing/here HTTP/1.1\r\n" HOST "\r\n", 404, true},
        {"GET /api/v1/devices/nothing/here HTTP/1.1\r\n" HOST "\r\n", 404, false},
        {"GET /api/v1/rooms HTTP/1.1\r\n" HOST "\r\n", 401, true},
        {"GET /api/v1/devices HTTP/1.1\r\n" HOST "\r\n", 401, false},
        {"PUT /api/v1/rooms HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 405, true},
        {"GET /api/v1/entities HTTP/1.1\r\nHost: elsewhere\r\n\r\n", 403, true},
        {"GET /api/v1/scenes HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n", 403, true},
        {"GET /api/v1/devices HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n", 403, false},
        {"POST /api/v1/websocket/broadcast HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n", 413,
         true},
        {"POST /api/v1/devices HTTP/1.1\r\n" HOST "Content-Length: 70000\r\n\r\n", 413, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        world_ask(&world, rows[i].request, &a);
        expect_whole(rows[i].status, rows[i].whole);
        assert_string_equal(answer_field(&a, "Content-Type"), "application/problem+json");
        assert_non_null(strstr(a.body, "\"success\":false,\"error\":\""));
    }
}

static void a_body_that_cannot_be_read_has_the_documents_sentence(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "{", "[]", "{\"__proto__\":1}"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        ask("POST", "/api/v1/rooms", "", bodies[i]);
        expect_whole(400, true);
        assert_string_equal(answer_member(&a, "error"), HOME_BAD_BODY);
        assert_string_not_equal(answer_member(&a, "detail"), HOME_BAD_BODY);
    }
    ask("POST", "/api/v1/rooms", "", "{\"name\":\"\"}");
    expect(400, "\"errors\":[{\"member\":\"name\",\"detail\":\"must not be empty\"}]");
    assert_string_equal(answer_member(&a, "error"), "name must not be empty");
}

/* --- a store that fails --- */

static struct {
    struct store port;
    struct store *inner;
    enum query fails; /* requests whose first step is that */
} twin;

static void submit(struct store *self, struct store_req *req)
{
    (void)self;
    if (req->steps[0].query == twin.fails) {
        req->error = ERR_STORE_FULL;
        store_complete(world.post, req);
        return;
    }
    twin.inner->submit(twin.inner, req);
}

static void a_room_that_is_not_stored_is_not_there(void **state)
{
    (void)state;
    twin.fails = QUERY_HOME_ROOM_INSERT;
    ask("POST", "/api/v1/rooms", "", "{\"name\":\"Hall\"}");
    expect(503, "\"code\":\"SERVER_ERROR\"");
    get("/api/v1/rooms");
    expect(200, "\"data\":[]");
    twin.fails = QUERY_COUNT;
    ask("POST", "/api/v1/rooms", "", "{\"name\":\"Hall\"}");
    expect(201, "\"name\":\"Hall\"");
    assert_string_equal(answer_field(&a, "ETag"), "\"v1\"");
    get(answer_field(&a, "Location"));
    expect(200, "\"name\":\"Hall\"");
}

static void who_goes_away_leaves_nothing_behind(void **state)
{
    (void)state;
    char request[5000];
    for (unsigned i = 0; i < 5; i++) {
        static const char *const targets[] = {
            "GET /api/v1/rooms", "GET /api/v1/entities", "GET /api/v1/entities/light.a",
            "DELETE /api/v1/rooms/7", "GET /api/v1/entities/light.a/history"};
        snprintf(request, sizeof request,
                 "%s HTTP/1.1\r\n" HOST "If-Match: \"v1\"\r\nAuthorization: Bearer %s\r\n\r\n",
                 targets[i], admin);
        close(world_send(&world, request));
        for (unsigned t = 0; t < 20; t++) {
            world_turn(&world);
        }
    }
    get("/api/v1/rooms/9007199254740992");
    expect(404, "there is no such room");
}

static int open_world(void **state)
{
    (void)state;
    world_open(&world);
    world.home.fleet = fleet_new(&world.home);
    twin.port = *world.store;
    twin.port.submit = submit;
    twin.inner = world.store;
    twin.fails = QUERY_COUNT;
    world.home.store = &twin.port;
    char body[sizeof world.password + 50];
    snprintf(body, sizeof body, "{\"username\":\"admin\",\"password\":\"%s\"}", world.password);
    ask("POST", "/api/v1/auth/login", "", body);
    snprintf(admin, sizeof admin, "%s", answer_data(&a, "access_token"));
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world.home.store = world.store;
    world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_before_any_handler_have_whole_seconds),
        cmocka_unit_test(a_body_that_cannot_be_read_has_the_documents_sentence),
        cmocka_unit_test(a_room_that_is_not_stored_is_not_there),
        cmocka_unit_test(who_goes_away_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
