/* Entities of the house over SQLite, on one home and on five. */
#include "house_fixture.h"

#include "domain/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HAS(text) assert_non_null(strstr(t.json, (text)))
#define HAS_NOT(text) assert_null(strstr(t.json, (text)))

static void room_get(int64_t id, const struct house_who *who, err error)
{
    house_room_get(any_home(), id, who, on_told, &t);
    answered(error);
}

static void room_patch(int64_t id, const struct house_room_change *in, err error)
{
    house_room_patch(any_home(), id, in, &admin, on_told, &t);
    answered(error);
}

static void entity_get(const char *id, err error)
{
    house_entity_get(any_home(), span_str(id), &admin, on_told, &t);
    answered(error);
}

static void entity_patch(const char *id, const struct house_entity_change *in, err error)
{
    house_entity_patch(any_home(), span_str(id), in, &admin, on_told, &t);
    answered(error);
}

static void entity_rename(const char *id, const char *to, err error)
{
    entity_patch(id, &(struct house_entity_change){.entity_id = span_str(to)}, error);
}

static void entity_create(const struct house_entity_draft *in, err error, const char *member)
{
    house_entity_create(any_home(), in, &admin, on_told, &t);
    answered(error);
    assert_string_equal(t.member, member);
}

static void entities_are_made_changed_and_deleted(void **state)
{
    (void)state;
    int64_t hall = room_make("Hall", false), bath = room_make("Bath", false);
    struct house_entity_draft in = {.entity_id = SPAN("light.living_room"), .room = hall,
                                    .state = SPAN("off"), .attributes = SPAN("{\"b\":1}")};
    (void)heard(0);
    entity_create(&in, ERR_NONE, "");
    assert_int_equal(t.version, 1);
    HAS("{\"entity_id\":\"light.living_room\",\"name\":\"Living room\",\"room_id\":1,"
        "\"device_id\":null,\"capability\":null,\"state\":\"off\",\"attributes\":{\"b\":1},"
        "\"available\":true,");
    HAS("\"version\":1,\"aliases\":[]}");
    const char *said = heard(0);
    assert_non_null(strstr(said, "\"old_state\":null,\"new_state\":\"off\""));
    entity_create(&in, ERR_CONFLICT, "entity_id");
    in.entity_id = SPAN("Light.x");
    entity_create(&in, ERR_INVALID_REQUEST, "entity_id");
    in.entity_id = SPAN("light.x");
    in.room = 99;
    entity_create(&in, ERR_INVALID_REQUEST, "room_id");
    entity_made("light.x", 0);
    HAS("\"room_id\":null");
    HAS("\"state\":\"unknown\",\"attributes\":{}");

    struct house_entity_change move = {.version = 1, .has_room = true, .room = bath,
                                       .name = SPAN("Bath light")};
    (void)heard(0);
    entity_patch("light.living_room", &move, ERR_NONE);
    assert_int_equal(t.version, 2);
    HAS("\"name\":\"Bath light\",\"room_id\":2,");
    said = heard(0);
    const char *gone = strstr(said, "\"old_state\":\"off\",\"new_state\":null");
    const char *there = strstr(said, "\"old_state\":null,\"new_state\":\"off\"");
    assert_true(gone != NULL && there != NULL && gone < there);
    assert_non_null(strstr(gone, "\"room_id\":1"));
    assert_non_null(strstr(there, "\"room_id\":2"));
    entity_patch("light.living_room", &move, ERR_PRECONDITION_FAILED);
    move.version = 0;
    entity_patch("light.living_room", &move, ERR_NONE); /* nothing changes */
    assert_int_equal(t.version, 2);
    assert_string_equal(heard(0), "");
    room_get(hall, &admin, ERR_NONE);
    HAS("\"entity_count\":0");
    room_get(bath, &admin, ERR_NONE);
    HAS("\"entity_count\":1");

    house_entity_delete(any_home(), SPAN("light.living_room"), 1, &admin, on_told, &t);
    answered(ERR_PRECONDITION_FAILED);
    house_entity_delete(any_home(), SPAN("light.living_room"), 2, &admin, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(heard(0), "\"old_state\":\"off\",\"new_state\":null"));
    entity_get("light.living_room", ERR_NOT_FOUND);
    house_entity_delete(any_home(), SPAN("light.living_room"), 0, &admin, on_told, &t);
    answered(ERR_NOT_FOUND);
    room_get(bath, &admin, ERR_NONE);
    HAS("\"entity_count\":0");
}

