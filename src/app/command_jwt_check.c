/*
 * signalbox jwt-check: says whether a token would be accepted, and if not, why. Keys come from a
 * file: a JWK, a JWK set, or PEM. The rules are the server's: signature, algorithm of the key,
 * times within jwt_leeway_s, sub and exp present, aud as jwt_audience says. Whose the token is
 * decides nothing unless jwt_issuer was set: then another `iss` is refused.
 */
#include "adapters/clock_system/clock_system.h"
#include "adapters/tokens_jose/tokens_jose.h"
#include "app/commands.h"
#include "app/key_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct option_row jwt_check_options[] = {
    {"jwk", "FILE", "the key: a JWK, a JWK set, or public keys and certificates in PEM"},
    {NULL, NULL, NULL},
};

/* One token more than fits is read, so that a longer one is refused and not cut. */
static span read_token(char *text, size_t size)
{
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < size) {
        got = read(STDIN_FILENO, text + len, size - len);
        len += got > 0 ? (size_t)got : 0;
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    return span_of(text, len);
}

int command_jwt_check(const struct options *o, struct settings *s)
{
    const char *path = options_get(o, "jwk");
    if (path == NULL || o->word_count > 0) {
        fprintf(stderr, "signalbox: jwt-check needs --jwk FILE, and a token on standard input\n");
        return EXIT_USAGE;
    }
    buf why = {0};
    struct key_set *keys = key_set_new();
    if (!key_file_read(keys, path, &why)) {
        fprintf(stderr, "signalbox: %.*s\n", SPAN_FMT(buf_span(&why)));
        buf_deinit(&why);
        key_set_free(keys);
        return EXIT_FAILED;
    }
    bool any_issuer = strcmp(s->sources[CONFIG_jwt_issuer], "default") == 0;
    struct token_rules rules = {.issuer = any_issuer ? NULL : config_str(&s->config,
                                                                         CONFIG_jwt_issuer),
                                .outside = any_issuer,
                                .audience = config_str(&s->config, CONFIG_jwt_audience),
                                .leeway_s = config_int(&s->config, CONFIG_jwt_leeway_s),
                                .now_s = clock_wall_ms(clock_system()) / 1000};
    char text[TOKEN_BYTES_MAX + 16];
    struct token_claims claims;
    enum token_fault fault =
        tokens_jose_check(keys, read_token(text, sizeof text), &rules, &claims);
    if (fault == TOKEN_OK) {
        printf("accepted\n");
    } else {
        fprintf(stderr, "refused: %s\n", token_fault_name(fault));
    }
    key_set_free(keys);
    return fault == TOKEN_OK ? EXIT_OK : EXIT_FAILED;
}
