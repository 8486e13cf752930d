// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Keys and cookies of sources that the service manager keeps for us over a restart, in memory alone
 * (FDSTORE=1): what the files of kept-keys-files.h are on a disk, all in one. */

#include "core/api/nts.h"

/* Its name there. */
#define KEPT_KEYS_STORED "nts-client"

typedef struct KeptKeysStore KeptKeysStore;

int kept_keys_store_new(KeptKeysStore **ret) must_check_;
/* Wipes it. */
KeptKeysStore *kept_keys_store_free(KeptKeysStore *store);
DEFINE_CLEANUP(KeptKeysStore, kept_keys_store_free);

/* Takes in what a descriptor has. False: it is not what we have stored; as much of it as could be read is
 * there. */
bool kept_keys_store_read(KeptKeysStore *store, int fd) must_check_;

/* What there is of a server of keys, which is gone from the store then. */
bool kept_keys_store_take(KeptKeysStore *store, const IpAddress *server, NtsKept *ret) must_check_;
int kept_keys_store_leave(KeptKeysStore *store, const IpAddress *server, const NtsKept *kept) must_check_;

/* All of it as one text, the caller's to wipe and free. 0 bytes and NULL: there is nothing. */
int kept_keys_store_format(const KeptKeysStore *store, char **ret, size_t *ret_length) must_check_;
