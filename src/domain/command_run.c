/*
 * The life of a command in memory: phases, deadlines, and the device's link. The times of one that
 * was sent are measured by the monotonic clock; what the row says in wall time serves the next
 * process.
 */
#include "domain/command_internal.h"

#include "base/mem.h"
#include "shape/command.h"

#include <string.h>

/* CONTRACT 3: on a live socket again after 1, 2 and 4 s, each +-20 %. */
#define AGAIN_MS 1000
#define AGAIN_TIMES 3
#define AGAIN_SPREAD_PERCENT 20

static struct home *home_of_command(const struct command *c) { return c->device->fleet->home; }

bool command_over(const struct command *c) { return c->row.phase >= PHASE_DONE; }

/* --- the device's list --- */

static span keep(uint8_t **to, span s)
{
    if (s.len > 0) {
        memcpy(*to, s.ptr, s.len);
    }
    span kept = span_of(*to, s.len);
    *to += s.len;
    return kept;
}

static span keep_buf(buf *to, span s)
{
    buf_clear(to);
    if (s.len > 0) {
        buf_append_span(to, s);
    }
    return buf_span(to);
}

static void timed_out(struct deadline *dl);
static void again(struct deadline *dl);

struct command *command_new(struct device *d, const struct command_row *row)
{
    size_t bytes = row->command.len + row->parameters.len + row->request_id.len;
    struct command *c = mem_calloc(1, sizeof *c);
    uint8_t *to = c->text = mem_alloc(bytes);
    c->device = d;
    c->row = *row;
    c->row.command = keep(&to, row->command);
    c->row.parameters = keep(&to, row->parameters);
    c->row.request_id = keep(&to, row->request_id);
    command_set_response(c, row->response);
    command_set_error(c, row->error_code, row->error_message);
    c->token = TOKEN(TOKEN_COMMAND, ++d->fleet->command_last);
    c->timeout.fire = timed_out;
    c->again.fire = again;
    list_init(&c->write.link);
    list_init(&c->told);
    list_init(&c->asks);
    list_init(&c->answers);
    list_init(&c->waits);
    if (d->commands == NULL) {
        d->commands = mem_calloc(1, sizeof *d->commands);
        list_init(&d->commands->open);
    }
    list_push(&d->commands->open, &c->link);
    return c;
}

void command_free(struct command *c)
{
    struct device *d = c->device;
    bool held = c->held;
    ASSERT(list_empty(&c->asks) && list_empty(&c->answers) && list_empty(&c->waits));
    ASSERT(!behind_pending(&c->write));
    deadline_clear(&c->timeout);
    deadline_clear(&c->again);
    command_tell_nothing(c);
    mem_free(c->canceller);
    buf_deinit(&c->response);
    buf_deinit(&c->error_code);
    buf_deinit(&c->error_message);
    mem_free(c->text);
    list_remove(&c->link);
    mem_free(c);
    if (held) {
        device_release(d);
    }
}

void command_settle(struct command *c)
{
    bool pending = !c->recorded || behind_pending(&c->write) || !list_empty(&c->asks) ||
                   !list_empty(&c->answers) || !list_empty(&c->waits);
    if (!pending && command_over(c)) {
        command_free(c);
    } else if ((pending || c->row.phase != PHASE_QUEUED) && !c->held) {
        c->held = true;
        device_hold(c->device);
    } else if (!pending && c->row.phase == PHASE_QUEUED && c->held) {
        c->held = false;
        device_release(c->device);
    }
}

struct command *command_by_request(struct device *d, span request_id)
{
    if (d->commands == NULL || request_id.len == 0) {
        return NULL;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        if (span_eq(c->row.request_id, request_id)) {
            return c;
        }
    }
    return NULL;
}

struct command *command_by_id(struct device *d, uuid id)
{
    if (d->commands == NULL) {
        return NULL;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        if (c->recorded && uuid_eq(c->row.id, id)) {
            return c;
        }
    }
    return NULL;
}

struct command_load command_load_of(const struct device *d)
{
    struct command_load load = {0};
    if (d->commands == NULL) {
        return load;
    }
    LIST_EACH(it, &d->commands->open) {
        const struct command *c = LIST_ITEM(it, struct command, link);
        if (!command_over(c)) {
            load.count++;
            load.queued += c->row.phase == PHASE_QUEUED;
            load.bytes += c->row.parameters.len;
        }
    }
    return load;
}

/* --- phases --- */

void command_set_response(struct command *c, span result)
{
    c->row.response = keep_buf(&c->response, result);
}

