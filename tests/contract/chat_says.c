#include "chat_says.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chat_draft draft_of(const char *json)
{
    return (struct chat_draft){.type = CHAT_MESSAGE_CHAT, .content = span_str(json)};
}

void sends(uuid room, const struct chat_who *who, const char *json, struct told *to)
{
    struct chat_draft d = draft_of(json);
    chat_send(any_home(), room, &d, who, NULL, on_told, to);
}

void sends_id(uuid room, const struct chat_who *who, const char *client_id, struct told *to)
{
    struct chat_draft d = draft_of("\"hello\"");
    d.client_id = span_str(client_id);
    chat_send(any_home(), room, &d, who, NULL, on_told, to);
}

uuid says_json(uuid room, const struct chat_who *who, const char *json)
{
    struct chat_draft draft = {
        .type = json[0] == '{' ? CHAT_MESSAGE_GRAPH : CHAT_MESSAGE_CHAT,
        .content = span_str(json),
        .object = json[0] == '{',
    };
    chat_send(any_home(), room, &draft, who, NULL, on_told, &t);
    answered(ERR_NONE);
    return t.id;
}

uuid says(uuid room, const struct chat_who *who, const char *text)
{
    char json[600];
    snprintf(json, sizeof json, "\"%s\"", text);
    return says_json(room, who, json);
}

void member_stored(uuid room, const struct chat_who *who, const char *role, int64_t first_seq)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MEMBER_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(id_text(room)));
    store_set_text(req, 0, 0, 1, span_str(id_text(who->actor.id)));
    store_set_text(req, 0, 0, 2, span_str(chat_user_type_name(who->type)));
    store_set_text(req, 0, 0, 3, span_str(role));
    store_set_int(req, 0, 0, 4, first_seq);
    store_set_int(req, 0, 0, 5, first_seq);
    store_set_int(req, 0, 0, 6, w.now_ms);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    chat_restart();
}

int64_t stored_messages(uuid room)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MESSAGES_AFTER, 1);
    store_set_text(req, 0, 0, 0, span_str(id_text(room)));
    store_set_text(req, 0, 0, 1, SPAN(""));
    store_set_int(req, 0, 0, 2, 0);
    store_set_int(req, 0, 0, 3, 10000);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    int64_t n = req->steps[0].row_count;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(store_int(store_cell(req, 0, i, 2)), i + 1);
    }
    store_req_free(req);
    assert_int_equal(stored(QUERY_CHAT_ROOM_LAST, id_text(room), NULL), n);
    return n;
}

const char *told_seqs(void)
{
    static char out[4096];
    size_t len = 0;
    out[0] = '\0';
    for (const char *at = t.json; (at = strstr(at, "\"seq\":")) != NULL;) {
        at += strlen("\"seq\":");
        len += (size_t)snprintf(out + len, sizeof out - len, "%s%ld", len > 0 ? " " : "",
                                strtol(at, NULL, 10));
        assert_true(len < sizeof out);
    }
    return out;
}
