// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The keys that our own server seals its cookies with, and the cookies themselves. There are four keys: the
 * one in use, the two before it, so that clients who ask rarely need no new key establishment, and the one to
 * come, which other servers with the same keys may use already.
 *
 * A cookie is the number of its key (4 bytes), a nonce, and both keys of the client, sealed: 100 bytes with
 * AEAD_AES_SIV_CMAC_256. Format of cookies and of the file: chrony behaviour. */

#include "core/ntp/aead.h"

typedef struct CookieRing CookieRing;

/* Longest text of a ring, with its end. */
#define COOKIE_RING_TEXT_MAX 768

/* Without keys at first: opens and seals nothing. -ENOMEM, or -EIO when there are no random numbers. */
int cookie_ring_new(CookieRing **ret) must_check_;
/* Wipes the keys. Nobody may use its jar any more. */
CookieRing *cookie_ring_free(CookieRing *ring);
DEFINE_CLEANUP(CookieRing, cookie_ring_free);

/* All of the following are for one thread, while others may use the jar. */

/* Four new keys: cookies of the old ones are worth nothing any more. -EIO: no random numbers, and the old
 * keys stay. */
int cookie_ring_renew(CookieRing *ring) must_check_;
/* The key to come is in use from now on, the oldest one is forgotten. Without keys: as renew. */
int cookie_ring_rotate(CookieRing *ring) must_check_;
/* Forgets all keys. */
void cookie_ring_clear(CookieRing *ring);
bool cookie_ring_has_keys(CookieRing *ring);

/* The text of chrony's file `ntskeys`: NKS0, which every version of chrony reads, as long as all keys have
 * the same AEAD, as ours have; else NKS1. age: since the newest key was made, s. Returns its length, 0: there
 * are no keys. A secret: wipe it. */
size_t cookie_ring_format(CookieRing *ring, double age, char ret[static COOKIE_RING_TEXT_MAX]);

/* Takes the keys of such a text. False, with the old keys untouched: it is none, or has keys of a cipher that
 * we do not have. ret_age: as above. */
bool cookie_ring_parse(CookieRing *ring, const char *text, size_t length, double *ret_age) must_check_;

/* Valid as long as the ring. */
CookieJar cookie_ring_jar(CookieRing *ring);
