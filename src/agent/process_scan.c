/* The top ten processes of the host. */
#include "agent/process_scan.h"

#include "agent/file_read.h"
#include "agent/redact.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a longer command line the beginning is looked at: 16 times what is shown. */
#define CMDLINE_BYTES_MAX 4096
/* /proc/PID/stat has 52 numbers and a name. */
#define STAT_BYTES_MAX 2048

void process_scan_init(struct process_scan *s)
{
    long ticks = sysconf(_SC_CLK_TCK);
    long page = sysconf(_SC_PAGESIZE);
    *s = (struct process_scan){0};
    process_table_init(&s->table, ticks > 0 ? (unsigned)ticks : 100,
                       page > 0 ? (unsigned)page : 4096);
}

void process_scan_deinit(struct process_scan *s)
{
    process_table_deinit(&s->table);
    buf_deinit(&s->text);
}

static void scan_pids(struct process_scan *s, DIR *dir, int proc_fd)
{
    uint64_t pid;
    char path[32];
    struct proc_pid_stat stat;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (!span_u64(span_str(e->d_name), UINT32_MAX, &pid)) {
            continue;
        }
        snprintf(path, sizeof path, "%u/stat", (unsigned)pid);
        if (file_read_at(proc_fd, path, &s->text, STAT_BYTES_MAX) == 0 &&
            proc_pid_stat_parse(buf_span(&s->text), &stat)) {
            process_table_add(&s->table, &stat);
        }
    }
}

/* The folder of a process belongs to its effective user: cheaper than its status file. */
static void fill_user(struct process_scan *s, int proc_fd, struct host_process *p)
{
    char path[16];
    struct stat st;
    snprintf(path, sizeof path, "%u", p->pid);
    const char *name = "?";
    if (fstatat(proc_fd, path, &st, 0) == 0) {
        name = user_names_get(&s->users, st.st_uid);
    }
    snprintf(p->user, sizeof p->user, "%s", name);
}

static void fill_command(struct process_scan *s, int proc_fd, struct host_process *p)
{
    char path[32];
    size_t len = 0;
    snprintf(path, sizeof path, "%u/cmdline", p->pid);
    if (file_read_at(proc_fd, path, &s->text, CMDLINE_BYTES_MAX) == 0) {
        len = redact_command(buf_span(&s->text), p->command, sizeof p->command);
    }
    if (len == 0) {
        /* A kernel thread or a zombie: ps(1) shows the name in brackets, too. */
        snprintf(p->command, sizeof p->command, "[%s]", p->name);
    }
}

void process_scan_run(struct process_scan *s, struct host *h, int64_t mono_ms,
                      uint64_t memory_total_bytes, struct host_top *out)
{
    out->count = 0;
    int fd = openat(h->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    process_table_begin(&s->table, mono_ms, host_uptime_s(h), memory_total_bytes);
    scan_pids(s, dir, h->proc_fd);
    process_table_end(&s->table);
    closedir(dir);
    for (unsigned i = 0; i < s->table.top_count; i++) {
        const struct process_candidate *c = &s->table.top[i];
        struct host_process *p = &out->processes[out->count++];
        p->pid = c->pid;
        p->cpu_percent = c->cpu_percent;
        p->memory_percent = c->memory_percent;
        memcpy(p->name, c->name, sizeof p->name);
        fill_user(s, h->proc_fd, p);
        fill_command(s, h->proc_fd, p);
    }
}
