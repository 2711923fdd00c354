/* Any X-Forwarded-For: nothing that a client puts before what proxies of ours add may change who
 * it is, and a client that was found is no proxy of ours unless all were. */
#include "edge/forwarded.h"

#include "base/assert.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_value(span value, const struct trust *t, struct forwarded *out)
{
    static struct http1_request req;
    req.fields.count = 1;
    req.fields.items[0] = (struct http1_field){.name = SPAN("X-Forwarded-For"), .value = value};
    forwarded_read(&req, t, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trust t;
    struct forwarded first, forged;
    span bad;
    buf longer = {0};
    bool parsed = trust_parse(SPAN("10.0.0.0/8, ::1"), &t, &bad);
    ASSERT(parsed);
    read_value(span_of(data, size), &t, &first);
    buf_append_str(&longer, "6.6.6.6, ");
    buf_append(&longer, data, size);
    read_value(buf_span(&longer), &t, &forged);
    if (first.has_client && !trust_holds(&t, &first.client)) {
        ASSERT(forged.has_client);
        ASSERT(memcmp(&first.client, &forged.client, sizeof first.client) == 0);
    }
    buf_deinit(&longer);
    return 0;
}
