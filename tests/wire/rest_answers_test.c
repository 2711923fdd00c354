/* What handlers answer with, one path a function, without routes and identities. */
#include "rest_world.h"

#include "edge/rest/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST "Host: localhost:{port}\r\n"

static struct world world;
static struct answer a;
static struct conn *upgraded;
static unsigned closed_count;

static void on_message(struct conn *c, enum ws_opcode op, span payload)
{
    ws_send(c, op, payload);
}

static void on_ws_close(struct conn *c, close_reason reason)
{
    (void)c;
    (void)reason;
    closed_count++;
}

static const struct ws_wire wire = {
    .name = "test",
    .limits = {.message_bytes_max = 1024, .fragments_max = 8},
    .on_message = on_message,
    .on_close = on_ws_close,
};

static void answer_paged(struct rest_call *c)
{
    buf_printf(&c->data, "[%u]", rest_query_limit(c));
    rest_ok_list(c, buf_span(&c->data), rest_query(c, "cursor"));
}

static void answer_time(struct rest_call *c)
{
    int64_t from;
    if (!rest_query_time(c, "from", -1, &from)) {
        const struct rest_fault fault = {"from", "must be a time"};
        rest_invalid(c, "a parameter is wrong", &fault, 1);
        return;
    }
    buf_append_i64(&c->data, from);
    rest_ok(c, buf_span(&c->data));
}

static void answer_versioned(struct rest_call *c)
{
    if (rest_if_match(c, 7) != ERR_NONE) {
        rest_error(c, ERR_PRECONDITION_FAILED, NULL);
        return;
    }
    rest_etag_version(c, 7);
    rest_ok(c, SPAN("{}"));
}

static void on_request(struct http_exchange *x)
{
    struct rest_call *c = call_new(x);
    if (span_eq(x->path, SPAN("/created"))) {
        rest_created(c, SPAN("{\"id\":1}"), SPAN("/created/1"));
    } else if (span_eq(x->path, SPAN("/nothing"))) {
        rest_no_content(c);
    } else if (span_eq(x->path, SPAN("/cached"))) {
        rest_ok_cached(c, SPAN("{\"same\":true}"));
    } else if (span_eq(x->path, SPAN("/paged"))) {
        answer_paged(c);
    } else if (span_eq(x->path, SPAN("/time"))) {
        answer_time(c);
    } else if (span_eq(x->path, SPAN("/versioned"))) {
        answer_versioned(c);
    } else if (span_eq(x->path, SPAN("/wait"))) {
        rest_retry_later(c, ERR_RATE_LIMIT_EXCEEDED, 1001);
    } else if (span_eq(x->path, SPAN("/failed"))) {
        rest_error(c, ERR_STORE_FULL, NULL);
    } else {
        ASSERT(span_eq(x->path, SPAN("/ws")));
        c->route_index = ROUTE_root; /* counted there */
        c->bearer_subprotocol = http1_field(x->req, "Sec-WebSocket-Protocol").ptr != NULL;
        upgraded = rest_upgrade(c, &wire, NULL);
    }
}

static void on_refused(struct http_exchange *x, int status, const char *why)
{
    answer_refused(x, (unsigned)status, why);
}

static const struct http_handler handler = {.on_request = on_request, .on_refused = on_refused};

static void get(const char *target, const char *lines)
{
    char text[2048];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "%s\r\n", target, lines);
    world_ask(&world, text, &a);
}

static void created_says_where(void **state)
{
    (void)state;
    get("/created", "");
    assert_int_equal(a.status, 201);
    assert_string_equal(answer_field(&a, "Location"), "/created/1");
    assert_non_null(strstr(a.body, "\"data\":{\"id\":1}"));
    get("/nothing", "");
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_field(&a, "Content-Type"), "");
}

static void equal_data_is_304(void **state)
{
    (void)state;
    char line[128];
    get("/cached", "");
    assert_int_equal(a.status, 200);
    const char *etag = answer_field(&a, "ETag");
    assert_int_equal(strncmp(etag, "W/\"", 3), 0);
    snprintf(line, sizeof line, "If-None-Match: \"other\", %s\r\n", etag);
    get("/cached", line);
    assert_int_equal(a.status, 304);
    get("/cached", "If-None-Match: \"other\"\r\n");
    assert_int_equal(a.status, 200);
}

