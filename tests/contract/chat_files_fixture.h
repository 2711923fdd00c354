/*
 * Chat of 5 homes whose rooms take files, with a scanner's twin and a disk that can be made to
 * fail.
 */
#ifndef SB_TESTS_CONTRACT_CHAT_FILES_FIXTURE_H
#define SB_TESTS_CONTRACT_CHAT_FILES_FIXTURE_H

#include "adapters/scan_twin/scan_twin.h"
#include "chat_fixture.h"

#include "domain/chat_file.h"
#include "ports/files.h"
#include "ports/sniff.h"

struct files_world {
    char folder[64];
    struct files *disk;
    struct files port; /* before it: what fails */
    err write_error;   /* of every write; ERR_NONE: the disk works */
    struct scanner *scanner;
    struct sniff sniff;
    struct offload scans; /* before w's: what has no room for more */
    bool scans_full;
    unsigned scans_refused;
    int64_t upload_at; /* where file_find begins an upload; -1: behind what has come */
};
extern struct files_world files;

/* cmocka setup and teardown. */
int files_setup(void **state);
int files_teardown(void **state);
#define ON_FILES(test) cmocka_unit_test_setup_teardown(test, files_setup, files_teardown)
/* Every home has the world's ports (again). */
void files_give_ports(void);

/* Announces a file, with its bytes or without (NULL); the error is asserted. */
uuid file_announce(uuid room, const struct chat_who *who, const char *name, const char *mime,
                   int64_t size, const char *bytes, err error);

/* What the last file_find saw. */
struct file_seen {
    bool done;
    err error;
    enum chat_file_state state;
    int64_t received, seq;
    struct chat_upload *upload; /* begun, when it was found to upload */
};
extern struct file_seen file_seen;
/* Asks for a file; the error is asserted. */
void file_find(uuid file, const struct chat_who *who, enum chat_file_for what, err error);
/* Who may see the file sees it in that state. */
void file_is(uuid file, const struct chat_who *who, enum chat_file_state state);
/* Some of its bytes are there, in quarantine or not. */
bool file_on_disk(uuid file);
struct chat_file_stats file_stats(void); /* of the first home */

#endif
