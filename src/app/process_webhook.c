/* Who is called over HTTP: the port of the process, and applications' receivers. */
#include "adapters/webhook_http/webhook_http.h"
#include "app/process.h"
#include "domain/receiver.h"

struct receiver_conf process_receiver(const struct config *c, enum config_key url)
{
    return (struct receiver_conf){
        .url = config_str(c, url),
        .ca = config_str(c, CONFIG_webhook_ca),
        .secret = config_str(c, CONFIG_webhook_secret),
        .timeout_ms = (uint32_t)config_int(c, CONFIG_webhook_timeout_ms),
        .calls_max = (uint32_t)config_int(c, CONFIG_webhook_concurrency_max),
        .queue_max = (uint32_t)config_int(c, CONFIG_webhook_queue_max),
        .answer_bytes_max = (uint32_t)config_int(c, CONFIG_webhook_answer_bytes_max),
        .breaker_failures = (unsigned)config_int(c, CONFIG_webhook_breaker_failures),
        .breaker_open_ms = (uint32_t)config_int(c, CONFIG_webhook_breaker_ms)};
}

void process_open_webhook(struct process *p)
{
    struct webhook_http_conf conf = {.post = p->post, .clock = p->clock};
    p->webhook = webhook_http_open(&conf);
}

static const struct receiver_conf *app_conf(const struct home *h)
{
    return &h->conf->app_receiver;
}

static const struct receiver_conf *home_conf(const struct home *h)
{
    return &h->conf->home_receiver;
}

void process_make_receivers(struct process *p)
{
    struct receiver *app = receiver_new(p->homes[0], "app", app_conf);
    struct receiver *home = receiver_new(p->homes[0], "home", home_conf);
    for (unsigned i = 0; i < p->count; i++) {
        p->homes[i]->app_receiver = app;
        p->homes[i]->home_receiver = home;
    }
}

void process_free_webhook(struct process *p)
{
    if (p->count > 0 && p->homes[0] != NULL) {
        receiver_free(p->homes[0]->app_receiver);
        receiver_free(p->homes[0]->home_receiver);
    }
    webhook_http_free(p->webhook);
    p->webhook = NULL;
}
