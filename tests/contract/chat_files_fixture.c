#include "chat_files_fixture.h"

#include "adapters/files_disk/files_disk.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct files_world files;
struct file_seen file_seen;

/* --- the world --- */

static err failing_write(struct files *self, uuid id, uint64_t at, span bytes, bool sync)
{
    (void)self;
    return files.write_error != ERR_NONE
               ? files.write_error
               : files.disk->write(files.disk, id, at, bytes, sync);
}

static err pass_read(struct files *self, enum files_area a, uuid id, uint64_t at, uint8_t *out,
                     size_t len, size_t *got)
{
    (void)self;
    return files.disk->read(files.disk, a, id, at, out, len, got);
}

static err pass_digest(struct files *self, uuid id, uint8_t out[FILES_DIGEST_BYTES])
{
    (void)self;
    return files.disk->digest(files.disk, id, out);
}

static err pass_release(struct files *self, uuid id)
{
    (void)self;
    return files.disk->release(files.disk, id);
}

static err pass_remove(struct files *self, uuid id)
{
    (void)self;
    return files.disk->remove(files.disk, id);
}

static err pass_quarantined(struct files *self, void (*visit)(void *, uuid), void *arg)
{
    (void)self;
    return files.disk->quarantined(files.disk, visit, arg);
}

static bool sniff_type(struct sniff *self, span head, char out[SNIFF_TYPE_MAX])
{
    (void)self;
    const char *type = span_starts(head, SPAN("PNG"))  ? "image/png"
                       : span_starts(head, SPAN("MZ")) ? "application/x-dosexec"
                                                       : "text/plain";
    snprintf(out, SNIFF_TYPE_MAX, "%s", type);
    return true;
}

static bool scans_submit(struct offload *self, struct job *j)
{
    (void)self;
    if (files.scans_full) {
        assert_true(++files.scans_refused < 100); /* nobody may ask again at once */
        return false;
    }
    return offload_submit(w.homes[0].offload, j);
}

void files_give_ports(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        struct home *h = &w.homes[i];
        h->files = &files.port;
        h->sniff = &files.sniff;
        h->scanner = files.scanner;
        h->disk = h->offload;
        h->scans = &files.scans;
    }
}

int files_setup(void **state)
{
    buf why = {0};
    assert_int_equal(chat_setup_5(state), 0);
    memset(&files, 0, sizeof files);
    (void)mkdir("build/tmp", 0755);
    snprintf(files.folder, sizeof files.folder, "build/tmp/chat-files-XXXXXX");
    assert_non_null(mkdtemp(files.folder));
    files.disk = files_disk_new(files.folder, &why);
    assert_non_null(files.disk);
    files.port = (struct files){.write = failing_write, .read = pass_read, .digest = pass_digest,
                                .release = pass_release, .remove = pass_remove,
                                .quarantined = pass_quarantined};
    files.scanner = scan_twin_new();
    files.sniff.type = sniff_type;
    files.scans.submit = scans_submit;
    w.conf.chat_file_bytes_max = 1 << 20;
    w.conf.chat_files_bytes_max = 4 << 20;
    w.conf.chat_transfers_max = 8;
    w.conf.chat_upload_s = 60;
    w.conf.chat_scan_retry_ms = 1000;
    files_give_ports();
    chat_restart();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int files_teardown(void **state)
{
    int rc = chat_teardown(state);
    files_disk_free(files.disk);
    scan_twin_free(files.scanner);
    return rc != 0 ? rc : nftw(files.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- files --- */

uuid file_announce(uuid room, const struct chat_who *who, const char *name, const char *mime,
                   int64_t size, const char *bytes, err error)
{
    struct chat_file_draft d = {.name = span_str(name), .mime = span_str(mime), .size = size};
    if (bytes != NULL) {
        d.bytes = span_str(bytes);
    }
    chat_file_announce(any_home(), room, &d, who, NULL, on_told, &t);
    answered(error);
    return t.id;
}

static enum chat_file_for purpose;
static struct home *there;

static void on_found(void *owner, const struct chat_result *r, const struct chat_file *f)
{
    (void)owner;
    file_seen = (struct file_seen){.done = true, .error = r->error};
    if (f != NULL) {
        file_seen.state = f->state;
        file_seen.received = f->received;
        file_seen.seq = f->seq;
    }
    if (r->error == ERR_NONE && purpose == CHAT_FILE_TO_UPLOAD) {
        file_seen.upload =
            chat_upload_new(there, f, files.upload_at < 0 ? f->received : files.upload_at);
    } else if (r->error == ERR_NONE && purpose == CHAT_FILE_TO_READ) {
        chat_file_read_over(there);
    }
}

void file_find(uuid file, const struct chat_who *who, enum chat_file_for what, err error)
{
    file_seen.done = false;
    purpose = what;
    there = any_home();
    chat_file_find(there, file, what, who, on_found, NULL);
    turns();
    assert_true(file_seen.done);
    assert_string_equal(err_name(file_seen.error), err_name(error));
}

void file_is(uuid file, const struct chat_who *who, enum chat_file_state state)
{
    file_find(file, who, CHAT_FILE_TO_SEE, ERR_NONE);
    assert_string_equal(chat_file_state_name(file_seen.state), chat_file_state_name(state));
}

bool file_on_disk(uuid file)
{
    uint8_t byte;
    size_t got;
    return files.disk->read(files.disk, FILES_QUARANTINE, file, 0, &byte, 1, &got) == ERR_NONE ||
           files.disk->read(files.disk, FILES_AVAILABLE, file, 0, &byte, 1, &got) == ERR_NONE;
}

struct chat_file_stats file_stats(void)
{
    struct chat_file_stats out;
    chat_file_stats(&w.homes[0], &out);
    return out;
}
