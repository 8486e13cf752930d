// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors

/* A call that needs authorization goes through here twice. The first time a check is made: polkit is asked
 * about the caller's unique name (never a process id, which another process may have a moment later), and the
 * handler returns without reply. When polkit has answered, the message is rewound and put into the read queue
 * again: it is dispatched from the start, so that objects are looked up and arguments are read anew, and no
 * pointer of the first run survives (CVE-2020-1712). The second time the handler finds the answer.
 *
 * A caller who leaves the bus takes his check with him; polkit is told, so that a dialog goes away too.
 * Without an answer from polkit (absent, killed, confused) only root passes, and who is root is asked of the
 * bus driver; no answer there is no. */

#include "bus/polkit.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "bus/held-call.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

enum { ALLOW_USER_INTERACTION = 1 };

typedef struct Check {
    Polkit *polkit;
    HeldCall *call;
    const char *action;
    double size;           /* as polkit was told */
    sd_bus_slot *question; /* to polkit, then to the bus driver */
    bool asks_polkit;      /* question is polkit's */
    char cancel_id[24];
    Authorization answer; /* AUTHORIZATION_PENDING: none yet */
    struct Check *next;
} Check;

struct Polkit {
    sd_bus *connection; /* not owned: the owner of the connection owns us */
    HeldCalls calls;
    Check *checks;
    uint64_t last_cancel_id;
    sd_event_source *sweep; /* drops answers that nobody came for */
};

static void withdraw_question(Check *check)
{
    sd_bus_message *message = NULL;

    if (!check->question)
        return;
    check->question = sd_bus_slot_unref(check->question);
    if (!check->asks_polkit)
        return;
    /* What cannot be sent needs no withdrawal: polkit drops the questions of who leaves the bus. */
    if (sd_bus_message_new_method_call(check->polkit->connection, &message, POLKIT_NAME, POLKIT_PATH,
                                       POLKIT_INTERFACE, "CancelCheckAuthorization") >= 0 &&
        sd_bus_message_set_auto_start(message, false) >= 0 &&
        sd_bus_message_set_expect_reply(message, false) >= 0 &&
        sd_bus_message_append(message, "s", check->cancel_id) >= 0)
        (void) sd_bus_send(check->polkit->connection, message, NULL);
    sd_bus_message_unref(message);
}

static Check *check_free(Check *check)
{
    Check **link = &check->polkit->checks;

    while (*link && *link != check)
        link = &(*link)->next;
    if (*link)
        *link = check->next;
    withdraw_question(check);
    held_call_free(check->call);
    free(check);
    return NULL;
}

static void on_call_ended(void *userdata, HeldCallEnd end)
{
    Check *check = userdata;

    if (end == HELD_CALL_TOO_MANY && check->answer != AUTHORIZATION_PENDING)
        return; /* it waits no longer: it is on its way to be dispatched */
    if (end == HELD_CALL_TOO_MANY)
        (void) sd_bus_reply_method_errorf(held_call_message(check->call), SD_BUS_ERROR_LIMITS_EXCEEDED,
                                          "Too many calls of this user are waiting for authorization");
    check_free(check);
}

/* Has the message dispatched a second time. */
static void answer_check(Check *check, Authorization answer)
{
    sd_bus_message *message = held_call_message(check->call);

    check->question = sd_bus_slot_unref(check->question);
    check->answer = answer;
    if (sd_bus_message_rewind(message, true) < 0 ||
        sd_bus_enqueue_for_read(check->polkit->connection, message) < 0) {
        (void) sd_bus_reply_method_errorf(message, SD_BUS_ERROR_FAILED, "The call could not be resumed");
        check_free(check);
        return;
    }
    (void) sd_event_source_set_enabled(check->polkit->sweep, SD_EVENT_ONESHOT);
}

static int on_user_known(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    uint32_t uid;
    bool root =
        !sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "u", &uid) > 0 && uid == 0;

    answer_check(userdata, root ? AUTHORIZATION_GRANTED : AUTHORIZATION_DENIED);
    return 0;
}

/* The way without polkit. */
static void ask_who_calls(Check *check)
{
    check->question = sd_bus_slot_unref(check->question);
    check->asks_polkit = false;
    if (sd_bus_call_method_async(check->polkit->connection, &check->question, "org.freedesktop.DBus",
                                 "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                                 on_user_known, check, "s",
                                 sd_bus_message_get_sender(held_call_message(check->call))) < 0)
        answer_check(check, AUTHORIZATION_DENIED);
}

/* The caller said so in the header of the call; an argument could not be known to every method. */
static bool is_interactive(const Check *check)
{
    return sd_bus_message_get_allow_interactive_authorization(held_call_message(check->call)) > 0;
}

static int on_polkit_answer(sd_bus_message *reply, void *userdata, unused_ sd_bus_error *error)
{
    Check *check = userdata;
    int authorized, challenge;

    if (sd_bus_message_is_method_error(reply, NULL) ||
        sd_bus_message_enter_container(reply, 'r', "bba{ss}") <= 0 ||
        sd_bus_message_read(reply, "bb", &authorized, &challenge) <= 0)
        ask_who_calls(check);
    else if (authorized)
        answer_check(check, AUTHORIZATION_GRANTED);
    else
        answer_check(check,
                     challenge && !is_interactive(check) ? AUTHORIZATION_CHALLENGE : AUTHORIZATION_DENIED);
    return 0;
}

