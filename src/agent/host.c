/* Readings of the host's counters and gauges. */
#include "agent/host.h"

#include "agent/file_read.h"
#include "agent/proc_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

const struct host_roots host_roots_default = {
    .proc = "/proc", .sys = "/sys", .etc = "/etc", .disk = "/"};

static bool physical(void *arg, const char *name)
{
    const struct host *h = arg;
    return host_net_physical(h, name);
}

int host_open(struct host *h, const struct host_roots *roots)
{
    *h = (struct host){.roots = *roots, .sys_fd = -1};
    h->proc_fd = open(roots->proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (h->proc_fd < 0) {
        return -errno;
    }
    h->sys_fd = open(roots->sys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    net_counters_init(&h->net, physical, h);
    if (h->sys_fd >= 0) {
        temperature_init(&h->temperature, h->sys_fd);
    }
    return 0;
}

void host_close(struct host *h)
{
    buf_deinit(&h->text);
    if (h->proc_fd >= 0) {
        close(h->proc_fd);
    }
    if (h->sys_fd >= 0) {
        close(h->sys_fd);
    }
    h->proc_fd = h->sys_fd = -1;
}

bool host_net_physical(const struct host *h, const char *name)
{
    char path[64];
    char target[256];
    if (h->sys_fd < 0 || strchr(name, '/') != NULL) {
        return false;
    }
    snprintf(path, sizeof path, "class/net/%.32s", name);
    ssize_t n = readlinkat(h->sys_fd, path, target, sizeof target - 1);
    if (n <= 0) {
        return false;
    }
    target[n] = '\0';
    return strstr(target, "/virtual/") == NULL;
}

/* The first number of a file of /proc. */
static double first_number(struct host *h, const char *path)
{
    double value = 0;
    if (file_read_at(h->proc_fd, path, &h->text, 256) == 0) {
        span text = buf_span(&h->text);
        span line = span_cut(&text, '\n');
        if (!proc_decimal_next(&line, &value)) {
            value = 0;
        }
    }
    return value;
}

uint64_t host_uptime_s(struct host *h)
{
    return (uint64_t)first_number(h, "uptime");
}

static void read_disk(const struct host *h, struct host_reading *out)
{
    struct statvfs fs;
    if (statvfs(h->roots.disk, &fs) == 0) {
        uint64_t unit = fs.f_frsize > 0 ? fs.f_frsize : fs.f_bsize;
        out->disk_total_bytes = (uint64_t)fs.f_blocks * unit;
        out->disk_used_bytes = (uint64_t)(fs.f_blocks - fs.f_bfree) * unit;
    }
}

bool host_read(struct host *h, struct host_reading *out)
{
    *out = (struct host_reading){0};
    if (file_read_at(h->proc_fd, "stat", &h->text, FILE_READ_BYTES_MAX) != 0 ||
        !proc_stat_parse(buf_span(&h->text), &out->cpu) ||
        file_read_at(h->proc_fd, "meminfo", &h->text, FILE_READ_BYTES_MAX) != 0 ||
        !proc_meminfo_parse(buf_span(&h->text), &out->memory)) {
        return false;
    }
    if (file_read_at(h->proc_fd, "net/dev", &h->text, FILE_READ_BYTES_MAX) == 0) {
        net_counters_read(&h->net, buf_span(&h->text));
    }
    out->rx_bytes = h->net.rx_bytes;
    out->tx_bytes = h->net.tx_bytes;
    out->load1 = first_number(h, "loadavg");
    read_disk(h, out);
    if (h->sys_fd >= 0) {
        out->has_temperature =
            temperature_read(&h->temperature, h->sys_fd, &out->temperature_c);
    }
    return true;
}
