/* What parses formats to the same text in lower case; 16 bytes survive format and parse. */
#include "base/uuid.h"

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
    char text[UUID_TEXT_LEN + 1];
    uuid u;
    if (uuid_parse(span_of(data, size), &u)) {
        uuid_format(u, text);
        require(span_ieq(span_of(text, UUID_TEXT_LEN), span_of(data, size)));
    }
    if (size >= 16) {
        uuid back;
        memcpy(u.bytes, data, 16);
        uuid_format(u, text);
        require(uuid_parse(span_of(text, UUID_TEXT_LEN), &back) && uuid_eq(u, back));
        require(uuid_hash(u) == uuid_hash(back));
    }
    return 0;
}
