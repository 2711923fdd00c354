#include "tables/permissions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void role_names_read_back(void **state)
{
    (void)state;
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        enum role back = ROLE_COUNT;
        assert_true(role_parse(role_name((enum role)r), &back));
        assert_int_equal(back, r);
    }
}

static void other_text_is_no_role(void **state)
{
    (void)state;
    enum role r = ROLE_VIEWER;
    static const char *const bad[] = {"", "Admin", "ADMIN", "admin ", " admin", "adm", "root"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(role_parse(bad[i], &r));
    }
    assert_int_equal(r, ROLE_VIEWER);
}

static void permissions_read_domain_function_action(void **state)
{
    (void)state;
    for (unsigned p = 0; p < PERM_COUNT; p++) {
        const char *name = permission_name((enum permission)p);
        unsigned colons = 0;
        for (const char *c = name; *c != '\0'; c++) {
            assert_true((*c >= 'a' && *c <= 'z') || *c == ':');
            colons += *c == ':';
        }
        assert_int_equal(colons, 2);
        for (unsigned other = 0; other < p; other++) {
            assert_string_not_equal(name, permission_name((enum permission)other));
        }
    }
}

static void admin_holds_everything_outside_chat(void **state)
{
    (void)state;
    for (unsigned p = 0; p < PERM_COUNT; p++) {
        if (strncmp(permission_name((enum permission)p), "chat:", 5) != 0) {
            assert_true(role_may(ROLE_ADMIN, (enum permission)p));
        }
    }
}

static void viewers_and_anonymous_clients_only_read(void **state)
{
    (void)state;
    for (unsigned p = 0; p < PERM_COUNT; p++) {
        const char *action = strrchr(permission_name((enum permission)p), ':');
        bool reads = strcmp(action, ":read") == 0;
        if (role_may(ROLE_VIEWER, (enum permission)p)) {
            assert_true(reads);
        }
        if (anonymous_may((enum permission)p)) {
            assert_true(reads && role_may(ROLE_VIEWER, (enum permission)p));
        }
    }
}

static void command_lines_need_more_than_reading(void **state)
{
    (void)state;
    assert_false(anonymous_may(PERM_HOST_COMMANDS_READ));
    assert_false(role_may(ROLE_VIEWER, PERM_HOST_COMMANDS_READ));
    assert_true(role_may(ROLE_OPERATOR, PERM_HOST_COMMANDS_READ));
}

static void users_and_keys_are_the_admins_alone(void **state)
{
    (void)state;
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        assert_int_equal(role_may((enum role)r, PERM_USER_WRITE), r == ROLE_ADMIN);
        assert_int_equal(role_may((enum role)r, PERM_DEVICE_CREDENTIAL), r == ROLE_ADMIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(role_names_read_back),
        cmocka_unit_test(other_text_is_no_role),
        cmocka_unit_test(permissions_read_domain_function_action),
        cmocka_unit_test(admin_holds_everything_outside_chat),
        cmocka_unit_test(viewers_and_anonymous_clients_only_read),
        cmocka_unit_test(command_lines_need_more_than_reading),
        cmocka_unit_test(users_and_keys_are_the_admins_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
