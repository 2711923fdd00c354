#include "edge/socketio/app_hook.h"

#include "base/mem.h"
#include "edge/socketio/app_answer.h"
#include "edge/socketio/app_body.h"

void app_hook_init(struct app_hook *h, struct edge *e, struct receiver *to,
                   void (*done)(struct receiver_call *c))
{
    h->edge = e;
    h->receiver = to;
    h->call.loop = loop_index(e->loop);
    h->call.id = home_new_id(e->home);
    h->call.done = done;
}

void app_hook_begin(struct app_hook *h)
{
    h->begun_ns = loop_clock_ns(h->edge->loop);
    receiver_call(h->receiver, h->edge->home, &h->call);
}

void app_hook_count(const struct app_hook *h, bool bad)
{
    struct edge *e = h->edge;
    const char *label = bad ? "bad_answer" : receiver_result_name(h->call.result);
    stats_name(&e->stats.webhook_calls, label);
    stats_time(&e->stats.webhook_times, (loop_clock_ns(e->loop) - h->begun_ns) / 1000);
    if (bad) {
        LOG(loop_log(e->loop), LOG_WARN, "webhook.failed",
            LOG_STR("receiver", receiver_name(h->receiver)), LOG_STR("result", label),
            LOG_STR("why", "the answer is not the JSON it should be"));
    }
}

void app_hook_deinit(struct app_hook *h)
{
    buf_deinit(&h->call.answer);
    buf_deinit(&h->call.body);
}

/* The log says more, and only to the operator. */
const char *app_hook_reason(enum receiver_result r)
{
    switch (r) {
    case RECEIVER_TIMEOUT:
        return "the application did not answer in time";
    case RECEIVER_REFUSED:
        return "the application refused";
    case RECEIVER_BREAKER:
        return "the application failed too often and is spared for a while";
    case RECEIVER_BUSY:
        return "too many events wait for the application";
    case RECEIVER_NONE:
    case RECEIVER_UNREACHABLE:
        return "the application cannot be reached";
    case RECEIVER_CLOSED:
        return "the server ends";
    case RECEIVER_ANSWERED:
    case RECEIVER_FAILED:
    case RECEIVER_TOO_LONG:
    case RECEIVER_RESULT_COUNT:
        break;
    }
    return "the application failed";
}

/* One event on its way; it may outlive its socket, whose answer then goes nowhere. */
struct event_hook {
    struct app_hook hook;
    struct sio_answer answer;
};

static void on_done(struct receiver_call *c)
{
    struct event_hook *h = CONTAINER_OF(c, struct event_hook, hook.call);
    struct edge *e = h->hook.edge;
    buf args = {0};
    bool answered = c->result == RECEIVER_ANSWERED;
    bool ok = answered && app_answer_args(buf_span(&c->answer), &args);
    app_hook_count(&h->hook, answered && !ok);
    if (ok) {
        sio_answer(e, &h->answer, buf_span(&args), NULL, 0);
    } else {
        sio_answer_error(e, &h->answer, ERR_SERVER_ERROR, NULL, app_hook_reason(c->result),
                         c->retry_ms);
    }
    buf_deinit(&args);
    app_hook_deinit(&h->hook);
    mem_free(h);
}

void app_hook_event(struct sio_socket *s, const struct sio_event *ev)
{
    struct edge *e = sio_edge(s);
    struct event_hook *h = mem_calloc(1, sizeof *h);
    app_hook_init(&h->hook, e, e->home->app_receiver, on_done);
    h->answer = sio_answer_of(s, ev);
    app_body_event(&h->hook.call.body, s, ev, h->hook.call.id, loop_wall_ms(e->loop));
    app_hook_begin(&h->hook);
}
