#include "adapters/scan_twin/scan_twin.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <string.h>

struct twin {
    struct scanner port;
    atomic_bool away;
    atomic_uint count;
};

static bool holds(const buf *b, const char *text)
{
    return b->len > 0 && memmem(b->ptr, b->len, text, strlen(text)) != NULL;
}

static struct scan_result judge(const buf *b)
{
    if (holds(b, "EICAR-STANDARD-ANTIVIRUS-TEST-FILE")) {
        return (struct scan_result){.verdict = SCAN_FOUND, .what = "Eicar-Test-Signature"};
    }
    if (holds(b, "UNSCANNABLE")) {
        return (struct scan_result){.verdict = SCAN_FAILED, .what = "it cannot be scanned"};
    }
    return (struct scan_result){.verdict = SCAN_CLEAN};
}

static void scan(struct scanner *self, struct scan_source *src, struct scan_result *out)
{
    struct twin *t = CONTAINER_OF(self, struct twin, port);
    buf all = {0};
    ptrdiff_t got = 1;
    atomic_fetch_add(&t->count, 1);
    if (atomic_load(&t->away)) {
        *out = (struct scan_result){.verdict = SCAN_AWAY, .what = "away"};
        return;
    }
    while (got > 0) {
        got = src->read(src, buf_reserve(&all, 65536), 65536);
        all.len += got > 0 ? (size_t)got : 0;
    }
    *out = got < 0 ? (struct scan_result){.verdict = SCAN_FAILED, .what = "it cannot be read"}
                   : judge(&all);
    buf_deinit(&all);
}

struct scanner *scan_twin_new(void)
{
    struct twin *t = mem_calloc(1, sizeof *t);
    t->port.scan = scan;
    return &t->port;
}

void scan_twin_free(struct scanner *s)
{
    if (s != NULL) {
        mem_free(CONTAINER_OF(s, struct twin, port));
    }
}

void scan_twin_away(struct scanner *s, bool away)
{
    atomic_store(&CONTAINER_OF(s, struct twin, port)->away, away);
}

unsigned scan_twin_count(struct scanner *s)
{
    return atomic_load(&CONTAINER_OF(s, struct twin, port)->count);
}
