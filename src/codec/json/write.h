/*
 * Writing JSON into a buf. The json_put_* append one value; the writer puts the commas. Output
 * is valid UTF-8 JSON whatever the strings hold; it is not safe inside an HTML script element
 * ('<', U+2028 and U+2029 stay plain). One thread.
 *
 *     struct json_writer w = json_writer_of(&out);
 *     json_open(&w, '{');
 *     json_key(&w, "type");
 *     json_write_string(&w, SPAN("metrics"));
 *     json_member_i64(&w, "n", 3);
 *     json_close(&w, '}');
 */
#ifndef SB_CODEC_JSON_WRITE_H
#define SB_CODEC_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* A string with quotes; '"', '\' and C0 controls escaped, the rest plain. A byte that is not part
 * of valid UTF-8 becomes U+FFFD. At most 6 * len + 2 bytes. */
void json_put_string(buf *out, span text);
/* The shortest of 15-17 significant digits that reads back the same; whole numbers below 2^53
 * without fraction or exponent. `value` is finite (asserted): JSON has no others. -0 is 0. */
void json_put_double(buf *out, double value);

struct json_writer {
    buf *out;   /* borrowed */
    bool comma; /* the next value or key needs one before it */
};

static inline struct json_writer json_writer_of(buf *out)
{
    return (struct json_writer){.out = out, .comma = false};
}

/* '{' or '[', and their ends. Matching them is the caller's affair. */
void json_open(struct json_writer *w, char bracket);
void json_close(struct json_writer *w, char bracket);
/* A member's name, written as it is: a literal that needs no escapes. A value follows. */
void json_key(struct json_writer *w, const char *name);
void json_key_span(struct json_writer *w, span name); /* escapes */

/* One value: an element, or after json_key a member's. */
void json_write_string(struct json_writer *w, span text);
void json_write_i64(struct json_writer *w, int64_t value);
void json_write_u64(struct json_writer *w, uint64_t value);
void json_write_double(struct json_writer *w, double value); /* finite, asserted */
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, span json); /* a value that is JSON already */

/* Key and value in one call. */
void json_member_string(struct json_writer *w, const char *name, span text);
void json_member_i64(struct json_writer *w, const char *name, int64_t value);
void json_member_u64(struct json_writer *w, const char *name, uint64_t value);
void json_member_double(struct json_writer *w, const char *name, double value);
void json_member_bool(struct json_writer *w, const char *name, bool value);
void json_member_null(struct json_writer *w, const char *name);
void json_member_raw(struct json_writer *w, const char *name, span json);
/* '"name":{' or '"name":['. */
void json_member_open(struct json_writer *w, const char *name, char bracket);

#endif
