/* Which namespaces there are, and who serves them. */
#include "edge/socketio/internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

void sio_nsp_register(struct edge *e, const char *pattern, const struct sio_nsp_ops *ops)
{
    struct sio_loop *l = e->sio;
    ASSERT(l->rule_count < SIO_RULES_MAX && strlen(pattern) <= SIO_NAMESPACE_BYTES_MAX);
    l->rules[l->rule_count].pattern = pattern;
    l->rules[l->rule_count++].ops = ops;
}

/* `*` stands for any characters but '/', also none. Both are short. */
static bool fits(const char *pattern, span name)
{
    const char *star = NULL;
    size_t at = 0, after = 0;
    while (at < name.len) {
        if (*pattern == '*') {
            star = ++pattern;
            after = at;
        } else if (*pattern != '\0' && (uint8_t)*pattern == name.ptr[at]) {
            pattern++;
            at++;
        } else if (star != NULL && name.ptr[after] != '/') {
            pattern = star;
            at = ++after;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

const struct sio_nsp_ops *sio_nsp_ops_of(const struct sio_loop *l, span name)
{
    for (unsigned i = 0; i < l->rule_count; i++) {
        if (fits(l->rules[i].pattern, name)) {
            return l->rules[i].ops;
        }
    }
    return NULL;
}

bool sio_nsp_any_msgpack(const struct sio_loop *l)
{
    bool any = false;
    for (unsigned i = 0; i < l->rule_count; i++) {
        any = any || l->rules[i].ops->msgpack;
    }
    return any;
}

static bool name_eq(const struct map_node *node, const void *key)
{
    const struct sio_nsp *n = CONTAINER_OF(node, struct sio_nsp, node);
    return span_eq(span_of(n->name, n->len), *(const span *)key);
}

struct sio_nsp *sio_nsp_take(struct sio_loop *l, span name)
{
    if (name.len == 0 || name.len > SIO_NAMESPACE_BYTES_MAX) {
        return NULL;
    }
    uint64_t hash = hash_bytes(name);
    struct map_node *node = map_get(&l->names, hash, name_eq, &name);
    if (node != NULL) {
        struct sio_nsp *known = CONTAINER_OF(node, struct sio_nsp, node);
        known->sockets++;
        return known;
    }
    const struct sio_nsp_ops *ops = sio_nsp_ops_of(l, name);
    if (ops == NULL) {
        return NULL;
    }
    struct sio_nsp *n = mem_calloc(1, sizeof *n + name.len + 1);
    n->ops = ops;
    n->sockets = 1;
    n->len = (uint8_t)name.len;
    memcpy(n->name, name.ptr, name.len);
    map_put(&l->names, hash, &n->node);
    return n;
}

void sio_nsp_give_back(struct sio_loop *l, struct sio_nsp *n)
{
    if (--n->sockets == 0) {
        map_remove(&l->names, &n->node);
        mem_free(n);
    }
}
