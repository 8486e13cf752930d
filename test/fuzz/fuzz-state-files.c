// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Every file in which the daemon keeps something over a restart, under arbitrary bytes: frequency, known
 * time, number of updates, process, keys in the store of the service manager. Each reader gets the same
 * bytes. What is taken is within its limits and is the same when it was written and is read; what is not is
 * told in a line for people. */

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drift-file.h"
#include "fuzz.h"
#include "kept-keys-store.h"
#include "known-time.h"
#include "number-file.h"
#include "pid-file.h"

#define PPM_LIMIT 100000.0
#define PIDS_MAX  (1 << 22)

/* A folder of our own, which is left behind empty. */
static char folder[64];

static void require(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void clean_up(void)
{
    (void) rmdir(folder);
}

static void make_folder(void)
{
    const char *parent = getenv("TMPDIR");

    if (folder[0] != '\0')
        return;
    snprintf(folder, sizeof(folder), "%.40s/fuzz-state-XXXXXX", parent ? parent : "/tmp");
    require(mkdtemp(folder) != NULL, "a folder");
    (void) atexit(clean_up);
}

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void give(const char *name, const uint8_t *data, size_t size)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    require(fd >= 0 && write(fd, data, size) == (ssize_t) size && close(fd) == 0, "the file");
}

static void check_problem(const Text *problem, bool expected)
{
    require((problem->length > 0) == expected, "a reason if, and only if, it is refused");
    for (size_t i = 0; i < problem->length; i++)
        require((unsigned char) problem->data[i] >= ' ', "one line");
}

static void read_drift(const uint8_t *data, size_t size)
{
    char buffer[256];
    Text problem = TEXT(buffer);
    Drift drift, again;

    give("drift", data, size);
    DriftFileState state = drift_file_read(path_of("drift"), &drift, &problem);
    require(state != DRIFT_FILE_ABSENT, "a drift file that is there");
    check_problem(&problem, state == DRIFT_FILE_BAD);
    if (state == DRIFT_FILE_LOADED) {
        require(fabs(drift.frequency_ppm) <= PPM_LIMIT, "a frequency that an oscillator may have");
        require(drift.skew_ppm > 0 && drift.skew_ppm <= PPM_LIMIT, "a bound of its error");
        require(drift_file_write(path_of("drift"), &drift) >= 0, "written");
        state = drift_file_read(path_of("drift"), &again, &problem);
        /* six places: a bound that is smaller than them cannot be told from none */
        require(state == DRIFT_FILE_LOADED || drift.skew_ppm < 1e-6, "ours is one");
        if (state == DRIFT_FILE_LOADED)
            require(fabs(again.frequency_ppm - drift.frequency_ppm) < 1e-6, "the same frequency");
    }
    (void) unlink(path_of("drift"));
}

static void read_known_time(const uint8_t *data, size_t size)
{
    char buffer[256];
    Text problem = TEXT(buffer);
    int64_t seconds, again;

    give(KNOWN_TIME_FILE, data, size);
    KnownTimeState state = known_time_read(folder, &seconds, &problem);
    check_problem(&problem, state == KNOWN_TIME_BAD);
    if (state == KNOWN_TIME_LOADED) {
        require(seconds >= 0 && seconds <= INT64_C(253402300799), "a time of four-digit years");
        require(known_time_write(folder, seconds) >= 0, "written");
        require(known_time_read(folder, &again, &problem) == KNOWN_TIME_LOADED && again == seconds,
                "the same time");
        (void) unlink(path_of(KNOWN_TIME_FILE));
    } else {
        require(state == KNOWN_TIME_BAD, "known or bad");
        require(known_time_read(folder, &seconds, &problem) == KNOWN_TIME_ABSENT, "set aside");
        require(unlink(path_of(KNOWN_TIME_FILE ".bad")) == 0, "and kept");
    }
}

static void read_number(const uint8_t *data, size_t size)
{
    int64_t number, again;

    give("number", data, size);
    if (number_file_read(path_of("number"), &number)) {
        require(number_file_write(path_of("number"), number) >= 0, "written");
        require(number_file_read(path_of("number"), &again) && again == number, "the same number");
    }
    (void) unlink(path_of("number"));
}

static void read_pid(const uint8_t *data, size_t size)
{
    give("pid", data, size);
    pid_t owner = pid_file_owner(path_of("pid"));
    require(owner >= 0 && owner <= PIDS_MAX && (owner == 0 || owner != getpid()), "another process");
    pid_file_remove(path_of("pid"));
    (void) unlink(path_of("pid"));
}

/* As the service manager gives it back: a sealed piece of memory. */
static void read_store(const uint8_t *data, size_t size)
{
    cleanup_(kept_keys_store_freep) KeptKeysStore *store = NULL;
    size_t length = 0;
    char *text = NULL;
    int fd = memfd_create("store", MFD_CLOEXEC);

    require(fd >= 0 && write(fd, data, size) == (ssize_t) size, "the store");
    require(kept_keys_store_new(&store) >= 0, "memory");
    bool whole = kept_keys_store_read(store, fd);
    require(kept_keys_store_format(store, &text, &length) >= 0, "formatted");
    require((text == NULL) == (length == 0), "a text or none");
    if (whole && text) {
        require(ftruncate(fd, 0) == 0 && pwrite(fd, text, length, 0) == (ssize_t) length, "the store");
        require(kept_keys_store_read(store, fd), "ours is one");
    }
    free(text);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_folder();
    read_drift(data, size);
    read_known_time(data, size);
    read_number(data, size);
    read_pid(data, size);
    read_store(data, size);
    return 0;
}
