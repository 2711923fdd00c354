/* The buffer keeps every row it took, in order, over acks, restarts, cuts at every byte, damage,
 * its bound and a full disk. */
#include "agent/row_buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "agent/test_tree.h"

#define BOUND ROW_BUFFER_BYTES_MIN

static void open_at(struct row_buffer *b, const char *dir)
{
    assert_int_equal(row_buffer_open(b, dir, BOUND, false), 0);
}

static int push(struct row_buffer *b, int64_t key)
{
    char text[64];
    int len = snprintf(text, sizeof text, "{\"row\":%lld}", (long long)key);
    return row_buffer_push(b, key, span_of(text, (size_t)len));
}

/* Every pending row is whole; their keys are first, first + 1, ... */
static void assert_pending(struct row_buffer *b, int64_t first, size_t count)
{
    buf payload = {0};
    size_t n = 0;
    assert_int_equal(b->pending, count);
    for (uint64_t number = 0; (number = row_buffer_next(b, number)) != 0; n++) {
        int64_t key = 0;
        char text[64];
        assert_int_equal(row_buffer_get(b, number, &payload, &key), 0);
        assert_int_equal(key, first + (int64_t)n);
        int len = snprintf(text, sizeof text, "{\"row\":%lld}", (long long)key);
        assert_int_equal(payload.len, (size_t)len);
        assert_memory_equal(payload.ptr, text, (size_t)len);
    }
    assert_int_equal(n, count);
    buf_deinit(&payload);
}

static void crc_is_castagnoli(void **state)
{
    assert_int_equal(row_record_crc(0, SPAN("123456789")), 0xe3069283);
    assert_int_equal(row_record_crc(row_record_crc(0, SPAN("1234")), SPAN("56789")), 0xe3069283);
}

static void records_are_refused_when_any_bit_differs(void **state)
{
    buf b = {0};
    struct row_record r;
    row_record_encode(&b, 1234567890123, ROW_KIND_ROW, SPAN("{\"cpu\":1}"));
    assert_int_equal(row_record_decode(buf_span(&b), &r), (ptrdiff_t)b.len);
    assert_int_equal(r.key, 1234567890123);
    assert_true(span_eq(r.payload, SPAN("{\"cpu\":1}")));
    for (size_t len = 0; len < b.len; len++) {
        assert_int_equal(row_record_decode(span_of(b.ptr, len), &r), 0);
    }
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(row_record_decode(buf_span(&b), &r) <= 0);
        b.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    uint8_t zeros[64] = {0};
    assert_true(row_record_decode(span_of(zeros, sizeof zeros), &r) < 0);
    buf_deinit(&b);
}

static void rows_come_back_in_order_until_acknowledged(void **state)
{
    struct test_tree tree;
    struct row_buffer b;
    test_tree_make(&tree);
    open_at(&b, test_tree_path(&tree, "var/agent-x"));
    assert_int_equal(row_buffer_next(&b, 0), 0);
    for (int64_t key = 1; key <= 5; key++) {
        assert_int_equal(push(&b, key), 0);
    }
    assert_pending(&b, 1, 5);
    assert_int_equal(row_buffer_next(&b, 2), 3);
    assert_true(row_buffer_ack(&b, 1));
    assert_false(row_buffer_ack(&b, 1));
    assert_false(row_buffer_ack(&b, 99));
    assert_true(row_buffer_ack(&b, 2));
    assert_pending(&b, 3, 3);
    buf payload = {0};
    int64_t key;
    assert_int_equal(row_buffer_get(&b, 1, &payload, &key), -ENOENT);
    buf_deinit(&payload);
    assert_true(row_buffer_ack(&b, 4)); /* out of order */
    assert_true(row_buffer_ack(&b, 3));
    assert_pending(&b, 5, 1);
    assert_true(row_buffer_ack(&b, 5));
    assert_int_equal(row_buffer_bytes(&b), 0);
    assert_int_equal(push(&b, 6), 0);
    assert_pending(&b, 6, 1);
    row_buffer_close(&b);
    test_tree_remove(&tree);
}

