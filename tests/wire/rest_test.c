/* Requests as bytes on a socket, answers as they come: the REST surface without the files. */
#include "rest_world.h"

#include "edge/ops/alerts.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST "Host: localhost:{port}\r\n"
#define LOGIN "/api/v1/auth/login"

static struct world world;
static struct answer a;

static void ask(const char *request) { world_ask(&world, request, &a); }

static void get(const char *target, const char *lines)
{
    char text[8192];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "%s\r\n", target, lines);
    ask(text);
}

static void post(const char *target, const char *lines, const char *body)
{
    char text[16384];
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\n" HOST "%sContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             target, lines, strlen(body), body);
    ask(text);
}

static void expect_error(int status, const char *code)
{
    assert_int_equal(a.status, status);
    assert_string_equal(answer_field(&a, "Content-Type"), "application/problem+json");
    assert_string_equal(answer_member(&a, "code"), code);
    assert_non_null(strstr(a.body, "\"success\":false"));
}

static void log_in(char token[4096], char refresh[4096])
{
    char body[512];
    snprintf(body, sizeof body, "{\"username\":\"Admin\",\"password\":\"%s\"}", world.password);
    post(LOGIN, "", body);
    assert_int_equal(a.status, 200);
    snprintf(token, 4096, "%s", answer_data(&a, "access_token"));
    snprintf(refresh, 4096, "%s", answer_data(&a, "refresh_token"));
    assert_string_equal(answer_data(&a, "token_type"), "Bearer");
    assert_true(strlen(token) > 40 && strlen(refresh) > 20);
}

static const char *bearer(const char *token)
{
    static char line[4200];
    snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", token);
    return line;
}

/* --- addresses and methods --- */

static void what_is_not_there_is_404(void **state)
{
    (void)state;
    get("/nowhere", "");
    expect_error(404, "NOT_FOUND");
    assert_string_equal(answer_member(&a, "instance"), "/nowhere");
    get("/api/v1/auth/me/", "");
    expect_error(404, "NOT_FOUND");
}

static void another_method_is_405_with_allow(void **state)
{
    (void)state;
    ask("DELETE /health/live HTTP/1.1\r\n" HOST "\r\n");
    expect_error(405, "METHOD_NOT_ALLOWED");
    assert_string_equal(answer_field(&a, "Allow"), "GET, HEAD, OPTIONS");
}

