#include "adapters/files_disk/files_disk.h"

#include "base/mem.h"

#include <openssl/evp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

struct disk {
    struct files port;
    int root;       /* <folder> */
    int quarantine; /* <folder>/quarantine */
};

static err of_errno(int e)
{
    switch (e) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_STORE_FULL;
    case EROFS:
    case EACCES:
    case EPERM:
        return ERR_STORE_READ_ONLY;
    case ENOENT:
        return ERR_NOT_FOUND;
    default:
        return ERR_STORE_FAILED;
    }
}

static err of_call(int rc) { return rc < 0 ? of_errno(errno) : ERR_NONE; }

/* "xx/<id>", or as a file of quarantine "<id>". */
static void name_of(enum files_area area, uuid id, char out[UUID_TEXT_LEN + 4])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    if (area == FILES_QUARANTINE) {
        memcpy(out, text, sizeof text);
    } else {
        snprintf(out, UUID_TEXT_LEN + 4, "%.2s/%s", text + UUID_TEXT_LEN - 2, text);
    }
}

static int folder_of(const struct disk *d, enum files_area area)
{
    return area == FILES_QUARANTINE ? d->quarantine : d->root;
}

static err put(int fd, uint64_t at, span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = pwrite(fd, bytes.ptr, bytes.len, (off_t)at);
        if (n < 0 && errno != EINTR) {
            return of_errno(errno);
        }
        if (n > 0) {
            at += (uint64_t)n;
            bytes = span_slice(bytes, (size_t)n, bytes.len);
        }
    }
    return ERR_NONE;
}

static err put_at(const struct disk *d, int fd, uint64_t at, span bytes, bool sync)
{
    struct stat st;
    err e = of_call(fstat(fd, &st));
    if (e == ERR_NONE && (uint64_t)st.st_size < at) {
        e = ERR_CONFLICT;
    }
    if (e == ERR_NONE && (uint64_t)st.st_size > at) {
        e = of_call(ftruncate(fd, (off_t)at));
    }
    if (e == ERR_NONE) {
        e = put(fd, at, bytes);
    }
    if (e == ERR_NONE && sync) {
        e = of_call(fdatasync(fd));
        e = e == ERR_NONE ? of_call(fsync(d->quarantine)) : e;
    }
    return e;
}

static err disk_write(struct files *self, uuid id, uint64_t at, span bytes, bool sync)
{
    const struct disk *d = CONTAINER_OF(self, struct disk, port);
    char name[UUID_TEXT_LEN + 4];
    name_of(FILES_QUARANTINE, id, name);
    int make = at == 0 ? O_CREAT : 0;
    int fd = openat(d->quarantine, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | make, 0600);
    if (fd < 0) {
        return errno == ENOENT ? ERR_CONFLICT : of_errno(errno);
    }
    err e = put_at(d, fd, at, bytes, sync);
    return close(fd) < 0 && e == ERR_NONE ? of_errno(errno) : e;
}

static err disk_read(struct files *self, enum files_area area, uuid id, uint64_t at, uint8_t *out,
                     size_t len, size_t *got)
{
    const struct disk *d = CONTAINER_OF(self, struct disk, port);
    char name[UUID_TEXT_LEN + 4];
    name_of(area, id, name);
    *got = 0;
    int fd = openat(folder_of(d, area), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return of_errno(errno);
    }
    err e = ERR_NONE;
    while (*got < len) {
        ssize_t n = pread(fd, out + *got, len - *got, (off_t)(at + *got));
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            e = of_errno(errno);
            break;
        }
        *got += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    return e;
}

static err digest_rest(struct files *self, uuid id, EVP_MD_CTX *ctx)
{
    uint8_t *bytes = mem_alloc(READ_BYTES);
    uint64_t at = 0;
    size_t got = READ_BYTES;
    err e = ERR_NONE;
    while (e == ERR_NONE && got == READ_BYTES) {
        e = disk_read(self, FILES_QUARANTINE, id, at, bytes, READ_BYTES, &got);
        if (e == ERR_NONE && EVP_DigestUpdate(ctx, bytes, got) != 1) {
            e = ERR_STORE_FAILED;
        }
        at += got;
    }
    mem_free(bytes);
    return e;
}

