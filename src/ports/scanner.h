/*
 * Port: whether a file carries something harmful. Blocks, up to the adapter's time-out: call on a
 * worker (ports/offload.h). Thread-safe. Whoever asks may ask again: nothing is remembered.
 *
 * Only SCAN_CLEAN says that a file may pass. A scanner that cannot be reached, that breaks off in
 * the middle, or says what nobody understands has not scanned.
 */
#ifndef SB_PORTS_SCANNER_H
#define SB_PORTS_SCANNER_H

#include <stddef.h>
#include <stdint.h>

#define SCAN_WHAT_MAX 128 /* with its NUL */

enum scan_verdict {
    SCAN_CLEAN,
    SCAN_FOUND,  /* `what`: the name of what was found */
    SCAN_FAILED, /* the scanner answered that it cannot scan this; `what`: why */
    SCAN_AWAY,   /* nothing was answered: later, perhaps; `what`: why */
};
const char *scan_verdict_name(enum scan_verdict v); /* "found" */

/* The file, read from its begin to its end, once. */
struct scan_source {
    /* Up to `len` bytes into `out`: how many, 0 at the end, negative when it cannot be read (then
     * the verdict is SCAN_FAILED). */
    ptrdiff_t (*read)(struct scan_source *self, uint8_t *out, size_t len);
};

struct scan_result {
    enum scan_verdict verdict;
    char what[SCAN_WHAT_MAX]; /* printable ASCII; "" when clean */
};

struct scanner {
    void (*scan)(struct scanner *self, struct scan_source *src, struct scan_result *out);
};

#endif
