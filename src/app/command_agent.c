/* signalbox agent: reports this machine to a server until it is stopped. */
#include "adapters/clock_system/clock_system.h"
#include "adapters/entropy_system/entropy_system.h"
#include "adapters/log_json/log_json.h"
#include "agent/agent.h"
#include "app/commands.h"
#include "app/data_dir.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

const struct option_row agent_options[] = {
    {"key", "KEY", "the device's key; better SIGNALBOX_AGENT_KEY or SIGNALBOX_AGENT_KEY_FILE",
     false},
    {"ca", "FILE", "whom the server's certificate must come from; as --agent-ca", false},
    {NULL, NULL, NULL, false},
};

int command_agent(const struct options *o, struct settings *s)
{
    const struct config *c = &s->config;
    const char *key = options_get(o, "key");
    key = key == NULL ? config_str(c, CONFIG_agent_key) : key;
    const char *ca = options_get(o, "ca");
    buf why = {0};
    if (key[0] == '\0') {
        fprintf(stderr, "signalbox agent: a key is needed: SIGNALBOX_AGENT_KEY,"
                        " SIGNALBOX_AGENT_KEY_FILE or --key\n");
        return EXIT_USAGE;
    }
    if (!data_dir_make(config_str(c, CONFIG_data_dir), &why)) {
        fprintf(stderr, "signalbox agent: %.*s\n", SPAN_FMT(buf_span(&why)));
        buf_deinit(&why);
        return EXIT_FAILED;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct log_json_conf lc = {.fd = STDERR_FILENO,
                               .node = config_str(c, CONFIG_node),
                               .clock = clock_system(),
                               .level_min = (enum log_level)config_int(c, CONFIG_log_level)};
    struct log *log = log_json_open(&lc);
    struct agent_conf conf = {.server = config_str(c, CONFIG_server),
                              .key = key,
                              .ca_file = ca == NULL ? config_str(c, CONFIG_agent_ca) : ca,
                              .data_dir = config_str(c, CONFIG_data_dir),
                              .clock = clock_system(),
                              .log = log,
                              .entropy = entropy_system(),
                              .signals = true};
    int status = agent_run(&conf);
    log_json_close(log);
    return status;
}
