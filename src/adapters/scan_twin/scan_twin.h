/*
 * The scanner port without a scanner, for tests of what stands on it: it finds what holds the text
 * EICAR-STANDARD-ANTIVIRUS-TEST-FILE, cannot scan what holds UNSCANNABLE, and may be away. Any
 * thread.
 */
#ifndef SB_ADAPTERS_SCAN_TWIN_SCAN_TWIN_H
#define SB_ADAPTERS_SCAN_TWIN_SCAN_TWIN_H

#include <stdbool.h>

#include "ports/scanner.h"

/* Owned by the caller; nothing is away yet. */
struct scanner *scan_twin_new(void);
void scan_twin_free(struct scanner *s);
/* While true every scan ends with SCAN_AWAY. */
void scan_twin_away(struct scanner *s, bool away);
/* How often it was asked. */
unsigned scan_twin_count(struct scanner *s);

#endif
