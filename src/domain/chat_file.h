/*
 * Files in rooms (CONTRACT 5). A file is announced, its bytes come by PUT (or with the event), stay
 * in quarantine while they are looked at and scanned, and only then its message gets a `seq`:
 *
 *     announce --> PUT, in pieces, by workers --> inspect: bytes fit the name, scanner --> release:
 *     row: announced ............................ quarantined ............. available + message
 *
 * Until then only who sends it sees it. The row says where a file is; whatever a restart finds in
 * the middle goes on from there. The room's home keeps who is uploading, so that one at a time
 * writes; pieces go to disk from the loop of the connection, and what was acknowledged is synced.
 *
 *   chat_file.c          announcing, finding, listing, deleting
 *   chat_upload.c        bytes on their way
 *   chat_file_inspect.c  sniffing, scanning, what becomes of a file
 *   chat_file_sweep.c    expiry, bytes of what is gone, restart
 */
#ifndef SB_DOMAIN_CHAT_FILE_H
#define SB_DOMAIN_CHAT_FILE_H

#include "domain/chat.h"
#include "domain/chat_file_types.h"

/* Whoever may send there announces. result.json: the file; members: {fileId,uploadUrl,expiresAt}.
 * With `bytes` they are on disk when this answers. ERR_INVALID_REQUEST with `member`: a name, type,
 * size or sha256 that is not taken; ERR_RATE_LIMIT_EXCEEDED: too many of theirs are open;
 * ERR_STORE_FULL: no room is left for files (chat_files_mb). */
void chat_file_announce(struct home *h, uuid room, const struct chat_file_draft *in,
                        const struct chat_who *who, const struct chat_origin *origin,
                        chat_done done, void *owner);
/* The available ones and the caller's own that are not (yet), the newest first. */
void chat_file_list(struct home *h, uuid room, span after, unsigned limit,
                    const struct chat_who *who, chat_done done, void *owner);
/* For who sent it, moderators and who monitors. A message stays; its file's address leads nowhere
 * then. Audited when it was somebody else's. */
void chat_file_delete(struct home *h, uuid file, const struct chat_who *who, chat_done done,
                      void *owner);

/* `f` is borrowed for the call; NULL unless r->error is ERR_NONE or ERR_CONFLICT. r->json: the
 * file. */
typedef void (*chat_file_found)(void *owner, const struct chat_result *r,
                                const struct chat_file *f);
enum chat_file_for {
    CHAT_FILE_TO_SEE,    /* any */
    CHAT_FILE_TO_READ,   /* its bytes: one that is available, else as if there were none; counted as
                            a transfer until chat_file_read_over */
    CHAT_FILE_TO_UPLOAD, /* the caller's own; made an upload by the caller (chat_upload_new), or
                            given back (chat_upload_none) */
};
/* ERR_ROOM_ACCESS_DENIED: there is none that the caller sees. TO_UPLOAD: ERR_CONFLICT when it is
 * whole, expired, or somebody is uploading it. ERR_SERVER_ERROR: too many transfers. */
void chat_file_find(struct home *h, uuid file, enum chat_file_for what,
                    const struct chat_who *who, chat_file_found found, void *owner);
/* On the loop that found it. */
void chat_file_read_over(struct home *h);

/* --- an upload, on the loop that found it (chat_upload.c) --- */

struct chat_upload;
typedef void (*chat_upload_done)(void *owner, err error);

/* `f` is copied. The next byte is that at `at`: what was received, or 0 to begin anew. */
struct chat_upload *chat_upload_new(struct home *h, const struct chat_file *f, int64_t at);
/* It is not taken up after all. */
void chat_upload_none(struct home *h, const struct chat_file *f);
int64_t chat_upload_at(const struct chat_upload *u); /* bytes so far */
void chat_upload_json(const struct chat_upload *u, buf *out); /* the file as it is by now */
/* The next bytes (copied), by a worker; `done` later, on this loop; nothing else meanwhile. With
 * `last`, every CHAT_UPLOAD_SYNC_BYTES and at the end they are synced and recorded before it is
 * called. ERR_BODY_TOO_LARGE: more than was announced; ERR_INVALID_REQUEST: all are there, and not
 * those of the sha256 (it begins anew); ERR_CONFLICT: it has expired or was deleted; the disk's. */
#define CHAT_UPLOAD_SYNC_BYTES (4 << 20)
void chat_upload_write(struct chat_upload *u, span bytes, bool last, chat_upload_done done,
                       void *owner);
/* Keeps what came, synced and recorded behind this call; a file that is whole is inspected from
 * here on. */
void chat_upload_close(struct chat_upload *u);

/* --- reading, by workers --- */

/* One read; `done` on the loop of `h`. The caller's, borrowed until done. */
struct chat_file_read {
    struct job job; /* private, as the next */
    struct files *files;
    uuid file;
    uint64_t at;
    size_t len;     /* wanted, of `bytes` */
    uint8_t *bytes; /* the caller's */
    size_t got;
    err error;
    void (*done)(struct chat_file_read *r);
};
/* False: too much waits for the disk. */
bool chat_file_read_start(struct home *h, struct chat_file_read *r) MUST_CHECK;

/* --- what others do to files --- */

/* Steps of a request: the file of a message that is deleted goes with it; all files of a room.
 * After the commit: chat_files_collect. */
void chat_file_gone_step(struct store_req *req, unsigned step, uuid file, int64_t now_ms);
void chat_files_gone_step(struct store_req *req, unsigned step, uuid room, int64_t now_ms);
void chat_files_collect(struct home *h); /* any home */

struct chat_file_stats {
    unsigned held;      /* files that wait for the scanner */
    unsigned transfers; /* uploads and downloads under way */
    uint64_t bytes;     /* of files that are kept, as announced */
    bool scanning;      /* there is a scanner */
    bool away;          /* and the last scan was not answered */
};
/* Of the process; any thread. */
void chat_file_stats(const struct home *h, struct chat_file_stats *out);

#endif
