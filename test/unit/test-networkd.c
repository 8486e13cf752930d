// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Files as systemd-networkd writes them, in a folder of our own. The one interface that every machine has is
 * lo, number 1. */

#include "networkd.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "unit.h"

#define PATIENCE 15 /* s */

#define CONFIGURED "ADMIN_STATE=configured\nOPER_STATE=routable\nCARRIER_STATE=carrier\nONLINE_STATE=online\n"

static char folder[] = "/tmp/test-networkd-XXXXXX";
static sd_event *event;
static Networkd *networkd;
static char history[4096]; /* what was told, in words */
static Text told;
static unsigned network_changes;

static void on_offered(void *userdata, const OfferedServers *offered)
{
    (void) userdata;
    assert_int_equal(offered->provider, OFFER_NETWORKD);
    text_append_format(&told, "%s=%s;", offered->interface, offered->servers);
}

static void on_provider(void *userdata, OfferProvider provider, bool complete)
{
    (void) userdata;
    assert_int_equal(provider, OFFER_NETWORKD);
    text_append(&told, complete ? "complete;" : "gone;");
}

static void on_network_changed(void *userdata)
{
    (void) userdata;
    network_changes++;
}

static const char *in(const char *name)
{
    static char paths[2][128];
    static unsigned turn;
    char *path = paths[turn++ % ELEMENTS(paths)];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* As networkd does it: beside, and renamed. */
static void write_file(const char *name, const char *content, size_t length)
{
    FILE *file = fopen(in("links/.new"), "we");

    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(in("links/.new"), in(name)), 0);
}

static void write_link(const char *name, const char *content)
{
    write_file(name, content, strlen(content));
}

static void make_folders(void)
{
    assert_int_equal(mkdir(in("netif"), 0755), 0);
    assert_int_equal(mkdir(in("netif/links"), 0755), 0);
}

