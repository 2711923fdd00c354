#include "edge/reach.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uuid device(uint8_t n)
{
    uuid id = {0};
    ((uint8_t *)&id)[15] = n;
    return id;
}

/* A user with viewer bindings for these devices, in this order. */
static struct grant *bound(const uint8_t *devices, uint16_t count)
{
    struct grant *g = mem_calloc(1, sizeof *g + count * sizeof g->bindings[0]);
    g->kind = PRINCIPAL_USER;
    g->binding_count = count;
    for (uint16_t i = 0; i < count; i++) {
        g->bindings[i] =
            (struct binding){.role = ROLE_VIEWER, .scope = scope_device(device(devices[i]))};
    }
    return g;
}

static void a_global_role_reaches_all_and_names_none(void **state)
{
    struct grant *g = bound(NULL, 0);
    g->global_roles = 1u << ROLE_VIEWER;
    struct reach r = reach_of(g, NULL);
    assert_true(r.all && r.count == 0);
    uuid one = device(1);
    struct reach only = reach_of(g, &one);
    assert_true(!only.all && only.count == 1 && reach_has(&only, one));
    assert_false(reach_eq(&r, &only));
    reach_free(&only);
    reach_free(&r);
    grant_free(g);
}

static void bindings_are_sorted_and_each_once(void **state)
{
    struct grant *g = bound((const uint8_t[]){9, 3, 9, 5}, 4);
    struct grant *same = bound((const uint8_t[]){5, 3, 9}, 3);
    struct reach r = reach_of(g, NULL), s = reach_of(same, NULL);
    assert_true(!r.all && r.count == 3);
    assert_true(uuid_eq(r.devices[0], device(3)) && uuid_eq(r.devices[2], device(9)));
    assert_true(reach_has(&r, device(5)) && !reach_has(&r, device(4)));
    assert_true(reach_eq(&r, &s));
    reach_free(&r);
    reach_free(&s);
    assert_false(reach_has(&r, device(5)));
    grant_free(g);
    grant_free(same);
}

static void a_device_reaches_itself_and_nobody_else(void **state)
{
    struct grant *g = bound((const uint8_t[]){7}, 1); /* which counts for nothing */
    g->kind = PRINCIPAL_DEVICE;
    g->principal = device(2);
    struct reach r = reach_of(g, NULL);
    assert_true(r.count == 1 && reach_has(&r, device(2)));
    uuid other = device(7);
    struct reach none = reach_of(g, &other);
    assert_true(none.count == 0 && !none.all);
    reach_free(&r);
    reach_free(&none);
    grant_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_global_role_reaches_all_and_names_none),
        cmocka_unit_test(bindings_are_sorted_and_each_once),
        cmocka_unit_test(a_device_reaches_itself_and_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
