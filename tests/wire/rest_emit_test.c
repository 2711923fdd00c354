/* POST /api/v1/emit and the sockets' routes over a real socket: what is refused and why, what is
 * logged, and that a key does things once. Sockets themselves are in tests/e2e/emit.test.mjs. */
#include "rest_world.h"

#include "hub/journal.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: localhost:{port}\r\n"
#define EMIT "/api/v1/emit"
#define SOMEBODY "01900000-0000-7000-8000-000000000001"
#define TURNS_MAX 5000

static struct world world;
static struct answer a;
static char admin[4096]; /* an access token */

static const char *request(const char *method, const char *target, const char *lines,
                           const char *body)
{
    static char text[300000];
    snprintf(text, sizeof text,
             "%s %s HTTP/1.1\r\n" HOST "Authorization: Bearer %s\r\n%s"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             method, target, admin, lines, strlen(body), body);
    return text;
}

static void post(const char *target, const char *lines, const char *body)
{
    world_ask(&world, request("POST", target, lines, body), &a);
}

static void get(const char *target) { world_ask(&world, request("GET", target, "", ""), &a); }

static void log_in(void)
{
    char body[512];
    snprintf(body, sizeof body, "{\"username\":\"admin\",\"password\":\"%s\"}", world.password);
    post("/api/v1/auth/login", "", body);
    snprintf(admin, sizeof admin, "%s", answer_data(&a, "access_token"));
    assert_true(admin[0] != '\0');
}

static void expect(int status, const char *text)
{
    if (a.status != status || strstr(a.body, text) == NULL) {
        fail_msg("%d %s, expected %d with %s", a.status, a.body, status, text);
    }
}

/* --- what is in the log --- */

static struct store_req *read_log;

static void on_log(struct store_req *req) { read_log = req; }

/* The events after n, to be freed. */
static struct store_req *log_after(uint64_t n)
{
    struct store_req *req = store_req_new(0, 1, on_log, NULL);
    store_step_init(req, 0, QUERY_EVENT_AFTER, 1);
    store_set_int(req, 0, 0, 0, (int64_t)n);
    store_set_int(req, 0, 0, 1, 1000);
    read_log = NULL;
    world.store->submit(world.store, req);
    for (unsigned i = 0; i < TURNS_MAX && read_log == NULL; i++) {
        world_turn(&world);
    }
    assert_non_null(read_log);
    return read_log;
}

static uint64_t now(void) { return journal_now(world.home.journal).n; }

static unsigned logged_since(uint64_t n)
{
    struct store_req *req = log_after(n);
    unsigned count = req->steps[0].row_count;
    store_req_free(req);
    return count;
}

static void expect_row(const struct store_req *req, unsigned row, const char *type,
                       const char *topic, const char *data)
{
    const struct store_value *c = store_cell(req, 0, row, 0);
    assert_true(span_eq(store_text(&c[3]), span_str(type)));
    assert_true(span_eq(store_text(&c[4]), span_str(topic)));
    if (!span_eq(store_text(&c[5]), span_str(data))) {
        fail_msg("%.*s, expected %s", SPAN_FMT(store_text(&c[5])), data);
    }
}

/* --- emit --- */

