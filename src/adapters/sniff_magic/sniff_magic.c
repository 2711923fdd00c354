#include "adapters/sniff_magic/sniff_magic.h"

#include "base/assert.h"
#include "base/mem.h"

#include <magic.h>
#include <pthread.h>
#include <string.h>

#define RESTING_MAX 16 /* more threads than any pool of ours has; one more is closed after use */

struct sniffer {
    struct sniff port;
    pthread_mutex_t lock;
    magic_t resting[RESTING_MAX];
    unsigned count;
};

/* Symbolic links, devices and archives' insides are nobody's business here: bytes only. */
#define FLAGS                                                                                      \
    (MAGIC_MIME_TYPE | MAGIC_ERROR | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TOKENS)

static magic_t open_one(void)
{
    magic_t m = magic_open(FLAGS);
    if (m != NULL && magic_load(m, NULL) != 0) {
        magic_close(m);
        m = NULL;
    }
    return m;
}

static magic_t take(struct sniffer *s)
{
    magic_t m = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->count > 0) {
        m = s->resting[--s->count];
    }
    pthread_mutex_unlock(&s->lock);
    return m != NULL ? m : open_one();
}

static void give(struct sniffer *s, magic_t m)
{
    pthread_mutex_lock(&s->lock);
    if (s->count < RESTING_MAX) {
        s->resting[s->count++] = m;
        m = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (m != NULL) {
        magic_close(m);
    }
}

/* libmagic takes what begins with a jump of two or three bytes for a COM program, so one file in
 * sixty of encrypted or packed bytes would be one. A program of DOS or Windows has a header; COM
 * files are known by their names. */
static bool only_jumps(const char *said, span head)
{
    return strcmp(said, "application/x-dosexec") == 0 &&
           !(head.len >= 2 && (memcmp(head.ptr, "MZ", 2) == 0 || memcmp(head.ptr, "ZM", 2) == 0));
}

/* libmagic does not look at a single byte and calls it octets: one letter would be no text. */
static bool is_one_letter(span head)
{
    return head.len == 1 && ((head.ptr[0] >= ' ' && head.ptr[0] < 0x7f) ||
                             memchr("\t\n\r", head.ptr[0], 3) != NULL);
}

static bool type(struct sniff *self, span head, char out[SNIFF_TYPE_MAX])
{
    struct sniffer *s = CONTAINER_OF(self, struct sniffer, port);
    magic_t m = take(s);
    if (m == NULL) {
        return false;
    }
    const char *said = magic_buffer(m, head.len == 0 ? "" : (const char *)head.ptr, head.len);
    size_t n = 0;
    for (; said != NULL && said[n] > ' ' && said[n] < 0x7f && said[n] != ';'; n++) {
        if (n == SNIFF_TYPE_MAX - 1) {
            n = 0;
            break;
        }
        out[n] = said[n] >= 'A' && said[n] <= 'Z' ? (char)(said[n] | 0x20) : said[n];
    }
    out[n] = '\0';
    if (only_jumps(out, head)) {
        memcpy(out, "application/octet-stream", sizeof "application/octet-stream");
    }
    if (is_one_letter(head)) {
        memcpy(out, "text/plain", sizeof "text/plain");
    }
    give(s, m);
    return strchr(out, '/') != NULL;
}

struct sniff *sniff_magic_new(buf *why)
{
    struct sniffer *s = mem_calloc(1, sizeof *s);
    magic_t m = open_one();
    if (m == NULL) {
        buf_append_str(why, "libmagic's database cannot be read");
        mem_free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->resting[s->count++] = m;
    s->port.type = type;
    return &s->port;
}

void sniff_magic_free(struct sniff *self)
{
    if (self == NULL) {
        return;
    }
    struct sniffer *s = CONTAINER_OF(self, struct sniffer, port);
    while (s->count > 0) {
        magic_close(s->resting[--s->count]);
    }
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}
