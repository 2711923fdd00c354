/* The newest value of each sensor, loaded from the store when somebody first asks. A device may
 * have more sensors than are kept: then the one told longest ago is forgotten. */
#include "domain/telemetry_internal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "shape/telemetry.h"

#include <stdlib.h>
#include <string.h>

/* Columns of TELEMETRY_LATEST. */
enum { LATEST_SENSOR, LATEST_VALUE, LATEST_UNIT, LATEST_METADATA, LATEST_AT, LATEST_SAMPLE };

/* --- sensors --- */

static bool same_sensor(const struct map_node *n, const void *key)
{
    return span_eq(CONTAINER_OF(n, struct sensor, node)->newest.sensor_type, *(const span *)key);
}

static void sensor_free(struct sensor *s)
{
    mem_free(s->text);
    mem_free(s);
}

static span append(struct sensor *s, size_t *at, span text)
{
    if (text.len > 0) {
        memcpy(s->text + *at, text.ptr, text.len);
    }
    *at += text.len;
    return span_of(s->text + *at - text.len, text.len);
}

/* Its name stays as it is, at the beginning of the text. */
static void keep(struct sensor *s, const struct telemetry_sample *in)
{
    size_t at = in->sensor_type.len;
    size_t bytes = at + in->unit.len + in->metadata.len + in->sample_id.len;
    if (bytes > s->text_cap) {
        bool first = s->text == NULL;
        s->text = mem_realloc(s->text, bytes);
        s->text_cap = bytes;
        if (first) {
            memcpy(s->text, in->sensor_type.ptr, at);
        }
    }
    s->newest = (struct telemetry_sample){.value = in->value, .at_ms = in->at_ms};
    s->newest.sensor_type = span_of(s->text, at);
    s->newest.unit = append(s, &at, in->unit);
    s->newest.metadata = append(s, &at, in->metadata);
    s->newest.sample_id = append(s, &at, in->sample_id);
}

/* Messages of one sensor replace each other before a slow reader, who may follow many devices. */
static uint64_t state_key(uuid device, span name)
{
    uint64_t key = hash_bytes(name) * 31 + uuid_hash(device);
    return key == 0 ? 1 : key;
}

static struct sensor *sensor_new(struct device *d, const struct telemetry_sample *in)
{
    struct device_telemetry *t = d->telemetry;
    unsigned max = d->fleet->home->conf->telemetry_sensors_max;
    struct sensor *s = mem_calloc(1, sizeof *s);
    bool full = t->count >= max;
    while (t->count >= max) { /* several when the setting has become less */
        struct sensor *old = LIST_ITEM(t->used.next, struct sensor, used);
        telemetry_flush_sensor(d, old);
        map_remove(&t->sensors, &old->node);
        list_remove(&old->used);
        s->index = old->index;
        sensor_free(old);
        t->count--;
    }
    t->count++;
    s->index = full ? s->index : t->indices++;
    s->state_key = state_key(d->id, in->sensor_type);
    list_init(&s->used);
    list_push(&t->used, &s->used);
    keep(s, in);
    map_put(&t->sensors, hash_bytes(in->sensor_type), &s->node);
    return s;
}

struct sensor *telemetry_sensor(struct device *d, span name)
{
    struct map_node *n = map_get(&d->telemetry->sensors, hash_bytes(name), same_sensor, &name);
    return n == NULL ? NULL : CONTAINER_OF(n, struct sensor, node);
}

struct sensor *telemetry_take(struct device *d, const struct telemetry_sample *in)
{
    struct device_telemetry *t = d->telemetry;
    struct sensor *s = telemetry_sensor(d, in->sensor_type);
    if (s == NULL) {
        return sensor_new(d, in);
    }
    if (in->at_ms <= s->newest.at_ms) {
        return NULL;
    }
    keep(s, in);
    list_remove(&s->used);
    list_push(&t->used, &s->used);
    return s;
}

/* --- loading --- */

void telemetry_free(struct device *d)
{
    struct device_telemetry *t = d->telemetry;
    struct map_node *n;
    if (t == NULL) {
        return;
    }
    while ((n = map_pop(&t->sensors)) != NULL) {
        sensor_free(CONTAINER_OF(n, struct sensor, node));
    }
    map_deinit(&t->sensors);
    telemetry_rates_free(t);
    mem_free(t);
    d->telemetry = NULL;
}

