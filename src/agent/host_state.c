/* What a host is: system, name, addresses, interfaces. */
#include "agent/host_state.h"

#include "agent/file_read.h"
#include "agent/os_release.h"
#include "agent/proc_net_route.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void copy_text(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%s", text);
}

static unsigned prefix_bits(const uint8_t *mask, size_t len)
{
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        bits += (unsigned)__builtin_popcount(mask[i]);
    }
    return bits;
}

/* "address/prefix" of an entry with an IPv4 or IPv6 address; false for other families. */
static bool address_text(const struct ifaddrs *a, char out[HOST_ADDRESS_TEXT])
{
    char text[INET6_ADDRSTRLEN];
    if (a->ifa_addr == NULL || a->ifa_netmask == NULL) {
        return false;
    }
    const void *bytes, *mask;
    size_t len;
    if (a->ifa_addr->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
        mask = &((const struct sockaddr_in *)(const void *)a->ifa_netmask)->sin_addr;
        len = 4;
    } else if (a->ifa_addr->sa_family == AF_INET6) {
        bytes = &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr;
        mask = &((const struct sockaddr_in6 *)(const void *)a->ifa_netmask)->sin6_addr;
        len = 16;
    } else {
        return false;
    }
    if (inet_ntop(a->ifa_addr->sa_family, bytes, text, sizeof text) == NULL) {
        return false;
    }
    snprintf(out, HOST_ADDRESS_TEXT, "%.40s/%u", text, prefix_bits(mask, len));
    return true;
}

static void read_addresses(const struct ifaddrs *list, struct host_interface *f)
{
    for (const struct ifaddrs *a = list; a != NULL; a = a->ifa_next) {
        if (f->address_count < HOST_ADDRESSES_MAX && strcmp(a->ifa_name, f->name) == 0 &&
            address_text(a, f->addresses[f->address_count])) {
            f->address_count++;
        }
    }
}

/* RFC 2863 operational state; drivers that do not tell it ("unknown", as tun) are up when they
 * are switched on. */
static bool is_up(int sys_fd, const char *name)
{
    char path[64], state[16], flags[32];
    snprintf(path, sizeof path, "class/net/%s/operstate", name);
    if (file_read_word(sys_fd, path, state, sizeof state) && strcmp(state, "unknown") != 0) {
        return strcmp(state, "up") == 0;
    }
    snprintf(path, sizeof path, "class/net/%s/flags", name);
    unsigned bits = 0;
    return file_read_word(sys_fd, path, flags, sizeof flags) && sscanf(flags, "%x", &bits) == 1 &&
           (bits & IFF_UP) != 0;
}

static void read_mac(int sys_fd, const char *name, char mac[HOST_MAC_TEXT])
{
    char path[64];
    snprintf(path, sizeof path, "class/net/%s/address", name);
    if (!file_read_word(sys_fd, path, mac, HOST_MAC_TEXT) ||
        strcmp(mac, "00:00:00:00:00:00") == 0) {
        mac[0] = '\0';
    }
}

static void read_interface(struct host *h, const struct proc_net_dev *dev,
                           const struct ifaddrs *addresses, struct host_interface *f)
{
    char path[64];
    *f = (struct host_interface){.rx_bytes = dev->rx_bytes,
                                 .tx_bytes = dev->tx_bytes,
                                 .rx_errors = dev->rx_errors,
                                 .tx_errors = dev->tx_errors,
                                 .speed_mbps = -1};
    memcpy(f->name, dev->name.ptr, dev->name.len);
    if (strchr(f->name, '/') == NULL) {
        f->up = is_up(h->sys_fd, f->name);
        read_mac(h->sys_fd, f->name, f->mac);
        snprintf(path, sizeof path, "class/net/%s/speed", f->name);
        /* The kernel answers EINVAL or -1 where there is no link or no speed (virtual ones). */
        if (!file_read_i64(h->sys_fd, path, &f->speed_mbps) || f->speed_mbps <= 0) {
            f->speed_mbps = -1;
        }
    }
    read_addresses(addresses, f);
}

static void read_interfaces(struct host *h, const struct ifaddrs *addresses,
                            struct host_state *out)
{
    struct proc_net_dev dev;
    if (file_read_at(h->proc_fd, "net/dev", &h->text, FILE_READ_BYTES_MAX) != 0) {
        return;
    }
    span text = buf_span(&h->text);
    while (out->interface_count < HOST_INTERFACES_MAX && proc_net_dev_next(&text, &dev)) {
        if (!span_eq(dev.name, SPAN("lo")) && !span_starts(dev.name, SPAN("veth"))) {
            read_interface(h, &dev, addresses, &out->interfaces[out->interface_count++]);
        }
    }
}

