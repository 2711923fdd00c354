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

/* Numbers are bits of hub_member_events and their names stand in logs on disk. */
static void logged_names_are_as_they_were(void **state)
{
    static const char *const names[] = {"device:created", "device:updated", "device:deleted",
                                        "device:status-changed", "device:connected",
                                        "device:disconnected", "app:emit", "app:emit-some"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_string_equal(event_name((enum event)i), names[i]);
        assert_int_equal(event_row((enum event)i)->class, CLASS_ORDERED);
    }
}

static void what_peers_say_is_found_by_name_and_peer(void **state)
{
    struct event_index ix;
    event_index_init(&ix);
    for (unsigned i = 0; i < IN_COUNT; i++) {
        const struct event_in_row *row = event_in_row((enum event_in)i);
        for (unsigned p = 0; p < PEER_COUNT; p++) {
            enum event_in found = event_in_find(&ix, (enum event_peer)p, row->name,
                                                strlen(row->name));
            if ((row->from & 1u << p) != 0) {
                assert_int_equal(found, i);
            } else {
                assert_int_not_equal(found, i);
            }
        }
        assert_string_equal(event_in_row((enum event_in)ix.first[i])->name, row->name);
        assert_true(row->from != 0 && row->bytes_max > 0 && row->text[0] != '\0');
        /* What a payload's member names must be one of its schema. */
        if (row->scope == EVENT_SCOPE_deviceId) {
            const struct schema_row *schema = schema_row(row->schema);
            bool has = false;
            for (size_t m = 0; m < schema->count; m++) {
                has = has || strcmp(schema->members[m].name, "deviceId") == 0;
            }
            assert_true(has);
        }
    }
    assert_int_equal(event_in_find(&ix, PEER_HOST, "metricz", 7), IN_COUNT);
    assert_int_equal(event_in_find(&ix, PEER_VIEWER, "metrics", 7), IN_COUNT);
    assert_int_equal(event_in_find(&ix, PEER_HOST, "", 0), IN_COUNT);
    static const char long_name[70] = "metrics";
    assert_int_equal(event_in_find(&ix, PEER_HOST, long_name, sizeof long_name), IN_COUNT);
}

static bool share_wire(uint32_t a, uint32_t b)
{
    for (unsigned p = 0; p < PEER_COUNT; p++) {
        for (unsigned q = 0; q < PEER_COUNT; q++) {
            const char *one = peer_row((enum event_peer)p)->wire;
            if ((a >> p & 1) != 0 && (b >> q & 1) != 0 &&
                strcmp(one, peer_row((enum event_peer)q)->wire) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Two rows of a direction with one name would be ambiguous for a peer that both are for. */
static void no_peer_has_a_name_twice(void **state)
{
    for (unsigned a = 0; a < IN_COUNT; a++) {
        for (unsigned b = a + 1; b < IN_COUNT; b++) {
            const struct event_in_row *x = event_in_row((enum event_in)a);
            const struct event_in_row *y = event_in_row((enum event_in)b);
            assert_true((x->from & y->from) == 0 || strcmp(x->name, y->name) != 0);
        }
    }
    for (unsigned a = 0; a < OUT_COUNT; a++) {
        for (unsigned b = a + 1; b < OUT_COUNT; b++) { /* metrics count by wire and name */
            const struct event_out_row *x = event_out_row((enum event_out)a);
            const struct event_out_row *y = event_out_row((enum event_out)b);
            assert_true(!share_wire(x->to, y->to) || strcmp(x->name, y->name) != 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_finds_its_row),
        cmocka_unit_test(logged_names_are_as_they_were),
        cmocka_unit_test(what_peers_say_is_found_by_name_and_peer),
        cmocka_unit_test(no_peer_has_a_name_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
