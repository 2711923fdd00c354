#include "app/control.h"

#include "app/admin.h"
#include "app/command.h"
#include "app/reload.h"
#include "base/list.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define JOBS_MAX 16 /* commands that run; more are refused as busy */

struct control {
    struct control_conf conf;
    struct list jobs;
    unsigned job_count;
    struct reload *reload; /* owned */
    int ended_fd; /* an eventfd: some job has ended */
};

struct admin_job {
    struct list link;
    struct control *control;
    struct mail mail;
    struct command_call call;
    const struct command *command;
    buf text; /* the words; they may hold secrets */
    int fd;
    atomic_bool ended; /* by the loop; the rest is the control thread's from then on */
};

struct control *control_new(const struct control_conf *conf)
{
    struct control *c = mem_calloc(1, sizeof *c);
    c->conf = *conf;
    c->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(c->ended_fd >= 0); /* start-up: nothing is served yet */
    c->reload = reload_new(conf->process, conf->settings);
    list_init(&c->jobs);
    return c;
}

static void on_ended(struct command_call *call)
{
    struct admin_job *job = call->owner;
    int fd = job->control->ended_fd;
    atomic_store_explicit(&job->ended, true, memory_order_release);
    (void)eventfd_write(fd, 1); /* cannot be full: the control thread empties it */
}

static void run(struct mail *m)
{
    struct admin_job *job = CONTAINER_OF(m, struct admin_job, mail);
    job->command->run(&job->call);
}

static void job_free(struct admin_job *job)
{
    close(job->fd);
    command_call_free(&job->call);
    if (job->text.ptr != NULL) {
        explicit_bzero(job->text.ptr, job->text.cap);
    }
    buf_deinit(&job->text);
    mem_free(job);
}

static void answer(struct control *c, struct admin_job *job)
{
    admin_answer(job->fd, job->call.status, buf_span(&job->call.out), buf_span(&job->call.err));
    list_remove(&job->link);
    c->job_count--;
    job_free(job);
}

static void answer_ended(struct control *c)
{
    eventfd_t count;
    (void)eventfd_read(c->ended_fd, &count);
    LIST_EACH(it, &c->jobs) {
        struct admin_job *job = LIST_ITEM(it, struct admin_job, link);
        if (atomic_load_explicit(&job->ended, memory_order_acquire)) {
            answer(c, job);
        }
    }
}

/* Reads one command and starts it, or answers why not. */
static void accept_command(struct control *c)
{
    int fd = accept4(c->conf.admin_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    char *words[ADMIN_WORDS_MAX];
    struct admin_job *job = mem_calloc(1, sizeof *job);
    job->control = c;
    job->fd = fd;
    int count = admin_read(fd, &job->text, words);
    if (count < 1) {
        admin_answer(fd, EXIT_USAGE, SPAN_NONE, SPAN("signalbox: malformed admin request\n"));
        job_free(job);
    } else if (c->job_count >= JOBS_MAX) {
        admin_answer(fd, EXIT_FAILED, SPAN_NONE, SPAN("signalbox: the server is too busy\n"));
        job_free(job);
    } else if (!command_prepare(&job->call, count, words, &job->command)) {
        admin_answer(fd, job->call.status, buf_span(&job->call.out), buf_span(&job->call.err));
        job_free(job);
    } else {
        list_push(&c->jobs, &job->link);
        c->job_count++;
        job->call.home = c->conf.process->homes[0];
        job->call.done = on_ended;
        job->call.owner = job;
        job->mail.run = run;
        loop_post_foreign(c->conf.process->loops[0], &job->mail);
    }
}

/* False when the server is to end. */
static bool on_signal(struct control *c)
{
    struct signalfd_siginfo info;
    if (read(c->conf.signal_fd, &info, sizeof info) != (ssize_t)sizeof info) {
        return true;
    }
    if (info.ssi_signo == SIGHUP) {
        reload_run(c->reload);
        return true;
    }
    LOG(c->conf.process->log, LOG_INFO, "server.drain", LOG_U64("signal", info.ssi_signo));
    return false;
}

/* Commands that run have a moment to end: they would find half a server later. */
static void wait_for_jobs(struct control *c)
{
    const struct process *p = c->conf.process;
    int64_t end_ms = clock_mono_ms(p->clock) + config_int(p->config, CONFIG_drain_ms);
    while (c->job_count > 0) {
        int64_t left_ms = end_ms - clock_mono_ms(p->clock);
        struct pollfd fd = {.fd = c->ended_fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&fd, 1, (int)left_ms) == 0) {
            return;
        }
        answer_ended(c);
    }
}

void control_run(struct control *c)
{
    for (bool on = true; on;) {
        struct pollfd fds[3] = {{.fd = c->conf.signal_fd, .events = POLLIN},
                                {.fd = c->ended_fd, .events = POLLIN},
                                {.fd = c->conf.admin_fd, .events = POLLIN}};
        if (poll(fds, 3, -1) < 0) {
            on = errno == EINTR;
            continue;
        }
        if (fds[0].revents & POLLIN) {
            on = on_signal(c);
        }
        if (fds[1].revents & POLLIN) {
            answer_ended(c);
        }
        if (on && fds[2].revents & POLLIN) {
            accept_command(c);
        }
    }
    wait_for_jobs(c);
}

void control_free(struct control *c)
{
    answer_ended(c);
    while (!list_empty(&c->jobs)) { /* nobody is left who could end them */
        struct admin_job *job = LIST_ITEM(c->jobs.next, struct admin_job, link);
        job->call.audit_action[0] = '\0'; /* nor store it */
        command_end(&job->call, EXIT_FAILED, "the server has ended");
        answer(c, job);
    }
    reload_free(c->reload);
    close(c->ended_fd);
    mem_free(c);
}
