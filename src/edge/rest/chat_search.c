/* Search in what was said (CONTRACT 5, 7). */
#include "edge/rest/chat.h"
#include "edge/rest/handlers.h"

#include "base/utf8.h"

static void found(void *owner, const struct chat_result *r)
{
    struct rest_call *c = chat_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

/* False: answered. Absent: nil. */
static bool read_id(struct rest_call *c, const char *name, uuid *out)
{
    span text = rest_query(c, name);
    *out = UUID_NIL;
    if (text.len > 0 && !uuid_parse(text, out)) {
        device_bad_query(c, name, "must be a UUID");
        return false;
    }
    return true;
}

static bool read_times(struct rest_call *c, struct chat_search *in)
{
    bool from = rest_query_time(c, "from", 0, &in->from_ms);
    if (!from || !rest_query_time(c, "to", INT64_MAX, &in->to_ms)) {
        device_bad_query(c, from ? "to" : "from", "must be a time");
        return false;
    }
    return true;
}

void rest_chat_search(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct chat_search in = {.text = rest_query(c, "q"),
                             .after = rest_query(c, "cursor"),
                             .limit = rest_query_limit(c)};
    if (in.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (!utf8_valid(in.text)) {
        device_bad_query(c, "q", "is no valid UTF-8");
        return;
    }
    if (read_id(c, "room_id", &in.room) && read_id(c, "sender_id", &in.sender) &&
        read_times(c, &in)) {
        struct chat_who who = chat_caller(c, address);
        rest_later(c);
        chat_search(c->edge->home, &in, &who, found, c);
    }
}
