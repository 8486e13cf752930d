// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The keys that are in use, for whoever signs and verifies: the engine, and the server's threads. They can be
 * exchanged while others read. */

#include "core/ntp/authenticator.h"
#include "nts/key-file.h"

typedef struct KeyRing KeyRing;

/* Without keys at first. */
int key_ring_new(KeyRing **ret) must_check_;
/* Nobody may use its authenticator any more. */
KeyRing *key_ring_free(KeyRing *ring);
DEFINE_CLEANUP(KeyRing, key_ring_free);

/* Takes the keys over, wipes those that were there, and leaves an empty value behind. */
void key_ring_replace(KeyRing *ring, Keys *keys);

/* Valid as long as the ring. */
Authenticator key_ring_authenticator(KeyRing *ring);
