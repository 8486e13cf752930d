// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Who may do what, as polkit says: asked without waiting, and the call is dispatched again when the answer
 * is there. One Polkit belongs to one connection. */

#include <systemd/sd-bus.h>

#include "base/macros.h"

typedef struct Polkit Polkit;

typedef enum Authorization {
    AUTHORIZATION_GRANTED = 0,
    AUTHORIZATION_PENDING,   /* the handler returns 1 and does nothing; it will be called once more */
    AUTHORIZATION_DENIED,    /* by polkit, or polkit is absent and the caller is not root */
    AUTHORIZATION_CHALLENGE, /* the user would have to authenticate, and the call forbids to ask */
    AUTHORIZATION_TOO_MANY,  /* too many checks under way, of this caller or of all */
} Authorization;

/* Shown to rules and agents with the action. */
typedef struct PolkitDetail {
    const char *key, *value;
} PolkitDetail;

int polkit_new(sd_bus *connection, Polkit **ret) must_check_;
/* Withdraws what is still being asked. */
Polkit *polkit_free(Polkit *polkit);
DEFINE_CLEANUP(Polkit, polkit_free);

/* What polkit is asked. */
typedef struct PolkitQuestion {
    const char *action; /* static text */
    const PolkitDetail *details;
    size_t detail_count;
    double size; /* a number among the details that may be another one at the second run */
} PolkitQuestion;

/* May the sender of message do that? The handler has checked its arguments and changed nothing yet; at its
 * second run it gets here again with the same message and action, and finds the answer. *ret_size: the size
 * that polkit was told, which is what was allowed. */
int polkit_check(Polkit *polkit, sd_bus_message *message, const PolkitQuestion *question, Authorization *ret,
                 double *ret_size) must_check_;
