// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "event-log.h"
#include "unit.h"

#define NAME "ntp.example.net"
#define IPV4(n)                                                                                              \
    {                                                                                                        \
        .family = IP_V4, .bytes = { 192, 0, 2, n }                                                           \
    }
#define FILENAME "/var/lib/timeball/drift"

/* The texts that people's rules look for, as chrony words them. */
static void test_texts(void **state)
{
    static const struct {
        Event event;
        const char *expected; /* "": not for the log */
    } rows[] = {
        {{EVENT_SELECTED, .name = NAME, .address = IPV4(1)}, "Selected source 192.0.2.1 (" NAME ")"},
        {{EVENT_SELECTED, .name = "192.0.2.1", .address = IPV4(1)}, "Selected source 192.0.2.1"},
        {{EVENT_SELECTION_FAILED, .reason = CLOCK_NO_SELECTABLE}, "Can't synchronise: no selectable sources"},
        {{EVENT_SELECTION_FAILED, .reason = CLOCK_NO_RESPONSE}, "Can't synchronise: no selectable sources"},
        {{EVENT_SELECTION_FAILED, .reason = CLOCK_STARTING}, ""},
        {{EVENT_SELECTION_FAILED, .reason = CLOCK_NO_MAJORITY, .agreeing = 2, .candidates = 4},
         "Can't synchronise: no majority (only 2 of 4 sources agree)"},
        {{EVENT_SELECTION_FAILED, .reason = CLOCK_NO_MAJORITY, .candidates = 4},
         "Can't synchronise: no majority (no agreement among 4 sources)"},
        {{EVENT_TIME_CONFIRMED, .agreeing = 3},
         "The clock did not fit the dates of certificates: 3 sources confirm another time"},
        {{EVENT_STAMP_OVERRULED, .value = 86400},
         "The time that was known once is 86400 seconds later than what most authenticated sources say: it "
         "is given up"},
        {{EVENT_OFFER_REFUSED, .name = "a;b", .interface = "eth0", .origin = ORIGIN_NETWORKD, .count = 1,
          .refusal = OFFER_NO_NAME},
         "Refused 1 of the servers that the network offers on eth0 (networkd), \"a;b\": It is neither a name "
         "nor an address"},
        {{EVENT_OFFER_REFUSED, .name = "a.example", .interface = "eth0", .origin = ORIGIN_NETWORK_MANAGER,
          .count = 992, .refusal = OFFER_TOO_MANY},
         "Refused 992 of the servers that the network offers on eth0 (networkmanager), \"a.example\" and "
         "others: There are too many"},
        {{EVENT_PORTAL},
         "The network is behind a captive portal: names are looked up again when it is passed, and no keys "
         "(NTS) are established before"},
        {{EVENT_PORTAL_PASSED}, "The captive portal is passed"},
        {{EVENT_PORTAL_PASSED, .count = 1},
         "The captive portal is passed: 1 source is forgotten and looked up again"},
        {{EVENT_PORTAL_PASSED, .count = 4},
         "The captive portal is passed: 4 sources are forgotten and looked up again"},
        {{EVENT_METERED}, "The network is metered: sources are polled at their maxpoll"},
        {{EVENT_UNMETERED}, "The network is not metered any more"},
        {{EVENT_STATE_CHANGED, .name = NAME, .address = IPV4(4), .state = STATE_CONTRADICTORY},
         "Time of 192.0.2.4 (" NAME ") is outside the dates of its own certificates"},
        {{EVENT_STATE_CHANGED, .name = NAME, .address = IPV4(4), .state = STATE_UNCONFIRMED, .value = 1,
          .limit = 2},
         "Not trusting 192.0.2.4 (" NAME
         "): the clock does not fit the dates of its certificates, and 1 of at "
         "least 2 sources confirm its time"},
        {{EVENT_STATE_CHANGED, .name = NAME, .address = IPV4(4), .state = STATE_FALSETICKER},
         "Detected falseticker 192.0.2.4 (" NAME ")"},
        {{EVENT_STATE_CHANGED, .name = NAME, .state = STATE_TOO_DISTANT, .value = 4, .limit = 3},
         "Root distance of " NAME " exceeds maxdistance of 3.000 seconds"},
        {{EVENT_STATE_CHANGED, .name = NAME, .state = STATE_JITTERY, .value = 4, .limit = 1},
         "Jitter of " NAME " exceeds maxjitter of 1.000 seconds"},
        {{EVENT_STATE_CHANGED, .name = NAME, .state = STATE_BAD_STRATUM, .value = 1, .limit = 2},
         "Stratum of " NAME " below minstratum of 2"},
        {{EVENT_STATE_CHANGED, .name = NAME, .state = STATE_BAD_STRATUM, .value = 9, .limit = 5},
         "Stratum of " NAME " above maxstratum of 5"},
        {{EVENT_STATE_CHANGED, .name = NAME, .state = STATE_COMBINED}, ""},
        {{EVENT_SOURCE_ADDED, .name = NAME}, "Added source " NAME},
        {{EVENT_SOURCE_REMOVED, .name = NAME, .address = IPV4(1)}, "Removed source 192.0.2.1 (" NAME ")"},
        {{EVENT_SOURCE_REPLACED, .name = NAME, .address = IPV4(2), .previous = IPV4(1)},
         "Source 192.0.2.1 replaced with 192.0.2.2 (" NAME ")"},
        {{EVENT_SOURCE_RESOLVED, .name = NAME, .address = IPV4(2), .previous = IPV4(1)},
         "Source 192.0.2.1 changed to 192.0.2.2 (" NAME ")"},
        {{EVENT_SOURCE_RESOLVED, .name = NAME, .address = IPV4(2)}, ""},
        {{EVENT_SOURCE_ONLINE, .name = NAME}, "Source " NAME " online"},
        {{EVENT_SOURCE_OFFLINE, .name = NAME, .offline = OFFLINE_BY_HAND}, "Source " NAME " offline"},
        {{EVENT_SOURCE_OFFLINE, .name = NAME, .address = IPV4(1), .offline = OFFLINE_NO_WAY,
          .error = ENETUNREACH},
         "Source 192.0.2.1 (" NAME ") offline: there is no route to it (Network is unreachable)"},
        {{EVENT_SOURCE_OFFLINE, .name = NAME, .offline = OFFLINE_SEND_FAILED, .error = EPERM},
         "Source " NAME " offline: a request to it could not be sent (Operation not permitted)"},
        {{EVENT_SOURCE_NOT_ADDED, .name = NAME, .result = COMMAND_EXISTS},
         "Could not add source " NAME " : in use"},
        {{EVENT_SOURCE_CHANGED, .name = NAME}, ""},
        {{EVENT_KEYS_ESTABLISHED, .name = NAME, .address = IPV4(1), .validity = {1, 2}},
         "Established keys (NTS) of source 192.0.2.1 (" NAME ")"},
        {{EVENT_KEYS_RESTORED, .name = NAME}, "Restored keys (NTS) of source " NAME},
        {{EVENT_KEYS_FAILED, .name = NAME, .failure = NTS_TIMEOUT, .validity = {1, 2}},
         "Could not establish keys (NTS) of source " NAME ": no answer from the key establishment port; a "
         "firewall may block TCP there"},
        {{EVENT_KEYS_FAILED, .name = NAME, .failure = NTS_CERT_EXPIRED, .validity = {1772323200, 1774999999}},
         "Could not establish keys (NTS) of source " NAME ": the certificate has expired; the server needs a "
         "new one (valid from 2026-03-01 to 2026-03-31)"},
        {{EVENT_RESOLVE_BOGUS, .name = NAME},
         "DNSSEC refuses what " NAME " is said to mean, will be tried again"},
        {{EVENT_KISS_RATE, .name = NAME, .address = IPV4(1)}, "Received KoD RATE from 192.0.2.1 (" NAME ")"},
        {{EVENT_CLOCK_WRONG, .value = -1.5}, "System clock wrong by -1.500000 seconds"},
        {{EVENT_STEPPED, .value = 86400.25}, "System clock was stepped by 86400.250000 seconds"},
        {{EVENT_STEP_FAILED}, "Could not step system clock"},
        {{EVENT_INITIAL_OFFSET, .value = 0.25}, "System clock wrong by 0.250000 seconds (ignored)"},
        {{EVENT_INITIAL_OFFSET, .value = 0.25, .stepped = true},
         "System clock wrong by 0.250000 seconds (step)"},
        {{EVENT_INITSTEPSLEW, .value = -12.25, .stepped = true},
         "System's initial offset : 12.250000 seconds fast of true (step)"},
        {{EVENT_INITSTEPSLEW, .value = 0.5},
         "System's initial offset : 0.500000 seconds slow of true (slew)"},
        {{EVENT_NO_INITSTEPSLEW}, "No suitable source for initstepslew"},
        {{EVENT_CHANGE_REFUSED, .value = 2000, .limit = 1000},
         "Adjustment of 2000.000 seconds exceeds the allowed maximum of 1000.000 seconds (ignored)"},
        {{EVENT_CHANGE_REFUSED, .value = 2000, .limit = 1000, .fatal = true},
         "Adjustment of 2000.000 seconds exceeds the allowed maximum of 1000.000 seconds (exiting)"},
        {{EVENT_DISRUPTED, .reason = CLOCK_DISRUPTED, .value = 11}, "Forward time jump detected!"},
        {{EVENT_DISRUPTED, .reason = CLOCK_DISRUPTED, .value = -11}, "Backward time jump detected!"},
        {{EVENT_DISRUPTED, .reason = CLOCK_SLEPT, .value = 36000},
         "The machine has slept for 36000.0 seconds"},
        {{EVENT_DISRUPTED, .reason = CLOCK_RESTORED},
         "The machine was restored from a snapshot, or moved to another host"},
        {{EVENT_DRIFT_LOADED, .value = 12.5e-6, .limit = 0.1e-6},
         "Frequency -12.500 +/- 0.100 ppm read from " FILENAME},
        {{EVENT_KEY_MISSING, .name = NAME, .address = IPV4(1), .key = UINT32_MAX},
         "Key 4294967295 is missing: not asking source 192.0.2.1 (" NAME ")"},
        {{EVENT_KEY_WEAK, .name = NAME, .key = 7, .value = 72},
         "Key 7 is too short, it has 72 bits: used by source " NAME},
        {{EVENT_CLOCK_UPDATED}, ""},
    };

    (void) state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char buffer[512];
        Text text = TEXT(buffer);
        assert_int_equal(event_text(&rows[i].event, FILENAME, &text), rows[i].expected[0] != '\0');
        assert_string_equal(text.data, rows[i].expected);
    }
}

