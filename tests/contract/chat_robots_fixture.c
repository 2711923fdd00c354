#include "chat_robots_fixture.h"

#include <stdio.h>
#include <string.h>

struct webhook *twin;

static void conf(void)
{
    w.conf.chat_robots_max = 5;
    w.conf.chat_robot_timeout_ms = 30000;
    w.conf.chat_robot_jobs_max = 4;
    w.conf.chat_robot_room_jobs_max = 3;
    w.conf.chat_robot_context = 3;
    w.conf.chat_robot_answer_bytes_max = 20000;
    w.conf.chat_room_waiting_max = 1000;
    w.conf.chat_waiting_bytes_max = 1 << 24;
    w.conf.app_receiver = (struct receiver_conf){
        .url = "", .ca = "", .secret = "", .breaker_failures = 5, .breaker_open_ms = 60000};
}

static void call_twin(void)
{
    twin = webhook_twin_new(w.post);
    for (unsigned i = 0; i < w.count; i++) {
        w.homes[i].webhook = twin;
    }
}

int setup_1(void **state)
{
    int rc = chat_setup_1(state);
    conf();
    call_twin();
    return rc;
}

int setup_5(void **state)
{
    int rc = chat_setup_5(state);
    conf();
    call_twin();
    return rc;
}

int teardown(void **state)
{
    webhook_twin_close(twin);
    turns();
    int rc = 0;
    chat_teardown(state);
    webhook_twin_free(twin);
    return rc;
}

void robots_restart(void)
{
    struct webhook *old = twin;
    webhook_twin_close(old);
    turns();
    chat_restart();
    call_twin();
    webhook_twin_free(old);
}

/* --- robots --- */

struct chat_who robot_made(const char *name, const char *url)
{
    struct actor who = {.id = UUID_NIL};
    struct chat_robot_draft in = {
        .name = span_str(name), .description = SPAN(""), .url = span_str(url)};
    chat_robot_create(any_home(), &in, &who, on_told, &t);
    answered(ERR_NONE);
    return (struct chat_who){.actor = {.id = t.id}, .kind = PRINCIPAL_ROBOT, .type = CHAT_EMPLOYEE};
}

static void put_guest(uuid room, const struct chat_who *who)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_MEMBER_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(id_text(room)));
    store_set_text(req, 0, 0, 1, span_str(id_text(who->actor.id)));
    store_set_text(req, 0, 0, 2, SPAN("guest"));
    store_set_text(req, 0, 0, 3, SPAN("member"));
    for (unsigned p = 4; p < query_param_count(QUERY_CHAT_MEMBER_INSERT); p++) {
        store_set_int(req, 0, 0, p, 0);
    }
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
}

uuid robot_room(const struct chat_who *robot, const struct chat_who *owner, struct chat_who *gus)
{
    char settings[100];
    snprintf(settings, sizeof settings, "{\"robotId\":\"%s\"}", id_text(robot->actor.id));
    struct chat_room_draft draft = {
        .name = SPAN("Help"), .type = CHAT_SUPPORT, .settings = span_str(settings)};
    chat_room_create(any_home(), &draft, owner, NULL, on_told, &t);
    answered(ERR_NONE);
    uuid room = t.id;
    *gus = guest("Gus");
    put_guest(room, gus);
    robots_restart();
    return room;
}

void told(const char *text)
{
    if (strstr(t.json, text) == NULL) {
        fail_msg("not %s in %s", text, t.json);
    }
}

void not_told(const char *text)
{
    if (strstr(t.json, text) != NULL) {
        fail_msg("%s in %s", text, t.json);
    }
}

void patch(uuid id, const struct chat_robot_change *in, err error)
{
    struct actor who = {.id = UUID_NIL};
    chat_robot_patch(any_home(), id, in, &who, on_told, &t);
    answered(error);
}

void job(uuid room, uuid id, const struct chat_who *who, err error)
{
    chat_robot_job_get(any_home(), room, id, who, on_told, &t);
    answered(error);
}
