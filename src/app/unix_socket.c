#include "app/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel clamps it to net.core.somaxconn */

bool unix_socket_mode(const char *text, unsigned *out)
{
    size_t len = strlen(text);
    if (len < 3 || len > 4 || strspn(text, "01234567") != len || (len == 4 && text[0] != '0')) {
        return false;
    }
    *out = (unsigned)strtoul(text, NULL, 8);
    return true;
}

/* The folder's descriptor with its lock, or -1. */
static int lock_folder(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    size_t len = (size_t)(strrchr(path, '/') - path);
    memcpy(folder, path, len);
    folder[len] = '\0';
    int fd = open(len == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Makes room for the file; false: `why`. */
static bool clear_way(const struct sockaddr_un *name, socklen_t len, buf *why)
{
    struct stat st;
    if (lstat(name->sun_path, &st) != 0) {
        if (errno != ENOENT) {
            buf_append_str(why, strerror(errno));
        }
        return errno == ENOENT;
    }
    if (!S_ISSOCK(st.st_mode)) {
        buf_append_str(why, "the file is there and is no socket");
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)name, len) != 0 &&
                errno == ECONNREFUSED; /* EAGAIN: somebody lives whose queue is full */
    if (fd >= 0) {
        close(fd);
    }
    if (!dead) {
        buf_append_str(why, "another server listens there");
        return false;
    }
    if (unlink(name->sun_path) != 0) {
        buf_append_str(why, strerror(errno));
        return false;
    }
    return true;
}

static int make(const struct sockaddr_un *name, socklen_t len, unsigned mode,
                struct unix_socket *out, buf *why)
{
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)name, len) == 0) {
        if (chmod(name->sun_path, (mode_t)mode) == 0 && lstat(name->sun_path, &st) == 0 &&
            listen(fd, BACKLOG) == 0) {
            *out = (struct unix_socket){.name = *name, .dev = st.st_dev, .ino = st.st_ino};
            return fd;
        }
        buf_append_str(why, strerror(errno));
        (void)unlink(name->sun_path);
    } else {
        buf_append_str(why, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

int unix_socket_listen(const struct sockaddr_storage *addr, socklen_t len, unsigned mode,
                       struct unix_socket *out, buf *why)
{
    struct sockaddr_un name;
    memcpy(&name, addr, sizeof name);
    int folder = lock_folder(name.sun_path);
    if (folder < 0) {
        buf_printf(why, "its folder: %s", strerror(errno));
        return -1;
    }
    int fd = clear_way(&name, len, why) ? make(&name, len, mode, out, why) : -1;
    close(folder); /* and its lock */
    return fd;
}

void unix_socket_remove(const struct unix_socket *s)
{
    struct stat st;
    if (lstat(s->name.sun_path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino) {
        (void)unlink(s->name.sun_path);
    }
}
