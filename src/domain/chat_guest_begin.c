/* A guest begins a conversation: a room, the guest, and maybe an escalation, in that order. */
#include "domain/chat_desk.h"
#include "domain/chat_guest.h"
#include "domain/chat_internal.h"

struct beginning {
    struct chat_ask ask; /* first; the caller's, which is answered at the end */
    struct chat_guest_draft in;
};

static void finish(struct beginning *b, const struct chat_result *r)
{
    b->ask.result.retry_after_ms = r->retry_after_ms;
    chat_refuse(&b->ask, r->error, r->member, r->why);
}

static void escalated(void *owner, const struct chat_result *r) { finish(owner, r); }

static void guest_made(void *owner, const struct chat_result *r)
{
    struct beginning *b = owner;
    struct chat_result *out = &b->ask.result;
    out->id = r->id;
    out->room = r->room;
    out->json = chat_copy(&b->ask, r->json);
    if (r->error != ERR_NONE || b->in.reason.len == 0) {
        finish(b, r);
        return;
    }
    chat_escalate(b->ask.from, r->room, b->in.reason, -1, &b->ask.who, NULL, escalated, b);
}

static void room_made(void *owner, const struct chat_result *r)
{
    struct beginning *b = owner;
    if (r->error != ERR_NONE) {
        finish(b, r);
        return;
    }
    chat_guest_make(b->ask.from, r->id, b->in.name, b->in.ttl_ms, &b->ask.who, guest_made, b);
}

static void make_room(struct beginning *b)
{
    buf settings = {0};
    char robot[UUID_TEXT_LEN + 1];
    buf_append_str(&settings, "{}");
    if (!uuid_is_nil(b->in.robot)) {
        uuid_format(b->in.robot, robot);
        buf_clear(&settings);
        buf_printf(&settings, "{\"robotId\":\"%s\"}", robot);
    }
    struct chat_room_draft draft = {
        .name = b->in.name, .type = CHAT_SUPPORT, .settings = buf_span(&settings)};
    chat_room_create(b->ask.from, &draft, &b->ask.who, NULL, room_made, b);
    buf_deinit(&settings);
}

void chat_guest_begin(struct home *h, const struct chat_guest_draft *in,
                      const struct chat_who *who, chat_done done, void *owner)
{
    struct beginning *b = chat_ask_new(h, sizeof *b, in->room, NULL, who, NULL, done, owner);
    b->in = *in;
    b->in.name = chat_copy(&b->ask, in->name);
    b->in.reason = chat_copy(&b->ask, in->reason);
    if (uuid_is_nil(in->room)) {
        make_room(b);
    } else {
        chat_guest_make(h, in->room, b->in.name, b->in.ttl_ms, &b->ask.who, guest_made, b);
    }
}
