#include "tables/replies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_route_says_what_it_takes_and_gives(void **state)
{
    for (unsigned r = 0; r < ROUTE_COUNT; r++) {
        const struct route_row *route = route_row((enum route)r);
        const struct reply_row *reply = reply_row((enum route)r);
        if (reply->form == REPLY_UNTOLD) {
            fail_msg("tables/replies.def has no row for the route %s", route->name);
        }
        assert_true(reply->status >= 101 && reply->status < 400);
        bool body = reply->body != SCHEMA_none || reply->body_shown != ANSWER_none;
        assert_true(!body || route->body != BODY_EMPTY);
        assert_true(body || route->body != BODY_JSON);
    }
}

static void every_list_has_a_shape_and_pages(void **state)
{
    const struct query_row *q;
    for (size_t i = 0; (q = query_param_row(i)) != NULL; i++) {
        assert_true(q->text[0] != '\0' && q->route < ROUTE_COUNT);
        assert_true((q->param.type == MEMBER_ENUM) == (q->param.choices != NULL));
    }
    for (unsigned r = 0; r < ROUTE_COUNT; r++) {
        const struct reply_row *reply = reply_row((enum route)r);
        assert_true(reply->form != REPLY_LIST || reply->answer != ANSWER_none);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_says_what_it_takes_and_gives),
        cmocka_unit_test(every_list_has_a_shape_and_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
