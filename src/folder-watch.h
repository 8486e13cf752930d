// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Folders in which others make, write, rename and remove files while we run: told when they have come to
 * rest. A folder need not exist: it may be made later, replaced, or removed and made again. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/macros.h"

typedef struct FolderWatch FolderWatch;

typedef struct FolderWatchHandlers {
    /* Whether a file of that name is of interest; NULL: all are. */
    bool (*concerns)(const char *name);
    /* Something may be different; called from the event loop, once for a burst of changes. */
    void (*on_changed)(void *userdata);
} FolderWatchHandlers;

/* rest_usec: so long nothing may happen before it is told, but it waits for at most longest_usec after the
 * first change. It is told once after the start as well: what was read before may be old by now. While the
 * system has no more watches to give (they are limited for each user), it is told every ten seconds. paths:
 * NULL-terminated, absolute; copied. handlers: copied. */
int folder_watch_new(sd_event *event, char *const *paths, uint64_t rest_usec, uint64_t longest_usec,
                     const FolderWatchHandlers *handlers, void *userdata, FolderWatch **ret) must_check_;
FolderWatch *folder_watch_free(FolderWatch *watch);
DEFINE_CLEANUP(FolderWatch, folder_watch_free);
