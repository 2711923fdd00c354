/* What routes take and give; rows in tables/replies.def. Constant data: any thread. */
#ifndef SB_TABLES_REPLIES_H
#define SB_TABLES_REPLIES_H

#include "tables/routes.h"
#include "tables/schemas.h"

enum reply_form {
    REPLY_UNTOLD, /* the route has no row: a fault that replies_test finds */
    REPLY_DATA,
    REPLY_LIST,
    REPLY_BARE,
    REPLY_TEXT,
    REPLY_STREAM,
    REPLY_NOTHING,
};

struct reply_row {
    enum schema body;                /* one of both, or none */
    enum answer_shape body_shown;
    bool body_many;                  /* or an array of them */
    unsigned status;
    enum reply_form form;
    enum answer_shape answer;
};

struct query_row {
    enum route route;
    struct member_row param;
    const char *text;
};

struct field_row {
    enum route route;
    const char *name;
    const char *text;
};

/* r < ROUTE_COUNT (asserted). */
const struct reply_row *reply_row(enum route r);
/* Another status of success with the same answer; 0: there is none. */
unsigned reply_further_status(enum route r);
/* Query parameters of all routes; NULL behind the last. */
const struct query_row *query_param_row(size_t i);
/* Fields of requests that routes look at, besides those of all; NULL behind the last. */
const struct field_row *request_field_row(size_t i);

#endif