static void what_cannot_be_emitted_is_refused_by_the_member_that_is_wrong(void **state)
{
    static const struct {
        const char *body, *member, *why;
    } rows[] = {
        {"{}", "event", "is missing"},
        {"{\"event\":7,\"room\":\"a\"}", "event", "must be a string"},
        {"{\"event\":\"\",\"room\":\"a\"}", "event", "must not be empty"},
        {"{\"event\":\"a\\nb\",\"room\":\"a\"}", "event", "is no event's name"},
        {"{\"event\":\"connect\",\"room\":\"a\"}", "event", "is reserved"},
        {"{\"event\":\"disconnect\",\"room\":\"a\",\"namespace\":\"/x\"}", "event", "is reserved"},
        {"{\"event\":\"device:created\",\"room\":\"a\"}", "event", "the product's own"},
        {"{\"event\":\"chat:anything\",\"room\":\"a\"}", "event", "the product's own"},
        {"{\"event\":\"error\",\"room\":\"a\"}", "event", "the product's own"},
        {"{\"event\":\"metrics\",\"viewers\":\"" SOMEBODY "\"}", "event", "the product's own"},
        {"{\"event\":\"x\"}", "", "names nobody"},
        {"{\"event\":\"x\",\"clients\":false}", "", "names nobody"},
        {"{\"event\":\"x\",\"except\":[\"a\"]}", "", "names nobody"},
        {"{\"event\":\"x\",\"room\":\"\"}", "room", "must not be empty"},
        {"{\"event\":\"x\",\"room\":\"a\\tb\"}", "room", "is no room's name"},
        {"{\"event\":\"x\",\"rooms\":[]}", "rooms", "too few"},
        {"{\"event\":\"x\",\"rooms\":[\"a\",1]}", "rooms[1]", "must be a string"},
        {"{\"event\":\"x\",\"rooms\":\"a\"}", "rooms", "must be an array"},
        {"{\"event\":\"x\",\"room\":\"a\",\"except\":[\"b\\nc\"]}", "except", "is no room's name"},
        {"{\"event\":\"x\",\"principal\":\"bob\"}", "principal", "UUID"},
        {"{\"event\":\"x\",\"principals\":[\"bob\"]}", "principals", "must be UUIDs"},
        {"{\"event\":\"x\",\"room\":\"a\",\"namespace\":\"x\"}", "namespace", "begin with /"},
        {"{\"event\":\"x\",\"room\":\"a\",\"args\":{}}", "args", "must be an array"},
        {"{\"event\":\"x\",\"room\":\"a\",\"args\":[],\"data\":1}", "data", "in place of args"},
        {"{\"event\":\"x\",\"room\":\"a\",\"data\":\"\\u0000\"}", "data", "control characters"},
        {"{\"event\":\"x\",\"room\":\"a\",\"volatile\":1}", "volatile", "true or false"},
        {"{\"event\":\"x\",\"room\":\"a\",\"viewers\":\"" SOMEBODY "\"}", "viewers", "alone"},
        {"{\"event\":\"x\",\"args\":[],\"viewers\":\"" SOMEBODY "\"}", "args", "not for viewers"},
        {"[]", "", "a batch has 1 to 100 events"},
        {"[{\"event\":\"x\",\"room\":\"a\"},{\"event\":\"x\"}]", "[1]", "names nobody"},
        {"[{\"event\":\"x\",\"room\":\"a\"},{\"room\":\"a\"}]", "[1].event", "is missing"},
        {"[7]", "[0]", "must be an object"},
        {"7", "", "must be an object"},
    };
    uint64_t before = now();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        post(EMIT, "", rows[i].body);
        expect(400, rows[i].why);
        if (rows[i].member[0] != '\0' && strstr(a.body, rows[i].member) == NULL) {
            fail_msg("%s does not name %s", a.body, rows[i].member);
        }
    }
    assert_int_equal(logged_since(before), 0);
}

static void batches_are_bounded(void **state)
{
    char body[8000];
    size_t len = 0;
    body[len++] = '[';
    for (unsigned i = 0; i < 101; i++) {
        len += (size_t)snprintf(body + len, 100, "%s{\"event\":\"x\",\"room\":\"a\"}",
                                i == 0 ? "" : ",");
    }
    memcpy(body + len, "]", 2);
    post(EMIT, "", body);
    expect(400, "a batch has 1 to 100 events");
}

static void only_who_may_broadcast_may_emit(void **state)
{
    char kept[sizeof admin];
    memcpy(kept, admin, sizeof kept);
    memcpy(admin, "nonsense", 9);
    post(EMIT, "", "{\"event\":\"x\",\"room\":\"a\"}");
    assert_int_equal(a.status, 401);
    memcpy(admin, kept, sizeof kept);
}

static void emits_are_logged_in_their_order_with_whom_they_are_for(void **state)
{
    uint64_t before = now();
    post(EMIT, "",
         "[{\"event\":\"a\",\"args\":[1,\"two\",{\"three\":3}],\"room\":\"r/1\"},"
         "{\"event\":\"b\",\"data\":{\"x\":1},\"clients\":true},"
         "{\"event\":\"c\",\"rooms\":[\"r\",\"s\"],\"except\":[\"t\"],\"namespace\":\"/n\"},"
         "{\"event\":\"d\",\"room\":\"r\",\"volatile\":true},"
         "{\"event\":\"e\",\"device\":\"" SOMEBODY "\"},"
         "{\"event\":\"f\",\"clients\":true,\"devices\":true},"
         "{\"event\":\"g\",\"viewers\":\"" SOMEBODY "\",\"data\":{}}]");
    expect(200, "\"accepted\":7");
    struct store_req *req = log_after(before);
    assert_int_equal(req->steps[0].row_count, 5);
    expect_row(req, 0, "app:emit", "io/%2f/r%2f1",
               "{\"nsp\":\"/\",\"args\":[\"a\",1,\"two\",{\"three\":3}],\"rooms\":[\"r/1\"]}");
    expect_row(req, 1, "app:emit-some", "io/%2f",
               "{\"nsp\":\"/\",\"args\":[\"b\",{\"x\":1}],\"kinds\":2}");
    expect_row(req, 2, "app:emit-some", "io/%2fn",
               "{\"nsp\":\"/n\",\"args\":[\"c\"],\"rooms\":[\"r\",\"s\"],\"except\":[\"t\"]}");
    expect_row(req, 3, "app:emit-some", "io/%2f",
               "{\"nsp\":\"/\",\"args\":[\"e\"],\"principals\":[\"" SOMEBODY "\"]}");
    expect_row(req, 4, "app:emit", "io/%2f", "{\"nsp\":\"/\",\"args\":[\"f\"]}");
    store_req_free(req);
    char pos[POS_TEXT_MAX];
    (void)pos_text(journal_now(world.home.journal), pos);
    assert_string_equal(answer_data(&a, "pos"), pos);
    post(EMIT, "", "{\"event\":\"x\",\"topic\":\"r\",\"volatile\":true}");
    expect(200, "\"accepted\":1");
    assert_string_equal(answer_data(&a, "pos"), "");
}

