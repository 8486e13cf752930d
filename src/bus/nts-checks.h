// SPDX-License-Identifier: LGPL-2.1-or-later
// SPDX-FileCopyrightText: The Timeball authors
#pragma once

/* Sources.CheckNTS: calls that are answered when a server was tried. */

#include <systemd/sd-bus.h>

#include "base/macros.h"
#include "core/api/service.h"

typedef struct NtsChecks NtsChecks;

/* One belongs to one connection. service is used as long as it lives. */
int nts_checks_new(const Service *service, NtsChecks **ret) must_check_;
NtsChecks *nts_checks_free(NtsChecks *checks);

/* Begins a check for a caller who may; it ends when he leaves. What a method handler returns. */
int nts_checks_add(NtsChecks *checks, sd_bus_message *message, const NtsCheckRequest *request,
                   sd_bus_error *error);
