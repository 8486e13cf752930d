// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log-files.h"
#include "unit.h"

static char directory[] = "/tmp/timeball-test-XXXXXX";
static char logs[64], path[96], other[96], said[96];
static Journal *journal;

static int set_up(void **state)
{
    (void) state;
    if (!mkdtemp(directory))
        return -1;
    (void) snprintf(logs, sizeof logs, "%s/logs", directory);
    (void) snprintf(path, sizeof path, "%s/tracking.log", logs);
    (void) snprintf(other, sizeof other, "%s/statistics.log", logs);
    (void) snprintf(said, sizeof said, "%s/said", directory);
    return journal_new("test", said, false, LOG_LEVEL_DEBUG, &journal);
}

static int tear_down(void **state)
{
    (void) state;
    journal_free(journal);
    (void) unlink(path);
    (void) unlink(said);
    (void) rmdir(logs);
    return rmdir(directory);
}

static LogRecord record_of(LogKind kind)
{
    LogRecord record = {.kind = kind, .time = {INT64_C(1795000000) * NSEC_PER_SEC + 999999999}};

    assert_true(ip_address_parse("192.0.2.11", &record.address));
    return record;
}

/* The rows that chrony's manual gives as examples, from the values that they show. */
static void test_rows(void **state)
{
    LogRecord measurement = record_of(LOG_MEASUREMENTS), statistics = record_of(LOG_STATISTICS);
    LogRecord selection = record_of(LOG_SELECTION), tracking = record_of(LOG_TRACKING);
    const struct {
        const char *name;
        LogRecord *record;
        const char *row;
    } rows[] = {
        {"measurements", &measurement,
         "2026-11-18 11:06:40 192.0.2.11      N  2 111 111 1101  10  9 1.04 -4.966e-03  2.296e-01  1.577e-05 "
         " "
         "1.615e-01  7.446e-03 CB00717B 4B D K"},
        {"statistics", &statistics,
         "2026-11-18 11:06:40 192.0.2.11       6.261e-03 -3.247e-03  2.220e-03  1.874e-06  1.080e-06 7.8e-02 "
         " "
         "16   2   8  0.00"},
        {"selection", &selection,
         "2026-11-18 11:06:40 192.0.2.11      * -N-T-  377  1.00  4.228e+01 -1.575e-04  1.239e-04"},
        {"tracking", &tracking,
         "2026-11-18 11:06:40 192.0.2.11       2     -3.541      0.075 -8.621e-06 N  2  2.940e-03 -2.084e-04 "
         " "
         "1.534e-02  3.472e-04  8.304e-03"},
    };

    (void) state;
    measurement.measurement = (LogMeasurement) {
        .stratum = 2,
        .mode = 4,
        .local_poll = 10,
        .remote_poll = 9,
        .tests = 0x3ff & ~TEST_C,
        .score = 1.04,
        .offset = -4.966e-3,
        .peer_delay = .2296,
        .peer_dispersion = 1.577e-5,
        .root_delay = .1615,
        .root_dispersion = 7.446e-3,
        .reference_id = 0xcb00717b,
        .receive_origin = TIMESTAMP_KERNEL,
    };
    statistics.statistics = (LogStatistics) {
        .standard_deviation = 6.261e-3,
        .offset = 3.247e-3,
        .offset_sd = 2.22e-3,
        .residual_frequency = -1.874e-6,
        .skew = 1.08e-6,
        .stress = .078,
        .samples = 16,
        .discarded = 2,
        .runs = 8,
    };
    selection.selection = (LogSelection) {
        .state = STATE_SELECTED,
        .options = {.noselect = true, .trust = true},
        .reachability = 0xff,
        .score = 1,
        .since_sample = 42.28,
        .low = -1.239e-4,
        .high = 1.575e-4,
    };
    tracking.tracking = (LogTracking) {
        .stratum = 2,
        .frequency = 3.541e-6,
        .skew = 75e-9,
        .offset = 8.621e-6,
        .offset_sd = 2.94e-3,
        .remaining = -2.084e-4,
        .root_delay = 1.534e-2,
        .root_dispersion = 3.472e-4,
        .max_error = 8.304e-3,
        .combined = 2,
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char buffer[512];
        Text text = TEXT(buffer);

        print_message("%s\n", rows[i].name);
        log_record_format(rows[i].record, &text);
        assert_string_equal(buffer, rows[i].row);
    }
}

