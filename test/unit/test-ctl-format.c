// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Every expected string was printed by Debian's chronyc 4.3, fed with these very numbers over its protocol.
 */

#include <math.h>

#include "ctl/format.h"
#include "unit.h"

static void test_offsets(void **state)
{
    static const struct {
        double seconds;
        const char *offset, *error; /* as in `sources`; error: NULL for a negative one */
    } rows[] = {
        {0, "   +0ns", "   0ns"},
        {1.000000013351432e-10, "   +0ns", "   0ns"},
        {-1.000000013351432e-10, "   -0ns", NULL},
        {5.0999998668643798e-10, "   +1ns", "   1ns"},
        {-5.0999998668643798e-10, "   -1ns", NULL},
        {9.9999997171806854e-10, "   +1ns", "   1ns"},
        {-9.9999997171806854e-10, "   -1ns", NULL},
        {1.2339999955202074e-07, " +123ns", " 123ns"},
        {-1.2339999955202074e-07, " -123ns", NULL},
        {9.9960004718013806e-07, "+1000ns", "1000ns"},
        {-9.9960004718013806e-07, "-1000ns", NULL},
        {9.9994003903702833e-06, "+9999ns", "9999ns"},
        {-9.9994003903702833e-06, "-9999ns", NULL},
        {9.9995995697099715e-06, "  +10us", "  10us"},
        {-9.9995995697099715e-06, "  -10us", NULL},
        {1.234499995916849e-05, "  +12us", "  12us"},
        {-1.234499995916849e-05, "  -12us", NULL},
        {0.00099960004445165396, "+1000us", "1000us"},
        {-0.00099960004445165396, "-1000us", NULL},
        {0.0099994000047445297, "+9999us", "9999us"},
        {-0.0099994000047445297, "-9999us", NULL},
        {0.0099996002390980721, "  +10ms", "  10ms"},
        {-0.0099996002390980721, "  -10ms", NULL},
        {0.1234000027179718, " +123ms", " 123ms"},
        {-0.1234000027179718, " -123ms", NULL},
        {0.99959999322891235, "+1000ms", "1000ms"},
        {-0.99959999322891235, "-1000ms", NULL},
        {1, "+1000ms", "1000ms"},
        {-1, "-1000ms", NULL},
        {1.5, "+1500ms", "1500ms"},
        {-1.5, "-1500ms", NULL},
        {9.9994001388549805, "+9999ms", "9999ms"},
        {-9.9994001388549805, "-9999ms", NULL},
        {9.9996004104614258, " +10.0s", " 10.0s"},
        {-9.9996004104614258, " -10.0s", NULL},
        {12.345000267028809, " +12.3s", " 12.3s"},
        {-12.345000267028809, " -12.3s", NULL},
        {99.959999084472656, "+100.0s", "100.0s"},
        {-99.959999084472656, "-100.0s", NULL},
        {123.45600128173828, "+123.5s", "123.5s"},
        {-123.45600128173828, "-123.5s", NULL},
        {999.4000244140625, "+999.4s", "999.4s"},
        {-999.4000244140625, "-999.4s", NULL},
        {999.5999755859375, " +1000s", " 1000s"},
        {-999.5999755859375, " -1000s", NULL},
        {1234.5, " +1234s", " 1234s"},
        {-1234.5, " -1234s", NULL},
        {9999.599609375, "+10000s", "10000s"},
        {-9999.599609375, "-10000s", NULL},
        {99999.3984375, "+99999s", "99999s"},
        {-99999.3984375, "-99999s", NULL},
        {99999.6015625, " +1667m", " 1667m"},
        {-99999.6015625, " -1667m", NULL},
        {123456, " +2058m", " 2058m"},
        {-123456, " -2058m", NULL},
        {3000000, "+50000m", "50000m"},
        {-3000000, "-50000m", NULL},
        {6000000, " +1667h", " 1667h"},
        {-6000000, " -1667h", NULL},
        {123000000, "+34167h", "34167h"},
        {-123000000, "-34167h", NULL},
        {360000000, " +4167d", " 4167d"},
        {-360000000, " -4167d", NULL},
        {1000000000, "+11574d", "11574d"},
        {-1000000000, "-11574d", NULL},
        {3200000000, "+37037d", "37037d"},
        {-3200000000, "-37037d", NULL},
        {99999997952, " +3171y", " 3171y"},
        {-99999997952, " -3171y", NULL},
        {999999986991104, "+31709792y", "31709792y"},
        {-999999986991104, "-31709792y", NULL},
    };
    Cell cell;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_string_equal(format_offset(rows[i].seconds, cell), rows[i].offset);
        if (rows[i].error)
            assert_string_equal(format_error(rows[i].seconds, cell), rows[i].error);
    }
    assert_string_equal(format_offset(-0.0, cell), "   +0ns");
}