void command_set_error(struct command *c, span code, span message)
{
    c->row.error_code = keep_buf(&c->error_code, command_text_cut(code, COMMAND_ERROR_CODE_MAX));
    c->row.error_message =
        keep_buf(&c->error_message, command_text_cut(message, COMMAND_ERROR_MESSAGE_MAX));
}

void command_set_phase(struct command *c, enum command_phase phase)
{
    ASSERT(c->recorded && !command_over(c) && phase > c->row.phase);
    c->row.phase = phase;
    command_tell(c, false);
}

static void count_end(const struct command *c)
{
    _Atomic uint64_t *n = &c->device->fleet->commands_ended[c->row.phase];
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void command_finish(struct command *c, enum command_phase phase)
{
    deadline_clear(&c->timeout);
    deadline_clear(&c->again);
    c->row.due_ms = 0;
    command_set_phase(c, phase);
    count_end(c);
}

void command_give_up(struct command *c, enum command_phase phase, const char *code)
{
    static const struct {
        const char *code;
        const char *message;
    } messages[] = {
        {"TIMEOUT", "the device did not answer in time"},
        {"EXPIRED", "the device did not connect in time"},
        {"CANCELLED", "the command was cancelled"},
        {"DEVICE_OFFLINE", "the device is offline"},
        {"REJECTED", "the device is disabled"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(messages); i++) {
        if (strcmp(messages[i].code, code) == 0) {
            command_set_error(c, span_str(code), span_str(messages[i].message));
        }
    }
    command_finish(c, phase);
}

static void timed_out(struct deadline *dl)
{
    struct command *c = CONTAINER_OF(dl, struct command, timeout);
    command_give_up(c, PHASE_TIMED_OUT, "TIMEOUT");
    command_settle(c);
}

static bool is_expired(const struct command *c)
{
    return c->row.expires_ms != 0 &&
           clock_wall_ms(home_of_command(c)->clock) >= c->row.expires_ms;
}

void command_look(struct command *c)
{
    if (c->recorded && c->row.phase == PHASE_QUEUED && is_expired(c)) {
        command_give_up(c, PHASE_EXPIRED, "EXPIRED");
    }
}

/* --- the link --- */

static bool has_acks(const struct device *d)
{
    static const char name[] = "\"command-ack\"";
    span list = d->row.capabilities;
    return list.len > 0 && memmem(list.ptr, list.len, name, sizeof name - 1) != NULL;
}

static void arm_again(struct command *c)
{
    struct home *h = home_of_command(c);
    if (c->tries >= AGAIN_TIMES || !has_acks(c->device)) {
        return;
    }
    uint32_t r;
    int64_t wait = (int64_t)AGAIN_MS << c->tries, spread = wait * AGAIN_SPREAD_PERCENT / 100;
    entropy_fill(h->entropy, &r, sizeof r);
    deadline_set(h, &c->again, wait - spread + (int64_t)(r % (uint64_t)(2 * spread + 1)));
    c->tries++;
}

/* The device is reachable. */
static void send_to_device(struct command *c)
{
    struct home *h = home_of_command(c);
    buf payload = {0};
    if (is_expired(c)) {
        command_give_up(c, PHASE_EXPIRED, "EXPIRED");
        return;
    }
    command_put_device(&payload, &c->row);
    bool taken = presence_deliver(c->device, &(struct link_delivery){.event = OUT_DEVICE_COMMAND,
                                                                     .payload = buf_span(&payload),
                                                                     .token = c->token});
    ASSERT(taken);
    buf_deinit(&payload);
    c->row.attempts++;
    if (c->row.phase < PHASE_SENT) {
        c->row.sent_ms = clock_wall_ms(h->clock);
        c->row.due_ms = c->row.sent_ms + c->row.timeout_ms;
        deadline_set(h, &c->timeout, c->row.timeout_ms);
        command_set_phase(c, PHASE_SENT);
    }
    arm_again(c);
}

static void again(struct deadline *dl)
{
    struct command *c = CONTAINER_OF(dl, struct command, again);
    if (c->row.phase == PHASE_SENT && presence_reachable(c->device)) {
        send_to_device(c);
    }
    command_settle(c);
}

void command_go(struct command *c)
{
    struct device *d = c->device;
    if (command_over(c)) {
        count_end(c);
    } else if (d->row.status == DEVICE_DISABLED) {
        command_give_up(c, PHASE_REJECTED, "REJECTED");
    } else if (presence_reachable(d)) {
        send_to_device(c);
    } else if (!c->row.queue) {
        command_give_up(c, PHASE_REJECTED, "DEVICE_OFFLINE");
    } else if (c->row.phase == PHASE_RECORDED) {
        command_set_phase(c, PHASE_QUEUED);
    }
}

void command_acknowledged(struct command *c)
{
    deadline_clear(&c->again);
    c->row.acked_ms = clock_wall_ms(home_of_command(c)->clock);
    if (c->row.no_response) {
        c->row.executed_ms = c->row.acked_ms;
        command_finish(c, PHASE_DONE);
    } else {
        command_set_phase(c, PHASE_ACKNOWLEDGED);
    }
}

void commands_connected(struct device *d)
{
    if (d->commands == NULL || !presence_reachable(d)) {
        return;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        if (c->recorded && c->row.phase <= PHASE_SENT) {
            c->tries = 0;
            deadline_clear(&c->again);
            send_to_device(c);
            command_settle(c);
        }
    }
}

void commands_disabled(struct device *d)
{
    if (d->commands == NULL) {
        return;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        if (c->recorded && c->row.phase == PHASE_QUEUED) {
            command_give_up(c, PHASE_REJECTED, "REJECTED");
            command_settle(c);
        }
    }
}

void commands_delivered(struct device *d, uint64_t token)
{
    if (d->commands == NULL) {
        return;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        if (c->token == token) {
            if (c->row.phase <= PHASE_SENT) {
                command_acknowledged(c);
                command_settle(c);
            }
            return;
        }
    }
}

/* --- coming and going --- */

static void take_up(struct command *c)
{
    struct home *h = home_of_command(c);
    c->recorded = true;
    if (c->device->row.status == DEVICE_DISABLED && c->row.phase <= PHASE_QUEUED) {
        command_give_up(c, PHASE_REJECTED, "REJECTED");
    } else if (c->row.phase == PHASE_RECORDED && c->row.queue) {
        command_set_phase(c, PHASE_QUEUED); /* the process died before it was sent, or told so */
    }
    command_look(c);
    if (!command_over(c) && c->row.phase != PHASE_QUEUED) {
        /* One that is recorded may have reached the device: it has its time, too. */
        int64_t rest = c->row.due_ms - clock_wall_ms(h->clock);
        rest = rest < 0 ? 0 : rest > c->row.timeout_ms ? c->row.timeout_ms : rest;
        deadline_set(h, &c->timeout, rest);
    }
    command_settle(c);
}

void commands_load(struct device *d, const struct store_req *req, unsigned step)
{
    if (d->fleet->home->journal == NULL) {
        return; /* a command beside no server changes none */
    }
    for (unsigned i = 0; i < req->steps[step].row_count; i++) {
        struct command_row row;
        command_row_read(&row, store_cell(req, step, i, 0));
        take_up(command_new(d, &row));
    }
}

void commands_forget(struct device *d)
{
    if (d->commands == NULL) {
        return;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        deadline_clear(&c->timeout);
        deadline_clear(&c->again);
        behind_forget(&c->write);
        command_answer_all(&c->waits, c, ERR_DEVICE_NOT_FOUND);
        if (c->recorded && !c->write.writing) { /* else when that is answered */
            command_answer_all(&c->asks, c, ERR_DEVICE_NOT_FOUND);
            command_free(c);
        }
    }
}

void commands_stop_waiting(struct device *d)
{
    if (d->commands == NULL) {
        return;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        command_answer_all(&c->waits, c, ERR_NONE);
        if (!c->write.writing && c->recorded) { /* its write waits for a store that fails */
            command_answer_all(&c->asks, c, ERR_SERVER_ERROR);
        }
        command_settle(c);
    }
}

/* Nobody runs mail any more: who asked is not there either. */
static void drop_calls(struct list *calls)
{
    while (!list_empty(calls)) {
        struct ask *a = LIST_ITEM(calls->next, struct ask, wait.link);
        list_remove(&a->wait.link);
        arena_reset(&a->arena);
        mem_free(a);
    }
}

void commands_free(struct device *d)
{
    if (d->commands == NULL) {
        return;
    }
    LIST_EACH(it, &d->commands->open) {
        struct command *c = LIST_ITEM(it, struct command, link);
        c->held = false; /* the device goes anyway */
        drop_calls(&c->asks);
        drop_calls(&c->answers);
        drop_calls(&c->waits);
        behind_forget(&c->write);
        c->write.writing = false;
        command_free(c);
    }
    mem_free(d->commands);
    d->commands = NULL;
}
