// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The keys that cookies are sealed with, as a part of the daemon: made and rotated, or read from a file that
 * somebody else writes; kept across restarts in that file and with the service manager. */

#include <systemd/sd-event.h>

#include "base/journal.h"
#include "base/text.h"
#include "nts/cookie-ring.h"

typedef struct CookieKeys CookieKeys;

/* The name by which the service manager keeps them. */
#define COOKIE_KEYS_STORED "ntskeys"

typedef struct CookieKeysSetup {
    sd_event *event; /* referenced */
    Journal *journal;
    int stored; /* what the service manager has kept, borrowed until the keys are configured; -1: nothing */
    void (*on_changed)(void *userdata); /* there are keys now, and were none before, or the other way round */
    void *userdata;
} CookieKeysSetup;

typedef struct CookieKeysConfig {
    bool wanted;        /* somebody needs them */
    const char *folder; /* of the file `ntskeys`; NULL: there is none; borrowed during the call */
    int32_t rotate;     /* s; 0: only the file says what they are */
} CookieKeysConfig;

/* Without keys at first. */
int cookie_keys_new(const CookieKeysSetup *setup, CookieKeys **ret) must_check_;
/* Writes the age of the keys down first. */
CookieKeys *cookie_keys_free(CookieKeys *keys);
DEFINE_CLEANUP(CookieKeys, cookie_keys_free);

/* Keys that are there stay as long as they are wanted. */
int cookie_keys_configure(CookieKeys *keys, const CookieKeysConfig *config) must_check_;

/* Reads the file again if it is somebody else's. False: it cannot be used, the keys stay; detail, unless
 * NULL, says why. */
bool cookie_keys_reload(CookieKeys *keys, Text *detail);

bool cookie_keys_are_there(const CookieKeys *keys);

/* Valid as long as the object. In any thread. */
CookieJar cookie_keys_jar(const CookieKeys *keys);
