#include "rest_world.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/entropy_system/entropy_system.h"
#include "adapters/offload_workers/offload_workers.h"
#include "adapters/password_argon2/password_argon2.h"
#include "adapters/store_sqlite/store_sqlite.h"
#include "adapters/tokens_hs256/tokens_hs256.h"
#include "base/mem.h"
#include "domain/chat.h"
#include "domain/fleet.h"
#include "domain/house.h"
#include "domain/recovery.h"
#include "loop/addr.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ANSWER_TURNS_MAX 5000 /* of at most 5 ms: 25 s, for sanitizers */

static void on_log(struct log *self, enum log_level level, const char *event,
                   const struct log_field *fields, unsigned count)
{
    struct world *w = CONTAINER_OF(self, struct world, log);
    (void)level;
    buf_append_str(&w->log_text, event);
    for (unsigned i = 0; i < count; i++) {
        buf_printf(&w->log_text, " %s=", fields[i].name);
        if (fields[i].type == LOG_FIELD_STR) {
            buf_append_span(&w->log_text, fields[i].str);
        } else {
            bool flag = fields[i].type == LOG_FIELD_BOOL;
            buf_append_i64(&w->log_text, flag ? fields[i].flag : fields[i].i64);
        }
    }
    buf_append_byte(&w->log_text, '\n');
}

static void open_ports(struct world *w)
{
    struct sqlite_store_conf sc = {.path = ":memory:", .synchronous = STORE_SYNC_OFF};
    struct tokens_conf tc = {.secret = SPAN("a secret of the tests, 32 bytes and more"),
                             .issuer = "signalbox",
                             .leeway_s = 30};
    struct loop_conf lc = {.count = 1, .clock = clock_system(), .log = &w->log,
                           .poller = poller_epoll_new()};
    w->log = (struct log){.write = on_log, .level_min = LOG_DEBUG};
    w->loops[0] = loop_new(&lc, w->loops);
    w->post = loop_post_port(w->loops, 1);
    assert_int_equal(sqlite_store_open(&sc, w->post, &w->log, &w->store), ERR_NONE);
    w->tokens = tokens_hs256_new(&tc);
    w->offload = offload_inline_new(w->post);
}

static void open_home(struct world *w)
{
    w->domain_conf = (struct domain_conf){.auth_anonymous_loopback = true,
                                          .token_access_s = 900,
                                          .token_refresh_s = 86400,
                                          .session_s = 86400,
                                          .connections_per_principal_max = 50,
                                          .device_stale_s = 90,
                                          .device_gone_s = 300,
                                          .viewers_per_device_max = 50,
                                          .telemetry_per_s = 200,
                                          .telemetry_burst = 400,
                                          .telemetry_sensors_max = 256,
                                          .retention_raw_s = 86400,
                                          .retention_minute_s = 86400,
                                          .retention_hour_s = 86400,
                                          .retention_log_s = 86400,
                                          .retention_history_s = 86400,
                                          .home_rooms_max = 1000,
                                          .home_entities_max = 10000,
                                          .home_scenes_max = 1000,
                                          .timezone = "UTC"};
    w->home = (struct home){.count = 1, .conf = &w->domain_conf, .peers = w->homes,
                            .post = w->post, .clock = clock_system(), .log = &w->log,
                            .entropy = entropy_system(), .store = w->store, .tokens = w->tokens,
                            .password = password_argon2(), .offload = w->offload};
    w->homes[0] = &w->home;
    home_init(&w->home);
    w->home.identity = identity_new(&w->home);
}

