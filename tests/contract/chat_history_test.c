/* What was said, read: pages, one message, search; over one home and over several. */
#include "chat_says.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void page(uuid room, const struct chat_who *who, int way, int64_t seq, unsigned limit)
{
    const struct chat_page in = {.way = way, .seq = seq, .limit = limit};
    chat_messages(any_home(), room, &in, who, on_told, &t);
    answered(ERR_NONE);
}

static void assert_page(uuid room, const struct chat_who *who, int way, int64_t seq,
                        unsigned limit, const char *seqs, const char *next)
{
    page(room, who, way, seq, limit);
    assert_string_equal(told_seqs(), seqs);
    assert_string_equal(t.next, next);
}

static void pages_are_oldest_first_and_go_on(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    assert_page(room, &ben, CHAT_BEFORE, 0, 5, "", "");
    for (unsigned i = 1; i <= 12; i++) {
        says(room, i % 2 == 0 ? &anna : &ben, text_of("number %u", i));
    }
    assert_page(room, &anna, CHAT_BEFORE, 0, 5, "8 9 10 11 12", "b8");
    assert_string_equal(t.members, "\"lastSeq\":12");
    assert_page(room, &anna, CHAT_BEFORE, 8, 5, "3 4 5 6 7", "b3");
    assert_page(room, &anna, CHAT_BEFORE, 3, 5, "1 2", "");
    assert_page(room, &anna, CHAT_BEFORE, 6, 5, "1 2 3 4 5", "");
    assert_page(room, &anna, CHAT_AFTER, 0, 5, "1 2 3 4 5", "a5");
    assert_page(room, &anna, CHAT_AFTER, 7, 5, "8 9 10 11 12", "");
    assert_page(room, &anna, CHAT_AFTER, 12, 5, "", "");
    assert_page(room, &anna, CHAT_AFTER, 9999, 5, "", "");
    assert_page(room, &anna, CHAT_AROUND, 6, 5, "4 5 6 7 8", "");
    assert_page(room, &anna, CHAT_AROUND, 1, 4, "1 2 3", "");
    assert_page(room, &anna, CHAT_AROUND, 12, 1, "12", "");
    page(room, &ben, CHAT_AROUND, 1, 1);
    assert_non_null(strstr(t.json, text_of("[{\"id\":\"")));
    assert_non_null(strstr(
        t.json, text_of("\"type\":\"chat\",\"roomId\":\"%s\",\"senderId\":\"%s\","
                        "\"content\":\"number 1\",\"timestamp\":\"",
                        id_text(room), id_text(ben.actor.id))));
}

static unsigned audits(const char *action);

