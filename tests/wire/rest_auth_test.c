/* Signing in and out over a real socket: bodies, tokens, cookies, keys. */
#include "rest_world.h"

#include "domain/audit.h"

#include <stdio.h>

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

/* --- signing in --- */

static void bad_bodies_are_named(void **state)
{
    (void)state;
    ask("POST " LOGIN " HTTP/1.1\r\n" HOST "\r\n");
    expect_error(411, "LENGTH_REQUIRED");
    ask("POST " LOGIN " HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
    expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    ask("POST " LOGIN " HTTP/1.1\r\n" HOST "Content-Type: text/json\r\n"
        "Content-Length: 2\r\n\r\n{}");
    expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    post(LOGIN, "Content-Encoding: gzip\r\n", "{}");
    expect_error(415, "UNSUPPORTED_MEDIA_TYPE");
    post(LOGIN, "", "{\"username\":");
    expect_error(400, "INVALID_REQUEST");
    assert_non_null(strstr(answer_member(&a, "detail"), "at byte 12"));
    post(LOGIN, "", "{\"__proto__\":{}}");
    expect_error(400, "INVALID_REQUEST");
    post(LOGIN, "", "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]");
    expect_error(400, "INVALID_REQUEST");
    post(LOGIN, "", "{\"username\":7}");
    expect_error(400, "INVALID_REQUEST");
    assert_non_null(strstr(a.body, "\"errors\":[{\"member\":\"username\""));
    assert_non_null(strstr(a.body, "{\"member\":\"password\""));
    post(LOGIN, "", "{\"username\":\"a\",\"password\":\"b\",\"session\":1}");
    assert_non_null(strstr(a.body, "\"member\":\"session\""));
    post("/api/v1/auth/refresh", "", "{}");
    assert_non_null(strstr(a.body, "\"member\":\"refresh_token\""));
    post("/api/v1/auth/device", "", "{}");
    assert_non_null(strstr(a.body, "\"member\":\"key\""));
}

static void tokens_work_wherever_they_may_stand(void **state)
{
    (void)state;
    char token[4096], refresh[4096], text[4400];
    log_in(token, refresh);
    assert_non_null(strstr(a.body, "\"username\":\"admin\""));
    assert_non_null(strstr(a.body, "\"roles\":[\"admin\"]"));

    get("/api/v1/auth/me", bearer(token));
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_data(&a, "kind"), "user");
    assert_string_equal(answer_data(&a, "username"), "admin");
    assert_non_null(strstr(a.body, "\"system:stats:read\""));

    snprintf(text, sizeof text, "/api/v1/auth/me?token=%s", token);
    get(text, "");
    assert_int_equal(a.status, 200);
    snprintf(text, sizeof text, "Sec-WebSocket-Protocol: bearer, %s\r\n", token);
    get("/api/v1/auth/me", text);
    assert_int_equal(a.status, 200);
    snprintf(text, sizeof text, "%s%s", bearer(token), "Authorization: Bearer x\r\n");
    get("/api/v1/auth/me", text);
    expect_error(400, "INVALID_REQUEST");
    /* The first decides, though the second would do. */
    snprintf(text, sizeof text, "/api/v1/auth/me?token=%s", token);
    get(text, "Authorization: Bearer wrong\r\n");
    expect_error(401, "AUTHENTICATION_FAILED");
    assert_string_equal(answer_field(&a, "WWW-Authenticate"), "Bearer");
    /* Nothing of it is in the log, nor in what was counted. */
    assert_null(memmem(world.log_text.ptr, world.log_text.len, token, strlen(token)));
    assert_null(memmem(world.log_text.ptr, world.log_text.len, world.password,
                       strlen(world.password)));
}

static void no_credential_is_401(void **state)
{
    (void)state;
    get("/api/v1/auth/me", "");
    expect_error(401, "UNAUTHENTICATED");
    post(LOGIN, "", "{\"username\":\"admin\",\"password\":\"not the password\"}");
    expect_error(401, "AUTHENTICATION_FAILED");
    post(LOGIN, "", "{\"username\":\"nobody\",\"password\":\"not the password\"}");
    expect_error(401, "AUTHENTICATION_FAILED");
}

static void a_refresh_token_works_once(void **state)
{
    (void)state;
    char token[4096], first[4096], second[4096], body[4400];
    log_in(token, first);
    snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", first);
    post("/api/v1/auth/refresh", "", body);
    assert_int_equal(a.status, 200);
    snprintf(second, sizeof second, "%s", answer_data(&a, "refresh_token"));
    assert_string_not_equal(first, second);
    post("/api/v1/auth/refresh", "", body);
    expect_error(401, "AUTHENTICATION_FAILED");
    snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", second);
    post("/api/v1/auth/refresh", "", body);
    expect_error(401, "AUTHENTICATION_FAILED"); /* the family ended with the reuse */
}

