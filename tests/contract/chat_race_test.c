/*
 * Messages against membership, over several loops whose mail and store a seed schedules: whoever is
 * in a room hears everything that is said from its arrival on, once and in order, and nothing from
 * its end on.
 */
#include "chat_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 100
#define PEOPLE 5
#define ROUNDS 12
#define ASKS_MAX 2000

static struct told *asks[ASKS_MAX];
static unsigned ask_count;
static uint64_t random_state, seed_now;

static unsigned chance(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static struct told *ask(void)
{
    assert_true(ask_count < ASKS_MAX);
    return asks[ask_count++] = calloc(1, sizeof(struct told));
}

static unsigned said;

static void says(uuid room, const struct chat_who *who)
{
    char text[32];
    snprintf(text, sizeof text, "\"m%u\"", said++);
    struct chat_draft draft = {.type = CHAT_MESSAGE_CHAT, .content = span_str(text)};
    chat_send(any_home(), room, &draft, who, NULL, on_told, ask());
}

static void does(uuid room, const struct chat_who *owner, const struct chat_who *one)
{
    switch (chance(6)) {
    case 0:
        chat_join(any_home(), room, &(struct chat_join){.watch = false}, one, NULL, on_told, ask());
        break;
    case 1:
        chat_leave(any_home(), room, one, NULL, on_told, ask());
        break;
    case 2:
        chat_member_remove(any_home(), room, one->actor.id, 0, SPAN(""), owner, on_told, ask());
        break;
    default:
        says(room, chance(2) == 0 ? one : owner);
    }
}

/* What one socket heard, line by line. */
static void check(const char *text)
{
    int64_t next = -1; /* the seq that follows; -1: it is not in */
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        char id[UUID_TEXT_LEN + 1];
        long long last;
        const char *end = strchr(at, '\n');
        if (sscanf(at, "joined %36s %lld", id, &last) == 2) {
            next = last + 1;
        } else if (strncmp(at, "out ", 4) == 0) {
            next = -1;
        } else if (strncmp(at, "chat:message:received ", 22) == 0) {
            const char *seq = strstr(at, "\"seq\":");
            assert_true(seq != NULL && seq < end);
            if (next < 0 || strtoll(seq + 6, NULL, 10) != next) {
                fail_msg("seed %llu: %lld is due: %.*s", (unsigned long long)seed_now,
                         (long long)next, (int)(end - at), at);
            }
            next++;
        }
    }
}

static void drain(void)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        bool done = true;
        turns();
        w.now_ms += 100;
        for (unsigned i = 0; i < ask_count; i++) {
            done = done && asks[i]->done;
        }
        if (done) {
            break;
        }
    }
    int64_t seqs = 0, newest = 0;
    for (unsigned i = 0; i < ask_count; i++) {
        assert_true(asks[i]->done);
        assert_true(asks[i]->error == ERR_NONE || asks[i]->error == ERR_ROOM_ACCESS_DENIED ||
                    asks[i]->error == ERR_NOT_FOUND);
        seqs += asks[i]->seq != 0;
        newest = asks[i]->seq > newest ? asks[i]->seq : newest;
        free(asks[i]);
    }
    assert_int_equal(seqs, newest); /* without a hole */
    ask_count = 0;
}

static void one_seed(uint64_t seed)
{
    void *state = NULL;
    struct chat_who all[PEOPLE];
    struct socket *sockets[PEOPLE + 1];
    chat_setup_sim(4, seed);
    random_state = seed_now = seed;
    struct chat_who owner = employee("Owner");
    uuid room = room_made(CHAT_PUBLIC, "Canteen", &owner, NULL, NULL, NULL);
    for (unsigned i = 0; i < PEOPLE; i++) {
        all[i] = employee(text_of("P%u", i));
        sockets[i] = socket_open(i % w.count, &all[i]);
    }
    sockets[PEOPLE] = socket_open(0, &owner);
    turns();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < PEOPLE; i++) {
            does(room, &owner, &all[i]);
        }
        for (unsigned steps = chance(60); steps > 0 && sim_step(); steps--) {
        }
        if (chance(3) == 0) {
            turns();
        }
    }
    drain();
    for (unsigned i = 0; i < 3; i++) { /* who is in by now hears these too */
        says(room, &owner);
    }
    for (unsigned i = 0; i < 5; i++) {
        turns();
        w.now_ms += 100;
    }
    for (unsigned i = 0; i < ask_count; i++) {
        assert_true(asks[i]->done && asks[i]->error == ERR_NONE);
        free(asks[i]);
    }
    ask_count = 0;
    assert_true(heard_count(sockets[PEOPLE], "chat:message:received") > 3);
    for (unsigned i = 0; i <= PEOPLE; i++) {
        check(heard(sockets[i]));
    }
    assert_int_equal(chat_teardown(&state), 0);
}

static void who_is_in_hears_all_once_and_who_is_out_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        one_seed(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_in_hears_all_once_and_who_is_out_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
