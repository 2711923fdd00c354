/*
 * chat: members of chat rooms, each with a socket of Socket.IO, who send in turn and check what
 * they get. One thread on one core. Prints one JSON line; exits 1 when something was lost, came
 * twice or out of order.
 *
 *     chat --port P --pid SERVER --file FILE --rate R [--warm S] [--seconds S] [--patience S]
 *          [--stall FILE]
 *
 * FILE has a line a member: its token, its room's id, its room's number. Message k is due at k/R
 * seconds and sent by member k mod members, whether or not the ones before are answered: a server
 * that stands still is measured as long as it does. What is refused with `recoverable` is sent
 * again a second later with its clientId. Every member checks that the seqs of its room come one by
 * one from where it came in; the first of each room, that no message is stored twice. After the
 * last one --patience seconds are waited for what is on its way. In the middle of the window the
 * file of --stall is made: who waits for it may stop the store.
 */
#include "client.h"
#include "stats.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PATH "/socket.io/?EIO=4&transport=websocket"
#define ID_LEN 36
#define TOKEN_MAX 2000
#define AHEAD 64u      /* handshakes on their way */
#define OPEN_S 120
#define AGAIN_S 1
#define NS 1000000000ull

struct member {
    char *token;       /* owned; NULL once it was shown */
    char room[ID_LEN + 1];
    uint32_t room_no;
    uint64_t next_seq; /* 0: it is not in yet */
    uint64_t heard;
};

struct message {
    uint64_t due_ns;
    uint32_t sender;
    bool acked;
    bool seen; /* by the first of its room */
};

struct bench {
    struct pool pool;
    struct member *members;
    uint32_t count, rooms;
    uint32_t *first;      /* the first member of each room */
    uint64_t *acked_in;   /* messages of each room */
    struct message *messages;
    uint64_t total, sent, acked, refused;
    uint64_t *again;      /* numbers to be sent again, a ring of `cap` */
    uint64_t *again_due;
    uint64_t cap, again_at, again_len;
    uint64_t warm;        /* messages before the window */
    uint32_t joined, in;
    uint64_t deliveries, misordered, doubled, closed;
    struct hist latency, ack;
    double rate, warm_s, seconds, patience_s;
    unsigned port;
    int pid;
    const char *file, *stall;
};

static void die(const char *why)
{
    fprintf(stderr, "chat: %s\n", why);
    exit(1);
}

static const char *after(const uint8_t *text, size_t len, const char *what)
{
    const uint8_t *at = memmem(text, len, what, strlen(what));
    return at == NULL ? NULL : (const char *)at + strlen(what);
}

/* --- what comes in --- */

static void on_message(struct bench *b, struct client *c, const uint8_t *text, size_t len)
{
    struct member *m = &b->members[c->index];
    const char *seq_at = after(text, len, "\"seq\":");
    const char *content = after(text, len, "\"content\":\"#");
    if (seq_at == NULL || content == NULL || m->next_seq == 0) {
        return; /* a message of the server's */
    }
    uint64_t seq = strtoull(seq_at, NULL, 10);
    uint64_t n = strtoull(content, NULL, 10);
    b->misordered += seq != m->next_seq;
    m->next_seq = seq + 1;
    m->heard++;
    b->deliveries++;
    if (n >= b->total) {
        b->misordered++;
        return;
    }
    struct message *said = &b->messages[n];
    if (b->first[m->room_no] == c->index) {
        b->doubled += said->seen;
        said->seen = true;
    }
    if (n >= b->warm) {
        hist_add(&b->latency, b->pool.now_ns - said->due_ns);
    }
}

static void on_ack(struct bench *b, const uint8_t *text, size_t len)
{
    uint64_t n = strtoull((const char *)text + 2, NULL, 10);
    struct message *said = n < b->total ? &b->messages[n] : NULL;
    if (said == NULL || said->acked) {
        return;
    }
    if (after(text, len, "\"ok\":true") != NULL) {
        said->acked = true;
        b->acked++;
        b->acked_in[b->members[said->sender].room_no]++;
        if (n >= b->warm) {
            hist_add(&b->ack, b->pool.now_ns - said->due_ns);
        }
        return;
    }
    if (b->refused++ == 0) {
        fprintf(stderr, "chat: %.*s\n", (int)(len < 300 ? len : 300), (const char *)text);
    }
    if (after(text, len, "\"recoverable\":true") != NULL && b->again_len < b->cap) {
        uint64_t at = (b->again_at + b->again_len++) % b->cap;
        b->again[at] = n;
        b->again_due[at] = now_ns() + AGAIN_S * NS;
    }
}

static void on_joined(struct bench *b, struct client *c, const uint8_t *text, size_t len)
{
    struct member *m = &b->members[c->index];
    const char *last = after(text, len, "\"lastSeq\":");
    if (m->next_seq == 0 && last != NULL) {
        m->next_seq = strtoull(last, NULL, 10) + 1;
        b->in++;
    }
}

