/*
 * TLS as the settings describe it: the files of tls_cert, tls_key and tls_client_ca made into a
 * struct tls_server, at start and again at every reload, and what is to be said about them.
 */
#ifndef SB_APP_CERTIFICATES_H
#define SB_APP_CERTIFICATES_H

#include "loop/tls.h"
#include "ports/log.h"
#include "tables/config.h"

/* Some listener speaks TLS. */
bool certificates_needed(const struct config *c);
/* Settings that cannot go together, without looking at a file. False: `why`. */
bool certificates_check(const struct config *c, buf *why) MUST_CHECK;
/* Reads the files. *out is NULL when no listener needs them. False: `why`, and nothing is made.
 * `previous` is the one in force, or NULL. */
bool certificates_load(const struct config *c, struct clock *clock, struct tls_server *previous,
                       struct tls_server **out, buf *why) MUST_CHECK;
/* A line for each certificate, a warning for one that is out of date or will soon be. */
void certificates_log(struct log *log, const struct tls_server *s, int64_t now_ms);
/* The same for people, as comments behind the settings. */
void certificates_print(const struct tls_server *s, int64_t now_ms, buf *out);

#endif