static void an_earlier_name_is_an_alias(void **state)
{
    (void)state;
    int64_t hall = room_make("Hall", false);
    entity_made("light.a", hall);
    (void)heard(0);
    entity_rename("light.a", "light.b", ERR_NONE);
    HAS("{\"entity_id\":\"light.b\",\"name\":\"A\",");
    HAS("\"version\":2,\"aliases\":[\"light.a\"]}");
    const char *said = heard(0);
    const char *gone = strstr(said, "\"new_state\":null"), *there = strstr(said, "\"light.b\"");
    assert_true(gone != NULL && there != NULL && gone < there);
    entity_get("light.a", ERR_NONE);
    HAS("\"entity_id\":\"light.b\"");
    entity_rename("light.a", "light.c", ERR_NONE); /* by its alias */
    HAS("\"aliases\":[\"light.a\",\"light.b\"]");
    house_restart();
    entity_get("light.b", ERR_NONE);
    HAS("\"entity_id\":\"light.c\"");
    HAS("\"version\":3,\"aliases\":[\"light.a\",\"light.b\"]");
    entity_rename("light.c", "light.a", ERR_NONE); /* back to what it was */
    HAS("\"aliases\":[\"light.b\",\"light.c\"]");
    entity_rename("light.a", "light.", ERR_INVALID_REQUEST);

    /* A live name takes an alias over; one that is live is taken. */
    entity_made("light.b", hall);
    entity_get("light.b", ERR_NONE);
    HAS("\"entity_id\":\"light.b\"");
    HAS("\"aliases\":[]");
    entity_get("light.a", ERR_NONE);
    HAS("\"aliases\":[\"light.c\"]");
    entity_rename("light.b", "light.a", ERR_CONFLICT);
    entity_rename("light.b", "light.c", ERR_NONE);
    HAS("\"aliases\":[\"light.b\"]");
    entity_get("light.a", ERR_NONE);
    HAS("\"aliases\":[]");
    /* but not from an entity that one may not change */
    struct house_who who = bound_to(hall);
    entity_made("light.d", 0);
    entity_rename("light.d", "light.e", ERR_NONE);
    struct house_entity_draft draft = {.entity_id = SPAN("light.d"), .room = hall};
    house_entity_create(any_home(), &draft, &who, on_told, &t);
    answered(ERR_CONFLICT);
    house_restart();
    entity_get("light.b", ERR_NONE);
    HAS("\"entity_id\":\"light.c\"");
    house_entity_delete(any_home(), SPAN("light.b"), 0, &admin, on_told, &t);
    answered(ERR_NONE);
    entity_get("light.b", ERR_NOT_FOUND);
    entity_made("light.b", hall);
}

static void of_many_names_the_oldest_goes(void **state)
{
    (void)state;
    char from[40], to[40];
    entity_made("n.0", 0);
    for (unsigned i = 0; i < HOUSE_ALIASES_MAX + 2; i++) {
        snprintf(from, sizeof from, "n.%u", i);
        snprintf(to, sizeof to, "n.%u", i + 1);
        entity_rename(from, to, ERR_NONE);
    }
    for (unsigned round = 0; round < 2; round++) {
        entity_get("n.0", ERR_NOT_FOUND);
        entity_get("n.1", ERR_NOT_FOUND);
        entity_get("n.2", ERR_NONE);
        HAS("\"aliases\":[\"n.2\",\"n.3\",");
        house_restart();
    }
}

