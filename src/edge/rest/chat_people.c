/* GET /api/v1/chat/people: whom a room can be made with. */
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"

#include "domain/chat_people.h"

static void put_person(struct json_writer *w, const struct chat_person *p)
{
    json_open(w, '{');
    rest_member_uuid(w, "userId", p->id);
    json_member_string(w, "name", p->name);
    json_member_string(w, "userType", span_str(chat_user_type_name(p->type)));
    if (p->robot) {
        json_member_string(w, "kind", SPAN("robot"));
    }
    json_close(w, '}');
}

static void listed(void *owner, const struct chat_people *p)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (p->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "cursor", "is not one of ours");
    } else if (p->error != ERR_NONE) {
        rest_error(c, p->error, NULL);
    } else {
        struct json_writer w = json_writer_of(&c->data);
        json_open(&w, '[');
        for (unsigned i = 0; i < p->count; i++) {
            put_person(&w, &p->rows[i]);
        }
        json_close(&w, ']');
        rest_ok_list(c, buf_span(&c->data), p->next);
    }
}

void rest_chat_people(struct rest_call *c)
{
    struct chat_people_filter f = {.text = rest_query(c, "q"),
                                   .after = rest_query(c, "cursor"),
                                   .limit = rest_query_limit(c)};
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    rest_later(c);
    chat_people_list(c->edge->home, &f, listed, c);
}
