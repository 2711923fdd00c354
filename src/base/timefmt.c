#include "base/timefmt.h"

#include "base/assert.h"

#define DAY_S INT64_C(86400)
#define YEAR_MAX 9999
/* 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z */
#define EPOCH_MS_MIN INT64_C(-62167219200000)
#define EPOCH_MS_MAX INT64_C(253402300799999)

struct civil {
    int year, month, day;     /* month and day from 1 */
    int hour, minute, second; /* UTC */
    int ms;
    int weekday; /* 0: Sunday */
};

/* Days from 1970-01-01 in the proleptic Gregorian calendar. Years start in March here, so that
 * the leap day is the last of its year; an era is 400 years, 146,097 days. */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static struct civil civil_of(int64_t epoch_ms)
{
    ASSERT(epoch_ms >= EPOCH_MS_MIN && epoch_ms <= EPOCH_MS_MAX);
    int64_t seconds = floor_div(epoch_ms, 1000);
    int64_t days = floor_div(seconds, DAY_S);
    int second_of_day = (int)(seconds - days * DAY_S);

    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097; /* day of era */
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int march_month = (int)((5 * doy + 2) / 153);

    struct civil c;
    c.month = march_month < 10 ? march_month + 3 : march_month - 9;
    c.day = (int)(doy - (153 * march_month + 2) / 5 + 1);
    c.year = (int)(yoe + era * 400) + (c.month <= 2);
    c.hour = second_of_day / 3600;
    c.minute = second_of_day / 60 % 60;
    c.second = second_of_day % 60;
    c.ms = (int)(epoch_ms - seconds * 1000);
    c.weekday = (int)(days + 4 - floor_div(days + 4, 7) * 7); /* 1970-01-01 was a Thursday */
    return c;
}

/* Writes `value` in `width` digits; returns the place after them. */
static char *put_digits(char *out, int value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

/* Writes 2025-07-16T21:30:00 and returns the place after it. */
static char *put_date_time(char *out, const struct civil *c)
{
    out = put_digits(out, c->year, 4);
    *out++ = '-';
    out = put_digits(out, c->month, 2);
    *out++ = '-';
    out = put_digits(out, c->day, 2);
    *out++ = 'T';
    out = put_digits(out, c->hour, 2);
    *out++ = ':';
    out = put_digits(out, c->minute, 2);
    *out++ = ':';
    return put_digits(out, c->second, 2);
}

void time_format_ms(int64_t epoch_ms, char text[TIME_MS_LEN + 1])
{
    struct civil c = civil_of(epoch_ms);
    char *out = put_date_time(text, &c);
    *out++ = '.';
    out = put_digits(out, c.ms, 3);
    *out++ = 'Z';
    *out = '\0';
}

void time_format_s(int64_t epoch_ms, char text[TIME_S_LEN + 1])
{
    struct civil c = civil_of(epoch_ms);
    char *out = put_date_time(text, &c);
    *out++ = 'Z';
    *out = '\0';
}

/* Reads exactly `width` digits at the front of `*s`. */
static bool take_digits(span *s, size_t width, int *out)
{
    uint64_t value;
    if (s->len < width || !span_u64(span_of(s->ptr, width), YEAR_MAX, &value)) {
        return false;
    }
    *s = span_slice(*s, width, s->len);
    *out = (int)value;
    return true;
}

/* Takes one byte, which must be `byte` or, where that is a letter, its lower case. */
static bool take_byte(span *s, uint8_t byte)
{
    if (s->len == 0 || (s->ptr[0] != byte && !(byte >= 'A' && s->ptr[0] == (byte | 0x20)))) {
        return false;
    }
    *s = span_slice(*s, 1, s->len);
    return true;
}

static int month_days(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* full-date: 2025-07-16 */
static bool take_date(span *s, struct civil *c)
{
    return take_digits(s, 4, &c->year) && take_byte(s, '-') && take_digits(s, 2, &c->month) &&
           take_byte(s, '-') && take_digits(s, 2, &c->day) && c->month >= 1 && c->month <= 12 &&
           c->day >= 1 && c->day <= month_days(c->year, c->month);
}

/* time-secfrac: a point and one or more digits, cut to milliseconds. */
static bool take_fraction(span *s, int *ms)
{
    size_t digits = 0;
    *ms = 0;
    while (s->len > 0 && s->ptr[0] >= '0' && s->ptr[0] <= '9') {
        if (digits < 3) {
            static const int weight[] = {100, 10, 1};
            *ms += (s->ptr[0] - '0') * weight[digits];
        }
        digits++;
        *s = span_slice(*s, 1, s->len);
    }
    return digits > 0;
}

/* partial-time: 21:30:00 with or without a fraction; second 60 is left to the caller. */
static bool take_time(span *s, struct civil *c)
{
    if (!take_digits(s, 2, &c->hour) || !take_byte(s, ':') || !take_digits(s, 2, &c->minute) ||
        !take_byte(s, ':') || !take_digits(s, 2, &c->second)) {
        return false;
    }
    c->ms = 0;
    if (take_byte(s, '.') && !take_fraction(s, &c->ms)) {
        return false;
    }
    return c->hour <= 23 && c->minute <= 59 && c->second <= 60;
}

/* time-offset: Z or +hh:mm or -hh:mm, in minutes east of UTC. */
static bool take_offset(span *s, int *minutes)
{
    if (take_byte(s, 'Z')) {
        *minutes = 0;
        return true;
    }
    int sign = take_byte(s, '+') ? 1 : take_byte(s, '-') ? -1 : 0;
    int hour;
    int minute;
    if (sign == 0 || !take_digits(s, 2, &hour) || !take_byte(s, ':') ||
        !take_digits(s, 2, &minute) || hour > 23 || minute > 59) {
        return false;
    }
    *minutes = sign * (hour * 60 + minute);
    return true;
}

bool time_parse(span text, int64_t *epoch_ms)
{
    struct civil c;
    int offset_minutes;
    span s = text;
    if (!take_date(&s, &c) || !take_byte(&s, 'T') || !take_time(&s, &c) ||
        !take_offset(&s, &offset_minutes) || s.len > 0) {
        return false;
    }
    bool leap_second = c.second == 60;
    if (leap_second) {
        c.second = 59;
        c.ms = 999;
    }
    int64_t minutes = days_from_civil(c.year, c.month, c.day) * 1440 + c.hour * 60 + c.minute -
                      offset_minutes;
    /* RFC 3339 5.7: a leap second ends a day of UTC. */
    if (leap_second && minutes - floor_div(minutes, 1440) * 1440 != 1439) {
        return false;
    }
    int64_t ms = (minutes * 60 + c.second) * 1000 + c.ms;
    /* An offset may lead out of the years that have a text form. */
    if (ms < EPOCH_MS_MIN || ms > EPOCH_MS_MAX) {
        return false;
    }
    *epoch_ms = ms;
    return true;
}

void time_format_http(int64_t epoch_ms, char text[30])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = civil_of(epoch_ms);
    memcpy(text, "Sun, 06 Nov 1994 08:49:37 GMT", 30);
    memcpy(text, days + c.weekday * 3, 3);
    put_digits(text + 5, c.day, 2);
    memcpy(text + 8, months + (c.month - 1) * 3, 3);
    put_digits(text + 12, c.year, 4);
    put_digits(text + 17, c.hour, 2);
    put_digits(text + 20, c.minute, 2);
    put_digits(text + 23, c.second, 2);
}
