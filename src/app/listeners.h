/*
 * The setting `listen`: a comma separated list of
 *
 *     ADDR:PORT  [V6]:PORT  tls://ADDR:PORT  unix:/PATH      each also with proxy+ in front
 *
 * `proxy+` makes trusted peers begin with a PROXY protocol header (decision 0008); it stands on
 * the listener, for a reader must know beforehand whether one comes. Pure; any thread.
 */
#ifndef SB_APP_LISTENERS_H
#define SB_APP_LISTENERS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/span.h"

struct listener_spec {
    span text;                    /* as written, trimmed; points into the list */
    struct sockaddr_storage addr; /* of a unix socket: its path, ended by NUL */
    socklen_t len;
    unsigned flags;               /* enum net_listen_flags */
};

enum listener_next { LISTENER_END, LISTENER_GOT, LISTENER_BAD };

/* Cuts the next listener off `*rest`; empty entries are skipped. LISTENER_BAD: *fault says why
 * (static text) and out->text is the entry. */
enum listener_next listener_next(span *rest, struct listener_spec *out,
                                 const char **fault) MUST_CHECK;
bool listener_is_unix(const struct listener_spec *l);
/* Appends the listener as it would be written, with the port of `bound` (of TCP). */
void listener_format(const struct listener_spec *l, const struct sockaddr_storage *bound,
                     buf *out);

#endif
