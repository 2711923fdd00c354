/*
 * libcurl, loaded when it is first needed: with its 29 libraries it would cost every process 4 MB
 * and 3 ms, the agent too, and only a server with `jwks_url`, `app_webhook_url` or robots calls it.
 */
#ifndef SB_ADAPTERS_COMMON_CURL_CURL_H
#define SB_ADAPTERS_COMMON_CURL_CURL_H

#include "base/assert.h"

#include <stdbool.h>

#include <curl/curl.h>

/* Every call that is used, without its `curl_`. */
#define CURL_CALLS(CALL)                                                                           \
    CALL(easy_cleanup)                                                                             \
    CALL(easy_getinfo)                                                                             \
    CALL(easy_header)                                                                              \
    CALL(easy_init)                                                                                \
    CALL(easy_setopt)                                                                              \
    CALL(easy_strerror)                                                                            \
    CALL(free)                                                                                     \
    CALL(global_cleanup)                                                                           \
    CALL(global_init)                                                                              \
    CALL(multi_add_handle)                                                                         \
    CALL(multi_cleanup)                                                                            \
    CALL(multi_info_read)                                                                          \
    CALL(multi_init)                                                                               \
    CALL(multi_perform)                                                                            \
    CALL(multi_poll)                                                                               \
    CALL(multi_remove_handle)                                                                      \
    CALL(multi_setopt)                                                                             \
    CALL(multi_wakeup)                                                                             \
    CALL(slist_append)                                                                             \
    CALL(slist_free_all)                                                                           \
    CALL(url)                                                                                      \
    CALL(url_cleanup)                                                                              \
    CALL(url_get)                                                                                  \
    CALL(url_set)

struct curl_calls {
#define CALL(name) __typeof__(curl_##name) *name;
    CURL_CALLS(CALL)
#undef CALL
};

extern struct curl_calls curl;

/* Fills `curl`, once; any thread, each before it uses `curl` (curl_url_check does it). False when
 * the library is not installed. */
bool curl_load(void) MUST_CHECK;

#endif