static void rows_and_acks_survive_a_restart(void **state)
{
    struct test_tree tree;
    struct row_buffer b;
    test_tree_make(&tree);
    open_at(&b, tree.path);
    for (int64_t key = 1; key <= 6; key++) {
        assert_int_equal(push(&b, key), 0);
    }
    assert_true(row_buffer_ack(&b, 1));
    assert_true(row_buffer_ack(&b, 2));
    row_buffer_close(&b);
    open_at(&b, tree.path);
    assert_pending(&b, 3, 4);
    assert_int_equal(b.lost_bytes, 0);
    assert_int_equal(push(&b, 7), 0);
    assert_true(row_buffer_ack(&b, row_buffer_next(&b, 0)));
    row_buffer_close(&b);
    open_at(&b, tree.path);
    assert_pending(&b, 4, 4);
    row_buffer_close(&b);
    test_tree_remove(&tree);
}

static void one_process_at_a_time_has_it_open(void **state)
{
    struct test_tree tree;
    struct row_buffer a, b;
    test_tree_make(&tree);
    open_at(&a, tree.path);
    assert_int_equal(row_buffer_open(&b, tree.path, BOUND, false), -EWOULDBLOCK);
    assert_int_equal(push(&a, 1), 0);
    row_buffer_close(&a);
    open_at(&b, tree.path);
    assert_pending(&b, 1, 1);
    row_buffer_close(&b);
    assert_int_equal(row_buffer_open(&b, "", BOUND, false), -ENAMETOOLONG);
    test_tree_write(&tree, "file", "");
    assert_int_equal(row_buffer_open(&b, test_tree_path(&tree, "file"), BOUND, false), -ENOTDIR);
    test_tree_remove(&tree);
}

/* The bytes of a segment with three rows, an ack of the first, and a fourth row. */
static void sample_file(buf *out)
{
    struct test_tree tree;
    struct row_buffer b;
    uint8_t bytes[4096];
    test_tree_make(&tree);
    open_at(&b, tree.path);
    for (int64_t key = 1; key <= 3; key++) {
        assert_int_equal(push(&b, key), 0);
    }
    assert_true(row_buffer_ack(&b, 1));
    assert_int_equal(push(&b, 4), 0);
    row_buffer_close(&b);
    FILE *f = fopen(test_tree_path(&tree, "rows-00000001.log"), "rb");
    assert_non_null(f);
    buf_append(out, bytes, fread(bytes, 1, sizeof bytes, f));
    fclose(f);
    test_tree_remove(&tree);
}

static void killed_at_any_byte_no_written_row_is_lost(void **state)
{
    buf file = {0};
    sample_file(&file);
    const size_t row = ROW_RECORD_HEAD + 9;
    assert_int_equal(file.len, 4 * row + ROW_RECORD_HEAD);
    for (size_t cut = 0; cut <= file.len; cut++) {
        struct test_tree tree;
        struct row_buffer b;
        size_t rows = cut < 3 * row ? cut / row : 3;
        bool acked = cut >= 3 * row + ROW_RECORD_HEAD;
        rows += cut == file.len ? 1 : 0;
        test_tree_make(&tree);
        test_tree_put(&tree, "rows-00000001.log", file.ptr, cut);
        open_at(&b, tree.path);
        assert_pending(&b, acked ? 2 : 1, rows - (acked ? 1 : 0));
        /* What is written after the cut is kept, too. */
        assert_int_equal(push(&b, (int64_t)rows + 1), 0);
        row_buffer_close(&b);
        open_at(&b, tree.path);
        assert_int_equal(b.lost_bytes, 0);
        assert_pending(&b, acked ? 2 : 1, rows + 1 - (acked ? 1 : 0));
        row_buffer_close(&b);
        test_tree_remove(&tree);
    }
    buf_deinit(&file);
}

