#include "app/key_file.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE_BYTES_MAX 262144 /* 64 certificates take less; more is a mistake */

bool key_file_read(struct key_set *keys, const char *path, buf *why)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        buf_printf(why, "%s: %s", path, strerror(errno));
        return false;
    }
    char *text = mem_alloc(KEY_FILE_BYTES_MAX + 1);
    size_t len = fread(text, 1, KEY_FILE_BYTES_MAX + 1, f);
    bool failed = ferror(f) != 0;
    fclose(f);
    const char *reason = failed ? "cannot be read" : "longer than 262,144 bytes";
    bool ok = !failed && len <= KEY_FILE_BYTES_MAX &&
              key_set_read(keys, span_of(text, len), true, &reason);
    if (!ok) {
        buf_printf(why, "%s: %s", path, reason);
    }
    explicit_bzero(text, len);
    mem_free(text);
    return ok;
}
