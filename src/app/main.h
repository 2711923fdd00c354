/* The program's commands, called by main() and by tests. */
#ifndef SB_APP_MAIN_H
#define SB_APP_MAIN_H

/* The whole program; the exit status. `env` is the environment. */
int app_main(int argc, char **argv, char **env);

#endif
