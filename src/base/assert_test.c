#include "base/assert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct pair {
    int first;
    int second;
};

static void true_condition_is_silent(void **state)
{
    ASSERT(1 + 1 == 2);
}

static void failed_assertion_writes_one_line_and_aborts(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        ASSERT(1 + 1 == 3);
        _exit(0);
    }
    close(fds[1]);
    char text[512] = "";
    ssize_t len = read(fds[0], text, sizeof text - 1);
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_true(len > 0);
    assert_non_null(strstr(text, "assert_test.c:"));
    assert_non_null(strstr(text, "assertion failed: 1 + 1 == 3\n"));
}

static void container_of_finds_the_embedding_struct(void **state)
{
    struct pair p = {1, 2};
    int *second = &p.second;
    assert_ptr_equal(CONTAINER_OF(second, struct pair, second), &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(true_condition_is_silent),
        cmocka_unit_test(failed_assertion_writes_one_line_and_aborts),
        cmocka_unit_test(container_of_finds_the_embedding_struct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
