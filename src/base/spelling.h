// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* How far one word is from another, for "did you mean". */

#include <stddef.h>

#include "base/macros.h"

/* Longer words are never compared. */
#define SPELLING_WORD_MAX 31

/* Insertions, deletions, substitutions and swaps of neighbours that make b of a, without regard to case;
 * SIZE_MAX for a word that is too long. */
size_t spelling_distance(const char *a, const char *b);

/* The largest distance at which a word of that length is still likely to be meant. */
size_t spelling_tolerance(const char *word);