static void head_has_the_fields_of_get_and_no_body(void **state)
{
    (void)state;
    ask("HEAD /health/live HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "Content-Length"), "17");
    assert_int_equal(a.body_len, 0);
}

static void options_says_what_is_allowed(void **state)
{
    (void)state;
    ask("OPTIONS " LOGIN " HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_field(&a, "Allow"), "POST, OPTIONS");
    ask("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_field(&a, "Allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}

static void malformed_requests_get_a_problem_too(void **state)
{
    (void)state;
    ask("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    expect_error(400, "INVALID_REQUEST");
    assert_string_equal(answer_field(&a, "Connection"), "close");
    ask("BREW / HTTP/1.1\r\n" HOST "\r\n");
    expect_error(501, "NOT_IMPLEMENTED");
    ask("GET / HTTP/2.0\r\n" HOST "\r\n");
    expect_error(505, "VERSION_NOT_SUPPORTED");
    ask("POST " LOGIN " HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    expect_error(413, "BODY_TOO_LARGE");
}

/* --- who may speak --- */

static void foreign_hosts_and_origins_are_refused(void **state)
{
    (void)state;
    ask("GET /health/live HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    expect_error(403, "ORIGIN_REFUSED");
    get("/health/live", "Origin: http://evil.example\r\n");
    expect_error(403, "ORIGIN_REFUSED");
    get("/health/live", "Origin: null\r\n");
    expect_error(403, "ORIGIN_REFUSED");
    ask("GET /health/live HTTP/1.1\r\nHost: box.example\r\n\r\n");
    assert_int_equal(a.status, 200);
    get("/health/live", "Origin: http://127.0.0.1:{port}\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "Access-Control-Allow-Origin"), "");
    assert_string_equal(answer_field(&a, "Vary"), "Origin");
}

static void an_allowed_origin_gets_its_preflight(void **state)
{
    (void)state;
    ask("OPTIONS " LOGIN " HTTP/1.1\r\n" HOST "Origin: https://app.example\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n");
    assert_int_equal(a.status, 204);
    assert_string_equal(answer_field(&a, "Access-Control-Allow-Origin"), "https://app.example");
    assert_string_equal(answer_field(&a, "Access-Control-Allow-Credentials"), "true");
    assert_string_equal(answer_field(&a, "Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert_non_null(strstr(answer_field(&a, "Access-Control-Allow-Headers"), "Authorization"));
    ask("OPTIONS " LOGIN " HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n"
        "Access-Control-Request-Method: POST\r\n\r\n");
    expect_error(403, "ORIGIN_REFUSED");
    assert_string_equal(answer_field(&a, "Access-Control-Allow-Origin"), "");
}

static void any_origin_is_worth_neither_loopback_nor_cookie(void **state)
{
    (void)state;
    world.edge_conf.allowed_origins = "*";
    get("/health/live", "Origin: https://any.example\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "Access-Control-Allow-Origin"), "*");
    assert_string_equal(answer_field(&a, "Access-Control-Allow-Credentials"), "");
    get("/health", "Origin: https://any.example\r\n");
    expect_error(401, "UNAUTHENTICATED");
    get("/health/live", "Origin: null\r\n");
    expect_error(403, "ORIGIN_REFUSED");
}

static void a_request_without_host_is_no_browser(void **state)
{
    (void)state;
    ask("GET /health/live HTTP/1.0\r\n\r\n");
    assert_int_equal(a.status, 200);
    ask("GET /health HTTP/1.0\r\n\r\n");
    expect_error(401, "UNAUTHENTICATED");
}

static void every_answer_has_its_id_and_its_guards(void **state)
{
    (void)state;
    get("/nowhere", "X-Request-Id: my-id.7\r\n");
    assert_string_equal(answer_field(&a, "X-Request-Id"), "my-id.7");
    assert_string_equal(answer_field(&a, "Cache-Control"), "no-store");
    assert_string_equal(answer_field(&a, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(answer_field(&a, "Referrer-Policy"), "no-referrer");
    assert_non_null(strstr(answer_field(&a, "Content-Security-Policy"), "frame-ancestors 'none'"));
    get("/nowhere", "X-Request-Id: <script>\r\n");
    assert_int_equal(strlen(answer_field(&a, "X-Request-Id")), 36);
    get("/nowhere", "");
    assert_int_equal(strlen(answer_field(&a, "X-Request-Id")), 36);
}

/* --- operations --- */

static void health_is_for_this_machine_or_by_permission(void **state)
{
    (void)state;
    char token[4096], refresh[4096], lines[4300];
    get("/health", "");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_member(&a, "status"), "healthy");
    static const char *const parts[] = {"server", "connections", "store", "auth"};
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(strstr(a.body, parts[i]));
    }
    get("/health", "X-Forwarded-For: 192.0.2.1\r\n");
    expect_error(401, "UNAUTHENTICATED");
    get("/metrics", "Via: 1.1 proxy\r\n");
    expect_error(401, "UNAUTHENTICATED");
    ask("GET /health HTTP/1.1\r\nHost: box.example\r\n\r\n");
    expect_error(401, "UNAUTHENTICATED");
    log_in(token, refresh);
    snprintf(lines, sizeof lines, "X-Forwarded-For: 192.0.2.1\r\n%s", bearer(token));
    get("/health", lines);
    assert_int_equal(a.status, 200);
    world.edge_conf.anonymous_loopback = false;
    get("/health", "");
    expect_error(401, "UNAUTHENTICATED");
    world.edge_conf.anonymous_loopback = true;
    struct sockaddr_storage wide = world.bound; /* 0.0.0.0 could have taken it */
    memset(&((struct sockaddr_in *)&wide)->sin_addr, 0, sizeof(struct in_addr));
    world.edge_conf.listeners = &wide;
    get("/health", "");
    expect_error(401, "UNAUTHENTICATED");
    world.edge_conf.listeners = &world.bound;
}

static void live_and_ready_are_open(void **state)
{
    (void)state;
    get("/health/live", "X-Forwarded-For: 192.0.2.1\r\n");
    assert_int_equal(a.status, 200);
    get("/health/ready", "");
    assert_int_equal(a.status, 200);
    atomic_store(&world.ops.draining, true);
    get("/health/ready", "");
    assert_int_equal(a.status, 503);
    get("/health", "");
    assert_string_equal(answer_member(&a, "status"), "degraded");
    assert_int_equal(a.status, 200);
    atomic_store(&world.ops.draining, false);
    atomic_store(&world.ops.store_bad_ns, 1); /* since the machine started */
    get("/health/ready", "");
    assert_int_equal(a.status, 503);
    atomic_store(&world.ops.store_bad_ns, 0);
}

static err store_health;

static void failing_stats(struct store *self, struct store_stats *out)
{
    (void)self;
    *out = (struct store_stats){.health = store_health, .failures = 1};
}

static void turn_until_logged(const char *text)
{
    for (unsigned i = 0; i < 2000; i++) {
        if (memmem(world.log_text.ptr, world.log_text.len, text, strlen(text)) != NULL) {
            return;
        }
        world_turn(&world);
    }
    fail_msg("not logged: %s", text);
}

static void a_failing_store_degrades_and_is_not_ready_after_ten_seconds(void **state)
{
    (void)state;
    struct store failing = {.stats = failing_stats};
    store_health = ERR_STORE_FULL;
    world.ops.store = &failing;
    world.ops.perf_ns = 0;
    turn_until_logged("alert name=store");
    turn_until_logged("perf connections=");
    turn_until_logged("delivery_p99_ms=");
    get("/health", "");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_member(&a, "status"), "degraded");
    assert_non_null(strstr(a.body, "the disk is full"));
    get("/health/ready", "");
    assert_int_equal(a.status, 200);
    world.ops.store_bad_ns -= OPS_STORE_GRACE_MS * UINT64_C(1000000);
    get("/health/ready", "");
    assert_int_equal(a.status, 503);
    get("/metrics", "");
    assert_non_null(strstr(a.body, "signalbox_store_up 0\n"));
    assert_non_null(strstr(a.body, "signalbox_alert{name=\"store\"} 1\n"));
    store_health = ERR_NONE;
    buf_clear(&world.log_text);
    turn_until_logged("alert name=store");
    get("/health/ready", "");
    assert_int_equal(a.status, 200);
    world.ops.store = world.store;
}

/* The alerts' seconds pass as the test says, and by the loop's own clock while it is asked: no more
 * of those than this, also in a slow build. */
#define REAL_SECONDS_MAX 20

static void seconds(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        alerts_tick(&world.ops);
    }
}

static void late_deliveries_alert_for_a_minute_and_recover(void **state)
{
    (void)state;
    struct stats_times *t = &world.edge.stats.delivery_times;
    stats_time_n(t, 100, 990);
    stats_time_n(t, ALERT_DELIVERY_US, 5);
    seconds(1);
    get("/health", "");
    assert_string_equal(answer_member(&a, "status"), "healthy");
    stats_time_n(t, ALERT_DELIVERY_US + 1, 11);
    buf_clear(&world.log_text);
    seconds(1);
    buf_append_byte(&world.log_text, 0);
    assert_non_null(strstr((char *)world.log_text.ptr, "alert name=delivery on=1"));
    get("/health", "");
    assert_string_equal(answer_member(&a, "status"), "degraded");
    assert_non_null(strstr(a.body, "more than 1 % of deliveries take over 100 ms"));
    get("/metrics", "");
    assert_non_null(strstr(a.body, "signalbox_alert{name=\"delivery\"} 1\n"));
    seconds(OPS_MINUTE_S - REAL_SECONDS_MAX);
    assert_true(world.ops.alerts[ALERT_DELIVERY]);
    buf_clear(&world.log_text);
    seconds(REAL_SECONDS_MAX); /* nothing late in the last minute */
    buf_append_byte(&world.log_text, 0);
    assert_non_null(strstr((char *)world.log_text.ptr, "alert name=delivery on=0"));
    get("/metrics", "");
    assert_non_null(strstr(a.body, "signalbox_alert{name=\"delivery\"} 0\n"));
    buf_clear(&world.log_text);
}

static void a_full_server_is_unhealthy(void **state)
{
    (void)state;
    world.ops.connections_max = 1;
    get("/health", "");
    assert_int_equal(a.status, 503);
    assert_string_equal(answer_member(&a, "status"), "unhealthy");
    world.ops.connections_max = 1000;
}

static uint64_t three(void *arg)
{
    (void)arg;
    return 3;
}

static void metrics_ask_those_who_know(void **state)
{
    (void)state;
    world.ops.log_dropped = three;
    stats_set(&world.edge.stats.devices_stale, 2);
    stats_add(&world.edge.stats.messages_in[STATS_MONITOR][FRAME_SUBSCRIBE], 1);
    stats_add(&world.edge.stats.messages_out[STATS_MONITOR][FRAME_EVENTS], 4);
    stats_time(&world.edge.stats.message_times[FRAME_PING], 300);
    stats_time_n(&world.edge.stats.delivery_times, 2000, 5);
    stats_name(&world.edge.stats.rate_limited, "rest");
    get("/metrics", "");
    assert_non_null(strstr(a.body, "signalbox_log_dropped_total 3\n"));
    assert_non_null(strstr(a.body, "signalbox_devices{connection_status=\"stale\"} 2\n"));
    assert_non_null(strstr(a.body, "signalbox_rate_limited_total{what=\"rest\"} 1\n"));
    assert_non_null(strstr(a.body, "signalbox_device_heartbeat_age_seconds_bucket{le=\"90\"} 0\n"));
    assert_non_null(strstr(a.body, "signalbox_device_heartbeat_age_seconds_count 0\n"));
    assert_non_null(strstr(a.body, "signalbox_cache_hits_total{cache=\"principals\"} "));
    assert_non_null(strstr(a.body, "signalbox_cache_misses_total{cache=\"devices\"} "));
    const char *synced = strstr(a.body, "signalbox_store_commit_seconds_bucket{le=\"+Inf\"} ");
    assert_non_null(synced);
    assert_true(strtoul(strchr(synced, '}') + 1, NULL, 10) > 0);
    assert_non_null(strstr(a.body, "signalbox_messages_total{wire=\"monitor\",direction=\"in\","
                                   "event=\"subscribe\"} 1\n"));
    assert_non_null(strstr(a.body, "signalbox_messages_total{wire=\"monitor\",direction=\"out\","
                                   "event=\"device:created\"} 4\n"));
    assert_non_null(strstr(a.body, "signalbox_message_processing_seconds_bucket{event=\"ping\","
                                   "le=\"0.0005\"} 1\n"));
    assert_non_null(strstr(a.body, "signalbox_message_processing_seconds_count{event=\"ping\"} 1"));
    assert_non_null(strstr(a.body, "signalbox_delivery_seconds_sum 0.01\n"));
    assert_non_null(strstr(a.body, "signalbox_delivery_seconds_bucket{le=\"0.001\"} 0\n"));
    assert_non_null(strstr(a.body, "signalbox_delivery_seconds_bucket{le=\"0.0025\"} 5\n"));
}

/* Every line is a comment or NAME{LABELS} NUMBER, and each metric is announced once. */
static void metrics_are_well_formed(void **state)
{
    (void)state;
    get("/nowhere", "");
    get("/metrics", "");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
    assert_non_null(strstr(a.body, "signalbox_http_requests_total{route=\"none\",status=\"4xx\"}"));
    assert_non_null(strstr(a.body, "signalbox_errors_total{wire=\"http\",type=\"NOT_FOUND\"}"));
    assert_non_null(strstr(a.body, "signalbox_http_request_seconds_bucket{le=\"+Inf\"}"));
    assert_non_null(strstr(a.body, "signalbox_store_up 1\n"));
    span rest = span_of(a.body, a.body_len);
    while (rest.len > 0) {
        span line = span_cut(&rest, '\n');
        if (line.ptr[0] != '#') {
            char number[64];
            char *end;
            assert_true(span_starts(line, SPAN("signalbox_")));
            while (span_find(line, ' ') >= 0 && !span_starts(line, SPAN(" "))) {
                line = span_slice(line, 1, line.len);
            }
            snprintf(number, sizeof number, "%.*s", SPAN_FMT(line));
            strtod(number, &end);
            assert_true(*end == '\0' && end != number);
        }
    }
}

/* --- the console --- */

static void the_console_is_served_with_validators(void **state)
{
    (void)state;
    char line[256];
    get("/", "");
    assert_int_equal(a.status, 302);
    assert_string_equal(answer_field(&a, "Location"), "/console/");
    get("/console", "");
    assert_int_equal(a.status, 302);
    get("/console/", "");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "Content-Type"), "text/html; charset=utf-8");
    assert_string_equal(answer_field(&a, "Cache-Control"), "no-cache");
    assert_non_null(strstr(answer_field(&a, "Content-Security-Policy"), "default-src 'self'"));
    assert_string_equal(answer_field(&a, "Content-Encoding"), "");
    snprintf(line, sizeof line, "If-None-Match: %s\r\n", answer_field(&a, "ETag"));
    get("/console/devices/some-page", line);
    assert_int_equal(a.status, 304);
    assert_string_equal(answer_field(&a, "Content-Length"), "");
    get("/console/", "Accept-Encoding: gzip\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "Content-Encoding"), "gzip");
    get("/console/assets/none.js", "");
    expect_error(404, "NOT_FOUND");
    get("/console/none.txt", "");
    expect_error(404, "NOT_FOUND");
    get("/console/assets/none", "");
    expect_error(404, "NOT_FOUND");
    get("/favicon.ico", ""); /* leads to a picture where the console was built */
    assert_true(a.status == 302 || a.status == 404);
    get("/robots.txt", "");
    assert_int_equal(a.status, 200);
}

/* --- peers that go away, and those that do not stop --- */

static void a_peer_may_leave_before_its_answer(void **state)
{
    (void)state;
    char text[1024];
    snprintf(text, sizeof text,
             "POST " LOGIN " HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
             "Content-Length: 37\r\n\r\n{\"username\":\"admin\",\"password\":\"abc\"}");
    for (unsigned turns = 0; turns < 6; turns++) {
        int fd = world_send(&world, text);
        for (unsigned i = 0; i < turns; i++) {
            world_turn(&world);
        }
        struct linger reset = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        for (unsigned i = 0; i < 30; i++) {
            world_turn(&world);
        }
    }
    get("/health/live", "");
    assert_int_equal(a.status, 200);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int fd = world_send(&world, "GET /health/live HTTP/1.1\r\n" HOST "X-Request-Id: one\r\n\r\n"
                                "GET /api/v1/auth/me HTTP/1.1\r\n" HOST
                                "Authorization: Bearer x.y.z\r\nX-Request-Id: two\r\n\r\n"
                                "GET /nowhere HTTP/1.1\r\n" HOST "X-Request-Id: three\r\n\r\n");
    char in[16384] = "";
    size_t len = 0;
    for (unsigned i = 0; i < 2000 && strstr(in, "X-Request-Id: three") == NULL; i++) {
        world_turn(&world);
        ssize_t got = recv(fd, in + len, sizeof in - 1 - len, MSG_DONTWAIT);
        len += got > 0 ? (size_t)got : 0;
        in[len] = '\0';
    }
    close(fd);
    const char *one = strstr(in, "X-Request-Id: one");
    const char *two = strstr(in, "X-Request-Id: two");
    const char *three = strstr(in, "X-Request-Id: three");
    assert_true(one != NULL && two != NULL && three != NULL && one < two && two < three);
}

static void too_many_requests_are_429_with_retry_after(void **state)
{
    (void)state;
    char token[4096], refresh[4096];
    log_in(token, refresh);
    for (unsigned i = 0; i < 400; i++) {
        get("/api/v1/auth/me", bearer(token));
        if (a.status != 200) {
            break;
        }
    }
    expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_true(strtol(answer_field(&a, "Retry-After"), NULL, 10) >= 1);
    get("/health/live", bearer(token));
    assert_int_equal(a.status, 200);
}

static int setup(void **state)
{
    (void)state;
    world_open(&world);
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
        T(what_is_not_there_is_404),
        T(another_method_is_405_with_allow),
        T(head_has_the_fields_of_get_and_no_body),
        T(options_says_what_is_allowed),
        T(malformed_requests_get_a_problem_too),
        T(foreign_hosts_and_origins_are_refused),
        T(an_allowed_origin_gets_its_preflight),
        T(any_origin_is_worth_neither_loopback_nor_cookie),
        T(a_request_without_host_is_no_browser),
        T(every_answer_has_its_id_and_its_guards),
        T(health_is_for_this_machine_or_by_permission),
        T(live_and_ready_are_open),
        T(a_failing_store_degrades_and_is_not_ready_after_ten_seconds),
        T(late_deliveries_alert_for_a_minute_and_recover),
        T(a_full_server_is_unhealthy),
        T(metrics_ask_those_who_know),
        T(metrics_are_well_formed),
        T(the_console_is_served_with_validators),
        T(a_peer_may_leave_before_its_answer),
        T(pipelined_requests_are_answered_in_order),
        T(too_many_requests_are_429_with_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