static int setup(void **state)
{
    static const NetworkdHandlers handlers = {.on_offered = on_offered,
                                              .on_provider = on_provider,
                                              .on_network_changed = on_network_changed};

    (void) state;
    told = TEXT(history);
    network_changes = 0;
    snprintf(folder, sizeof folder, "/tmp/test-networkd-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(mkdir(in("links"), 0755), 0); /* for files that are being written */
    assert_int_equal(sd_event_new(&event), 0);
    assert_int_equal(networkd_new(event, in("netif"), &handlers, NULL, &networkd), 0);
    return 0;
}

static int teardown(void **state)
{
    char command[100];

    (void) state;
    networkd = networkd_free(networkd);
    event = sd_event_unref(event);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void expect_told(const char *what)
{
    time_t end = time(NULL) + PATIENCE;

    while (!text_equal(history, what) && time(NULL) < end)
        assert_true(sd_event_run(event, 100000) >= 0);
    assert_string_equal(history, what);
    told = TEXT(history);
}

/* Longer than it waits for files to come to rest. */
static void expect_silence(void)
{
    while (sd_event_run(event, 700000) > 0)
        ;
    assert_string_equal(history, "");
}

static void test_comes_and_goes(void **state)
{
    (void) state;
    expect_silence();
    make_folders();
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.1 ntp.example\nDNS=192.0.2.53\n");
    expect_told("lo=192.0.2.1 ntp.example;complete;");
    assert_int_equal(network_changes, 1);
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.2\n");
    expect_told("lo=192.0.2.2;");
    assert_int_equal(network_changes, 1);
    write_link("netif/links/1", CONFIGURED);
    expect_told("lo=;");
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.3\n");
    expect_told("lo=192.0.2.3;");
    write_link("netif/links/1", CONFIGURED);
    expect_told("lo=;");
    assert_int_equal(unlink(in("netif/links/1")), 0);
    for (time_t end = time(NULL) + PATIENCE; network_changes < 2 && time(NULL) < end;)
        assert_true(sd_event_run(event, 100000) >= 0);
    assert_int_equal(network_changes, 2);
}

static void test_states(void **state)
{
    (void) state;
    make_folders();
    write_link("netif/links/1", CONFIGURED);
    write_link("netif/state", "OPER_STATE=routable\n");
    expect_told("complete;");
    unsigned before = network_changes;
    write_link("netif/links/1", "ADMIN_STATE=configured\nOPER_STATE=no-carrier\n");
    for (time_t end = time(NULL) + PATIENCE; network_changes == before && time(NULL) < end;)
        assert_true(sd_event_run(event, 100000) >= 0);
    assert_int_equal(network_changes, before + 1);
    write_link("netif/state", "OPER_STATE=off\n");
    for (time_t end = time(NULL) + PATIENCE; network_changes == before + 1 && time(NULL) < end;)
        assert_true(sd_event_run(event, 100000) >= 0);
    assert_int_equal(network_changes, before + 2);
    write_link("netif/state", "# told anew\nOPER_STATE=off\nDNS=192.0.2.53\n");
    expect_silence();
    assert_int_equal(network_changes, before + 2);
}

/* An interface is set up anew, which is not the end of its lease; without a carrier it is. */
static void test_started_again(void **state)
{
    (void) state;
    make_folders();
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.1\n");
    expect_told("lo=192.0.2.1;complete;");
    write_link("netif/links/1", "ADMIN_STATE=configuring\nCARRIER_STATE=carrier\n");
    expect_told("lo=192.0.2.1;");
    write_link("netif/links/1", "ADMIN_STATE=pending\nCARRIER_STATE=carrier\n");
    expect_told("lo=192.0.2.1;");
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.2\n");
    expect_told("lo=192.0.2.2;");
    write_link("netif/links/1", "ADMIN_STATE=configuring\nCARRIER_STATE=no-carrier\n");
    expect_told("lo=;");
    /* It was ended: its files go. Afterwards it may know of no servers. */
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.3\n");
    expect_told("lo=192.0.2.3;");
    assert_int_equal(unlink(in("netif/links/1")), 0);
    expect_told("lo=192.0.2.3;");
    write_link("netif/links/1", "ADMIN_STATE=pending\nCARRIER_STATE=carrier\n");
    expect_told("lo=192.0.2.3;");
    write_link("netif/links/1", CONFIGURED);
    expect_told("lo=;");
    /* What was never offered is not held. */
    write_link("netif/links/1", "ADMIN_STATE=configuring\nCARRIER_STATE=carrier\n");
    expect_silence();
}

static void test_vanishes(void **state)
{
    (void) state;
    make_folders();
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.1\n");
    expect_told("lo=192.0.2.1;complete;");
    assert_int_equal(rename(in("netif"), in("away")), 0);
    expect_told("gone;");
    assert_int_equal(rename(in("away"), in("netif")), 0);
    expect_told("lo=192.0.2.1;complete;");
}

/* What is no file of networkd's, or of no interface, costs nothing. */
static void test_strange_files(void **state)
{
    static char large[100000];

    (void) state;
    make_folders();
    write_link("netif/links/1", CONFIGURED "NTP=192.0.2.1\n");
    expect_told("lo=192.0.2.1;complete;");
    write_link("netif/links/7654321", CONFIGURED "NTP=192.0.2.9\n");
    write_link("netif/links/01x", CONFIGURED "NTP=192.0.2.9\n");
    write_link("netif/links/-1", CONFIGURED "NTP=192.0.2.9\n");
    write_link("netif/links/99999999999999999999", CONFIGURED "NTP=192.0.2.9\n");
    expect_told("lo=192.0.2.1;");

    memset(large, 'a', sizeof large);
    memcpy(large, "NTP=192.0.2.9\n", 14);
    write_file("netif/links/1", large, sizeof large);
    expect_told("lo=;");
    write_file("netif/links/1", "NTP=192.0.2.9\n\0", 15);
    expect_silence();
    assert_int_equal(unlink(in("netif/links/1")), 0);
    assert_int_equal(mkfifo(in("netif/links/1"), 0666), 0);
    expect_silence();
    assert_int_equal(unlink(in("netif/links/1")), 0);
    assert_int_equal(symlink("1", in("netif/links/1")), 0);
    expect_silence();
    assert_int_equal(unlink(in("netif/links/1")), 0);
    /* The engine looks at the words; no line can begin another one. */
    write_link("netif/links/1", "XNTP=192.0.2.8\nNTP\n=NTP=x\nNTP=a;b $(c)\\012d\nNTP=192.0.2.9");
    expect_told("lo=a;b $(c)\\012d;");
    write_link("netif/links/1", "NTP=192.0.2.9");
    expect_told("lo=192.0.2.9;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_comes_and_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_states, setup, teardown),
        cmocka_unit_test_setup_teardown(test_started_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_vanishes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strange_files, setup, teardown),
    };

    return cmocka_run_group_tests_name("networkd", tests, NULL, NULL);
}
