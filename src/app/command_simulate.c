/* signalbox simulate: a fleet of devices against a server, until its time is over. */
#include "adapters/clock_system/clock_system.h"
#include "adapters/entropy_system/entropy_system.h"
#include "adapters/log_json/log_json.h"
#include "app/commands.h"
#include "app/descriptors.h"
#include "codec/json/read.h"
#include "simulator/simulator.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEYS_BYTES_MAX (16u << 20) /* a file of ids and keys; more is a mistake */
#define SENSORS_DEFAULT 4

const struct option_row simulate_options[] = {
    {"devices", "N", "how many (10)", false},
    {"rate", "R", "messages of telemetry a second of each, also fractions (1); 0: none", false},
    {"batch", "B", "samples a message, 1 to 500 (1)", false},
    {"sensors", "N", "sensors of each device, which its samples go round (4)", false},
    {"duration", "T", "60, 60s, 5m: how long, from when all are connected; else until stopped",
     false},
    {"keys", "FILE", "lines `id key` of devices that exist; those that are made are added", false},
    {"connects-per-s", "N", "connections opened a second (40: a server lets an address have 50)",
     false},
    {"every-ms", "MS", "what a device has to send in so long leaves in one write (10)", false},
    {"response-ms", "MS", "from a command to its answer (100)", false},
    {"heartbeat-ms", "MS", "between heartbeats (30000)", false},
    {"raw", NULL, "the raw device wire instead of Socket.IO", false},
    {"sample-ids", NULL, "samples have a sampleId", false},
    {"clock-values", NULL, "values are this machine's monotonic clock in microseconds modulo 10^9",
     false},
    {"together", NULL, "nothing is sent before all are connected", false},
    {"quiet", NULL, "the sums only", false},
    {"ca", "FILE", "whom the server's certificate must come from; as --agent-ca", false},
    {NULL, NULL, NULL, false},
};

/* A whole number; `fallback` when it was not given. */
static bool whole(const struct options *o, const char *name, uint64_t fallback, uint64_t min,
                  uint64_t max, uint32_t *out)
{
    const char *text = options_get(o, name);
    uint64_t n = fallback;
    if (text != NULL && (!span_u64(span_str(text), max, &n) || n < min)) {
        fprintf(stderr, "signalbox simulate: --%s must be a whole number from %llu to %llu\n",
                name, (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

static bool read_numbers(const struct options *o, struct simulator_conf *c)
{
    const char *rate = options_get(o, "rate");
    const char *duration = options_get(o, "duration");
    c->rate = 1;
    if (rate != NULL && (json_type(span_str(rate)) != JSON_NUMBER ||
                         strspn(rate, "0123456789.") != strlen(rate) ||
                         !json_number(span_str(rate), &c->rate) || c->rate > SIMULATOR_RATE_MAX)) {
        fprintf(stderr, "signalbox simulate: --rate must be a number from 0 to %.0f\n",
                SIMULATOR_RATE_MAX);
        return false;
    }
    int64_t seconds = duration == NULL ? 0 : options_duration_s(duration);
    if (seconds < 0) {
        fprintf(stderr, "signalbox simulate: --duration must be like 30, 30s, 5m or 1h\n");
        return false;
    }
    c->duration_ms = seconds * 1000;
    return whole(o, "devices", 10, 1, SIMULATOR_DEVICES_MAX, &c->devices) &&
           whole(o, "batch", 1, 1, SIMULATOR_BATCH_MAX, &c->batch) &&
           whole(o, "sensors", SENSORS_DEFAULT, 1, 100000, &c->sensors) &&
           whole(o, "connects-per-s", 40, 1, 100000, &c->connects_per_s) &&
           whole(o, "every-ms", 10, 1, 60000, &c->every_ms) &&
           whole(o, "response-ms", 100, 0, 600000, &c->response_ms) &&
           whole(o, "heartbeat-ms", 30000, 100, 3600000, &c->heartbeat_ms);
}

static bool refuse_file(const char *path, const char *why)
{
    fprintf(stderr, "signalbox simulate: %s: %s\n", path, why);
    return false;
}

/* The file is there afterwards, for its owner only. */
static bool open_keys(const char *path, struct simulator_keys *keys, int *fd)
{
    buf text = {0};
    ssize_t got = 1;
    unsigned line;
    *fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return refuse_file(path, strerror(errno));
    }
    while (got > 0 && text.len <= KEYS_BYTES_MAX) {
        got = read(*fd, buf_reserve(&text, 65536), 65536);
        text.len += got > 0 ? (size_t)got : 0;
    }
    bool ok = got == 0 && simulator_keys_read(keys, buf_span(&text), &line);
    if (got != 0) {
        refuse_file(path, got < 0 ? strerror(errno) : "is too long");
    } else if (!ok) {
        fprintf(stderr, "signalbox simulate: %s: line %u is no id and key\n", path, line);
    }
    if (text.ptr != NULL) {
        explicit_bzero(text.ptr, text.len);
    }
    buf_deinit(&text);
    return ok;
}

/* Kept at once: a key is shown once only. */
static void on_made(void *owner, const char *id, const char *key)
{
    int fd = *(const int *)owner;
    if (fd >= 0 && dprintf(fd, "%s %s\n", id, key) < 0) {
        fprintf(stderr, "signalbox simulate: the key of %s was not kept: %s\n", id,
                strerror(errno));
    }
}

/* Lines about each connection are for who asks for them. */
static enum log_level level_of(const struct config *c)
{
    enum log_level level = (enum log_level)config_int(c, CONFIG_log_level);
    return level == LOG_INFO ? LOG_WARN : level;
}

static int run(const struct options *o, const struct config *c, struct simulator_conf *conf)
{
    struct log_json_conf lc = {.fd = STDERR_FILENO,
                               .node = config_str(c, CONFIG_node),
                               .clock = clock_system(),
                               .level_min = level_of(c)};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise_limit();
    const char *ca = options_get(o, "ca");
    conf->server = config_str(c, CONFIG_server);
    conf->ca_file = ca == NULL ? config_str(c, CONFIG_agent_ca) : ca;
    conf->provision_key = config_str(c, CONFIG_provision_key);
    conf->on_made = on_made;
    conf->wire = options_get(o, "raw") != NULL ? SIM_RAW : SIM_SOCKETIO;
    conf->clock_values = options_get(o, "clock-values") != NULL;
    conf->sample_ids = options_get(o, "sample-ids") != NULL;
    conf->together = options_get(o, "together") != NULL;
    conf->quiet = options_get(o, "quiet") != NULL;
    conf->out = stdout;
    conf->clock = clock_system();
    conf->entropy = entropy_system();
    conf->signals = true;
    conf->log = log_json_open(&lc);
    int status = simulator_run(conf);
    log_json_close(conf->log);
    return status;
}

int command_simulate(const struct options *o, struct settings *s)
{
    struct simulator_keys keys = {0};
    int fd = -1;
    struct simulator_conf conf = {.keys = &keys, .owner = &fd};
    const char *path = options_get(o, "keys");
    int status = EXIT_USAGE;
    if (read_numbers(o, &conf) && (path == NULL || open_keys(path, &keys, &fd))) {
        status = run(o, &s->config, &conf);
    }
    if (fd >= 0) {
        close(fd);
    }
    simulator_keys_deinit(&keys);
    return status;
}
