/* What any loop may ask: calls that travel to the principal's home, and what a start does. */
#include "domain/recovery_internal.h"

#include "base/base64.h"
#include "base/mem.h"

#include <string.h>

#define PID_BYTES 32

static void arrive(struct mail *m)
{
    struct call *c = CONTAINER_OF(m, struct call, mail);
    struct recovery *r = c->home->peers[home_of(c->home, c->principal)]->recovery;
    if (!recovery_arrive(r, c)) {
        buf_deinit(&c->text);
        mem_free(c);
    }
}

static void answer_back(struct mail *m)
{
    struct call *c = CONTAINER_OF(m, struct call, mail);
    c->done(c->owner, &(struct recovery_result){.error = c->error,
                                                .state = buf_span(&c->text),
                                                .pos = c->pos});
    buf_deinit(&c->text);
    mem_free(c);
}

void recovery_answer(struct call *c, struct post *post)
{
    c->mail.run = answer_back;
    post_mail(post, c->home->index, &c->mail);
}

static struct call *call_new(struct home *h, int kind, span pid, uuid principal)
{
    struct call *c = mem_calloc(1, sizeof *c);
    c->mail.run = arrive;
    c->home = h;
    c->kind = kind;
    c->principal = principal;
    list_init(&c->waiting);
    if (pid.len == RECOVERY_PID_LEN) { /* else there is no such session */
        memcpy(c->pid, pid.ptr, pid.len);
    }
    return c;
}

static void call_start(struct call *c)
{
    post_mail(c->home->post, home_of(c->home, c->principal), &c->mail);
}

void recovery_pid(struct home *h, char out[RECOVERY_PID_LEN + 1])
{
    uint8_t bytes[PID_BYTES];
    entropy_fill(h->entropy, bytes, sizeof bytes);
    size_t len = base64url_encode(span_of(bytes, sizeof bytes), out);
    ASSERT(len == RECOVERY_PID_LEN);
    out[len] = '\0';
}

bool recovery_save(struct home *h, span pid, uuid principal, const struct recovery_state *s)
{
    ASSERT(pid.len == RECOVERY_PID_LEN && s->state.len > 0);
    if (s->state.len > RECOVERY_STATE_BYTES_MAX || strlen(s->wire) > RECOVERY_WIRE_BYTES_MAX) {
        recovery_end(h, pid, principal);
        return false;
    }
    struct call *c = call_new(h, CALL_SAVE, pid, principal);
    c->wire = s->wire;
    c->pos = s->pos;
    buf_append_span(&c->text, s->state);
    call_start(c);
    return true;
}

void recovery_drop(struct home *h, span pid, uuid principal, const struct pos *pos)
{
    struct call *c = call_new(h, CALL_DROP, pid, principal);
    c->has_pos = pos != NULL;
    if (pos != NULL) {
        c->pos = *pos;
    }
    call_start(c);
}

void recovery_end(struct home *h, span pid, uuid principal)
{
    call_start(call_new(h, CALL_END, pid, principal));
}

void recovery_claim(struct home *h, span pid, uuid principal, const char *wire, recovery_done done,
                    void *owner)
{
    struct call *c = call_new(h, CALL_CLAIM, pid, principal);
    c->wire = wire;
    c->done = done;
    c->owner = owner;
    call_start(c);
}

err recovery_start(struct store *s, int64_t now_ms, int64_t window_ms, int64_t *until_ms)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 2, NULL, NULL);
    store_step_init(req, 0, QUERY_RECOVERY_DROP_ALL, 1);
    store_set_int(req, 0, 0, 0, now_ms);
    store_set_int(req, 0, 0, 1, now_ms + window_ms);
    store_step_init(req, 1, QUERY_RECOVERY_LAST, 1);
    err error = store_run(s, req);
    if (error == ERR_NONE) {
        *until_ms = store_int(store_cell(req, 1, 0, 0));
    }
    store_req_free(req);
    return error;
}
