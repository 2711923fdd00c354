/*
 * The storm: devices on the raw device wire say a number each that counts up, which is the state of
 * an entity each, `rate` changes a second of all together; beside them, on /ws,
 *
 *   followers  of one room each, with a snapshot, from the start to the end
 *   comers     who connect, follow a room with a snapshot for a while, and are gone as in a crash
 *   stallers   of a room each, who read nothing for a second at a time
 *   sleepers   of many rooms, with small socket buffers, who read nothing for seconds
 *   watchers   who follow everything; when more waits for one than its queue holds, it is closed
 *              (1013) and comes again
 *
 * After its snapshot nobody may hear a number that is not newer than the last one, and once the
 * subscription is answered nothing of another room. Followers and comers have to hear every number:
 * the old state of each change is the state before. Slow ones may miss what was merged for them. At
 * the end everybody has the last number of every entity that they follow.
 */
#include "home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROOM_ENTITIES 10u
#define DEVICE_PATH "/api/v1/devices/self/ws?token="
/* Of its socket's receive buffer: twice what a segment of the loopback device may hold, else each
 * waits for the sender's timer. */
#define SLEEPER_BYTES 131072
#define SLEEPER_ROOMS 20u     /* their entities fit a queue of 256 */
#define CLOSE_SLOW 1013u
#define TICK_MS 2u            /* devices whose turn it is send together */
#define STALL_MS 1000u
#define SLEEP_MS 3000u
#define STAY_MS 400u          /* of a comer */
#define SETTLE_MS 15000u      /* for the last numbers to arrive */

#define NOTHING (-1)          /* not known: no snapshot yet, or a state that is not a number */

enum role { FOLLOWER, COMER, STALLER, SLEEPER, WATCHER, ROLES };

static const char *const role_names[ROLES] = {"followers", "comers", "stallers", "sleepers",
                                              "watchers"};

struct viewer {
    enum role role;
    uint32_t room;     /* the first one, from 1 */
    uint32_t rooms;    /* 0: follows everything */
    uint32_t snapshots, answers; /* one a room; with all answers it hears of no other room */
    bool closed;       /* by the server, for being slow */
    bool paused;
    uint64_t next_ns;  /* when it pauses, reads on, or goes */
    int32_t *seen;     /* of its entities; borrowed */
};

struct storm {
    struct home_bench *b;
    uint32_t devices;
    uint32_t viewers;
    struct viewer *viewer;
    int32_t *seen;     /* of all viewers */
    int32_t *said;     /* last number of each entity */
    uint64_t *said_ns; /* when, by our clock, */
    int64_t *stamp_ms; /* and as it was stamped */
    bool calm;         /* nothing is said any more */
    uint64_t changes;  /* said */
    uint64_t delivered[ROLES];
    uint64_t missed[ROLES];   /* numbers that were not heard */
    uint64_t backwards;       /* not newer than what was known */
    uint64_t broken;          /* the old state is not the state before, of who hears everything */
    uint64_t foreign;         /* of a room that is not followed */
    uint64_t snapshots;
    uint64_t comings;
    uint64_t slow;            /* closed with 1013 */
    uint64_t damaged;
    struct hist age;          /* of changes at followers */
};

static uint32_t rooms(const struct storm *s) { return s->devices / ROOM_ENTITIES; }

static int32_t number_of(const char *at, size_t n)
{
    return n == 0 || *at < '0' || *at > '9' ? NOTHING : (int32_t)strtol(at, NULL, 10);
}

/* The entity of `sensor.dN` in a frame or a part of one. */
static bool entity_of(const uint8_t *text, size_t len, uint32_t *out)
{
    const char *at;
    size_t n;
    if (!home_member(text, len, "entity_id", &at, &n) || n < 9 || memcmp(at, "sensor.d", 8) != 0) {
        return false;
    }
    *out = (uint32_t)strtoul(at + 8, NULL, 10);
    return true;
}

static int32_t *place_of(struct storm *s, struct viewer *v, uint32_t entity)
{
    uint32_t at = v->rooms == 0 ? entity : entity - (v->room - 1) * ROOM_ENTITIES;
    return at < (v->rooms == 0 ? s->devices : v->rooms * ROOM_ENTITIES) ? &v->seen[at] : NULL;
}

static bool hears_all(const struct viewer *v) { return v->role == FOLLOWER || v->role == COMER; }

