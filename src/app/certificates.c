#include "app/certificates.h"

#include "app/listeners.h"
#include "base/timefmt.h"
#include "edge/ops/alerts.h"
#include "net/net.h"

#include <string.h>

bool certificates_needed(const struct config *c)
{
    span rest = span_str(config_str(c, CONFIG_listen));
    struct listener_spec l;
    const char *fault;
    bool needed = false;
    enum listener_next got;
    while ((got = listener_next(&rest, &l, &fault)) != LISTENER_END) {
        needed = needed || (got == LISTENER_GOT && (l.flags & NET_LISTEN_TLS));
    }
    return needed;
}

bool certificates_check(const struct config *c, buf *why)
{
    if (certificates_needed(c) && config_str(c, CONFIG_tls_cert)[0] == '\0') {
        buf_append_str(why, "listen has a tls:// address: tls_cert must name a certificate");
        return false;
    }
    bool verify = config_int(c, CONFIG_tls_client_auth) != TLS_CLIENT_NONE;
    if (verify != (config_str(c, CONFIG_tls_client_ca)[0] != '\0')) {
        buf_append_str(why, verify ? "tls_client_auth needs tls_client_ca: who signs the clients' "
                                     "certificates"
                                   : "tls_client_ca without tls_client_auth would check nobody: "
                                     "set tls_client_auth to optional or require");
        return false;
    }
    return true;
}

bool certificates_load(const struct config *c, struct clock *clock, struct tls_server *previous,
                       struct tls_server **out, buf *why)
{
    *out = NULL;
    if (!certificates_needed(c)) {
        return true;
    }
    struct tls_server_conf conf = {
        .certs = config_str(c, CONFIG_tls_cert),
        .keys = config_str(c, CONFIG_tls_key),
        .client_ca = config_str(c, CONFIG_tls_client_ca),
        .client_auth = (enum tls_client_auth)config_int(c, CONFIG_tls_client_auth),
        .only_13 = config_int(c, CONFIG_tls_min_version) != 0,
        .clock = clock,
    };
    *out = tls_server_new(&conf, previous, why);
    return *out != NULL;
}

static const char *verdict(const struct tls_cert_info *info, int64_t now_s)
{
    if (now_s >= info->ends_s) {
        return "expired";
    }
    if (now_s < info->begins_s) {
        return "not valid yet";
    }
    return info->ends_s - now_s < ALERT_CERTIFICATE_S ? "expires soon" : "valid";
}

void certificates_log(struct log *log, const struct tls_server *s, int64_t now_ms)
{
    for (unsigned i = 0; s != NULL && i < tls_server_cert_count(s); i++) {
        const struct tls_cert_info *info = tls_server_cert(s, i);
        const char *says = verdict(info, now_ms / 1000);
        char ends[TIME_S_LEN + 1];
        time_format_s(info->ends_s * 1000, ends);
        LOG(log, strcmp(says, "valid") == 0 ? LOG_INFO : LOG_WARN, "tls.certificate",
            LOG_STR("file", info->file), LOG_STR("names", info->names), LOG_STR("ends", ends),
            LOG_STR("state", says));
    }
}

void certificates_print(const struct tls_server *s, int64_t now_ms, buf *out)
{
    for (unsigned i = 0; s != NULL && i < tls_server_cert_count(s); i++) {
        const struct tls_cert_info *info = tls_server_cert(s, i);
        char ends[TIME_S_LEN + 1];
        time_format_s(info->ends_s * 1000, ends);
        buf_printf(out, "# certificate %s for %s: %s, ends %s\n", info->file,
                   info->names[0] == '\0' ? "(no name)" : info->names,
                   verdict(info, now_ms / 1000), ends);
    }
}
