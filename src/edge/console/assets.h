/*
 * The web console's files, compiled into the program: index.html and what it loads. The table
 * is written at build time by tools/embed_console.py from the folder that `npm run build` in
 * console/ leaves behind; without that folder it holds one page saying so. Constant data: any
 * thread may read it, nothing is copied or freed.
 */
#ifndef SB_EDGE_CONSOLE_ASSETS_H
#define SB_EDGE_CONSOLE_ASSETS_H

#include "base/span.h"

struct console_asset {
    span path;         /* below /console/, as "index.html" or "assets/app.4QK2ZB7A.js" */
    span content_type; /* with charset for text */
    span etag;         /* quoted, strong (RFC 9110 8.8.3) */
    span etag_gzip;    /* of the gzip form, another representation; empty without one */
    span body;         /* identity bytes */
    span gzip;         /* the same in gzip; empty where it would not be smaller */
    bool immutable;    /* the name holds a hash of the content: cache it for a year; otherwise
                          the client must revalidate (Cache-Control: no-cache) */
};

/* All files sorted by path (bytewise). */
extern const struct console_asset console_assets[];
extern const size_t console_asset_count;

/*
 * The file at `path` (below /console/, no leading slash, no query, already percent-decoded), or
 * NULL. Only exact names match, so there is nothing to escape from. O(log n).
 */
const struct console_asset *console_asset_find(span path);

/*
 * The page for "/console/" and for every path below it that is no file: the client routes it.
 * Never NULL. A path under "assets/" that is not found must be answered 404, not with this page.
 */
const struct console_asset *console_asset_index(void);

/*
 * The Content-Security-Policy to send with every console file: own origin only, no inline
 * script or style, no framing. The WebSocket of the same origin is covered by 'self'.
 */
#define CONSOLE_CSP                                                                              \
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "          \
    "object-src 'none'"

#endif
