// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* When the local reference takes over, and when it steps back. */

#include <math.h>

#include "core/clock/local.h"
#include "unit.h"

#define START (INT64_C(1000) * NSEC_PER_SEC)

static LocalTime at(double seconds)
{
    return (LocalTime) {START + ns_from_seconds(seconds)};
}

static const LocalConfig enabled = {.enabled = true, .stratum = 10, .distance = 1.0};

/* Synchronised by one update at 100 s: distance 0.2 s then, growing by 1 ms/s. */
static Reference synchronized(void)
{
    const ReferenceUpdate update = {.name = "a",
                                    .stratum = 1,
                                    .root_delay = 0.2,
                                    .root_dispersion = 0.1,
                                    .dispersion_rate = 1e-3,
                                    .local = at(100)};
    Reference reference = reference_start();

    reference_update(&reference, &update);
    return reference;
}

static void test_unsynchronized(void **state)
{
    Reference reference = reference_start();
    LocalReference local = local_reference_start(&enabled, at(0));

    (void) state;
    assert_true(local_reference_is_active(&local, &reference, at(0)));
    local.config.wait_unsynced = 300;
    assert_false(local_reference_is_active(&local, &reference, at(299)));
    assert_true(local_reference_is_active(&local, &reference, at(300)));
    local_reference_on_lost(&local, at(1000));
    assert_int_equal(local_reference_activation(&local, &reference).ns, at(1300).ns);
    local.config.enabled = false;
    assert_int_equal(local_reference_activation(&local, &reference).ns, TIME_UNSET);
}

static void test_distance(void **state)
{
    Reference reference = synchronized();
    LocalReference local = local_reference_start(&enabled, at(0));

    (void) state;
    /* 0.8 s of room at 1 ms/s. */
    assert_false(local_reference_is_active(&local, &reference, at(899)));
    assert_true(local_reference_is_active(&local, &reference, at(901)));
    local.config.wait_synced = 2000;
    assert_int_equal(local_reference_activation(&local, &reference).ns, at(2100).ns);
    local.config.distance = 0.1; /* it is above it already */
    assert_int_equal(local_reference_activation(&local, &reference).ns, at(2100).ns);
    local.config.wait_synced = 0;
    assert_int_equal(local_reference_activation(&local, &reference).ns, at(100).ns);
    reference.last.dispersion_rate = 0; /* it never grows */
    local.config.distance = 1;
    assert_int_equal(local_reference_activation(&local, &reference).ns, TIME_UNSET);
}

/* A server that has never seen good time does not pretend to have it. */
static void test_activate(void **state)
{
    Reference reference = reference_start();
    LocalReference local = local_reference_start(&enabled, at(0));

    (void) state;
    local.config.activate = 0.5;
    assert_false(local_reference_is_active(&local, &reference, at(1e6)));
    local_reference_on_update(&local, 0.7);
    assert_false(local_reference_is_active(&local, &reference, at(1e6)));
    local_reference_on_update(&local, 0.4);
    local_reference_on_update(&local, 0.9);
    assert_true(local_reference_is_active(&local, &reference, at(1e6)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsynchronized),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_activate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
