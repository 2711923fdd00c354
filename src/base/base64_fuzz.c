/* What decodes must encode to the same text (decoding is strict), and every input must survive
 * encoding and decoding. */
#include "base/base64.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
    if (!cond) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    span in = span_of(data, size);
    /* Exactly the documented sizes, so that a sanitizer sees one byte too many. */
    uint8_t *bytes = malloc(size / 4 * 3 + 3);
    char *text = malloc(BASE64_SIZE(size) + size * 2 + 1);
    uint8_t *back = malloc(BASE64_SIZE(size) / 4 * 3 + 3);
    require(bytes != NULL && text != NULL && back != NULL);

    ptrdiff_t n = base64_decode(in, bytes);
    if (n >= 0) {
        size_t len = base64_encode(span_of(bytes, (size_t)n), text);
        require(span_eq(span_of(text, len), in));
    }
    n = base64url_decode(in, bytes);
    if (n >= 0) {
        size_t len = base64url_encode(span_of(bytes, (size_t)n), text);
        require(span_eq(span_of(text, len), in));
    }
    size_t len = base64_encode(in, text);
    n = base64_decode(span_of(text, len), back);
    require(len == BASE64_SIZE(size) && n == (ptrdiff_t)size && span_eq(span_of(back, size), in));
    len = base64url_encode(in, text);
    n = base64url_decode(span_of(text, len), back);
    require(n == (ptrdiff_t)size && span_eq(span_of(back, size), in));

    hex_encode(in, text);
    require(hex_decode(span_of(text, size * 2), back) && span_eq(span_of(back, size), in));
    free(bytes);
    free(text);
    free(back);
    return 0;
}
