#include "tables/closes.h"

static const struct {
    int code;
    const char *text;
    const char *label;
    enum close_reconnect reconnect;
} rows[CLOSE_COUNT] = {
#define C(name, code, text, label, reconnect) {code, text, label, RECONNECT_##reconnect},
#include "tables/closes.def"
#undef C
};

int close_code(close_reason r) { return rows[r].code; }
const char *close_text(close_reason r) { return rows[r].text; }
const char *close_label(close_reason r) { return rows[r].label; }
enum close_reconnect close_reconnect_rule(close_reason r) { return rows[r].reconnect; }