static err disk_digest(struct files *self, uuid id, uint8_t out[FILES_DIGEST_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    err e = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 ? ERR_NONE
                                                                           : ERR_STORE_FAILED;
    if (e == ERR_NONE) {
        e = digest_rest(self, id, ctx);
    }
    if (e == ERR_NONE && EVP_DigestFinal_ex(ctx, out, NULL) != 1) {
        e = ERR_STORE_FAILED;
    }
    EVP_MD_CTX_free(ctx);
    return e;
}

/* Makes <folder>/xx and syncs it, so that the file's new name lasts. */
static err sync_shelf(const struct disk *d, const char *name)
{
    char shelf[3] = {name[0], name[1], '\0'};
    int fd = openat(d->root, shelf, DIR_FLAGS);
    err e = of_call(fd);
    if (e == ERR_NONE) {
        e = of_call(fsync(fd));
        close(fd);
    }
    e = e == ERR_NONE ? of_call(fsync(d->root)) : e;
    return e == ERR_NONE ? of_call(fsync(d->quarantine)) : e;
}

static err disk_release(struct files *self, uuid id)
{
    const struct disk *d = CONTAINER_OF(self, struct disk, port);
    char from[UUID_TEXT_LEN + 4], to[UUID_TEXT_LEN + 4];
    name_of(FILES_QUARANTINE, id, from);
    name_of(FILES_AVAILABLE, id, to);
    char shelf[3] = {to[0], to[1], '\0'};
    if (mkdirat(d->root, shelf, 0700) < 0 && errno != EEXIST) {
        return of_errno(errno);
    }
    if (renameat(d->quarantine, from, d->root, to) < 0) {
        int why = errno;
        struct stat st;
        return why == ENOENT && fstatat(d->root, to, &st, AT_SYMLINK_NOFOLLOW) == 0 ? ERR_NONE
                                                                                    : of_errno(why);
    }
    return sync_shelf(d, to);
}

static err disk_remove(struct files *self, uuid id)
{
    const struct disk *d = CONTAINER_OF(self, struct disk, port);
    char name[UUID_TEXT_LEN + 4];
    for (enum files_area a = FILES_QUARANTINE; a <= FILES_AVAILABLE; a++) {
        name_of(a, id, name);
        if (unlinkat(folder_of(d, a), name, 0) < 0 && errno != ENOENT) {
            return of_errno(errno);
        }
    }
    return ERR_NONE;
}

static err disk_quarantined(struct files *self, void (*visit)(void *arg, uuid id), void *arg)
{
    const struct disk *d = CONTAINER_OF(self, struct disk, port);
    int fd = openat(d->quarantine, ".", DIR_FLAGS);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    uuid id;
    if (dir == NULL) {
        err e = of_errno(errno);
        if (fd >= 0) {
            close(fd);
        }
        return e;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (uuid_parse(span_str(entry->d_name), &id)) {
            visit(arg, id);
        }
    }
    closedir(dir);
    return ERR_NONE;
}

static int open_folder(int at, const char *name, buf *why)
{
    int fd = mkdirat(at, name, 0700) < 0 && errno != EEXIST ? -1 : openat(at, name, DIR_FLAGS);
    if (fd < 0) {
        buf_printf(why, "folder %s: %s", name, strerror(errno));
    }
    return fd;
}

struct files *files_disk_new(const char *folder, buf *why)
{
    struct disk *d = mem_calloc(1, sizeof *d);
    d->port = (struct files){.write = disk_write, .read = disk_read,
                             .digest = disk_digest, .release = disk_release,
                             .remove = disk_remove, .quarantined = disk_quarantined};
    d->root = open_folder(AT_FDCWD, folder, why);
    d->quarantine = d->root < 0 ? -1 : open_folder(d->root, "quarantine", why);
    if (d->quarantine < 0) {
        files_disk_free(&d->port);
        return NULL;
    }
    return &d->port;
}

void files_disk_free(struct files *f)
{
    if (f == NULL) {
        return;
    }
    struct disk *d = CONTAINER_OF(f, struct disk, port);
    if (d->quarantine >= 0) {
        close(d->quarantine);
    }
    if (d->root >= 0) {
        close(d->root);
    }
    mem_free(d);
}
