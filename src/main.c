/* The program's entry; everything it does is composed in app/. */
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("signalbox " SIGNALBOX_VERSION);
    return 0;
}
