/*
 * Commands of the command line. A local one runs and returns its exit status. A store command
 * works on the domain of one home: beside a running server it is carried to that server by the
 * admin socket and runs on loop 0; otherwise it opens the store itself.
 */
#ifndef SB_APP_COMMAND_H
#define SB_APP_COMMAND_H

#include "app/options.h"
#include "base/buf.h"
#include "domain/home.h"

/* Exit statuses, as sysexits would have them but smaller. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* One run of a store command. Text goes to out and err; done is called once, on the home. */
struct command_call {
    struct home *home;
    struct options options;
    struct settings settings;
    buf out;
    buf err;
    int status;
    void (*done)(struct command_call *call);
    void *owner;
    uuid subject;    /* the command's own, between its steps */
    unsigned step;
    /* What its end notes in the audit log; see command_audit. */
    char audit_action[40];
    const char *audit_kind;
    char audit_target[101];
};

struct command {
    const char *name;
    const char *usage; /* words and options, after the name */
    const char *text;
    const struct option_row *options;
    int (*local)(const struct options *o, struct settings *s);
    void (*run)(struct command_call *call);
    bool paths;       /* its words are files of the caller (client.h) */
    bool needs_store; /* beside no server: refused when there is no store yet */
    bool slow;        /* may take minutes */
};

/* All commands, ended by a row without name. */
extern const struct command commands[];
const struct command *command_find(const char *name); /* NULL when there is none */

/* The end of this call is noted in the audit log, failed or not; for what the operations it calls
 * do not note themselves. `kind` is static. */
void command_audit(struct command_call *call, const char *action, const char *kind,
                   const char *target);
/* Ends a call with a status and, if not NULL, a line on err. */
void command_end(struct command_call *call, int status, const char *error);
void command_call_free(struct command_call *call);

/* Parses argv (its first word names a store command) for a call. False: status and err say why. */
bool command_prepare(struct command_call *call, int argc, char **argv, const struct command **out)
    MUST_CHECK;

#endif
