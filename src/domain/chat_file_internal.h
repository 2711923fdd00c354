/* What the files of chat's files share. */
#ifndef SB_DOMAIN_CHAT_FILE_INTERNAL_H
#define SB_DOMAIN_CHAT_FILE_INTERNAL_H

#include "domain/chat_file.h"
#include "domain/chat_internal.h"
#include "ports/files.h"
#include "ports/scanner.h"
#include "ports/sniff.h"

#define CHAT_FILE_OPEN_MAX 20    /* uploads of one principal that are not released; more: refused */
#define CHAT_FILE_COLUMNS_COUNT 16

/* Of a home. */
struct chat_files {
    struct chat *chat;
    struct map busy;      /* struct chat_file_busy: uploads of rooms of this home, by file */
    struct list held;     /* struct inspect, which wait for the scanner */
    struct deadline retry;
    struct deadline sweep; /* of home 0 */
    bool sweeping, again;
    int64_t orphans_ms;   /* monotonic: when files without a room are looked for again */
    bool stopped;
    _Atomic unsigned held_count;
    _Atomic bool away;
    /* Of home 0, for all: */
    _Atomic unsigned transfers;
    _Atomic int64_t bytes;
};

struct chat_file_busy {
    struct map_node node;
    uuid file;
};

static inline struct chat_files *chat_files_all(const struct home *h)
{
    return h->peers[0]->chat->files;
}

/* A row of CHAT_FILE_GET and its kin; spans are the request's. */
void chat_file_row(const struct store_req *req, unsigned step, unsigned row,
                   struct chat_file *out);
/* The same with texts in the arena. */
void chat_file_copy(struct arena *arena, const struct chat_file *f, struct chat_file *out);

/* At the room's home: the bytes are whole and in quarantine. */
void chat_file_inspect(struct chat *c, const struct chat_file *f);
void chat_file_inspect_free(struct chat_files *s);
/* At home 0. */
void chat_file_sweep_start(struct chat_files *s);
/* The upload has ended; `whole`: inspect it. At the room's home. */
void chat_file_upload_over(struct chat *c, const struct chat_file *f, bool whole);
/* Puts the file into the answer. */
void chat_file_result(struct chat_ask *a, const struct chat_file *f);
/* So many bytes more are on the disk, or will be; false: they are over the budget. And no more. */
bool chat_file_count(const struct home *h, int64_t bytes) MUST_CHECK;
void chat_file_uncount(const struct home *h, int64_t bytes);
/* One more transfer; false: there are too many. And its end. */
bool chat_transfer_begin(const struct home *h) MUST_CHECK;
void chat_transfer_end(const struct home *h);

#endif
