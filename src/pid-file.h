// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The file that names the running daemon and keeps a second one from steering the same clock. */

#include <sys/types.h>

#include "base/macros.h"

/* Process that the file names, when it lives and is not this one; 0: none. */
pid_t pid_file_owner(const char *path);

/* Writes our own process into a new file; an old one, link or whatever it is, is removed first. */
int pid_file_write(const char *path) must_check_;

/* Removes the file when it still names us. */
void pid_file_remove(const char *path);
