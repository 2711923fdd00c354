#include "codec/http1/error.h"

#include "base/assert.h"

static const struct {
    int status;
    const char *name;
    const char *text;
} rows[HTTP1_ROW_COUNT] = {
    [HTTP1_ROW_NONE] = {0, "NONE", "no error"},
#define E(name, status, text) [HTTP1_ROW_##name] = {status, #name, text},
#include "codec/http1/errors.def"
#undef E
};

static int row_of(int error)
{
    ASSERT(error < 0 && error > -(int)HTTP1_ROW_COUNT);
    return -error;
}

int http1_error_status(int error)
{
    return rows[row_of(error)].status;
}

const char *http1_error_text(int error)
{
    return rows[row_of(error)].text;
}

const char *http1_error_name(int error)
{
    return rows[row_of(error)].name;
}
