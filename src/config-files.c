// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Files for the parser; see config-files.h and core/config/parser.h. What cannot be read is a problem with
 * the path and a hint in it, never a reason to stop: the other files may have errors too. */

#include "config-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "build-config.h"
#include "core/config/parser.h"

typedef struct Bytes {
    char *data; /* heap */
    size_t length;
} Bytes;

/* The one device that may stand for an empty file, so that a link to it can mask another file. */
static bool is_null_device(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static const char *describe_error(int error, Text *text)
{
    text_append(text, strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error");
    if (error == EACCES)
        text_append(text, " (make it readable for the user that timeballd runs as)");
    else if (error == ENOENT)
        text_append(text, " (create it or correct the path)");
    return text->data;
}

static int read_all(int fd, size_t limit, Bytes *ret)
{
    size_t room = limit + 1, length = 0;
    cleanup_(freep) char *data = malloc(room);

    if (!data)
        return -ENOMEM;
    while (length < room) {
        ssize_t n = read(fd, data + length, room - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t) n;
    }
    if (length > limit)
        return -EFBIG;
    *ret = (Bytes) {TAKE_PTR(data), length};
    return 0;
}

/* Returns 0, or -errno with the reason as text. */
static int read_file(const char *path, size_t limit, Bytes *ret, Text *reason)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0) {
        int error = errno;

        if (fd >= 0)
            close(fd);
        describe_error(error, reason);
        return -error;
    }
    if (!S_ISREG(st.st_mode) && !is_null_device(&st)) {
        close(fd);
        text_append(reason, "not a regular file");
        return -EINVAL;
    }
    int r = read_all(fd, limit, ret);
    close(fd);
    if (r == -EFBIG)
        text_append_format(reason, "larger than %zu bytes, which no configuration is", limit);
    else if (r < 0)
        describe_error(-r, reason);
    return r;
}

/* Supplies one file; one that cannot be read is reported at word i of the step. */
static int supply_file(ConfigParser *parser, ConfigText text, const ConfigStep *step, size_t i)
{
    char buffer[128];
    Text reason = TEXT(buffer);
    Bytes bytes = {0};

    bool is_sources = text.kind == CONFIG_TEXT_SOURCES;
    int r = read_file(text.file, is_sources ? CONFIG_SOURCES_FILE_MAX : CONFIG_FILE_MAX, &bytes, &reason);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        ConfigFileProblem problem = {is_sources ? CONFIG_WARNING : CONFIG_ERROR, text.file, buffer};

        config_parser_report_file(parser, step, i, &problem);
        return 0;
    }
    text.bytes = bytes.data;
    text.length = bytes.length;
    r = config_parser_supply(parser, &text);
    free(bytes.data);
    return r;
}

static int supply_include(ConfigParser *parser, const ConfigStep *step)
{
    const char *pattern = step->words->list[1].text;
    glob_t found = {0};
    int r = 0;

    if (!strpbrk(pattern, "*?["))
        return supply_file(parser, (ConfigText) {.kind = CONFIG_TEXT_FILE, .file = pattern}, step, 1);

    /* A pattern that nothing matches is well: that is how optional files are written. */
    switch (glob(pattern, 0, NULL, &found)) {
    case 0:
        for (size_t i = 0; i < found.gl_pathc && r == 0; i++)
            r = supply_file(parser, (ConfigText) {.kind = CONFIG_TEXT_FILE, .file = found.gl_pathv[i]}, step,
                            1);
        break;
    case GLOB_NOSPACE: r = -ENOMEM; break;
    default: break;
    }
    globfree(&found);
    return r;
}

typedef struct Entry {
    char *path; /* heap */
    const char *base_name;
    size_t directory; /* its number: the first one wins */
} Entry;

typedef struct Entries {
    Entry *list; /* heap */
    size_t count;
} Entries;

static void entries_clear(Entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->list[i].path);
    free(entries->list);
}

