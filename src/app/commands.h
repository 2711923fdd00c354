/* The commands' functions and option tables; listed in command.c, one file a command. */
#ifndef SB_APP_COMMANDS_H
#define SB_APP_COMMANDS_H

#include "app/command.h"
#include "tables/permissions.h"

extern const struct option_row agent_options[];
extern const struct option_row jwt_check_options[];
extern const struct option_row simulate_options[];
extern const struct option_row token_options[];
extern const struct option_row user_options[];
extern const struct option_row device_options[];

/* Local commands: take parsed options and settings, return the exit status. */
int command_serve(const struct options *o, struct settings *s);
/* As above. */
int command_agent(const struct options *o, struct settings *s);
/* As above. */
int command_simulate(const struct options *o, struct settings *s);
/* As above. */
int command_check_config(const struct options *o, struct settings *s);
/* As above. */
int command_json_check(const struct options *o, struct settings *s);
/* As above. */
int command_jwt_check(const struct options *o, struct settings *s);
/* As above. */
int command_version(const struct options *o, struct settings *s);
/* As above. */
int command_help(const struct options *o, struct settings *s);
/* Prints one command's words and options; the exit status. */
int command_describe(const struct command *c);

/* As above. */
int command_check_store(const struct options *o, struct settings *s);
/* As above. */
int command_repair_store(const struct options *o, struct settings *s);

/* Store commands: end with command_end, now or later, on the home. */
void command_token(struct command_call *call);
/* As above. */
void command_user(struct command_call *call);
/* As above. */
void command_device(struct command_call *call);
/* As above. */
void command_backup(struct command_call *call);

/* "admin", "operator", ... of every --role; false and the call ended when one is unknown. */
bool command_roles(struct command_call *call, enum role *out, unsigned *count) MUST_CHECK;
/* Ends the call with the sentence of an error. */
void command_fail(struct command_call *call, err e);

#endif