static void on_change(struct storm *s, struct viewer *v, const uint8_t *text, size_t len)
{
    const char *at;
    size_t n;
    uint32_t entity;
    if (!entity_of(text, len, &entity) || entity >= s->devices) {
        s->damaged++;
        return;
    }
    if (v->snapshots < v->rooms) {
        return; /* it is not in its rooms yet and hears everything */
    }
    int32_t *seen = place_of(s, v, entity);
    if (seen == NULL) {
        s->foreign += v->answers == v->rooms;
        return;
    }
    int32_t old = home_member(text, len, "old_state", &at, &n) ? number_of(at, n) : NOTHING;
    if (!home_member(text, len, "new_state", &at, &n)) {
        s->damaged++;
        return;
    }
    int32_t new = number_of(at, n);
    s->delivered[v->role]++;
    if (new == NOTHING) { /* unknown or unavailable: before the device said its first number */
        s->backwards += *seen != NOTHING;
        return;
    }
    s->backwards += new <= *seen;
    if (*seen != NOTHING) {
        s->broken += hears_all(v) && old != *seen;
        s->missed[v->role] += new > *seen ? (uint64_t)(new - *seen - 1) : 0;
    }
    *seen = new;
    if (v->role == FOLLOWER && new == s->said[entity]) {
        hist_add(&s->age, s->b->pool.now_ns - s->said_ns[entity]);
    }
}

/* A snapshot may not be older than what is known already. */
static void on_snapshot(struct storm *s, struct viewer *v, const uint8_t *text, size_t len)
{
    static const char key[] = "\"entity_id\":";
    const uint8_t *end = text + len;
    uint32_t count = 0;
    for (const uint8_t *p = memmem(text, len, key, sizeof key - 1); p != NULL;) {
        const uint8_t *next = memmem(p + 1, (size_t)(end - p) - 1, key, sizeof key - 1);
        size_t part = (size_t)((next == NULL ? end : next) - p);
        const char *at;
        size_t n;
        uint32_t entity;
        int32_t *seen = entity_of(p, part, &entity) ? place_of(s, v, entity) : NULL;
        if (seen == NULL || !home_member(p, part, "state", &at, &n)) {
            s->damaged++;
        } else {
            int32_t now = number_of(at, n);
            s->backwards += now < *seen;
            *seen = now;
            count++;
        }
        p = next;
    }
    s->damaged += count != ROOM_ENTITIES;
    s->snapshots++;
    v->snapshots++;
}

static void ask_rooms(const struct viewer *v, struct client *c)
{
    char out[128];
    for (uint32_t i = 0; i < v->rooms; i++) {
        int n = snprintf(out, sizeof out,
                         "{\"type\":\"subscribe_room\",\"id\":\"s\","
                         "\"data\":{\"room_id\":%u,\"snapshot\":true}}",
                         v->room + i);
        client_queue_frame(c, out, (size_t)n);
    }
}

static void on_text(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    struct storm *s = ((struct home_bench *)p->user)->user;
    if (c->index < s->devices) {
        if (memmem(text, len, "error", 5) != NULL) {
            fprintf(stderr, "home: device %u: %.*s\n", c->index, (int)len, (const char *)text);
            s->damaged++;
        }
        return;
    }
    struct viewer *v = &s->viewer[c->index - s->devices];
    if (home_is(text, len, "entity_state_changed")) {
        on_change(s, v, text, len);
    } else if (home_is(text, len, "room_snapshot")) {
        on_snapshot(s, v, text, len);
    } else if (home_is(text, len, "result")) {
        v->answers++;
        s->damaged += memmem(text, len, "\"ok\":true", 9) == NULL;
    } else if (home_is(text, len, "connection")) {
        ask_rooms(v, c);
    } else if (home_is(text, len, "error")) {
        fprintf(stderr, "home: client %u: %.*s\n", c->index, (int)len, (const char *)text);
        s->damaged++;
    }
}

static void on_close(struct pool *p, struct client *c, unsigned code)
{
    struct storm *s = ((struct home_bench *)p->user)->user;
    if (c->index >= s->devices && code == CLOSE_SLOW) {
        s->viewer[c->index - s->devices].closed = true;
        s->slow++;
    } else {
        fprintf(stderr, "home: client %u: closed with %u\n", c->index, code);
        p->failed++;
    }
}

/* --- devices --- */

static void open_devices(struct storm *s)
{
    char path[512], key[256];
    FILE *f = fopen(s->b->devices, "re");
    if (f == NULL) {
        die("there is no file of devices");
    }
    for (uint32_t i = 0; i < s->devices; i++) {
        if (fgets(key, sizeof key, f) == NULL) {
            die("too few devices");
        }
        snprintf(path, sizeof path, DEVICE_PATH "%.*s", (int)strcspn(key, " \n"), key);
        home_open(s->b, i, i + 1, path);
    }
    fclose(f);
}

