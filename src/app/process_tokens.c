/* The tokens of the process: our own secret, keys in files, keys that are fetched. */
#include "adapters/jwks_http/jwks_http.h"
#include "adapters/tokens_hs256/tokens_hs256.h"
#include "adapters/tokens_jose/tokens_jose.h"
#include "app/data_dir.h"
#include "app/key_file.h"
#include "app/process.h"
#include "base/mem.h"

#include <string.h>

static struct tokens *open_own_tokens(struct process *p, buf *why)
{
    buf secret = {0};
    const char *given = config_str(p->config, CONFIG_jwt_secret);
    if (given[0] != '\0') {
        buf_append_str(&secret, given);
    } else if (!data_dir_secret(config_str(p->config, CONFIG_data_dir), "jwt.secret", 32,
                                p->entropy, &secret, why)) {
        return NULL;
    }
    struct tokens_conf conf = {.secret = buf_span(&secret),
                               .issuer = config_str(p->config, CONFIG_jwt_issuer),
                               .audience = config_str(p->config, CONFIG_jwt_audience),
                               .leeway_s = config_int(p->config, CONFIG_jwt_leeway_s)};
    struct tokens *own = tokens_hs256_new(&conf);
    explicit_bzero(secret.ptr, secret.len);
    buf_deinit(&secret);
    return own;
}

/* The keys of every file in jwt_keys; NULL with `why`. */
static struct key_set *read_keys(const struct config *c, buf *why)
{
    struct key_set *keys = key_set_new();
    span rest = span_str(config_str(c, CONFIG_jwt_keys));
    while (rest.len > 0) {
        span one = span_trim(span_cut(&rest, ','));
        char *path = mem_strndup(one.ptr, one.len);
        bool ok = one.len == 0 || key_file_read(keys, path, why);
        mem_free(path);
        if (!ok) {
            key_set_free(keys);
            return NULL;
        }
    }
    return keys;
}

bool process_open_tokens(struct process *p, buf *why)
{
    struct key_set *keys = read_keys(p->config, why);
    struct tokens *own = keys == NULL ? NULL : open_own_tokens(p, why);
    if (own == NULL) {
        key_set_free(keys);
        return false;
    }
    struct tokens_jose_conf conf = {
        .own = own,
        .fixed = keys,
        .issuer = config_str(p->config, CONFIG_jwt_issuer),
        .outside_issuers = config_str(p->config, CONFIG_jwt_outside_issuers),
        .audience = config_str(p->config, CONFIG_jwt_audience),
        .leeway_s = config_int(p->config, CONFIG_jwt_leeway_s)};
    p->tokens = tokens_jose_new(&conf);
    return true;
}

void process_open_jwks(struct process *p)
{
    const char *url = config_str(p->config, CONFIG_jwks_url);
    if (url[0] != '\0') {
        struct jwks_conf conf = {.url = url,
                                 .tokens = p->tokens,
                                 .post = p->post,
                                 .clock = p->clock,
                                 .log = p->log};
        p->jwks = jwks_open(&conf);
    }
}

void process_free_tokens(struct process *p)
{
    tokens_jose_free(p->tokens);
    jwks_free(p->jwks);
    p->tokens = NULL;
    p->jwks = NULL;
}
