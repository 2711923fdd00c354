/*
 * Commands while everything happens at once: devices come, go and are taken over, answer or not,
 * the store fails, the process dies. Whatever the order, a command is on disk before its device
 * sees it, first comings are in the order of creation, a requestId is one command, what was
 * acknowledged to anybody is stored, every command ends, and the log tells each one's phases once
 * and in order.
 */
#include "sim/command_world.h"

#include "base/mem.h"
#include "shape/decode.h"

#include <stdio.h>
#include <string.h>

enum { DEVICES = 3, CALLS = 64, STEPS = 120, REQUESTS = 24, WAITS_MS = 150000 };

static const uuid people[2] = {{{1}}, {{2}}};

struct asked {
    struct sent sent;
    bool busy;
    bool sending;
    unsigned device;
    char request[16];
};

struct chaos {
    struct world w;
    struct gadget *gadgets;
    struct asked asked[CALLS];
    int64_t expires_ms;
    uuid ids[DEVICES][REQUESTS]; /* of commands that somebody was told are recorded */
};

static uint64_t below(struct chaos *c, uint64_t n)
{
    return sim_random_below(sim_random(c->w.sim), n);
}

/* --- what is on disk --- */

static struct store_req *row_of(struct world *w, uuid device, const char *request)
{
    char id[UUID_TEXT_LEN + 1];
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    uuid_format(device, id);
    store_step_init(req, 0, QUERY_COMMAND_BY_REQUEST, 1);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_set_text(req, 0, 0, 1, span_str(request));
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    return req;
}

static span cell(const struct store_req *req, unsigned column)
{
    return store_text(store_cell(req, 0, 0, column));
}

static void it_is_recorded(struct gadget *g, struct got *got)
{
    struct store_req *req = row_of(g->world, g->id, got->request);
    SIM_CHECK(req->steps[0].row_count == 1);
    store_req_free(req);
}

/* --- what happens --- */

static void take_answers(struct chaos *c)
{
    for (unsigned i = 0; i < CALLS; i++) {
        struct asked *a = &c->asked[i];
        if (a->busy && a->sent.done) {
            a->busy = false;
            unsigned n = 0;
            SIM_CHECK(sscanf(a->request, "r%u", &n) == 1);
            uuid *id = &c->ids[a->device][n];
            if (a->sending && a->sent.error == ERR_NONE) {
                SIM_CHECK(uuid_is_nil(*id) || uuid_eq(*id, a->sent.id));
                *id = a->sent.id;
            } else if (a->sent.error == ERR_INVALID_MESSAGE_FORMAT) {
                SIM_CHECK(strcmp(a->sent.why, "DUPLICATE_REQUEST") == 0 ||
                          strncmp(a->sent.why, "expiresAt", 9) == 0);
            }
        }
    }
}

static struct asked *free_call(struct chaos *c)
{
    for (unsigned i = 0; i < CALLS; i++) {
        if (!c->asked[i].busy) {
            return &c->asked[i];
        }
    }
    return NULL;
}

static void do_send(struct chaos *c)
{
    struct asked *a = free_call(c);
    if (a == NULL) {
        return;
    }
    unsigned n = (unsigned)below(c, REQUESTS), device = (unsigned)below(c, DEVICES);
    char parameters[32];
    snprintf(a->request, sizeof a->request, "r%u", n);
    snprintf(parameters, sizeof parameters, "{\"n\":%u}", world_chance(&c->w, 90) ? n : 1000);
    struct command_draft draft = {.device = c->gadgets[device].id,
                                  .command = SPAN("go"),
                                  .parameters = span_str(parameters),
                                  .request_id = span_str(a->request),
                                  .timeout_ms = n % 3 == 0 ? 2000 : 0,
                                  .queue = n % 2 == 0,
                                  .expires_ms = n % 2 == 0 ? c->expires_ms : 0,
                                  .no_response = n % 5 == 0};
    a->busy = a->sending = true;
    a->device = device;
    command_start(&c->w, &a->sent, &draft, people[n % 7 == 0 ? 0 : 1]);
}

