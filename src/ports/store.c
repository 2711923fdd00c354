#include "ports/store.h"

#include "base/assert.h"
#include "base/mem.h"

#define STEPS_MAX 16
#define ROWS_DEFAULT_MAX 10000

struct store_req *store_req_new(unsigned loop, unsigned step_count,
                                void (*done)(struct store_req *), void *owner)
{
    ASSERT(step_count > 0 && step_count <= STEPS_MAX);
    struct store_req *req = mem_calloc(1, sizeof *req);
    req->loop = loop;
    req->step_count = step_count;
    req->steps = ARENA_ARRAY(&req->arena, struct store_step, step_count);
    req->row_max = ROWS_DEFAULT_MAX;
    req->done = done;
    req->owner = owner;
    return req;
}

void store_req_free(struct store_req *req)
{
    if (req != NULL) {
        arena_reset(&req->arena);
        mem_free(req);
    }
}

void store_step_init(struct store_req *req, unsigned i, enum query q, unsigned set_count)
{
    ASSERT(i < req->step_count && set_count > 0);
    struct store_step *step = &req->steps[i];
    step->query = q;
    step->set_count = set_count;
    size_t count = (size_t)set_count * query_param_count(q);
    step->params = ARENA_ARRAY(&req->arena, struct store_value, count == 0 ? 1 : count);
}

static struct store_value *param(struct store_req *req, unsigned i, unsigned set, unsigned p)
{
    ASSERT(i < req->step_count);
    struct store_step *step = &req->steps[i];
    ASSERT(set < step->set_count && p < query_param_count(step->query));
    size_t at = (size_t)set * query_param_count(step->query) + p;
    return (struct store_value *)&step->params[at];
}

void store_set_int(struct store_req *req, unsigned i, unsigned set, unsigned p, int64_t v)
{
    *param(req, i, set, p) = (struct store_value){.type = STORE_INT, .i = v};
}

void store_set_real(struct store_req *req, unsigned i, unsigned set, unsigned p, double v)
{
    *param(req, i, set, p) = (struct store_value){.type = STORE_REAL, .d = v};
}

void store_set_text(struct store_req *req, unsigned i, unsigned set, unsigned p, span v)
{
    *param(req, i, set, p) =
        (struct store_value){.type = STORE_TEXT, .s = arena_dup(&req->arena, v)};
}

void store_set_blob(struct store_req *req, unsigned i, unsigned set, unsigned p, span v)
{
    *param(req, i, set, p) =
        (struct store_value){.type = STORE_BLOB, .s = arena_dup(&req->arena, v)};
}

const struct store_value *store_cell(const struct store_req *req, unsigned i, unsigned row,
                                     unsigned column)
{
    ASSERT(i < req->step_count);
    const struct store_step *step = &req->steps[i];
    ASSERT(row < step->row_count && column < query_column_count(step->query));
    return &step->cells[(size_t)row * query_column_count(step->query) + column];
}