static void who_is_not_in_a_room_reads_nothing_of_it(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), eve = employee("Eve"), sue = supervisor("Sue");
    struct chat_who gus = guest("Gus");
    const struct chat_page newest = {.way = CHAT_BEFORE, .limit = 50};
    uuid room = room_made(CHAT_PUBLIC, "Hall", &anna, NULL, NULL, NULL);
    uuid first = says(room, &anna, "before the guest");
    uuid ids[] = {room, home_new_id(&w.homes[0])};
    for (unsigned i = 0; i < 2; i++) {
        chat_messages(any_home(), ids[i], &newest, &eve, on_told, &t);
        answered(ERR_ROOM_ACCESS_DENIED);
        assert_int_equal(strlen(t.json) + strlen(t.members), 0);
        chat_message_get(any_home(), i == 0 ? first : ids[1], &eve, on_told, &t);
        answered(ERR_ROOM_ACCESS_DENIED);
        chat_search(any_home(), &(struct chat_search){.text = SPAN("guest"), .room = ids[i],
                                                      .to_ms = INT64_MAX, .limit = 5},
                    &eve, on_told, &t);
        answered(ERR_ROOM_ACCESS_DENIED);
    }
    chat_messages(any_home(), ids[1], &newest, &sue, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
    assert_int_equal(audits("chat.read"), 0);
    assert_page(room, &sue, CHAT_BEFORE, 0, 50, "1", "");
    chat_message_get(any_home(), first, &sue, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_int_equal(audits("chat.read"), 2); /* of each */
    member_stored(room, &gus, "member", 1);
    uuid second = says(room, &anna, "for the guest");
    assert_page(room, &gus, CHAT_BEFORE, 0, 50, "2", "");
    assert_page(room, &gus, CHAT_AFTER, 0, 50, "2", "");
    assert_page(room, &gus, CHAT_AROUND, 1, 50, "2", "");
    chat_message_get(any_home(), first, &gus, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
    chat_message_get(any_home(), second, &gus, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(t.seq, 2);
    assert_int_equal(t.version, 1);
    gus.only = ids[1]; /* its token is of another room */
    chat_messages(any_home(), room, &newest, &gus, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
    chat_message_get(any_home(), second, &gus, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
}

struct audited {
    bool done;
    unsigned count;
};

static void on_audit(void *owner, const struct audit_result *r)
{
    struct audited *x = owner;
    assert_int_equal(r->error, ERR_NONE);
    x->done = true;
    x->count = r->count;
}

static unsigned audits(const char *action)
{
    struct audited x = {0};
    turns();
    audit_list(any_home(), &(struct audit_filter){.action = span_str(action), .to_ms = INT64_MAX,
                                                  .limit = 200},
               on_audit, &x);
    for (unsigned i = 0; i < 100 && !x.done; i++) {
        turns();
    }
    assert_true(x.done);
    return x.count;
}

/* --- who was away --- */

static unsigned unanswered;

static void on_sent(void *owner, const struct chat_result *r)
{
    (void)owner;
    assert_int_equal(r->error, ERR_NONE);
    unanswered--;
}

static void says_many(uuid room, const struct chat_who *who, unsigned count)
{
    static unsigned number;
    for (unsigned i = 0; i < count; i++) {
        char json[40];
        snprintf(json, sizeof json, "\"missed %u\"", ++number);
        const struct chat_draft draft = {.type = CHAT_MESSAGE_CHAT, .content = span_str(json)};
        unanswered++;
        chat_send(any_home(), room, &draft, who, NULL, on_sent, NULL);
    }
}

/* Counts what came, which continues what had come. */
static int64_t continues(int64_t seq)
{
    for (const char *at = t.json; (at = strstr(at, "\"seq\":")) != NULL;) {
        at += strlen("\"seq\":");
        assert_int_equal(strtol(at, NULL, 10), ++seq);
    }
    return seq;
}

static void ten_thousand_missed_messages_come_in_pages_while_others_go_on(void **state)
{
    const unsigned missed = 10000;
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    for (unsigned i = 0; i < missed; i += 1000) {
        says_many(room, &anna, 1000);
        while (unanswered > 0) {
            turns();
        }
    }
    chat_restart();
    int64_t seq = 0, expected = missed;
    for (unsigned i = 0; seq < expected; i++) {
        if (i < 20) {
            says_many(room, &anna, 7);
            expected += 7;
        }
        page(room, &ben, CHAT_AFTER, seq, 200);
        int64_t to = continues(seq);
        assert_true(to > seq || unanswered > 0);
        seq = to;
    }
    while (unanswered > 0) {
        turns();
    }
    assert_page(room, &ben, CHAT_AFTER, seq, 200, "", "");
    assert_string_equal(t.members, "\"lastSeq\":10140");
    for (int64_t below = seq + 1; below > 1;) { /* and backwards */
        page(room, &ben, CHAT_BEFORE, below, 200);
        int64_t from = strtol(t.next[0] == '\0' ? "1" : t.next + 1, NULL, 10);
        assert_int_equal(continues(from - 1), below - 1);
        below = from;
    }
}

/* --- pages of large messages --- */

struct large {
    bool done;
    size_t bytes;
    char next[40];
};

static void on_large(void *owner, const struct chat_result *r)
{
    struct large *x = owner;
    assert_int_equal(r->error, ERR_NONE);
    x->done = true;
    x->bytes = r->json.len;
    snprintf(x->next, sizeof x->next, "%.*s", SPAN_FMT(r->next));
}

static void a_page_of_large_messages_ends_early(void **state)
{
    static char json[31000];
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    memset(json, 'x', sizeof json - 1);
    memcpy(json, "{\"x\":\"", 6);
    memcpy(json + sizeof json - 3, "\"}", 2);
    for (unsigned i = 0; i < 50; i++) {
        says_json(room, &anna, json);
    }
    struct large x = {0};
    chat_messages(any_home(), room, &(struct chat_page){.way = CHAT_AFTER, .limit = 200}, &anna,
                  on_large, &x);
    for (unsigned i = 0; i < 100 && !x.done; i++) {
        turns();
    }
    assert_true(x.done && x.bytes > 1000000 && x.bytes < 1200000);
    assert_string_equal(x.next, "a34");
}

/* --- search --- */

static void search(const struct chat_who *who, struct chat_search in, const char *text,
                   const char *seqs)
{
    in.text = span_str(text);
    in.to_ms = in.to_ms == 0 ? INT64_MAX : in.to_ms;
    in.limit = in.limit == 0 ? 50 : in.limit;
    chat_search(any_home(), &in, who, on_told, &t);
    answered(ERR_NONE);
    if (strcmp(told_seqs(), seqs) != 0) {
        fail_msg("%s finds %s, not %s", text, told_seqs(), seqs);
    }
}

static const struct chat_search all = {0};

static void words_phrases_and_beginnings_are_found(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    says(room, &anna, "The quarterly report is late");
    says(room, &ben, "Gr\\u00fc\\u00dfe: report later,\\nnot late");
    says_json(room, &ben, "{\"title\":\"Revenue\",\"rows\":[{\"name\":\"quarterly total\"}]}");
    search(&anna, all, "report", "2 1");
    assert_non_null(strstr(t.json, "\"snippet\":\"The quarterly \\u0002report\\u0003 is late\""));
    search(&anna, all, "REPORT late", "2 1");
    search(&anna, all, "\"report is\"", "1");
    search(&anna, all, "quart*", "3 1");
    search(&anna, all, "\"quarterly tot\"*", "3");
    search(&anna, all, "gru\xc3\x9f*", "2");
    search(&anna, all, "nothing", "");
    search(&anna, all, "title", ""); /* names of members are no text */
    search(&ben, (struct chat_search){.sender = anna.actor.id}, "late", "1");
    search(&ben, (struct chat_search){.from_ms = w.now_ms + 1}, "late", "");
    search(&ben, (struct chat_search){.to_ms = 1}, "late", "");
    search(&ben, (struct chat_search){.limit = 1}, "quarterly", "3");
    struct chat_search next = {.limit = 1};
    char after[sizeof t.next];
    memcpy(after, t.next, sizeof after);
    next.after = span_str(after);
    search(&ben, next, "quarterly", "1");
    assert_string_equal(t.next, "");
}

static void a_search_sees_what_its_caller_may_see(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), eve = employee("Eve");
    struct chat_who sue = supervisor("Sue"), gus = guest("Gus");
    uuid one = room_made(CHAT_GROUP, "One", &anna, &ben, NULL, NULL);
    uuid two = room_made(CHAT_GROUP, "Two", &anna, NULL, NULL, NULL);
    says(one, &anna, "word in one");
    says(two, &anna, "word in two");
    says(one, &ben, "word again");
    search(&anna, all, "word", "2 1 1");
    search(&ben, all, "word", "2 1");
    search(&ben, (struct chat_search){.room = one}, "word", "2 1");
    search(&eve, all, "word", "");
    search(&sue, all, "word", ""); /* in her rooms */
    search(&sue, (struct chat_search){.room = two}, "word", "1");
    member_stored(one, &gus, "member", 1);
    search(&gus, all, "word", "2");
    gus.only = one;
    search(&gus, all, "word", "2");
    search(&gus, all, text_of("r%.8s*", id_text(two)), ""); /* the word that stands for a room */
    gus.only = two;
    chat_search(any_home(), &(struct chat_search){.text = SPAN("word"), .to_ms = 1, .limit = 1},
                &gus, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
}

static void a_search_follows_edits_and_deletions(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    uuid message = says(room, &anna, "first words");
    chat_edit(any_home(), message, SPAN("\"second thoughts\""), false, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    search(&anna, all, "words", "");
    search(&anna, all, "thoughts", "1");
    chat_delete(any_home(), message, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    search(&anna, all, "thoughts", "");
    assert_page(room, &anna, CHAT_BEFORE, 0, 5, "1", "");
    assert_non_null(strstr(t.json, "\"content\":null"));
}

static void whatever_is_typed_is_no_fault(void **state)
{
    static const char *const hostile[] = {
        "\"", "\"\"", "a\"b", "NEAR(", "NEAR(a b, x)", "a AND", "NOT", "OR OR", "(((", "a)b", "^a",
        "room : x", "{room text} : a", "- room:a", "a + b", "a*b*c*", "***", "*", "'", "''", ";",
        "rank MATCH", "chat_search", "a\\", "\xc3\xa9*", "\xf0\x9f\x98\x80", "\xe2\x80\x8b",
        "\"a* b\"", "a:b:c", "--", "/* */", "%", "_", "?1", ":a", "@b", "$c", "\x01\x02", "a\nb",
        "\xc2\xa0", "\xe3\x80\x80", "\xe2\x80\x9cquoted\xe2\x80\x9d", "\"!\" \"?\"", "!a",
    };
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    says(room, &anna, "a b c x");
    for (unsigned i = 0; i < 2 * ARRAY_LEN(hostile); i++) {
        const struct chat_search in = {.text = span_str(hostile[i / 2]), .to_ms = INT64_MAX,
                                       .room = i % 2 == 0 ? room : UUID_NIL, .limit = 5};
        chat_search(any_home(), &in, &anna, on_told, &t);
        turns();
        assert_true(t.done);
        if (t.error != ERR_NONE && t.error != ERR_INVALID_REQUEST) {
            fail_msg("%s: %s", hostile[i / 2], err_name(t.error));
        }
        t.done = false;
    }
    const struct chat_search bad = {.text = SPAN("a"), .after = SPAN("!"), .limit = 1};
    chat_search(any_home(), &bad, &anna, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "cursor");
}

/* Random pieces of what means something: never an error of the store. */
static void random_queries_are_no_fault(void **state)
{
    static const char *const pieces[] = {"\"", "*", "(", ")", " ", "AND", "OR", "NOT", "NEAR", "a",
                                         "b", ":", "^", "+", "-", "{", "}", ",", "text", "room",
                                         "\xc3\xa9", "\t", "'", "\\", ".", "1"};
    uint64_t seed = 88172645463325252u;
    (void)state;
    struct chat_who anna = employee("Anna");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    says(room, &anna, "a b text room near 1");
    for (unsigned i = 0; i < 400; i++) {
        char text[200];
        size_t len = 0;
        for (unsigned k = 0; k < 3 + i % 12; k++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            len += (size_t)snprintf(text + len, sizeof text - len, "%s",
                                    pieces[seed % ARRAY_LEN(pieces)]);
        }
        const struct chat_search in = {.text = span_str(text), .to_ms = INT64_MAX, .room = room,
                                       .limit = 5};
        chat_search(any_home(), &in, &anna, on_told, &t);
        turns();
        assert_true(t.done);
        if (t.error != ERR_NONE && t.error != ERR_INVALID_REQUEST) {
            fail_msg("%s: %s", text, err_name(t.error));
        }
        t.done = false;
    }
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, chat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_are_oldest_first_and_go_on, chat_setup_5),
        TEST(who_is_not_in_a_room_reads_nothing_of_it, chat_setup_5),
        TEST(ten_thousand_missed_messages_come_in_pages_while_others_go_on, chat_setup_5),
        TEST(a_page_of_large_messages_ends_early, chat_setup_1),
        TEST(words_phrases_and_beginnings_are_found, chat_setup_5),
        TEST(a_search_sees_what_its_caller_may_see, chat_setup_5),
        TEST(a_search_follows_edits_and_deletions, chat_setup_1),
        TEST(whatever_is_typed_is_no_fault, chat_setup_1),
        TEST(random_queries_are_no_fault, chat_setup_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
