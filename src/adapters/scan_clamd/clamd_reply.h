/* What clamd answers to zINSTREAM (clamd(8)), up to its NUL:
 *
 *     stream: OK
 *     stream: <signature> FOUND
 *     <what went wrong> ERROR
 */
#ifndef SB_ADAPTERS_SCAN_CLAMD_CLAMD_REPLY_H
#define SB_ADAPTERS_SCAN_CLAMD_CLAMD_REPLY_H

#include "base/span.h"
#include "ports/scanner.h"

#define CLAMD_REPLY_BYTES_MAX 1024 /* a signature's name is far shorter; more is no answer */

/* Reads a reply without its NUL. Everything that is neither OK nor FOUND to the letter is
 * SCAN_FAILED: only what was understood is clean. Fuzz target: scan_clamd_clamd_reply. */
void clamd_reply(span reply, struct scan_result *out);
/* Keeps printable ASCII of a text, cut to SCAN_WHAT_MAX. */
void clamd_what(struct scan_result *out, span text);

#endif
