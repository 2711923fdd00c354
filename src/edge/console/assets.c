/*
 * Finding a console file by its path: a binary search over the generated table.
 */
#include "edge/console/assets.h"

#include "base/assert.h"

static int path_compare(span a, span b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);

    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

const struct console_asset *console_asset_find(span path)
{
    size_t low = 0;
    size_t high = console_asset_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = path_compare(path, console_assets[mid].path);

        if (order == 0) {
            return &console_assets[mid];
        }
        if (order < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

const struct console_asset *console_asset_index(void)
{
    const struct console_asset *index = console_asset_find(SPAN("index.html"));

    ASSERT(index != NULL);
    return index;
}
