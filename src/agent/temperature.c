/* The hottest sensor below /sys. */
#include "agent/temperature.h"

#include "agent/file_read.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What a working sensor inside a running machine can show, in thousandths of a degree. */
#define MILLI_MIN 1000
#define MILLI_MAX 150000

typedef void (*entry_fn)(struct temperature *t, int sys_fd, const char *path, const char *name);

static void each_entry(struct temperature *t, int sys_fd, const char *path, entry_fn fn)
{
    int fd = openat(sys_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        fn(t, sys_fd, path, e->d_name);
    }
    closedir(dir);
}

static void add(struct temperature *t, int sys_fd, const char *dir, const char *name,
                const char *file)
{
    char path[128];
    int64_t milli;
    int n = snprintf(path, sizeof path, "%s/%s%s", dir, name, file);
    if (n > 0 && (size_t)n < sizeof t->sensors[0] && t->count < TEMPERATURE_SENSORS_MAX &&
        file_read_i64(sys_fd, path, &milli)) {
        memcpy(t->sensors[t->count++], path, (size_t)n + 1);
    }
}

static void add_zone(struct temperature *t, int sys_fd, const char *path, const char *name)
{
    if (strncmp(name, "thermal_zone", 12) == 0) {
        add(t, sys_fd, path, name, "/temp");
    }
}

static void add_input(struct temperature *t, int sys_fd, const char *path, const char *name)
{
    const char *end = strstr(name, "_input");
    if (strncmp(name, "temp", 4) == 0 && end != NULL && end[6] == '\0') {
        add(t, sys_fd, path, name, "");
    }
}

static void add_chip(struct temperature *t, int sys_fd, const char *path, const char *name)
{
    char chip[64];
    if (strncmp(name, "hwmon", 5) == 0 &&
        snprintf(chip, sizeof chip, "%s/%.32s", path, name) < (int)sizeof chip) {
        each_entry(t, sys_fd, chip, add_input);
    }
}

void temperature_init(struct temperature *t, int sys_fd)
{
    t->count = 0;
    each_entry(t, sys_fd, "class/thermal", add_zone);
    if (t->count == 0) {
        each_entry(t, sys_fd, "class/hwmon", add_chip);
    }
}

bool temperature_read(const struct temperature *t, int sys_fd, double *celsius)
{
    int64_t hottest = 0;
    for (unsigned i = 0; i < t->count; i++) {
        int64_t milli;
        if (file_read_i64(sys_fd, t->sensors[i], &milli) && milli >= MILLI_MIN &&
            milli <= MILLI_MAX && milli > hottest) {
            hottest = milli;
        }
    }
    *celsius = (double)hottest / 1000;
    return hottest > 0;
}
