#include "shape/chat_history.h"

#include "base/timefmt.h"
#include "base/utf8.h"
#include "codec/json/read.h"
#include "codec/json/write.h"

#define RETENTION_DAYS_MAX 36500

static void put_id(struct json_writer *w, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_write_string(w, span_of(text, UUID_TEXT_LEN));
}

void chat_put_file(buf *out, const struct chat_message_file *f)
{
    char id[UUID_TEXT_LEN + 1];
    buf url = {0};
    struct json_writer w = json_writer_of(out);
    uuid_format(f->id, id);
    buf_printf(&url, "/api/v1/chat/files/%s/content", id);
    json_open(&w, '{');
    json_member_string(&w, "fileId", span_of(id, UUID_TEXT_LEN));
    json_member_string(&w, "name", f->name);
    json_member_i64(&w, "size", f->size);
    json_member_string(&w, "mime", f->mime);
    json_member_string(&w, "url", buf_span(&url));
    if (f->gone) {
        json_member_bool(&w, "gone", true);
    }
    json_close(&w, '}');
    buf_deinit(&url);
}

void chat_put_revision(buf *out, span content, int64_t at_ms, span by)
{
    char at[TIME_MS_LEN + 1];
    struct json_writer w = json_writer_of(out);
    time_format_ms(at_ms, at);
    json_open(&w, '{');
    json_member_raw(&w, "content", content);
    json_member_string(&w, "editedAt", span_of(at, TIME_MS_LEN));
    if (by.len > 0) {
        json_member_string(&w, "editedBy", by);
    } else {
        json_member_null(&w, "editedBy");
    }
    json_close(&w, '}');
}

void chat_put_found(buf *out, span message, span snippet)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_raw(&w, "message", message);
    json_member_string(&w, "snippet", snippet);
    json_close(&w, '}');
}

/* --- reactions --- */

bool chat_is_reaction(span emoji)
{
    bool ok = emoji.len > 0 && emoji.len <= CHAT_EMOJI_MAX && utf8_storable(emoji);
    for (size_t i = 0; ok && i < emoji.len; i++) {
        uint8_t c = emoji.ptr[i];
        ok = c > ' ' && c != '"' && c != '\\' && c != 0x7f;
    }
    return ok;
}

struct group {
    const struct chat_reaction *rows;
    unsigned count;
    bool has; /* who asks is among them */
};

static struct group group_at(const struct chat_reaction *rows, unsigned count, uuid who)
{
    struct group g = {.rows = rows};
    while (g.count < count && span_eq(rows[g.count].emoji, rows[0].emoji)) {
        g.has = g.has || uuid_eq(rows[g.count].who, who);
        g.count++;
    }
    return g;
}

static void put_group(struct json_writer *w, span emoji, int64_t total, const struct group *g,
                      const uuid *without, const uuid *with)
{
    unsigned shown = 0;
    json_open(w, '{');
    json_member_string(w, "emoji", emoji);
    json_member_i64(w, "count", total);
    json_member_open(w, "userIds", '[');
    for (unsigned i = 0; i < g->count && shown < CHAT_REACTION_USERS_SHOWN; i++) {
        if (without == NULL || !uuid_eq(g->rows[i].who, *without)) {
            put_id(w, g->rows[i].who);
            shown++;
        }
    }
    if (with != NULL && shown < CHAT_REACTION_USERS_SHOWN) {
        put_id(w, *with);
    }
    json_close(w, ']');
    json_close(w, '}');
}

/* Writes the groups as they will be; *found: that of the emoji. */
static unsigned put_groups(struct json_writer *w, const struct chat_reaction *rows, unsigned count,
                           span emoji, const uuid *who, bool on, bool *same)
{
    unsigned groups = 0;
    bool found = false;
    *same = false;
    for (unsigned i = 0; i < count;) {
        struct group g = group_at(&rows[i], count - i, *who);
        bool mine = span_eq(rows[i].emoji, emoji);
        int64_t total = rows[i].total + (!mine ? 0 : on ? 1 : -1);
        found = found || mine;
        *same = *same || (mine && g.has == on);
        if (total > 0) {
            put_group(w, rows[i].emoji, total, &g, mine && !on ? who : NULL,
                      mine && on ? who : NULL);
            groups++;
        }
        i += g.count;
    }
    if (!found && on) {
        put_group(w, emoji, 1, &(struct group){0}, NULL, who);
        groups++;
    }
    *same = *same || (!found && !on);
    return groups;
}

enum chat_reacted chat_react_json(const struct chat_reaction *rows, unsigned count, span emoji,
                                  uuid who, bool on, buf *out)
{
    size_t start = out->len;
    bool same;
    struct json_writer w = json_writer_of(out);
    json_open(&w, '[');
    unsigned groups = put_groups(&w, rows, count, emoji, &who, on, &same);
    json_close(&w, ']');
    bool full = groups > CHAT_REACTIONS_MAX;
    if (same || full || groups == 0) {
        out->len = start;
    }
    return same ? CHAT_REACTED_SAME : full ? CHAT_REACTED_FULL : CHAT_REACTED;
}

/* --- retention --- */

int64_t chat_retention_days(span settings)
{
    span value;
    int64_t days;
    bool ok = json_get(settings, "retentionDays", &value) && json_i64(value, &days) && days >= 1;
    return !ok ? 0 : days < RETENTION_DAYS_MAX ? days : RETENTION_DAYS_MAX;
}
