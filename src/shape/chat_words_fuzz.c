/* Whatever is typed, the store gets pieces in double quotes, none within, and nothing else. */
#include "shape/chat_words.h"

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why;
    buf out = {0};
    bool ok = chat_words(span_of(data, size), &out, &why);
    ASSERT(ok == (out.len > 0) && ok == (why == NULL));
    ASSERT(!ok || !utf8_valid(span_of(data, size)) || utf8_valid(buf_span(&out)));
    unsigned count = 0;
    for (size_t i = 0; i < out.len; i++) {
        ASSERT(out.ptr[i] == '"');
        size_t from = ++i;
        while (i < out.len && out.ptr[i] != '"') {
            ASSERT(out.ptr[i] >= ' ' && out.ptr[i] != 0x7f);
            i++;
        }
        ASSERT(i < out.len && i > from);
        i += i + 1 < out.len && out.ptr[i + 1] == '*' ? 2 : 1;
        ASSERT(i == out.len || out.ptr[i] == ' ');
        count++;
    }
    ASSERT(count <= CHAT_WORDS_MAX);
    buf_deinit(&out);
    return 0;
}
