// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* What a thread of ours may do, beside what the thread that starts it may. */

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/thread.h"
#include "unit.h"

typedef struct Rights {
    uint64_t permitted, effective, blocked;
} Rights;

/* Of the calling thread, as the kernel shows them. */
static Rights read_rights(void)
{
    FILE *file = fopen("/proc/thread-self/status", "re");
    Rights rights = {};
    char line[256];

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char *value = strchr(line, '\t');
        if (!value)
            continue;
        uint64_t number = strtoull(value, NULL, 16);
        if (strncmp(line, "CapPrm:", 7) == 0)
            rights.permitted = number;
        else if (strncmp(line, "CapEff:", 7) == 0)
            rights.effective = number;
        else if (strncmp(line, "SigBlk:", 7) == 0)
            rights.blocked = number;
    }
    fclose(file);
    return rights;
}

static void *note_rights(void *userdata)
{
    *(Rights *) userdata = read_rights();
    return userdata;
}

static void test_rights(void **state)
{
    Rights before = read_rights(), inside = {}, after;
    const ThreadSetup setup = {"test", 128 * 1024, note_rights, &inside};
    pthread_t thread;
    void *ret;

    (void) state;
    /* Who may do nothing may do everything in a name space of his own, where that is allowed. */
    if (before.permitted == 0 && unshare(CLONE_NEWUSER) == 0)
        before = read_rights();
    if (before.permitted == 0)
        skip();
    inside.permitted = inside.effective = UINT64_MAX;
    assert_int_equal(thread_start(&setup, &thread), 0);
    assert_int_equal(pthread_join(thread, &ret), 0);
    assert_ptr_equal(ret, &inside);
    assert_int_equal(inside.permitted, 0);
    assert_int_equal(inside.effective, 0);

    after = read_rights();
    assert_int_equal(after.permitted, before.permitted);
    assert_int_equal(after.effective, before.effective);
}

/* All that can be blocked: the event loop hears them. */
static void test_signals(void **state)
{
    Rights before = read_rights(), inside = {}, after;
    const ThreadSetup setup = {"test", 128 * 1024, note_rights, &inside};
    pthread_t thread;

    (void) state;
    assert_int_equal(thread_start(&setup, &thread), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int number = 1; number < SIGRTMAX; number++) {
        bool is_libcs = number >= 32 && number < SIGRTMIN;
        if (number != SIGKILL && number != SIGSTOP && !is_libcs)
            assert_true(inside.blocked >> (number - 1) & 1);
    }
    after = read_rights();
    assert_int_equal(after.blocked, before.blocked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_signals),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
