/* Any bytes as a file or answer of keys; what is taken for a key verifies nothing by chance. */
#include "adapters/tokens_jose/key_set.h"

#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct token_parts parts = {.signed_text = SPAN("a.b"), .signature_len = 256};
    struct key_set *open = key_set_new();
    struct key_set *secret = key_set_new();
    const char *why = "";
    bool taken = key_set_read(open, span_of(data, size), false, &why);
    ASSERT(taken ? key_set_count(open) > 0 : why[0] != '\0');
    (void)key_set_read(secret, span_of(data, size), true, &why);
    ASSERT(key_set_count(open) <= key_set_count(secret) && key_set_count(secret) <= KEY_SET_MAX);
    for (unsigned i = 0; i < JOSE_ALG_COUNT; i++) {
        const struct jose_alg_row *row = jose_alg_row((enum jose_alg)i);
        memcpy(parts.alg, row->name, strlen(row->name) + 1);
        parts.signature_len = row->family == JOSE_ECDSA ? 2 * row->bytes
                              : row->bytes > 0          ? row->bytes
                                                        : 256;
        ASSERT(key_set_verify(secret, &parts, 0) != TOKEN_OK || row->family == JOSE_EDDSA);
    }
    key_set_free(open);
    key_set_free(secret);
    return 0;
}