static void test_sources(void **state)
{
    static const struct {
        uint32_t source, reference_id;
        const char *text;
    } rows[] = {
        {0, 0, " 0.0.0.0         "},
        {7, 0, " ID#0000000007   "},
        {0, 0x4d414e55, " MANU            "},
        {0, 0x7f7f0101, " 127.127.1.1     "},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        LogRecord record = {.kind = LOG_TRACKING,
                            .source = {rows[i].source},
                            .reference_id = rows[i].reference_id,
                            .tracking = {.root_delay = INFINITY,
                                         .root_dispersion = INFINITY,
                                         .max_error = INFINITY}};
        char buffer[512];
        Text text = TEXT(buffer);

        log_record_format(&record, &text);
        assert_memory_equal(buffer + strlen("1970-01-01 00:00:00"), rows[i].text, strlen(rows[i].text));
        assert_non_null(strstr(buffer, " 1.000e+00  1.000e+00  1.500e+00"));
    }
}

static size_t count_lines(const char *file, const char *containing)
{
    char line[512];
    size_t count = 0;
    FILE *f = fopen(file, "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        count += strstr(line, containing) != NULL;
    (void) fclose(f);
    return count;
}

static void test_files(void **state)
{
    cleanup_(log_files_freep) LogFiles *files = NULL;
    LogRecord record = record_of(LOG_TRACKING);
    LogConfig config = {.banner = 2, .dir = logs};
    struct stat status;
    mode_t umask_before = umask(077);

    (void) state;
    assert_int_equal(log_files_new(&config, journal, &files), 0);
    for (int i = 0; i < 3; i++)
        log_files_write(files, &record);
    (void) umask(umask_before);
    assert_int_equal(count_lines(path, "2026-"), 3);
    assert_int_equal(count_lines(path, "Skew ppm"), 2);
    assert_int_equal(count_lines(path, "====="), 4);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);

    assert_int_equal(unlink(path), 0);
    log_files_write(files, &record);
    assert_int_not_equal(access(path, F_OK), 0);
    log_files_cycle(files);
    log_files_write(files, &record);
    assert_int_equal(count_lines(path, "2026-"), 1);
    assert_int_equal(count_lines(path, "Skew ppm"), 1);
    assert_int_equal(count_lines(said, "tracking.log"), 0);
}

static void test_trouble_is_told_once(void **state)
{
    cleanup_(log_files_freep) LogFiles *files = NULL;
    LogRecord record = record_of(LOG_STATISTICS);
    LogConfig config = {.banner = 2};

    (void) state;
    assert_int_equal(log_files_new(&config, journal, &files), 0);
    for (int i = 0; i < 3; i++)
        log_files_write(files, &record);
    assert_int_equal(count_lines(said, "Could not write statistics.log: logdir is not set"), 1);

    /* a link to a device that is always full: not a file of ours */
    config.dir = logs;
    assert_int_equal(log_files_configure(files, &config), 0);
    assert_int_equal(symlink("/dev/full", other), 0);
    for (int i = 0; i < 3; i++)
        log_files_write(files, &record);
    assert_int_equal(count_lines(said, "Could not write statistics.log: Invalid argument"), 1);
    assert_int_equal(unlink(other), 0);
    log_files_write(files, &record);
    assert_int_equal(count_lines(other, "2026-"), 1);
    assert_int_equal(unlink(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_trouble_is_told_once),
    };

    return cmocka_run_group_tests_name("log-files", tests, set_up, tear_down);
}