/* Every id is a well-formed one, none stands twice, and the catalog explains each (systemd's own explains the
 * one that is systemd's). */
static void test_message_ids(void **state)
{
    static const char systemd_time_sync[] = "7c8a41f37b764941a0e1780b1be2f037";
    static char catalog[20000];
    const char *root = getenv("SOURCE_ROOT");
    char path[PATH_MAX];
    unsigned logged = 0;

    (void) state;
    if (!root)
        skip(); /* not started by meson */
    snprintf(path, sizeof path, "%s/data/timeball.catalog", root);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t length = read(fd, catalog, sizeof catalog - 1);
    close(fd);
    assert_true(length > 0 && length < (ssize_t) sizeof catalog - 1);

    for (EventKind a = 0; a < EVENT_KIND_COUNT; a++) {
        const char *id = event_message_id(a);
        if (!id)
            continue;
        logged++;
        assert_int_equal(strlen(id), 32);
        for (size_t i = 0; i < 32; i++)
            assert_true(isdigit((unsigned char) id[i]) || (id[i] >= 'a' && id[i] <= 'f'));
        for (EventKind b = 0; b < a; b++)
            assert_true(!event_message_id(b) || strcmp(id, event_message_id(b)) != 0);
        if (strcmp(id, systemd_time_sync) != 0 && !strstr(catalog, id))
            fail_msg("%s is not in the catalog", event_name(a));
    }
    assert_true(logged > 20);
}

static void test_hostile_name(void **state)
{
    char path[] = "/tmp/timeball-test-log-XXXXXX", content[300] = "";
    const Event event = {EVENT_SELECTED, .name = "evil\nFatal error : all is lost\x1b[2J"};
    Journal *journal = NULL;

    (void) state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(journal_new("test", path, false, LOG_LEVEL_INFO, &journal), 0);
    event_log(journal, &event, NULL);
    journal_print(journal, LOG_LEVEL_DEBUG, "not severe enough");
    journal_print(journal, LOG_LEVEL_FATAL, "last %d", 1);
    journal_free(journal);
    assert_true(read(fd, content, sizeof content - 1) > 0);
    close(fd);
    (void) unlink(path);

    /* "YYYY-MM-DDTHH:MM:SSZ " and one line for each message. */
    assert_int_equal(content[10], 'T');
    assert_memory_equal(content + 19, "Z Selected source evil Fatal error : all is lost [2J\n", 53);
    char *second = strchr(content, '\n') + 1;
    assert_string_equal(second + 19, "Z Fatal error : last 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_message_ids),
        cmocka_unit_test(test_hostile_name),
    };

    return cmocka_run_group_tests_name("event-log", tests, NULL, NULL);
}
