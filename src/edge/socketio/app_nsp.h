/*
 * The setting app_namespaces: `/chat, /game-*;msgpack`. Pure; any thread.
 */
#ifndef SB_EDGE_SOCKETIO_APP_NSP_H
#define SB_EDGE_SOCKETIO_APP_NSP_H

#include <stdbool.h>

#include "base/span.h"
#include "codec/sio/packet.h"

#define APP_NAMESPACES_MAX 16 /* each CONNECT looks through them */

struct app_nsp {
    char pattern[SIO_NAMESPACE_BYTES_MAX + 1]; /* "/game-*" */
    bool msgpack;
};

enum app_nsp_next { APP_NSP_GOT, APP_NSP_END, APP_NSP_BAD };

/* The next namespace of the text, cut off its front. BAD: *out is zeroed, and *why says what is
 * wrong with *entry. */
enum app_nsp_next app_nsp_next(span *rest, struct app_nsp *out, span *entry, const char **why);

#endif
