/* Whose socket a path is: the living keep theirs, the dead are replaced, files stay. */
#include "app/unix_socket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char path[96];
static struct sockaddr_storage addr;
static socklen_t len;

static int make_folder(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)state;
    snprintf(folder, sizeof folder, "build/unix_socket.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    memcpy(name.sun_path, path, strlen(path) + 1);
    memset(&addr, 0, sizeof addr);
    memcpy(&addr, &name, sizeof name);
    len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static int listen_now(struct unix_socket *s, const char *fault)
{
    buf why = {0};
    int fd = unix_socket_listen(&addr, len, 0600, s, &why);
    assert_int_equal(fd < 0, fault != NULL);
    if (fault != NULL) {
        buf_append(&why, "", 1);
        assert_non_null(strstr((char *)why.ptr, fault));
    }
    buf_deinit(&why);
    return fd;
}

static int dial(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    int rc = connect(fd, (struct sockaddr *)&addr, len);
    close(fd);
    return rc;
}

static void a_socket_has_its_mode_and_goes_with_its_owner(void **state)
{
    struct unix_socket s;
    struct stat st;
    (void)state;
    int fd = listen_now(&s, NULL);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(dial(), 0);
    unix_socket_remove(&s);
    assert_int_equal(access(path, F_OK), -1);
    close(fd);
}

static void the_living_keep_theirs(void **state)
{
    struct unix_socket first, second;
    (void)state;
    int fd = listen_now(&first, NULL);
    (void)listen_now(&second, "another server listens there");
    assert_int_equal(dial(), 0);
    close(fd);
}

static void the_dead_are_replaced_and_may_not_take_the_new_one_away(void **state)
{
    struct unix_socket first, second;
    (void)state;
    close(listen_now(&first, NULL));
    assert_int_equal(dial(), -1);
    int fd = listen_now(&second, NULL);
    assert_int_equal(dial(), 0);
    first.ino++; /* the system may give a new file the number of the old one */
    unix_socket_remove(&first);
    assert_int_equal(dial(), 0);
    unix_socket_remove(&second);
    close(fd);
}

static void what_is_no_socket_stays(void **state)
{
    struct unix_socket s;
    (void)state;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    (void)listen_now(&s, "no socket");
    assert_int_equal(access(path, F_OK), 0);
}

static void a_folder_must_be_there(void **state)
{
    struct unix_socket s;
    buf why = {0};
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/folder/s"};
    (void)state;
    memcpy(&addr, &name, sizeof name);
    assert_int_equal(unix_socket_listen(&addr, sizeof name, 0600, &s, &why), -1);
    assert_true(span_starts(buf_span(&why), SPAN("its folder: No such file")));
    buf_deinit(&why);
}

static void modes_are_octal(void **state)
{
    static const char *const bad[] = {"", "66", "0o660", "1660", "888", "00660", "-60", "rw-"};
    unsigned mode;
    (void)state;
    assert_true(unix_socket_mode("0660", &mode));
    assert_int_equal(mode, 0660);
    assert_true(unix_socket_mode("600", &mode));
    assert_int_equal(mode, 0600);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(unix_socket_mode(bad[i], &mode));
    }
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_socket_has_its_mode_and_goes_with_its_owner),
        IN_FOLDER(the_living_keep_theirs),
        IN_FOLDER(the_dead_are_replaced_and_may_not_take_the_new_one_away),
        IN_FOLDER(what_is_no_socket_stays),
        IN_FOLDER(a_folder_must_be_there),
        cmocka_unit_test(modes_are_octal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
