/* /etc/os-release: the name always ends inside its buffer. */
#include "agent/os_release.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[40];
    bool found = os_release_name(span_of(data, size), name, sizeof name);
    if (strnlen(name, sizeof name) >= sizeof name || found != (name[0] != '\0')) {
        abort();
    }
    return 0;
}