static void test_intervals(void **state)
{
    static const struct {
        uint32_t seconds;
        const char *expected;
    } rows[] = {
        {0u, "   0"},          {9u, "   9"},          {99u, "  99"},        {999u, " 999"},
        {1199u, "1199"},       {1200u, " 20m"},       {1259u, " 20m"},      {1260u, " 21m"},
        {35999u, "599m"},      {36000u, " 10h"},      {39599u, " 10h"},     {39600u, " 11h"},
        {345599u, " 95h"},     {345600u, "  4d"},     {431999u, "  4d"},    {432000u, "  5d"},
        {86399999u, "999d"},   {86400000u, "  2y"},   {259200000u, "  8y"}, {3122064000u, " 99y"},
        {4294967294u, "136y"}, {4294967295u, "   -"},
    };
    Cell cell;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        assert_string_equal(format_interval(rows[i].seconds, cell), rows[i].expected);
}

static void test_ages(void **state)
{
    (void) state;
    assert_int_equal(interval_from_age(-1), INTERVAL_NONE);
    assert_int_equal(interval_from_age(NAN), INTERVAL_NONE);
    assert_int_equal(interval_from_age(1.9), 1);
    assert_int_equal(interval_from_age(INFINITY), INTERVAL_NONE - 1);
}

static void test_frequencies(void **state)
{
    static const struct {
        double ppm;
        const char *frequency, *skew; /* the skew of its size */
    } rows[] = {
        {0, "    +0.000", "     0.000"},
        {0.00049000000581145287, "    +0.000", "     0.000"},
        {0.00050999998347833753, "    +0.001", "     0.001"},
        {1, "    +1.000", "     1.000"},
        {-1, "    -1.000", "     1.000"},
        {9.9996004104614258, "   +10.000", "    10.000"},
        {123.45670318603516, "  +123.457", "   123.457"},
        {-1234.5, " -1234.500", "  1234.500"},
        {9999.9990234375, " +9999.999", "  9999.999"},
        {99999.3984375, "+99999.398", " 99999.398"},
        {99999.6015625, "   +100000", "    100000"},
        {-99999.3984375, "-99999.398", " 99999.398"},
        {-99999.6015625, "   -100000", "    100000"},
        {1000000, "  +1000000", "   1000000"},
        {1000000000, "+1000000000", "1000000000"},
        {-1000000000, "-1000000000", "1000000000"},
        {-9.999999960041972e-13, "    -0.000", "     0.000"},
    };
    Cell cell;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_string_equal(format_frequency(rows[i].ppm, cell), rows[i].frequency);
        assert_string_equal(format_skew(fabs(rows[i].ppm), cell), rows[i].skew);
    }
}

static void test_instants(void **state)
{
    Cell cell;

    (void) state;
    assert_string_equal(format_instant(COOKED_UNSET, cell), "Thu Jan 01 00:00:00 1970");
    assert_string_equal(format_epoch(COOKED_UNSET, cell), "0.000000000");
    CookedTime t = {INT64_C(1700000000123456789)};
    assert_string_equal(format_instant(t, cell), "Tue Nov 14 22:13:20 2023");
    assert_string_equal(format_epoch(t, cell), "1700000000.123456789");
}

static void test_reference_ids(void **state)
{
    static const struct {
        uint32_t id;
        const char *expected;
    } rows[] = {
        {0x47505300, "GPS"}, {0x4c4f434c, "LOCL"}, {0, ""},
        {0x47ff5300, "GS"},  {0x00475053, "GPS"},  {0x7f7f0101, ""},
    };
    Cell cell;

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        assert_string_equal(format_reference_id(rows[i].id, cell), rows[i].expected);
}

static void test_durations(void **state)
{
    Cell cell;

    (void) state;
    assert_string_equal(format_duration(-1, cell), "1.000 s");
    assert_string_equal(format_duration(0.0125, cell), "12.50 ms");
    assert_string_equal(format_duration(-3e-6, cell), "3.0 us");
    assert_string_equal(format_duration(0, cell), "0 ns");
    assert_string_equal(format_duration(86400, cell), "86400.0 s");
    assert_string_equal(format_duration(0.000999951, cell), "1.00 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets),   cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_ages),      cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_instants),  cmocka_unit_test(test_reference_ids),
        cmocka_unit_test(test_durations),
    };

    return cmocka_run_group_tests_name("ctl-format", tests, NULL, NULL);
}
