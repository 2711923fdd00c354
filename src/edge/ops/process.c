#include "edge/ops/process.h"

#include "base/span.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* The start of a small file; empty when it cannot be read. */
static span file_read(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return SPAN_NONE;
    }
    ssize_t len = read(fd, text, cap);
    close(fd);
    return len < 0 ? SPAN_NONE : span_of(text, (size_t)len);
}

/* The number that follows white space in `s`; 0 when there is none. */
static uint64_t number_at(span s)
{
    uint64_t value = 0;
    size_t i = 0;
    while (i < s.len && s.ptr[i] == ' ') {
        i++;
    }
    size_t end = i;
    while (end < s.len && s.ptr[end] >= '0' && s.ptr[end] <= '9') {
        end++;
    }
    return span_u64(span_slice(s, i, end - i), UINT64_MAX, &value) ? value : 0;
}

static uint64_t rss_bytes(void)
{
    char text[128];
    span s = file_read("/proc/self/statm", text, sizeof text);
    span_cut(&s, ' ');
    return number_at(s) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The cgroup's own limit (version 2, as mounted in a container), else all memory. */
static uint64_t memory_bytes(void)
{
    char text[512];
    span s = file_read("/sys/fs/cgroup/memory.max", text, sizeof text);
    uint64_t limit = number_at(s);
    s = file_read("/proc/meminfo", text, sizeof text);
    uint64_t total = 0;
    if (span_starts(s, SPAN("MemTotal:"))) {
        total = number_at(span_slice(s, 9, s.len)) * 1024;
    }
    return limit > 0 && (total == 0 || limit < total) ? limit : total;
}

static uint64_t fd_count(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
        return (uint64_t)st.st_size; /* Linux 6.2 and later say it there */
    }
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

void process_read(struct process_facts *out)
{
    struct rusage use;
    struct rlimit limit;
    *out = (struct process_facts){.rss_bytes = rss_bytes(),
                                  .memory_bytes = memory_bytes(),
                                  .fds = fd_count()};
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        out->cpu_s = seconds(use.ru_utime) + seconds(use.ru_stime);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        out->fds_max = limit.rlim_cur;
    }
}
