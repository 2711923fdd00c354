/*
 * The scanner port by clamd (clamd(8)), over a unix socket or TCP: zINSTREAM, then the file in
 * chunks, each behind its length as 4 bytes in network order, then a length of 0. clamd may answer
 * and close before it has all (StreamMaxLength); its answer is read then, too. clamd speaks no
 * TLS and asks nobody who they are, so only this machine's are taken.
 */
#ifndef SB_ADAPTERS_SCAN_CLAMD_SCAN_CLAMD_H
#define SB_ADAPTERS_SCAN_CLAMD_SCAN_CLAMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "ports/scanner.h"

/* Whether `where` may be one: "unix:/path", or an address of the loopback with a port
 * ("127.0.0.1:3310", "[::1]:3310"). */
bool scan_clamd_address_ok(const char *where) MUST_CHECK;
/* `where` is good (asserted), and copied; it is connected to for each file. `timeout_ms` bounds
 * each wait for clamd, and connecting; a scan of one file takes at most ten times that. */
struct scanner *scan_clamd_new(const char *where, uint32_t timeout_ms);
void scan_clamd_free(struct scanner *s);

#endif