static void a_capability_of_a_device_is_one_entity(void **state)
{
    (void)state;
    uuid device = device_new(), nobody = device_new();
    device_row_new(device);
    struct house_entity_draft in = {.entity_id = SPAN("sensor.a"), .device = device,
                                    .capability = SPAN("temperature")};
    entity_create(&in, ERR_NONE, "");
    HAS("\"capability\":\"temperature\",\"state\":\"unavailable\",\"attributes\":{},"
        "\"available\":false");
    in.entity_id = SPAN("sensor.b");
    entity_create(&in, ERR_CONFLICT, "capability");
    in.device = nobody;
    entity_create(&in, ERR_DEVICE_NOT_FOUND, "device_id");
    in.capability = SPAN("");
    entity_create(&in, ERR_INVALID_REQUEST, "capability");
    in.device = device;
    in.capability = SPAN("humidity");
    in.state = SPAN("on");
    entity_create(&in, ERR_INVALID_REQUEST, "state");
    entity_made("sensor.b", 0);
    struct house_entity_change back = {.has_backing = true, .device = device,
                                       .capability = SPAN("temperature")};
    entity_patch("sensor.b", &back, ERR_CONFLICT);
    back.capability = SPAN("humidity");
    entity_patch("sensor.b", &back, ERR_NONE);
    HAS("\"capability\":\"humidity\"");
    back.capability = SPAN("");
    entity_patch("sensor.b", &back, ERR_INVALID_REQUEST);
    back.device = nobody;
    back.capability = SPAN("humidity");
    entity_patch("sensor.b", &back, ERR_DEVICE_NOT_FOUND);
    entity_patch("sensor.a", &(struct house_entity_change){.has_backing = true}, ERR_NONE);
    HAS("\"device_id\":null,\"capability\":null");
    struct house_entity_filter f = {.room = -1, .device = device, .limit = 10};
    house_entity_list(any_home(), &f, &admin, on_told, &t);
    answered(ERR_NONE);
    HAS("sensor.b");
    HAS_NOT("sensor.a");
    house_restart();
    entity_get("sensor.b", ERR_NONE);
    HAS("\"capability\":\"humidity\"");
    entity_get("sensor.a", ERR_NONE);
    HAS("\"device_id\":null,\"capability\":null");
}

static void on_deleted(void *owner, const struct device_result *r)
{
    assert_int_equal(r->error, ERR_NONE);
    *(bool *)owner = true;
}

static void an_entity_outlives_its_device(void **state)
{
    (void)state;
    bool deleted = false;
    uuid device = device_new();
    device_row_new(device);
    struct house_entity_draft in = {.entity_id = SPAN("light.a"), .device = device,
                                    .capability = SPAN("relay")};
    entity_create(&in, ERR_NONE, "");
    device_delete(any_home(), device, &somebody, on_deleted, &deleted);
    turns();
    assert_true(deleted);
    for (unsigned round = 0; round < 2; round++) {
        entity_get("light.a", ERR_NONE);
        HAS("\"device_id\":null,\"capability\":null,");
        house_restart();
    }
    entity_patch("light.a", &(struct house_entity_change){.name = SPAN("One")}, ERR_NONE);
    assert_int_equal(t.version, 2);
}

static void entities_are_listed_by_name_and_filtered(void **state)
{
    (void)state;
    char next[1200] = "";
    buf all = {0};
    int64_t hall = room_make("Hall", false);
    const char *const ids[] = {"light.b", "lights.a", "light.a", "sensor.z", "switch.hall"};
    for (unsigned i = 0; i < 5; i++) {
        entity_made(ids[i], i % 2 == 0 ? hall : 0);
    }
    unsigned pages = 0;
    do {
        struct house_entity_filter f = {.room = -1, .limit = 2, .after = span_str(next)};
        house_entity_list(any_home(), &f, &admin, on_told, &t);
        answered(ERR_NONE);
        snprintf(next, sizeof next, "%s", t.next);
        told_names("entity_id", &all);
    } while (++pages < 10 && next[0] != '\0');
    assert_true(span_eq(buf_span(&all), SPAN("light.a,light.b,lights.a,sensor.z,switch.hall,")));
    buf_deinit(&all);
    static const struct {
        struct house_entity_filter f;
        const char *found;
    } asked[] = {
        {{.room = 1, .limit = 9}, "light.a,light.b,switch.hall,"},
        {{.room = 0, .limit = 9}, "lights.a,sensor.z,"},
        {{.room = -1, .limit = 9, .domain = {(const uint8_t *)"light", 5}}, "light.a,light.b,"},
        {{.room = -1, .limit = 9, .text = {(const uint8_t *)"hAL", 3}}, "switch.hall,"},
        {{.room = -1, .limit = 9, .text = {(const uint8_t *)"Z", 1}}, "sensor.z,"},
        {{.room = -1, .limit = 9, .state = {(const uint8_t *)"on", 2}}, ""},
        {{.room = 0, .limit = 1, .state = {(const uint8_t *)"unknown", 7}}, "lights.a,"},
    };
    for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        house_entity_list(any_home(), &asked[i].f, &admin, on_told, &t);
        answered(ERR_NONE);
        assert_names("entity_id", asked[i].found);
    }
    struct house_entity_filter f = {.room = -1, .limit = 2, .after = SPAN("!")};
    house_entity_list(any_home(), &f, &admin, on_told, &t);
    answered(ERR_INVALID_REQUEST);
}

