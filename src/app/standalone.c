#include "app/standalone.h"

#include "adapters/clock_system/clock_system.h"
#include "adapters/entropy_system/entropy_system.h"
#include "adapters/offload_workers/offload_workers.h"
#include "adapters/password_argon2/password_argon2.h"
#include "adapters/post_queue/post_queue.h"
#include "app/data_dir.h"
#include "app/process.h"
#include "domain/fleet.h"
#include "domain/identity.h"

#include <stdio.h>
#include <unistd.h>

#define COMMAND_WAIT_MS 30000 /* without any answer from the store */

static void ended(struct command_call *call) { *(bool *)call->owner = true; }

/* One home whose mail is run here. */
static void with_home(struct process *p, struct post *post, struct command_call *call,
                      const struct command *command)
{
    bool done = false;
    struct offload *offload = offload_inline_new(post);
    struct hub *hub = NULL;
    struct hub_conf hc = {.post = post, .peers = &hub};
    hub = hub_new(&hc);
    struct home *peers[1];
    struct home home = {.count = 1,
                        .conf = &p->domain,
                        .peers = peers,
                        .post = post,
                        .clock = p->clock,
                        .entropy = p->entropy,
                        .store = p->store,
                        .tokens = p->tokens,
                        .password = password_argon2(),
                        .offload = offload,
                        .hub = hub};
    peers[0] = &home;
    home_init(&home);
    home.identity = identity_new(&home);
    home.fleet = fleet_new(&home);
    call->home = &home;
    call->owner = &done;
    call->done = ended;
    command->run(call);
    if (!post_queue_until(post, &done, COMMAND_WAIT_MS)) {
        buf_append_str(&call->err, "signalbox: the store did not answer\n");
        call->status = EXIT_FAILED;
    }
    p->store->close(p->store);
    while (post_queue_run(post, 0)) {
    }
    fleet_free(home.fleet);
    identity_free(home.identity);
    while (post_queue_run(post, 0)) {
    }
    hub_free(hub);
    offload_free(offload);
}

/* A command that only reads must not make the store it was to read. */
static bool has_store(const struct process *p, const struct command *command, buf *why)
{
    char path[4200];
    const char *dir = config_str(p->config, CONFIG_data_dir);
    snprintf(path, sizeof path, "%s/signalbox.db", dir);
    if (!command->needs_store || access(path, F_OK) == 0) {
        return true;
    }
    buf_printf(why, "there is no store in data_dir %s", dir);
    return false;
}

/* A buffer that nothing was written to has no bytes to point at. */
static void print(const buf *b, FILE *to)
{
    if (b->len > 0) {
        fwrite(b->ptr, 1, b->len, to);
    }
}

int standalone_run(struct settings *settings, int argc, char **argv)
{
    struct process p = {.config = &settings->config,
                        .clock = clock_system(),
                        .entropy = entropy_system()};
    struct command_call call = {0};
    const struct command *command;
    buf why = {0};
    const char *dir = config_str(p.config, CONFIG_data_dir);
    int lock = -1;
    process_domain_conf(p.config, &p.domain);
    if (command_prepare(&call, argc, argv, &command)) {
        call.status = EXIT_FAILED;
        struct post *post = post_queue_new(1);
        bool ok = has_store(&p, command, &why) && data_dir_make(dir, &why) &&
                  (lock = data_dir_lock(dir, &why)) >= 0 &&
                  process_open_tokens(&p, &why) && process_open_store(&p, post, &why);
        if (ok) {
            with_home(&p, post, &call, command);
        } else {
            buf_printf(&call.err, "signalbox: %.*s\n", SPAN_FMT(buf_span(&why)));
        }
        post_queue_free(post);
    }
    process_free_tokens(&p);
    if (lock >= 0) {
        close(lock);
    }
    print(&call.out, stdout);
    print(&call.err, stderr);
    int status = call.status;
    buf_deinit(&why);
    command_call_free(&call);
    return status;
}
