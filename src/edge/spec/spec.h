/*
 * The documents about the program's own interfaces, written from its tables: OpenAPI 3.1 from
 * routes.def and replies.def, AsyncAPI 3.0 from events.def; shapes from schemas.def and
 * answers.def, errors from errors.def. So nothing is said that the program does not do, and what
 * has no row is not there.
 *
 *     schema.c    shapes as JSON Schema
 *     openapi.c   GET /api/openapi.json
 *     asyncapi.c  GET /api/asyncapi.json
 *     serve.c     both routes; each document is made once a loop and answered with its ETag
 */
#ifndef SB_EDGE_SPEC_SPEC_H
#define SB_EDGE_SPEC_SPEC_H

#include "base/buf.h"
#include "codec/json/write.h"
#include "tables/schemas.h"

struct edge;

/* Where a document keeps its shapes. */
#define SPEC_SCHEMAS "#/components/schemas/"

/* What is sent to us: null is as good as absent, times may be numbers. What we send: answers. */
enum spec_side { SPEC_TAKEN, SPEC_GIVEN };

/* The schema of one member, as a value. */
void spec_member(struct json_writer *w, const struct member_row *m, enum spec_side side);
/* {"$ref":...} to a shape; an empty schema for NULL. */
void spec_ref(struct json_writer *w, const struct schema_row *row);
/* Every shape, as members of the open object components.schemas. */
void spec_schemas(struct json_writer *w);

/* Appends a whole document; the same bytes at each call. */
void spec_openapi(buf *out);
void spec_asyncapi(buf *out);

/* Frees what serve.c keeps. */
void spec_deinit(struct edge *e);

#endif