/* --- Idempotency-Key --- */

#define KEY(k) "Idempotency-Key: " k "\r\n"
#define ONE "{\"event\":\"x\",\"room\":\"a\"}"

static void a_key_does_things_once(void **state)
{
    char pos[POS_TEXT_MAX];
    uint64_t before = now();
    post(EMIT, KEY("once"), ONE);
    expect(200, "\"accepted\":1");
    assert_string_equal(answer_field(&a, "Idempotency-Replayed"), "");
    snprintf(pos, sizeof pos, "%s", answer_data(&a, "pos"));
    post(EMIT, "", ONE);
    post(EMIT, KEY("once"), ONE);
    expect(200, "\"accepted\":1");
    assert_string_equal(answer_data(&a, "pos"), pos);
    assert_string_equal(answer_field(&a, "Idempotency-Replayed"), "true");
    assert_int_equal(logged_since(before), 2);
    post(EMIT, KEY("once"), "{\"event\":\"y\",\"room\":\"a\"}");
    expect(422, "IDEMPOTENCY_KEY_REUSED");
    assert_int_equal(logged_since(before), 2);
    post(EMIT, KEY("volatile"), "{\"event\":\"x\",\"room\":\"a\",\"volatile\":true}");
    expect(200, "\"accepted\":1");
    post(EMIT, KEY("volatile"), "{\"event\":\"x\",\"room\":\"a\",\"volatile\":true}");
    expect(200, "\"accepted\":1");
    assert_string_equal(answer_field(&a, "Idempotency-Replayed"), "true");
    assert_string_equal(answer_data(&a, "pos"), "");
}

static void what_was_refused_leaves_its_key_free(void **state)
{
    post(EMIT, KEY("later"), "{\"event\":\"x\"}");
    expect(400, "names nobody");
    post(EMIT, KEY("later"), ONE);
    expect(200, "\"accepted\":1");
}

static void keys_are_short_visible_text(void **state)
{
    char lines[512];
    post(EMIT, "Idempotency-Key:\r\n", ONE);
    expect(400, "Idempotency-Key");
    post(EMIT, KEY("a b"), ONE);
    expect(400, "Idempotency-Key");
    post(EMIT, KEY("a") KEY("b"), ONE);
    expect(400, "Idempotency-Key");
    snprintf(lines, sizeof lines, "Idempotency-Key: %0200d\r\n", 1);
    post(EMIT, lines, ONE);
    expect(200, "accepted");
    snprintf(lines, sizeof lines, "Idempotency-Key: %0201d\r\n", 1);
    post(EMIT, lines, ONE);
    expect(400, "Idempotency-Key");
}

static buf heard(int fd)
{
    buf in = {0};
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        world_turn(&world);
        ssize_t got = recv(fd, buf_reserve(&in, 4096), 4096, MSG_DONTWAIT);
        in.len += got > 0 ? (size_t)got : 0;
        if (in.len > 0 && memmem(in.ptr, in.len, "\r\n\r\n{", 5) != NULL) {
            break;
        }
    }
    close(fd);
    return in;
}

/* Both are read before anything of the first is done. */
static void a_key_that_is_under_way_is_409(void **state)
{
    uint64_t before = now();
    int first = world_send(&world, request("POST", EMIT, KEY("race"), ONE));
    int second = world_send(&world, request("POST", EMIT, KEY("race"), ONE));
    buf one = heard(first);
    buf two = heard(second);
    unsigned done = 0;
    unsigned busy = 0;
    const buf *both[] = {&one, &two};
    for (unsigned i = 0; i < 2; i++) {
        done += memmem(both[i]->ptr, both[i]->len, "HTTP/1.1 200 ", 13) != NULL;
        busy += memmem(both[i]->ptr, both[i]->len, "HTTP/1.1 409 ", 13) != NULL &&
                memmem(both[i]->ptr, both[i]->len, "Retry-After: 1\r\n", 16) != NULL;
    }
    assert_int_equal(done + busy, 2);
    assert_true(done >= 1);
    assert_int_equal(logged_since(before), 1);
    buf_deinit(&one);
    buf_deinit(&two);
    post(EMIT, KEY("race"), ONE);
    expect(200, "accepted");
    assert_int_equal(logged_since(before), 1);
}

