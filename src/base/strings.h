// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Lists of strings on the heap, which end with NULL. A list of none is NULL. */

#include <stdbool.h>

#include "base/macros.h"

size_t strings_count(char *const *strings);

/* Appends a copy. On failure the list is as it was. */
int strings_add(char ***strings, const char *string) must_check_;

/* Appends copies of all. */
int strings_add_all(char ***strings, char *const *more) must_check_;

/* Frees all, and leaves a list of none behind. */
void strings_clear(char ***strings);

bool strings_equal(char *const *a, char *const *b);
