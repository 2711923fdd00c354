/* REST of Home on a real socket: its envelopes have times of whole seconds, whoever refuses. */
#include "rest_world.h"

#include "base/timefmt.h"
#include "edge/rest/internal.h"

#include <stdio.h>

#define HOST "Host: localhost:{port}\r\n"

static struct world world;
static struct answer a;

/* The body's own time is whole or has parts. */
static void expect_whole(int status, bool whole)
{
    const char *at = answer_member(&a, "timestamp");
    if (a.status != status || strlen(at) != (whole ? TIME_S_LEN : TIME_MS_LEN)) {
        fail_msg("%d: %s", a.status, a.body);
    }
}

/* --- refusals before a handler --- */

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

static int open_world(void **state)
{
    (void)state;
    world_open(&world);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_before_any_handler_have_whole_seconds),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
