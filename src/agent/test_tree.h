/* A folder of files for one test, made under build/ and removed again. Tests only. */
#ifndef SB_AGENT_TEST_TREE_H
#define SB_AGENT_TEST_TREE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct test_tree {
    char path[64];
};

static inline void test_tree_make(struct test_tree *t)
{
    (void)mkdir("build", 0755);
    snprintf(t->path, sizeof t->path, "build/agent-test-XXXXXX");
    if (mkdtemp(t->path) == NULL) {
        abort();
    }
}

static inline const char *test_tree_path(const struct test_tree *t, const char *name)
{
    static char paths[4][256]; /* so that one call may hold several */
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, 256, "%s/%s", t->path, name);
    for (char *slash = path + strlen(t->path) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    return path;
}

static inline void test_tree_put(const struct test_tree *t, const char *name, const void *bytes,
                                 size_t len)
{
    FILE *f = fopen(test_tree_path(t, name), "wb");
    if (f == NULL || fwrite(bytes, 1, len, f) != len || fclose(f) != 0) {
        abort();
    }
}

static inline void test_tree_write(const struct test_tree *t, const char *name, const char *text)
{
    test_tree_put(t, name, text, strlen(text));
}

static inline void test_tree_link(const struct test_tree *t, const char *name, const char *target)
{
    if (symlink(target, test_tree_path(t, name)) != 0) {
        abort();
    }
}

/* Symbolic links are removed, not followed: remove(3) fails on a folder that is not empty. */
static inline void test_tree_empty(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        char child[512];
        snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && remove(child) != 0) {
            test_tree_empty(child);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    (void)remove(path);
}

static inline void test_tree_remove(const struct test_tree *t)
{
    test_tree_empty(t->path);
}

#endif
