#include "edge/ops/notices.h"

#include "domain/chat_desk.h"

struct words {
    const char *code;
    const char *begins;
    const char *ends;
};

static const struct words alerts[ALERT_COUNT] = {
    [ALERT_CONNECTIONS] = {"alert_connections", "more than 80 % of connections_max are in use",
                           "less than 80 % of connections_max are in use again"},
    [ALERT_ERRORS] = {"alert_errors", "more than 5 % of requests and messages are refused",
                      "requests and messages are not refused more often than usual any more"},
    [ALERT_AUTH_FAILURES] = {"alert_auth_failures",
                             "credentials are refused far more often than in the last hour",
                             "credentials are refused as often as usual again"},
    [ALERT_DELIVERY] = {"alert_delivery", "more than 1 % of deliveries take over 100 ms",
                        "deliveries are fast again"},
    [ALERT_STORE] = {"alert_store", "the store cannot be written: messages are refused, to be "
                                    "sent again; live traffic goes on",
                     "the store can be written again"},
    [ALERT_CERTIFICATE] = {"alert_certificate", "a certificate ends soon, or has ended",
                           "certificates are good again"},
};

/* Parts that alerts do not speak of; what they say stands in /health, too. */
static const struct words parts[HEALTH_PART_COUNT] = {
    [HEALTH_SCANNER] = {"health_scanner", "the scanner is away: files of chat are held",
                        "the scanner is back: files of chat are released"},
    [HEALTH_ROBOTS] = {"health_robots", "a robot of chat is away, or failed too often",
                       "all robots of chat answer again"},
    [HEALTH_WEBHOOK] = {"health_webhook", "the receiver of applications' events is away",
                        "the receiver of applications' events is back"},
};

static void tell(struct ops *o, const struct words *w, bool on)
{
    chat_notify(o->edges[0]->home, &(struct chat_notice){.level = on ? CHAT_WARNING : CHAT_INFO,
                                                         .code = w->code,
                                                         .message = on ? w->begins : w->ends});
}

static void look(struct ops *o, const struct words *w, uint32_t *told, unsigned bit, bool on)
{
    if (w->code != NULL && on != ((*told >> bit & 1) != 0)) {
        *told ^= 1u << bit;
        tell(o, w, on);
    }
}

void notices_tick(struct ops *o)
{
    struct health_report r;
    if (o->edges[0]->home == NULL || o->edges[0]->home->chat == NULL) {
        return;
    }
    for (unsigned a = 0; a < ALERT_COUNT; a++) {
        look(o, &alerts[a], &o->noticed_alerts, a,
             atomic_load_explicit(&o->alerts[a], memory_order_relaxed));
    }
    ops_health(o, o->edges[0], &r);
    for (unsigned p = 0; p < HEALTH_PART_COUNT; p++) {
        look(o, &parts[p], &o->noticed_parts, p,
             r.parts[p].there && r.parts[p].status != HEALTH_GOOD);
    }
}
