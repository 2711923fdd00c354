/*
 * The named errors of the HTTP/1.1 codec: negative results of its decoders. One row each in
 * codec/http1/errors.def with the status that a server answers before it closes.
 */
#ifndef SB_CODEC_HTTP1_ERROR_H
#define SB_CODEC_HTTP1_ERROR_H

enum http1_error_row {
    HTTP1_ROW_NONE,
#define E(name, status, text) HTTP1_ROW_##name,
#include "codec/http1/errors.def"
#undef E
    HTTP1_ROW_COUNT
};

/* HTTP1_ERR_BARE_LF and so on, all below zero. */
enum http1_error {
#define E(name, status, text) HTTP1_ERR_##name = -(int)HTTP1_ROW_##name,
#include "codec/http1/errors.def"
#undef E
};

/* Of a negative result (asserted). Pure, any thread. */
int http1_error_status(int error);       /* HTTP status to answer */
const char *http1_error_text(int error); /* a sentence for people, without a full stop */
const char *http1_error_name(int error); /* the row's name, for logs: "BARE_LF" */

#endif
