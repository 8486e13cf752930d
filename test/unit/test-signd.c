// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
/* Asking ntp_signd, which the test itself plays on a socket in a folder of its own. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "net/signd.h"
#include "unit.h"

/* Until something is waited for in vain, ns. */
#define WAIT_MAX (INT64_C(10) * NSEC_PER_SEC)

static char folder[] = "/tmp/timeball-signd-XXXXXX";
static char path[sizeof folder + 10];
static sd_event *event;
static Signd *signd;
static int listening = -1, samba = -1; /* its socket, and its connection with us */
static unsigned signed_count, troubles, recoveries;
static int last_fd;
static uint8_t last_signed[MS_SNTP_SIZE];

static void on_signed(void *userdata, const AnswerWay *way, const uint8_t answer[static MS_SNTP_SIZE])
{
    (void) userdata;
    signed_count++;
    last_fd = way->fd;
    memcpy(last_signed, answer, MS_SNTP_SIZE);
}

static void on_state(void *userdata, const char *problem)
{
    (void) userdata;
    if (problem)
        troubles++;
    else
        recoveries++;
}

static void samba_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void) unlink(path);
    memcpy(address.sun_path, path, sizeof path);
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(listening >= 0);
    assert_int_equal(bind(listening, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(listen(listening, 5), 0);
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void samba_ends(void)
{
    close_one(&samba);
    close_one(&listening);
    (void) unlink(path);
}

static Signd *new_signd(uint64_t patience)
{
    const SigndSetup setup = {.event = event,
                              .directory = folder,
                              .patience = patience,
                              .on_signed = on_signed,
                              .on_state = on_state};
    Signd *new;

    assert_int_equal(signd_new(&setup, &new), 0);
    return new;
}

static int setup(void **state)
{
    (void) state;
    signed_count = troubles = recoveries = 0;
    assert_true(sd_event_new(&event) >= 0);
    samba_listen();
    signd = new_signd(60000000);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    samba_ends();
    signd = signd_free(signd);
    event = sd_event_unref(event);
    return 0;
}

static int make_folder(void **state)
{
    (void) state;
    if (!mkdtemp(folder))
        return -1;
    (void) snprintf(path, sizeof path, "%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void) state;
    return rmdir(folder);
}

/* Answer number i, for fd i. */
static void ask(uint8_t i)
{
    const MsSntpAnswer answer = {.key = {i, 1}, .bytes = {[47] = i}};
    const AnswerWay way = {.fd = i};

    signd_ask(signd, &answer, &way);
}

static int64_t now(void)
{
    struct timespec time;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &time), 0);
    return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

/* Runs the loop until the counter is not less. */
static void run_until(const unsigned *counter, unsigned value)
{
    int64_t end = now() + WAIT_MAX;

    while (*counter < value) {
        assert_true(now() < end);
        assert_true(sd_event_run(event, 10000) >= 0);
    }
}

/* Runs the loop for all that is there already. */
static void run_dry(void)
{
    while (sd_event_run(event, 0) > 0)
        ;
}

/* Reads the question that is asked next; false: there is none, or the connection has ended. */
static bool samba_reads(uint8_t ret[static SIGND_QUESTION_SIZE])
{
    run_dry();
    if (samba < 0)
        samba = accept(listening, NULL, NULL);
    assert_true(samba >= 0);
    ssize_t length = recv(samba, ret, SIGND_QUESTION_SIZE, MSG_DONTWAIT);
    assert_true(length <= 0 || length == SIGND_QUESTION_SIZE);
    return length > 0;
}

static void reply_to(const uint8_t question[static SIGND_QUESTION_SIZE], uint8_t ret[static SIGND_REPLY_SIZE])
{
    static const uint8_t head[12] = {0, 0, 0, 80, [11] = 3};

    memcpy(ret, head, sizeof head);
    memset(ret + 12, 0, 2);
    memcpy(ret + 14, question + 12, 2);
    memcpy(ret + 16, question + 20, 48);
    memcpy(ret + 64, question + 16, 4);
    memset(ret + 68, 0xd1, MS_SNTP_DIGEST_SIZE);
}

static void samba_signs(void)
{
    uint8_t question[SIGND_QUESTION_SIZE], reply[SIGND_REPLY_SIZE];

    assert_true(samba_reads(question));
    reply_to(question, reply);
    assert_int_equal(send(samba, reply, sizeof reply, MSG_NOSIGNAL), sizeof reply);
}

/* One after another, in their order, each by its own way; what has no room is lost. */
static void test_queue(void **state)
{
    uint8_t question[SIGND_QUESTION_SIZE];

    (void) state;
    for (uint8_t i = 1; i <= SIGND_QUEUE_MAX + 3; i++)
        ask(i);
    assert_int_equal(troubles, 1); /* that there are too many, once */
    for (unsigned i = 1; i <= SIGND_QUEUE_MAX; i++) {
        samba_signs();
        run_until(&signed_count, i);
        assert_int_equal(last_fd, i);
        assert_int_equal(last_signed[47], i);
        assert_int_equal(last_signed[48], i);
        assert_int_equal(last_signed[67], 0xd1);
    }
    assert_false(samba_reads(question));
    ask(99);
    samba_signs();
    run_until(&signed_count, SIGND_QUEUE_MAX + 1);
    assert_int_equal(last_fd, 99);
    assert_int_equal(troubles, 1);
    assert_int_equal(recoveries, 0);
}

/* One byte at a time. */
static void test_pieces(void **state)
{
    uint8_t question[SIGND_QUESTION_SIZE], reply[SIGND_REPLY_SIZE];

    (void) state;
    ask(1);
    assert_true(samba_reads(question));
    reply_to(question, reply);
    for (size_t i = 0; i < sizeof reply; i++) {
        assert_int_equal(signed_count, 0);
        assert_int_equal(send(samba, reply + i, 1, MSG_NOSIGNAL), 1);
        run_dry();
    }
    run_until(&signed_count, 1);
}

/* An account that it does not know costs one answer. */
static void test_refusal(void **state)
{
    uint8_t question[SIGND_QUESTION_SIZE], refusal[16] = {[3] = 12, [11] = 4};

    (void) state;
    ask(1);
    ask(2);
    assert_true(samba_reads(question));
    memcpy(refusal + 14, question + 12, 2);
    assert_int_equal(send(samba, refusal, sizeof refusal, MSG_NOSIGNAL), sizeof refusal);
    samba_signs();
    run_until(&signed_count, 1);
    assert_int_equal(last_fd, 2);
    assert_int_equal(troubles, 0);
}

/* What was with it is lost, is told once, and the next answer finds it when it is back. */
static void comes_back(void)
{
    unsigned before = signed_count;

    close_one(&samba);
    assert_int_equal(troubles, 1);
    assert_int_equal(recoveries, 0);
    ask(50);
    samba_signs();
    run_until(&signed_count, before + 1);
    assert_int_equal(last_fd, 50);
    assert_int_equal(troubles, 1);
    assert_int_equal(recoveries, 1);
}

static void test_absent(void **state)
{
    (void) state;
    samba_ends();
    for (uint8_t i = 0; i < 100; i++)
        ask(i);
    run_dry();
    assert_int_equal(troubles, 1);
    samba_listen();
    comes_back();
}

static void test_dies(void **state)
{
    uint8_t question[SIGND_QUESTION_SIZE];

    (void) state;
    for (uint8_t i = 0; i < 5; i++)
        ask(i);
    assert_true(samba_reads(question));
    samba_ends();
    run_until(&troubles, 1);
    ask(6); /* nobody there */
    samba_listen();
    comes_back();
    assert_int_equal(signed_count, 1);
}

/* It is restarted while nobody wants anything: nothing to tell. */
static void test_restarted_idle(void **state)
{
    (void) state;
    ask(1);
    samba_signs();
    run_until(&signed_count, 1);
    samba_ends();
    samba_listen();
    run_dry();
    ask(2);
    samba_signs();
    run_until(&signed_count, 2);
    assert_int_equal(troubles + recoveries, 0);
}

static void test_hangs(void **state)
{
    uint8_t question[SIGND_QUESTION_SIZE];

    (void) state;
    signd_free(signd);
    signd = new_signd(50000);
    ask(1);
    ask(2);
    assert_true(samba_reads(question));
    run_until(&troubles, 1);
    signd_free(signd);
    assert_int_equal(signed_count, 0);

    /* With more patience than a busy machine needs, from here on. */
    close_one(&samba);
    troubles = 0;
    signd = new_signd(60000000);
    ask(3);
    samba_signs();
    run_until(&signed_count, 1);
    assert_int_equal(last_fd, 3);
}

static void test_rubbish(void **state)
{
    uint8_t question[SIGND_QUESTION_SIZE], reply[SIGND_REPLY_SIZE];

    (void) state;
    ask(1);
    assert_true(samba_reads(question));
    reply_to(question, reply);
    reply[16 + 40] ^= 1; /* another time than ours */
    assert_int_equal(send(samba, reply, sizeof reply, MSG_NOSIGNAL), sizeof reply);
    run_until(&troubles, 1);
    assert_int_equal(signed_count, 0);
    comes_back();
}

/* It speaks without being asked. */
static void test_unasked(void **state)
{
    (void) state;
    ask(1);
    samba_signs();
    run_until(&signed_count, 1);
    assert_int_equal(send(samba, "hello", 5, MSG_NOSIGNAL), 5);
    run_dry();
    close_one(&samba);
    ask(2);
    samba_signs();
    run_until(&signed_count, 2);
    assert_int_equal(troubles, 0);
}

/* The sockets by which the answers would leave are closed. */
static void test_forget(void **state)
{
    uint8_t question[SIGND_QUESTION_SIZE], reply[SIGND_REPLY_SIZE];

    (void) state;
    ask(1);
    ask(2);
    assert_true(samba_reads(question));
    signd_forget(signd);
    reply_to(question, reply);
    (void) send(samba, reply, sizeof reply, MSG_NOSIGNAL);
    run_dry();
    assert_int_equal(signed_count, 0);
    close_one(&samba);
    ask(3);
    samba_signs();
    run_until(&signed_count, 1);
    assert_int_equal(last_fd, 3);
    assert_int_equal(troubles, 0);
}

static void test_long_path(void **state)
{
    char directory[120];
    const SigndSetup wrong = {.event = event, .directory = directory};
    Signd *none = NULL;

    (void) state;
    memset(directory, 'd', sizeof directory);
    directory[0] = '/';
    directory[sizeof directory - 1] = '\0';
    assert_int_equal(signd_new(&wrong, &none), -ENAMETOOLONG);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restarted_idle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hangs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rubbish, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unasked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_path, setup, teardown),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
