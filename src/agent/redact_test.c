/* Command lines: no secret of the table may leave, and ordinary words stay readable. */
#include "agent/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/utf8.h"
#include "agent/text_clean.h"

/* '|' stands for the NUL after an argument. */
static const struct {
    const char *cmdline;
    const char *shown;
} rows[] = {
    {"nginx: worker process", "nginx: worker process"},
    {"/usr/bin/python3|-m|http.server|8000|", "/usr/bin/python3 -m http.server 8000"},
    {"app|--password|hunter2|--host|db|", "app --password *** --host db"},
    {"app|--password|my secret words|x|", "app --password *** x"},
    {"app|--password=hunter2|x|", "app --password=*** x"},
    {"app|--db-password=a b&c,d|x|", "app --db-password=*** x"},
    {"app|--token|abc|", "app --token ***"},
    {"app|--secret|abc|", "app --secret ***"},
    {"app|--key|abc|", "app --key ***"},
    {"app|--api-key|abc|", "app --api-key ***"},
    {"app|api_key=abc|", "app api_key=***"},
    {"app|apiKey=abc|", "app apiKey=***"},
    {"app|-p|hunter2|", "app -p ***"},
    {"app|-p|--host|db|", "app -p --host db"},
    {"mysql|-uroot|-phunter2|shop|", "mysql -uroot -p*** shop"},
    {"/usr/bin/mysqldump|-phunter2|", "/usr/bin/mysqldump -p***"},
    {"sshpass|-phunter2|ssh|host|", "sshpass -p*** ssh host"},
    {"find|/|-path|x|-print|", "find / -path x -print"},
    {"redis-cli|-a|hunter2|", "redis-cli -a ***"},
    {"ldapsearch|-whunter2|-x|", "ldapsearch -w*** -x"},
    {"curl|-u|bob:hunter2|http://h/|", "curl -u bob:*** http://h/"},
    {"curl|--user|bob:hunter2|", "curl --user bob:***"},
    {"sort|-u|a:b|", "sort -u a:b"},
    {"env|PGPASSWORD=hunter2|psql|", "env PGPASSWORD=*** psql"},
    {"env|AWS_SECRET_ACCESS_KEY=abc/d|x|", "env AWS_SECRET_ACCESS_KEY=*** x"},
    {"env|MYSQL_PWD=abc|x|", "env MYSQL_PWD=*** x"},
    {"java|-Dspring.datasource.password=abc|-jar|a.jar|",
     "java -Dspring.datasource.password=*** -jar a.jar"},
    {"openssl|-passin|pass:abc|", "openssl -passin ***"},
    {"git|clone|https://bob:hunter2@example.org/r.git|",
     "git clone https://bob:***@example.org/r.git"},
    {"x|postgres://u:p/a#s@db:5432/n|", "x postgres://u:***@db:5432/n"},
    {"x|redis://:hunter2@h:1|", "x redis://:***@h:1"},
    {"x|amqp://u:p@ss@h|", "x amqp://u:***@h"},
    {"x|https://0123456789abcdef0123@github.com/r|", "x https://***@github.com/r"},
    {"x|ssh://git@github.com/r|", "x ssh://git@github.com/r"},
    {"x|http://localhost:3001/a?b=c|", "x http://localhost:3001/a?b=c"},
    {"x|http://h/ws?token=abc&v=1|", "x http://h/ws?token=***&v=1"},
    {"curl|-H|Authorization: Bearer abc.def|http://h|",
     "curl -H Authorization: *** http://h"},
    {"curl|-H|X-Api-Key: abc|", "curl -H X-Api-Key: ***"},
    {"curl|-H|Cookie: sid=abc|", "curl -H Cookie: ***"},
    {"sh|-c|curl -H \"Authorization: Bearer abc\" http://h|",
     "sh -c curl -H \"Authorization: ***\" http://h"},
    {"sh|-c|curl -H 'X-Token: a b c' http://h|", "sh -c curl -H 'X-Token: ***' http://h"},
    {"sh|-c|app --password hunter2 --v|", "sh -c app --password *** --v"},
    {"sh|-c|app -p hunter2 && ls|", "sh -c app -p *** && ls"},
    {"sh|-c|run TOKEN=abc; ls|", "sh -c run TOKEN=***; ls"},
    {"sh|-c|run TOKEN=\"a b\" x|", "sh -c run TOKEN=\"***\" x"},
    {"curl|-d|{\"user\":\"bob\",\"password\":\"hun\\\"ter2\"}|",
     "curl -d {\"user\":\"bob\",\"password\":\"***\"}"},
    {"sh|-c|curl -d \"{\\\"password\\\": \\\"abc\\\"}\" h|",
     "sh -c curl -d \"{\\\"password\\\": \\\"***\"}\" h"},
    {"app|ghp_0123456789abcdefghij|", "app ***"},
    {"app|x:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln|", "app x:***"},
    {"app|sbk_0123456789abcdef|", "app ***"},
    {"app|sk-learn|", "app sk-learn"},
    {"app|--id=0123456789abcdef0123456789abcdef|", "app --id=***"},
    {"app|--id=0123456789abcdef|", "app --id=0123456789abcdef"},
    {"app|--x=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFy12|", "app --x=***"},
    {"app|--conf=/usr/lib/Python3/dist-packages/something/conf|",
     "app --conf=/usr/lib/Python3/dist-packages/something/conf"},
    {"app|--max-tokens|100|--keyboard|de|--author|bob|monkey=1|",
     "app --max-tokens 100 --keyboard de --author bob monkey=1"},
    {"app|--password=|x|", "app --password= x"},
    {"app|--password|", "app --password"},
    {"app|", "app"},
    {"app|||", "app"},
    {"|", ""},
    {"", ""},
};