static int entries_add(Entries *entries, const char *directory, const char *name, size_t number)
{
    size_t length = strlen(directory);
    bool slash = length > 0 && directory[length - 1] == '/';
    char *path;

    Entry *list = reallocarray(entries->list, entries->count + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    entries->list = list;
    if (asprintf(&path, "%s%s%s", directory, slash ? "" : "/", name) < 0)
        return -ENOMEM;
    list[entries->count++] = (Entry) {path, strrchr(path, '/') + 1, number};
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    int order = strcmp(x->base_name, y->base_name);

    return order != 0 ? order : (x->directory > y->directory) - (x->directory < y->directory);
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name), suffix_length = strlen(suffix);

    return name[0] != '.' && length > suffix_length && text_equal(name + length - suffix_length, suffix);
}

/* Adds the files of one directory; one that is not there has none. Returns 0, -ENOMEM, or another -errno for
 * a directory that cannot be read. */
static int list_directory(const char *path, size_t number, const char *suffix, Entries *entries)
{
    DIR *dir = opendir(path);
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
        if (has_suffix(entry->d_name, suffix))
            r = entries_add(entries, path, entry->d_name, number);
    closedir(dir);
    return r;
}

static void report_directory(ConfigParser *parser, const ConfigStep *step, size_t i, const char *path,
                             int error)
{
    char buffer[128];
    Text reason = TEXT(buffer);
    ConfigFileProblem problem = {step ? CONFIG_ERROR : CONFIG_WARNING, path, describe_error(error, &reason)};

    config_parser_report_file(parser, step, i, &problem);
}