static void say(struct storm *s, uint32_t device)
{
    struct timespec t;
    char text[192];
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    /* What is not newer than the sample before is kept, but told to nobody. */
    s->stamp_ms[device] = ms > s->stamp_ms[device] ? ms : s->stamp_ms[device] + 1;
    int n = snprintf(text, sizeof text,
                     "{\"type\":\"telemetry\",\"data\":{\"timestamp\":%lld,"
                     "\"sensorType\":\"level\",\"value\":%d,\"unit\":\"n\"}}",
                     (long long)s->stamp_ms[device], ++s->said[device]);
    s->said_ns[device] = now_ns();
    s->changes++;
    client_send(&s->b->pool, &s->b->pool.items[device], text, (size_t)n);
}

/* --- viewers --- */

static struct client *client_of(struct storm *s, const struct viewer *v)
{
    return &s->b->pool.items[s->devices + (uint32_t)(v - s->viewer)];
}

static void forget(struct storm *s, struct viewer *v)
{
    for (uint32_t i = 0; i < s->devices; i++) {
        v->seen[i] = NOTHING;
    }
    v->snapshots = v->answers = 0;
    v->closed = v->paused = false;
}

static void come(struct storm *s, struct viewer *v)
{
    struct client *c = client_of(s, v);
    forget(s, v);
    c->recv_bytes = v->role == SLEEPER ? SLEEPER_BYTES : 0;
    if (!pool_connect(&s->b->pool, c->index, s->b->port, HOME_PATH)) {
        die("a client is not let in");
    }
    s->comings++;
}

/* Stalls, and comes and goes, when it is its time. */
static void live(struct storm *s, struct viewer *v, uint64_t now)
{
    struct client *c = client_of(s, v);
    if (v->closed) {
        client_drop(&s->b->pool, c);
        come(s, v);
        v->next_ns = now + STALL_MS * MS;
        return;
    }
    if (now < v->next_ns) {
        return;
    }
    if (v->role == COMER) {
        if (v->snapshots < v->rooms) {
            v->next_ns = now + 10 * MS; /* it stays for its snapshot */
            return;
        }
        client_drop(&s->b->pool, c);
        v->room = v->room % rooms(s) + 1;
        come(s, v);
        v->next_ns = now + STAY_MS * MS;
    } else if (v->role == STALLER || v->role == SLEEPER) {
        uint64_t ms = v->role == STALLER ? STALL_MS : SLEEP_MS;
        if (v->paused) {
            client_resume(&s->b->pool, c);
        } else {
            client_pause(&s->b->pool, c);
        }
        v->paused = !v->paused;
        v->next_ns = now + (v->paused ? ms : ms / 2) * MS;
    }
}

static void wake_all(struct storm *s)
{
    for (uint32_t i = 0; i < s->viewers; i++) {
        struct viewer *v = &s->viewer[i];
        if (v->paused) {
            client_resume(&s->b->pool, client_of(s, v));
            v->paused = false;
        }
    }
}

/* Those that were closed at last come again. */
static void serve(struct storm *s, uint64_t ms)
{
    for (uint32_t i = 0; i < s->viewers; i++) {
        if (s->viewer[i].closed) {
            live(s, &s->viewer[i], now_ns());
        }
    }
    home_serve(s->b, ms);
}

/* Entities whose last number somebody does not have. */
static uint64_t behind(struct storm *s)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < s->viewers; i++) {
        struct viewer *v = &s->viewer[i];
        for (uint32_t e = 0; e < s->devices; e++) {
            const int32_t *seen = place_of(s, v, e);
            count += seen != NULL && *seen != s->said[e];
        }
    }
    return count;
}

