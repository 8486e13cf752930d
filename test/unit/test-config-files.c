// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Files as they are met: those that cannot be read, directories, reload of sources, printing. */

#include "config-files.h"

#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build-config.h"
#include "core/config/parser.h"
#include "unit.h"

static char folder[] = "/tmp/timeball-config-XXXXXX";

static int enter_folder(void **state unused_)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st unused_, int type unused_,
                        struct FTW *ftw unused_)
{
    return remove(path);
}

static int leave_folder(void **state unused_)
{
    return chdir("/") == 0 ? nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS) : -1;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static Config *load(const char *file, ConfigProblems *problems)
{
    ConfigInput input = {.file = file};
    Config *config;

    *problems = (ConfigProblems) {0};
    assert_int_equal(config_load(&input, problems, &config), 0);
    return config;
}

/* The file must be refused with exactly this problem. */
static void assert_refused(const char *file, const char *sentence)
{
    ConfigProblems problems;
    cleanup_(config_freep) Config *config = load(file, &problems);
    char buffer[512];
    Text text = TEXT(buffer);

    assert_null(config);
    assert_int_equal(problems.errors, 1);
    config_problem_format(&problems.items[0], &text);
    assert_string_equal(buffer, sentence);
    config_problems_clear(&problems);
}

static void test_unreadable(void **state unused_)
{
    cleanup_(freep) char *big = malloc(CONFIG_FILE_MAX + 2);

    assert_refused("absent.conf",
                   "cannot read \"absent.conf\": No such file or directory (create it or correct the path)");
    assert_int_equal(mkdir("folder.conf", 0700), 0);
    assert_refused("folder.conf", "cannot read \"folder.conf\": not a regular file");
    assert_int_equal(mkfifo("fifo.conf", 0600), 0);
    assert_refused("fifo.conf", "cannot read \"fifo.conf\": not a regular file");
    assert_int_equal(symlink("loop.conf", "loop.conf"), 0);
    assert_refused("loop.conf", "cannot read \"loop.conf\": Too many levels of symbolic links");
    assert_refused("/dev/zero", "cannot read \"/dev/zero\": not a regular file");

    memset(big, '\n', CONFIG_FILE_MAX + 1);
    big[CONFIG_FILE_MAX + 1] = '\0';
    write_file("big.conf", big);
    assert_refused("big.conf",
                   "cannot read \"big.conf\": larger than 1048576 bytes, which no configuration is");
    write_file("includes.conf", "\n include fifo.conf\n");
    assert_refused("includes.conf", "includes.conf:2:10: cannot read \"fifo.conf\": not a regular file");
    write_file("directory.conf", "confdir a includes.conf\n");
    assert_refused("directory.conf", "directory.conf:1:11: cannot read \"includes.conf\": Not a directory");
}

static void test_largest_file(void **state unused_)
{
    cleanup_(freep) char *big = malloc(CONFIG_FILE_MAX + 1);
    ConfigProblems problems;

    memset(big, '\n', CONFIG_FILE_MAX);
    big[CONFIG_FILE_MAX] = '\0';
    write_file("big.conf", big);
    cleanup_(config_freep) Config *config = load("big.conf", &problems);
    assert_non_null(config);
}

static void test_defaults_of_paths(void **state unused_)
{
    ConfigProblems problems;

    cleanup_(config_freep) Config *config = load("/dev/null", &problems);
    assert_non_null(config);
    assert_string_equal(config->daemon.pid_file, RUNTIME_DIRECTORY "/timeballd.pid");
    assert_null(config->daemon.drift_file);
    assert_string_equal(config->files[0], "/dev/null");
    assert_null(config->files[1]);
}

/* A link to /dev/null in the first directory masks a file of the second. */
static void test_masking(void **state unused_)
{
    ConfigProblems problems;

    assert_int_equal(mkdir("a", 0700), 0);
    assert_int_equal(mkdir("b", 0700), 0);
    write_file("b/x.conf", "server masked\n");
    write_file("b/y.conf", "server y\n");
    write_file("a/z.conf", "server z\n");
    assert_int_equal(symlink("/dev/null", "a/x.conf"), 0);
    write_file("main.conf", "confdir a/ b\nserver last\n");

    cleanup_(config_freep) Config *config = load("main.conf", &problems);
    assert_non_null(config);
    assert_int_equal(config->source_count, 3);
    assert_string_equal(config->sources[0].name, "y");
    assert_string_equal(config->sources[1].name, "z");
    assert_string_equal(config->sources[2].name, "last");
    assert_string_equal(config->files[1], "a/x.conf");
}