static const struct host_interface *find(const struct host_state *s, span name)
{
    for (unsigned i = 0; i < s->interface_count; i++) {
        if (span_eq(span_str(s->interfaces[i].name), name)) {
            return &s->interfaces[i];
        }
    }
    return NULL;
}

/* The first address of the wanted kind, without its prefix. */
static bool pick_address(const struct host_interface *f, bool v6, char out[HOST_ADDRESS_TEXT])
{
    for (unsigned i = 0; i < f->address_count; i++) {
        const char *text = f->addresses[i];
        bool is_v6 = strchr(text, ':') != NULL;
        if (is_v6 == v6 && strncmp(text, "fe80:", 5) != 0) {
            copy_text(out, HOST_ADDRESS_TEXT, text);
            out[strcspn(out, "/")] = '\0';
            return true;
        }
    }
    return false;
}

static void pick_primary(struct host *h, struct host_state *out)
{
    const struct host_interface *primary = NULL;
    span name;
    if (file_read_at(h->proc_fd, "net/route", &h->text, FILE_READ_BYTES_MAX) == 0 &&
        proc_net_route_default(buf_span(&h->text), &name)) {
        primary = find(out, name);
    }
    if (primary == NULL &&
        file_read_at(h->proc_fd, "net/ipv6_route", &h->text, FILE_READ_BYTES_MAX) == 0 &&
        proc_net_route6_default(buf_span(&h->text), &name)) {
        primary = find(out, name);
    }
    for (unsigned i = 0; primary == NULL && i < out->interface_count; i++) {
        if (out->interfaces[i].up && out->interfaces[i].address_count > 0) {
            primary = &out->interfaces[i];
        }
    }
    if (primary != NULL) {
        copy_text(out->mac_address, sizeof out->mac_address, primary->mac);
        if (!pick_address(primary, false, out->ip_address)) {
            (void)pick_address(primary, true, out->ip_address);
        }
    }
}

static void read_os(struct host *h, const struct utsname *uts, struct host_state *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/os-release", h->roots.etc);
    if (file_read_at(AT_FDCWD, path, &h->text, 64 * 1024) != 0 ||
        !os_release_name(buf_span(&h->text), out->os, sizeof out->os)) {
        snprintf(out->os, sizeof out->os, "%.60s %.60s", uts->sysname, uts->release);
    }
}

void host_state_read(struct host *h, const struct ifaddrs *addresses, struct host_state *out)
{
    struct utsname uts = {0};
    struct proc_stat stat;
    *out = (struct host_state){0};
    (void)uname(&uts);
    copy_text(out->architecture, sizeof out->architecture, uts.machine);
    copy_text(out->hostname, sizeof out->hostname, uts.nodename);
    read_os(h, &uts, out);
    out->uptime_s = host_uptime_s(h);
    if (file_read_at(h->proc_fd, "stat", &h->text, FILE_READ_BYTES_MAX) == 0 &&
        proc_stat_parse(buf_span(&h->text), &stat)) {
        out->cpu_count = stat.cpu_count;
    }
    read_interfaces(h, addresses, out);
    pick_primary(h, out);
}

void host_state_read_now(struct host *h, struct host_state *out)
{
    struct ifaddrs *addresses = NULL;
    if (getifaddrs(&addresses) != 0) {
        addresses = NULL;
    }
    host_state_read(h, addresses, out);
    if (addresses != NULL) {
        freeifaddrs(addresses);
    }
}

static bool interface_same(const struct host_interface *a, const struct host_interface *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->mac, b->mac) != 0 || a->up != b->up ||
        a->speed_mbps != b->speed_mbps || a->address_count != b->address_count) {
        return false;
    }
    for (unsigned i = 0; i < a->address_count; i++) {
        if (strcmp(a->addresses[i], b->addresses[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool host_state_same(const struct host_state *a, const struct host_state *b)
{
    if (strcmp(a->os, b->os) != 0 || strcmp(a->architecture, b->architecture) != 0 ||
        strcmp(a->hostname, b->hostname) != 0 || strcmp(a->ip_address, b->ip_address) != 0 ||
        strcmp(a->mac_address, b->mac_address) != 0 || a->cpu_count != b->cpu_count ||
        a->interface_count != b->interface_count) {
        return false;
    }
    for (unsigned i = 0; i < a->interface_count; i++) {
        if (!interface_same(&a->interfaces[i], &b->interfaces[i])) {
            return false;
        }
    }
    return true;
}
