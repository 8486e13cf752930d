// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See folder-watch.h. Of each folder two things are watched: itself, if it exists, and the nearest folder
 * above it that exists, for the one entry on the way to it. So one that is missing, a link that is turned to
 * another one, and one that is moved away are all seen there. When an entry on the way has changed, all
 * watches are made anew, from the top: that is rare, and leaves nothing behind that could be wrong. */

#include "folder-watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/strings.h"
#include "base/text.h"

#define CONTENT    (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB)
#define ENTRIES    (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ATTRIB)
#define ITSELF     (IN_DELETE_SELF | IN_MOVE_SELF | IN_MASK_ADD | IN_ONLYDIR)
/* Whoever makes folders as fast as we look waits for the next change. */
#define ATTEMPTS   16
#define ACCURACY   10000 /* us */
#define BLIND_USEC 10000000

typedef struct Folder {
    const char *path;
    int content;              /* watch of the folder, -1: it does not exist, or we may not see into it */
    int above;                /* watch of one above it; -1: none */
    char entry[NAME_MAX + 1]; /* of that one, on the way down */
} Folder;

struct FolderWatch {
    sd_event *event; /* referenced */
    char **paths;    /* owned */
    Folder *folders; /* owned, of each path */
    size_t count;
    int fd;     /* of inotify */
    bool blind; /* the system has no more watches to give: it is looked from time to time */
    sd_event_source *input, *timer;
    uint64_t rest_usec, longest_usec;
    uint64_t latest; /* what has changed is told then at the latest, CLOCK_MONOTONIC; 0: nothing has */
    uint64_t armed;  /* what the timer is set to; 0: off */
    FolderWatchHandlers handlers;
    void *userdata;
};

/* Cuts the last name off an absolute path, into ret; false: there is none. */
static bool cut(char *path, char ret[static NAME_MAX + 1])
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash || slash[1] == '\0')
        return false;
    (void) text_copy(ret, NAME_MAX + 1, slash + 1);
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

static bool is_exhausted(int error)
{
    return error == ENOSPC || error == ENOMEM;
}

/* Watches the nearest folder above that exists. False: meanwhile there is a nearer one. */
static bool watch_above(FolderWatch *watch, Folder *folder)
{
    char path[PATH_MAX], below[PATH_MAX];

    folder->above = -1;
    if (!text_copy(path, sizeof(path), folder->path))
        return true;
    do {
        (void) text_copy(below, sizeof(below), path);
        if (!cut(path, folder->entry))
            return true;
        folder->above = inotify_add_watch(watch->fd, path, ENTRIES | ITSELF);
    } while (folder->above < 0 && !is_exhausted(errno));
    return text_equal(below, folder->path) || access(below, F_OK) < 0;
}

static int watch_folder(FolderWatch *watch, Folder *folder)
{
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        bool nearest = watch_above(watch, folder);

        folder->content = inotify_add_watch(watch->fd, folder->path, CONTENT | ITSELF);
        if (folder->content < 0 && is_exhausted(errno))
            return -errno;
        if (folder->content >= 0 || nearest)
            break;
    }
    return 0;
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *userdata);

static int try_all(FolderWatch *watch)
{
    int r = 0;

    watch->input = sd_event_source_disable_unref(watch->input);
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0)
        return -errno;
    for (size_t i = 0; i < watch->count && r >= 0; i++)
        r = watch_folder(watch, &watch->folders[i]);
    return r < 0 ? r : sd_event_add_io(watch->event, &watch->input, watch->fd, EPOLLIN, on_input, watch);
}

