/*
 * Against llhttp, the parser of Node.js, in its strict mode: every request that our parser and
 * body decoder accept, llhttp accepts too and reads the same way (method, target, version,
 * fields, framing, body, end), and keeps a connection that we keep. Messages are the tables of
 * tests/wire and mutations of them from one seed. Built only where Debian's package node-llhttp
 * is installed.
 */
#include "codec/http1/body.h"
#include "codec/http1/request.h"
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <llhttp.h>

#define MESSAGES_MAX 400
#define MUTANTS 60000
#define BODY_BYTES_MAX 100000
#define SEED 0x5167a1b0c5ull

/* What one parser made of a message, as text that must be equal. */
struct reading {
    buf text;
    buf body;
    size_t used;
    bool keep_alive;
};

static buf messages[MESSAGES_MAX];
static size_t message_count;
static size_t accepted_count;

static void reading_deinit(struct reading *r)
{
    buf_deinit(&r->text);
    buf_deinit(&r->body);
}

static bool read_body(struct http1_body *b, span in, struct reading *r)
{
    size_t pos = 0;
    int result;
    do {
        span out;
        size_t consumed;
        result = http1_body_feed(b, span_slice(in, pos, in.len), &out, &consumed);
        buf_append_span(&r->body, out);
        pos += consumed;
    } while (result == 0 && pos < in.len);
    r->used += pos;
    return result == HTTP1_BODY_DONE;
}

/* True when our codec accepts the whole message. */
static bool read_ours(span in, struct reading *r)
{
    static struct http1_request req;
    const struct http1_limits lim = HTTP1_LIMITS_DEFAULT;
    struct http1_scan scan = {0};
    struct http1_body body;
    int head = http1_request_parse(in, &lim, &scan, &req);
    if (head <= 0) {
        return false;
    }
    r->used = (size_t)head;
    buf_printf(&r->text, "%s %.*s 1.%d%s\n", http1_method_name(req.method), SPAN_FMT(req.target),
               req.minor, req.chunked ? " chunked" : "");
    /* In 1.0 llhttp overlooks a keep-alive with a tab behind it, and closes. */
    r->keep_alive = req.keep_alive && req.minor == 1;
    for (size_t i = 0; i < req.fields.count; i++) {
        buf_append_span(&r->text, req.fields.items[i].name);
        buf_append_str(&r->text, ":");
        buf_append_span(&r->text, req.fields.items[i].value);
        buf_append_str(&r->text, "\n");
    }
    if (http1_body_init(&body, req.content_length, req.chunked, BODY_BYTES_MAX) < 0) {
        return false;
    }
    return read_body(&body, span_slice(in, r->used, in.len), r);
}

/* llhttp tells spans in pieces; they are gathered here. */
struct gathered {
    buf url;
    buf fields;
    buf head;
    struct reading *out;
};

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    buf_append(&((struct gathered *)p->data)->url, at, len);
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
    buf_append(&((struct gathered *)p->data)->fields, at, len);
    return 0;
}

static int on_field_complete(llhttp_t *p)
{
    buf_append_str(&((struct gathered *)p->data)->fields, ":");
    return 0;
}

/* llhttp leaves the white space behind a value in it (RFC 9112 5.1 has it excluded). */
static int on_value_complete(llhttp_t *p)
{
    buf *fields = &((struct gathered *)p->data)->fields;
    while (fields->ptr[fields->len - 1] == ' ' || fields->ptr[fields->len - 1] == '\t') {
        fields->len--;
    }
    buf_append_str(fields, "\n");
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    struct gathered *g = p->data;
    if (g->head.len == 0) { /* trailers do not come here */
        buf_printf(&g->head, "%s %.*s %d.%d%s\n", llhttp_method_name((llhttp_method_t)p->method),
                   SPAN_FMT(buf_span(&g->url)), p->http_major, p->http_minor,
                   (p->flags & F_CHUNKED) != 0 ? " chunked" : "");
        g->out->keep_alive = llhttp_should_keep_alive(p);
        buf_append_span(&g->head, buf_span(&g->fields));
    }
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
    buf_append(&((struct gathered *)p->data)->out->body, at, len);
    return 0;
}

static int on_message_complete(llhttp_t *p)
{
    return HPE_PAUSED;
}

/* True when llhttp accepts the whole message; else its reason is in r->text. */
static bool read_theirs(span in, struct reading *r)
{
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_field_complete = on_field_complete;
    settings.on_header_value = on_field;
    settings.on_header_value_complete = on_value_complete;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    struct gathered g = {.out = r};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &g;
    llhttp_errno_t error = llhttp_execute(&parser, (const char *)in.ptr, in.len);
    bool accepted = error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE;
    if (accepted) {
        r->used = (size_t)((const uint8_t *)llhttp_get_error_pos(&parser) - in.ptr);
        buf_append_span(&r->text, buf_span(&g.head));
    } else {
        buf_printf(&r->text, "%s: %s", llhttp_errno_name(error),
                   error == HPE_OK ? "more" : llhttp_get_error_reason(&parser));
    }
    buf_deinit(&g.url);
    buf_deinit(&g.fields);
    buf_deinit(&g.head);
    return accepted;
}

