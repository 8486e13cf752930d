// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Where messages for people go: to the system's journal with fields, or as lines to standard error or a file.
 * Never waits: a message that does not fit into the journal's queue is lost, timekeeping goes on. */

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

typedef struct Journal Journal;

/* As chronyd's -L counts them. */
typedef enum LogLevel {
    LOG_LEVEL_DEBUG = -1,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_FATAL
} LogLevel;

typedef struct JournalField {
    const char *name; /* upper case, digits and '_' */
    const char *value;
} JournalField;

/* Messages below `minimum` are dropped. file: append to it (created with mode 0640), NULL: the journal when
 * standard error is connected to it (JOURNAL_STREAM) and to_stderr is false, standard error otherwise. */
int journal_new(const char *identifier, const char *file, bool to_stderr, LogLevel minimum,
                Journal **ret) must_check_;
Journal *journal_free(Journal *journal);
DEFINE_CLEANUP(Journal, journal_free);

bool journal_wants(const Journal *journal, LogLevel level);

/* message_id: 32 hexadecimal digits or NULL. Control characters in texts become spaces: one message is one
 * line. */
void journal_write(Journal *journal, LogLevel level, const char *message_id, const JournalField *fields,
                   size_t count, const char *message);

/* The same without fields, formatted. */
void journal_print(Journal *journal, LogLevel level, const char *format, ...) printf_like_(3, 4);