static void what_was_stored_is_loaded(void **state)
{
    (void)state;
    char before[65536];
    int64_t hall = room_make("Hall", true);
    struct house_room_change more = {.description = SPAN("d"), .icon = SPAN("i"),
                                     .floor = SPAN("f"), .has_sort = true, .sort = 7};
    room_patch(hall, &more, ERR_NONE);
    struct house_entity_draft in = {.entity_id = SPAN("light.a"), .name = SPAN("Lamp"),
                                    .room = hall, .state = SPAN("on"),
                                    .attributes = SPAN("{\"x\":[1]}")};
    entity_create(&in, ERR_NONE, "");
    snprintf(before, sizeof before, "%s", t.json);
    pass_ms(5000);
    house_restart();
    entity_get("light.a", ERR_NONE);
    assert_string_equal(t.json, before);
    room_get(hall, &admin, ERR_NONE);
    HAS("\"description\":\"d\",\"icon\":\"i\",\"floor\":\"f\",\"sort\":7,\"private\":true,"
        "\"entity_count\":1");
    assert_int_equal(t.version, 2);
    for (unsigned i = 0; i < w.count; i++) {
        assert_true(house_room(&w.homes[i], hall)->private);
    }
}

static void changes_of_one_object_wait_for_each_other(void **state)
{
    (void)state;
    static struct told told[8];
    int64_t hall = room_make("Hall", false);
    entity_made("light.a", hall);
    struct house_room_change name = {.name = SPAN("One")}, other = {.name = SPAN("Two")};
    struct house_entity_change to = {.entity_id = SPAN("light.b")}, move = {.has_room = true};
    memset(told, 0, sizeof told);
    /* All at once: of entities, and their room, which is deleted last. */
    struct home *h = &w.homes[w.count - 1];
    house_room_patch(h, hall, &name, &admin, on_told, &told[0]);
    house_room_patch(h, hall, &other, &admin, on_told, &told[1]);
    house_entity_patch(h, SPAN("light.a"), &to, &admin, on_told, &told[2]);
    house_entity_patch(h, SPAN("light.a"), &move, &admin, on_told, &told[3]);
    house_room_delete(h, hall, 0, true, &admin, on_told, &told[4]);
    house_room_patch(h, hall, &name, &admin, on_told, &told[5]);
    house_entity_delete(h, SPAN("light.a"), 0, &admin, on_told, &told[6]);
    house_entity_get(h, SPAN("light.a"), &admin, on_told, &told[7]);
    for (unsigned i = 0; i < 20; i++) {
        turns();
    }
    static const err errors[8] = {ERR_NONE, ERR_NONE, ERR_NONE, ERR_NONE, ERR_NONE,
                                  ERR_NOT_FOUND, ERR_NONE, ERR_NONE};
    for (unsigned i = 0; i < 8; i++) {
        assert_true(told[i].done);
        assert_int_equal(told[i].error, errors[i]);
    }
    assert_true(told[0].version == 2 && told[1].version == 3);
    assert_non_null(strstr(told[3].json, "\"entity_id\":\"light.b\",\"name\":\"A\",\"room_id\":"
                                         "null"));
    entity_get("light.b", ERR_NOT_FOUND);
}

#define T(name)                                                                                    \
    cmocka_unit_test_setup_teardown(name, house_setup_1, house_teardown),                          \
        cmocka_unit_test_setup_teardown(name, house_setup_5, house_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(entities_are_made_changed_and_deleted),
        T(an_earlier_name_is_an_alias),
        T(of_many_names_the_oldest_goes),
        T(a_capability_of_a_device_is_one_entity),
        T(an_entity_outlives_its_device),
        T(entities_are_listed_by_name_and_filtered),
        T(what_was_stored_is_loaded),
        T(changes_of_one_object_wait_for_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