/* A timer that is set anew is not due any more, not even when it is late: so only to another time. */
static void arm(FolderWatch *watch, uint64_t usec)
{
    if (watch->armed == usec)
        return;
    watch->armed = usec;
    (void) sd_event_source_set_time(watch->timer, usec);
    (void) sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

static uint64_t now_of(const FolderWatch *watch)
{
    uint64_t now = 0;

    (void) sd_event_now(watch->event, CLOCK_MONOTONIC, &now);
    return now;
}

/* The first change sets the end of all patience, each one prolongs the rest. */
static void changed(FolderWatch *watch)
{
    uint64_t now = now_of(watch);

    if (watch->latest == 0)
        watch->latest = now + watch->longest_usec;
    arm(watch, MIN(now + watch->rest_usec, watch->latest));
}

static int on_timer(unused_ sd_event_source *source, unused_ uint64_t usec, void *userdata)
{
    FolderWatch *watch = userdata;

    watch->latest = watch->armed = 0;
    if (watch->blind) {
        watch->blind = try_all(watch) < 0;
        arm(watch, now_of(watch) + (watch->blind ? BLIND_USEC : watch->rest_usec));
    }
    watch->handlers.on_changed(watch->userdata);
    return 0;
}

static void watch_all(FolderWatch *watch)
{
    watch->blind = try_all(watch) < 0;
}

/* Whether the way to a folder is another one now. */
static bool is_on_the_way(const FolderWatch *watch, const struct inotify_event *event)
{
    if (event->mask & (IN_Q_OVERFLOW | IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
        return true;
    for (size_t i = 0; i < watch->count; i++)
        if (event->wd == watch->folders[i].above && event->len > 0 &&
            text_equal(event->name, watch->folders[i].entry))
            return true;
    return false;
}

static bool is_content(const FolderWatch *watch, const struct inotify_event *event)
{
    for (size_t i = 0; i < watch->count; i++)
        if (event->wd == watch->folders[i].content && event->len > 0 &&
            (!watch->handlers.concerns || watch->handlers.concerns(event->name)))
            return true;
    return false;
}

static int on_input(unused_ sd_event_source *source, int fd, unused_ uint32_t revents, void *userdata)
{
    FolderWatch *watch = userdata;
    _Alignas(struct inotify_event) char buffer[16384];
    bool way = false, content = false;
    ssize_t n = read(fd, buffer, sizeof(buffer));

    for (const char *p = buffer; n > 0 && p < buffer + n;) {
        const struct inotify_event *event = (const struct inotify_event *) p;
        way |= is_on_the_way(watch, event);
        content |= is_content(watch, event);
        p += sizeof(*event) + event->len;
    }
    if (way || content)
        changed(watch);
    if (way)
        watch_all(watch);
    return 0;
}

int folder_watch_new(sd_event *event, char *const *paths, uint64_t rest_usec, uint64_t longest_usec,
                     const FolderWatchHandlers *handlers, void *userdata, FolderWatch **ret)
{
    cleanup_(folder_watch_freep) FolderWatch *watch = calloc(1, sizeof(*watch));
    int r;

    if (!watch)
        return -ENOMEM;
    watch->event = sd_event_ref(event);
    watch->fd = -1;
    watch->rest_usec = rest_usec;
    watch->longest_usec = longest_usec;
    watch->handlers = *handlers;
    watch->userdata = userdata;
    if ((r = strings_add_all(&watch->paths, paths)) < 0)
        return r;
    watch->count = strings_count(watch->paths);
    watch->folders = calloc(watch->count + 1, sizeof(*watch->folders));
    if (!watch->folders)
        return -ENOMEM;
    for (size_t i = 0; i < watch->count; i++)
        watch->folders[i].path = watch->paths[i];
    if ((r = sd_event_add_time(event, &watch->timer, CLOCK_MONOTONIC, 0, ACCURACY, on_timer, watch)) < 0)
        return r;
    watch_all(watch);
    changed(watch);
    *ret = TAKE_PTR(watch);
    return 0;
}

FolderWatch *folder_watch_free(FolderWatch *watch)
{
    if (!watch)
        return NULL;
    sd_event_source_disable_unref(watch->input);
    sd_event_source_disable_unref(watch->timer);
    if (watch->fd >= 0)
        close(watch->fd);
    strings_clear(&watch->paths);
    free(watch->folders);
    sd_event_unref(watch->event);
    free(watch);
    return NULL;
}
