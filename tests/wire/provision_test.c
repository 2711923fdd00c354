/* Provisioning keys over a real socket: what they make, what they may not, and when they end. */
#include "rest_world.h"

#include <stdio.h>

#define HOST "Host: localhost:{port}\r\n"
#define KEYS "/api/v1/provisioning-keys"
#define REGISTER "/api/v1/devices/register"
#define ID "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"

static struct world world;
static struct answer a;
static char admin[4200]; /* Authorization lines */
static char provisioner[4200];

static void ask(const char *method, const char *target, const char *lines, const char *body)
{
    char text[16384];
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\n" HOST "%sContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             method, target, lines, strlen(body), body);
    world_ask(&world, text, &a);
}

static void get(const char *target, const char *lines)
{
    char text[8192];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "%s\r\n", target, lines);
    world_ask(&world, text, &a);
}

static void expect_error(int status, const char *code)
{
    if (a.status != status) {
        fail_msg("%d instead of %d: %s", a.status, status, a.body);
    }
    assert_string_equal(answer_member(&a, "code"), code);
}

static void log_in(void)
{
    char body[512];
    snprintf(body, sizeof body, "{\"username\":\"admin\",\"password\":\"%s\"}", world.password);
    ask("POST", "/api/v1/auth/login", "", body);
    assert_int_equal(a.status, 200);
    snprintf(admin, sizeof admin, "Authorization: Bearer %s\r\n", answer_data(&a, "access_token"));
}

/* Makes a key with that body; its id is written to `id`. */
static void make_key(const char *body, char id[64])
{
    ask("POST", KEYS, admin, body);
    assert_int_equal(a.status, 201);
    assert_string_equal(answer_field(&a, "Cache-Control"), "no-store");
    assert_memory_equal(answer_data(&a, "key"), "sbp_", 4);
    snprintf(provisioner, sizeof provisioner, "Authorization: Bearer %s\r\n",
             answer_data(&a, "key"));
    snprintf(id, 64, "%s", answer_data(&a, "id"));
}

static void a_key_makes_as_many_devices_as_it_has_uses(void **state)
{
    char id[64], key[128];
    (void)state;
    make_key("{\"name\":\"line 4\",\"uses\":2}", id);
    ask("POST", REGISTER, provisioner,
        "{\"deviceId\":\"" ID "\",\"name\":\"pump\",\"type\":\"sensor\","
        "\"capabilities\":[\"telemetry\"]}");
    assert_int_equal(a.status, 201);
    assert_non_null(strstr(a.body, "{\"ok\":true,\"device\":{\"id\":\"" ID "\",\"name\":\"pump\""));
    assert_non_null(strstr(a.body, "\"capabilities\":[\"telemetry\"]"));
    snprintf(key, sizeof key, "%s", answer_data(&a, "key"));
    assert_memory_equal(key, "sbk_", 4);

    /* The key is the device's. */
    char line[256];
    snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", key);
    get("/api/v1/auth/me", line);
    assert_int_equal(a.status, 200);
    assert_string_equal(answer_data(&a, "id"), ID);

    /* An id that exists costs no use, whosever it is. */
    ask("POST", REGISTER, provisioner, "{\"deviceId\":\"" ID "\"}");
    expect_error(409, "CONFLICT");
    ask("POST", REGISTER, provisioner, "");
    assert_int_equal(a.status, 201); /* all by itself: a new id, named after it */
    ask("POST", REGISTER, provisioner, "");
    expect_error(401, "AUTHENTICATION_FAILED");

    get(KEYS, admin);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "\"name\":\"line 4\",\"uses_left\":0"));
    assert_null(strstr(a.body, "sbp_"));
    get("/api/v1/audit?action=device.create&target=" ID, admin);
    assert_non_null(strstr(a.body, "\"actor_name\":\"provisioning key\""));
    assert_non_null(strstr(a.body, id));
}