static void open_edge(struct world *w)
{
    w->edge_conf = (struct edge_conf){.anonymous_loopback = true,
                                      .allowed_origins = "https://app.example",
                                      .public_hosts = "box.example",
                                      .ws_message_bytes_max = 65536,
                                      .ws_fragments_max = 64,
                                      .outbox_messages_max = 1024,
                                      .outbox_bytes_max = 1 << 20,
                                      .home = {.message_bytes_max = 512,
                                               .ping_ms = 54000,
                                               .idle_ms = 60000,
                                               .write_ms = 10000,
                                               .queue_max = 256,
                                               .subscriptions_max = 3},
                                      .listeners = &w->bound,
                                      .listener_count = 1};
    w->limits = (struct net_limits){.connections_max = 1000, .http_header_ms = 10000,
                                    .http_body_ms = 10000, .http_idle_ms = 10000,
                                    .http_header_bytes_max = 16384,
                                    .http_body_bytes_max = 65536, .close_wait_ms = 1000};
    w->shared = mem_calloc(1, sizeof *w->shared);
    w->edge.conf = &w->edge_conf;
    w->edge.loop = w->loops[0];
    w->edge.home = &w->home;
    w->edge.peers = w->edges;
    w->edge.ops = &w->ops;
    w->edges[0] = &w->edge;
    edge_init(&w->edge, w->post, w->hubs);
    w->home.hub = w->edge.hub;
    struct pos start;
    assert_int_equal(journal_start(w->store, 1, &start), ERR_NONE);
    struct journal_conf conf = {.hub = w->edge.hub, .post = w->post, .store = w->store,
                                .clock = clock_system(), .log = &w->log, .peers = w->journals,
                                .ring_events = 1000, .ring_bytes = 1 << 20};
    w->home.journal = w->journals[0] = journal_new(&conf, start);
    (void)house_new(&w->home);
    (void)chat_new(&w->home);
    assert_int_equal(house_load(&w->home), ERR_NONE);
    w->edge.net = net_new(&(struct net_conf){.loop = w->loops[0], .limits = &w->limits,
                                             .shared = w->shared, .http = w->handler,
                                             .user = &w->edge});
    struct sockaddr_storage any;
    socklen_t len;
    assert_true(addr_parse(SPAN("127.0.0.1:0"), &any, &len));
    assert_int_equal(net_listen(w->edge.net, (struct sockaddr *)&any, len, 0, &w->bound), 0);
    w->port = addr_port(&w->bound);
    w->ops.edges = w->edges;
    w->ops.edge_count = 1;
    w->ops.store = w->store;
    w->ops.shared = w->shared;
    w->ops.connections_max = 1000;
    ops_start(&w->ops, w->loops[0]);
}

static void first_admin(void *owner, const struct identity_result *r)
{
    struct world *w = owner;
    assert_int_equal(r->error, ERR_NONE);
    assert_true(r->secret.len > 0 && r->secret.len < sizeof w->password);
    memcpy(w->password, r->secret.ptr, r->secret.len);
}

void world_turn(struct world *w) { loop_turn(w->loops[0], 5); }

void world_open_with(struct world *w, const struct http_handler *handler)
{
    memset(w, 0, sizeof *w);
    w->handler = handler;
    open_ports(w);
    open_home(w);
    open_edge(w);
}

void world_open(struct world *w)
{
    world_open_with(w, &rest_handler);
    identity_first_admin(&w->home, first_admin, w);
    for (unsigned i = 0; i < ANSWER_TURNS_MAX && w->password[0] == '\0'; i++) {
        world_turn(w);
    }
    assert_true(w->password[0] != '\0');
}

void world_close(struct world *w)
{
    ops_stop(&w->ops);
    net_free(w->edge.net);
    house_stop(w->home.house);
    chat_stop(w->home.chat);
    bool owed = true; /* what is under way comes to its end before what it would use is gone */
    for (unsigned i = 0; i < ANSWER_TURNS_MAX && owed; i++) {
        struct store_stats stats;
        w->store->stats(w->store, &stats);
        owed = stats.unanswered > 0 || loop_wait_ns(w->loops[0]) == 0;
        world_turn(w);
    }
    journal_stop(w->journals[0]);
    w->store->close(w->store);
    while (loop_wait_ns(w->loops[0]) == 0) {
        loop_turn(w->loops[0], 0);
    }
    chat_free(w->home.chat);
    house_free(w->home.house);
    if (w->home.fleet != NULL) {
        fleet_free(w->home.fleet);
    }
    if (w->home.recovery != NULL) {
        recovery_free(w->home.recovery);
    }
    journal_free(w->journals[0]);
    edge_deinit(&w->edge);
    identity_free(w->home.identity);
    offload_free(w->offload);
    tokens_hs256_free(w->tokens);
    loop_post_port_free(w->post);
    loop_free(w->loops[0]);
    mem_free(w->shared);
    buf_deinit(&w->log_text);
}

