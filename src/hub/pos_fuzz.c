/* Positions: what is parsed is written back as it was. */
#include "hub/pos.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pos p = {1, 2};
    char text[POS_TEXT_MAX];
    bool parsed = pos_parse(span_of(data, size), &p);
    if (parsed && !span_eq(span_of(text, pos_text(p, text)), span_of(data, size))) {
        abort();
    }
    if (!parsed && (p.epoch != 1 || p.n != 2)) {
        abort();
    }
    return 0;
}