static void another_version_is_412(void **state)
{
    (void)state;
    get("/versioned", "");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "ETag"), "\"v7\"");
    get("/versioned", "If-Match: \"v6\", \"v7\"\r\n");
    assert_int_equal(a.status, 200);
    get("/versioned", "If-Match: *\r\n");
    assert_int_equal(a.status, 200);
    get("/versioned", "If-Match: \"v6\"\r\n");
    assert_int_equal(a.status, 412);
    get("/versioned", "If-Match: W/\"v7\"\r\n");
    assert_int_equal(a.status, 412);
}

static void a_page_has_a_limit_and_a_cursor(void **state)
{
    (void)state;
    static const struct {
        const char *target, *data;
    } rows[] = {
        {"/paged", "\"data\":[50]"},           {"/paged?limit=7", "\"data\":[7]"},
        {"/paged?limit=201", "\"data\":[200]"}, {"/paged?limit=0", "\"data\":[0]"},
        {"/paged?limit=x", "\"data\":[0]"},    {"/paged?limit=", "\"data\":[0]"},
        {"/paged?limit=-1", "\"data\":[0]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        get(rows[i].target, "");
        assert_non_null(strstr(a.body, rows[i].data));
        assert_null(strstr(a.body, "next_cursor"));
    }
    get("/paged?cursor=a%2Fb", "");
    assert_string_equal(answer_member(&a, "next_cursor"), "a/b");
}

static void times_are_text_or_milliseconds(void **state)
{
    (void)state;
    get("/time", "");
    assert_non_null(strstr(a.body, "\"data\":-1,"));
    get("/time?from=1752701400123", "");
    assert_non_null(strstr(a.body, "\"data\":1752701400123,"));
    get("/time?from=2025-07-16T21:30:00.123Z", "");
    assert_non_null(strstr(a.body, "\"data\":1752701400123,"));
    get("/time?from=2025-07-16T23:30:00.123%2B02:00", "");
    assert_non_null(strstr(a.body, "\"data\":1752701400123,"));
    get("/time?from=yesterday", "");
    assert_int_equal(a.status, 400);
    assert_string_equal(answer_member(&a, "error"), "a parameter is wrong");
    get("/time?from=999999999999999999", "");
    assert_int_equal(a.status, 400);
}

static void seconds_to_wait_are_rounded_up(void **state)
{
    (void)state;
    get("/wait", "");
    assert_int_equal(a.status, 429);
    assert_string_equal(answer_field(&a, "Retry-After"), "2");
}

static void failures_of_ours_are_logged_with_their_row(void **state)
{
    (void)state;
    get("/failed", "X-Request-Id: find-me\r\n");
    assert_int_equal(a.status, 503);
    assert_string_equal(answer_member(&a, "code"), "SERVER_ERROR");
    buf_append_byte(&world.log_text, '\0');
    assert_non_null(strstr((char *)world.log_text.ptr, "error=STORE_FULL req=find-me"));
    world.log_text.len--;
}

static void an_upgrade_needs_its_fields(void **state)
{
    (void)state;
    get("/ws", "");
    assert_int_equal(a.status, 426);
    assert_string_equal(answer_field(&a, "Upgrade"), "websocket");
    assert_string_equal(answer_field(&a, "Sec-WebSocket-Version"), "13");
    assert_null(upgraded);
    get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    assert_int_equal(a.status, 426);
    get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: short\r\n");
    assert_int_equal(a.status, 400);
    assert_string_equal(answer_member(&a, "code"), "INVALID_REQUEST");
    assert_null(upgraded);
    assert_int_equal(closed_count, 0);
}

static void an_upgrade_is_counted_and_chooses_bearer(void **state)
{
    (void)state;
    get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Protocol: bearer, x\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    assert_int_equal(a.status, 101);
    assert_string_equal(answer_field(&a, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_string_equal(answer_field(&a, "Sec-WebSocket-Protocol"), "bearer");
    assert_non_null(upgraded);
    assert_int_equal(atomic_load(&world.edge.stats.requests[ROUTE_root][1]), 1);
    assert_int_equal(atomic_load(&world.edge.stats.setup_times.count), 1);
    for (unsigned i = 0; i < 1000 && closed_count == 0; i++) {
        world_turn(&world);
    }
    assert_int_equal(closed_count, 1);
}

static int setup(void **state)
{
    (void)state;
    upgraded = NULL;
    closed_count = 0;
    world_open_with(&world, &handler);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(created_says_where),
        T(equal_data_is_304),
        T(another_version_is_412),
        T(a_page_has_a_limit_and_a_cursor),
        T(times_are_text_or_milliseconds),
        T(seconds_to_wait_are_rounded_up),
        T(failures_of_ours_are_logged_with_their_row),
        T(an_upgrade_needs_its_fields),
        T(an_upgrade_is_counted_and_chooses_bearer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
