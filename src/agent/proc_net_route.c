/* The interface of the default route. */
#include "agent/proc_net_route.h"

#include "agent/proc_net_dev.h"
#include "agent/proc_text.h"

/* linux/route.h */
#define ROUTE_UP 0x0001u
#define ROUTE_REJECT 0x0200u

static bool hex_field(span *line, uint64_t *out)
{
    span f;
    if (!proc_field_next(line, &f) || f.len > 16) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < f.len; i++) {
        uint8_t c = f.ptr[i];
        unsigned digit;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10u;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10u;
        } else {
            return false;
        }
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

static bool skip(span *line, unsigned count)
{
    span f;
    for (unsigned i = 0; i < count; i++) {
        if (!proc_field_next(line, &f)) {
            return false;
        }
    }
    return true;
}

static bool usable(uint64_t flags, span name)
{
    return (flags & ROUTE_UP) != 0 && (flags & ROUTE_REJECT) == 0 && name.len > 0 &&
           name.len <= PROC_NET_NAME_MAX;
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask ... */
bool proc_net_route_default(span text, span *name)
{
    bool found = false;
    uint64_t best = 0;
    span line, dev;
    while (proc_line_next(&text, &line)) {
        uint64_t dest, flags, metric, mask;
        if (proc_field_next(&line, &dev) && hex_field(&line, &dest) && skip(&line, 1) &&
            hex_field(&line, &flags) && skip(&line, 2) && proc_u64_next(&line, &metric) &&
            hex_field(&line, &mask) && dest == 0 && mask == 0 && usable(flags, dev) &&
            (!found || metric < best)) {
            found = true;
            best = metric;
            *name = dev;
        }
    }
    return found;
}

/* dest dest_len source source_len next_hop metric refcnt use flags dev; all numbers hex. */
bool proc_net_route6_default(span text, span *name)
{
    bool found = false;
    uint64_t best = 0;
    span line, dest, dev;
    while (proc_line_next(&text, &line)) {
        uint64_t prefix, metric, flags;
        if (proc_field_next(&line, &dest) && hex_field(&line, &prefix) && skip(&line, 3) &&
            hex_field(&line, &metric) && skip(&line, 2) && hex_field(&line, &flags) &&
            proc_field_next(&line, &dev) && prefix == 0 &&
            span_eq(dest, SPAN("00000000000000000000000000000000")) && usable(flags, dev) &&
            !span_eq(dev, SPAN("lo")) && (!found || metric < best)) {
            found = true;
            best = metric;
            *name = dev;
        }
    }
    return found;
}
