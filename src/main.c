/* The program's entry; everything it does is composed in app/. */
#include "app/main.h"

extern char **environ;

int main(int argc, char **argv) { return app_main(argc, argv, environ); }