/* The trail of a sign-in is there as soon as the sign-in is: they are one transaction. */
static void a_sign_in_is_in_the_audit_log_when_it_is_answered(void **state)
{
    (void)state;
    char token[4096], refresh[4096];
    log_in(token, refresh);
    get("/api/v1/audit?action=auth.login", bearer(token));
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "\"actor_name\":\"admin\""));
    assert_non_null(strstr(a.body, "\"outcome\":\"ok\",\"remote_addr\":\"127.0.0.1\""));
}

static void a_token_ends_with_its_logout(void **state)
{
    (void)state;
    char token[4096], refresh[4096];
    log_in(token, refresh);
    post("/api/v1/auth/logout", bearer(token), "{}");
    assert_int_equal(a.status, 200);
    get("/api/v1/auth/me", bearer(token));
    expect_error(401, "AUTHENTICATION_FAILED");
    ask("POST /api/v1/auth/logout HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 200);
}

static void the_console_signs_in_with_a_cookie(void **state)
{
    (void)state;
    char body[512], cookie[1024], lines[1400];
    snprintf(body, sizeof body,
             "{\"username\":\"admin\",\"password\":\"%s\",\"session\":true}", world.password);
    post(LOGIN, "Origin: http://localhost:{port}\r\n", body);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_data(&a, "access_token"), "");
    assert_true(strlen(answer_data(&a, "expires_at")) == 24);
    const char *set = answer_field(&a, "Set-Cookie");
    assert_non_null(strstr(set, "; Path=/; HttpOnly; SameSite=Strict; Max-Age="));
    snprintf(cookie, sizeof cookie, "Cookie: %.*s\r\n", (int)strcspn(set, ";"), set);

    get("/api/v1/auth/me", cookie);
    assert_int_equal(a.status, 200);

    /* Another page of the same site sends the cookie along, and is no page of ours. */
    post("/api/v1/auth/logout", cookie, "{}");
    expect_error(403, "ORIGIN_REFUSED");
    snprintf(lines, sizeof lines, "%sOrigin: https://app.example\r\n", cookie);
    post("/api/v1/auth/logout", lines, "{}");
    expect_error(403, "ORIGIN_REFUSED");
    get("/api/v1/auth/me", cookie);
    assert_int_equal(a.status, 200);

    snprintf(lines, sizeof lines, "%sOrigin: http://localhost:{port}\r\n", cookie);
    post("/api/v1/auth/logout", lines, "{}");
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(answer_field(&a, "Set-Cookie"), "sb_session=; "));
    get("/api/v1/auth/me", cookie);
    expect_error(401, "AUTHENTICATION_FAILED");
    assert_non_null(strstr(answer_field(&a, "Set-Cookie"), "Max-Age=0"));
}

/* --- devices --- */

static char device_key[128];

static void key_made(void *owner, const struct identity_result *r)
{
    (void)owner;
    assert_int_equal(r->error, ERR_NONE);
    snprintf(device_key, sizeof device_key, "%.*s", SPAN_FMT(r->secret));
}

static void a_device_key_becomes_a_token(void **state)
{
    (void)state;
    uuid id = home_new_id(&world.home);
    char text[UUID_TEXT_LEN + 1];
    char body[256];
    uuid_format(id, text);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT, 1);
    const char *values[] = {text, "", text, "device", "pump", "active"};
    for (unsigned i = 0; i < 6; i++) {
        store_set_text(req, 0, 0, i, span_str(values[i]));
    }
    store_set_int(req, 0, 0, 6, 1);
    assert_int_equal(store_run(world.store, req), ERR_NONE);
    store_req_free(req);
    device_key[0] = '\0';
    identity_key_make(&world.home, id, SPAN("first"), &(struct actor){.name = SPAN("test")},
                      key_made, NULL);
    for (unsigned i = 0; i < 1000 && device_key[0] == '\0'; i++) {
        world_turn(&world);
    }
    snprintf(body, sizeof body, "{\"key\":\"%s\"}", device_key);
    post("/api/v1/auth/device", "", body);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_data(&a, "device_id"), text);
    ask("POST /api/v1/auth/device HTTP/1.1\r\n" HOST "Authorization: Bearer sbk_wrong\r\n\r\n");
    expect_error(401, "AUTHENTICATION_FAILED");
    get("/api/v1/auth/me", bearer(device_key));
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_data(&a, "kind"), "device");
    get("/metrics", bearer(device_key));
    expect_error(403, "PERMISSION_DENIED");
    assert_true(world.home.caches[CACHE_PROOFS].misses > 0);
    uint64_t hits = world.home.caches[CACHE_PROOFS].hits;
    uint64_t misses = world.home.caches[CACHE_PROOFS].misses;
    get("/api/v1/auth/me", bearer(device_key));
    assert_int_equal(world.home.caches[CACHE_PROOFS].hits, hits + 1);
    assert_int_equal(world.home.caches[CACHE_PROOFS].misses, misses);
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
        T(bad_bodies_are_named),
        T(tokens_work_wherever_they_may_stand),
        T(no_credential_is_401),
        T(a_refresh_token_works_once),
        T(a_sign_in_is_in_the_audit_log_when_it_is_answered),
        T(a_token_ends_with_its_logout),
        T(the_console_signs_in_with_a_cookie),
        T(a_device_key_becomes_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
