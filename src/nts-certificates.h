// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* The certificates that our server of keys shows, and their private keys: read from files, and read again by
 * itself when these change, with a word to the log on whatever is wrong with them. */

#include <systemd/sd-event.h>

#include "base/journal.h"
#include "base/text.h"
#include "core/api/server-report.h"
#include "nts/server-certificates.h"

typedef struct NtsCertificates NtsCertificates;

/* event is referenced, journal borrowed. on_loaded: from now on they are usable, and were not before. Without
 * any files at first. */
int nts_certificates_new(sd_event *event, Journal *journal, void (*on_loaded)(void *userdata), void *userdata,
                         NtsCertificates **ret) must_check_;
NtsCertificates *nts_certificates_free(NtsCertificates *certificates);
DEFINE_CLEANUP(NtsCertificates, nts_certificates_free);

/* Other files, as many keys as certificates; lists end with NULL or are NULL. What others took before stays
 * theirs. */
int nts_certificates_set_files(NtsCertificates *certificates, char *const *chains,
                               char *const *keys) must_check_;

/* Reads the files again. False: they cannot be used, what was read before stays in use; detail, unless NULL,
 * says why. */
bool nts_certificates_reload(NtsCertificates *certificates, Text *detail);

/* There are files to be read, right or wrong. */
bool nts_certificates_are_wanted(const NtsCertificates *certificates);

/* There are some that can be used. */
bool nts_certificates_are_there(const NtsCertificates *certificates);

/* When the first one expires; unset: there is none. */
CookedTime nts_certificates_end(const NtsCertificates *certificates);

/* For one handshake; NULL: there are none that can be used. In any thread. */
ServerCredentials *nts_certificates_take(NtsCertificates *certificates);
