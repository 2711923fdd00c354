/* Any bytes as a page of a damaged file: what is read out of it lies in it. */
#include "adapters/store_sqlite/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool within(span part, span whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.len <= whole.len &&
                             part.ptr + part.len <= whole.ptr + whole.len);
}

static void read_cells(const struct page *p)
{
    static struct store_value values[RECORD_VALUES_MAX];
    for (unsigned i = 0; i < p->cell_count; i++) {
        struct page_cell cell;
        if (!page_cell(p, i, &cell)) {
            continue;
        }
        ASSERT(within(cell.local, p->bytes) && cell.local.len <= cell.payload_bytes);
        ASSERT((cell.overflow != 0) == (cell.local.len < cell.payload_bytes));
        unsigned n = record_read(cell.local, values);
        for (unsigned v = 0; v < n; v++) {
            ASSERT(within(store_text(&values[v]), cell.local));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct page p;
    span bytes = span_of(data, size > PAGE_BYTES_MAX ? PAGE_BYTES_MAX : size);
    for (int first = 0; first < 2; first++) {
        if (page_open(bytes, first == 1, &p)) {
            read_cells(&p);
        }
    }
    return 0;
}
