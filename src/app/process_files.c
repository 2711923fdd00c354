/* Where chat's files are kept, and what they must pass. */
#include "adapters/files_disk/files_disk.h"
#include "adapters/offload_workers/offload_workers.h"
#include "adapters/scan_clamd/scan_clamd.h"
#include "adapters/sniff_magic/sniff_magic.h"
#include "app/process.h"

#include <stdio.h>
#include <string.h>

#define DISK_THREADS 2       /* a disk has few heads; more would not make it faster */
#define DISK_QUEUE_MAX 1024  /* some four of each transfer that there may be by default */
#define SCAN_THREADS 1       /* clamd has threads of its own; ours only waits for it */
#define SCAN_QUEUE_MAX 1024  /* more wait in their rooms' homes */

bool process_open_files(struct process *p, buf *why)
{
    char path[4200];
    const char *scanner = config_str(p->config, CONFIG_chat_scanner);
    snprintf(path, sizeof path, "%s/uploads", config_str(p->config, CONFIG_data_dir));
    p->files = files_disk_new(path, why);
    p->sniff = p->files == NULL ? NULL : sniff_magic_new(why);
    if (p->sniff == NULL) {
        return false;
    }
    if (strcmp(scanner, "none") != 0) {
        p->scanner = scan_clamd_new(
            scanner, (uint32_t)config_int(p->config, CONFIG_chat_scan_timeout_ms));
    }
    p->disk_workers = workers_new(DISK_THREADS, DISK_QUEUE_MAX, p->post);
    p->disk = offload_workers_new(p->disk_workers);
    p->scan_workers = workers_new(SCAN_THREADS, SCAN_QUEUE_MAX, p->post);
    p->scans = offload_workers_new(p->scan_workers);
    return true;
}

void process_join_files(struct process *p)
{
    if (p->disk_workers != NULL) {
        workers_free(p->disk_workers);
        workers_free(p->scan_workers);
        offload_free(p->disk);
        offload_free(p->scans);
        p->disk_workers = p->scan_workers = NULL;
    }
}

void process_free_files(struct process *p)
{
    scan_clamd_free(p->scanner);
    sniff_magic_free(p->sniff);
    files_disk_free(p->files);
}
