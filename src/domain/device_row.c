/* A device's stored members: one block of memory holds all its texts. */
#include "domain/fleet_internal.h"

#include "base/mem.h"
#include "shape/device.h"

#include <string.h>

static span keep(uint8_t **to, span s)
{
    if (s.len > 0) {
        memcpy(*to, s.ptr, s.len);
    }
    span kept = span_of(*to, s.len);
    *to += s.len;
    return kept;
}

void device_row_set(struct device *d, const struct device_row *row)
{
    size_t bytes = row->name.len + row->type.len + row->capabilities.len + row->tags.len +
                   row->metadata.len;
    uint8_t *text = mem_alloc(bytes), *to = text;
    struct device_row kept = *row;
    kept.name = keep(&to, row->name);
    kept.type = keep(&to, row->type);
    kept.capabilities = keep(&to, row->capabilities);
    kept.tags = keep(&to, row->tags);
    kept.metadata = keep(&to, row->metadata);
    mem_free(d->row_text); /* the spans given may have pointed into it */
    d->row_text = text;
    d->row = kept;
}

static int choice(int value) { return value < 0 ? 0 : value; }

void device_row_load(struct device *d, const struct store_value *cells)
{
    struct device_row row = {
        .id = d->id,
        .name = store_text(&cells[1]),
        .type = store_text(&cells[2]),
        .status = (enum device_status)choice(shape_device_status_of(store_text(&cells[3]))),
        .last_seen_ms = store_int(&cells[5]),
        .capabilities = store_text(&cells[6]),
        .tags = store_text(&cells[7]),
        .metadata = store_text(&cells[8]),
        .version = store_int(&cells[9]),
        .created_ms = store_int(&cells[10]),
        .updated_ms = store_int(&cells[11]),
    };
    device_row_set(d, &row);
    presence_loaded(d, shape_connection_status_of(store_text(&cells[4])));
}

void device_json(struct device *d, buf *out)
{
    const struct host *host = d->host;
    struct device_row row;
    presence_row(d, &row);
    device_put(out, &row, host != NULL && host->has_point ? &host->point : NULL,
               host != NULL && host->has_facts ? &host->facts : NULL);
}

void ask_result_device(struct ask *a, struct device *d)
{
    buf out = {0};
    device_json(d, &out);
    a->result.json = arena_dup(&a->arena, buf_span(&out));
    a->result.version = d->row.version;
    a->result.status = d->row.status;
    buf_deinit(&out);
}
