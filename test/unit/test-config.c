// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* The Config value: defaults, growth, deep copy. */

#include "core/config/config.h"

#include "base/strings.h"

#include "unit.h"

static void test_defaults(void **state unused_)
{
    cleanup_(config_freep) Config *config = NULL;

    assert_int_equal(config_new(&config), 0);
    assert_int_equal(config->source_count, 0);
    assert_null(config->sources);
    assert_null(config->source_dirs);
    assert_int_equal(config->net.acquisition_port, -1);
    assert_int_equal(config->selection.max_stratum, 15);
    assert_int_equal(config->clock.step_limit, 0);
    assert_int_equal(config->min_samples, 6);
    assert_int_equal(config->max_samples, 64);

    SourceConfig source = source_config_default(SOURCE_POOL, "pool.example.net");
    assert_string_equal(source.name, "pool.example.net");
    assert_string_equal(source.origin, "");
    assert_int_equal(source.port, 123);
    assert_int_equal(source.minpoll, 6);
    assert_int_equal(source.maxpoll, 10);
    assert_int_equal(source.max_sources, 4);
}

static void test_copy_shares_nothing(void **state unused_)
{
    cleanup_(config_freep) Config *config = NULL, *copy = NULL;

    assert_int_equal(config_new(&config), 0);
    for (int i = 0; i < 9; i++) {
        SourceConfig source = source_config_default(SOURCE_SERVER, "192.0.2.1");

        source.port = (uint16_t) (1000 + i);
        assert_int_equal(config_add_source(config, &source), 0);
    }
    assert_int_equal(strings_add(&config->source_dirs, "/a"), 0);
    assert_int_equal(strings_add(&config->source_dirs, "/b"), 0);
    assert_int_equal(config_set_string(&config->daemon.drift_file, "/drift"), 0);
    config->clock.log_change = 0.25;

    assert_int_equal(config_copy(config, &copy), 0);
    config = config_free(config);

    assert_int_equal(copy->source_count, 9);
    for (int i = 0; i < 9; i++)
        assert_int_equal(copy->sources[i].port, 1000 + i);
    assert_string_equal(copy->source_dirs[0], "/a");
    assert_string_equal(copy->source_dirs[1], "/b");
    assert_null(copy->source_dirs[2]);
    assert_string_equal(copy->daemon.drift_file, "/drift");
    assert_true(copy->clock.log_change > 0.24 && copy->clock.log_change < 0.26);

    assert_int_equal(config_set_string(&copy->daemon.drift_file, NULL), 0);
    assert_null(copy->daemon.drift_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_copy_shares_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