static void damage_in_the_middle_costs_the_damaged_row_only(void **state)
{
    buf file = {0};
    sample_file(&file);
    const size_t row = ROW_RECORD_HEAD + 9;
    for (size_t at = row; at < 2 * row; at++) {
        struct test_tree tree;
        struct row_buffer b;
        buf payload = {0};
        int64_t key;
        file.ptr[at] ^= 0x55;
        test_tree_make(&tree);
        test_tree_put(&tree, "rows-00000001.log", file.ptr, file.len);
        file.ptr[at] ^= 0x55;
        open_at(&b, tree.path);
        assert_int_equal(b.pending, 2); /* 1 is acknowledged, 2 is damaged */
        assert_int_equal(b.lost_bytes, row);
        assert_int_equal(row_buffer_get(&b, row_buffer_next(&b, 0), &payload, &key), 0);
        assert_int_equal(key, 3);
        buf_deinit(&payload);
        row_buffer_close(&b);
        test_tree_remove(&tree);
    }
    buf_deinit(&file);
}

static void damage_while_open_is_told_by_get(void **state)
{
    struct test_tree tree;
    struct row_buffer b;
    buf payload = {0};
    int64_t key;
    test_tree_make(&tree);
    open_at(&b, tree.path);
    assert_int_equal(push(&b, 1), 0);
    test_tree_write(&tree, "rows-00000001.log", "overwritten by somebody");
    assert_int_equal(row_buffer_get(&b, 1, &payload, &key), -EBADMSG);
    assert_true(row_buffer_ack(&b, 1));
    row_buffer_close(&b);
    buf_deinit(&payload);
    test_tree_remove(&tree);
}

static int push_large(struct row_buffer *b, int64_t key)
{
    static uint8_t text[50000];
    memset(text, 'x', sizeof text);
    return row_buffer_push(b, key, span_of(text, sizeof text));
}

static void at_the_bound_the_oldest_go_and_are_counted(void **state)
{
    struct test_tree tree;
    struct row_buffer b;
    buf payload = {0};
    int64_t first = 0, key = 0;
    test_tree_make(&tree);
    open_at(&b, tree.path);
    for (int64_t i = 1; i <= 100; i++) {
        assert_int_equal(push_large(&b, i), 0);
        assert_true(row_buffer_bytes(&b) <= BOUND);
    }
    assert_true(b.dropped > 0);
    assert_int_equal(b.pending + b.dropped, 100);
    assert_true(b.pending >= 10);
    assert_int_equal(row_buffer_get(&b, row_buffer_next(&b, 0), &payload, &first), 0);
    assert_int_equal(first, (int64_t)b.dropped + 1);
    size_t pending = b.pending;
    row_buffer_close(&b);
    open_at(&b, tree.path);
    assert_int_equal(b.pending, pending);
    /* Backfill: acknowledged from the oldest on, the files go one by one. */
    size_t bytes = row_buffer_bytes(&b);
    for (int64_t i = first; i <= 100; i++) {
        uint64_t number = row_buffer_next(&b, 0);
        assert_int_equal(row_buffer_get(&b, number, &payload, &key), 0);
        assert_int_equal(key, i);
        assert_true(row_buffer_ack(&b, number));
        assert_true(row_buffer_bytes(&b) <= bytes + ROW_RECORD_HEAD);
        bytes = row_buffer_bytes(&b);
    }
    assert_int_equal(bytes, 0);
    assert_int_equal(b.segment_count, 1);
    row_buffer_close(&b);
    buf_deinit(&payload);
    test_tree_remove(&tree);
}

