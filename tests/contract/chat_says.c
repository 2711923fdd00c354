#include "chat_says.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
