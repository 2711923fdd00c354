#include "adapters/common/curl/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libcurl.so.4" /* its ABI number since 2006 */

struct curl_calls curl;

/* A data pointer made a function's, as POSIX asks of dlsym but ISO C does not know. */
static bool find(void *library, const char *name, void *slot)
{
    void *address = dlsym(library, name);
    memcpy(slot, &address, sizeof address);
    return address != NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

static void load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool ok = library != NULL;
#define CALL(name) ok = ok && find(library, "curl_" #name, &curl.name);
    CURL_CALLS(CALL)
#undef CALL
    if (!ok) {
        curl = (struct curl_calls){0};
    }
    loaded = ok;
}

bool curl_load(void)
{
    return pthread_once(&once, load) == 0 && loaded;
}
