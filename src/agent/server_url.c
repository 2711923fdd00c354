/* The address of the server as the operator writes it. */
#include "agent/server_url.h"

#include <stdio.h>

static bool scheme_cut(span *rest, bool *secure)
{
    static const struct {
        const char *text;
        bool secure;
    } schemes[] = {{"http://", false}, {"ws://", false}, {"https://", true}, {"wss://", true}};
    for (unsigned i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i].text);
        if (span_ieq(span_slice(*rest, 0, len), span_str(schemes[i].text))) {
            *rest = span_slice(*rest, len, rest->len);
            *secure = schemes[i].secure;
            return true;
        }
    }
    return false;
}

/* A registered name or an IPv4 address; IPv6 has hex digits, ':' and '.' only. */
static bool host_valid(span host, bool v6, bool *literal)
{
    bool digits_only = true;
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.ptr[i];
        bool digit = c >= '0' && c <= '9';
        bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        digits_only = digits_only && (digit || c == '.');
        if (v6 ? !(hex || c == ':' || c == '.') : !(digit || letter || strchr("-._", c) != NULL)) {
            return false;
        }
    }
    *literal = v6 || digits_only;
    return host.len > 0 && host.len <= SERVER_HOST_MAX;
}

const char *server_url_parse(span text, struct server_url *out)
{
    uint64_t port;
    *out = (struct server_url){0};
    if (!scheme_cut(&text, &out->secure)) {
        return "the server's address must begin with http:// or https://";
    }
    if (text.len > 0 && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    span host = text, port_text = SPAN_NONE;
    bool v6 = text.len > 0 && text.ptr[0] == '[';
    if (v6) {
        host = span_slice(text, 1, text.len);
        ptrdiff_t end = span_find(host, ']');
        if (end < 0) {
            return "the server's IPv6 address has no closing ']'";
        }
        port_text = span_slice(host, (size_t)end + 1, host.len);
        host = span_slice(host, 0, (size_t)end);
    } else if (span_find(text, ':') >= 0) {
        host = span_slice(text, 0, (size_t)span_find(text, ':'));
        port_text = span_slice(text, host.len, text.len);
    }
    if (!host_valid(host, v6, &out->literal)) {
        return "the server's address must be a host and a port, without a path or a user";
    }
    port = out->secure ? 443 : 80;
    if (port_text.len > 0 &&
        (port_text.ptr[0] != ':' || !span_u64(span_slice(port_text, 1, 6), 65535, &port) ||
         port == 0 || port_text.len > 6)) {
        return "the port of the server's address must be 1-65535";
    }
    out->port = (uint16_t)port;
    memcpy(out->host, host.ptr, host.len);
    snprintf(out->authority, sizeof out->authority, "%.*s", SPAN_FMT(text));
    return NULL;
}
