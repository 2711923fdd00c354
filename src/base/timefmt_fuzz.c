/* Whatever reads as a time can be written, and reads back as the same time. */
#include "base/timefmt.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool cond)
{
    if (!cond) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ms;
    int64_t again;
    if (!time_parse(span_of(data, size), &ms)) {
        return 0;
    }
    char text[TIME_MS_LEN + 1];
    char seconds[TIME_S_LEN + 1];
    char http[30];
    time_format_ms(ms, text);
    require(time_parse(span_of(text, TIME_MS_LEN), &again) && again == ms);
    time_format_s(ms, seconds);
    require(time_parse(span_of(seconds, TIME_S_LEN), &again));
    require(again <= ms && ms - again < 1000);
    require(memcmp(text, seconds, TIME_S_LEN - 1) == 0);
    time_format_http(ms, http);
    require(memcmp(http + 17, text + 11, 8) == 0 && http[29] == '\0');
    return 0;
}
