/* A job as it is stored, for whoever may see it. */
#include "domain/chat_robot_internal.h"

struct job_get {
    struct chat_ask ask; /* first */
    uuid job;
};

static uuid cell_uuid(const struct store_value *cell)
{
    uuid id = UUID_NIL;
    (void)uuid_parse(store_text(cell), &id); /* NULL: none */
    return id;
}

static struct chat_job_row read_row(uuid id, const struct store_value *cells)
{
    return (struct chat_job_row){
        .id = id,
        .room = cell_uuid(&cells[0]),
        .robot = cell_uuid(&cells[1]),
        .asker = cell_uuid(&cells[2]),
        .prompt = store_text(&cells[3]),
        .visibility = (enum chat_visibility)shape_chat_visibility_of(store_text(&cells[4])),
        .state = (enum chat_job_state)shape_chat_job_state_of(store_text(&cells[5])),
        .error = store_text(&cells[6]),
        .message = cell_uuid(&cells[7]),
        .answer = store_text(&cells[8]),
        .created_ms = store_int(&cells[9]),
        .ended_ms = store_int(&cells[10]),
    };
}

static void answer(struct job_get *x, const struct store_req *req)
{
    struct chat_ask *a = &x->ask;
    struct chat_job_row row = {.room = UUID_NIL};
    if (req->error == ERR_NONE && req->steps[0].row_count > 0) {
        row = read_row(x->job, store_cell(req, 0, 0, 0));
    }
    bool own = row.visibility == CHAT_VISIBLE_ROOM || uuid_eq(row.asker, a->who.actor.id);
    if (req->error != ERR_NONE) {
        chat_answer(a, req->error);
    } else if (!uuid_eq(row.room, a->id) || !own) {
        chat_answer(a, ERR_NOT_FOUND);
    } else {
        buf json = {0};
        robot_put_job(&json, &row);
        a->result.id = x->job;
        a->result.json = arena_dup(&a->arena, buf_span(&json));
        buf_deinit(&json);
        chat_answer(a, ERR_NONE);
    }
}

static void got(struct store_req *req)
{
    struct job_get *x = req->owner;
    struct chat_room *r = x->ask.room;
    x->ask.room = NULL;
    answer(x, req);
    store_req_free(req);
    chat_release(r);
}

static void get_at_home(struct chat_ask *a, struct chat_room *r)
{
    struct job_get *x = CONTAINER_OF(a, struct job_get, ask);
    struct chat_member_of *member;
    if (r == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return;
    }
    if (!chat_sees(a, r, &member)) {
        return; /* answered */
    }
    struct home *h = r->chat->home;
    chat_hold(r);
    a->room = r;
    struct store_req *req = store_req_new(h->index, 1, got, x);
    store_step_init(req, 0, QUERY_ROBOT_JOB_GET, 1);
    robot_set_uuid(req, 0, 0, x->job);
    h->store->submit(h->store, req);
}

void chat_robot_job_get(struct home *h, uuid room, uuid job, const struct chat_who *who,
                        chat_done done, void *owner)
{
    struct job_get *x = chat_ask_new(h, sizeof *x, room, get_at_home, who, NULL, done, owner);
    x->job = job;
    chat_ask_start(&x->ask);
}