/* A limit on the size of files stands in for a full disk: write(2) fails part of the way. */
static void rows_stay_in_memory_while_the_disk_is_full(void **state)
{
    struct test_tree tree;
    struct row_buffer b;
    struct rlimit was, small;
    buf payload = {0};
    int64_t key;
    test_tree_make(&tree);
    open_at(&b, tree.path);
    assert_int_equal(push(&b, 1), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 40;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = push(&b, 2);
    int full = 0;
    for (int64_t i = 3; i <= ROW_BUFFER_MEMORY_MAX + 3; i++) {
        full += push(&b, i) == -EFBIG ? 1 : 0;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(rc, -EFBIG);
    assert_int_equal(full, ROW_BUFFER_MEMORY_MAX + 1);
    assert_int_equal(b.dropped, 2); /* 2 and 3, the oldest in memory */
    assert_int_equal(b.pending, ROW_BUFFER_MEMORY_MAX + 1);
    assert_int_equal(push(&b, 100), 0); /* there is room again */
    assert_int_equal(row_buffer_get(&b, row_buffer_next(&b, 1), &payload, &key), 0);
    assert_int_equal(key, 4);
    assert_true(row_buffer_ack(&b, row_buffer_next(&b, 1)));
    row_buffer_close(&b);
    open_at(&b, tree.path); /* the part that was written has been taken back */
    assert_int_equal(b.lost_bytes, 0);
    assert_int_equal(b.pending, 2);
    row_buffer_close(&b);
    buf_deinit(&payload);
    test_tree_remove(&tree);
}

static void foreign_files_and_unreadable_ones_are_left_alone(void **state)
{
    struct test_tree tree;
    struct row_buffer b;
    uint32_t id;
    assert_true(row_segment_name_id("rows-0000002a.log", &id));
    assert_int_equal(id, 42);
    assert_false(row_segment_name_id("rows-0000002A.log", &id));
    assert_false(row_segment_name_id("rows-0000002a.log~", &id));
    assert_false(row_segment_name_id("rows-+000002a.log", &id));
    test_tree_make(&tree);
    test_tree_write(&tree, "notes.txt", "mine");
    test_tree_write(&tree, "rows-00000007.log", "");
    assert_int_equal(row_buffer_open(&b, tree.path, BOUND, true), 0);
    assert_int_equal(push(&b, 1), 0);
    assert_int_equal(access(test_tree_path(&tree, "notes.txt"), F_OK), 0);
    row_buffer_close(&b);
    test_tree_remove(&tree);
}

static void segments_of_another_bound_are_given_up_from_the_oldest(void **state)
{
    struct test_tree tree;
    struct row_buffer b;
    buf file = {0};
    row_record_encode(&file, 9, ROW_KIND_ROW, SPAN("{\"row\":9}"));
    test_tree_make(&tree);
    for (unsigned i = 1; i <= ROW_BUFFER_SEGMENTS_MAX + 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "rows-%08x.log", i);
        test_tree_put(&tree, name, file.ptr, file.len);
    }
    open_at(&b, tree.path);
    assert_int_equal(b.pending, ROW_BUFFER_SEGMENTS_MAX);
    assert_int_equal(b.dropped, 3);
    row_buffer_close(&b);
    buf_deinit(&file);
    test_tree_remove(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_castagnoli),
        cmocka_unit_test(records_are_refused_when_any_bit_differs),
        cmocka_unit_test(rows_come_back_in_order_until_acknowledged),
        cmocka_unit_test(rows_and_acks_survive_a_restart),
        cmocka_unit_test(one_process_at_a_time_has_it_open),
        cmocka_unit_test(killed_at_any_byte_no_written_row_is_lost),
        cmocka_unit_test(damage_in_the_middle_costs_the_damaged_row_only),
        cmocka_unit_test(damage_while_open_is_told_by_get),
        cmocka_unit_test(at_the_bound_the_oldest_go_and_are_counted),
        cmocka_unit_test(rows_stay_in_memory_while_the_disk_is_full),
        cmocka_unit_test(foreign_files_and_unreadable_ones_are_left_alone),
        cmocka_unit_test(segments_of_another_bound_are_given_up_from_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