/* Files of one name mask each other within a line of sourcedir only. */
static void test_lines_of_sourcedir(void **state unused_)
{
    ConfigProblems problems;

    assert_int_equal(mkdir("a", 0700), 0);
    assert_int_equal(mkdir("b", 0700), 0);
    write_file("a/x.sources", "server a\n");
    write_file("b/x.sources", "server b\n");
    write_file("one.conf", "sourcedir a b\n");
    write_file("two.conf", "sourcedir b\nsourcedir a\n");

    cleanup_(config_freep) Config *one = load("one.conf", &problems);
    assert_int_equal(one->source_count, 1);
    assert_string_equal(one->sources[0].name, "a");
    cleanup_(config_freep) Config *two = load("two.conf", &problems);
    assert_int_equal(two->source_count, 2);
    assert_string_equal(two->sources[0].name, "b");
    assert_string_equal(two->sources[1].name, "a");
}

static void test_arguments(void **state unused_)
{
    char first[] = "server a.example.net iburst", second[] = "", third[] = "servr x", fourth[] = "makestep 1";
    char *arguments[] = {first, second, third, fourth};
    ConfigInput input = {.file = "absent.conf", .arguments = arguments, .argument_count = 2};
    ConfigProblems problems = {0};
    cleanup_(config_freep) Config *config = NULL;
    char buffer[512];

    assert_int_equal(config_load(&input, &problems, &config), 0);
    assert_non_null(config);
    assert_int_equal(config->source_count, 1);
    assert_null(config->files);
    config = config_free(config);

    input.argument_count = 4;
    assert_int_equal(config_load(&input, &problems, &config), 0);
    assert_null(config);
    assert_int_equal(problems.errors, 2);
    Text text = TEXT(buffer);
    config_problem_format(&problems.items[0], &text);
    assert_string_equal(buffer, "argument 3:1: unknown directive \"servr\"; did you mean \"server\"?");
    config_problems_clear(&problems);
}

static void test_reload_of_sources(void **state unused_)
{
    ConfigProblems problems;
    cleanup_(config_freep) Config *old = NULL, *new = NULL, *none = NULL;

    assert_int_equal(mkdir("d", 0700), 0);
    write_file("d/1.sources", "server one\n");
    write_file("main.conf", "server zero\nmaxsamples 20\nsourcedir d absent\n");
    old = load("main.conf", &problems);
    assert_int_equal(old->source_count, 2);
    assert_string_equal(old->sources[1].origin, "1.sources");

    /* What the main file says now does not matter. */
    write_file("main.conf", "nonsense\n");
    write_file("d/2.sources", "pool two iburst\nnonsense\n");
    assert_int_equal(config_reload_sources(old, &problems, &new), 0);
    assert_int_equal(problems.errors, 0);
    assert_int_equal(problems.warnings, 1);
    assert_int_equal(new->source_count, 3);
    assert_string_equal(new->sources[0].name, "zero");
    assert_string_equal(new->sources[2].name, "two");
    assert_int_equal(new->sources[2].max_samples, 20);
    assert_string_equal(new->files[2], "d/2.sources");
    assert_string_equal(new->daemon.pid_file, old->daemon.pid_file);

    assert_int_equal(unlink("d/1.sources"), 0);
    assert_int_equal(unlink("d/2.sources"), 0);
    assert_int_equal(config_reload_sources(new, &problems, &none), 0);
    assert_int_equal(none->source_count, 1);
    assert_string_equal(none->files[0], "main.conf");
    assert_null(none->files[1]);
    config_problems_clear(&problems);
}

static void test_print(void **state unused_)
{
    ConfigInput input = {.file = "main.conf"};
    ConfigProblems problems = {0};
    cleanup_(freep) char *printed = NULL;
    size_t size;
    FILE *out = open_memstream(&printed, &size);

    assert_int_equal(mkdir("c", 0700), 0);
    write_file("c/a.conf", "RTCSYNC\n");
    write_file("b.conf", "makestep   1\t3\n");
    write_file("main.conf", "# comment\n  server  A.example.net   IBURST\ninclude b.conf\nservr\nconfdir c\n"
                            "linux_hz  100\nsourcedir  d\n");
    assert_int_equal(config_print(&input, out, &problems), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(printed,
                        "server A.example.net IBURST\nmakestep 1 3\nRTCSYNC\nlinux_hz 100\nsourcedir d\n");
    assert_int_equal(problems.errors, 1);
    config_problems_clear(&problems);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_unreadable),         IN_FOLDER(test_largest_file),
        IN_FOLDER(test_defaults_of_paths),  IN_FOLDER(test_masking),
        IN_FOLDER(test_lines_of_sourcedir), IN_FOLDER(test_arguments),
        IN_FOLDER(test_reload_of_sources),  IN_FOLDER(test_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
