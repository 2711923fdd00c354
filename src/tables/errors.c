#include "tables/errors.h"

static const struct {
    const char *name;
    const char *code;
    int status;
    const char *text;
} rows[ERR_COUNT] = {
#define E(name, code, status, text) {#name, code, status, text},
#include "tables/errors.def"
#undef E
};

const char *err_code(err e) { return rows[e].code; }
int err_status(err e) { return rows[e].status; }
const char *err_text(err e) { return rows[e].text; }
const char *err_name(err e) { return rows[e].name; }