/* llhttp refuses more in one place: a chunk extension behind one that has a value. */
static bool refused_for_its_extension(span in, const struct reading *theirs)
{
    ptrdiff_t value = span_find(in, '=');
    return span_starts(buf_span(&theirs->text), SPAN("HPE_INVALID_CHUNK_SIZE")) && value > 0 &&
           span_find(span_slice(in, (size_t)value, in.len), ';') > 0;
}

static bool read_the_same(const struct reading *ours, const struct reading *theirs)
{
    return theirs->used == ours->used && (theirs->keep_alive || !ours->keep_alive) &&
           span_eq(buf_span(&ours->text), buf_span(&theirs->text)) &&
           span_eq(buf_span(&ours->body), buf_span(&theirs->body));
}

static void compare(span in)
{
    struct reading ours = {0};
    struct reading theirs = {0};
    if (read_ours(in, &ours)) {
        accepted_count++;
        bool same = read_theirs(in, &theirs) ? read_the_same(&ours, &theirs)
                                             : refused_for_its_extension(in, &theirs);
        if (!same) {
            fail_msg("message:\n%.*s\nours, end %zu:\n%.*s\nllhttp, end %zu:\n%.*s",
                     SPAN_FMT(in), ours.used, SPAN_FMT(buf_span(&ours.text)), theirs.used,
                     SPAN_FMT(buf_span(&theirs.text)));
        }
    }
    reading_deinit(&ours);
    reading_deinit(&theirs);
}

static void keep(span message)
{
    if (message.len > 0 && message.len < 1000 && message_count < MESSAGES_MAX) {
        buf_append_span(&messages[message_count++], message);
    }
}

static void request_row(const struct wire_row *row)
{
    compare(buf_span(&row->bytes));
    keep(buf_span(&row->bytes));
}

static void body_row(const struct wire_row *row)
{
    buf message = {0};
    buf_append_str(&message, "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    buf_append_span(&message, buf_span(&row->bytes));
    compare(buf_span(&message));
    keep(buf_span(&message));
    buf_deinit(&message);
}

static void what_the_tables_accept_llhttp_reads_the_same(void **state)
{
    assert_true(wire_rows("tests/wire/http1_requests_accepted.txt", request_row) > 0);
    assert_true(accepted_count >= 50);
    (void)wire_rows("tests/wire/http1_requests_refused.txt", request_row);
    (void)wire_rows("tests/wire/http1_bodies.txt", body_row);
    assert_true(accepted_count >= 65);
}

static uint32_t next(uint64_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 20) % below);
}

static void mutate(buf *m, uint64_t *state)
{
    static const char *const parts[] = {
        "\r", "\n", "\r\n", " ", "\t", ":", ",", ";", "0", "\x7f", "%", "?", "/", "\r\n ",
        "Content-Length: 3\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n", "Connection: keep-alive\r\n", "Host: b\r\n", "Upgrade: x\r\n",
        "chunked", "identity", ", chunked", "0\r\n\r\n", "3\r\nabc\r\n", "X: y\r\n", ";a=b", "\x80",
    };
    buf out = {0};
    uint32_t at = next(state, (uint32_t)m->len + 1);
    uint32_t drop = next(state, 3) == 0 ? next(state, 4) : 0;
    buf_append_span(&out, span_slice(buf_span(m), 0, at));
    if (next(state, 4) > 0) {
        buf_append_str(&out, parts[next(state, ARRAY_LEN(parts))]);
    } else {
        buf_append_byte(&out, (uint8_t)next(state, 256));
    }
    buf_append_span(&out, span_slice(buf_span(m), at + drop, m->len));
    buf_deinit(m);
    *m = out;
}

static void what_we_accept_of_mutants_llhttp_reads_the_same(void **state)
{
    uint64_t random = SEED;
    assert_true(message_count > 150);
    accepted_count = 0;
    for (int i = 0; i < MUTANTS; i++) {
        buf mutant = {0};
        buf_append_span(&mutant, buf_span(&messages[next(&random, (uint32_t)message_count)]));
        for (uint32_t n = next(&random, 3); n < 3; n++) {
            mutate(&mutant, &random);
        }
        compare(buf_span(&mutant));
        buf_deinit(&mutant);
    }
    assert_true(accepted_count > MUTANTS / 100);
    print_message("%zu of %d mutants accepted, seed %#llx\n", accepted_count, MUTANTS,
                  (unsigned long long)SEED);
    for (size_t i = 0; i < message_count; i++) {
        buf_deinit(&messages[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_tables_accept_llhttp_reads_the_same),
        cmocka_unit_test(what_we_accept_of_mutants_llhttp_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
