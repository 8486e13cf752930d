// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Rows of the log files; see log-files.h. What cannot be written (no directory, a full disk) costs one
 * warning until something can be written again, and never time: a file is a regular one or not opened. */

#include "log-files.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define ROW_MAX        256
#define DIRECTORY_MODE 0750
#define FILE_MODE      0644

/* What chrony says of a clock that is not synchronised. */
#define UNKNOWN_ROOT  1.0
#define UNKNOWN_ERROR 1.5

typedef struct FileKind {
    const char *name;   /* of the file */
    const char *titles; /* of the columns */
} FileKind;

static const FileKind kinds[LOG_KIND_COUNT] = {
    [LOG_MEASUREMENTS] =
        {"measurements.log",
         "   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer "
         "del. Peer disp.  Root del. Root disp. Refid     MTxRx"},
    [LOG_STATISTICS] =
        {"statistics.log",
         "   Date (UTC) Time     IP Address    Std dev'n Est offset  Offset sd  Diff freq   Est "
         "skew  Stress  Ns  Bs  Nr  Asym"},
    [LOG_SELECTION] = {"selection.log",
                       "   Date (UTC) Time     IP Address   S EOpts Reach Score Last sample  "
                       "Low end   High end"},
    [LOG_TRACKING] = {"tracking.log",
                      "   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L "
                      "Co  Offset sd Rem. corr. Root delay Root disp. Max. error"},
};

typedef struct LogFile {
    int fd;        /* -1: not open */
    uint64_t rows; /* since it was opened */
    bool told;     /* that it cannot be written */
} LogFile;

struct LogFiles {
    Journal *journal;
    char *directory; /* owned; NULL: none */
    int32_t banner;
    LogFile files[LOG_KIND_COUNT];
};

int log_files_new(const LogConfig *config, Journal *journal, LogFiles **ret)
{
    cleanup_(log_files_freep) LogFiles *files = calloc(1, sizeof(*files));

    if (!files)
        return -ENOMEM;
    files->journal = journal;
    for (LogKind kind = 0; kind < LOG_KIND_COUNT; kind++)
        files->files[kind].fd = -1;
    int r = log_files_configure(files, config);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(files);
    return 0;
}

LogFiles *log_files_free(LogFiles *files)
{
    if (!files)
        return NULL;
    log_files_cycle(files);
    free(files->directory);
    free(files);
    return NULL;
}

int log_files_configure(LogFiles *files, const LogConfig *config)
{
    char *directory = NULL;

    files->banner = config->banner;
    if (text_equal(files->directory, config->dir))
        return 0;
    if (config->dir && !(directory = strdup(config->dir)))
        return -ENOMEM;
    log_files_cycle(files);
    free(files->directory);
    files->directory = directory;
    return 0;
}

void log_files_cycle(LogFiles *files)
{
    for (LogKind kind = 0; kind < LOG_KIND_COUNT; kind++) {
        if (files->files[kind].fd >= 0)
            (void) close(files->files[kind].fd);
        files->files[kind] = (LogFile) {.fd = -1};
    }
}

/* --- rows --- */

static char leap_letter(LeapStatus leap)
{
    return leap == LEAP_NORMAL ? 'N' : leap == LEAP_INSERT ? '+' : leap == LEAP_DELETE ? '-' : '?';
}

static char origin_letter(TimestampOrigin origin)
{
    return origin == TIMESTAMP_HARDWARE ? 'H' : origin == TIMESTAMP_KERNEL ? 'K' : 'D';
}

static bool is_printable(uint32_t reference_id)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        uint8_t byte = (uint8_t) (reference_id >> shift);
        if (byte <= ' ' || byte >= 0x7f)
            return false;
    }
    return true;
}

static void append_source(const LogRecord *record, Text *text)
{
    char buffer[IP_ADDRESS_TEXT_MAX];
    uint32_t id = record->reference_id;
    Text name = TEXT(buffer);

    if (record->address.family != IP_UNSPEC)
        ip_address_format(&record->address, buffer);
    else if (id == 0 && record->source.value != 0)
        text_append_format(&name, "ID#%010u", record->source.value);
    else if (is_printable(id))
        text_append_format(&name, "%c%c%c%c", id >> 24 & 0xff, id >> 16 & 0xff, id >> 8 & 0xff, id & 0xff);
    else
        text_append_format(&name, "%u.%u.%u.%u", id >> 24 & 0xff, id >> 16 & 0xff, id >> 8 & 0xff, id & 0xff);
    text_append_format(text, " %-15s", buffer);
}

static void append_tests(uint16_t tests, Text *text)
{
    char bits[16];
    size_t n = 0;

    for (uint16_t bit = TEST_1; bit != 0; bit = (uint16_t) (bit >> 1)) {
        if (bit == TEST_5 || bit == TEST_A)
            bits[n++] = ' ';
        bits[n++] = tests & bit ? '1' : '0';
    }
    bits[n] = '\0';
    text_append(text, bits);
}

static void format_measurement(const LogMeasurement *m, Text *text)
{
    text_append_format(text, " %c %2d ", leap_letter(m->leap), m->stratum);
    append_tests(m->tests, text);
    text_append_format(text, "  %2d %2d %4.2f %10.3e %10.3e %10.3e %10.3e %10.3e %08X %d%c %c %c",
                       m->local_poll, m->remote_poll, m->score, m->offset, m->peer_delay, m->peer_dispersion,
                       m->root_delay, m->root_dispersion, m->reference_id, m->mode,
                       m->interleaved ? 'I' : 'B', origin_letter(m->transmit_origin),
                       origin_letter(m->receive_origin));
}

