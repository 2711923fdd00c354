#include "shape/chat_words.h"

static bool is_blank(uint8_t c) { return c <= ' ' || c == 0x7f; }

/* What may be a part of a word; of what is beyond ASCII the store knows. */
static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80;
}

static bool has_word(span s)
{
    bool any = false;
    for (size_t i = 0; i < s.len && !any; i++) {
        any = is_word(s.ptr[i]);
    }
    return any;
}

/* Cuts the next piece off; *phrase: it stood in quotation marks. */
static span piece(span *rest, bool *phrase)
{
    size_t from = 0, to;
    while (from < rest->len && is_blank(rest->ptr[from])) {
        from++;
    }
    *phrase = from < rest->len && rest->ptr[from] == '"';
    from += *phrase;
    to = from;
    while (to < rest->len && rest->ptr[to] != '"' && (*phrase || !is_blank(rest->ptr[to]))) {
        to++;
    }
    span found = span_slice(*rest, from, to - from);
    bool closed = *phrase && to < rest->len;
    *rest = span_slice(*rest, to + closed, rest->len);
    return found;
}

/* Control characters could only part words, too. */
static void put_text(buf *out, span text)
{
    for (size_t i = 0; i < text.len; i++) {
        buf_append_byte(out, is_blank(text.ptr[i]) ? ' ' : text.ptr[i]);
    }
}

static bool prefix(span *text, span *rest, bool phrase)
{
    if (phrase) {
        bool star = rest->len > 0 && rest->ptr[0] == '*';
        *rest = span_slice(*rest, star, rest->len);
        return star;
    }
    bool star = text->len > 0 && text->ptr[text->len - 1] == '*';
    while (text->len > 0 && text->ptr[text->len - 1] == '*') {
        text->len--;
    }
    /* "end.*" would ask for words that begin with nothing. */
    return star && text->len > 0 && is_word(text->ptr[text->len - 1]);
}

bool chat_words(span typed, buf *out, const char **why)
{
    size_t start = out->len;
    unsigned count = 0;
    span rest = typed;
    *why = NULL;
    if (typed.len > CHAT_WORDS_BYTES_MAX) {
        *why = "is longer than 400 bytes";
        return false;
    }
    while (rest.len > 0 && count <= CHAT_WORDS_MAX) {
        bool phrase;
        span text = piece(&rest, &phrase);
        bool star = prefix(&text, &rest, phrase);
        if (!has_word(text)) {
            continue;
        }
        buf_append_str(out, count++ == 0 ? "\"" : " \"");
        put_text(out, text);
        buf_append_str(out, star ? "\"*" : "\"");
    }
    if (count > 0 && count <= CHAT_WORDS_MAX) {
        return true;
    }
    *why = count == 0 ? "must have a word" : "has more than 16 words";
    out->len = start;
    return false;
}

/* The word that stands for a room: its id without dashes, behind an r (migrations.def, M(12)). */
static void put_room(buf *out, uuid room)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(room, text);
    buf_append_str(out, "\"r");
    for (unsigned i = 0; i < UUID_TEXT_LEN; i++) {
        if (text[i] != '-') {
            buf_append_byte(out, (uint8_t)text[i]);
        }
    }
    buf_append_byte(out, '"');
}

void chat_words_in_rooms(span words, const uuid *rooms, unsigned count, buf *out)
{
    for (unsigned i = 0; i < count; i++) {
        buf_append_str(out, i == 0 ? "room : (" : " OR ");
        put_room(out, rooms[i]);
    }
    buf_append_str(out, count > 0 ? ") AND text : (" : "text : (");
    buf_append_span(out, words);
    buf_append_byte(out, ')');
}
