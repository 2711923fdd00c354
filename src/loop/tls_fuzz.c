/*
 * Bytes into a server's session: as its first ones, and after a handshake (where no stranger's byte
 * may pass, for it lacks the key). The first byte says which, and how the rest is cut.
 */
#include "loop/tls.h"

#include "base/mem.h"

#define assert_true(x) ASSERT(x)
#define assert_non_null(p) ASSERT((p) != NULL)
#define assert_int_equal(a, b) ASSERT((a) == (b))

#include "loop/test_certs.h"

#define AFTER 0x80   /* of the first byte: after a handshake */
#define CUT_BITS 0x7f /* bytes a piece, less one; all set: in one piece */
#define ROOM (4 * TLS_RECORD_BYTES_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_server *server;
static struct tls_client *client;
static uint8_t plain[ROOM];

static int64_t wall_ms(struct clock *c) { return 1700000000000; }
static uint64_t mono_ns(struct clock *c) { return 1000000000; }
static struct clock fixed = {.wall_ms = wall_ms, .mono_ns = mono_ns};

static void begin(void)
{
    buf why = {0};
    certs_begin();
    struct test_cert cert = cert_make("fuzz", "DNS:*.a.example,DNS:b.example", NULL, DAY_S);
    struct tls_server_conf conf = {.certs = cert.cert_file, .keys = cert.key_file,
                                   .client_ca = cert.cert_file,
                                   .client_auth = TLS_CLIENT_OPTIONAL, .clock = &fixed};
    server = tls_server_new(&conf, NULL, &why);
    client = tls_client_new(cert.cert_file, &why);
    ASSERT(server != NULL && client != NULL);
    cert_drop(&cert);
    certs_end();
}

/* A whole handshake with a client of ours. */
static void open_session(struct tls_session *s, struct tls_pipe *pipe)
{
    struct tls_pipe theirs = {0};
    struct tls_session *c = tls_connect(client, &theirs, "b.example", false);
    size_t len;
    (void)tls_feed(c, SPAN_NONE, plain, ROOM, &len);
    for (unsigned i = 0; i < 4; i++) {
        (void)tls_feed(s, buf_span(&theirs.out), plain, ROOM, &len);
        buf_clear(&theirs.out);
        (void)tls_feed(c, buf_span(&pipe->out), plain, ROOM, &len);
        buf_clear(&pipe->out);
    }
    ASSERT(tls_state_of(s) == TLS_OPEN);
    tls_session_free(c);
    tls_pipe_deinit(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > TLS_RECORD_BYTES_MAX) {
        return 0;
    }
    if (server == NULL) {
        begin();
    }
    struct tls_pipe pipe = {0};
    struct tls_session *s = tls_accept(server, &pipe);
    bool after = (data[0] & AFTER) != 0;
    size_t step = (data[0] & CUT_BITS) == CUT_BITS ? size : (data[0] & CUT_BITS) + 1u;
    if (after) {
        open_session(s, &pipe);
    }
    enum tls_state state = tls_state_of(s);
    span rest = span_of(data + 1, size - 1);
    for (; rest.len > 0; rest = span_slice(rest, step, rest.len)) {
        size_t len;
        state = tls_feed(s, span_slice(rest, 0, step), plain, ROOM, &len);
        ASSERT(len == 0); /* nobody had a key */
    }
    ASSERT(after || state == TLS_HANDSHAKE || state == TLS_FAILED);
    ASSERT((state == TLS_FAILED) == (tls_fault_of(s) != TLS_FAULT_NONE));
    tls_end(s);
    tls_session_free(s);
    tls_pipe_deinit(&pipe);
    return 0;
}