static void format_statistics(const LogStatistics *s, Text *text)
{
    text_append_format(text, " %10.3e %10.3e %10.3e %10.3e %10.3e %7.1e %3u %3u %3u %5.2f",
                       s->standard_deviation, 0.0 - s->offset, s->offset_sd, 0.0 - s->residual_frequency,
                       s->skew, s->stress, s->samples, s->discarded, s->runs, s->asymmetry);
}

static void format_selection(const LogSelection *s, Text *text)
{
    text_append_format(text, " %c -%c%c%c%c %4o %5.2f %10.3e %10.3e %10.3e", source_state_letter(s->state),
                       s->options.noselect ? 'N' : '-', s->options.prefer ? 'P' : '-',
                       s->options.trust ? 'T' : '-', s->options.require ? 'R' : '-', s->reachability,
                       s->score, s->since_sample, 0.0 - s->high, 0.0 - s->low);
}

static double known(double value, double instead)
{
    return isfinite(value) ? value : instead;
}

static void format_tracking(const LogTracking *t, Text *text)
{
    text_append_format(text, " %2d %10.3f %10.3f %10.3e %c %2u %10.3e %10.3e %10.3e %10.3e %10.3e",
                       t->stratum, 0.0 - t->frequency * 1e6, t->skew * 1e6, 0.0 - t->offset,
                       leap_letter(t->leap), t->combined, t->offset_sd, t->remaining,
                       known(t->root_delay, UNKNOWN_ROOT), known(t->root_dispersion, UNKNOWN_ROOT),
                       known(t->max_error, UNKNOWN_ERROR));
}

void log_record_format(const LogRecord *record, Text *text)
{
    struct timespec time = timespec_from_ns(record->time.ns);
    char date[32] = "";
    struct tm broken;

    if (gmtime_r(&time.tv_sec, &broken))
        (void) strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &broken);
    text_append(text, date);
    append_source(record, text);
    switch (record->kind) {
    case LOG_MEASUREMENTS: format_measurement(&record->measurement, text); break;
    case LOG_STATISTICS: format_statistics(&record->statistics, text); break;
    case LOG_SELECTION: format_selection(&record->selection, text); break;
    case LOG_TRACKING: format_tracking(&record->tracking, text); break;
    case LOG_KIND_COUNT: break;
    }
}

/* --- files --- */

static void complain(const LogFiles *files, LogKind kind, LogFile *file, int error)
{
    const char *why = files->directory ? strerror(error) : "logdir is not set";

    if (!file->told)
        journal_print(files->journal, LOG_LEVEL_WARNING, "Could not write %s: %s", kinds[kind].name, why);
    file->told = true;
}

/* A new file gets its mode whatever the umask. */
static int open_file(const LogFiles *files, const char *path)
{
    const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat status;

    (void) mkdir(files->directory, DIRECTORY_MODE);
    int fd = open(path, flags | O_CREAT | O_EXCL, FILE_MODE);
    if (fd >= 0) {
        (void) fchmod(fd, FILE_MODE);
        return fd;
    }
    if (errno != EEXIST)
        return -errno;
    fd = open(path, flags);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        (void) close(fd);
        return -EINVAL;
    }
    return fd;
}

static int ensure_open(const LogFiles *files, LogKind kind, LogFile *file)
{
    char buffer[4096];
    Text path = TEXT(buffer);

    if (file->fd >= 0)
        return 0;
    if (!files->directory)
        return -ENOENT;
    text_append_format(&path, "%s/%s", files->directory, kinds[kind].name);
    if (path.truncated)
        return -ENAMETOOLONG;
    int fd = open_file(files, buffer);
    if (fd < 0)
        return fd;
    file->fd = fd;
    file->rows = 0;
    return 0;
}

/* All of it or nothing: half a row would spoil the next one. */
static int write_whole(int fd, const char *bytes, size_t length)
{
    off_t before = lseek(fd, 0, SEEK_END);
    ssize_t written = write(fd, bytes, length);

    if (written == (ssize_t) length)
        return 0;
    int error = written < 0 ? -errno : -ENOSPC;
    if (written > 0 && before >= 0 && ftruncate(fd, before) < 0)
        return -errno;
    return error;
}

static void append_banner(const char *titles, Text *text)
{
    size_t length = strlen(titles);

    for (size_t i = 0; i < length; i++)
        text_append(text, "=");
    text_append_format(text, "\n%s\n", titles);
    for (size_t i = 0; i < length; i++)
        text_append(text, "=");
    text_append(text, "\n");
}

void log_files_write(LogFiles *files, const LogRecord *record)
{
    LogFile *file = &files->files[record->kind];
    char buffer[4 * ROW_MAX];
    Text text = TEXT(buffer);

    int r = ensure_open(files, record->kind, file);
    if (r >= 0) {
        if (files->banner > 0 && file->rows % (uint64_t) files->banner == 0)
            append_banner(kinds[record->kind].titles, &text);
        log_record_format(record, &text);
        text_append(&text, "\n");
        r = write_whole(file->fd, text.data, text.length);
    }
    if (r < 0) {
        complain(files, record->kind, file, -r);
        return;
    }
    file->rows++;
    file->told = false;
}
