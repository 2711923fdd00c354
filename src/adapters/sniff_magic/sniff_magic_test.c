/* What bytes look like, whatever they are called, from many threads at once. */
#include "adapters/sniff_magic/sniff_magic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/assert.h"

static const struct {
    span head;
    const char *type;
} rows[] = {
    {{(const uint8_t *)"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\2\0\0\0", 29},
     "image/png"},
    {{(const uint8_t *)"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1", 13}, "image/jpeg"},
    {{(const uint8_t *)"GIF89a\1\0\1\0\0\0\0;", 14}, "image/gif"},
    {{(const uint8_t *)"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", 15}, "application/pdf"},
    {{(const uint8_t *)"<!DOCTYPE html><html><body>x</body></html>", 42}, "text/html"},
    {{(const uint8_t *)"<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>", 46}, "image/svg+xml"},
    {{(const uint8_t *)"hello, this is plain text\n", 26}, "text/plain"},
    {{(const uint8_t *)"#!/bin/sh\necho hi\n", 18}, "text/x-shellscript"},
    {{(const uint8_t *)"a", 1}, "text/plain"},
    {{(const uint8_t *)"\n", 1}, "text/plain"},
    {{(const uint8_t *)"\0", 1}, "application/octet-stream"},
    {{(const uint8_t *)"\x80", 1}, "application/octet-stream"},
};

static struct sniff *s;

static void bytes_say_what_they_are(void **state)
{
    char type[SNIFF_TYPE_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(s->type(s, rows[i].head, type));
        assert_string_equal(type, rows[i].type);
    }
    assert_true(s->type(s, SPAN_NONE, type));
    assert_string_equal(type, "application/x-empty");
}

/* Packed or encrypted bytes begin with anything. */
static void a_jump_alone_makes_no_program(void **state)
{
    uint8_t bytes[600];
    char type[SNIFF_TYPE_MAX];
    (void)state;
    memset(bytes, 0x9b, sizeof bytes);
    bytes[0] = 0xe9; /* a near jump */
    bytes[1] = 0x80;
    bytes[2] = 0x00;
    assert_true(s->type(s, span_of(bytes, sizeof bytes), type));
    assert_string_equal(type, "application/octet-stream");
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "MZ\x90", 3);
    assert_true(s->type(s, span_of(bytes, sizeof bytes), type));
    assert_string_equal(type, "application/x-dosexec");
}

static void *sniff_all(void *arg)
{
    unsigned *wrong = arg;
    char type[SNIFF_TYPE_MAX];
    for (unsigned i = 0; i < 20 * ARRAY_LEN(rows); i++) {
        bool told = s->type(s, rows[i % ARRAY_LEN(rows)].head, type);
        *wrong += !told || strcmp(type, rows[i % ARRAY_LEN(rows)].type) != 0;
    }
    return NULL;
}

static void many_threads_do_not_disturb_each_other(void **state)
{
    pthread_t threads[4];
    unsigned wrong[4] = {0};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, sniff_all, &wrong[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_say_what_they_are),
        cmocka_unit_test(a_jump_alone_makes_no_program),
        cmocka_unit_test(many_threads_do_not_disturb_each_other),
    };
    buf why = {0};
    s = sniff_magic_new(&why);
    int failed = s == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    sniff_magic_free(s);
    buf_deinit(&why);
    return failed;
}
