#include "ports/tokens.h"

const char *token_fault_name(enum token_fault f)
{
    static const char *const names[TOKEN_FAULT_COUNT] = {
        [TOKEN_OK] = "ok",
        [TOKEN_MALFORMED] = "malformed",
        [TOKEN_BAD_ALGORITHM] = "bad_algorithm",
        [TOKEN_UNKNOWN_KEY] = "unknown_key",
        [TOKEN_BAD_SIGNATURE] = "bad_signature",
        [TOKEN_EXPIRED] = "expired",
        [TOKEN_NOT_YET_VALID] = "not_yet_valid",
        [TOKEN_BAD_ISSUER] = "bad_issuer",
        [TOKEN_BAD_AUDIENCE] = "bad_audience",
        [TOKEN_BAD_CLAIM] = "bad_claim",
    };
    return names[f];
}
