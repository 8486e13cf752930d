// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Tries a server with Network Time Security as a source would use it, and tells each step:
 * core/api/nts-check.h. */

#include <systemd/sd-event.h>

#include "core/api/nts-check.h"
#include "core/config/config.h"
#include "core/ntp/aead.h"
#include "key-establisher.h"
#include "net/port-sharing.h"
#include "resolver.h"

typedef struct NtsCheckSetup {
    sd_event *event;      /* referenced */
    const Config *config; /* during nts_check_new() only */
    IpFamily family;      /* the only one that is used, IP_UNSPEC: both */
    KeyEstablisher *keys; /* whose trust counts; during nts_check_new() only */
    PortSharing *sharing; /* borrowed */
    Resolver *resolver;   /* the same */
    Aead aead;
} NtsCheckSetup;

/* source: as it would be configured. done is called once, from the event loop, after which the check is to be
 * freed. */
int nts_check_new(const NtsCheckSetup *setup, const SourceConfig *source, NtsCheckDone done, void *userdata,
                  NtsCheck **ret) must_check_;
/* May be called by done. */
NtsCheck *nts_check_free(NtsCheck *check);
DEFINE_CLEANUP(NtsCheck, nts_check_free);