static int supply_entries(ConfigParser *parser, Entries *entries, ConfigTextKind kind, const ConfigStep *step)
{
    if (entries->count == 0)
        return 0;
    qsort(entries->list, entries->count, sizeof(*entries->list), compare_entries);
    for (size_t i = 0; i < entries->count; i++) {
        const Entry *entry = &entries->list[i];
        ConfigText text = {.kind = kind, .file = entry->path};

        if (i > 0 && text_equal(entry->base_name, entries->list[i - 1].base_name))
            continue;
        if (kind == CONFIG_TEXT_SOURCES)
            text.origin = entry->base_name;
        int r = supply_file(parser, text, step, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int supply_confdir(ConfigParser *parser, const ConfigStep *step)
{
    Entries entries = {0};
    int r = 0;

    for (size_t i = 1; i < step->words->count && r != -ENOMEM; i++) {
        const char *path = step->words->list[i].text;

        r = list_directory(path, i, ".conf", &entries);
        if (r < 0 && r != -ENOMEM)
            report_directory(parser, step, i, path, -r);
    }
    if (r != -ENOMEM)
        r = supply_entries(parser, &entries, CONFIG_TEXT_FILE, step);
    entries_clear(&entries);
    return r;
}

/* The files of one sourcedir line, whose directories are separated by spaces; writes into it. */
static int supply_sourcedir(ConfigParser *parser, char *line)
{
    Entries entries = {0};
    char *rest = NULL;
    int r = 0;
    size_t number = 0;

    for (char *path = strtok_r(line, " ", &rest); path && r != -ENOMEM; path = strtok_r(NULL, " ", &rest)) {
        r = list_directory(path, number++, ".sources", &entries);
        if (r < 0 && r != -ENOMEM)
            report_directory(parser, NULL, 0, path, -r);
    }
    if (r != -ENOMEM)
        r = supply_entries(parser, &entries, CONFIG_TEXT_SOURCES, NULL);
    entries_clear(&entries);
    return r;
}

static int supply_source_dirs(ConfigParser *parser)
{
    char *const *lines = config_parser_peek(parser)->source_dirs;
    int r = 0;

    for (size_t i = 0; lines && lines[i] && r == 0; i++) {
        cleanup_(freep) char *line = strdup(lines[i]);

        r = line ? supply_sourcedir(parser, line) : -ENOMEM;
    }
    return r;
}

static void print_statement(FILE *out, const Words *words)
{
    for (size_t i = 0; i < words->count; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", words->list[i].text);
    fputc('\n', out);
}

/* Reads all that was supplied, and what it includes. */
static int run(ConfigParser *parser, FILE *print)
{
    ConfigStep step;
    int r;

    while ((r = config_parser_next(parser, &step)) > 0) {
        switch (step.kind) {
        case CONFIG_STEP_INCLUDE: r = supply_include(parser, &step); break;
        case CONFIG_STEP_CONFDIR: r = supply_confdir(parser, &step); break;
        case CONFIG_STEP_STATEMENT:
            if (print)
                print_statement(print, step.words);
            r = 0;
            break;
        }
        if (r < 0)
            return r;
    }
    return r;
}

static int supply_input(ConfigParser *parser, const ConfigInput *input)
{
    if (input->argument_count == 0)
        return supply_file(parser, (ConfigText) {.kind = CONFIG_TEXT_FILE, .file = input->file}, NULL, 0);
    for (size_t i = 0; i < input->argument_count; i++) {
        ConfigText text = {
            .kind = CONFIG_TEXT_ARGUMENT,
            .argument = (uint32_t) i + 1,
            .bytes = input->arguments[i],
            .length = strlen(input->arguments[i]),
        };

        int r = config_parser_supply(parser, &text);
        if (r < 0)
            return r;
    }
    return 0;
}

static int parser_new_empty(ConfigProblems *problems, ConfigParser **ret)
{
    Config *config;

    int r = config_new(&config);
    return r < 0 ? r : config_parser_new(config, problems, ret);
}

int config_load(const ConfigInput *input, ConfigProblems *problems, Config **ret)
{
    cleanup_(config_parser_freep) ConfigParser *parser = NULL;
    cleanup_(config_freep) Config *config = NULL;
    size_t errors = problems->errors;

    int r = parser_new_empty(problems, &parser);
    if (r < 0)
        return r;
    r = supply_input(parser, input);
    if (r < 0)
        return r;
    r = run(parser, NULL);
    if (r < 0)
        return r;
    r = supply_source_dirs(parser);
    if (r < 0)
        return r;
    r = run(parser, NULL);
    if (r < 0)
        return r;

    config = config_parser_finish(parser);
    if (!config->daemon.pid_file) {
        r = config_set_string(&config->daemon.pid_file, RUNTIME_DIRECTORY "/timeballd.pid");
        if (r < 0)
            return r;
    }
    *ret = problems->errors == errors ? TAKE_PTR(config) : NULL;
    return 0;
}

int config_reload_sources(const Config *config, ConfigProblems *problems, Config **ret)
{
    cleanup_(config_parser_freep) ConfigParser *parser = NULL;
    Config *start;

    int r = config_copy(config, &start);
    if (r < 0)
        return r;
    config_drop_source_files(start);
    r = config_parser_new(start, problems, &parser);
    if (r < 0)
        return r;
    r = supply_source_dirs(parser);
    if (r < 0)
        return r;
    r = run(parser, NULL);
    if (r < 0)
        return r;
    *ret = config_parser_finish(parser);
    return 0;
}

int config_print(const ConfigInput *input, FILE *out, ConfigProblems *problems)
{
    cleanup_(config_parser_freep) ConfigParser *parser = NULL;

    int r = parser_new_empty(problems, &parser);
    if (r < 0)
        return r;
    r = supply_input(parser, input);
    if (r < 0)
        return r;
    r = run(parser, out);
    if (r < 0)
        return r;
    /* The .sources files are checked too; they are not part of what is printed. */
    r = supply_source_dirs(parser);
    if (r < 0)
        return r;
    r = run(parser, NULL);
    if (r < 0)
        return r;
    /* So that what does not go together is seen. */
    config_free(config_parser_finish(parser));
    return 0;
}
