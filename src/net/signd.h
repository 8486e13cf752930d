// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Samba's ntp_signd, which signs answers for members of its domain: a socket in a directory, asked one
 * question at a time. It may be slow, absent or broken, which costs the answers that it was to sign and
 * nothing else. */

#include <systemd/sd-event.h>

#include "net/request-batch.h"

/* Answers that wait for their turn; there is no place for more. */
#define SIGND_QUEUE_MAX 16

typedef struct Signd Signd;

typedef struct SigndSetup {
    sd_event *event;       /* referenced */
    const char *directory; /* in which its socket is */
    uint64_t
        patience; /* us: a reply that takes longer is not waited for; 0: 2 s, after which no client waits */
    /* An answer is signed. */
    void (*on_signed)(void *userdata, const AnswerWay *way, const uint8_t signed_answer[static MS_SNTP_SIZE]);
    /* It does not work, and why; NULL: it does again. Told once for each change; that there is no room, once.
     */
    void (*on_state)(void *userdata, const char *problem);
    void *userdata;
} SigndSetup;

/* Nothing is connected before there is something to sign. -ENAMETOOLONG: no socket can be there. */
int signd_new(const SigndSetup *setup, Signd **ret) must_check_;
Signd *signd_free(Signd *signd);
DEFINE_CLEANUP(Signd, signd_free);

/* Asks for a signature. When there is no room, the answer is lost. */
void signd_ask(Signd *signd, const MsSntpAnswer *answer, const AnswerWay *way);

/* The ways are no more: nothing that waits will be heard of. */
void signd_forget(Signd *signd);
