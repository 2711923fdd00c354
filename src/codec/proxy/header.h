/*
 * The PROXY protocol, versions 1 and 2: what a proxy says about its client before the client's
 * first byte (HAProxy's proxy-protocol.txt, 2.1 and 2.2). Receiving only. Pure; any thread.
 *
 * Narrower than the text allows: a version 2 header of more than PROXY_HEADER_BYTES_MAX is
 * refused, and so are datagrams, which no stream can carry. What a LOCAL or unspecified header
 * carries besides is skipped unread.
 */
#ifndef SB_CODEC_PROXY_HEADER_H
#define SB_CODEC_PROXY_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"

/* Room for a client certificate's names in the extensions; the longest without any is 232. */
#define PROXY_HEADER_BYTES_MAX 4096

enum proxy_error {
    PROXY_NOT_PROXY = -1,   /* the first bytes begin neither version */
    PROXY_BAD_LINE = -2,    /* version 1: not the form of 2.1, or no CRLF within 107 bytes */
    PROXY_BAD_VERSION = -3, /* version 2 says another version */
    PROXY_BAD_COMMAND = -4, /* neither LOCAL nor PROXY */
    PROXY_BAD_FAMILY = -5,  /* family and transport are not a pair that a stream can have */
    PROXY_BAD_LENGTH = -6,  /* too short for the family, or longer than the limit */
    PROXY_BAD_TLV = -7,     /* an extension does not fit, or stands twice where it may not */
    PROXY_BAD_CRC = -8,     /* the checksum differs */
};

enum proxy_source {
    PROXY_LOCAL,   /* the proxy speaks for itself: a health check */
    PROXY_UNKNOWN, /* for a client without an address that it could tell */
    PROXY_IPV4,
    PROXY_IPV6,
    PROXY_UNIX,    /* the client is on the proxy's machine; its path is of no use here */
};

struct proxy_header {
    enum proxy_source source;
    uint8_t addr[16]; /* the client's, network order: 4 or 16 bytes of it */
    uint16_t port;    /* the client's */
    bool tls_told;    /* PP2_TYPE_SSL came */
    bool tls;         /* and said that the client came over TLS */
};

/*
 * Decodes the header at the start of `in`: > 0, its bytes; 0, more are needed; < 0, an enum
 * proxy_error. *out is filled on > 0. No prefix of a good header is refused. Cost: one walk.
 * Fuzz target: proxy_header.
 */
int proxy_header_decode(span in, struct proxy_header *out) MUST_CHECK;
/* Why, as a sentence's end for logs; static. */
const char *proxy_error_text(int error);

#endif
