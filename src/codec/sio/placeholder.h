/* What stands in for a binary value, {"_placeholder":true,"num":n}, as a walk over JSON comes by
 * it. Private to codec/sio. */
#ifndef SB_CODEC_SIO_PLACEHOLDER_H
#define SB_CODEC_SIO_PLACEHOLDER_H

#include <stdbool.h>

#include "base/span.h"

/* What has been seen of an object; zeroed: nothing. */
struct sio_seen {
    unsigned members;
    bool placeholder; /* the last _placeholder is true */
    span num;         /* the last num */
};

/* One member: its name with quotes, and its text when it is a scalar (else empty). */
void sio_see(struct sio_seen *o, span key, span scalar);
/* Is it exactly a placeholder, with a number below SIO_ATTACHMENTS_MAX? */
bool sio_seen_num(const struct sio_seen *o, unsigned *num);

#endif
