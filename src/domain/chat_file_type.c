/*
 * Bytes are believed before names. Where they say little (plain text, containers of office
 * documents) any of the types that look so is taken; what people send is never served as a page.
 */
#include "domain/chat_file_type.h"

#include "base/assert.h"
#include "base/utf8.h"

/* Types of what runs, as libmagic names them. */
static const char *const runs[] = {
    "application/x-dosexec",
    "application/vnd.microsoft.portable-executable",
    "application/x-msdownload",
    "application/x-executable",
    "application/x-pie-executable",
    "application/x-sharedlib",
    "application/x-object",
    "application/x-mach-binary",
    "application/x-elf",
    "application/x-msi",
    "application/x-ms-shortcut",
    "application/x-ms-installer",
    "application/x-java-applet",
    "application/java-archive",
    "application/vnd.android.package-archive",
    "application/x-bytecode.python",
    "application/x-debian-package",
    "application/vnd.debian.binary-package",
    "application/x-rpm",
    "application/hta",
    "application/x-sh",
    "application/x-csh",
    "text/x-shellscript",
    "text/x-msdos-batch",
};

/* Endings that systems run when somebody opens them. */
static const char *const running_names[] = {
    "exe", "dll", "com", "bat", "cmd", "scr", "pif",  "cpl", "msi", "msp", "msix", "appx",
    "ps1", "vbs", "vbe", "jse", "wsf", "wsh", "hta",  "lnk", "reg", "jar", "sh",   "bash",
    "csh", "run", "apk", "app", "deb", "rpm", "dmg",  "pkg", "so",  "elf", "iso",  "img",
};

/* What a file of that ending, or of that type, may look like: types, or families ending in "/". */
static const struct {
    const char *key;
    const char *looks; /* separated by spaces */
} rules[] = {
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip application/x-gzip"},
    {"svg", "image/svg+xml text/"},
    {"html", "text/"},
    {"htm", "text/"},
    {"txt", "text/ application/json application/x-ndjson application/csv application/x-empty"},
    {"md", "text/ application/x-empty"},
    {"log", "text/ application/json application/x-ndjson application/x-empty"},
    {"csv", "text/ application/csv application/x-empty"},
    {"json", "application/json text/ application/x-empty"},
    {"xml", "text/ application/xml"},
    {"mp3", "audio/ application/octet-stream"},
    {"wav", "audio/"},
    {"ogg", "audio/ video/ application/ogg"},
    {"mp4", "video/ audio/"},
    {"webm", "video/ audio/"},
    {"mov", "video/"},
    {"image/png", "image/png"},
    {"image/jpeg", "image/jpeg"},
    {"image/gif", "image/gif"},
    {"image/webp", "image/webp"},
    {"image/svg+xml", "image/svg+xml text/"},
    {"image/", "image/"},
    {"audio/", "audio/ video/ application/ogg application/octet-stream"},
    {"video/", "video/ audio/ application/ogg"},
    {"text/", "text/ application/json application/x-ndjson application/csv application/x-empty"
              " application/javascript application/xml image/svg+xml"},
    {"application/pdf", "application/pdf"},
    {"application/json", "application/json text/ application/x-empty"},
    {"application/zip", "application/zip"},
};

static span ending(span name)
{
    span last = SPAN_NONE;
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '.') {
            last = span_slice(name, i, name.len);
            break;
        }
    }
    return last;
}

/* "type/" of "type/subtype" counts for all of its family. */
static bool is_type(span type, span want)
{
    if (want.len > 0 && want.ptr[want.len - 1] == '/') {
        return type.len > want.len && span_ieq(span_slice(type, 0, want.len), want);
    }
    return span_ieq(type, want);
}

static bool in_list(span type, const char *list)
{
    span rest = span_str(list);
    while (rest.ptr != NULL) {
        if (is_type(type, span_cut(&rest, ' '))) {
            return true;
        }
    }
    return false;
}

static bool is_listed(span what, const char *const *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (span_ieq(what, span_str(rows[i]))) {
            return true;
        }
    }
    return false;
}

/* By the first rule that speaks of it; true when none does. */
static bool may_look(span key, span sniffed)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (is_type(key, span_str(rules[i].key))) {
            return in_list(sniffed, rules[i].looks);
        }
    }
    return true;
}

static bool name_good(span name)
{
    if (name.len == 0 || !utf8_valid(name) || span_eq(name, SPAN(".")) ||
        span_eq(name, SPAN(".."))) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (c < ' ' || c == 0x7f || c == '/' || c == '\\') {
            return false;
        }
    }
    return true;
}

static bool token_good(span s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '+' || c == '.' || c == '_';
        if (!plain) {
            return false;
        }
    }
    return s.len > 0;
}

const char *chat_file_refused(span name, span mime)
{
    span subtype = mime;
    span type = span_cut(&subtype, '/');
    if (!name_good(name)) {
        return "the name must be one of a file, without a path";
    }
    if (subtype.ptr == NULL || !token_good(type) || !token_good(subtype)) {
        return "the media type must be type/subtype, without parameters";
    }
    if (is_listed(ending(name), running_names, ARRAY_LEN(running_names)) ||
        is_listed(mime, runs, ARRAY_LEN(runs))) {
        return "files that run are not taken";
    }
    return NULL;
}

const char *chat_file_misfit(span name, span mime, span sniffed)
{
    const char *why = chat_file_refused(name, mime);
    if (why != NULL) {
        return why;
    }
    if (is_listed(sniffed, runs, ARRAY_LEN(runs))) {
        return "files that run are not taken";
    }
    if (!may_look(mime, sniffed)) {
        return "the bytes are not of the media type that was said";
    }
    if (!may_look(ending(name), sniffed)) {
        return "the bytes do not fit the name";
    }
    return NULL;
}

bool chat_file_is_image(span sniffed)
{
    static const char *const shown[] = {"image/png", "image/jpeg", "image/gif", "image/webp"};
    return is_listed(sniffed, shown, ARRAY_LEN(shown));
}
