/*
 * The records of the agent's buffer file. Pure; any thread. Fuzzed by row_record.
 *
 *     0        4        8                16     17
 *     +--------+--------+----------------+------+--------- - -
 *     | length | CRC    | key            | kind | payload
 *     +--------+--------+----------------+------+--------- - -
 *
 * Numbers are little-endian. The CRC-32C (RFC 3720 B.4) covers everything but itself, so that a
 * torn, zeroed or overwritten record is recognised wherever it was cut.
 */
#ifndef SB_AGENT_ROW_RECORD_H
#define SB_AGENT_ROW_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

#define ROW_RECORD_HEAD 17
/* Longest payload: a row with ten processes takes about 5 KiB when every text is at its limit
 * and escaped; a larger length is damage. */
#define ROW_RECORD_BYTES_MAX (64 * 1024)

enum row_kind {
    ROW_KIND_ROW = 'R', /* key: recorded_at, epoch ms; payload: the JSON of the row */
    ROW_KIND_ACK = 'A', /* key: the place of an acknowledged row (row_buffer.c); no payload */
};

enum row_record_error {
    ROW_RECORD_E_LENGTH = -1,   /* above the limit, or an ack with a payload */
    ROW_RECORD_E_KIND = -2,     /* neither of the kinds */
    ROW_RECORD_E_CHECKSUM = -3, /* not what was written */
};

struct row_record {
    int64_t key;
    enum row_kind kind;
    span payload; /* borrowed from the input */
};

/* Appends the record; payload at most ROW_RECORD_BYTES_MAX (asserted). */
void row_record_encode(buf *out, int64_t key, enum row_kind kind, span payload);
/* The record at the beginning of `in`: its length (> 0), 0 when more bytes are needed, or an
 * enum row_record_error. */
ptrdiff_t row_record_decode(span in, struct row_record *out);

/* CRC-32C of `s` continued from `crc` (0 at first). */
uint32_t row_record_crc(uint32_t crc, span s);

#endif
