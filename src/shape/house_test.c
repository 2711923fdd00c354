#include "shape/house.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void is(buf *out, const char *text)
{
    buf_append_byte(out, 0);
    assert_string_equal(out->ptr, text);
    buf_deinit(out);
}

static void a_room_has_its_members_in_order_and_whole_seconds(void **state)
{
    (void)state;
    buf out = {0};
    struct house_room_row row = {.id = 1, .name = SPAN("Living \"Room\""), .icon = SPAN("sofa"),
                                 .floor = SPAN("ground"), .sort = -2, .private = true,
                                 .version = 3, .created_ms = 1752701400999, .updated_ms = 1000};
    house_put_room(&out, &row, 7);
    is(&out, "{\"id\":1,\"name\":\"Living \\\"Room\\\"\",\"description\":\"\",\"icon\":\"sofa\","
             "\"floor\":\"ground\",\"sort\":-2,\"private\":true,\"entity_count\":7,"
             "\"created_at\":\"2025-07-16T21:30:00Z\",\"updated_at\":\"1970-01-01T00:00:01Z\","
             "\"version\":3}");
    house_put_room_updated(&out, 1, SPAN("Living Room"), "created");
    is(&out, "{\"room_id\":1,\"room_name\":\"Living Room\",\"action\":\"created\"}");
}

static void an_entity_has_its_members_and_null_for_what_it_has_not(void **state)
{
    (void)state;
    buf out = {0};
    struct house_entity_row row = {.entity_id = SPAN("light.a"), .name = SPAN("A"),
                                   .state = SPAN("on"), .attributes = SPAN("{\"b\":1}"),
                                   .available = true, .version = 1};
    house_put_entity(&out, &row);
    is(&out, "{\"entity_id\":\"light.a\",\"name\":\"A\",\"room_id\":null,\"device_id\":null,"
             "\"capability\":null,\"state\":\"on\",\"attributes\":{\"b\":1},\"available\":true,"
             "\"last_changed\":\"1970-01-01T00:00:00Z\",\"last_updated\":\"1970-01-01T00:00:00Z\","
             "\"created_at\":\"1970-01-01T00:00:00Z\",\"updated_at\":\"1970-01-01T00:00:00Z\","
             "\"version\":1,\"aliases\":[]}");
    row.room = 4;
    row.capability = SPAN("relay");
    row.alias_count = 2;
    row.aliases[0] = SPAN("light.b");
    row.aliases[1] = SPAN("light.c");
    assert_true(uuid_parse(SPAN("01900000-0000-7000-8000-000000000001"), &row.device));
    house_put_entity(&out, &row);
    buf_append_byte(&out, 0);
    assert_non_null(strstr((char *)out.ptr, "\"room_id\":4,\"device_id\":"
                                            "\"01900000-0000-7000-8000-000000000001\","
                                            "\"capability\":\"relay\",\"state\""));
    assert_non_null(strstr((char *)out.ptr, "\"aliases\":[\"light.b\",\"light.c\"]}"));
    buf_deinit(&out);
}

static void names_of_entities_are_two_words(void **state)
{
    (void)state;
    const char *good[] = {"light.living_room", "a.b", "1.2", "sensor.t_1"};
    const char *bad[] = {"", ".", "light", "light.", ".a", "light._a", "light.a_", "_l.a", "l_.a",
                         "Light.a", "light.a.b", "light.a b", "light.\xc3\xa9"};
    char text[HOUSE_ENTITY_ID_MAX + 2];
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(house_entity_id_ok(span_str(good[i])));
    }
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(house_entity_id_ok(span_str(bad[i])));
    }
    memset(text, 'a', sizeof text);
    text[1] = '.';
    assert_true(house_entity_id_ok(span_of(text, HOUSE_ENTITY_ID_MAX)));
    assert_false(house_entity_id_ok(span_of(text, HOUSE_ENTITY_ID_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_has_its_members_in_order_and_whole_seconds),
        cmocka_unit_test(an_entity_has_its_members_and_null_for_what_it_has_not),
        cmocka_unit_test(names_of_entities_are_two_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