static void on_text(struct pool *p, struct client *c, const uint8_t *text, size_t len)
{
    static const char received[] = "42[\"chat:message:received\"";
    static const char joined[] = "42[\"chat:room:joined\"";
    struct bench *b = p->user;
    struct member *m = &b->members[c->index];
    char connect[TOKEN_MAX + 32];
    if (len > sizeof received && memcmp(text, received, sizeof received - 1) == 0) {
        on_message(b, c, text, len);
    } else if (len > 2 && memcmp(text, "43", 2) == 0) {
        on_ack(b, text, len);
    } else if (len == 1 && text[0] == '2') {
        client_queue_frame(c, "3", 1);
        p->pings++;
    } else if (len > sizeof joined && memcmp(text, joined, sizeof joined - 1) == 0) {
        on_joined(b, c, text, len);
    } else if (len > 0 && text[0] == '0') {
        int n = snprintf(connect, sizeof connect, "40{\"token\":\"%s\"}", m->token);
        client_queue_frame(c, connect, (size_t)n);
        free(m->token);
        m->token = NULL;
    } else if (len > 2 && memcmp(text, "40", 2) == 0) {
        b->joined++;
    } else if (len > 2 && memcmp(text, "44", 2) == 0) {
        fprintf(stderr, "chat: %.*s\n", (int)len, (const char *)text);
        p->failed++;
    }
}

static void on_close(struct pool *p, struct client *c, unsigned code)
{
    struct bench *b = p->user;
    if (b->closed++ == 0) {
        fprintf(stderr, "chat: member %u was closed: %u\n", c->index, code);
    }
}

/* --- members --- */

static void read_members(struct bench *b)
{
    FILE *f = fopen(b->file, "re");
    char token[TOKEN_MAX], room[ID_LEN + 1] = "";
    uint32_t no, cap = 0;
    if (f == NULL) {
        die(strerror(errno));
    }
    while (fscanf(f, "%1999s %36s %u", token, room, &no) == 3) {
        if (b->count == cap) {
            cap = cap == 0 ? 1024 : cap * 2;
            b->members = realloc(b->members, cap * sizeof *b->members);
        }
        struct member *m = &b->members[b->count++];
        *m = (struct member){.token = strdup(token), .room_no = no};
        memcpy(m->room, room, sizeof m->room);
        b->rooms = no + 1 > b->rooms ? no + 1 : b->rooms;
    }
    fclose(f);
    if (b->count == 0) {
        die("nobody is in the file");
    }
    b->first = malloc(b->rooms * sizeof *b->first);
    b->acked_in = calloc(b->rooms, sizeof *b->acked_in);
    for (uint32_t i = b->count; i-- > 0;) {
        b->first[b->members[i].room_no] = i;
    }
}

static void open_all(struct bench *b)
{
    uint64_t end = now_ns() + OPEN_S * NS;
    for (uint32_t i = 0; b->in < b->count;) {
        for (; i < b->count && i - b->in < AHEAD; i++) {
            if (!pool_connect(&b->pool, i, b->port, PATH)) {
                die("a connection was refused");
            }
        }
        pool_poll(&b->pool, 5000000);
        if (b->pool.failed > 0 || b->closed > 0 || now_ns() > end) {
            fprintf(stderr, "chat: %u of %u connected, %u in their room\n", b->joined, b->count,
                    b->in);
            exit(1);
        }
    }
}

/* --- sending --- */

static void say(struct bench *b, uint64_t n)
{
    struct client *c = &b->pool.items[b->messages[n].sender];
    char text[512];
    int len = snprintf(text, sizeof text,
                       "42%llu[\"chat:message:send\",{\"event\":\"chat:message:send\",\"data\":{"
                       "\"roomId\":\"%s\",\"type\":\"chat\",\"content\":\"#%llu The lamp in the "
                       "hall does not work, as I have said.\",\"clientId\":\"b%llu\"},"
                       "\"version\":\"1.0\"}]",
                       (unsigned long long)n, b->members[b->messages[n].sender].room,
                       (unsigned long long)n, (unsigned long long)n);
    if (!c->ended) {
        client_queue_frame(c, text, (size_t)len);
        client_flush(&b->pool, c);
    }
}

static void say_due(struct bench *b, uint64_t begin)
{
    uint64_t now = now_ns();
    while (b->sent < b->total) {
        uint64_t due = begin + (uint64_t)((double)b->sent / b->rate * 1e9);
        if (due > now) {
            break;
        }
        b->messages[b->sent] = (struct message){.due_ns = due,
                                                .sender = (uint32_t)(b->sent % b->count)};
        say(b, b->sent++);
    }
    while (b->again_len > 0 && b->again_due[b->again_at] <= now) {
        say(b, b->again[b->again_at]);
        b->again_at = (b->again_at + 1) % b->cap;
        b->again_len--;
    }
}

static uint64_t lost(const struct bench *b)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t want = b->acked_in[b->members[i].room_no];
        n += want > b->members[i].heard ? want - b->members[i].heard : 0;
    }
    return n;
}