static void do_other_call(struct chaos *c)
{
    struct asked *a = free_call(c);
    unsigned n = (unsigned)below(c, REQUESTS), device = (unsigned)below(c, DEVICES);
    uuid id = c->ids[device][n];
    if (a == NULL || uuid_is_nil(id)) {
        return;
    }
    snprintf(a->request, sizeof a->request, "r%u", n);
    a->busy = true;
    a->sending = false;
    a->device = device;
    if (world_chance(&c->w, 30)) {
        command_stop_start(&c->w, &a->sent, c->gadgets[device].id, id);
    } else {
        command_watch_start(&c->w, &a->sent, c->gadgets[device].id, id,
                            (uint32_t)below(c, 20000));
    }
}

static void do_gadget(struct chaos *c)
{
    struct gadget *g = &c->gadgets[below(c, DEVICES)];
    switch (below(c, 6)) {
    case 0:
        gadget_disconnect(g);
        break;
    case 1:
        g->acks = world_chance(&c->w, 50);
        break;
    case 2:
        g->answers = world_chance(&c->w, 50);
        break;
    case 3:
        g->deaf = world_chance(&c->w, 30);
        break;
    default:
        if (g->plug_count < ARRAY_LEN(g->plugs)) {
            gadget_connect(g);
            if (world_chance(&c->w, 50)) {
                gadget_register(g, world_chance(&c->w, 50) ? "[\"command-ack\"]" : "[]");
            }
        }
        break;
    }
}

static void do_respond(struct chaos *c)
{
    struct gadget *g = &c->gadgets[below(c, DEVICES)];
    if (g->got_count > 0) {
        gadget_respond(g, g->got[below(c, g->got_count)].request,
                       (enum response_status)below(c, 4), "[1]");
    }
}

static void crash(struct chaos *c)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        gadget_cut(&c->gadgets[i]);
    }
    world_crash(&c->w);
}

/* In the middle of what was just begun. */
static void crash_soon(struct chaos *c)
{
    struct gadget *g = &c->gadgets[below(c, DEVICES)];
    do_send(c);
    for (unsigned i = 0; i < g->got_count && g->plug != NULL; i++) {
        if (!g->got[i].settled) {
            gadget_respond(g, g->got[i].request, RESPONSE_SUCCESS, "[1]");
        }
    }
    for (uint64_t n = below(c, 60); n > 0; n--) {
        (void)sim_step(c->w.sim);
    }
    crash(c);
}

static void step(struct chaos *c)
{
    uint64_t what = below(c, 100);
    if (what < 40) {
        do_send(c);
    } else if (what < 60) {
        do_gadget(c);
    } else if (what < 80) {
        do_respond(c);
    } else if (what < 90) {
        do_other_call(c);
    } else if (what < 95) {
        sim_store_set_failures(c->w.db, world_chance(&c->w, 50) ? 30 : 0, ERR_STORE_FAILED);
    } else if (what < 98) {
        crash_soon(c);
    }
    sim_run_ms(c->w.sim, (int64_t)sim_random_size(sim_random(c->w.sim), 3000) - 1);
    take_answers(c);
}

/* --- what must be true in the end --- */

static void check_rows(struct chaos *c, struct gadget *g, unsigned device)
{
    char last[UUID_TEXT_LEN + 1] = "", request[16], id[UUID_TEXT_LEN + 1];
    for (unsigned i = 0; i < g->got_count; i++) {
        struct got *got = &g->got[i];
        struct store_req *req = row_of(&c->w, g->id, got->request);
        SIM_CHECK(req->steps[0].row_count == 1 && got->runs <= 1);
        span phase = cell(req, 8);
        bool answered = span_eq(phase, SPAN("done")) || span_eq(phase, SPAN("failed")) ||
                        store_int(store_cell(req, 0, 0, 22)) == 1;
        SIM_CHECK(!got->settled || answered);
        snprintf(id, sizeof id, "%.*s", SPAN_FMT(cell(req, 0)));
        SIM_CHECK(strcmp(last, id) < 0);
        memcpy(last, id, sizeof last);
        store_req_free(req);
    }
    for (unsigned n = 0; n < REQUESTS; n++) {
        snprintf(request, sizeof request, "r%u", n);
        struct store_req *req = row_of(&c->w, g->id, request);
        SIM_CHECK(uuid_is_nil(c->ids[device][n]) || req->steps[0].row_count == 1);
        if (req->steps[0].row_count == 1) {
            int phase = shape_command_phase_of(cell(req, 8));
            SIM_CHECK(phase >= (int)PHASE_DONE);
            uuid_format(c->ids[device][n], id);
            SIM_CHECK(uuid_is_nil(c->ids[device][n]) ||
                      span_eq(cell(req, 0), span_of(id, UUID_TEXT_LEN)));
        }
        store_req_free(req);
    }
}

