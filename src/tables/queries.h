/*
 * The store's queries; rows in tables/queries.def. The enum and the shapes are here; the SQL
 * belongs to the adapters, which read the same file.
 */
#ifndef SB_TABLES_QUERIES_H
#define SB_TABLES_QUERIES_H

#include <stdbool.h>

enum query {
    QUERY_NONE,
#define Q(name, kind, params, columns, sql) QUERY_##name,
#include "tables/queries.def"
#undef Q
    QUERY_COUNT
};

/* Shapes: one letter a value: i integer, r real, t text, b blob; '?' after it: may be NULL. */
unsigned query_param_count(enum query q);
unsigned query_column_count(enum query q);
const char *query_params(enum query q);
const char *query_columns(enum query q);
bool query_is_write(enum query q);
const char *query_name(enum query q);
const char *query_sql(enum query q);

#endif
