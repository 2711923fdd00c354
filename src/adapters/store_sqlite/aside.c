#include "adapters/store_sqlite/aside.h"

#include "base/base64.h"
#include "base/mem.h"
#include "codec/json/write.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

static void write_value(struct json_writer *w, const struct store_value *v)
{
    switch (v->type) {
    case STORE_NULL:
        json_write_null(w);
        break;
    case STORE_INT:
        json_write_i64(w, v->i);
        break;
    case STORE_REAL:
        if (isfinite(v->d)) {
            json_write_double(w, v->d);
        } else {
            json_write_null(w);
        }
        break;
    case STORE_TEXT:
        json_write_string(w, v->s);
        break;
    case STORE_BLOB: {
        char *hex = mem_alloc(2 * v->s.len + 1);
        hex_encode(v->s, hex);
        json_write_string(w, span_of(hex, 2 * v->s.len));
        mem_free(hex);
        break;
    }
    }
}

static bool make(struct aside *a)
{
    int fd = open(a->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    a->exists = fd < 0 && errno == EEXIST;
    a->file = fd < 0 ? NULL : fdopen(fd, "w");
    return a->file != NULL;
}

void aside_row(struct aside *a, const struct tree *t, const char *why,
               const struct store_value *values, unsigned count)
{
    if (a->failed || (a->file == NULL && !make(a))) {
        a->failed = true;
        return;
    }
    buf_clear(&a->line);
    struct json_writer w = json_writer_of(&a->line);
    json_open(&w, '{');
    json_member_string(&w, "table", span_str(t->name));
    json_member_string(&w, "why", span_str(why));
    json_member_open(&w, "row", '{');
    for (unsigned i = 0; i < count; i++) {
        json_key_span(&w, span_str(t->columns[i].name));
        write_value(&w, &values[i]);
    }
    json_close(&w, '}');
    json_close(&w, '}');
    buf_append_byte(&a->line, '\n');
    a->failed = fwrite(a->line.ptr, 1, a->line.len, a->file) != a->line.len;
}

bool aside_close(struct aside *a)
{
    bool ok = !a->failed;
    if (a->file != NULL) {
        ok = fflush(a->file) == 0 && fsync(fileno(a->file)) == 0 && ok;
        ok = fclose(a->file) == 0 && ok;
        a->file = NULL;
    }
    buf_deinit(&a->line);
    return ok;
}
