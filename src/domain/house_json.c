/* Rooms and entities as JSON. */
#include "domain/house_internal.h"

#include "shape/house.h"

void room_json(const struct room *r, buf *out) { house_put_room(out, &r->row, r->entity_count); }

void entity_json(const struct entity *e, buf *out)
{
    struct house_entity_row row = {
        .entity_id = e->entity_id,
        .name = e->name,
        .room = entity_room(e),
        .device = e->device,
        .capability = e->capability,
        .state = entity_shown(e),
        .attributes = e->attributes,
        .available = e->available,
        .changed_ms = e->changed_ms,
        .said_ms = e->updated_ms,
        .created_ms = e->row_created_ms,
        .updated_ms = e->row_updated_ms,
        .version = e->version,
    };
    LIST_EACH(it, &e->aliases) {
        if (row.alias_count == HOUSE_ALIASES_MAX) {
            break;
        }
        row.aliases[row.alias_count++] = LIST_ITEM(it, struct alias, link)->entity_id;
    }
    house_put_entity(out, &row);
}

static void put(struct house_ask *a, buf *json, int64_t version)
{
    a->result.json = arena_dup(&a->arena, buf_span(json));
    a->result.version = version;
    buf_deinit(json);
}

void house_result_room(struct house_ask *a, const struct room *r)
{
    buf json = {0};
    room_json(r, &json);
    a->result.id = r->row.id;
    put(a, &json, r->row.version);
}

void house_result_entity(struct house_ask *a, const struct entity *e)
{
    buf json = {0};
    entity_json(e, &json);
    put(a, &json, e->version);
}
