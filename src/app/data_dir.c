#include "app/data_dir.h"

#include "base/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4200
#define SECRET_BYTES_MAX 64
#define SECRET_TEXT_MAX 4096

bool data_dir_make(const char *path, buf *why)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        buf_printf(why, "data_dir %s: %s", path, strerror(errno));
        return false;
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        buf_printf(why, "data_dir %s is not a folder", path);
        return false;
    }
    return true;
}

int data_dir_lock(const char *path, buf *why)
{
    char name[PATH_BYTES_MAX];
    snprintf(name, sizeof name, "%s/lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        buf_printf(why, "%s: %s", name, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        buf_printf(why, "%s is in use: another signalbox serves from it", path);
        close(fd);
        return -1;
    }
    return fd;
}

/* Written under another name first, so that a crash leaves no half secret. */
static bool make_secret(const char *path, const char *name, size_t bytes, struct entropy *entropy,
                        buf *why)
{
    uint8_t raw[SECRET_BYTES_MAX];
    char text[2 * SECRET_BYTES_MAX + 1];
    ASSERT(bytes <= sizeof raw);
    entropy_fill(entropy, raw, bytes);
    hex_encode(span_of(raw, bytes), text);
    text[2 * bytes] = '\n';
    char fresh[PATH_BYTES_MAX + 8];
    snprintf(fresh, sizeof fresh, "%s/%s.new", path, name);
    char final[PATH_BYTES_MAX + 8];
    snprintf(final, sizeof final, "%s/%s", path, name);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, text, 2 * bytes + 1) == (ssize_t)(2 * bytes + 1) &&
              fsync(fd) == 0 && rename(fresh, final) == 0;
    if (!ok) {
        buf_printf(why, "%s: %s", final, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    explicit_bzero(raw, sizeof raw);
    explicit_bzero(text, sizeof text);
    return ok;
}

bool data_dir_secret(const char *path, const char *name, size_t bytes, struct entropy *entropy,
                     buf *out, buf *why)
{
    char file[PATH_BYTES_MAX + 8];
    snprintf(file, sizeof file, "%s/%s", path, name);
    if (access(file, F_OK) != 0 && !make_secret(path, name, bytes, entropy, why)) {
        return false;
    }
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    char text[SECRET_TEXT_MAX];
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        buf_printf(why, "%s: %s", file, strerror(errno));
        return false;
    }
    while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == '\r')) {
        got--;
    }
    if (got < 32) {
        buf_printf(why, "%s holds fewer than 32 bytes; remove it to have a new one made", file);
        return false;
    }
    buf_append(out, text, (size_t)got);
    explicit_bzero(text, sizeof text);
    return true;
}