static size_t run(const char *text, char *out, size_t cap)
{
    char cmdline[512];
    size_t len = strlen(text);
    memcpy(cmdline, text, len);
    for (size_t i = 0; i < len; i++) {
        if (cmdline[i] == '|') {
            cmdline[i] = '\0';
        }
    }
    return redact_command(span_of(cmdline, len), out, cap);
}

static void secrets_are_hidden_and_the_rest_is_shown(void **state)
{
    char out[257];
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = run(rows[i].cmdline, out, sizeof out);
        assert_string_equal(out, rows[i].shown);
        assert_int_equal(len, strlen(out));
    }
}

static void long_lines_are_cut_after_the_redaction(void **state)
{
    char cmdline[4096];
    memset(cmdline, 'a', sizeof cmdline);
    memcpy(cmdline + 200, " --password ", 12);
    cmdline[4000] = '\0';
    char out[257];
    assert_int_equal(redact_command(span_of(cmdline, sizeof cmdline), out, sizeof out), 256);
    assert_memory_equal(out + 200, " --password *** aaa", 19);
    assert_int_equal(redact_command(SPAN("abcdef"), out, 4), 3);
    assert_string_equal(out, "abc");
}

static void text_becomes_storable(void **state)
{
    static const struct {
        span in;
        const char *out;
    } texts[] = {
        {SPAN("plain"), "plain"},
        {SPAN("a\nb\tc\x7f" "d\0e"), "a b c d e"},
        {SPAN("caf\xc3\xa9"), "caf\xc3\xa9"},
        {SPAN("\xc3"), "?"},
        {SPAN("\xff\xfe"), "??"},
        {SPAN("\xed\xa0\x80"), "???"},
        {SPAN("x\xc2\x85y"), "x y"},
        {SPAN("x\xe2\x80\xaey\xe2\x81\xa6z"), "x y z"},
        {SPAN("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80"},
    };
    char out[32];
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        size_t len = text_clean(texts[i].in, out, sizeof out);
        assert_string_equal(out, texts[i].out);
        assert_int_equal(len, strlen(out));
        assert_true(utf8_storable(span_str(out)));
    }
    assert_int_equal(text_clean(SPAN("ab\xc3\xa9"), out, 4), 2); /* cut between characters */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_hidden_and_the_rest_is_shown),
        cmocka_unit_test(long_lines_are_cut_after_the_redaction),
        cmocka_unit_test(text_becomes_storable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
