#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void zero_bytes_give_a_pointer(void **state)
{
    void *a = mem_alloc(0);
    void *b = mem_calloc(0, 8);
    void *c = mem_realloc(NULL, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(NULL);
}

static void calloc_zeroes(void **state)
{
    static const char zeros[300];
    char *p = mem_calloc(100, 3);
    assert_memory_equal(p, zeros, 300);
    mem_free(p);
}

static void realloc_keeps_the_content(void **state)
{
    char *p = mem_realloc(NULL, 4);
    memcpy(p, "abc", 4);
    p = mem_realloc(p, 4000);
    assert_string_equal(p, "abc");
    mem_free(p);
}

static void strndup_ends_with_nul(void **state)
{
    char *p = mem_strndup("abcdef", 3);
    assert_string_equal(p, "abc");
    mem_free(p);
    p = mem_strndup(NULL, 0);
    assert_string_equal(p, "");
    mem_free(p);
}

enum request { ALLOC, CALLOC, REALLOC, OVERFLOW };

static void refuse_in_child(enum request request)
{
    volatile size_t huge = SIZE_MAX / 2 - 4096; /* volatile: the compiler would see the mistake */
    switch (request) {
    case ALLOC:
        mem_free(mem_alloc(huge));
        break;
    case CALLOC:
        mem_free(mem_calloc(huge, 1));
        break;
    case REALLOC:
        mem_free(mem_realloc(NULL, huge));
        break;
    case OVERFLOW:
        mem_free(mem_calloc(huge, 3));
        break;
    }
    _exit(0);
}

static void refused_memory_ends_the_process(void **state)
{
    for (enum request request = ALLOC; request <= OVERFLOW; request++) {
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGABRT, SIG_DFL);
            close(STDERR_FILENO);
            refuse_in_child(request);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_not_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_bytes_give_a_pointer),
        cmocka_unit_test(calloc_zeroes),
        cmocka_unit_test(realloc_keeps_the_content),
        cmocka_unit_test(strndup_ends_with_nul),
        cmocka_unit_test(refused_memory_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
