/*
 * What an earlier process left: every robot is read into memory before the loops run, and which
 * jobs were open then. These end as failed when the loops run, with an event for whoever asked.
 */
#include "domain/chat_robot_internal.h"

#include "base/mem.h"

#define PAGE_ROWS 200
#define RETRY_MS 1000

struct left_job {
    uuid id, room, robot, asker;
};

/* Of home 0. */
struct robot_left {
    struct chat *chat;
    struct deadline next;
    struct left_job *jobs;
    unsigned count, cap, done;
    bool writing;
    struct chat_robots *robots;
};

static uuid cell_uuid(const struct store_req *req, unsigned row, unsigned column)
{
    uuid id = UUID_NIL;
    (void)uuid_parse(store_text(store_cell(req, 0, row, column)), &id); /* NULL: nobody */
    return id;
}

/* A page; how many rows, and the last one's id in *after. */
static struct store_req *page(struct store *s, enum query q, uuid *after)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    req->row_max = PAGE_ROWS;
    store_step_init(req, 0, q, 1);
    robot_set_uuid(req, 0, 0, *after);
    store_set_int(req, 0, 0, 1, PAGE_ROWS);
    err error = store_run(s, req);
    ASSERT(error == ERR_NONE); /* the store was opened and migrated a moment ago */
    if (req->steps[0].row_count > 0) {
        *after = cell_uuid(req, req->steps[0].row_count - 1, 0);
    }
    return req;
}

static void load_robots(struct chat_robots *rs, struct home *h)
{
    uuid after = UUID_NIL;
    bool more = true;
    while (more) {
        struct store_req *req = page(h->store, QUERY_ROBOT_PAGE, &after);
        for (unsigned i = 0; i < req->steps[0].row_count; i++) {
            struct chat_robot_row row = robot_row(store_cell(req, 0, i, 0));
            if (home_of(h, row.id) == h->index) {
                (void)robot_set(rs, &row);
            }
            robot_stand_put(rs, row.id,
                            row.enabled && row.url.len > 0 ? ROBOT_THERE : ROBOT_AWAY);
        }
        more = req->steps[0].row_count == PAGE_ROWS;
        store_req_free(req);
    }
}

static void keep_job(struct robot_left *l, const struct store_req *req, unsigned row)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->jobs = mem_realloc(l->jobs, l->cap * sizeof *l->jobs);
    }
    l->jobs[l->count++] = (struct left_job){.id = cell_uuid(req, row, 0),
                                            .room = cell_uuid(req, row, 1),
                                            .robot = cell_uuid(req, row, 2),
                                            .asker = cell_uuid(req, row, 3)};
}

/* --- when the loops run --- */

static void fail_left(struct deadline *d);

static void failed_left(struct store_req *req)
{
    struct robot_left *l = req->owner;
    l->writing = false;
    if (req->error == ERR_NONE) {
        chat_publish(l->chat, NULL, req);
        l->done++;
    }
    if (l->done < l->count && !l->robots->stopping) {
        deadline_set(l->chat->home, &l->next, req->error == ERR_NONE ? 0 : RETRY_MS);
    }
    store_req_free(req);
}

/* One after the other: there are as many as a process had under way. */
static void fail_left(struct deadline *d)
{
    struct robot_left *l = CONTAINER_OF(d, struct robot_left, next);
    struct home *h = l->chat->home;
    const struct left_job *j = &l->jobs[l->done];
    struct chat_job_row row = {
        .id = j->id, .room = j->room, .robot = j->robot, .asker = j->asker};
    bool told = !uuid_is_nil(j->asker);
    struct store_req *req = store_req_new(h->index, told ? 2 : 1, failed_left, l);
    store_step_init(req, 0, QUERY_ROBOT_JOB_END, 1);
    robot_set_uuid(req, 0, 0, j->id);
    store_set_text(req, 0, 0, 1, SPAN("failed"));
    store_set_text(req, 0, 0, 2, SPAN("the server was restarted"));
    store_set_int(req, 0, 0, 5, clock_wall_ms(h->clock));
    if (told) {
        char topic[CHAT_TOPIC_MAX];
        buf data = {0};
        robot_put_error(&data, &row, err_code(ERR_CONNECTION_LOST),
                        "the server was restarted before the robot had answered");
        chat_event_step(l->chat, req, 1, EVENT_CHAT_ERROR, chat_user_topic(j->asker, topic),
                        buf_span(&data), NULL);
        buf_deinit(&data);
    }
    l->writing = true;
    h->store->submit(h->store, req);
}

void robots_load(struct chat_robots *rs)
{
    struct home *h = rs->chat->home;
    rs->loading = true;
    load_robots(rs, h);
    rs->loading = false;
    if (h->index != 0) {
        return;
    }
    struct robot_left *l = mem_calloc(1, sizeof *l);
    *l = (struct robot_left){.chat = rs->chat, .robots = rs, .next.fire = fail_left};
    rs->left = l;
    uuid after = UUID_NIL;
    bool more = true;
    while (more) {
        struct store_req *req = page(h->store, QUERY_ROBOT_JOB_LIST_OPEN, &after);
        for (unsigned i = 0; i < req->steps[0].row_count; i++) {
            keep_job(l, req, i);
        }
        more = req->steps[0].row_count == PAGE_ROWS;
        store_req_free(req);
    }
    if (l->count > 0) {
        deadline_set(h, &l->next, 0);
    }
}

void robots_left_free(struct chat_robots *rs)
{
    if (rs->left != NULL) {
        ASSERT(!rs->left->writing);
        deadline_clear(&rs->left->next);
        mem_free(rs->left->jobs);
        mem_free(rs->left);
        rs->left = NULL;
    }
}
