/*
 * Command lines without their secrets: what leaves the host in a process list. Pure; any thread.
 * Fuzzed by redact.
 *
 * Hidden, each replaced by "***":
 *   --password X, --token=X, -p X, API_KEY=X     a flag, assignment or member with a secret name
 *   mysql -pX, redis-cli -a X, ldapsearch -w X    short flags of known programs
 *   curl -u name:X, scheme://name:X@host          the password of a pair, a long bare user part
 *   Authorization: X, Cookie: X, Bearer X         header fields and schemes
 *   ghp_..., eyJ..., sbk_..., AKIA...             tokens known by their beginning
 *   =X where X is long hex or base64              values that look like a key
 *
 * It errs on the side of hiding: `ssh -p 22` loses its port. A secret given without any of these
 * marks (a bare positional argument) cannot be recognised.
 */
#ifndef SB_AGENT_REDACT_H
#define SB_AGENT_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"

/*
 * `cmdline` is the content of /proc/PID/cmdline: arguments that each end with a NUL. Writes them
 * joined by blanks, redacted and storable (text_clean), with a NUL, cut at cap - 1 bytes (cap >
 * 0, asserted); what is cut off is cut after the redaction. Returns the length.
 */
size_t redact_command(span cmdline, char *out, size_t cap);

/* Does the name of a flag, variable or member announce a secret: one of its words (parted by
 * '-', '_', '.' or a capital) is in the table, or it ends with password, token, apikey, ...? */
bool redact_name_is_secret(span name);

#endif