/* --- the client --- */

int world_send(struct world *w, const char *request)
{
    buf text = {0};
    for (const char *at = request; *at != '\0';) {
        if (strncmp(at, "{port}", 6) == 0) {
            buf_append_u64(&text, w->port);
            at += 6;
        } else {
            buf_append_byte(&text, (uint8_t)*at++);
        }
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&w->bound, sizeof(struct sockaddr_in)), 0);
    assert_int_equal(send(fd, text.ptr, text.len, MSG_NOSIGNAL), text.len);
    buf_deinit(&text);
    return fd;
}

/* Whether `in` holds a whole answer; fills it. `head_only`: to HEAD, or a status without body. */
static bool parse_answer(span in, bool head_only, struct answer *out)
{
    const uint8_t *end = memmem(in.ptr, in.len, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    size_t head_len = (size_t)(end - in.ptr) + 2;
    assert_true(head_len < sizeof out->head);
    memcpy(out->head, in.ptr, head_len);
    out->head[head_len] = '\0';
    out->status = (int)strtol(out->head + 9, NULL, 10);
    size_t length = strtoul(answer_field(out, "Content-Length"), NULL, 10);
    if (head_only || out->status == 204 || out->status == 304 || out->status == 101) {
        length = 0;
    }
    span body = span_slice(in, head_len + 2, in.len);
    if (body.len < length) {
        return false;
    }
    assert_int_equal(body.len, length); /* nothing behind it */
    assert_true(length < sizeof out->body);
    memcpy(out->body, body.ptr, body.len);
    out->body[body.len] = '\0';
    out->body_len = body.len;
    return true;
}

void world_ask(struct world *w, const char *request, struct answer *out)
{
    buf in = {0};
    bool whole = false;
    bool head_only = strncmp(request, "HEAD ", 5) == 0;
    int fd = world_send(w, request);
    memset(out, 0, offsetof(struct answer, body));
    for (unsigned i = 0; i < ANSWER_TURNS_MAX && !whole; i++) {
        world_turn(w);
        ssize_t got = recv(fd, buf_reserve(&in, 65536), 65536, MSG_DONTWAIT);
        if (got > 0) {
            in.len += (size_t)got;
            whole = parse_answer(buf_span(&in), head_only, out);
        } else {
            assert_true(got < 0); /* closed before the answer was whole */
        }
    }
    close(fd);
    buf_deinit(&in);
    assert_true(whole);
}

const char *answer_field(const struct answer *a, const char *name)
{
    static char value[2048];
    char wanted[128];
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = strcasestr(a->head, wanted);
    value[0] = '\0';
    if (at != NULL) {
        at += strlen(wanted);
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    }
    return value;
}

static const char *text_of(span object, const char *member)
{
    static char text[8192];
    span value;
    buf out = {0};
    text[0] = '\0';
    if (json_get(object, member, &value) && json_string(value, &out)) {
        snprintf(text, sizeof text, "%.*s", SPAN_FMT(buf_span(&out)));
    }
    buf_deinit(&out);
    return text;
}

const char *answer_data(const struct answer *a, const char *member)
{
    span data;
    if (!json_get(json_root(span_of(a->body, a->body_len)), "data", &data)) {
        return "";
    }
    return text_of(data, member);
}

const char *answer_member(const struct answer *a, const char *member)
{
    return text_of(json_root(span_of(a->body, a->body_len)), member);
}
