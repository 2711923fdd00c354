#include "stats.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned bucket_of(uint64_t ns)
{
    if (ns < 16) {
        return (unsigned)ns;
    }
    unsigned top = 63 - (unsigned)__builtin_clzll(ns);
    return (top - 3) * 16 + (unsigned)((ns >> (top - 4)) & 15);
}

void hist_add(struct hist *h, uint64_t ns)
{
    unsigned b = bucket_of(ns);
    h->counts[b < HIST_BUCKETS ? b : HIST_BUCKETS - 1]++;
    h->total++;
    h->max_ns = ns > h->max_ns ? ns : h->max_ns;
}

uint64_t hist_at(const struct hist *h, double quantile)
{
    uint64_t want = (uint64_t)(quantile * (double)h->total);
    uint64_t seen = 0;
    for (unsigned b = 0; b < HIST_BUCKETS; b++) {
        seen += h->counts[b];
        if (seen > want) {
            return b < 16 ? b : (uint64_t)(16 + b % 16 + 1) << (b / 16 - 1);
        }
    }
    return h->max_ns;
}

uint64_t cpu_ns_of(int pid)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    uint64_t total = 0;
    for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d)) {
        snprintf(path, sizeof path, "/proc/%d/task/%.200s/schedstat", pid, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        unsigned long long on = 0;
        if (f != NULL) {
            total += fscanf(f, "%llu", &on) == 1 ? on : 0;
            fclose(f);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return total;
}

uint64_t status_kb_of(int pid, const char *name)
{
    char path[64];
    char line[256];
    unsigned long long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            (void)sscanf(line + strlen(name) + 1, "%llu", &kb);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kb;
}
