#include "adapters/post_queue/post_queue.h"

#include "adapters/offload_workers/offload_workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct post *post;
static char order[8];
static unsigned count;
static bool flag;

struct letter {
    struct mail mail;
    char name;
};

static void note(struct mail *m)
{
    order[count++] = ((struct letter *)m)->name;
}

static int setup(void **state)
{
    (void)state;
    post = post_queue_new(2);
    count = 0;
    flag = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    post_queue_free(post);
    return 0;
}

static void mail_runs_in_order_and_not_inside_the_call(void **state)
{
    (void)state;
    struct letter a = {{.run = note}, 'a'};
    struct letter b = {{.run = note}, 'b'};
    struct letter c = {{.run = note}, 'c'};
    post_mail(post, 0, &a.mail);
    post_mail(post, 1, &b.mail);
    post_mail(post, 0, &c.mail);
    assert_int_equal(count, 0);
    assert_true(post_queue_run(post, 0));
    assert_memory_equal(order, "abc", 3);
    assert_false(post_queue_run(post, 0));
    assert_false(post_queue_run(post, 5));
}

static void raise_flag(struct mail *m)
{
    (void)m;
    flag = true;
}

static void *sender(void *arg)
{
    post_mail(post, 0, arg);
    return NULL;
}

static void waits_for_mail_of_another_thread(void **state)
{
    (void)state;
    struct mail m = {.run = raise_flag};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sender, &m), 0);
    assert_true(post_queue_until(post, &flag, 10000));
    assert_int_equal(pthread_join(thread, NULL), 0);
    flag = false;
    assert_false(post_queue_until(post, &flag, 1));
}

static struct job the_job;
static int worked;
static int done_count;

static void on_work(struct job *j)
{
    assert_ptr_equal(j, &the_job);
    worked++;
}

static void on_done(struct job *j)
{
    assert_ptr_equal(j, &the_job);
    done_count++;
    flag = true;
}

static void run_job(struct offload *o)
{
    worked = 0;
    done_count = 0;
    flag = false;
    the_job = (struct job){.loop = 1, .work = on_work, .done = on_done};
    assert_true(offload_submit(o, &the_job));
    assert_int_equal(done_count, 0);
    assert_true(post_queue_until(post, &flag, 10000));
    assert_int_equal(worked, 1);
    assert_int_equal(done_count, 1);
}

static void offloaded_work_is_answered_by_mail(void **state)
{
    (void)state;
    struct workers *ws = workers_new(1, 4, post);
    struct offload *pool = offload_workers_new(ws);
    struct offload *at_once = offload_inline_new(post);
    run_job(pool);
    run_job(at_once);
    workers_free(ws);
    offload_free(pool);
    offload_free(at_once);
    offload_free(NULL);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(struct job *j)
{
    (void)j;
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
}

static unsigned gated_done;

static void count_done(struct job *j)
{
    (void)j;
    gated_done++;
}

static void a_full_pool_refuses_and_does_nothing(void **state)
{
    (void)state;
    struct workers *ws = workers_new(1, 1, post);
    struct offload *pool = offload_workers_new(ws);
    struct job jobs[3];
    unsigned taken = 0;
    (void)pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < 3; i++) {
        jobs[i] = (struct job){.work = wait_at_gate, .done = count_done};
        taken += offload_submit(pool, &jobs[i]);
    }
    assert_in_range(taken, 1, 2); /* one may run already, one waits */
    (void)pthread_mutex_unlock(&gate);
    workers_free(ws);
    while (post_queue_run(post, 0)) {
    }
    assert_int_equal(gated_done, taken);
    offload_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mail_runs_in_order_and_not_inside_the_call, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(waits_for_mail_of_another_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(offloaded_work_is_answered_by_mail, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_pool_refuses_and_does_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
