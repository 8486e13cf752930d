// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* See journal.h. The journal's native protocol is one datagram of NAME=value lines to its socket
 * (systemd's JOURNAL_NATIVE_PROTOCOL); lines elsewhere look as chronyd's do. */

#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define MESSAGE_MAX  1024
#define DATAGRAM_MAX 4096

static const struct sockaddr_un journal_address = {.sun_family = AF_UNIX,
                                                   .sun_path = "/run/systemd/journal/socket"};

struct Journal {
    const char *identifier;
    LogLevel minimum;
    int fd;         /* the journal's socket, standard error or the file */
    bool is_socket; /* fd is a socket of ours for the journal */
    bool is_ours;   /* fd is closed by us */
};

/* Standard error of a service that systemd connected to the journal. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;
    char end;

    if (!stream || sscanf(stream, "%ju:%ju%c", &device, &inode, &end) != 2 ||
        fstat(STDERR_FILENO, &status) < 0)
        return false;
    return status.st_dev == device && status.st_ino == inode;
}

static int sink_open(Journal *journal, const char *file, bool to_stderr)
{
    journal->fd = STDERR_FILENO;
    if (file) {
        journal->fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
        journal->is_ours = true;
    } else if (!to_stderr && stderr_is_journal()) {
        journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        journal->is_ours = journal->is_socket = true;
    }
    return journal->fd < 0 ? -errno : 0;
}

int journal_new(const char *identifier, const char *file, bool to_stderr, LogLevel minimum, Journal **ret)
{
    Journal *journal = calloc(1, sizeof *journal);

    if (!journal)
        return -ENOMEM;
    journal->identifier = identifier;
    journal->minimum = minimum;
    int r = sink_open(journal, file, to_stderr);
    if (r < 0) {
        free(journal);
        return r;
    }
    *ret = journal;
    return 0;
}

Journal *journal_free(Journal *journal)
{
    if (!journal)
        return NULL;
    if (journal->is_ours)
        close(journal->fd);
    free(journal);
    return NULL;
}

bool journal_wants(const Journal *journal, LogLevel level)
{
    return level >= journal->minimum;
}

static void append_clean(Text *text, const char *value)
{
    size_t start = text->length;

    text_append(text, value);
    for (size_t i = start; i < text->length; i++)
        if ((unsigned char) text->data[i] < 0x20 || text->data[i] == 0x7f)
            text->data[i] = ' ';
}

static void append_field(Text *text, const char *name, const char *value)
{
    text_append(text, name);
    text_append(text, "=");
    append_clean(text, value);
    text_append(text, "\n");
}

static const char *priority(LogLevel level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG: return "7";
    case LOG_LEVEL_INFO: return "6";
    case LOG_LEVEL_WARNING: return "4";
    case LOG_LEVEL_ERROR: return "3";
    case LOG_LEVEL_FATAL: return "2";
    }
    return "6";
}

static void write_datagram(const Journal *journal, LogLevel level, const char *message_id,
                           const JournalField *fields, size_t count, const char *message)
{
    char buffer[DATAGRAM_MAX];
    Text text = TEXT(buffer);

    append_field(&text, "MESSAGE", message);
    append_field(&text, "PRIORITY", priority(level));
    append_field(&text, "SYSLOG_IDENTIFIER", journal->identifier);
    if (message_id)
        append_field(&text, "MESSAGE_ID", message_id);
    for (size_t i = 0; i < count; i++)
        append_field(&text, fields[i].name, fields[i].value);
    (void) sendto(journal->fd, text.data, text.length, MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *) &journal_address, sizeof journal_address);
}

static void write_line(const Journal *journal, LogLevel level, const char *message)
{
    char buffer[MESSAGE_MAX + 64], stamp[32] = "";
    Text text = TEXT(buffer);
    struct timespec now = {};
    struct tm tm;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm))
        (void) strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ ", &tm);
    text_append(&text, stamp);
    text_append(&text, level == LOG_LEVEL_FATAL ? "Fatal error : " : "");
    append_clean(&text, message);
    text_append(&text, "\n");
    /* Nobody is left to tell when the log itself fails. */
    ssize_t n = write(journal->fd, text.data, text.length);
    (void) n;
}

void journal_write(Journal *journal, LogLevel level, const char *message_id, const JournalField *fields,
                   size_t count, const char *message)
{
    if (!journal_wants(journal, level))
        return;
    if (journal->is_socket)
        write_datagram(journal, level, message_id, fields, count, message);
    else
        write_line(journal, level, message);
}

void journal_print(Journal *journal, LogLevel level, const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list ap;

    va_start(ap, format);
    (void) vsnprintf(message, sizeof message, format, ap);
    va_end(ap);
    journal_write(journal, level, NULL, NULL, 0, message);
}
