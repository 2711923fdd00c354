/*
 * The web console's files over HTTP. Names that hold a hash of their content may be kept for a
 * year; everything else is asked about again and answered 304 while it is the same.
 */
#include "codec/http1/list.h"
#include "edge/console/assets.h"
#include "edge/rest/handlers.h"

#define CACHE_FOREVER "public, max-age=31536000, immutable"
#define CACHE_REVALIDATE "no-cache"

static void redirect(struct rest_call *c, span to)
{
    rest_header(c, "Location", to);
    c->cache = CACHE_REVALIDATE;
    rest_raw(c, 302, NULL, SPAN_NONE);
}

void rest_root(struct rest_call *c) { redirect(c, SPAN("/console/")); }

void rest_console_root(struct rest_call *c) { redirect(c, SPAN("/console/")); }

void rest_robots(struct rest_call *c)
{
    rest_raw(c, 200, "text/plain; charset=utf-8", SPAN("User-agent: *\nDisallow: /\n"));
}

/* The console names its own icon; this is for tools that ask without reading the page. */
void rest_favicon(struct rest_call *c)
{
    for (size_t i = 0; i < console_asset_count; i++) {
        const struct console_asset *a = &console_assets[i];
        if (span_starts(a->content_type, SPAN("image/"))) {
            char text[128] = "/console/";
            ASSERT(a->path.len + 9 < sizeof text);
            memcpy(text + 9, a->path.ptr, a->path.len);
            redirect(c, span_of(text, a->path.len + 9));
            return;
        }
    }
    rest_error(c, ERR_NOT_FOUND, NULL);
}

/* A page's address, which the console routes itself: no file below assets/, no extension. */
static bool is_page(span path)
{
    span last = path;
    for (span rest = path; rest.ptr != NULL;) {
        last = span_cut(&rest, '/');
    }
    return !span_starts(path, SPAN("assets/")) && span_find(last, '.') < 0;
}

static void serve(struct rest_call *c, const struct console_asset *a)
{
    char type[64];
    bool gzip = a->gzip.len > 0 && c->x->req->accept_gzip;
    span etag = gzip ? a->etag_gzip : a->etag;
    span known = http1_field(c->x->req, "If-None-Match");
    c->policy = CONSOLE_CSP;
    c->cache = a->immutable ? CACHE_FOREVER : CACHE_REVALIDATE;
    rest_header(c, "ETag", etag);
    rest_header(c, "Cross-Origin-Opener-Policy", SPAN("same-origin"));
    if (a->gzip.len > 0) {
        rest_header(c, "Vary", SPAN("Accept-Encoding"));
    }
    if (known.ptr != NULL && http1_etag_matches(known, etag)) {
        rest_raw(c, 304, NULL, SPAN_NONE);
        return;
    }
    if (gzip) {
        rest_header(c, "Content-Encoding", SPAN("gzip"));
    }
    ASSERT(a->content_type.len < sizeof type);
    memcpy(type, a->content_type.ptr, a->content_type.len);
    type[a->content_type.len] = '\0';
    rest_raw(c, 200, type, gzip ? a->gzip : a->body);
}

void rest_console(struct rest_call *c)
{
    const struct console_asset *a = console_asset_find(c->rest);
    if (a == NULL && is_page(c->rest)) {
        a = console_asset_index();
    }
    if (a == NULL) {
        rest_error(c, ERR_NOT_FOUND, NULL);
    } else {
        serve(c, a);
    }
}