static void arrange(struct storm *s)
{
    const uint32_t counts[ROLES] = {s->b->conns * 6 / 10, s->b->conns * 2 / 10,
                                    s->b->conns * 2 / 10, 4, 2};
    for (unsigned r = 0; r < ROLES; r++) {
        s->viewers += counts[r];
    }
    s->viewer = calloc(s->viewers, sizeof *s->viewer);
    s->seen = calloc((size_t)s->viewers * s->devices, sizeof *s->seen);
    s->said = calloc(s->devices, sizeof *s->said);
    s->said_ns = calloc(s->devices, sizeof *s->said_ns);
    s->stamp_ms = calloc(s->devices, sizeof *s->stamp_ms);
    pool_init(&s->b->pool, s->devices + s->viewers);
    s->b->pool.on_text = on_text;
    s->b->pool.on_close = on_close;
    uint64_t now = now_ns();
    for (uint32_t i = 0, r = 0, n = 0; i < s->viewers; i++, n++) {
        for (; n == counts[r]; n = 0) {
            r++;
        }
        uint32_t span = r == WATCHER ? 0 : r == SLEEPER ? SLEEPER_ROOMS : 1;
        span = span > rooms(s) ? rooms(s) : span;
        s->viewer[i] = (struct viewer){
            .role = (enum role)r, .room = i % (rooms(s) - span + 1) % rooms(s) + 1, .rooms = span,
            .seen = s->seen + (size_t)i * s->devices,
            .next_ns = now + (STAY_MS + i * 7 % 1000) * MS};
    }
}

/* Numbers at an even rate, each device in its turn. */
static double blow(struct storm *s)
{
    uint64_t begin = now_ns();
    uint64_t total = (uint64_t)(s->b->seconds * s->b->rate);
    uint64_t tick = begin;
    for (uint64_t sent = 0; sent < total;) {
        uint64_t now = now_ns();
        uint64_t due = (uint64_t)((double)(now - begin) / 1e9 * s->b->rate);
        for (; sent < due && sent < total; sent++) {
            say(s, (uint32_t)(sent % s->devices));
        }
        for (uint32_t i = 0; now >= tick && i < s->viewers; i++) {
            live(s, &s->viewer[i], now);
        }
        tick = now >= tick ? now + TICK_MS * 5 * MS : tick;
        pool_poll(&s->b->pool, TICK_MS * MS / 2);
    }
    return (double)(now_ns() - begin) / 1e9;
}

int storm_run(struct home_bench *b)
{
    static struct storm s;
    s.b = b;
    s.devices = b->entities / ROOM_ENTITIES * ROOM_ENTITIES;
    b->user = &s;
    if (s.devices == 0 || b->devices == NULL || b->rate == 0) {
        die("the storm needs --entities, at least 10, --rate and --devices");
    }
    arrange(&s);
    open_devices(&s);
    for (uint32_t i = 0; i < s.viewers; i++) {
        come(&s, &s.viewer[i]);
        pool_poll(&b->pool, MS);
    }
    home_serve(b, (uint64_t)(b->rest_s * 1000));
    uint64_t cpu = cpu_ns_of(b->pid);
    double seconds = blow(&s);
    double used = (double)(cpu_ns_of(b->pid) - cpu) / 1e9;
    wake_all(&s);
    uint64_t calm = now_ns();
    uint64_t late = behind(&s);
    for (; late > 0 && now_ns() < calm + SETTLE_MS * MS; late = behind(&s)) {
        serve(&s, 50);
    }
    uint64_t delivered = 0;
    for (unsigned r = 0; r < ROLES; r++) {
        delivered += s.delivered[r];
    }
    uint64_t gaps = s.missed[FOLLOWER] + s.missed[COMER];
    bool failed = s.backwards + s.broken + gaps + s.foreign + s.damaged + late > 0 ||
                  b->pool.failed > 0;
    printf("{\"entities\":%u,\"viewers\":%u,\"changes\":%llu,\"seconds\":%.2f,\"cores\":%.3f,"
           "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.1f,\"settled_ms\":%.0f,\"failed\":%u",
           s.devices, s.viewers, (unsigned long long)s.changes, seconds, used / seconds,
           (double)hist_at(&s.age, 0.5) / 1e6, (double)hist_at(&s.age, 0.99) / 1e6,
           (double)s.age.max_ns / 1e6, (double)(now_ns() - calm) / 1e6, b->pool.failed);
    const struct {
        const char *name;
        uint64_t n;
    } counts[] = {
        {"delivered", delivered},   {"snapshots", s.snapshots}, {"comings", s.comings},
        {"closed_slow", s.slow},    {"backwards", s.backwards}, {"broken", s.broken},
        {"foreign", s.foreign},     {"damaged", s.damaged},     {"wrong_at_the_end", late},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        printf(",\"%s\":%llu", counts[i].name, (unsigned long long)counts[i].n);
    }
    for (unsigned r = 0; r < ROLES; r++) {
        printf(",\"missed_%s\":%llu", role_names[r], (unsigned long long)s.missed[r]);
    }
    puts("}");
    pool_close(&b->pool);
    free(s.viewer);
    free(s.seen);
    free(s.said);
    free(s.said_ns);
    free(s.stamp_ms);
    return failed;
}