struct told {
    char id[UUID_TEXT_LEN + 1];
    int phase;
    bool late;
};

static span member(span json, const char *name)
{
    const uint8_t *at = memmem(json.ptr, json.len, name, strlen(name));
    SIM_CHECK(at != NULL);
    span rest = span_slice(json, (size_t)(at - json.ptr) + strlen(name), json.len);
    return span_cut(&rest, '"');
}

static void check_event(struct told *told, unsigned *count, span data)
{
    span id = member(data, "\"commandId\":\"");
    int phase = shape_command_phase_of(member(data, "\"phase\":\""));
    bool late = memmem(data.ptr, data.len, "\"late\":true", 11) != NULL;
    unsigned i = 0;
    while (i < *count && !span_eq(span_str(told[i].id), id)) {
        i++;
    }
    if (i == *count) {
        SIM_CHECK(*count < DEVICES * REQUESTS);
        snprintf(told[i].id, sizeof told[i].id, "%.*s", SPAN_FMT(id));
        told[(*count)++].phase = -1;
        told[i].late = false;
    }
    SIM_CHECK(phase > told[i].phase || (phase == told[i].phase && phase == PHASE_ACKNOWLEDGED) ||
              (phase == told[i].phase && late && !told[i].late));
    told[i].phase = phase;
    told[i].late = late;
}

static struct store_req *events_after(struct world *w, int64_t n)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_EVENT_AFTER, 1);
    store_set_int(req, 0, 0, 0, n);
    store_set_int(req, 0, 0, 1, 200);
    SIM_CHECK(store_run(w->store, req) == ERR_NONE);
    return req;
}

static void check_log(struct chaos *c)
{
    struct told told[DEVICES * REQUESTS];
    unsigned count = 0, results = 0, issuers = 0;
    int64_t n = 0;
    for (unsigned rows = 1; rows > 0;) {
        struct store_req *req = events_after(&c->w, n);
        rows = req->steps[0].row_count;
        for (unsigned i = 0; i < rows; i++) {
            span type = store_text(store_cell(req, 0, i, 3));
            SIM_CHECK(store_int(store_cell(req, 0, i, 0)) == ++n);
            if (span_eq(type, SPAN("command:result"))) {
                check_event(told, &count, store_text(store_cell(req, 0, i, 5)));
                results++;
            }
            issuers += span_eq(type, SPAN("command:result-issuer"));
        }
        store_req_free(req);
    }
    SIM_CHECK(results == issuers);
    for (unsigned i = 0; i < count; i++) {
        SIM_CHECK(told[i].phase >= (int)PHASE_DONE);
    }
}

static void every_command_ends(uint64_t seed)
{
    struct chaos *c = mem_calloc(1, sizeof *c);
    c->gadgets = mem_calloc(DEVICES, sizeof *c->gadgets);
    world_start(&c->w, seed, 0);
    for (unsigned i = 0; i < DEVICES; i++) {
        gadget_init(&c->gadgets[i], &c->w, world_create(&c->w, "d"));
        c->gadgets[i].on_got = it_is_recorded;
    }
    c->expires_ms = clock_wall_ms(sim_clock(c->w.sim)) + WAITS_MS;
    for (unsigned i = 0; i < STEPS; i++) {
        step(c);
    }
    sim_store_set_failures(c->w.db, 0, ERR_NONE);
    if (world_chance(&c->w, 50)) {
        crash(c);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        gadget_disconnect(&c->gadgets[i]);
    }
    sim_run_ms(c->w.sim, WAITS_MS + 40000); /* all time-outs */
    take_answers(c);
    for (unsigned i = 0; i < CALLS; i++) {
        SIM_CHECK(!c->asked[i].busy);
        sent_deinit(&c->asked[i].sent);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        check_rows(c, &c->gadgets[i], i);
        gadget_deinit(&c->gadgets[i]);
    }
    check_log(c);
    world_stop(&c->w);
    mem_free(c->gadgets);
    mem_free(c);
}

int main(int argc, char **argv)
{
    static const struct sim_case cases[] = {
        {"every_command_ends", every_command_ends, 60},
    };
    return sim_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
