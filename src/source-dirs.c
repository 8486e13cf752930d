// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See source-dirs.h. Scripts write a file in several steps, and write the same again at each renewal of a
 * lease: so a burst of changes is waited for, and a mistake that is still there is not told again. */

#include "source-dirs.h"

#include <errno.h>
#include <string.h>

#include "base/strings.h"
#include "configuration.h"
#include "core/config/parser.h"
#include "folder-watch.h"

#define REST_USEC    200000
#define LONGEST_USEC 1000000

struct SourceDirs {
    sd_event *event; /* referenced */
    Journal *journal;
    SourceDirsHandler handler;
    void *userdata;
    char **paths; /* owned; what is watched */
    char **told;  /* owned; problems, as they were logged */
    FolderWatch *watch;
};

static bool is_sources_file(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] != '.' && dot && strcmp(dot, ".sources") == 0;
}

static void on_changed(void *userdata)
{
    SourceDirs *dirs = userdata;

    dirs->handler(dirs->userdata);
}

int source_dirs_new(sd_event *event, Journal *journal, SourceDirsHandler handler, void *userdata,
                    SourceDirs **ret)
{
    SourceDirs *dirs = calloc(1, sizeof(*dirs));

    if (!dirs)
        return -ENOMEM;
    *dirs = (SourceDirs) {.event = sd_event_ref(event),
                          .journal = journal,
                          .handler = handler,
                          .userdata = userdata};
    *ret = dirs;
    return 0;
}

SourceDirs *source_dirs_free(SourceDirs *dirs)
{
    if (!dirs)
        return NULL;
    folder_watch_free(dirs->watch);
    strings_clear(&dirs->paths);
    strings_clear(&dirs->told);
    sd_event_unref(dirs->event);
    free(dirs);
    return NULL;
}

/* The directories of all lines. */
static int list_directories(const Config *config, char ***ret)
{
    for (size_t i = 0; config->source_dirs && config->source_dirs[i]; i++) {
        cleanup_(freep) char *line = strdup(config->source_dirs[i]);
        char *rest = NULL;

        if (!line)
            return -ENOMEM;
        for (char *path = strtok_r(line, " ", &rest); path; path = strtok_r(NULL, " ", &rest)) {
            int r = strings_add(ret, path);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int watch_paths(SourceDirs *dirs, char **paths)
{
    static const FolderWatchHandlers handlers = {.concerns = is_sources_file, .on_changed = on_changed};

    if (strings_equal(paths, dirs->paths))
        return 0;
    dirs->watch = folder_watch_free(dirs->watch);
    strings_clear(&dirs->paths);
    int r = strings_add_all(&dirs->paths, paths);
    if (r < 0 || !paths)
        return r;
    return folder_watch_new(dirs->event, paths, REST_USEC, LONGEST_USEC, &handlers, dirs, &dirs->watch);
}

int source_dirs_configure(SourceDirs *dirs, const Config *config)
{
    cleanup_(config_freep) Config *unused = NULL;
    char **paths = NULL;
    int r = list_directories(config, &paths);

    if (r >= 0)
        r = watch_paths(dirs, paths);
    strings_clear(&paths);
    return r < 0 ? r : configuration_reload_sources(config, NULL, &dirs->told, &unused);
}

int source_dirs_read(SourceDirs *dirs, const Config *config, bool asked, Config **ret)
{
    if (asked)
        strings_clear(&dirs->told);
    return configuration_reload_sources(config, dirs->journal, &dirs->told, ret);
}
