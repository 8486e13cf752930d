// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Replays a folder of configurations, TAP on standard output. y_*.conf must be accepted, n_*.conf refused;
 * the problems must be those of the .expect beside it, line by line, and none where there is no .expect.
 *
 *     config-corpus FOLDER           replays all
 *     config-corpus FOLDER FILE      prints the problems of one, for its .expect */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "config-files.h"

/* The problems of a file, one on each line; heap. accepted: a configuration came out. */
static char *problems_of(char *file, bool *accepted)
{
    ConfigProblems problems = {0};
    cleanup_(config_freep) Config *config = NULL;
    ConfigInput input = {.file = file};
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);

    if (!out || config_load(&input, &problems, &config) < 0)
        abort();
    for (size_t i = 0; i < problems.count; i++) {
        char buffer[1024];
        Text text = TEXT(buffer);

        config_problem_format(&problems.items[i], &text);
        fprintf(out, "%s\n", buffer);
    }
    fclose(out);
    config_problems_clear(&problems);
    *accepted = config;
    return result;
}

/* What the .expect beside the file says, "" when there is none; heap. */
static char *expectation_of(const char *file)
{
    char path[512];
    char *result = NULL;
    size_t size = 0;

    snprintf(path, sizeof(path), "%.*s.expect", (int) (strlen(file) - strlen(".conf")), file);
    FILE *in = fopen(path, "re");
    if (!in)
        return strdup("");
    if (getdelim(&result, &size, '\0', in) < 0) {
        free(result);
        result = strdup("");
    }
    fclose(in);
    return result;
}

static bool replay(char *file, int number)
{
    bool accepted, wanted = file[0] == 'y';
    cleanup_(freep) char *problems = problems_of(file, &accepted), *expectation = expectation_of(file);
    bool good = accepted == wanted && text_equal(problems, expectation);

    printf("%sok %d - %s\n", good ? "" : "not ", number, file);
    if (!good)
        fprintf(stderr, "%s: %s, with\n%sexpected:\n%s", file, accepted ? "accepted" : "refused", problems,
                expectation);
    return good;
}

static int is_case(const struct dirent *entry)
{
    const char *name = entry->d_name, *dot = strrchr(name, '.');

    return (strncmp(name, "y_", 2) == 0 || strncmp(name, "n_", 2) == 0) && dot && strcmp(dot, ".conf") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    bool accepted, good = true;

    if (argc < 2 || chdir(argv[1]) < 0) {
        fprintf(stderr, "config-corpus: no folder: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    if (argc > 2) {
        cleanup_(freep) char *problems = problems_of(argv[2], &accepted);

        fputs(problems, stdout);
        return accepted ? EXIT_SUCCESS : EXIT_FAILURE;
    }

    int n = scandir(".", &entries, is_case, alphasort);
    if (n < 1) {
        fprintf(stderr, "config-corpus: nothing to replay\n");
        return EXIT_FAILURE;
    }
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        good &= replay(entries[i]->d_name, i + 1);
        free(entries[i]);
    }
    free(entries);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