static void a_key_may_nothing_else(void **state)
{
    char id[64];
    static const char *const targets[] = {"/api/v1/devices", "/api/v1/devices/" ID,
                                          "/api/v1/auth/me", KEYS, "/metrics", "/health",
                                          "/api/v1/audit", "/api/v1/devices/" ID "/state"};
    (void)state;
    make_key("{\"uses\":5}", id);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        get(targets[i], provisioner);
        if (a.status != 403 && a.status != 404) {
            fail_msg("%s answered %d", targets[i], a.status);
        }
    }
    ask("POST", "/api/v1/devices", provisioner, "{\"name\":\"x\"}");
    expect_error(403, "PERMISSION_DENIED");
    ask("POST", KEYS, provisioner, "{}");
    expect_error(403, "PERMISSION_DENIED");
    char body[256];
    const char *at = strstr(provisioner, "sbp_");
    snprintf(body, sizeof body, "{\"key\":\"%.47s\"}", at);
    ask("POST", "/api/v1/auth/device", "", body);
    assert_int_equal(a.status, 401); /* it is no device's key */
    /* A socket is refused before the upgrade. */
    char lines[4400];
    snprintf(lines, sizeof lines,
             "%sConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", provisioner);
    get("/api/v1/devices/self/ws", lines);
    expect_error(403, "PERMISSION_DENIED");
    get("/api/v1/devices/" ID "/ws", lines);
    expect_error(403, "PERMISSION_DENIED");
    /* And nobody else registers a device with this route, not even an admin. */
    ask("POST", REGISTER, admin, "{}");
    expect_error(403, "PERMISSION_DENIED");
    ask("POST", REGISTER, "", "{}");
    expect_error(401, "UNAUTHENTICATED");
}

static void a_key_ends_when_it_is_revoked_or_old(void **state)
{
    char id[64], target[128];
    (void)state;
    make_key("{\"uses\":5}", id);
    ask("POST", REGISTER, provisioner, "{}");
    assert_int_equal(a.status, 201);
    snprintf(target, sizeof target, KEYS "/%s", id);
    ask("DELETE", target, admin, "");
    assert_int_equal(a.status, 204);
    ask("POST", REGISTER, provisioner, "{}");
    expect_error(401, "AUTHENTICATION_FAILED");
    ask("DELETE", target, admin, "");
    expect_error(404, "NOT_FOUND");
    ask("POST", REGISTER,
        "Authorization: Bearer sbp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", "{}");
    expect_error(401, "AUTHENTICATION_FAILED");
    ask("POST", REGISTER, "Authorization: Bearer sbp_short\r\n", "{}");
    expect_error(401, "AUTHENTICATION_FAILED");
}

static void bad_bodies_are_named(void **state)
{
    static const struct {
        const char *body;
        const char *member;
    } rows[] = {
        {"{\"uses\":0}", "uses"},
        {"{\"uses\":1000001}", "uses"},
        {"{\"uses\":1.5}", "uses"},
        {"{\"expires_in_s\":59}", "expires_in_s"},
        {"{\"expires_in_s\":31536001}", "expires_in_s"},
        {"{\"name\":7}", "name"},
    };
    char want[64], id[64];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask("POST", KEYS, admin, rows[i].body);
        expect_error(400, "INVALID_REQUEST");
        snprintf(want, sizeof want, "\"member\":\"%s\"", rows[i].member);
        assert_non_null(strstr(a.body, want));
    }
    make_key("", id);
    ask("POST", REGISTER, provisioner, "{\"deviceId\":\"no uuid\"}");
    expect_error(400, "INVALID_REQUEST");
    ask("POST", REGISTER, provisioner, "{\"capabilities\":[7]}");
    expect_error(400, "INVALID_REQUEST");
    ask("POST", REGISTER, provisioner, "{}"); /* refusals cost no use */
    assert_int_equal(a.status, 201);
}

static void pages_of_keys_follow_each_other(void **state)
{
    char id[64], target[128];
    unsigned seen = 0, pages = 0;
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        make_key("{\"name\":\"page\"}", id);
    }
    snprintf(target, sizeof target, KEYS "?limit=2");
    do {
        get(target, admin);
        assert_int_equal(a.status, 200);
        for (const char *at = a.body; (at = strstr(at, "\"uses_left\"")) != NULL; at++) {
            seen++;
        }
        snprintf(target, sizeof target, KEYS "?limit=2&cursor=%s",
                 answer_member(&a, "next_cursor"));
    } while (answer_member(&a, "next_cursor")[0] != '\0' && ++pages < 20);
    get(KEYS, admin);
    unsigned all = 0;
    for (const char *at = a.body; (at = strstr(at, "\"uses_left\"")) != NULL; at++) {
        all++;
    }
    assert_int_equal(seen, all);
    get(KEYS "?cursor=x", admin);
    expect_error(400, "INVALID_REQUEST");
}

static int open_world(void **state)
{
    (void)state;
    world_open(&world);
    log_in();
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
        cmocka_unit_test(a_key_makes_as_many_devices_as_it_has_uses),
        cmocka_unit_test(a_key_may_nothing_else),
        cmocka_unit_test(a_key_ends_when_it_is_revoked_or_old),
        cmocka_unit_test(bad_bodies_are_named),
        cmocka_unit_test(pages_of_keys_follow_each_other),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
