#include "tables/queries.h"

enum kind { READ, WRITE };

static const struct {
    const char *name;
    enum kind kind;
    const char *params;
    const char *columns;
    const char *sql;
} rows[QUERY_COUNT] = {
    [QUERY_NONE] = {"NONE", READ, "", "", ""},
#define Q(name, kind, params, columns, sql) [QUERY_##name] = {#name, kind, params, columns, sql},
#include "tables/queries.def"
#undef Q
};

static unsigned shape_count(const char *shape)
{
    unsigned n = 0;
    for (; *shape != '\0'; shape++) {
        n += *shape != '?';
    }
    return n;
}

unsigned query_param_count(enum query q) { return shape_count(rows[q].params); }
unsigned query_column_count(enum query q) { return shape_count(rows[q].columns); }
const char *query_params(enum query q) { return rows[q].params; }
const char *query_columns(enum query q) { return rows[q].columns; }
bool query_is_write(enum query q) { return rows[q].kind == WRITE; }
const char *query_name(enum query q) { return rows[q].name; }
const char *query_sql(enum query q) { return rows[q].sql; }
