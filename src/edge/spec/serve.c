/* GET /api/openapi.json and /api/asyncapi.json. */
#include "edge/spec/spec.h"
#include "edge/rest/handlers.h"

#include "base/mem.h"

enum { OPENAPI, ASYNCAPI, SPEC_COUNT };

/* A loop's documents, made when somebody first asks. */
struct specs {
    buf texts[SPEC_COUNT];
};

static void answer(struct rest_call *c, unsigned which)
{
    static void (*const write[SPEC_COUNT])(buf *out) = {[OPENAPI] = spec_openapi,
                                                        [ASYNCAPI] = spec_asyncapi};
    struct edge *e = c->edge;
    if (e->specs == NULL) {
        e->specs = mem_calloc(1, sizeof *e->specs);
    }
    buf *text = &e->specs->texts[which];
    if (text->len == 0) {
        write[which](text);
    }
    c->cache = "no-cache"; /* kept, and asked for again with its ETag */
    rest_raw_cached(c, "application/json", buf_span(text));
}

void rest_openapi(struct rest_call *c) { answer(c, OPENAPI); }
void rest_asyncapi(struct rest_call *c) { answer(c, ASYNCAPI); }

void spec_deinit(struct edge *e)
{
    if (e->specs != NULL) {
        for (unsigned i = 0; i < SPEC_COUNT; i++) {
            buf_deinit(&e->specs->texts[i]);
        }
        mem_free(e->specs);
        e->specs = NULL;
    }
}
