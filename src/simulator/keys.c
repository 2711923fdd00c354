/* Ids and keys of devices. */
#include "simulator/simulator.h"

#include "base/mem.h"
#include "base/uuid.h"

#include <string.h>

/* Longest key or token of a line. */
#define KEY_MAX 4096

void simulator_keys_add(struct simulator_keys *k, span id, span key)
{
    if (k->count == k->cap) {
        k->cap = k->cap == 0 ? 64 : k->cap * 2;
        k->items = mem_realloc(k->items, k->cap * sizeof *k->items);
    }
    k->items[k->count++] = (struct simulator_key){.id = mem_strndup(id.ptr, id.len),
                                                  .key = mem_strndup(key.ptr, key.len)};
}

void simulator_keys_deinit(struct simulator_keys *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        explicit_bzero(k->items[i].key, strlen(k->items[i].key));
        mem_free(k->items[i].id);
        mem_free(k->items[i].key);
    }
    mem_free(k->items);
    *k = (struct simulator_keys){0};
}

static bool read_line(struct simulator_keys *k, span line)
{
    uuid id;
    span rest = span_trim(line);
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '\r') {
        rest.len--;
    }
    if (rest.len == 0 || rest.ptr[0] == '#') {
        return true;
    }
    span first = span_cut(&rest, ' ');
    span key = span_trim(rest);
    if (!uuid_parse(first, &id) || key.len == 0 || key.len > KEY_MAX ||
        k->count == SIMULATOR_DEVICES_MAX) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] <= ' ' || key.ptr[i] > '~') {
            return false;
        }
    }
    simulator_keys_add(k, first, key);
    return true;
}

bool simulator_keys_read(struct simulator_keys *k, span text, unsigned *line)
{
    for (*line = 1; text.len > 0; (*line)++) {
        if (!read_line(k, span_cut(&text, '\n'))) {
            return false;
        }
    }
    return true;
}
