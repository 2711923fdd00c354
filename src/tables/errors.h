/* The error type of everything that can be expected to fail; rows in tables/errors.def. */
#ifndef SB_TABLES_ERRORS_H
#define SB_TABLES_ERRORS_H

typedef enum err {
#define E(name, code, status, text) ERR_##name,
#include "tables/errors.def"
#undef E
    ERR_COUNT
} err;

const char *err_code(err e);   /* as on the wire: "DEVICE_NOT_FOUND" */
int err_status(err e);         /* HTTP status */
const char *err_text(err e);   /* a sentence for people, without a full stop */
const char *err_name(err e);   /* the row's own name, for logs: "STORE_FULL" */

#endif
