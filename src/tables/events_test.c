#include "tables/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void every_name_finds_its_row(void **state)
{
    for (unsigned i = 0; i < EVENT_COUNT; i++) {
        const char *name = event_name((enum event)i);
        assert_int_equal(event_by_name(name, strlen(name)), i);
        assert_true(event_description((enum event)i)[0] != '\0');
    }
    assert_int_equal(event_by_name("device:creates", 14), EVENT_COUNT);
    assert_int_equal(event_by_name("", 0), EVENT_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_name_finds_its_row)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