static void who_has_gone_leaves_no_key_behind(void **state)
{
    uint64_t before = now();
    for (unsigned i = 0; i < 20; i++) {
        int fd = world_send(&world, request("POST", EMIT, KEY("gone"), ONE));
        for (unsigned turns = 0; turns < i / 2; turns++) {
            world_turn(&world);
        }
        close(fd);
        for (unsigned turns = 0; turns < 5; turns++) {
            world_turn(&world);
        }
    }
    for (unsigned i = 0; i < 50; i++) {
        world_turn(&world);
    }
    post(EMIT, KEY("gone"), ONE);
    expect(200, "accepted");
    assert_int_equal(logged_since(before), 1);
    assert_int_equal(world.edge.idem_held.count, 0);
}

/* --- sockets --- */

static void orders_about_sockets_name_whom_and_which_rooms(void **state)
{
    post("/api/v1/sockets/join", "", "{\"rooms\":[\"a\"]}");
    expect(400, "principal is missing");
    post("/api/v1/sockets/join", "", "{\"principal\":\"" SOMEBODY "\"}");
    expect(400, "rooms is missing");
    post("/api/v1/sockets/join", "",
         "{\"principal\":\"" SOMEBODY "\",\"sid\":\"01234567890123456789\",\"rooms\":[\"a\"]}");
    expect(400, "in place of principal");
    post("/api/v1/sockets/leave", "",
         "{\"principal\":\"" SOMEBODY "\",\"rooms\":[\"a\",\"b\\nc\"]}");
    expect(400, "rooms[1] is no room's name");
    post("/api/v1/sockets/disconnect", "", "{\"sid\":\"short\"}");
    expect(400, "sid is too short");
    post("/api/v1/sockets/disconnect", "",
         "{\"principal\":\"" SOMEBODY "\",\"namespace\":\"x\"}");
    expect(400, "namespace must begin with /");
    post("/api/v1/sockets/join", "", "{\"principal\":\"" SOMEBODY "\",\"rooms\":[\"a\"]}");
    expect(200, "{\"sockets\":0,\"refused\":0}");
    post("/api/v1/sockets/leave", "", "{\"sid\":\"01234567890123456789\",\"rooms\":[\"a\"]}");
    expect(200, "{\"sockets\":0}");
    post("/api/v1/sockets/disconnect", "", "{\"principal\":\"" SOMEBODY "\",\"close\":true}");
    expect(200, "{\"sockets\":0}");
    get("/api/v1/audit?action=socket.disconnect");
    expect(200, SOMEBODY);
}

static void rooms_and_members_are_lists(void **state)
{
    get("/api/v1/sockets/rooms");
    expect(200, "\"data\":[]");
    get("/api/v1/sockets/rooms?namespace=x");
    expect(400, "namespace must begin with /");
    get("/api/v1/sockets/rooms?limit=0");
    expect(400, "limit");
    get("/api/v1/sockets/rooms?cursor=%0a");
    expect(400, "cursor");
    get("/api/v1/sockets/rooms/a%20b/members");
    expect(200, "\"data\":[]");
    get("/api/v1/sockets/rooms/%c2%85/members");
    expect(404, "no such room");
    get("/api/v1/sockets/members?room=a/b");
    expect(200, "\"data\":[]");
    get("/api/v1/sockets/members?room=a%0ab");
    expect(404, "no such room");
    get("/api/v1/sockets/members");
    expect(404, "no such room");
}

static int open_world(void **state)
{
    world_open(&world);
    log_in();
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
        cmocka_unit_test(what_cannot_be_emitted_is_refused_by_the_member_that_is_wrong),
        cmocka_unit_test(batches_are_bounded),
        cmocka_unit_test(only_who_may_broadcast_may_emit),
        cmocka_unit_test(emits_are_logged_in_their_order_with_whom_they_are_for),
        cmocka_unit_test(a_key_does_things_once),
        cmocka_unit_test(what_was_refused_leaves_its_key_free),
        cmocka_unit_test(keys_are_short_visible_text),
        cmocka_unit_test(a_key_that_is_under_way_is_409),
        cmocka_unit_test(who_has_gone_leaves_no_key_behind),
        cmocka_unit_test(orders_about_sockets_name_whom_and_which_rooms),
        cmocka_unit_test(rooms_and_members_are_lists),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
