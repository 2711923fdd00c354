/* Reading cookies as a server does (RFC 6265 5.4, lenient in what it skips). Pure. */
#ifndef SB_CODEC_HTTP1_COOKIE_H
#define SB_CODEC_HTTP1_COOKIE_H

#include <stdbool.h>

#include "base/span.h"
#include "codec/http1/fields.h"

/* The value of the first cookie called `name` (case counts) in one Cookie value, without
 * surrounding quotes; ptr is NULL when absent. */
span http1_cookie_find(span cookie_value, span name);
/* The same over every Cookie line of a head. */
span http1_cookie_get(const struct http1_fields *fields, span name);

#endif
