/* One process from /proc/PID/stat. */
#include "agent/proc_pid_stat.h"

#include "agent/proc_text.h"

/* Fields are numbered as in the manual, from 1; 3 is the first after the name. */
enum { FIELD_STATE = 3, FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_START = 22, FIELD_RSS = 24 };

bool proc_pid_stat_parse(span text, struct proc_pid_stat *out)
{
    ptrdiff_t open = span_find(text, '(');
    size_t close = text.len;
    /* A name may hold blanks and parentheses; nothing after it does. */
    while (close > 0 && text.ptr[close - 1] != ')') {
        close--;
    }
    uint64_t pid, utime = 0;
    if (open < 0 || close <= (size_t)open + 1 ||
        !span_u64(span_trim(span_slice(text, 0, (size_t)open)), UINT32_MAX, &pid)) {
        return false;
    }
    *out = (struct proc_pid_stat){
        .pid = (uint32_t)pid,
        .name = span_slice(text, (size_t)open + 1, close - 2 - (size_t)open),
    };
    span rest = span_slice(text, close, text.len);
    span field;
    for (unsigned i = FIELD_STATE; i <= FIELD_RSS; i++) {
        if (!proc_field_next(&rest, &field)) {
            return false;
        }
        if (i == FIELD_STATE) {
            out->state = (char)field.ptr[0];
        } else if (i == FIELD_UTIME && !span_u64(field, UINT64_MAX / 2, &utime)) {
            return false;
        } else if (i == FIELD_STIME && !span_u64(field, UINT64_MAX / 2, &out->cpu_ticks)) {
            return false;
        } else if (i == FIELD_START && !span_u64(field, UINT64_MAX, &out->start_ticks)) {
            return false;
        } else if (i == FIELD_RSS && !span_u64(span_trim(field), UINT64_MAX, &out->rss_pages)) {
            out->rss_pages = 0; /* a negative size was printed for a moment by old kernels */
        }
    }
    out->cpu_ticks += utime;
    return true;
}
