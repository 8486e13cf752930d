// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Files that others may replace while we run: told once when they have come to rest. */

#include <systemd/sd-event.h>

#include "base/macros.h"

typedef struct FileWatch FileWatch;

typedef void (*FileWatchHandler)(void *userdata);

/* Calls the handler when one of the files is another one than when they were last looked at, or has another
 * content, a second after the last change. They are looked at now. Links are followed; a file need not exist,
 * but the folder that it is in has to. paths: NULL-terminated, or NULL; copied. */
int file_watch_new(sd_event *event, char *const *paths, FileWatchHandler handler, void *userdata,
                   FileWatch **ret) must_check_;
FileWatch *file_watch_free(FileWatch *watch);
DEFINE_CLEANUP(FileWatch, file_watch_free);

/* Looks at them now: what has changed until here is known and not told any more. */
void file_watch_look(FileWatch *watch);
