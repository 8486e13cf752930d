// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The log files of measurements, in chrony's names, columns and widths: measurements.log, statistics.log,
 * selection.log, tracking.log. A file is opened when its first row comes and each row is written at once. */

#include "base/journal.h"
#include "base/text.h"
#include "core/api/log-record.h"
#include "core/config/config.h"

typedef struct LogFiles LogFiles;

/* directory: NULL: rows are dropped, which is said once for each file. banner: rows between two banners; 0:
 * none. */
int log_files_new(const LogConfig *config, Journal *journal, LogFiles **ret) must_check_;
LogFiles *log_files_free(LogFiles *files);
DEFINE_CLEANUP(LogFiles, log_files_free);

/* Takes over another directory and banner. */
int log_files_configure(LogFiles *files, const LogConfig *config) must_check_;

void log_files_write(LogFiles *files, const LogRecord *record);

/* Closes all files: the next rows go to new ones if the old ones were renamed. */
void log_files_cycle(LogFiles *files);

/* One row without newline, as it stands in its file. */
void log_record_format(const LogRecord *record, Text *text);
