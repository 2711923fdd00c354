/*
 * A SQLite file system ("faulty") over the system's own that misbehaves on request: a disk with
 * so many bytes left, writes or syncs that fail. Process-wide; any thread may change the plan.
 */
#ifndef SB_TESTS_CONTRACT_FAULT_VFS_H
#define SB_TESTS_CONTRACT_FAULT_VFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAULT_VFS "faulty"

struct fault_plan {
    _Atomic int64_t space_bytes; /* files may grow by this much; then SQLITE_FULL */
    _Atomic int64_t write_fail_in; /* the n-th write from now fails once (0: none) */
    _Atomic bool sync_fails;
    _Atomic uint64_t syncs; /* counted */
};
extern struct fault_plan fault_plan;

/* Makes "faulty" known to SQLite with an empty plan; once a process, before any open. */
void fault_vfs_register(void);
void fault_plan_clear(void); /* nothing fails */

#endif
