/*
 * Host and Origin rules. A page of another site may make a browser speak to us: with its own
 * Origin, which must then be listed; or, after rebinding its name to our address, with a Host
 * that is not ours. What is not a browser sends no Origin and may choose its Host; the rules
 * protect it from nobody, and cost it nothing.
 */
#include "edge/access.h"

#include "base/assert.h"
#include "loop/addr.h"

#include <netinet/in.h>

bool host_split(span host, span *name, span *port)
{
    *port = SPAN_NONE;
    if (host.len == 0) {
        return false;
    }
    size_t end = 0;
    if (host.ptr[0] == '[') {
        ptrdiff_t close = span_find(host, ']');
        if (close < 0) {
            return false;
        }
        end = (size_t)close + 1;
    } else {
        ptrdiff_t colon = span_find(host, ':');
        end = colon < 0 ? host.len : (size_t)colon;
    }
    *name = span_slice(host, 0, end);
    span rest = span_slice(host, end, host.len);
    if (rest.len > 0 && rest.ptr[0] != ':') {
        return false;
    }
    if (rest.len > 0) {
        *port = span_slice(rest, 1, rest.len);
    }
    if (name->len > 1 && name->ptr[name->len - 1] == '.') {
        name->len--; /* the root's dot names the same host */
    }
    return name->len > 0;
}

bool host_is_loopback(span name)
{
    return span_ieq(name, SPAN("localhost")) || span_eq(name, SPAN("127.0.0.1")) ||
           span_eq(name, SPAN("[::1]"));
}

/* The 16 bytes of an address as IPv6, IPv4 mapped; false for a unix socket. */
static bool ip_bytes(const struct sockaddr_storage *addr, uint8_t out[16])
{
    if (addr->ss_family == AF_INET6) {
        memcpy(out, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
        return true;
    }
    if (addr->ss_family != AF_INET) {
        return false;
    }
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(out, mapped, 12);
    memcpy(out + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
    return true;
}

/* Whether `name` writes the address that the connection was made to. */
static bool name_is_address(span name, const struct sockaddr_storage *local)
{
    char text[ADDR_TEXT_MAX];
    struct sockaddr_storage parsed;
    socklen_t len;
    uint8_t a[16], b[16];
    if (name.len + 3 > sizeof text) {
        return false;
    }
    memcpy(text, name.ptr, name.len);
    memcpy(text + name.len, ":0", 3);
    return addr_parse(span_str(text), &parsed, &len) && ip_bytes(&parsed, a) &&
           ip_bytes(local, b) && memcmp(a, b, 16) == 0;
}

/* The next entry of a comma separated list, trimmed, without a final slash; false at the end. */
static bool list_next(span *rest, span *entry)
{
    while (rest->ptr != NULL) {
        *entry = span_trim(span_cut(rest, ','));
        if (entry->len > 1 && entry->ptr[entry->len - 1] == '/') {
            entry->len--;
        }
        if (entry->len > 0) {
            return true;
        }
    }
    return false;
}

static bool host_is_public(const struct access_site *site, span name, span port)
{
    span rest = span_str(site->public_hosts);
    span entry;
    while (list_next(&rest, &entry)) {
        span entry_name, entry_port;
        if (host_split(entry, &entry_name, &entry_port) && span_ieq(entry_name, name) &&
            (entry_port.ptr == NULL || span_eq(entry_port, port))) {
            return true;
        }
    }
    return false;
}

bool host_admitted(const struct access_site *site, span host)
{
    span name, port;
    if (!host_split(host, &name, &port)) {
        return false;
    }
    if (addr_is_loopback(site->local) && host_is_loopback(name)) {
        return true;
    }
    return host_is_public(site, name, port) || name_is_address(name, site->local);
}

struct origin {
    bool https;
    span name;
    uint64_t port;
};

static bool port_read(span text, bool https, uint64_t *out)
{
    *out = https ? 443 : 80;
    return text.len == 0 || span_u64(text, 65535, out);
}

/* scheme "://" host [":" port] (RFC 6454 6.2), http and https only. */
static bool origin_parse(span text, struct origin *out)
{
    span port;
    out->https = span_ieq(span_slice(text, 0, 8), SPAN("https://"));
    if (!out->https && !span_ieq(span_slice(text, 0, 7), SPAN("http://"))) {
        return false;
    }
    span authority = span_slice(text, out->https ? 8 : 7, text.len);
    return span_find(authority, '/') < 0 && host_split(authority, &out->name, &port) &&
           port_read(port, out->https, &out->port);
}

/* Untold, the scheme is http, or https of a public host: behind a proxy that ends TLS and does not
 * say so only the scheme differs. */
static bool scheme_is_own(const struct access_site *site, const struct origin *o, span name,
                          span port_text)
{
    if (site->scheme != SCHEME_UNTOLD) {
        return o->https == (site->scheme == SCHEME_HTTPS);
    }
    return !o->https || host_is_public(site, name, port_text);
}

/* The Origin is the Host's own. */
static bool origin_is_host(const struct access_site *site, const struct origin *o, span host)
{
    span name, port_text;
    uint64_t port;
    if (!host_split(host, &name, &port_text) || !port_read(port_text, o->https, &port) ||
        port != o->port || !scheme_is_own(site, o, name, port_text)) {
        return false;
    }
    return span_ieq(name, o->name) || (addr_is_loopback(site->local) && host_is_loopback(name) &&
                                       host_is_loopback(o->name));
}

enum origin_verdict origin_judge(const struct access_site *site, const struct http1_request *req)
{
    size_t count = http1_field_count(req, "Origin");
    if (count == 0) {
        return ORIGIN_ABSENT;
    }
    span text = http1_field(req, "Origin");
    struct origin o;
    if (count > 1 || !origin_parse(text, &o)) {
        return ORIGIN_REFUSED; /* "null" is not of that form */
    }
    if (origin_is_host(site, &o,
                       site->forwarded_host.ptr != NULL ? site->forwarded_host : req->host)) {
        return ORIGIN_SAME;
    }
    enum origin_verdict verdict = ORIGIN_REFUSED;
    span rest = span_str(site->allowed_origins);
    span entry;
    while (list_next(&rest, &entry)) {
        struct origin allowed;
        if (span_eq(entry, SPAN("*"))) {
            verdict = ORIGIN_ANY;
        } else if (origin_parse(entry, &allowed) && allowed.https == o.https &&
                   allowed.port == o.port && span_ieq(allowed.name, o.name)) {
            return ORIGIN_ALLOWED;
        }
    }
    return verdict;
}
