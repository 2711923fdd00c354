#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int value;
    struct list link;
};

/* Both directions hold exactly the values of `expected`, up to its 0. */
static void assert_values(const struct list *head, const int *expected)
{
    size_t count = 0;
    LIST_EACH(link, head) {
        assert_ptr_equal(link->next->prev, link);
        assert_int_equal(LIST_ITEM(link, struct item, link)->value, expected[count]);
        count++;
    }
    assert_int_equal(expected[count], 0);
    assert_ptr_equal(head->next->prev, head);
    for (const struct list *link = head->prev; link != head; link = link->prev) {
        count--;
    }
    assert_int_equal(count, 0);
}

static void push_keeps_the_order(void **state)
{
    struct list head;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    list_init(&head);
    assert_true(list_empty(&head));
    list_push(&head, &b.link);
    list_push(&head, &c.link);
    list_push_front(&head, &a.link);
    assert_values(&head, (int[]){1, 2, 3, 0});
    assert_false(list_empty(&head));
}

static void removed_node_is_unlinked_and_may_be_removed_again(void **state)
{
    struct list head;
    struct item a = {1, {0}}, b = {2, {0}};
    list_init(&head);
    assert_false(list_linked(&a.link)); /* zeroed */
    list_push(&head, &a.link);
    list_push(&head, &b.link);
    assert_true(list_linked(&a.link));
    list_remove(&a.link);
    list_remove(&a.link);
    assert_false(list_linked(&a.link));
    assert_values(&head, (int[]){2, 0});
}

static void walk_allows_removing_the_current_node(void **state)
{
    struct list head;
    struct item items[5];
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].value = i + 1;
        list_push(&head, &items[i].link);
    }
    LIST_EACH(link, &head) {
        if (LIST_ITEM(link, struct item, link)->value % 2 == 1) {
            list_remove(link);
        }
    }
    assert_values(&head, (int[]){2, 4, 0});
}

static void splice_moves_all_to_the_end(void **state)
{
    struct list to, from;
    struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
    list_init(&to);
    list_init(&from);
    list_splice(&to, &from);
    assert_values(&to, (int[]){0});
    list_push(&to, &a.link);
    list_push(&from, &b.link);
    list_push(&from, &c.link);
    list_splice(&to, &from);
    assert_values(&to, (int[]){1, 2, 3, 0});
    assert_true(list_empty(&from));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(push_keeps_the_order),
        cmocka_unit_test(removed_node_is_unlinked_and_may_be_removed_again),
        cmocka_unit_test(walk_allows_removing_the_current_node),
        cmocka_unit_test(splice_moves_all_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
