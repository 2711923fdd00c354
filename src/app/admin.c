#include "app/admin.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_TIMEOUT_MS 2000

static bool socket_name(const char *data_dir, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(out->sun_path, sizeof out->sun_path, "%s/admin.sock", data_dir);
    return n > 0 && (size_t)n < sizeof out->sun_path;
}

int admin_listen(const char *data_dir, buf *why)
{
    struct sockaddr_un name;
    if (!socket_name(data_dir, &name)) {
        buf_append_str(why, "data_dir is too long for an admin socket beneath it");
        return -1;
    }
    (void)unlink(name.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0177);
    int rc = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&name, sizeof name);
    (void)umask(mask);
    if (rc != 0 || listen(fd, 8) != 0) {
        buf_printf(why, "%s: %s", name.sun_path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static bool write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads until the peer ends or `max` is passed; false on the latter, on silence and on errors. */
static bool read_all(int fd, size_t max, int timeout_ms, buf *out)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, timeout_ms) <= 0) {
            return false;
        }
        ssize_t n = recv(fd, buf_reserve(out, 4096), 4096, 0);
        if (n < 0) {
            return false;
        }
        if (n == 0) {
            return true;
        }
        out->len += (size_t)n;
        if (out->len > max) {
            return false;
        }
    }
}

int admin_forward(const char *data_dir, int argc, char **argv, int wait_ms)
{
    struct sockaddr_un name;
    if (!socket_name(data_dir, &name)) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof name) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    bool ok = true;
    for (int i = 0; i < argc && ok; i++) {
        ok = write_all(fd, argv[i], strlen(argv[i]) + 1);
    }
    (void)shutdown(fd, SHUT_WR);
    buf answer = {0};
    uint32_t out_len = 0;
    ok = ok && read_all(fd, 64u << 20, wait_ms, &answer);
    close(fd);
    if (ok && answer.len >= 5) {
        memcpy(&out_len, answer.ptr + 1, sizeof out_len);
    }
    if (!ok || answer.len < 5 || out_len > answer.len - 5) {
        fprintf(stderr, "signalbox: the running server did not answer\n");
        buf_deinit(&answer);
        return 1;
    }
    int status = answer.ptr[0];
    fwrite(answer.ptr + 5, 1, out_len, stdout);
    fwrite(answer.ptr + 5 + out_len, 1, answer.len - 5 - out_len, stderr);
    fflush(stdout);
    buf_deinit(&answer);
    return status;
}

int admin_read(int fd, buf *text, char **words)
{
    if (!read_all(fd, ADMIN_REQUEST_BYTES_MAX, READ_TIMEOUT_MS, text) || text->len == 0 ||
        text->ptr[text->len - 1] != '\0') {
        return -1;
    }
    int count = 0;
    for (size_t at = 0; at < text->len; at += strlen((char *)text->ptr + at) + 1) {
        if (count == ADMIN_WORDS_MAX) {
            return -1;
        }
        words[count++] = (char *)text->ptr + at;
    }
    return count;
}

void admin_answer(int fd, int status, span out, span err)
{
    uint8_t code = (uint8_t)status;
    uint32_t len = (uint32_t)out.len;
    bool ok = write_all(fd, &code, 1) && write_all(fd, &len, sizeof len) &&
              write_all(fd, out.ptr, out.len) && write_all(fd, err.ptr, err.len);
    (void)ok; /* the client is gone: its own loss */
}
