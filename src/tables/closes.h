/* Close reasons; rows in tables/closes.def. The only argument of every conn_close. */
#ifndef SB_TABLES_CLOSES_H
#define SB_TABLES_CLOSES_H

enum close_reconnect { RECONNECT_FREE, RECONNECT_NEVER, RECONNECT_BACKOFF, RECONNECT_NOW };

typedef enum close_reason {
#define C(name, code, text, label, reconnect) CLOSE_##name,
#include "tables/closes.def"
#undef C
    CLOSE_COUNT
} close_reason;

int close_code(close_reason r);          /* WebSocket status code, 0 when none is sent */
const char *close_text(close_reason r);  /* the close frame's reason */
const char *close_label(close_reason r); /* metric and log label */
enum close_reconnect close_reconnect_rule(close_reason r);

#endif
