/*
 * Runs one fuzz target over the files of a folder, once each and then cut short: at every length
 * up to 512 bytes, and beyond that at about 256 lengths, so that large inputs do not take minutes.
 * With it the corpus is an ordinary test in builds without libFuzzer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CUT_EVERY_MAX 512
#define CUT_COUNT 256

/* On memory of its own, so that a read beyond the end is seen. */
static void run(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    memcpy(copy, bytes, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return 0;
    }
    static uint8_t bytes[1 << 20];
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t cut = 0; cut < n; cut += cut < CUT_EVERY_MAX ? 1 : 1 + n / CUT_COUNT) {
        run(bytes, cut);
    }
    run(bytes, n);
    return 1;
}

int main(int argc, char **argv)
{
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "no corpus folder %s\n", argc > 1 ? argv[1] : "(none)");
        return 1;
    }
    int count = 0;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[4096];
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
            count += replay(path);
        }
    }
    closedir(dir);
    printf("%d inputs replayed\n", count);
    return count > 0 ? 0 : 1;
}
