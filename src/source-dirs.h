// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The directories of `sourcedir`, in which others write while we run: noticed when they do, read again, and
 * told what is wrong in them once. */

#include <systemd/sd-event.h>

#include "base/journal.h"
#include "core/config/config.h"

typedef struct SourceDirs SourceDirs;

/* A .sources file has come, gone or changed, or may have: source_dirs_read() is to be called. */
typedef void (*SourceDirsHandler)(void *userdata);

/* event is referenced; journal must outlive it. */
int source_dirs_new(sd_event *event, Journal *journal, SourceDirsHandler handler, void *userdata,
                    SourceDirs **ret) must_check_;
SourceDirs *source_dirs_free(SourceDirs *dirs);
DEFINE_CLEANUP(SourceDirs, source_dirs_free);

/* The directories of this configuration are watched from now on; the problems of their files have been told.
 */
int source_dirs_configure(SourceDirs *dirs, const Config *config) must_check_;

/* The configuration with its .sources files read anew. Problems are logged that were not there the last time;
 * asked: somebody wants to know them all. */
int source_dirs_read(SourceDirs *dirs, const Config *config, bool asked, Config **ret) must_check_;