static double ms(uint64_t ns) { return (double)ns / 1e6; }

static int report(struct bench *b, double cores, double bytes)
{
    uint64_t missing = lost(b);
    printf("{\"members\":%u,\"rooms\":%u,\"rate\":%.0f,\"seconds\":%.1f,\"sent\":%llu,"
           "\"acked\":%llu,\"refused\":%llu,\"deliveries\":%llu,\"lost\":%llu,\"misordered\":%llu,"
           "\"doubled\":%llu,\"closed\":%llu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.1f,"
           "\"ack_p50_ms\":%.2f,\"ack_p99_ms\":%.2f,\"cores\":%.3f,\"anon_bytes\":%.0f,"
           "\"rss_mb\":%.1f}\n",
           b->count, b->rooms, b->rate, b->seconds, (unsigned long long)b->sent,
           (unsigned long long)b->acked, (unsigned long long)b->refused,
           (unsigned long long)b->deliveries, (unsigned long long)missing,
           (unsigned long long)b->misordered, (unsigned long long)b->doubled,
           (unsigned long long)b->closed, ms(hist_at(&b->latency, 0.5)),
           ms(hist_at(&b->latency, 0.99)), ms(b->latency.max_ns), ms(hist_at(&b->ack, 0.5)),
           ms(hist_at(&b->ack, 0.99)), cores, bytes, (double)status_kb_of(b->pid, "VmRSS") / 1024);
    return missing > 0 || b->misordered > 0 || b->doubled > 0 || b->closed > 0 ||
           b->acked < b->sent;
}

static int run(struct bench *b)
{
    uint64_t anon = status_kb_of(b->pid, "RssAnon");
    open_all(b);
    double bytes = (double)(status_kb_of(b->pid, "RssAnon") - anon) * 1024 / b->count;
    uint64_t begin = now_ns();
    uint64_t window = begin + (uint64_t)(b->warm_s * 1e9);
    uint64_t end = window + (uint64_t)(b->seconds * 1e9);
    uint64_t middle = window + (end - window) / 2;
    uint64_t cpu = 0;
    double cores = 0;
    while (now_ns() < end) {
        if (cpu == 0 && now_ns() >= window) {
            cpu = cpu_ns_of(b->pid);
        }
        if (b->stall != NULL && now_ns() >= middle) {
            fclose(fopen(b->stall, "we"));
            b->stall = NULL;
        }
        say_due(b, begin);
        uint64_t due = begin + (uint64_t)((double)b->sent / b->rate * 1e9);
        uint64_t now = now_ns();
        pool_poll(&b->pool, due > now ? (due - now < 1000000 ? due - now : 1000000) : 0);
    }
    cores = (double)(cpu_ns_of(b->pid) - cpu) / 1e9 / b->seconds;
    b->total = b->sent;
    uint64_t patience = now_ns() + (uint64_t)(b->patience_s * 1e9);
    while ((b->acked < b->sent || lost(b) > 0) && now_ns() < patience) {
        say_due(b, begin);
        pool_poll(&b->pool, 1000000);
    }
    return report(b, cores, bytes);
}

static void parse(struct bench *b, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},    {"pid", 1, NULL, 'P'},      {"file", 1, NULL, 'f'},
        {"rate", 1, NULL, 'r'},    {"warm", 1, NULL, 'w'},     {"seconds", 1, NULL, 's'},
        {"patience", 1, NULL, 'a'}, {"stall", 1, NULL, 'S'},   {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        double v = optarg == NULL ? 0 : strtod(optarg, NULL);
        switch (c) {
        case 'p': b->port = (unsigned)v; break;
        case 'P': b->pid = (int)v; break;
        case 'f': b->file = optarg; break;
        case 'r': b->rate = v; break;
        case 'w': b->warm_s = v; break;
        case 's': b->seconds = v; break;
        case 'a': b->patience_s = v; break;
        case 'S': b->stall = optarg; break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    static struct bench b = {.rate = 100, .warm_s = 1, .seconds = 10, .patience_s = 20};
    struct rlimit lim;
    parse(&b, argc, argv);
    if (b.port == 0 || b.pid == 0 || b.file == NULL || b.rate <= 0 || b.seconds <= 0) {
        die("--port, --pid and --file are needed; see the head of bench/chat.c");
    }
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim);
    read_members(&b);
    b.warm = (uint64_t)(b.warm_s * b.rate);
    b.total = b.cap = (uint64_t)((b.warm_s + b.seconds) * b.rate) + 1;
    b.messages = calloc(b.total, sizeof *b.messages);
    b.again = calloc(b.total, sizeof *b.again);
    b.again_due = calloc(b.total, sizeof *b.again_due);
    pool_init(&b.pool, b.count);
    b.pool.on_text = on_text;
    b.pool.on_close = on_close;
    b.pool.user = &b;
    int rc = run(&b);
    pool_close(&b.pool);
    return rc;
}
