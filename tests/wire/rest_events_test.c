/* GET /api/v1/events over a real socket: who is let in, what is sent, byte by byte. */
#include "rest_world.h"

#include "hub/journal.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: localhost:{port}\r\n"
#define EVENTS "/api/v1/events"
#define ONE "01900000-0000-7000-8000-000000000001"
#define TWO "01900000-0000-7000-8000-000000000002"
#define TURNS_MAX 5000

static struct world world;
static struct answer a;
static char admin[4096]; /* an access token */

static void log_in(void)
{
    char body[512], text[2048];
    snprintf(body, sizeof body, "{\"username\":\"admin\",\"password\":\"%s\"}", world.password);
    snprintf(text, sizeof text,
             "POST /api/v1/auth/login HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    world_ask(&world, text, &a);
    snprintf(admin, sizeof admin, "%s", answer_data(&a, "access_token"));
    assert_true(admin[0] != '\0');
}

static const char *request(const char *method, const char *query, const char *token,
                           const char *lines)
{
    static char text[8192];
    snprintf(text, sizeof text, "%s " EVENTS "%s HTTP/1.1\r\n" HOST "%s%s%s%s\r\n", method, query,
             token[0] != '\0' ? "Authorization: Bearer " : "", token,
             token[0] != '\0' ? "\r\n" : "", lines);
    return text;
}

static void expect_refusal(const char *query, const char *token, const char *lines, int status,
                           const char *code)
{
    world_ask(&world, request("GET", query, token, lines), &a);
    assert_int_equal(a.status, status);
    assert_string_equal(answer_member(&a, "code"), code);
    assert_string_equal(answer_field(&a, "Content-Type"), "application/problem+json");
}

/* --- streams --- */

struct listener {
    int fd;
    buf in;
    bool ended;
};

static struct listener listen_as(const char *token, const char *query, const char *lines)
{
    return (struct listener){.fd = world_send(&world, request("GET", query, token, lines))};
}

static struct listener listen_to(const char *query, const char *lines)
{
    return listen_as(admin, query, lines);
}

static void hear(struct listener *l)
{
    world_turn(&world);
    ssize_t got = recv(l->fd, buf_reserve(&l->in, 65536), 65536, MSG_DONTWAIT);
    l->ended = l->ended || got == 0;
    l->in.len += got > 0 ? (size_t)got : 0;
}

static bool heard(const struct listener *l, const char *text)
{
    return l->in.len > 0 && memmem(l->in.ptr, l->in.len, text, strlen(text)) != NULL;
}

static void await(struct listener *l, const char *text)
{
    for (unsigned i = 0; i < TURNS_MAX && !heard(l, text); i++) {
        hear(l);
    }
    if (!heard(l, text)) {
        fail_msg("%s is not in %.*s", text, SPAN_FMT(buf_span(&l->in)));
    }
}

static void await_end(struct listener *l)
{
    for (unsigned i = 0; i < TURNS_MAX && !l->ended; i++) {
        hear(l);
    }
    assert_true(l->ended);
}

static void listener_free(struct listener *l)
{
    close(l->fd);
    buf_deinit(&l->in);
}

static bool recorded;

static void on_recorded(struct store_req *req)
{
    assert_int_equal(req->error, ERR_NONE);
    journal_publish(world.home.journal, req, 0);
    store_req_free(req);
    recorded = true;
}

static void record(const char *device, enum event event, const char *data)
{
    char topic[100];
    snprintf(topic, sizeof topic, "device/%s/events", device);
    struct store_req *req = store_req_new(0, 1, on_recorded, NULL);
    journal_step(req, 0, &(struct journal_event){.id = home_new_id(&world.home), .time_ms = 5,
                                                 .event = event, .topic = span_str(topic),
                                                 .data = span_str(data)});
    recorded = false;
    world.store->submit(world.store, req);
    for (unsigned i = 0; i < TURNS_MAX && !recorded; i++) {
        world_turn(&world);
    }
    assert_true(recorded);
}

static void what_happens_is_sent_with_its_position(void **state)
{
    struct listener l = listen_to("", "");
    await(&l, "\r\n\r\nretry: ");
    assert_true(heard(&l, "HTTP/1.1 200 OK\r\n"));
    assert_true(heard(&l, "\r\nContent-Type: text/event-stream\r\n"));
    assert_true(heard(&l, "\r\nCache-Control: no-store\r\n"));
    assert_true(heard(&l, "\r\nX-Accel-Buffering: no\r\n"));
    assert_true(heard(&l, "\r\nX-Request-Id: "));
    await(&l, "\nid: ");
    struct pos at = journal_now(world.home.journal);
    record(ONE, EVENT_DEVICE_UPDATED, "{\"id\":\"" ONE "\",\n\"name\":\"a\"}");
    record(TWO, EVENT_DEVICE_DELETED, "{}");
    char text[512], pos[POS_TEXT_MAX];
    at.n++;
    pos_text(at, pos);
    snprintf(text, sizeof text,
             "\n\nid: %s\nevent: device:updated\n"
             "data: {\"id\":\"" ONE "\", \"name\":\"a\",\"pos\":\"%s\",\"eventId\":\"",
             pos, pos);
    await(&l, text);
    at.n++;
    pos_text(at, pos);
    snprintf(text, sizeof text,
             "\"}\n\nid: %s\nevent: device:deleted\ndata: {\"pos\":\"%s\",\"eventId\":\"", pos,
             pos);
    await(&l, text);
    listener_free(&l);
}

static void only_the_types_and_the_device_asked_for_are_sent(void **state)
{
    char since[64], pos[POS_TEXT_MAX];
    pos_text(journal_now(world.home.journal), pos);
    snprintf(since, sizeof since, "Last-Event-ID: %s\r\n", pos);
    struct listener types = listen_to("?types=device:deleted,%20device:created", "");
    struct listener device = listen_to("?device_id=" TWO, since);
    await(&types, "retry: ");
    await(&device, "retry: ");
    record(ONE, EVENT_DEVICE_CREATED, "{\"n\":1}");
    record(TWO, EVENT_DEVICE_UPDATED, "{\"n\":2}");
    record(ONE, EVENT_DEVICE_DELETED, "{\"n\":3}");
    record(TWO, EVENT_DEVICE_DELETED, "{\"n\":4}");
    await(&types, "{\"n\":4,");
    assert_true(heard(&types, "{\"n\":1,") && heard(&types, "{\"n\":3,"));
    assert_false(heard(&types, "device:updated"));
    await(&device, "{\"n\":4,");
    assert_true(heard(&device, "{\"n\":2,"));
    assert_false(heard(&device, "{\"n\":1,") || heard(&device, "{\"n\":3,"));
    listener_free(&types);
    listener_free(&device);
}

static void bad_wishes_are_refused(void **state)
{
    expect_refusal("?types=device:updated,nonsense", admin, "", 400, "INVALID_REQUEST");
    expect_refusal("?types=,", admin, "", 400, "INVALID_REQUEST");
    expect_refusal("?since=nonsense", admin, "", 400, "INVALID_REQUEST");
    expect_refusal("", admin, "Last-Event-ID: 1-2\r\n", 400, "INVALID_REQUEST");
    expect_refusal("?device_id=7", admin, "", 400, "INVALID_REQUEST");
    expect_refusal("?room_id=7", admin, "", 404, "NOT_FOUND");
    expect_refusal("?room_id=0", admin, "", 400, "INVALID_REQUEST");
    expect_refusal("?room_id=kitchen", admin, "", 400, "INVALID_REQUEST");
    expect_refusal("", "", "", 401, "UNAUTHENTICATED");
    expect_refusal("", "nonsense", "", 401, "AUTHENTICATION_FAILED");
    world_ask(&world, request("POST", "", admin, ""), &a);
    assert_int_equal(a.status, 405);
}

static void head_and_old_versions_are_answered(void **state)
{
    world_ask(&world, request("HEAD", "", admin, ""), &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_field(&a, "Content-Type"), "text/event-stream");
    assert_string_equal(answer_field(&a, "Content-Length"), "");
    char text[8192];
    snprintf(text, sizeof text, "GET " EVENTS "?token=%s HTTP/1.0\r\n" HOST "\r\n", admin);
    struct listener l = {.fd = world_send(&world, text)};
    await(&l, "retry: ");
    listener_free(&l);
}

static void a_quiet_stream_tells_where_it_is(void **state)
{
    world.limits.sse_heartbeat_ms = 100;
    struct listener l = listen_to("", "");
    await(&l, "\n\n:\nid: ");
    record(ONE, EVENT_DEVICE_UPDATED, "{\"n\":5}");
    char text[64], pos[POS_TEXT_MAX];
    pos_text(journal_now(world.home.journal), pos);
    snprintf(text, sizeof text, "\n\n:\nid: %s\n\n", pos);
    await(&l, text);
    world.limits.sse_heartbeat_ms = 0;
    listener_free(&l);
}

static void the_server_says_why_it_ends_a_stream(void **state)
{
    struct listener l = listen_to("", "");
    await(&l, "retry: ");
    net_drain(world.edge.net, CLOSE_DRAIN);
    await_end(&l);
    await(&l, "\n\nevent: closing\ndata: {\"code\":1001,\"reason\":\"server shutting down\","
              "\"reconnect\":\"backoff\"}\n\n");
    listener_free(&l);
}

/* --- rights on single devices --- */

static struct {
    bool done;
    uuid principal;
    char token[4096];
} told;

static void on_told(void *owner, const struct identity_result *r)
{
    (void)owner;
    assert_int_equal(r->error, ERR_NONE);
    told.done = true;
    told.principal = r->principal;
    snprintf(told.token, sizeof told.token, "%.*s", SPAN_FMT(r->access_token));
}

static void await_told(void)
{
    for (unsigned i = 0; i < TURNS_MAX && !told.done; i++) {
        world_turn(&world);
    }
    assert_true(told.done);
    told.done = false;
}

static struct scope device_scope(const char *id)
{
    uuid device;
    assert_true(uuid_parse(span_str(id), &device));
    return scope_device(device);
}

static void bind_role(uuid who, enum role role, struct scope s, bool bind)
{
    (bind ? identity_bind : identity_unbind)(&world.home, who, role, s, on_told, NULL);
    await_told();
}

/* A user whose only global role has nothing to do with devices. */
static uuid make_user(const char *name, char token[4096])
{
    span password = SPAN("a long enough password");
    identity_user_add(&world.home, span_str(name), password, NULL, 0, on_told, NULL);
    await_told();
    uuid who = told.principal;
    identity_issue(&world.home, who, 3600, on_told, NULL);
    await_told();
    memcpy(token, told.token, sizeof told.token);
    return who;
}

/* Of both devices an event each; what they say is `n`. */
static void record_both(int n)
{
    char one[64], two[64];
    snprintf(one, sizeof one, "{\"one\":%d}", n);
    snprintf(two, sizeof two, "{\"two\":%d}", n);
    record(TWO, EVENT_DEVICE_UPDATED, two);
    record(ONE, EVENT_DEVICE_UPDATED, one);
}

/* The fields with which a listener comes back. */
static const char *last_id(const struct listener *l)
{
    static char line[128];
    const char *found = NULL;
    for (size_t i = 0; i + 4 < l->in.len; i++) {
        if (memcmp(l->in.ptr + i, "\nid: ", 5) == 0) {
            found = (const char *)l->in.ptr + i + 5;
        }
    }
    assert_non_null(found);
    snprintf(line, sizeof line, "Last-Event-ID: %.*s\r\n", (int)strcspn(found, "\n"), found);
    return line;
}

static void a_binding_reaches_its_device_and_no_other(void **state)
{
    static char token[4096];
    uuid who = make_user("bound", token);
    expect_refusal("", token, "", 403, "PERMISSION_DENIED");
    bind_role(who, ROLE_VIEWER, device_scope(ONE), true);
    bind_role(who, ROLE_OPERATOR, device_scope(ONE), true);
    expect_refusal("?device_id=" TWO, token, "", 404, "DEVICE_NOT_FOUND");
    struct listener l = listen_as(token, "", "");
    await(&l, "\n\n");
    record_both(1);
    await(&l, "{\"one\":1,");

    bind_role(who, ROLE_OPERATOR, device_scope(ONE), false); /* the other role reaches as far */
    record_both(2);
    await(&l, "{\"one\":2,");
    assert_false(heard(&l, "two"));

    bind_role(who, ROLE_VIEWER, device_scope(TWO), true);
    await_end(&l);
    assert_true(heard(&l, "\n\nevent: closing\ndata: {\"code\":4201,"));
    record_both(3);
    struct listener again = listen_as(token, "", last_id(&l));
    await(&again, "{\"one\":3,");
    assert_true(heard(&again, "{\"two\":3,"));

    bind_role(who, ROLE_VIEWER, device_scope(ONE), false);
    await_end(&again);
    record_both(4);
    struct listener other = listen_as(token, "", last_id(&again));
    await(&other, "{\"two\":4,");
    assert_false(heard(&other, "{\"one\""));

    bind_role(who, ROLE_VIEWER, device_scope(TWO), false);
    await_end(&other);
    assert_true(heard(&other, "\n\nevent: closing\ndata: {\"code\":4000,"));
    listener_free(&l);
    listener_free(&again);
    listener_free(&other);
}

static void who_loses_a_global_right_keeps_what_is_bound(void **state)
{
    static char token[4096];
    uuid who = make_user("fallen", token);
    bind_role(who, ROLE_VIEWER, SCOPE_ALL, true);
    bind_role(who, ROLE_VIEWER, device_scope(ONE), true);
    struct listener l = listen_as(token, "", "");
    await(&l, "\nid: ");
    struct listener one = listen_as(token, "?device_id=" ONE, last_id(&l));
    await(&one, "retry: ");
    record_both(5);
    await(&l, "{\"one\":5,");
    assert_true(heard(&l, "{\"two\":5,"));
    bind_role(who, ROLE_VIEWER, SCOPE_ALL, false);
    await_end(&l);
    record_both(6);
    await(&one, "{\"one\":6,"); /* its reach is what it was */
    assert_false(heard(&one, "two") || one.ended);
    struct listener again = listen_as(token, "", last_id(&l));
    await(&again, "{\"one\":6,");
    assert_false(heard(&again, "two"));
    listener_free(&l);
    listener_free(&one);
    listener_free(&again);
}

static void a_principal_has_so_many_streams_and_no_more(void **state)
{
    static char token[4096];
    uuid who = make_user("busy", token);
    bind_role(who, ROLE_VIEWER, SCOPE_ALL, true);
    uint32_t max = world.domain_conf.connections_per_principal_max;
    world.domain_conf.connections_per_principal_max = 1;
    struct listener l = listen_as(token, "", "");
    await(&l, "retry: ");
    expect_refusal("", token, "", 429, "RATE_LIMIT_EXCEEDED");
    assert_false(l.ended);
    listener_free(&l);
    world.domain_conf.connections_per_principal_max = max;
}

static int setup(void **state)
{
    world_open(&world);
    log_in();
    return 0;
}

static int teardown(void **state)
{
    world_close(&world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_is_sent_with_its_position),
        cmocka_unit_test(only_the_types_and_the_device_asked_for_are_sent),
        cmocka_unit_test(bad_wishes_are_refused),
        cmocka_unit_test(head_and_old_versions_are_answered),
        cmocka_unit_test(a_quiet_stream_tells_where_it_is),
        cmocka_unit_test(a_binding_reaches_its_device_and_no_other),
        cmocka_unit_test(who_loses_a_global_right_keeps_what_is_bound),
        cmocka_unit_test(a_principal_has_so_many_streams_and_no_more),
        cmocka_unit_test(the_server_says_why_it_ends_a_stream),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
