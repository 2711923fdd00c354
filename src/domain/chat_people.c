/* The names of those who may chat. */
#include "domain/chat_people.h"

#include "domain/name_cursor.h"

#include "base/mem.h"

struct people_op {
    struct mail mail; /* a cursor that is refused is answered later, too */
    struct store_req *req;
    unsigned limit;
    chat_people_done done;
    void *owner;
};

static void end(struct people_op *o, const struct chat_people *p)
{
    o->done(o->owner, p);
    store_req_free(o->req);
    mem_free(o);
}

static struct chat_person read_row(const struct store_value *cells)
{
    struct chat_person p = {.name = store_text(&cells[1]),
                            .robot = span_eq(store_text(&cells[2]), SPAN("robot")),
                            .type = store_int(&cells[3]) != 0 ? CHAT_SUPERVISOR : CHAT_EMPLOYEE};
    bool ok = uuid_parse(store_text(&cells[0]), &p.id);
    ASSERT(ok); /* only we write it */
    return p;
}

static void listed(struct store_req *req)
{
    struct people_op *o = req->owner;
    struct chat_person rows[CHAT_PEOPLE_MAX];
    struct chat_people p = {.error = req->error, .rows = rows};
    unsigned found = req->error == ERR_NONE ? req->steps[0].row_count : 0;
    for (p.count = 0; p.count < found && p.count < o->limit; p.count++) {
        rows[p.count] = read_row(store_cell(req, 0, p.count, 0));
    }
    if (found > o->limit) { /* one more was asked for, to know */
        p.next = name_cursor(&req->arena, store_text(store_cell(req, 0, p.count - 1, 0)),
                             rows[p.count - 1].name);
    }
    end(o, &p);
}

static void refused(struct mail *m)
{
    end(CONTAINER_OF(m, struct people_op, mail),
        &(struct chat_people){.error = ERR_INVALID_REQUEST});
}

/* As SQL's lower(): ASCII only. */
static span lower(struct arena *arena, span text)
{
    uint8_t *out = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        out[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
    }
    return span_of(out, text.len);
}

void chat_people_list(struct home *h, const struct chat_people_filter *in, chat_people_done done,
                      void *owner)
{
    ASSERT(in->limit >= 1 && in->limit <= CHAT_PEOPLE_MAX);
    struct people_op *o = mem_calloc(1, sizeof *o);
    span id, name;
    o->req = store_req_new(h->index, 1, listed, o);
    o->limit = in->limit;
    o->done = done;
    o->owner = owner;
    if (!name_cursor_read(&o->req->arena, in->after, &id, &name)) {
        o->mail.run = refused;
        post_mail(h->post, h->index, &o->mail);
        return;
    }
    o->req->row_max = in->limit + 1;
    store_step_init(o->req, 0, QUERY_CHAT_PEOPLE, 1);
    if (in->text.len > 0) {
        store_set_text(o->req, 0, 0, 0, lower(&o->req->arena, in->text));
    }
    store_set_text(o->req, 0, 0, 1, name);
    store_set_text(o->req, 0, 0, 2, id);
    store_set_int(o->req, 0, 0, 3, (int64_t)in->limit + 1);
    h->store->submit(h->store, o->req);
}
