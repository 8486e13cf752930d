// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* A file that holds one whole number on a line, as small state in /run does. */

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* False: there is no such file, or something else is in it. Never waits, follows no link. */
bool number_file_read(const char *path, int64_t *ret) must_check_;

/* Replaces the file as a whole, mode 0644; an old one, or a link, is removed first. */
int number_file_write(const char *path, int64_t number) must_check_;
