/* The tables of redact.c, private to it and its names. */
#ifndef SB_AGENT_REDACT_WORDS_H
#define SB_AGENT_REDACT_WORDS_H

/* A name with one of these as a whole word is secret. */
static const char *const redact_words[] = {
    "pass",   "passwd", "password", "passphrase", "passcode",   "passin",     "passout",
    "pwd",    "pw",     "secret",   "secrets",    "token",      "key",        "apikey",
    "auth",   "cred",   "creds",    "credential", "credentials", "cookie",     "bearer",
    "jwt",    "sig",    "signature", "otp",       "pin",        "psk",        "authorization",
};

/* A name that ends so, without its separators, is secret. */
static const char *const redact_endings[] = {
    "password",  "passwd",    "passphrase", "secret",     "token",      "apikey",
    "accesskey", "secretkey", "privatekey", "credential", "credentials", "storepass",
    "keypass",
};

/* The schemes of an Authorization field (RFC 9110 11): the next word is the secret. */
static const char *const redact_schemes[] = {"bearer", "basic", "digest", "negotiate", "token",
                                             "apikey"};

/* Tokens known by their beginning. */
static const char *const redact_prefixes[] = {
    "sbk_",  "sbp_",  "ghp_",  "gho_",  "ghu_",     "ghs_",     "ghr_", "github_pat_",
    "glpat-", "xoxb-", "xoxp-", "xoxa-", "sk-",      "sk_live_", "rk_live_", "AKIA",
    "ASIA",  "AIza",  "eyJ",   "npm_",  "pypi-",    "dop_v1_",  "hvs.",
};

/* Short flags: of a program whose name starts so ("" for all), how the value follows. */
enum redact_follow {
    REDACT_NEXT,     /* in the next argument */
    REDACT_ATTACHED, /* in the same argument, or in the next if there is nothing more */
    REDACT_PAIR,     /* name:password in the next argument */
};
static const struct {
    const char *program;
    const char *flag;
    enum redact_follow follow;
} redact_flags[] = {
    {"mysql", "-p", REDACT_ATTACHED},  {"mariadb", "-p", REDACT_ATTACHED},
    {"sshpass", "-p", REDACT_ATTACHED}, {"7z", "-p", REDACT_ATTACHED},
    {"rar", "-p", REDACT_ATTACHED},    {"unrar", "-p", REDACT_ATTACHED},
    {"zip", "-P", REDACT_ATTACHED},    {"unzip", "-P", REDACT_ATTACHED},
    {"redis-cli", "-a", REDACT_NEXT},  {"ldap", "-w", REDACT_ATTACHED},
    {"mosquitto", "-P", REDACT_NEXT},  {"htpasswd", "-b", REDACT_NEXT},
    {"curl", "-u", REDACT_PAIR},       {"curl", "-U", REDACT_PAIR},
    {"http", "-a", REDACT_PAIR},       {"wget", "-u", REDACT_PAIR},
    {"", "--user", REDACT_PAIR},       {"", "--proxy-user", REDACT_PAIR},
    {"", "-p", REDACT_NEXT},
};

#endif
