#include "fault_vfs.h"

#include "base/assert.h"

#include <sqlite3.h>
#include <string.h>

struct fault_plan fault_plan;

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* right behind this struct */
};

static sqlite3_vfs vfs;
static sqlite3_vfs *system_vfs;

static sqlite3_file *real(sqlite3_file *f) { return ((struct file *)f)->real; }

static int on_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }

static int on_read(sqlite3_file *f, void *out, int len, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), out, len, at);
}

static int on_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
    sqlite3_int64 size = 0;
    real(f)->pMethods->xFileSize(real(f), &size);
    int64_t growth = at + len > size ? at + len - size : 0;
    if (growth > 0 && atomic_fetch_sub(&fault_plan.space_bytes, growth) < growth) {
        fault_plan.space_bytes += growth;
        return SQLITE_FULL;
    }
    if (fault_plan.write_fail_in > 0 && atomic_fetch_sub(&fault_plan.write_fail_in, 1) == 1) {
        return SQLITE_IOERR_WRITE;
    }
    return real(f)->pMethods->xWrite(real(f), data, len, at);
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real(f)->pMethods->xTruncate(real(f), size);
}

static int on_sync(sqlite3_file *f, int flags)
{
    fault_plan.syncs++;
    return fault_plan.sync_fails ? SQLITE_IOERR_FSYNC
                                 : real(f)->pMethods->xSync(real(f), flags);
}

static int on_file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real(f)->pMethods->xFileSize(real(f), size);
}

static int on_lock(sqlite3_file *f, int level) { return real(f)->pMethods->xLock(real(f), level); }

static int on_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}

static int on_check_lock(sqlite3_file *f, int *held)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), held);
}

static int on_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int on_sector_size(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }

static int on_characteristics(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int on_shm_map(sqlite3_file *f, int page, int bytes, int extend, void volatile **out)
{
    return real(f)->pMethods->xShmMap(real(f), page, bytes, extend, out);
}

static int on_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }

static int on_shm_unmap(sqlite3_file *f, int remove)
{
    return real(f)->pMethods->xShmUnmap(real(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_file_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *self, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct file *file = (struct file *)f;
    file->real = (sqlite3_file *)(file + 1);
    int code = system_vfs->xOpen(system_vfs, name, file->real, flags, out_flags);
    file->base.pMethods = code == SQLITE_OK || file->real->pMethods != NULL ? &methods : NULL;
    return code;
}

void fault_vfs_register(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs; /* all but xOpen is the system's */
    vfs.zName = FAULT_VFS;
    vfs.szOsFile += (int)sizeof(struct file);
    vfs.pNext = NULL;
    vfs.xOpen = on_open;
    ASSERT(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
    fault_plan_clear();
}

void fault_plan_clear(void)
{
    fault_plan.space_bytes = INT64_MAX / 2;
    fault_plan.write_fail_in = 0;
    fault_plan.sync_fails = false;
}