static int append_details(sd_bus_message *question, const PolkitDetail *details, size_t count)
{
    int r = sd_bus_message_open_container(question, 'a', "{ss}");

    for (size_t i = 0; i < count && r >= 0; i++)
        r = sd_bus_message_append(question, "{ss}", details[i].key, details[i].value);
    return r < 0 ? r : sd_bus_message_close_container(question);
}

static int ask_polkit(Check *check, const PolkitQuestion *asked)
{
    sd_bus_message *call = held_call_message(check->call);
    cleanup_(sd_bus_message_unrefp) sd_bus_message *question = NULL;
    int r;

    r = sd_bus_message_new_method_call(check->polkit->connection, &question, POLKIT_NAME, POLKIT_PATH,
                                       POLKIT_INTERFACE, "CheckAuthorization");
    if (r < 0)
        return r;
    r = sd_bus_message_append(question, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                              sd_bus_message_get_sender(call), check->action);
    if (r < 0)
        return r;
    r = append_details(question, asked->details, asked->detail_count);
    if (r < 0)
        return r;
    r = sd_bus_message_append(question, "us", is_interactive(check) ? (uint32_t) ALLOW_USER_INTERACTION : 0,
                              check->cancel_id);
    if (r < 0)
        return r;
    check->asks_polkit = true;
    /* No timeout: people may take their time to find a password, and the caller's patience is his own. */
    return sd_bus_call_async(check->polkit->connection, &check->question, question, on_polkit_answer, check,
                             UINT64_MAX);
}

static int check_new(Polkit *polkit, sd_bus_message *message, const PolkitQuestion *question, Check **ret)
{
    Check *check = calloc(1, sizeof(*check));

    if (!check)
        return -ENOMEM;
    *check = (Check) {.polkit = polkit,
                      .action = question->action,
                      .size = question->size,
                      .answer = AUTHORIZATION_PENDING,
                      .next = polkit->checks};
    snprintf(check->cancel_id, sizeof(check->cancel_id), "%" PRIu64, ++polkit->last_cancel_id);
    polkit->checks = check;
    int r = held_call_new(&polkit->calls, message, on_call_ended, check, &check->call);
    if (r < 0) {
        check_free(check);
        return r;
    }
    *ret = check;
    return 0;
}

static Check *find_check(Polkit *polkit, sd_bus_message *message)
{
    for (Check *check = polkit->checks; check; check = check->next)
        if (held_call_message(check->call) == message)
            return check;
    return NULL;
}

int polkit_check(Polkit *polkit, sd_bus_message *message, const PolkitQuestion *question, Authorization *ret,
                 double *ret_size)
{
    Check *check = find_check(polkit, message);

    if (check) {
        Authorization answer =
            strcmp(check->action, question->action) == 0 ? check->answer : AUTHORIZATION_DENIED;
        assert(answer != AUTHORIZATION_PENDING); /* nobody but answer_check() enqueues it */
        *ret_size = check->size;
        check_free(check);
        *ret = answer;
        return 0;
    }

    *ret_size = question->size;
    if (!held_calls_have_room(&polkit->calls, message)) {
        *ret = AUTHORIZATION_TOO_MANY;
        return 0;
    }
    int r = check_new(polkit, message, question, &check);
    if (r < 0)
        return r;
    r = ask_polkit(check, question);
    if (r < 0) {
        check_free(check);
        return r;
    }
    *ret = AUTHORIZATION_PENDING;
    return 0;
}

/* Runs after the read queue is empty: an answer that is still here belongs to a message that reached no
 * handler the second time, because its object is gone. */
static int on_sweep(unused_ sd_event_source *source, void *userdata)
{
    Polkit *polkit = userdata;

    for (Check *check = polkit->checks, *next; check; check = next) {
        next = check->next;
        if (check->answer != AUTHORIZATION_PENDING)
            check_free(check);
    }
    return 0;
}

int polkit_new(sd_bus *connection, Polkit **ret)
{
    cleanup_(polkit_freep) Polkit *polkit = calloc(1, sizeof(*polkit));

    if (!polkit)
        return -ENOMEM;
    polkit->connection = connection;
    int r = sd_event_add_defer(sd_bus_get_event(connection), &polkit->sweep, on_sweep, polkit);
    if (r < 0)
        return r;
    r = sd_event_source_set_enabled(polkit->sweep, SD_EVENT_OFF);
    if (r < 0)
        return r;
    r = sd_event_source_set_priority(polkit->sweep, SD_EVENT_PRIORITY_IDLE);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(polkit);
    return 0;
}

Polkit *polkit_free(Polkit *polkit)
{
    if (!polkit)
        return NULL;
    while (polkit->checks)
        check_free(polkit->checks);
    sd_event_source_disable_unref(polkit->sweep);
    free(polkit);
    return NULL;
}
