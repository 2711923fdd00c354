#include "edge/socketio/issuer.h"

#include "codec/json/read.h"
#include "domain/device.h"
#include "edge/socketio/product.h"

#define NAMESPACE SPAN("/")

bool issuer_is_result(const struct blob *b)
{
    return b->pos != 0 && b->event == EVENT_COMMAND_RESULT_ISSUER;
}

span issuer_result(const struct blob *b)
{
    span result;
    return json_get(blob_payload(b), "result", &result) ? result : SPAN_NONE;
}

/* A member that is a UUID, which has no escapes. */
static bool uuid_in(span object, const char *member, uuid *out)
{
    span text;
    return json_get(object, member, &text) && text.len == UUID_TEXT_LEN + 2 &&
           uuid_parse(span_slice(text, 1, UUID_TEXT_LEN), out);
}

/* Whether a socket is being given, or has asked for, the device's past. */
static bool is_replayed(const struct product *p, uuid device)
{
    for (const struct product_replay *r = p->replays; r != NULL; r = r->next) {
        if (uuid_is_nil(r->device) || uuid_eq(r->device, device)) {
            return true;
        }
    }
    return false;
}

static bool is_subscribed(const struct product *p, uuid device)
{
    for (unsigned i = 0; i < p->device_count; i++) {
        if (uuid_eq(p->devices[i], device)) {
            return true;
        }
    }
    return p->reach.all || reach_has(&p->reach, device);
}

/* Whether the same result reaches the socket by the device's topic. A subscription counts from the
 * moment at which its home knows, as it does for the topic's own messages; what a recovered socket
 * missed is read from the log for all its topics alike. */
static bool follows(const struct sio_socket *s, uint32_t member, uuid device)
{
    char text[DEVICE_EVENTS_TOPIC_MAX];
    const struct product *p = s->user;
    if (p != NULL && (is_replayed(p, device) ||
                      (sio_is_replaying(s) && is_subscribed(p, device)))) {
        return true;
    }
    return hub_hears(sio_edge(s)->hub, member, JOURNAL_HOME, device_events_topic(device, text));
}

bool issuer_wants(struct edge *e, uint32_t member, const struct blob *b)
{
    uuid issuer, device;
    const struct sio_socket *s = sio_of_member(e, member, NAMESPACE);
    const struct grant *g = s == NULL ? NULL : s->session.grant;
    return g != NULL && uuid_in(blob_payload(b), "issuer", &issuer) &&
           uuid_eq(g->principal, issuer) && uuid_in(issuer_result(b), "deviceId", &device) &&
           can(g, PERM_DEVICE_READ, scope_device(device)) && !follows(s, member, device);
}

static void pick(struct session *session, void *picks)
{
    struct sio_socket *s = sio_of_session(session);
    if (s != NULL) {
        hub_pick(picks, conn_slot(sio_engine(s)->conn));
    }
}

void issuer_among(struct edge *e, const struct blob *b, struct hub_picks *picks)
{
    uuid issuer;
    if (uuid_in(blob_payload(b), "issuer", &issuer)) {
        session_each(e->home, issuer, pick, picks);
    }
}