static void load_row(struct device *d, const struct store_value *cells)
{
    struct telemetry_sample s = {.sensor_type = store_text(&cells[LATEST_SENSOR]),
                                 .unit = store_text(&cells[LATEST_UNIT]),
                                 .metadata = store_text(&cells[LATEST_METADATA]),
                                 .sample_id = store_text(&cells[LATEST_SAMPLE]),
                                 .value = store_real(&cells[LATEST_VALUE]),
                                 .at_ms = store_int(&cells[LATEST_AT])};
    (void)telemetry_take(d, &s);
}

static void loaded(struct store_req *req)
{
    struct device *d = req->owner;
    struct device_telemetry *t = d->telemetry;
    err error = req->error;
    struct list waiting;
    list_init(&waiting);
    list_splice(&waiting, &t->waiting);
    if (error == ERR_NONE) {
        for (unsigned i = 0; i < req->steps[0].row_count; i++) {
            load_row(d, store_cell(req, 0, i, 0));
        }
        t->ready = true;
    } else {
        telemetry_free(d); /* the next one who asks tries again */
    }
    store_req_free(req);
    while (!list_empty(&waiting)) {
        struct wait *w = LIST_ITEM(waiting.next, struct wait, link);
        list_remove(&w->link);
        err e = d->state == DEVICE_GONE ? ERR_DEVICE_NOT_FOUND : error;
        w->ready(w, e == ERR_NONE ? d : NULL, e);
    }
    device_release(d);
}

static void load(struct device *d)
{
    struct home *h = d->fleet->home;
    struct store_req *req = store_req_new(h->index, 1, loaded, d);
    struct device_telemetry *t = mem_calloc(1, sizeof *t);
    list_init(&t->waiting);
    list_init(&t->used);
    d->telemetry = t;
    device_hold(d);
    req->row_max = h->conf->telemetry_sensors_max;
    store_step_init(req, 0, QUERY_TELEMETRY_LATEST, 1);
    req_set_uuid(req, 0, 0, 0, d->id);
    store_set_int(req, 0, 0, 1, h->conf->telemetry_sensors_max);
    req_submit(h, req);
}

void telemetry_need(struct device *d, struct wait *w)
{
    if (d->telemetry != NULL && d->telemetry->ready) {
        w->ready(w, d, ERR_NONE);
        return;
    }
    if (d->telemetry == NULL) {
        load(d);
    }
    list_push(&d->telemetry->waiting, &w->link);
}

/* --- what is known --- */

struct latest {
    struct ask ask;
    telemetry_shown shown;
};

static int by_name(const void *a, const void *b)
{
    span x = (*(struct sensor *const *)a)->newest.sensor_type;
    span y = (*(struct sensor *const *)b)->newest.sensor_type;
    int order = memcmp(x.ptr, y.ptr, x.len < y.len ? x.len : y.len);
    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

static void put_latest(struct device *d, struct ask *a)
{
    struct device_telemetry *t = d->telemetry;
    struct sensor **sorted = ARENA_ARRAY(&a->arena, struct sensor *, t->count + 1);
    unsigned n = 0;
    LIST_EACH(it, &t->used) {
        sorted[n++] = LIST_ITEM(it, struct sensor, used);
    }
    qsort(sorted, n, sizeof sorted[0], by_name);
    buf json = {0};
    buf_append_byte(&json, '[');
    for (unsigned i = 0; i < n; i++) {
        if (i > 0) {
            buf_append_byte(&json, ',');
        }
        telemetry_put_json(&json, d->id, &sorted[i]->newest, false);
    }
    buf_append_byte(&json, ']');
    a->result.json = ask_copy(a, buf_span(&json));
    buf_deinit(&json);
}

static void latest_ready(struct wait *w, struct device *d, err error)
{
    struct ask *a = CONTAINER_OF(w, struct ask, wait);
    if (d != NULL) {
        put_latest(d, a);
    }
    ask_answer(a, error);
}

static void latest_at_home(struct ask *a, struct device *d)
{
    a->wait.ready = latest_ready;
    telemetry_need(d, &a->wait);
}

static void latest_back(struct ask *a)
{
    ((struct latest *)a)->shown(a->owner, a->result.error, a->result.json);
}

void telemetry_latest(struct home *h, uuid device, telemetry_shown done, void *owner)
{
    struct latest *l = ask_new(h, sizeof *l, device, latest_at_home, NULL, owner);
    l->shown = done;
    l->ask.at_caller = latest_back;
    ask_start(&l->ask);
}
