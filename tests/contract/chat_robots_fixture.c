#include "chat_robots_fixture.h"

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

void call_twin(void)
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
