// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See file-watch.h.
 *
 * Certificates are renewed in many ways: written over, renamed into place, a link exchanged, a folder of
 * links exchanged in one go. So what is watched is the folder that a path names, whatever happens in it, and
 * what decides is whether the files that the paths lead to are still the same. */

#include "file-watch.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/strings.h"

/* A certificate and its key are seldom replaced at once. */
#define REST_USEC UINT64_C(1000000)
#define EVENTS    (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_ATTRIB)

/* What tells one state of a file from another; zeros: there is none. */
typedef struct State {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
    mode_t mode;
} State;

struct FileWatch {
    char **paths;  /* owned */
    State *states; /* owned, of each */
    FileWatchHandler handler;
    void *userdata;
    sd_event_source **folders; /* owned, of each path; NULL: its folder is watched for another one already */
    sd_event_source *rest;
};

static State state_of(const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return (State) {};
    return (State) {.device = status.st_dev,
                    .inode = status.st_ino,
                    .size = status.st_size,
                    .modified = status.st_mtim,
                    .changed = status.st_ctim,
                    .mode = status.st_mode};
}

static bool same_instant(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_state(const State *a, const State *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->mode == b->mode &&
           same_instant(a->modified, b->modified) && same_instant(a->changed, b->changed);
}

/* Takes the present states over; returns whether one differs from the last time. */
static bool look(FileWatch *watch)
{
    bool other = false;

    for (size_t i = 0; watch->paths && watch->paths[i]; i++) {
        State now = state_of(watch->paths[i]);
        other |= !same_state(&now, &watch->states[i]);
        watch->states[i] = now;
    }
    return other;
}

void file_watch_look(FileWatch *watch)
{
    (void) look(watch);
}

static int on_rest(sd_event_source *source, uint64_t usec, void *userdata)
{
    FileWatch *watch = userdata;

    (void) source;
    (void) usec;
    if (look(watch))
        watch->handler(watch->userdata);
    return 0;
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
    FileWatch *watch = userdata;

    (void) source;
    (void) event;
    int r = sd_event_source_set_time_relative(watch->rest, REST_USEC);
    return r < 0 ? r : sd_event_source_set_enabled(watch->rest, SD_EVENT_ONESHOT);
}

/* sd-event wants one watch for each folder. */
static int watch_folder(FileWatch *watch, sd_event *event, size_t i)
{
    cleanup_(freep) char *path = strdup(watch->paths[i]);

    if (!path)
        return -ENOMEM;
    const char *folder = dirname(path);
    for (size_t j = 0; j < i; j++) {
        cleanup_(freep) char *other = strdup(watch->paths[j]);
        if (other && strcmp(dirname(other), folder) == 0)
            return 0;
    }
    int r = sd_event_add_inotify(event, &watch->folders[i], folder, EVENTS, on_change, watch);
    /* A folder that does not exist, or may not be read, is no reason to do without the others. */
    return r == -ENOENT || r == -EACCES || r == -ENOTDIR || r == -ENOSPC ? 0 : r;
}

static int watch_all(FileWatch *watch, sd_event *event)
{
    size_t count = strings_count(watch->paths);
    int r;

    watch->states = calloc(count + 1, sizeof *watch->states);
    watch->folders = calloc(count + 1, sizeof(sd_event_source *));
    if (!watch->states || !watch->folders)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if ((r = watch_folder(watch, event, i)) < 0)
            return r;
    (void) look(watch);
    if ((r = sd_event_add_time_relative(event, &watch->rest, CLOCK_MONOTONIC, 0, 0, on_rest, watch)) < 0)
        return r;
    return sd_event_source_set_enabled(watch->rest, SD_EVENT_OFF);
}

int file_watch_new(sd_event *event, char *const *paths, FileWatchHandler handler, void *userdata,
                   FileWatch **ret)
{
    cleanup_(file_watch_freep) FileWatch *watch = calloc(1, sizeof *watch);
    int r;

    if (!watch)
        return -ENOMEM;
    watch->handler = handler;
    watch->userdata = userdata;
    if ((r = strings_add_all(&watch->paths, paths)) < 0 || (r = watch_all(watch, event)) < 0)
        return r;
    *ret = TAKE_PTR(watch);
    return 0;
}

FileWatch *file_watch_free(FileWatch *watch)
{
    if (!watch)
        return NULL;
    for (size_t i = 0; watch->folders && watch->paths && watch->paths[i]; i++)
        sd_event_source_disable_unref(watch->folders[i]);
    sd_event_source_disable_unref(watch->rest);
    strings_clear(&watch->paths);
    free(watch->folders);
    free(watch->states);
    free(watch);
    return NULL;
}
