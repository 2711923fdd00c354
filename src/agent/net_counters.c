/* Bytes of the network interfaces that count. */
#include "agent/net_counters.h"

#include "base/assert.h"

static const char *const doubles[] = {"veth", "docker", "br-",  "virbr", "cni",   "flannel",
                                      "cali", "tun",    "tap",  "wg",    "ifb",   "dummy",
                                      "sit",  "ip6tnl", "gre",  "vxlan", "lxc",   "lxd",
                                      "podman"};

bool net_name_is_double(span name)
{
    if (span_eq(name, SPAN("lo"))) {
        return true;
    }
    for (unsigned i = 0; i < ARRAY_LEN(doubles); i++) {
        if (span_starts(name, span_str(doubles[i]))) {
            return true;
        }
    }
    return false;
}

void net_counters_init(struct net_counters *c, bool (*physical)(void *arg, const char *name),
                       void *arg)
{
    *c = (struct net_counters){.physical = physical, .arg = arg};
}

static struct net_counter *find(struct net_counters *c, span name)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (span_eq(span_str(c->items[i].name), name)) {
            return &c->items[i];
        }
    }
    return NULL;
}

static void add(struct net_counters *c, const struct proc_net_dev *dev)
{
    if (c->count == NET_COUNTERS_MAX) {
        return;
    }
    struct net_counter *n = &c->items[c->count++];
    *n = (struct net_counter){.rx_bytes = dev->rx_bytes, .tx_bytes = dev->tx_bytes, .seen = true};
    memcpy(n->name, dev->name.ptr, dev->name.len);
    n->physical = !span_eq(dev->name, SPAN("lo")) && c->physical(c->arg, n->name);
}

static void forget_unseen(struct net_counters *c)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < c->count; i++) {
        if (c->items[i].seen) {
            c->items[kept] = c->items[i];
            c->items[kept++].seen = false;
        }
    }
    c->count = kept;
}

void net_counters_read(struct net_counters *c, span text)
{
    bool any_physical = false;
    for (unsigned i = 0; i < c->count; i++) {
        any_physical = any_physical || c->items[i].physical;
    }
    struct proc_net_dev dev;
    while (proc_net_dev_next(&text, &dev)) {
        struct net_counter *n = find(c, dev.name);
        if (n == NULL) {
            add(c, &dev);
            continue;
        }
        if (any_physical ? n->physical : !net_name_is_double(dev.name)) {
            c->rx_bytes += proc_net_between(n->rx_bytes, dev.rx_bytes);
            c->tx_bytes += proc_net_between(n->tx_bytes, dev.tx_bytes);
        }
        n->rx_bytes = dev.rx_bytes;
        n->tx_bytes = dev.tx_bytes;
        n->seen = true;
    }
    forget_unseen(c);
}
